"""Triggers of a checked program: what a loop answers to."""

from __future__ import annotations

from dataclasses import dataclass

from rules_engine.language.program.declarations import Knob
from rules_engine.language.program.nodes import Expr
from rules_engine.language.source import Span


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


@dataclass(frozen=True, slots=True)
class SequenceStep:
    """One step of a sequence; `absent`: it must not come. A glob gives a step several events."""

    span: Span
    events: tuple[TriggerEvent, ...]
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """`A then B within 6h`, `A then no B within 2h`: the first step and those after it (L18)."""

    span: Span
    steps: tuple[SequenceStep, ...]
    within_ms: int

    @property
    def events(self) -> tuple[TriggerEvent, ...]:
        """Every event that moves it on or kills it."""
        return tuple(event for step in self.steps for event in step.events)


@dataclass(frozen=True, slots=True)
class Absence:
    """`no A within d`: a latch that fires once per silence, and that the next A clears (L20)."""

    span: Span
    events: tuple[TriggerEvent, ...]
    within_ms: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """`n A within d`: fires on the nth, then starts again from zero (L19)."""

    span: Span
    count: int
    events: tuple[TriggerEvent, ...]
    within_ms: int


@dataclass(frozen=True, slots=True)
class Tick:
    """`every d` (`period_ms`), or `cron "..." in "zone"`; `keys`: one evaluation for each (L21)."""

    span: Span
    period_ms: int | None
    cron: str | None
    zone: str
    keys: tuple[tuple[str, ...], ...]

    @property
    def events(self) -> tuple[TriggerEvent, ...]:
        """No event makes it tick."""
        return ()


@dataclass(frozen=True, slots=True)
class ChangeOf:
    """`change of knob`: every committed change from whatever cause (L27)."""

    span: Span
    knob: Knob

    @property
    def events(self) -> tuple[TriggerEvent, ...]:
        """No declared event tells of it."""
        return ()


#: What a loop answers to. `events` of each: the declared events that it hears.
Trigger = Events | Sequence | Absence | Repeat | Tick | ChangeOf


@dataclass(frozen=True, slots=True)
class Gather:
    """`gather d`, `gather quiet d`, `gather ... max n`: what is not written is None (L10)."""

    span: Span
    after_ms: int | None
    quiet_ms: int | None
    most: int | None
