"""The shipped loops lint clean, and their own tests see all of them; what they do stands in those tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from rules_engine.cli.app import run
from rules_engine.language.diagnostics import Severity
from rules_engine.pipeline import RuleSet, load

RULES = Path(__file__).resolve().parents[2] / "rules"


@cache
def shipped_rules() -> RuleSet:
    return load(RULES)


def test_they_lint_clean() -> None:
    rules = shipped_rules()
    assert [finding.message for finding in rules.diagnostics if finding.severity is not Severity.INFO] == []
    assert rules.ok


def test_their_own_tests_pass_and_miss_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["test", str(RULES), "--coverage", "--min", "100"])
    told = capsys.readouterr().out
    assert code == 0, told
    assert "coverage 100.0%" in told
