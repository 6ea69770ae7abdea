"""Tests on a virtual clock, as written."""

from __future__ import annotations

from dataclasses import dataclass

from rules_engine.language.syntax.declarations import Item
from rules_engine.language.syntax.expressions import Argument, Expr
from rules_engine.language.syntax.loops import PayloadField
from rules_engine.language.syntax.nodes import Name, Node


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
