"""The codes of malformed text; those of numbers and texts stand beside what reads them."""

from __future__ import annotations

from rules_engine.language.diagnostics import Code, Severity

UNEXPECTED = Code(
    "RE001",
    "unexpected-text",
    Severity.ERROR,
    "A word or sign stands where the language has no place for it.",
)
MISSING = Code("RE002", "missing-part", Severity.ERROR, "Something that has to stand here is missing.")
UNCLOSED = Code("RE003", "unclosed", Severity.ERROR, "A bracket or a text is opened and never closed.")
UNKNOWN_WORD = Code(
    "RE004",
    "unknown-clause",
    Severity.ERROR,
    "A line begins with a word that begins neither a clause nor a declaration.",
)
WRONG_FORM = Code(
    "RE010", "wrong-name-form", Severity.ERROR, "A name is not written in the form its kind of name has."
)
