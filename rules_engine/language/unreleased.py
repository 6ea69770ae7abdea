"""What the language has and this release does not run yet."""

from __future__ import annotations

from rules_engine.language.diagnostics import Code, Severity

TESTS_NOT_YET_RUNNING = Code(
    "RE191", "tests-not-yet-running", Severity.INFO, "Test blocks are read, and nothing runs them yet."
)
