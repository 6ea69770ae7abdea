"""Judging a rule set given as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rules_engine.checks.registry import run_checks
from rules_engine.language.diagnostics import Diagnostic
from rules_engine.language.parser import parse
from rules_engine.language.program import Program
from rules_engine.language.resolver import check
from rules_engine.language.source import Source

Judge = Callable[[str], list[Diagnostic]]


def program_of(text: str) -> tuple[Program, list[Diagnostic]]:
    source = Source("case.loop", text)
    file, malformed = parse(source)
    assert malformed == []
    program, findings = check([file], [], {"case.loop": source})
    assert program is not None
    return program, findings


def sound(text: str) -> Program:
    program, findings = program_of(text)
    assert [f for f in findings if f.severity == "error"] == []
    return program


@pytest.fixture
def judge() -> Judge:
    """What the checks say of a text that is free of errors."""

    def judged(text: str) -> list[Diagnostic]:
        return run_checks(sound(text))

    return judged


@pytest.fixture
def codes(judge: Judge) -> Callable[[str], list[str]]:
    """The codes of what the checks say of a text that is free of errors."""

    def judged(text: str) -> list[str]:
        return [finding.code.id for finding in judge(text)]

    return judged


@pytest.fixture
def read() -> Callable[[str], Any]:
    """The program of a text that is free of errors."""
    return sound
