"""A whole file, as written."""

from __future__ import annotations

from dataclasses import dataclass

from rules_engine.language.syntax.declarations import Item
from rules_engine.language.syntax.nodes import Name, Node


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
