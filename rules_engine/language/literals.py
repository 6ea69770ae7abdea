"""Numbers, lengths of time and texts: from how they are written to what they mean."""

from __future__ import annotations

import re

MAX_DIGITS = 30
MAX_DURATION_MS = 3_650 * 86_400_000
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = re.compile(r"([0-9]+)(ms|s|m|h|d)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_BAD_ESCAPE = re.compile(r'\\[^"nt]')
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}


def number_of(text: str) -> int | float | None:
    """`12` is 12, `0.5` is 0.5, `25%` is 0.25; None with more than 30 digits."""
    if len(text) > MAX_DIGITS and sum(map(str.isdigit, text)) > MAX_DIGITS:
        return None
    if text.endswith("%"):
        return float(text[:-1]) / 100
    return float(text) if "." in text else int(text)


def duration_ms(text: str) -> int | None:
    """`1h30m` is 5,400,000; None past ten years."""
    total = 0
    for amount, unit in _PART.findall(text):
        if len(amount) > MAX_DIGITS:
            return None
        total += int(amount) * _UNIT_MS[unit]
        if total > MAX_DURATION_MS:
            return None
    return total


def text_of(literal: str) -> str:
    """The text between the quotes with its escapes resolved; unknown ones stay as written."""
    inner = literal[1:-1]
    if "\\" not in inner:
        return inner
    if "\0" in inner:
        return _ESCAPE.sub(lambda m: _ESCAPES.get(m[1], m[0]), inner)
    inner = inner.replace(r"\\", "\0")
    for letter in '"nt':
        inner = inner.replace("\\" + letter, _ESCAPES[letter])
    return inner.replace("\0", "\\")


def bad_escapes(literal: str) -> list[int]:
    """Where, counted from the opening quote, an escape stands that the language does not know."""
    if "\\" not in literal:
        return []
    return [m.start() for m in _BAD_ESCAPE.finditer(literal.replace(r"\\", ".."))]
