"""The syntax tree: what a file says, before anybody asks whether it makes sense.

Frozen dataclasses, each with its span. Every clause keeps its own node, also when it stands twice
or in a place where it means nothing: that is for the resolver to say, with the place at hand.
Durations are integer milliseconds, `25%` is already 0.25.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rules_engine.language.source import Span


@dataclass(frozen=True, slots=True)
class Node:
    """Anything that stands somewhere in a file."""

    span: Span


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name as written: of an event, a field, a knob, an action, a word."""

    text: str


# ---- expressions ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expr(Node):
    """Any expression."""


@dataclass(frozen=True, slots=True)
class LiteralValue(Expr):
    """A number, a text or a truth value. `percent` tells that a number was written `n%`."""

    value: int | float | str | bool
    percent: bool = False


@dataclass(frozen=True, slots=True)
class DurationLiteral(Expr):
    """`10m`, `1h30m`."""

    ms: int


@dataclass(frozen=True, slots=True)
class Path(Expr):
    """`loss`, `a.loss`, `details.cause.code`: a field, local, let, knob or alias, and its members."""

    parts: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class OfEvent(Expr):
    """`ELO_UPDATED.new_elo`, `TRAINING_FAILED[error matches "OOM*"]`: another event, in a window."""

    event: Name
    filter: Expr | None
    path: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class KnobAt(Expr):
    """`exploration["hex8_2p"]`, `curriculum_weight[*]`; `key` is None for `*`."""

    knob: Name
    key: Expr | None


@dataclass(frozen=True, slots=True)
class Unary(Expr):
    """`not x`, `-x`, `+x`."""

    op: Literal["not", "-", "+"]
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    """Two operands and a word or sign between them.

    `op` is one of `or and == != < <= > >= in not-in + - * / ??`.
    """

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Matches(Expr):
    """`config_key matches "hex*"`."""

    subject: Expr
    pattern: Name


@dataclass(frozen=True, slots=True)
class IsKnown(Expr):
    """`x is known` (`known` true) or `x is unknown`."""

    subject: Expr
    known: bool


@dataclass(frozen=True, slots=True)
class ListOf(Expr):
    """`["a", "b"]`."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Over(Node):
    """`over 1h`: a time. `ms` is a name where a `let` of a duration is used."""

    ms: int | Name


@dataclass(frozen=True, slots=True)
class OverLast(Node):
    """`over last 20`."""

    count: int


@dataclass(frozen=True, slots=True)
class Since(Node):
    """`since fired`, `since cleared`, `since MODEL_PROMOTED[filter]`."""

    what: Literal["fired", "cleared"] | Name
    filter: Expr | None = None


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """One argument of a call, an action or an annotation; `name` where it is given by name."""

    name: Name | None
    value: Expr


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """`max(a, b)`, `avg(loss over 1h)`, `count(since fired)`."""

    function: Name
    arguments: tuple[Argument, ...]
    window: Over | OverLast | Since | None


@dataclass(frozen=True, slots=True)
class Arm(Node):
    """One arm of a `match`; `test` is an expression, or the word `else` or `unknown`."""

    test: Expr | Literal["else", "unknown"]
    value: Expr


@dataclass(frozen=True, slots=True)
class Match(Expr):
    """`match x { "a": 1, else: 2 }`; without a subject each arm is a condition."""

    subject: Expr | None
    arms: tuple[Arm, ...]


# ---- types and declarations ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Words(Node):
    """`"falling" | "flat" | "rising"`."""

    words: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class NumberRange(Node):
    """`0..1`."""

    low: int | float
    high: int | float


@dataclass(frozen=True, slots=True)
class TypeRef(Node):
    """`float in 0..1?`, `config`, `"a" | "b"`; `optional` where `?` stands."""

    name: Name | None
    words: Words | None
    range: NumberRange | None
    optional: bool


@dataclass(frozen=True, slots=True)
class Field(Node):
    """`config_key|config: config = "..."`: a field of an event or a parameter of an action.

    `names` holds the spellings, the field's own first; `derived` the expression behind `=`.
    """

    names: tuple[Name, ...]
    type: TypeRef
    derived: Expr | None


@dataclass(frozen=True, slots=True)
class Duration(Node):
    """A length of time in a clause: milliseconds, or the name of a `let`."""

    value: int | Name


@dataclass(frozen=True, slots=True)
class Item(Node):
    """Anything that stands at the top of a file."""


@dataclass(frozen=True, slots=True)
class TypeItem(Item):
    """`type config = "hex8_2p" | "hex8_3p"`."""

    name: Name
    type: TypeRef


@dataclass(frozen=True, slots=True)
class DedupOption(Node):
    """`dedup 60s`, `dedup off` (None)."""

    window: Duration | None


@dataclass(frozen=True, slots=True)
class KeyOption(Node):
    """`key config_key`."""

    field: Name


@dataclass(frozen=True, slots=True)
class FromOption(Node):
    """`from "trainer"`."""

    producer: Name


@dataclass(frozen=True, slots=True)
class EventItem(Item):
    """`event NAME = "alias", "another" { fields, ... } options`; `open` where `...` stands.

    `documentation` is the run of comment lines right above it, without the signs.
    """

    name: Name
    aliases: tuple[Name, ...]
    fields: tuple[Field, ...]
    open: bool
    options: tuple[DedupOption | KeyOption | FromOption, ...]
    documentation: str = ""


@dataclass(frozen=True, slots=True)
class EmitsOption(Node):
    """`emits A, B`."""

    events: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class UndoOption(Node):
    """`undo RollbackManager.roll_forward`."""

    action: Name


@dataclass(frozen=True, slots=True)
class ActionItem(Item):
    """`action Handler.verb(parameters) emits E undo Handler.other`."""

    name: Name
    parameters: tuple[Field, ...]
    options: tuple[EmitsOption | UndoOption, ...]


@dataclass(frozen=True, slots=True)
class StepOption(Node):
    """`step [up|down] 0.3 per 1h`."""

    direction: Literal["up", "down"] | None
    amount: int | float
    per: Duration


@dataclass(frozen=True, slots=True)
class DeadbandOption(Node):
    """`deadband 0.01`."""

    amount: int | float


@dataclass(frozen=True, slots=True)
class DecayOption(Node):
    """`decay 6h`."""

    half_life: Duration


@dataclass(frozen=True, slots=True)
class LagOption(Node):
    """`lag 30m`."""

    lag: Duration


@dataclass(frozen=True, slots=True)
class DrivesOption(Node):
    """`drives SelfplayScheduler.adjust_curriculum_weights`."""

    action: Name


KnobOption = StepOption | DeadbandOption | DecayOption | LagOption | DrivesOption


@dataclass(frozen=True, slots=True)
class KnobItem(Item):
    """`knob NAME per key in domain = default options`; `domain` may be the name of a type."""

    name: Name
    per: tuple[Name, ...]
    domain: NumberRange | Words | Name
    default: LiteralValue
    options: tuple[KnobOption, ...]


@dataclass(frozen=True, slots=True)
class LetItem(Item):
    """`let good_quality = 80%`."""

    name: Name
    value: Expr


# ---- loops ---------------------------------------------------------------------------------------


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


# ---- tests ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Act(Node):
    """Something a test does or expects."""


@dataclass(frozen=True, slots=True)
class Send(Act):
    """`send EVENT { ... }`."""

    event: Name
    payload: tuple[PayloadField, ...]


@dataclass(frozen=True, slots=True)
class Given(Act):
    """`given knob[key] = value`."""

    knob: Name
    key: Expr | None
    value: Expr


@dataclass(frozen=True, slots=True)
class ExpectDo(Act):
    """`expect do Handler.action(arguments)`."""

    action: Name
    arguments: tuple[Argument, ...] | None


@dataclass(frozen=True, slots=True)
class ExpectEmit(Act):
    """`expect emit EVENT { ... }`."""

    event: Name
    payload: tuple[PayloadField, ...] | None


@dataclass(frozen=True, slots=True)
class ExpectSet(Act):
    """`expect set knob[key] = value`."""

    knob: Name
    key: Expr | None
    value: Expr | None


@dataclass(frozen=True, slots=True)
class ExpectNothing(Act):
    """`expect nothing [else] [because reason]`."""

    else_: bool
    because: Name | None


@dataclass(frozen=True, slots=True)
class Stub(Act):
    """`stub Handler.action fails 2 times`; `times` is None for always."""

    action: Name
    times: int | None


@dataclass(frozen=True, slots=True)
class Restart(Act):
    """`restart`."""


@dataclass(frozen=True, slots=True)
class Reload(Act):
    """`reload "other.loop"`."""

    path: Name


@dataclass(frozen=True, slots=True)
class TestStep(Node):
    """`at 10m ...`."""

    at_ms: int
    acts: tuple[Act, ...]


@dataclass(frozen=True, slots=True)
class TestItem(Item):
    """`test "name" starts "..." { steps }`."""

    name: Name
    starts: Name | None
    steps: tuple[TestStep, ...]


@dataclass(frozen=True, slots=True)
class Broken(Node):
    """A declaration or a clause left out of the tree for a syntax error that is already reported.

    `word` is the one it starts with ("knob", "when", "at"), empty when even that is unclear; `name`
    what it would have declared. Nothing may be reported merely because it is missing.
    """

    word: str
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class File:
    """One parsed file: its items in order, and what had to be left out of them.

    A loop that lost a clause is still an item; the clause lies within its span.
    """

    path: str
    items: tuple[Item, ...]
    broken: tuple[Broken, ...] = ()

    def broken_within(self, item: Item) -> tuple[Broken, ...]:
        """What a loop or test lost."""
        return tuple(b for b in self.broken if item.span.start <= b.span.start < item.span.end)
