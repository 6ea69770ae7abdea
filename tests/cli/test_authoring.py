"""`lint`, `events`, `explain` and the command line as a whole."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rules_engine import __version__

BROKEN = "loop broken\n  on NO_SUCH_EVENT\n  per sensor\n"
COMMANDS = [
    "lint", "events", "codegen", "explain", "demo", "run", "work", "publish", "tail", "firings", "status",
    "reload", "off", "on", "knobs",
]  # fmt: skip
WARNS = """
event READING { sensor: str, value: float }
action Valve.close(sensor: str)
loop a
  on READING
  per sensor
  when value > 1
  do Valve.close(sensor)
"""


# ---- the command line ----------------------------------------------------------------------------


def test_help_lists_the_commands_that_are_there(command):
    result = command("--help")
    assert result.code == 0
    for name in [
        "lint",
        "run",
        "work",
        "publish",
        "tail",
        "firings",
        "status",
        "knobs",
        "reload",
        "off",
        "on",
        "dead-letters",
        "events",
        "codegen",
        "explain",
        "demo",
    ]:
        assert f"  {name} " in result.out


def test_version(command):
    assert command("--version").out == f"rules-engine {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [["no-such-command"], ["lint", "--no-such-option"], ["tail", "--format", "xml"], ["off", "a"], ["work"]],
)
def test_wrong_usage_is_exit_code_2(command, arguments):
    result = command(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err


@pytest.mark.parametrize(
    "name",
    [
        "lint",
        "run",
        "work",
        "publish",
        "tail",
        "firings",
        "status",
        "knobs",
        "reload",
        "off",
        "on",
        "events",
        "codegen",
        "explain",
        "demo",
    ],
)
def test_every_command_explains_itself(command, name):
    result = command(name, "--help")
    assert result.code == 0
    assert "Usage: rules-engine" in result.out


def test_a_setting_that_cannot_be_used_is_named(command, monkeypatch):
    monkeypatch.setenv("RULES_ENGINE_BATCH_ROWS", "0")
    result = command("publish", "MODEL_PROMOTED")
    assert result.code == 2
    assert "batch_rows" in result.err


def test_a_settings_file_that_cannot_be_read_is_named(command, here):
    (here / "rules-engine.toml").write_text("db = \n")
    result = command("publish", "MODEL_PROMOTED")
    assert result.code == 2
    assert "rules-engine.toml" in result.err


def test_a_reader_that_goes_away_is_no_error(here):
    program = (
        "import sys; from rules_engine.__main__ import main; sys.exit(main(['events', '--format', 'json']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=here
    )
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(30) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_importing_the_package_is_cheap(here):
    """No parser, no pydantic, no asyncio: only what is asked for is imported."""
    program = (
        "import sys; before = set(sys.modules); import rules_engine; rules_engine.action;"
        "print(sorted(m.partition('.')[0] for m in set(sys.modules) - before))"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=here
    ).stdout
    for heavy in ("pydantic", "lark", "asyncio", "structlog", "typer", "rich", "sqlite3"):
        assert f"'{heavy}'" not in out


# ---- lint ----------------------------------------------------------------------------------------


def test_a_clean_rule_set(command):
    result = command("lint")
    assert result.code == 0
    assert "no findings" in result.out


def test_json_is_one_document_and_nothing_else(command, here):
    (here / "rules" / "b.loop").write_text(BROKEN)
    result = command("lint", "--format", "json")
    assert result.code == 1
    assert result.json["summary"]["files"] == 2
    assert result.json["summary"]["errors"] >= 1
    first = result.json["diagnostics"][0]
    assert (first["path"], first["line"]) == ("rules/b.loop", 1)


def test_strict_makes_warnings_fail(command, here):
    (here / "w.loop").write_text(WARNS)
    assert command("lint", "w.loop").code == 0
    assert command("lint", "w.loop", "--strict").code == 1


@pytest.mark.parametrize("format", ["sarif", "github", "text"])
def test_other_formats(command, here, format):
    (here / "rules" / "b.loop").write_text(BROKEN)
    result = command("lint", "--format", format)
    assert result.code == 1
    assert "rules/b.loop" in result.out
    if format == "sarif":
        assert result.json["version"] == "2.1.0"


@pytest.mark.parametrize("path", ["nowhere", "nowhere.loop", "empty"])
def test_a_path_without_rules_is_exit_code_2(command, here, path):
    (here / "empty").mkdir()
    result = command("lint", path)
    assert result.code == 2
    assert path in result.err


def test_several_paths_are_one_rule_set(command, here):
    (here / "more.loop").write_text(
        'loop more\n  "More."\n  on PRESSURE_ALARM\n  emit READING { sensor, value: 1 }\n'
    )
    assert command("lint", "rules", "more.loop", "--format", "json").json["summary"]["files"] == 2


def test_handlers_are_checked_when_given(command, here):
    assert command("lint", "--handlers", "valve_handlers").code == 0
    (here / "half_handlers.py").write_text(
        "from rules_engine import action\n@action('Valve.close')\ndef close(sensor, cause): ...\n"
    )
    result = command("lint", "--handlers", "half_handlers", "--format", "json")
    assert result.code == 1
    assert {d["code"] for d in result.json["diagnostics"]} >= {"RE704", "RE705"}


def test_handlers_that_cannot_be_imported_are_exit_code_2(command):
    result = command("lint", "--handlers", "no_such_handlers")
    assert result.code == 2
    assert "no_such_handlers" in result.err


def test_a_baseline_hides_what_was_known_and_shows_what_is_new(command, here):
    (here / "rules" / "b.loop").write_text(BROKEN)
    assert command("lint", "--baseline", "known.json").code == 0
    assert command("lint", "--baseline", "known.json").code == 0
    (here / "rules" / "b.loop").write_text("# moved down\n\n" + BROKEN)
    assert command("lint", "--baseline", "known.json").code == 0
    (here / "rules" / "c.loop").write_text(BROKEN.replace("broken", "another").replace("NO_SUCH", "NO_OTHER"))
    assert command("lint", "--baseline", "known.json").code == 1
    (here / "known.json").write_text("[]")
    assert command("lint", "--baseline", "known.json").code == 2


# ---- events, explain -----------------------------------------------------------------------------


def test_the_catalogue_and_one_event_of_it(command):
    names = {event["event"] for event in command("events", "--format", "json").json["events"]}
    assert "MODEL_PROMOTED" in names
    one = command("events", "model_promoted", "--format", "json").json["event"]
    assert one["event"] == "MODEL_PROMOTED"
    assert "MODEL_PROMOTED" in command("events", "MODEL_PROMOTED").out


def test_an_event_shows_the_words_of_its_named_types(command):
    page = command("events", "TRAINING_LOSS_TREND").out
    assert 'loss_trend: "improving" | "stalled" | "plateau" | "degrading"' in page.splitlines()
    fields = command("events", "TRAINING_LOSS_TREND", "--format", "json").json["event"]["fields"]
    words = {field["field"]: field["words"] for field in fields}
    assert words["trend"] == ["improving", "stalled", "plateau", "degrading"]
    assert words["epoch"] == []


def test_words_that_stand_at_the_field_are_not_told_twice(command, here):
    (here / "rules" / "b.loop").write_text('event LAMP { id: str, colour: "red" | "green" } from "test"\n')
    page = command("events", "LAMP", "--rules", "rules").out
    assert page.count('"red"') == 1


def test_an_own_event_without_rules_is_asked_for_with_them(command):
    assert "--rules rules" in command("events", "READING").err
    assert "--rules rules" not in command("events", "READIN", "--rules", "rules").err


def test_the_users_events_with_rules(command):
    assert (
        command("events", "READING", "--rules", "rules", "--format", "json").json["event"]["shipped"] is False
    )
    result = command("events", "READIN", "--rules", "rules")
    assert result.code == 2
    assert "READING" in result.err


def test_a_findings_page(command):
    assert command("explain", "re101").out.startswith("# RE101")
    result = command("explain", "RE110x")
    assert result.code == 2
    assert "did you mean `RE110`" in result.err


def test_what_was_not_read_is_not_said_to_be_without_findings(command, here):
    result = command("lint", "missing")
    assert (result.code, result.out) == (2, "")
    assert "missing: there is no such file or folder" in result.err


def test_a_finding_is_explained_by_its_name_too_and_a_misspelt_one_is_named(command):
    assert command("explain", "endless-cycle").out.startswith("# RE301 endless-cycle")
    assert "did you mean `endless-cycle`?" in command("explain", "endles-cycle").err
