"""What reaches a terminal, and what becomes of commands whose streams are closed, full or narrow."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from rules_engine.terminal_text import visible

HOSTILE = "\x1b[2J\x9b31m\x07\r\u202e"


def test_what_a_terminal_obeys_is_made_visible_and_means_the_same_in_json():
    assert visible(HOSTILE) == r"\u001b[2J\u009b31m\u0007\u000d\u202e"
    assert json.loads(f'"{visible(HOSTILE)}"') == HOSTILE
    assert visible("a\tb\nc \u00e4 \U0001f600") == "a\tb\nc \u00e4 \U0001f600"


def obeyed(text: str) -> list[str]:
    return [char for char in text if visible(char) != char]


@pytest.mark.parametrize(
    "arguments",
    [("tail",), ("tail", "--format", "json"), ("firings",), ("knobs",), ("status",), ("dead-letters", "list"),
     ("dead-letters", "show", "1"), ("events", HOSTILE), (HOSTILE,), ("off", HOSTILE, "--reason", "x"),
     ("lint", HOSTILE), ("replay", "--since", HOSTILE), ("knobs", HOSTILE), ("explain", HOSTILE)],
)  # fmt: skip
def test_no_text_from_outside_steers_the_terminal(command, here, arguments):
    events = [
        {"type": "READING", "payload": {"sensor": sensor, "value": 11}, "source": HOSTILE}
        for sensor in (HOSTILE, "broken")
    ]
    stream = "\n".join(map(json.dumps, events))
    handlers = (
        (here / "valve_handlers.py")
        .read_text()
        .replace("no such valve", HOSTILE.encode("unicode_escape").decode())
    )
    (here / "valve_handlers.py").write_text(handlers)
    assert command("publish", "--json", "-", "--rules", "rules", stdin=stream).code == 0
    run = command("run", "--once", "--handlers", "valve_handlers")
    assert not obeyed(run.err + run.out)
    result = command(*arguments)
    assert not obeyed(result.err + result.out)


def shell(here, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = line.replace("re ", f"{sys.executable} -m rules_engine ", 1)
    return subprocess.run(
        ["bash", "-c", command], cwd=here, capture_output=True, text=True, timeout=30, check=False,
        env={"PATH": "/usr/bin:/bin", **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("re tail >&-", 0),
        ("re publish MODEL_PROMOTED a=1 >&-", 0),
        ("re publish --json - <&-", 0),
        ("re status 2>&-", 0),
        ("re tail >/dev/full", 2),
        ("re status --format json >/dev/full", 2),
        ("re nonsense 2>/dev/full", 2),
        ("re firings NONSENSE --db missing.db 2>&-", 2),
    ],
)
def test_streams_that_are_closed_or_full(here, command, line, code):
    command("publish", "MODEL_PROMOTED")
    done = shell(here, line)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "mistake in rules-engine" not in done.stderr


def test_a_reader_that_has_seen_enough_is_no_failure(here, command):
    lines = "\n".join(json.dumps({"type": "MODEL_PROMOTED", "payload": {"n": n}}) for n in range(3_000))
    command("publish", "--json", "-", stdin=lines)
    done = shell(here, "re tail 2>&1 | head -1; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stdout


def test_texts_that_the_locale_cannot_write_are_shown_all_the_same(here, command):
    command("publish", "MODEL_PROMOTED", "--source", "\u00e4")
    done = shell(here, "re tail", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert r"from \xe4" in done.stdout


def test_a_terminal_said_to_have_no_width_is_written_to(here, command):
    command("publish", "MODEL_PROMOTED")
    assert "daemon" in shell(here, "re status", COLUMNS="0").stdout


def test_ctrl_c_ends_with_the_code_for_what_could_not_be_done(command, monkeypatch):
    from rules_engine.cli import observing

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(observing, "open_existing", interrupted)
    result = command("tail")
    assert (result.code, result.err) == (2, "interrupted\n")
