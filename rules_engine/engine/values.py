"""The value algebra: unknown, truth, numbers, text, and what a declared type accepts.

A value is what JSON can hold. `None` is *unknown* (L2); truth is Kleene's, with `None` as the third
value; numbers are finite floats and ints of 64 bit, a bool is no number (L35). Nothing here raises.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

Value = Any
Accept = Callable[[Any], Value]

INT_MAX = 2**63 - 1
INT_MIN = -(2**63)
#: Decimals a knob's value is rounded to, so that no platform's last bit matters (L24).
KNOB_DECIMALS = 9
_NUMBERS = frozenset({int, float})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# ---- numbers -------------------------------------------------------------------------------------


def is_number(value: Value) -> bool:
    """Whether it is an int or a float; a bool is neither (L35)."""
    kind = type(value)
    return kind is float or kind is int


def all_numbers(items: Iterable[Value]) -> bool:
    """Whether they all are numbers."""
    return _NUMBERS.issuperset(map(type, items))


def checked(value: Any) -> Value:
    """A number the language can hold: finite, ints within 64 bit; everything else is unknown (L35)."""
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is int:
        return value if INT_MIN <= value <= INT_MAX else None
    return None


def add(left: Value, right: Value) -> Value:
    """Sum, or unknown."""
    return checked(left + right) if is_number(left) and is_number(right) else None


def subtract(left: Value, right: Value) -> Value:
    """Difference, or unknown."""
    return checked(left - right) if is_number(left) and is_number(right) else None


def multiply(left: Value, right: Value) -> Value:
    """Product, or unknown."""
    return checked(left * right) if is_number(left) and is_number(right) else None


def divide(left: Value, right: Value) -> Value:
    """Quotient, always a float; by zero it is unknown (L35)."""
    if not (is_number(left) and is_number(right)) or right == 0:
        return None
    return checked(left / right)


def modulo(left: Value, right: Value) -> Value:
    """Remainder with the sign of the divisor; by zero it is unknown."""
    if not (is_number(left) and is_number(right)) or right == 0:
        return None
    return checked(left % right)


def power(base: Value, exponent: Value) -> Value:
    """Power; unknown where it is complex, not finite or beyond 64 bit. Never builds a huge int first."""
    if not (is_number(base) and is_number(exponent)):
        return None
    if type(base) is int and type(exponent) is int and exponent >= 0:
        if abs(base) > 1 and exponent > 64:
            return None
        return checked(base**exponent)
    try:
        return checked(float(base) ** float(exponent))
    except (OverflowError, ZeroDivisionError):
        return None


def rounded(value: Value, digits: Value = 0) -> Value:
    """Nearest number of that many decimals, halves away from zero; without digits an int."""
    if not is_number(value) or type(digits) is not int or abs(digits) > 30:
        return None
    if digits != 0:
        try:
            return checked(round(value, digits))
        except OverflowError:
            return None
    size = abs(value)
    whole = math.floor(size)
    if size - whole >= 0.5:
        whole += 1
    return checked(whole if value >= 0 else -whole)


def round_knob(value: float) -> float:
    """Nine decimals, and never a negative zero (L24)."""
    return round(value, KNOB_DECIMALS) + 0.0


# ---- comparison ----------------------------------------------------------------------------------


def equal(left: Value, right: Value) -> bool | None:
    """Whether two values are the same; unknown if one is, or if they are of different kinds (L37)."""
    if left is None or right is None:
        return None
    if type(left) is type(right) or (is_number(left) and is_number(right)):
        return bool(left == right)
    return None


def member_of(value: Value, items: Value) -> bool | None:
    """Membership of a list: an unknown among the items leaves a miss unknown."""
    if value is None or type(items) not in (list, tuple):
        return None
    answer: bool | None = False
    for item in items:
        same = equal(value, item)
        if same:
            return True
        if same is None:
            answer = None
    return answer


# ---- text ----------------------------------------------------------------------------------------


def text_of(value: Value) -> str:
    """How a value prints inside a text (L40): shortest, whole floats without a point, unknown as `?`."""
    if value is None:
        return "?"
    if type(value) is str:
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if type(value) is float:
        return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
    if type(value) is int:
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "), default=str)


def moment(time_ms: int) -> str:
    """A time as people read it: `2026-01-05T08:00:00.000Z`."""
    text = (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def glob_test(pattern: str) -> Callable[[str], bool]:
    """A test of a whole text against `*` and `?` (L39), linear in practice: it never backtracks twice."""
    if "*" not in pattern and "?" not in pattern:
        return lambda text: text == pattern
    if "?" not in pattern and pattern.count("*") == 1:
        head, tail = pattern.split("*")
        shortest = len(head) + len(tail)
        return lambda text: len(text) >= shortest and text.startswith(head) and text.endswith(tail)
    return lambda text: _glob(pattern, text)


def _glob(pattern: str, text: str) -> bool:
    """Greedy matching that only ever goes back to the last star."""
    at = here = 0
    star = mark = -1
    while here < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, mark = at, here
            at += 1
        elif at < len(pattern) and (pattern[at] == "?" or pattern[at] == text[here]):
            at += 1
            here += 1
        elif star >= 0:
            mark += 1
            at, here = star + 1, mark
        else:
            return False
    return all(rest == "*" for rest in pattern[at:])


# ---- what a declared type accepts ----------------------------------------------------------------


def accept_text(value: Any) -> Value:
    """A `str` field."""
    return value if type(value) is str else None


def accept_bool(value: Any) -> Value:
    """A `bool` field."""
    return value if type(value) is bool else None


def accept_list(value: Any) -> Value:
    """A `list` field."""
    return value if type(value) is list else None


def accept_map(value: Any) -> Value:
    """A `map` field."""
    return value if type(value) is dict else None


def accept_any(value: Any) -> Value:
    """Any JSON value."""
    return checked(value) if is_number(value) else value


def accept_int(low: float | None = None, high: float | None = None) -> Accept:
    """An `int` field: `5.0` is a good int, `5.5` and `true` are not."""
    least = INT_MIN if low is None else low
    most = INT_MAX if high is None else high

    def accept(value: Any) -> Value:
        kind = type(value)
        if kind is float:
            if not value.is_integer():
                return None
            value = int(value)
        elif kind is not int:
            return None
        return value if least <= value <= most and INT_MIN <= value <= INT_MAX else None

    return accept


def accept_float(low: float | None = None, high: float | None = None) -> Accept:
    """A `float` field: a good int is a good float; NaN and the infinities are unknown."""
    least = -math.inf if low is None else low
    most = math.inf if high is None else high

    def accept(value: Any) -> Value:
        kind = type(value)
        if kind is int:
            if not INT_MIN <= value <= INT_MAX:
                return None
            value = float(value)
        elif kind is not float or not math.isfinite(value):
            return None
        return value if least <= value <= most else None

    return accept


def accept_duration(low: float | None = None, high: float | None = None) -> Accept:
    """A `duration` field: a number of seconds (L36)."""
    return accept_float(low, high)


def accept_words(words: Sequence[str]) -> Accept:
    """A field closed to a set of words."""
    allowed = frozenset(words)

    def accept(value: Any) -> Value:
        return value if type(value) is str and value in allowed else None

    return accept


def accept_type(
    base: str, words: Sequence[str] = (), low: float | None = None, high: float | None = None
) -> Accept:
    """What a declared type accepts: `base` is `str int float bool duration list map any`."""
    if words:
        return accept_words(words)
    if base == "int":
        return accept_int(low, high)
    if base == "float":
        return accept_float(low, high)
    if base == "duration":
        return accept_duration(low, high)
    plain: dict[str, Accept] = {
        "str": accept_text,
        "bool": accept_bool,
        "list": accept_list,
        "map": accept_map,
        "any": accept_any,
    }
    return plain[base]
