"""Test blocks run over rules in memory."""

from __future__ import annotations

import pytest

from rules_engine.language.diagnostics import Severity
from rules_engine.pipeline import RuleSet, check_texts, load
from rules_engine.tools.scenarios.observations import Observations
from rules_engine.tools.scenarios.running import ScenarioResult
from rules_engine.tools.scenarios.suite import Suite

PRELUDE = """
event A { k: str?, x: float?, d: duration?, l: list? } from "a test"
event B { k: str?, x: float? } from "a test"
event C { k: str, j: str, kj: str = "{k}/{j}" }
event OUT { k: str?, x: float?, l: list? }
event SLOW { k: str? } dedup 10m from "a test"
event FREE { k: str? } dedup off from "a test"
action H.act(k: str?, v: float?)
action H.other(k: str?)
action Drive.turn(k: str, v: float)
action Drive.mode(v: str)
knob rate per k in 0..10 = 1
knob driven per k in 0..10 = 1 drives Drive.turn
knob fading per k in 0..10 = 1 decay 10m
knob still per k in 0..10 = 1 deadband 0.5
knob mode in "low" | "normal" = "normal" drives Drive.mode
"""


@pytest.fixture
def rules_of():
    """The rule set of a text of loops and tests."""

    def rules_of(text: str) -> RuleSet:
        rules = check_texts({"case.loop": PRELUDE + text})
        assert [f.message for f in rules.diagnostics if f.severity is Severity.ERROR] == []
        return rules

    return rules_of


@pytest.fixture
def run(rules_of):
    """The outcome of the one test of a text that has loops and tests."""

    def run(text: str, seen: Observations | None = None) -> ScenarioResult:
        suite = Suite(rules_of(text))
        [scenario] = suite.scenarios
        return suite.run(scenario, seen)

    return run


@pytest.fixture
def outcome(run):
    """`passed`, or the message of the first failure, of loops and the steps of a test."""

    def outcome(loops: str, steps: str) -> str:
        result = run(f'{loops} test "it" {{ {steps} }}')
        return result.outcome if not result.failures else result.failures[0].message

    return outcome


@pytest.fixture
def of_folder(tmp_path):
    """Runs all tests of files given by name, in order."""

    def of_folder(only: tuple[str, ...] = ("rules",), **files: str) -> list[ScenarioResult]:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".loop").write_text(text)
        rules = load(*(tmp_path / folder for folder in only))
        assert [f.message for f in rules.diagnostics if f.severity is Severity.ERROR] == []
        suite = Suite(rules)
        return [suite.run(scenario) for scenario in suite.scenarios]

    return of_folder
