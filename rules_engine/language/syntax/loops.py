"""Loops: triggers, clauses and effects, as written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rules_engine.language.syntax.declarations import Duration, Item
from rules_engine.language.syntax.expressions import Argument, Expr
from rules_engine.language.syntax.nodes import Name, Node


@dataclass(frozen=True, slots=True)
class Annotation(Node):
    """`@shadow`, `@allow("RE402", "reason")`."""

    name: Name
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class EventRef(Node):
    """`A`, `*_FAILED`, `A[filter] as a`."""

    pattern: Name
    filter: Expr | None
    alias: Name | None

    @property
    def is_glob(self) -> bool:
        """Whether the name stands for several events."""
        return "*" in self.pattern.text


@dataclass(frozen=True, slots=True)
class AnyOf(Node):
    """`A`, `A or B`."""

    events: tuple[EventRef, ...]


@dataclass(frozen=True, slots=True)
class ThenStep(Node):
    """`then B`, `then no B`."""

    event: EventRef
    absent: bool


@dataclass(frozen=True, slots=True)
class Sequence(Node):
    """`A then B within 6h`."""

    first: EventRef
    steps: tuple[ThenStep, ...]
    within: Duration


@dataclass(frozen=True, slots=True)
class Absence(Node):
    """`no A within 5m`."""

    event: EventRef
    within: Duration


@dataclass(frozen=True, slots=True)
class Repeat(Node):
    """`3 A within 1h`."""

    count: int
    event: EventRef
    within: Duration


@dataclass(frozen=True, slots=True)
class Every(Node):
    """`every 5m`."""

    period: Duration


@dataclass(frozen=True, slots=True)
class Cron(Node):
    """`cron "0 3 * * *" in "Europe/Berlin"`."""

    expression: Name
    zone: Name | None


@dataclass(frozen=True, slots=True)
class ChangeOf(Node):
    """`change of exploration`."""

    knob: Name


Trigger = AnyOf | Sequence | Absence | Repeat | Every | Cron | ChangeOf


@dataclass(frozen=True, slots=True)
class Clause(Node):
    """Anything that stands in a loop."""


@dataclass(frozen=True, slots=True)
class On(Clause):
    """`on TRIGGER`."""

    trigger: Trigger


@dataclass(frozen=True, slots=True)
class Per(Clause):
    """`per config_key`."""

    fields: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class With(Clause):
    """`with shortfall = ...`."""

    name: Name
    value: Expr


@dataclass(frozen=True, slots=True)
class When(Clause):
    """`when cond for d until cond for d`."""

    condition: Expr
    hold: Duration | None
    until: Expr | None
    until_hold: Duration | None


@dataclass(frozen=True, slots=True)
class Cooldown(Clause):
    """`cooldown d unless cond`."""

    duration: Duration
    unless: Expr | None


@dataclass(frozen=True, slots=True)
class Limit(Clause):
    """`limit n per d overall`."""

    count: int | float
    per: Duration
    overall: bool


@dataclass(frozen=True, slots=True)
class Gather(Clause):
    """`gather d`, `gather quiet d`, `gather d max n`; a part written twice stands twice."""

    durations: tuple[Duration, ...]
    quiets: tuple[Duration, ...]
    maxima: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Effect(Clause):
    """`set`, `emit` or `do`, with the condition behind `if`."""

    condition: Expr | None


@dataclass(frozen=True, slots=True)
class Set(Effect):
    """`set knob[key] = value for d`; `keyed` tells whether a key was written (None is `*`)."""

    knob: Name
    keyed: bool
    key: Expr | None
    op: Literal["=", "+=", "-=", "*="]
    value: Expr
    duration: Duration | Literal["active"] | None


@dataclass(frozen=True, slots=True)
class PayloadField(Node):
    """`field: expr`, or `field` alone for the field, local or knob of that name."""

    name: Name
    value: Expr | None


@dataclass(frozen=True, slots=True)
class Emit(Effect):
    """`emit EVENT { field, other: expr }`."""

    event: Name
    payload: tuple[PayloadField, ...]


@dataclass(frozen=True, slots=True)
class RetryOption(Node):
    """`retry 3 every 30s`."""

    count: int
    every: Duration | None


@dataclass(frozen=True, slots=True)
class TimeoutOption(Node):
    """`timeout 1m`."""

    duration: Duration


@dataclass(frozen=True, slots=True)
class Do(Effect):
    """`do Handler.action(arguments) retry n every d timeout d`."""

    action: Name
    arguments: tuple[Argument, ...]
    options: tuple[RetryOption | TimeoutOption, ...]


@dataclass(frozen=True, slots=True)
class AfterBlock(Clause):
    """`after d { effects }`."""

    delay: Duration
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class ClearedBlock(Clause):
    """`cleared { effects }`."""

    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class FailedBlock(Clause):
    """`failed { effects }`."""

    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class LoopItem(Item):
    """A feedback loop: its annotations, name, reason and clauses in the order written."""

    name: Name
    annotations: tuple[Annotation, ...]
    reason: Name | None
    clauses: tuple[Clause, ...]
