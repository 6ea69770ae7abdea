"""What the language has and this release does not run yet: named, checked, and refused in one place."""

from __future__ import annotations

from rules_engine.language.diagnostics import Code, Diagnostic, Severity
from rules_engine.language.source import Span

NOT_YET_RUNNING = Code(
    "RE190", "not-yet-running", Severity.ERROR, "The language has this, and the engine does not run it yet."
)
TESTS_NOT_YET_RUNNING = Code(
    "RE191", "tests-not-yet-running", Severity.INFO, "Test blocks are read, and nothing runs them yet."
)

#: What to use meanwhile, by construct.
INSTEAD = {
    "`every`": "hear an event that comes regularly, with a `cooldown`",
    "`cron`": "hear an event that comes regularly, with a `cooldown`",
}


def not_yet_running(span: Span, construct: str) -> Diagnostic:
    """The finding that a construct comes with a later release, and what to use until then."""
    message = f"{construct} does not run yet: it comes with a later release"
    return NOT_YET_RUNNING.at(span, message, help=INSTEAD[construct])
