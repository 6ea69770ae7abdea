"""The compiled rule set: what the step reads. Made by the compiler, never changed.

Expressions are closures `Expr` over a `Frame` (made in expressions.py); a value that is unknown is None.
Times are integer milliseconds. Plans of equal text are equal in what they decide, so state
and firings only ever name the hash of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rules_engine.cron import Cron
from rules_engine.engine.frame import Frame

#: A value of the language: None is unknown (L2).
Value = Any
#: A compiled expression. Total: it never raises, what cannot be computed is unknown (L35).
Expr = Callable[[Frame], Value]
#: A key: one text or number per `per` field, empty for a loop without `per`.
Key = tuple[Any, ...]


# ---- events --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """How to read a field: the first spelling present wins (L41), then `derived`.

    `accept` turns a raw value into one of the declared type, or None (unknown) when it is not one.
    """

    name: str
    spellings: tuple[str, ...]
    accept: Callable[[Any], Value]
    derived: Expr | None = None


@dataclass(frozen=True, slots=True)
class EventPlan:
    """The declared fields of an event; others are never read (L17)."""

    name: str
    fields: tuple[FieldPlan, ...]


# ---- windows -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """An event that is not the loop's trigger and feeds a window, or ends its `since`.

    `key` reads the loop's key from that event (its `per` fields); `filter` is over its own fields.
    """

    event: str
    filter: Expr | None
    key: Expr


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """One place where a loop remembers samples, shared by all aggregates over the same ones.

    `span`: "over" (`ms`), "last" (`count`), "fired" or "cleared" (since that mark), "event" (since `since`),
    "gathered" (the events of one firing, L10).
    `sample` None: it counts events. `feed` None: it takes the loop's own trigger events.
    `needs` lists the aggregate functions read from it, so that it can keep as little as they need.
    """

    sample: Expr | None
    span: Literal["over", "last", "fired", "cleared", "event", "gathered"]
    ms: int = 0
    count: int = 0
    since: FeedPlan | None = None
    feed: FeedPlan | None = None
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PrevPlan:
    """Remembers the last known value of `sample` (L12)."""

    sample: Expr


@dataclass(frozen=True, slots=True)
class StreakPlan:
    """Counts how many events in a row `condition` was true; unknown leaves it as it is (L2)."""

    condition: Expr


SlotPlan = WindowPlan | PrevPlan | StreakPlan


# ---- effects -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetPlan:
    """`hold`: milliseconds, "active", or None for a plain set. `key` None: all keys."""

    knob: str
    key: tuple[Expr, ...] | None
    op: Literal["=", "+=", "-=", "*="]
    value: Expr
    hold: int | Literal["active"] | None
    condition: Expr | None


@dataclass(frozen=True, slots=True)
class EmitPlan:
    """Fields by name; the ones in `required` must be known, or the effect is skipped (L30)."""

    event: str
    payload: tuple[tuple[str, Expr], ...]
    required: frozenset[str]
    condition: Expr | None


@dataclass(frozen=True, slots=True)
class DoPlan:
    """An owed action. `timeout_ms` None: the dispatcher's default."""

    action: str
    arguments: tuple[tuple[str, Expr], ...]
    required: frozenset[str]
    retries: int
    every_ms: int
    timeout_ms: int | None
    condition: Expr | None


EffectPlan = SetPlan | EmitPlan | DoPlan


@dataclass(frozen=True, slots=True)
class AfterPlan:
    """Effects once the latch has been active for `delay_ms` (L34)."""

    delay_ms: int
    effects: tuple[EffectPlan, ...]


# ---- loops and knobs -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TriggerPlan:
    """One event that a loop hears; `step` is the step of a sequence that it takes, or may not take."""

    event: str
    filter: Expr | None
    alias: str | None
    step: int = 0


@dataclass(frozen=True, slots=True)
class SequencePlan:
    """`A then B within d`: by step its alias, and whether it must not come. The first one must come (L18)."""

    aliases: tuple[str | None, ...]
    absent: tuple[bool, ...]
    within_ms: int

    def present_after(self, step: int) -> int | None:
        """The next step that must come; None where only silence is missing."""
        return next((n for n in range(step + 1, len(self.absent)) if not self.absent[n]), None)


@dataclass(frozen=True, slots=True)
class RepeatPlan:
    """`n A within d` (L19)."""

    count: int
    within_ms: int


@dataclass(frozen=True, slots=True)
class AbsencePlan:
    """`no A within d`: a latch of its own (L20)."""

    within_ms: int


@dataclass(frozen=True, slots=True)
class TickPlan:
    """`every d` where `calendar` is None, else a cron expression; `keys`: one evaluation for each (L21)."""

    keys: tuple[Key, ...]
    period_ms: int = 0
    calendar: Cron | None = None

    @property
    def pause_ms(self) -> int:
        """The least time between two ticks."""
        return self.period_ms if self.calendar is None else 60_000

    def next_after(self, ms: int) -> int | None:
        """The first instant later than `ms`; periods are counted from the epoch."""
        if self.calendar is not None:
            return self.calendar.next_after(ms)
        return (ms // self.period_ms + 1) * self.period_ms

    def last_until(self, ms: int) -> int | None:
        """The latest instant at or before `ms`."""
        if self.calendar is not None:
            return self.calendar.last_until(ms)
        return ms // self.period_ms * self.period_ms


@dataclass(frozen=True, slots=True)
class GatherPlan:
    """When what was gathered fires: so long after the first, so long after the last, at so many (L10)."""

    after_ms: int | None
    quiet_ms: int | None
    most: int | None


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """A loop. `shape` is a digest of trigger, key and windows: state belongs to name and shape.

    `per` are the key's field names. `slots` are in an order in which each reads only earlier ones.
    `locals` are evaluated in order, once an evaluation (L7). `reads` names what a firing writes
    down as its reason: pairs of text as written and expression.
    """

    name: str
    shape: str
    mode: Literal["live", "shadow", "off"]
    triggers: tuple[TriggerPlan, ...]
    per: tuple[str, ...] = ()
    slots: tuple[SlotPlan, ...] = ()
    locals: tuple[tuple[str, Expr], ...] = ()
    when: Expr | None = None
    hold_ms: int = 0
    until: Expr | None = None
    until_hold_ms: int = 0
    cooldown_ms: int = 0
    unless: Expr | None = None
    limit: int | None = None
    limit_ms: int = 0
    limit_overall: bool = False
    effects: tuple[EffectPlan, ...] = ()
    cleared: tuple[EffectPlan, ...] = ()
    after: tuple[AfterPlan, ...] = ()
    failed: tuple[EffectPlan, ...] = ()
    reads: tuple[tuple[str, Expr], ...] = ()
    pattern: SequencePlan | RepeatPlan | AbsencePlan | None = None
    gather: GatherPlan | None = None
    tick: TickPlan | None = None

    @property
    def latches(self) -> bool:
        """Whether a firing lasts until something ends it."""
        return self.until is not None or isinstance(self.pattern, AbsencePlan)


@dataclass(frozen=True, slots=True)
class StepPlan:
    """Largest minus smallest value over the last `ms` stays within `amount` (L24)."""

    direction: Literal["up", "down", "both"]
    amount: float
    ms: int


@dataclass(frozen=True, slots=True)
class KnobPlan:
    """An actuator: `words` in order, or a range `low` to `high`. `drives` is `Handler.verb`.

    `keys` holds every key the knob can have where all its key fields are closed word sets, else None.
    """

    name: str
    per: tuple[str, ...]
    keys: tuple[Key, ...] | None
    default: Any
    words: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    steps: tuple[StepPlan, ...] = ()
    deadband: float = 0.0
    decay_ms: int | None = None
    drives: str | None = None
    #: the driven action's parameter names, in order: the key's fields and the value bind by position (L29)
    drive_parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A rule set, compiled. `loops` are in order of name, the order in which they run (L7)."""

    hash: str
    events: Mapping[str, EventPlan]
    loops: tuple[LoopPlan, ...]
    knobs: Mapping[str, KnobPlan]
    by_name: Mapping[str, LoopPlan] = field(init=False)
    by_event: Mapping[str, tuple[LoopPlan, ...]] = field(init=False)
    fed_by_event: Mapping[str, tuple[LoopPlan, ...]] = field(init=False)

    def __post_init__(self) -> None:
        heard: dict[str, list[LoopPlan]] = {}
        fed: dict[str, list[LoopPlan]] = {}
        for loop in self.loops:
            for event in dict.fromkeys(trigger.event for trigger in loop.triggers):
                heard.setdefault(event, []).append(loop)
            for event in sorted(_fed_by(loop)):
                fed.setdefault(event, []).append(loop)
        object.__setattr__(self, "by_name", {loop.name: loop for loop in self.loops})
        object.__setattr__(self, "by_event", {name: tuple(loops) for name, loops in heard.items()})
        object.__setattr__(self, "fed_by_event", {name: tuple(loops) for name, loops in fed.items()})


def _fed_by(loop: LoopPlan) -> set[str]:
    """Events that change a loop's windows without triggering it."""
    windows = [slot for slot in loop.slots if isinstance(slot, WindowPlan)]
    return {f.event for window in windows for f in (window.feed, window.since) if f is not None}
