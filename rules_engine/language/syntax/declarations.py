"""Types, events, actions, knobs and constants, as written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rules_engine.language.syntax.expressions import Expr, LiteralValue
from rules_engine.language.syntax.nodes import Name, Node


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
