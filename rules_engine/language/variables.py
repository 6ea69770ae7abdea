"""Variables of conditions: what a comparison cannot look into, told apart by structure, not by place."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from rules_engine.language import program
from rules_engine.language.regions import Region
from rules_engine.language.types import Base

Key = Hashable


@dataclass(frozen=True)
class Setting:
    """Where a condition stands. `locals` are the loop's; `event` the one that is bound, if it is known.

    `owner` sets the windows of one loop apart from those of another. `payload` tells what the fields of
    the bound event can be, None for one that is absent; those in `certain` are surely there. `aliases`
    maps each `as` to its events. `joined`: the event ends a sequence, whose other events can be read too.
    `open`: it has fields that are not listed.
    """

    locals: Mapping[str, program.Expr] = field(default_factory=dict)
    event: program.EventDecl | None = None
    owner: str = ""
    payload: Mapping[str, Region | None] | None = None
    aliases: Mapping[str, frozenset[str]] = field(default_factory=dict)
    certain: frozenset[str] = frozenset()
    joined: bool = False
    open: bool = False

    def is_of_event(self, read: program.FieldRead) -> bool:
        """Whether the field is one of the bound event, and not of another of the same sequence."""
        if self.event is None:
            return False
        if not self.joined:
            return True
        if read.alias is not None:
            return self.event.name in self.aliases.get(read.alias, frozenset())
        return read.field in self.event.fields


NOWHERE = Setting()


def plain(expr: program.Expr, setting: Setting) -> program.Expr:
    while isinstance(expr, program.LocalRead) and expr.name in setting.locals:
        expr = setting.locals[expr.name]
    return expr


def is_numeric(expr: program.Expr) -> bool:
    return expr.type.is_number or expr.type.base is Base.DURATION


def key_of(expr: program.Expr, setting: Setting = NOWHERE) -> Key:
    """What tells a variable from another: its structure, without places."""
    expr = plain(expr, setting)
    if isinstance(expr, program.FieldRead):
        return ("field", expr.field, None if setting.is_of_event(expr) else expr.alias)
    owner = setting.owner if isinstance(expr, program.Aggregate | program.Prev | program.Streak) else ""
    return (type(expr).__name__, owner, *(_part(getattr(expr, f.name), setting) for f in _parts(expr)))


def _parts(node: Any) -> list[Any]:
    return [f for f in fields(node) if f.name not in ("span", "type")]


def _part(value: Any, setting: Setting) -> Key:
    if isinstance(value, program.Expr):
        return key_of(value, setting)
    if isinstance(value, program.Knob):
        return value.name
    if isinstance(value, tuple):
        return tuple(_part(item, setting) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return (type(value).__name__, *(_part(getattr(value, f.name), setting) for f in _parts(value)))
    return (type(value).__name__, value) if isinstance(value, bool) else value
