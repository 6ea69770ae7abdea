"""The parts of a program, and what makes two of them the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from rules_engine.language import program as p
from rules_engine.language.types import Type


def nodes(root: Any, *, of_trigger: bool = False) -> Iterator[p.Expr]:
    """All expressions in a piece of program, inner ones first; declarations named are not entered.

    `of_trigger`: only those read from the event that the loop has heard, not from one that feeds a window.
    """
    if isinstance(root, tuple):
        for item in root:
            yield from nodes(item, of_trigger=of_trigger)
    elif is_dataclass(root) and not isinstance(root, p.Knob | p.EventDecl | p.ActionDecl | Type):
        elsewhere = _of_other_events(root) if of_trigger and isinstance(root, p.Aggregate) else ()
        for field in fields(root):
            if field.name not in elsewhere:
                yield from nodes(getattr(root, field.name), of_trigger=of_trigger)
        if isinstance(root, p.Expr):
            yield root


def _of_other_events(window: p.Aggregate) -> tuple[str, ...]:
    """The parts of an aggregate that are read from events which the loop does not hear."""
    return ("feed", "window") if window.feed is None else ("feed", "window", "sample")


def fingerprint(value: Any) -> Any:
    """A value equal for equal meanings: structure without places."""
    if isinstance(value, tuple):
        return tuple(fingerprint(item) for item in value)
    if isinstance(value, p.Knob | p.EventDecl | p.ActionDecl):
        return value.name
    if is_dataclass(value):
        inner = (getattr(value, f.name) for f in fields(value) if f.name not in ("span", "type"))
        return (type(value).__name__, *(fingerprint(item) for item in inner))
    return type(value).__name__, value  # 1, 1.0 and true are equal, and mean different things
