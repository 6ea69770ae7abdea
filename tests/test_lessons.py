"""The page of lessons names what prevents each, and tests that exist; and what lint has to say to some."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from rules_engine.event import Kind, Row
from rules_engine.events.event_forms import StageEvent
from rules_engine.events.name_resolution import shipped_vocabulary
from rules_engine.pipeline import check_texts
from rules_engine.tools.replay import replay

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "lessons.md"
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/.]+\.py)::(\w+)`")


def rows() -> list[tuple[str, str, str, str]]:
    return ROW.findall(PAGE.read_text(encoding="utf-8"))


@cache
def functions_of(file: str) -> frozenset[str]:
    """The test functions of a file of `tests/`."""
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def test_every_lesson_of_the_event_system_has_its_row() -> None:
    assert [int(number) for number, *_ in rows()] == [*range(1, 52), 59, 60]


@pytest.mark.parametrize(("number", "lesson", "mechanism", "tests"), rows(), ids=lambda text: text[:4])
def test_every_row_names_a_mechanism_and_tests_that_exist(
    number: str, lesson: str, mechanism: str, tests: str
) -> None:
    assert len(lesson) > 20, number
    assert len(mechanism) > 20, number
    named = NAMED.findall(tests)
    assert named, f"lesson {number} names no test"
    assert [f"{file}::{name}" for file, name in named if name not in functions_of(file)] == []
    for _, name in named:
        if (lesson_of := re.match(r"test_lesson_(\d+)_", name)) is not None:
            assert int(lesson_of[1]) == int(number), name


def test_every_test_that_is_named_after_a_lesson_is_on_the_page() -> None:
    files = [str(path.relative_to(ROOT / "tests")) for path in (ROOT / "tests").rglob("test_*.py")]
    named = {name for *_, tests in rows() for _, name in NAMED.findall(tests)}
    own = {name for file in files for name in functions_of(file) if re.match(r"test_lesson_\d+_", name)}
    listed = {int(number) for number, *_ in rows()}
    assert {name for name in own - named if int(re.findall(r"\d+", name)[0]) in listed} == set()


# ---- what documents say ------------------------------------------------------------------------------

#: Names in upper case that are no events.
NO_EVENTS = re.compile(
    r"(RULES_ENGINE|RINGRIFT|COORDINATOR_CROSS)_\w+|NO_COLOR|DAEMON_SUBSCRIPTIONS|START_MS"
)


def documents() -> list[Path]:
    return [ROOT / "README.md", ROOT / "DESIGN.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_lesson_06_documents_name_only_events_that_exist(page: Path) -> None:
    names, aliases = shipped_vocabulary()
    text = page.read_text(encoding="utf-8")
    known = {*names, *aliases, *StageEvent.__members__, *re.findall(r"^\s*event (\w+)", text, re.MULTILINE)}
    written = set(re.findall(r"(?<![\w.\"'])`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`", text))
    written |= set(re.findall(r"^\s+on ([A-Z][A-Z0-9_]+)", text, re.MULTILINE))
    if "codes" in page.parts:
        return  # their examples are linted, and some are wrong on purpose
    assert {name for name in written - known if not NO_EVENTS.fullmatch(name)} == set()


@pytest.mark.parametrize("page", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_lesson_08_a_number_of_event_types_is_the_number_there_is(page: Path) -> None:
    said = re.findall(r"(\d{3}) (?:types of events|event types|events\b)", page.read_text(encoding="utf-8"))
    assert set(said) <= {str(len(shipped_vocabulary()[0])), "200", "500"}


# ---- what lint says ----------------------------------------------------------------------------------


def assert_told(text: str, code: str, message: str) -> None:
    """Lint gives this finding for rules of this text."""
    found = [(one.code.id, one.message) for one in check_texts({"rules/a.loop": text}).diagnostics]
    assert any(given == code and message in said for given, said in found), found


def test_lesson_11_reading_a_field_that_may_be_missing_is_pointed_out() -> None:
    rules = """
action Judge.evaluate(config_key: str, model_path: str)

loop a
  on TRAINING_COMPLETED
  per config_key
  do Judge.evaluate(config_key, model_path) timeout 1m
"""
    assert_told(rules, "RE204", "`model_path` may be unknown, and then `Judge.evaluate` is not done")


def test_lesson_12_a_field_that_the_event_does_not_have_is_an_error() -> None:
    rules = """
action Nurse.look(daemon: str)

loop a
  on DAEMON_STOPPED
  per daemon_name
  when daemon_kind == "sync"
  do Nurse.look(daemon_name) timeout 1m
"""
    assert_told(rules, "RE103", "unknown name `daemon_kind`")


def test_lesson_13_a_rule_that_waits_for_a_field_nobody_sends_does_not_load() -> None:
    rules = """
action Boost.raise_it(config_key: str)

loop a
  on TRAINING_LOSS_ANOMALY
  per config_key
  when trend_duration_epochs >= 5
  do Boost.raise_it(config_key) timeout 1m
"""
    assert_told(rules, "RE103", "unknown name `trend_duration_epochs`")
    assert check_texts({"rules/a.loop": rules}).plan is None


def test_lesson_16_an_emitted_event_without_a_listener_is_told() -> None:
    rules = """
event ODD { k: str }
event E { k: str } from "a"

loop a
  on E
  emit ODD { k }
"""
    assert_told(rules, "RE504", "no loop hears `ODD`")


def test_lesson_17_a_word_that_the_field_does_not_hold_is_an_error() -> None:
    rules = """
action Keeper.warn(config_key: str)

loop a
  on REGRESSION_DETECTED
  per config_key
  when severity == "mild"
  do Keeper.warn(config_key) timeout 1m
"""
    assert_told(rules, "RE203", '"mild" is not one of its words')


def test_lesson_18_a_number_without_its_unit_is_an_error() -> None:
    rules = """
event E { waited: duration } from "a"
action Keeper.warn()

loop a
  on E
  when waited > 5
  do Keeper.warn() timeout 1m
"""
    assert_told(rules, "RE202", "this is a plain number, the other side is a duration")


def test_lesson_38_loops_that_set_each_other_off_are_found() -> None:
    rules = """
event E { k: str } from "a"
event F { k: str } from "a"

loop a
  on E
  per k
  emit F { k }

loop b
  on F
  per k
  emit E { k }
"""
    assert_told(rules, "RE301", "a -> F -> b -> E -> a")


def test_lesson_51_two_loops_that_fight_over_a_knob_are_found() -> None:
    rules = """
knob weight in 0.5..2.0 = 1.0
  drives Scheduler.weigh
action Scheduler.weigh(weight: float)

loop a
  on MODEL_PROMOTED
  set weight = 0.6

loop b
  on MODEL_PROMOTED
  set weight = 1.5
"""
    assert_told(rules, "RE401", "`a` sets `weight` on the same event")


def test_lesson_14_an_outcome_that_was_never_told_is_neither_success_nor_failure() -> None:
    rules = """
event DONE { run: int, success: bool? } dedup off from "trainer"
action Keeper.blame(run: int)
action Keeper.praise(run: int)

loop failures_are_blamed
  on DONE
  when not success
  do Keeper.blame(run) timeout 1m

loop successes_are_praised
  on DONE
  when success
  do Keeper.praise(run) timeout 1m
"""
    plan = check_texts({"rules/a.loop": rules}).plan
    assert plan is not None
    told: list[dict[str, object]] = [{}, {"success": None}, {"success": True}, {"success": False}]
    rows = [
        Row(seq, seq * 1_000, Kind.EVENT, f"e{seq}", "DONE", {"run": seq} | payload)
        for seq, payload in enumerate(told, 1)
    ]
    assert [(firing.loop, firing.position) for firing in replay(plan, rows)] == [
        ("successes_are_praised", 3),
        ("failures_are_blamed", 4),
    ]
