"""A rule set after names and types are settled: what checks and the compiler may trust.

Made by the resolver and the type checker, never changed afterwards. Every name has become the thing
it names, every expression knows its type, every duration is integer milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rules_engine.language.source import Span
from rules_engine.language.types import Type

# ---- expressions ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expr:
    """Any expression: where it stands and the type of its value."""

    span: Span
    type: Type


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


# ---- declarations --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FieldDecl:
    """A field of an event or parameter of an action; `spellings` begins with its own name."""

    span: Span
    name: str
    spellings: tuple[str, ...]
    type: Type
    derived: Expr | None = None


@dataclass(frozen=True, slots=True)
class EventDecl:
    """A type of event. `aliases` are its other names, as written.

    `dedup_ms`: None the default window, 0 off. `key`: its partition and ordering field. `producer`: who
    publishes it from outside. `from_catalogue`: it came with the package and counts as produced and heard.
    """

    span: Span
    name: str
    aliases: tuple[str, ...]
    fields: Mapping[str, FieldDecl]
    open: bool
    dedup_ms: int | None
    key: str | None
    producer: str | None
    documentation: str
    from_catalogue: bool


@dataclass(frozen=True, slots=True)
class ActionDecl:
    """What a handler can be asked to do: `Handler.verb`."""

    span: Span
    name: str
    parameters: Mapping[str, FieldDecl]
    emits: tuple[str, ...]
    undo: str | None


@dataclass(frozen=True, slots=True)
class StepLimit:
    """Over the last `ms`, the largest minus the smallest value stays within `amount` (L24)."""

    direction: Literal["up", "down"] | None
    amount: float
    ms: int


@dataclass(frozen=True, slots=True)
class Knob:
    """An actuator. `words` (in order) or `low` and `high` bound it.

    `per` names its key fields; `key_words` holds the closed word set of each, where the key has one.
    """

    span: Span
    name: str
    per: tuple[str, ...]
    key_words: tuple[tuple[str, ...] | None, ...]
    type: Type
    words: tuple[str, ...]
    low: float
    high: float
    default: float | str
    steps: tuple[StepLimit, ...]
    deadband: float
    decay_ms: int | None
    lag_ms: int | None
    drives: str | None


# ---- loops ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TriggerEvent:
    """One event that a loop hears; a glob has become one of these for each event it stands for."""

    span: Span
    event: str
    filter: Expr | None
    alias: str | None


@dataclass(frozen=True, slots=True)
class Events:
    """`A`, `A or B`, a glob."""

    span: Span
    events: tuple[TriggerEvent, ...]


#: Grows with the triggers that run: sequences, absences, repetitions, ticks, knob changes.
Trigger = Events


@dataclass(frozen=True, slots=True)
class Effect:
    """`set`, `emit` or `do`; `condition` is what stands behind `if`. `target` is the name that it acts on."""

    span: Span
    condition: Expr | None


@dataclass(frozen=True, slots=True)
class SetEffect(Effect):
    """`key` empty: the loop's own key. `hold`: milliseconds, "active", or None for a plain set."""

    knob: Knob
    key: tuple[Expr, ...]
    all_keys: bool
    op: Literal["=", "+=", "-=", "*="]
    value: Expr
    hold: int | Literal["active"] | None
    target: Span | None = None


@dataclass(frozen=True, slots=True)
class EmitEffect(Effect):
    """`emit EVENT { ... }`, one entry a field written."""

    event: EventDecl
    payload: tuple[tuple[str, Expr], ...]
    target: Span | None = None


@dataclass(frozen=True, slots=True)
class DoEffect(Effect):
    """`do Handler.verb(...)`: arguments by parameter name. `retries` further tries, `every_ms` apart."""

    action: ActionDecl
    arguments: tuple[tuple[str, Expr], ...]
    retries: int
    every_ms: int
    timeout_ms: int | None
    target: Span | None = None


@dataclass(frozen=True, slots=True)
class AfterEffects:
    """`after d { ... }`."""

    span: Span
    delay_ms: int
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Allow:
    """`@allow("RE402", "reason")`."""

    span: Span
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Loop:
    """A feedback loop, checked. `per` names the key fields; `locals` are in an order that resolves.

    `off` holds the reason given with `@off`; `path` is the file it stands in.
    """

    span: Span
    name: str
    name_span: Span
    reason: str
    owner: str | None
    shadow: bool
    off: str | None
    allows: tuple[Allow, ...]
    trigger: Trigger
    per: tuple[str, ...]
    locals: tuple[tuple[str, Expr], ...]
    when: Expr | None
    hold_ms: int
    until: Expr | None
    until_hold_ms: int
    cooldown_ms: int
    unless: Expr | None
    limit: int | None
    limit_ms: int
    limit_overall: bool
    effects: tuple[Effect, ...]
    cleared: tuple[Effect, ...]
    after: tuple[AfterEffects, ...]
    failed: tuple[Effect, ...]

    @property
    def path(self) -> str:
        """The file it stands in."""
        return self.span.path


@dataclass(frozen=True, slots=True)
class Program:
    """A whole rule set: everything declared, by name, and its loops in order of name.

    What follows `tests` is for lint alone. `places`: where the user's own types and lets stand, by kind
    ("type", "let") and name. `mentions`: every name used, by use ("type", "let", "action", "knob set",
    "knob read", "event heard", "event emitted"), also in loops left out for an error. `allowed`: the
    (loop, code) of each `@allow` that already hid something. `complete`: nothing was left out.
    """

    types: Mapping[str, Type]
    events: Mapping[str, EventDecl]
    actions: Mapping[str, ActionDecl]
    knobs: Mapping[str, Knob]
    lets: Mapping[str, Expr]
    loops: tuple[Loop, ...]
    tests: tuple[Any, ...] = ()
    places: Mapping[tuple[str, str], Span] = field(default_factory=dict)
    mentions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    allowed: frozenset[tuple[str, str]] = frozenset()
    complete: bool = True
