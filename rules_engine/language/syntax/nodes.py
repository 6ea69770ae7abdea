"""What every part of the tree is: a node with its place, and the names in it."""

from __future__ import annotations

from dataclasses import dataclass

from rules_engine.language.source import Span


@dataclass(frozen=True, slots=True)
class Node:
    """Anything that stands somewhere in a file."""

    span: Span


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name as written: of an event, a field, a knob, an action, a word."""

    text: str
