"""Loops of a checked program, and their effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rules_engine.language.program.declarations import ActionDecl, EventDecl, Knob
from rules_engine.language.program.nodes import Expr
from rules_engine.language.program.triggers import Gather, Trigger
from rules_engine.language.source import Span


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

    `off` holds the reason given with `@off`; `path` is the file it stands in. `limit_span` and `per_spans`:
    where the limit and each key field are written.
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
    gather: Gather | None = None
    limit_span: Span | None = None
    per_spans: tuple[Span, ...] = ()

    @property
    def path(self) -> str:
        """The file it stands in."""
        return self.span.path
