"""All opinions about a valid program, run one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rules_engine.language.diagnostics import Diagnostic
from rules_engine.language.program import Program

Check = Callable[[Program], Iterable[Diagnostic]]

#: Every check there is, in the order of their codes.
CHECKS: tuple[Check, ...] = ()


def run_checks(program: Program) -> list[Diagnostic]:
    """All findings of all checks, without those that an `@allow` hides, in order of place."""
    return [finding for check in CHECKS for finding in check(program)]
