"""Declarations of a checked program: events, actions, knobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rules_engine.language.program.nodes import Expr
from rules_engine.language.source import Span
from rules_engine.language.types import Type


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
