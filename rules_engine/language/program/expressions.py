"""Expressions of a checked program: every name has become what it names, every value knows its type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rules_engine.language.program.declarations import Knob
from rules_engine.language.program.nodes import Expr


@dataclass(frozen=True, slots=True)
class Const(Expr):
    """A value known beforehand; a duration is a number of seconds (L36). `percent`: written `n%`."""

    value: int | float | str | bool
    percent: bool = False


@dataclass(frozen=True, slots=True)
class FieldRead(Expr):
    """A field of the bound event. `alias` names the trigger it must come from, None for any."""

    field: str
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class AliasKnown(Expr):
    """Whether the bound event came by the trigger of that alias (L15)."""

    alias: str


@dataclass(frozen=True, slots=True)
class LocalRead(Expr):
    """A `with` of the same loop."""

    name: str


@dataclass(frozen=True, slots=True)
class KnobRead(Expr):
    """A knob's value: at the given key, at the loop's own (`key` empty), or as a map of all keys."""

    knob: Knob
    key: tuple[Expr, ...] = ()
    all_keys: bool = False


@dataclass(frozen=True, slots=True)
class Member(Expr):
    """A member of a map."""

    subject: Expr
    name: str


@dataclass(frozen=True, slots=True)
class OverTime:
    """Samples of the last `ms` milliseconds."""

    ms: int


@dataclass(frozen=True, slots=True)
class OverLast:
    """The last `count` known samples."""

    count: int


@dataclass(frozen=True, slots=True)
class SinceMark:
    """Samples since the loop last fired or cleared for this key."""

    mark: Literal["fired", "cleared"]


@dataclass(frozen=True, slots=True)
class SinceEvent:
    """Samples since the latest event of that type (and filter) with this key, which is left out."""

    event: str
    filter: Expr | None


WindowSpan = OverTime | OverLast | SinceMark | SinceEvent


@dataclass(frozen=True, slots=True)
class Feed:
    """The event another than the loop's triggers that a window takes its samples from."""

    event: str
    filter: Expr | None


@dataclass(frozen=True, slots=True)
class Aggregate(Expr):
    """`count sum avg min max stddev slope first last distinct quantile ewma` over a window.

    `sample` is None for a `count` of events; `feed` is None for the loop's own triggers; `window` is None
    where it ranges over the events of one firing (`gather`). `quantile` is the share asked for.
    """

    function: str
    sample: Expr | None
    window: WindowSpan | None
    feed: Feed | None = None
    quantile: float | None = None


@dataclass(frozen=True, slots=True)
class Prev(Expr):
    """`prev(e)`: e at this key's previous event where it was known (L12)."""

    sample: Expr


@dataclass(frozen=True, slots=True)
class Streak(Expr):
    """`streak(cond)`: how many events in a row it has been true, the current one included."""

    condition: Expr


@dataclass(frozen=True, slots=True)
class Unary(Expr):
    """`not` or `-`."""

    op: Literal["not", "-"]
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    """`or and == != < <= > >= in not-in + - * / ??`."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Matches(Expr):
    """A text against a pattern of `*` and `?`, over the whole text."""

    subject: Expr
    pattern: str


@dataclass(frozen=True, slots=True)
class IsKnown(Expr):
    """`is known`, or with `known` false `is unknown`."""

    subject: Expr
    known: bool


@dataclass(frozen=True, slots=True)
class ListOf(Expr):
    """A list."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class FunctionCall(Expr):
    """`min max abs floor ceil round clamp mod pow`, and `sum avg min max` of `knob[*]`."""

    function: str
    arguments: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class During(Expr):
    """`during("* 9-16 * * 1-5", "Europe/Berlin")`."""

    cron: str
    zone: str


@dataclass(frozen=True, slots=True)
class MatchArm:
    """One arm: `test` is a value or condition, or the word `else` or `unknown`."""

    test: Expr | Literal["else", "unknown"]
    value: Expr


@dataclass(frozen=True, slots=True)
class Match(Expr):
    """`match`, with or without a subject (L38)."""

    subject: Expr | None
    arms: tuple[MatchArm, ...]


@dataclass(frozen=True, slots=True)
class Interpolation(Expr):
    """A text with values in it: texts and expressions in turn."""

    parts: tuple[str | Expr, ...]
