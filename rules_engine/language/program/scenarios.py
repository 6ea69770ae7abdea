"""Tests of a checked program: what is done to the loops on a virtual clock, and what is expected of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rules_engine.language.program.declarations import ActionDecl, EventDecl, Knob
from rules_engine.language.program.nodes import Expr
from rules_engine.language.source import Span

#: Where a test's clock starts unless it says otherwise: Monday 2026-01-05 00:00 UTC (L45).
STARTS_MS: Final = 1_767_571_200_000


@dataclass(frozen=True, slots=True)
class Unknown(Expr):
    """`unknown` as a value: none is sent, none is expected."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something a test does or expects."""

    span: Span


@dataclass(frozen=True, slots=True)
class Send(Act):
    """`send EVENT { ... }`: values by the fields' own names."""

    event: EventDecl
    payload: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class Given(Act):
    """`given knob[key] = value`."""

    knob: Knob
    key: tuple[Expr, ...]
    value: Expr


@dataclass(frozen=True, slots=True)
class Expect(Act):
    """Any expectation."""


@dataclass(frozen=True, slots=True)
class ExpectSet(Expect):
    """`expect set knob[key] = value`; `key` and `value` are None where they are not named."""

    knob: Knob
    key: tuple[Expr, ...] | None
    value: Expr | None


@dataclass(frozen=True, slots=True)
class ExpectEmit(Expect):
    """`expect emit EVENT { ... }`: the fields named."""

    event: EventDecl
    payload: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class ExpectDo(Expect):
    """`expect do Handler.action(...)`: the arguments named."""

    action: ActionDecl
    arguments: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class ExpectNothing(Expect):
    """`expect nothing`; `left_over`: only what no other `expect` has taken counts (`nothing else`)."""

    left_over: bool
    because: str | None


@dataclass(frozen=True, slots=True)
class Stub(Act):
    """`stub Handler.action fails 2 times`; `times` None: always."""

    action: ActionDecl
    times: int | None


@dataclass(frozen=True, slots=True)
class Restart(Act):
    """`restart`: the daemon ends and begins again."""


@dataclass(frozen=True, slots=True)
class Reload(Act):
    """`reload "other.loop"`: that file takes the place of the test's own."""

    path: str
    path_span: Span


@dataclass(frozen=True, slots=True)
class ScenarioStep:
    """`at 10m ...`: what happens `at_ms` after the start."""

    span: Span
    at_ms: int
    acts: tuple[Act, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`test "name" starts "..." { ... }`. `starts_ms` are milliseconds since the epoch."""

    span: Span
    name: str
    name_span: Span
    starts_ms: int
    steps: tuple[ScenarioStep, ...]

    @property
    def path(self) -> str:
        """The file it stands in, whose loops it runs (L43)."""
        return self.span.path
