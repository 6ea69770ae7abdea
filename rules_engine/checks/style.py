"""Style: what is written and says nothing."""

from __future__ import annotations

from collections.abc import Iterator

from rules_engine.language.catalog import did_you_mean
from rules_engine.language.diagnostics import CODES, Code, Diagnostic, Severity
from rules_engine.language.program import Program

UNUSED_ALLOW = Code("RE901", "unused-allow", Severity.INFO, "An `@allow` hides nothing.")


def unused_allows(rules: Program, used: frozenset[tuple[str, str]]) -> Iterator[Diagnostic]:
    """Each `@allow` of a loop that hid no finding; `used` are the (loop, code) that did."""
    for loop in rules.loops:
        for allow in loop.allows:
            if (loop.name, allow.code) in used:
                continue
            if allow.code in CODES:
                message, advice = f"nothing in this loop gives {allow.code}", "remove it"
            else:
                message, advice = (
                    f"there is no finding {allow.code}",
                    did_you_mean(allow.code, CODES, "remove it"),
                )
            yield UNUSED_ALLOW.at(allow.span, message, help=advice)
