"""Sets of values that a condition leaves possible: intervals of numbers, and choices of words.

Numbers are exact fractions of what was written, so that `0.1 + 0.2` ends where `0.3` begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor, isfinite
from typing import Literal

Comparison = Literal["==", "!=", "<", "<=", ">", ">="]

#: The same comparison with its sides exchanged, and its opposite.
FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


@lru_cache(maxsize=4096)
def exact(value: float) -> Fraction | None:
    """The fraction that was written, not its nearest binary one; None for what is not finite."""
    if isinstance(value, int):
        return Fraction(value)
    return Fraction(repr(value)) if isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers between two ends; an end that is None is infinite, `*_open` leaves the end itself out."""

    low: Fraction | None = None
    high: Fraction | None = None
    low_open: bool = False
    high_open: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no number is in it."""
        if self.low is None or self.high is None:
            return False
        return self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))

    def meet(self, other: Interval) -> Interval:
        """What lies in both."""
        low, low_open = _tighter((self.low, self.low_open), (other.low, other.low_open), lower=True)
        high, high_open = _tighter((self.high, self.high_open), (other.high, other.high_open), lower=False)
        return Interval(low, high, low_open, high_open)

    def whole(self) -> Interval:
        """The same, closed to whole numbers."""
        low, high = self.low, self.high
        if low is not None:
            low = Fraction(floor(low) + 1 if self.low_open else ceil(low))
        if high is not None:
            high = Fraction(ceil(high) - 1 if self.high_open else floor(high))
        return Interval(low, high)


End = tuple[Fraction | None, bool]


def _tighter(one: End, other: End, *, lower: bool) -> End:
    if one[0] is None or other[0] is None:
        return other if one[0] is None else one
    if one[0] == other[0]:
        return one[0], one[1] or other[1]
    return one if (one[0] > other[0]) is lower else other


@dataclass(frozen=True, slots=True)
class Numbers:
    """Some intervals of numbers; of whole ones where `whole`."""

    intervals: tuple[Interval, ...] = (Interval(),)
    whole: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is possible."""
        return not self.intervals

    def meet(self, other: Region) -> Region:
        """What is possible in both."""
        if not isinstance(other, Numbers):
            return self
        whole = self.whole or other.whole
        parts = (one.meet(two) for one in self.intervals for two in other.intervals)
        closed = [part.whole() if whole else part for part in parts]
        return Numbers(tuple(part for part in closed if not part.is_empty), whole)

    def sample(self) -> int | float | None:
        """A number in it, as round as possible."""
        for part in self.intervals:
            number = _between(part)
            return int(number) if number.denominator == 1 else float(number)
        return None


def _between(part: Interval) -> Fraction:
    low, high = part.low, part.high
    if low is None and high is None:
        return Fraction(0)
    if low is None or high is None:
        end, opened = (high, part.high_open) if low is None else (low, part.low_open)
        assert end is not None
        return end + (0 if not opened else 1 if high is None else -1)
    if not part.low_open:
        return low
    if not part.high_open:
        return high
    return (low + high) / 2


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values; with `others`, any value but those."""

    values: frozenset[str | bool]
    others: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is possible."""
        return not self.values and not self.others

    def meet(self, other: Region) -> Region:
        """What is possible in both."""
        if not isinstance(other, Choice):
            return self
        if self.others and other.others:
            return Choice(self.values | other.values, others=True)
        if self.others:
            return Choice(other.values - self.values)
        return Choice(self.values - other.values if other.others else self.values & other.values)

    def sample(self) -> str | bool | None:
        """A value in it."""
        if not self.others:
            return min(self.values, key=lambda value: (not value, str(value)), default=None)
        return next(word for word in _spare_words() if word not in self.values)


def _spare_words() -> list[str]:
    return ["other", *(f"other{n}" for n in range(10_000))]


Region = Numbers | Choice


def compared(op: str, bound: Fraction) -> Numbers:
    """The numbers x for which `x op bound`."""
    at = Interval(bound, bound)
    below, above = Interval(None, bound, high_open=True), Interval(bound, None, low_open=True)
    return Numbers(
        {
            "==": (at,),
            "!=": (below, above),
            "<": (below,),
            "<=": (Interval(None, bound),),
            ">": (above,),
            ">=": (Interval(bound, None),),
        }[op]
    )
