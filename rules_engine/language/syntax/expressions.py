"""Expressions, as written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rules_engine.language.syntax.nodes import Name, Node


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
