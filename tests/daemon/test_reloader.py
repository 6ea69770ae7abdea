"""The reloader over scripted readings of the rules: no files, no waiting."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from rules_engine.daemon import facts
from rules_engine.daemon.reloader import Reload, Reloader
from rules_engine.pipeline import RuleSet, Unreadable, read_files

GOOD = b"event PING { n: int }\n"
OTHER = b"event PING { n: int, more: str? }\n"
BROKEN = b"loop\n"


class Swaps:
    """An evaluator as the reloader sees it."""

    def __init__(self) -> None:
        self.active_hash = ""
        self.swapped: list[RuleSet] = []

    def swap(self, rules: RuleSet) -> Future[dict[str, Any]]:
        self.swapped.append(rules)
        self.active_hash = rules.hash
        done: Future[dict[str, Any]] = Future()
        done.set_result({"kept": ["a"]})
        return done


class Script:
    """What each reading of the folder gives; the last one for ever."""

    def __init__(self, *readings: Any) -> None:
        self.readings = list(readings)
        self.read = 0

    def __call__(self) -> Any:
        self.read += 1
        given = self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]
        files = {"rules/a.loop": given} if isinstance(given, bytes) else given
        return files if isinstance(files, tuple) else (files, [])


@pytest.fixture
def make():
    def make(*readings: Any) -> tuple[Reloader, Swaps, list[Reload]]:
        swaps, reports = Swaps(), []
        made = Reloader([Path("rules")], swaps, reports.append, read=Script(*readings), pause=lambda _: False)
        return made, swaps, reports

    return make


def test_new_rules_are_swapped_in_and_reported(make):
    reloader, swaps, reports = make(GOOD)
    reload = reloader.attempt()
    assert reload.ok
    assert reload.handover == {"kept": ["a"]}
    assert [rules.hash for rules in swaps.swapped] == [reload.hash]
    assert reports == [reload]


def test_the_same_text_again_is_no_reload(make):
    reloader, swaps, reports = make(GOOD)
    reloader.attempt()
    assert reloader.attempt() is None
    assert len(swaps.swapped) == len(reports) == 1


def test_a_half_written_file_is_waited_for(make):
    reloader, swaps, _ = make(b"event PING {", b"event PING { n:", GOOD, GOOD)
    assert reloader.attempt().ok
    assert [rules.texts["rules/a.loop"] for rules in swaps.swapped] == [GOOD.decode()]


def test_rules_that_never_stand_still_are_left_to_the_next_change(make):
    reloader, swaps, reports = make(*[str(n).encode() for n in range(1_000)])
    assert reloader.attempt() is None
    assert swaps.swapped == reports == []


@pytest.mark.parametrize(
    "bad",
    [
        BROKEN,
        {"rules/a.loop": BROKEN, "rules/b.loop": BROKEN},
        ({"rules/a.loop": GOOD}, [Unreadable("rules/b.loop", "it cannot be read: Permission denied")]),
        ({}, [Unreadable("rules", "there is no such file or folder")]),
    ],
    ids=["one file", "two files", "unreadable", "folder gone"],
)
def test_on_any_error_the_last_good_rules_go_on(make, bad):
    reloader, swaps, reports = make(GOOD, GOOD, bad)
    reloader.attempt()
    good = swaps.active_hash
    reload = reloader.attempt()
    assert not reload.ok
    assert reload.rules.diagnostics or reload.rules.unreadable
    assert swaps.active_hash == good
    assert reports[-1] is reload


def test_the_errors_of_all_files_are_found_in_one_attempt(make):
    reloader, _, _ = make({"rules/a.loop": BROKEN, "rules/b.loop": b"event lower_case\n!\n"})
    assert {finding.span.path for finding in reloader.attempt().rules.diagnostics} == {
        "rules/a.loop",
        "rules/b.loop",
    }


def test_taking_back_a_mistake_is_a_good_reload_without_a_swap(make):
    reloader, swaps, reports = make(GOOD, GOOD, BROKEN, BROKEN, GOOD)
    for _ in range(3):
        reloader.attempt()
    assert [report.ok for report in reports] == [True, False, True]
    assert len(swaps.swapped) == 1


def test_a_request_is_answered_even_if_nothing_has_changed(make):
    reloader, swaps, reports = make(GOOD)
    reloader.attempt()
    reloader.request(7)
    reload = reloader.attempt()
    assert (reload.ok, reload.requests, reload.handover) == (True, (7,), {})
    assert len(swaps.swapped) == 1
    assert reports[-1] is reload
    assert reloader.attempt() is None, "a request is answered once"


def test_the_rules_in_force_at_the_start_are_not_loaded_again(make):
    reloader, swaps, _ = make(GOOD, GOOD, OTHER)
    reloader.loaded(({"rules/a.loop": GOOD}, []))
    assert reloader.attempt() is None
    assert reloader.attempt().ok
    assert len(swaps.swapped) == 1


def test_nothing_is_swapped_while_the_daemon_ends():
    swaps, reports = Swaps(), []
    reloader = Reloader([Path("rules")], swaps, reports.append, read=Script(GOOD), pause=lambda _: True)
    assert reloader.attempt() is None
    assert swaps.swapped == []


# ---- real files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("notified", [True, False], ids=["watched", "looked at"])
def test_a_saved_file_a_renamed_folder_and_its_return_are_noticed(tmp_path, notified):
    """With the watcher within milliseconds, without it (a network folder) within a second or so."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "a.loop").write_bytes(GOOD)
    swaps, reports = Swaps(), []
    told = threading.Semaphore(0)

    def report(reload: Reload) -> None:
        reports.append(reload)
        told.release()

    reloader = Reloader([folder], swaps, report, settle_ms=1)
    threads = [
        threading.Thread(target=work)
        for work in ([reloader.run, reloader.watch] if notified else [reloader.run])
    ]
    for thread in threads:
        thread.start()
    try:
        reloader.request()
        assert told.acquire(timeout=10)
        (folder / "a.loop").write_bytes(OTHER)
        assert told.acquire(timeout=10)
        folder.rename(tmp_path / "away")
        assert told.acquire(timeout=10)
        (tmp_path / "away").rename(folder)
        assert told.acquire(timeout=10)
        assert [reload.ok for reload in reports] == [True, True, False, True]
        assert len(swaps.swapped) == 2
    finally:
        reloader.stop()
        for thread in threads:
            thread.join(timeout=10)
    assert not any(thread.is_alive() for thread in threads)


def test_a_file_that_is_no_rule_file_is_told_in_a_few_lines(make, capsys):
    reloader, _, _ = make(GOOD, GOOD, b"loop " * 2_000)
    reloader.loaded(({"rules/a.loop": GOOD}, []))
    reloader.attempt()
    reload = reloader.attempt()
    assert reload is not None
    assert not reload.ok
    assert len(reload.rules.diagnostics) > 500
    assert len(facts.reload_fact(reload, 0)["diagnostics"]) == 200
    told = capsys.readouterr()
    assert (told.out + told.err).count("at=rules/a.loop") <= 20
    assert "more: `rules-engine lint` shows them" in told.out + told.err


def test_what_stands_in_a_rules_folder_and_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.loop")
    (tmp_path / "a.loop").write_bytes(GOOD)
    with (tmp_path / "huge.loop").open("wb") as file:
        file.truncate(1_000_000_000)
    data, unreadable = read_files([tmp_path])
    assert list(data) == [str(tmp_path / "a.loop")]
    assert [(Path(one.path).name, one.message) for one in unreadable] == [
        ("huge.loop", "it is far too long for a rule file"),
        ("pipe.loop", "it is not a file"),
    ]
