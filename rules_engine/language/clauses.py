"""The clauses of a loop, which stand in any order: sorted by kind, and none twice that may stand once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from rules_engine.language import syntax
from rules_engine.language.diagnostics import Related
from rules_engine.language.names import DUPLICATE_CLAUSE, Names
from rules_engine.language.source import Span
from rules_engine.language.triggers import DUPLICATE

_ONCE: dict[type, str] = {
    syntax.On: "on",
    syntax.Per: "per",
    syntax.When: "when",
    syntax.Cooldown: "cooldown",
    syntax.Limit: "limit",
    syntax.Gather: "gather",
    syntax.ClearedBlock: "cleared",
    syntax.FailedBlock: "failed",
}
ClauseT = TypeVar("ClauseT", bound=syntax.Clause)


@dataclass
class Clauses:
    """The clauses of a loop by kind; of what may stand once, the first."""

    once: dict[type, syntax.Clause] = field(default_factory=dict)
    withs: dict[str, syntax.With] = field(default_factory=dict)
    effects: list[syntax.Effect] = field(default_factory=list)
    afters: list[syntax.AfterBlock] = field(default_factory=list)

    def get(self, kind: type[ClauseT]) -> ClauseT | None:
        """The one clause of a kind that may stand once; None without one."""
        found = self.once.get(kind)
        return found if isinstance(found, kind) else None

    def every_effect(self) -> Iterable[syntax.Effect]:
        """The effects of the loop and of all its blocks."""
        yield from self.effects
        for kind in (syntax.ClearedBlock, syntax.FailedBlock):
            block = self.once.get(kind)
            if isinstance(block, syntax.ClearedBlock | syntax.FailedBlock):
                yield from block.effects
        for after in self.afters:
            yield from after.effects


def sort_clauses(names: Names, item: syntax.LoopItem) -> Clauses:
    """The clauses of a loop by kind; a finding for each that may stand once and stands twice."""
    found = Clauses()
    for clause in item.clauses:
        match clause:
            case syntax.With():
                _take_with(names, found, clause)
            case syntax.Effect():
                found.effects.append(clause)
            case syntax.AfterBlock():
                found.afters.append(clause)
            case _:
                _take_once(names, found, clause)
    return found


def _take_with(names: Names, found: Clauses, clause: syntax.With) -> None:
    first = found.withs.setdefault(clause.name.text, clause)
    if first is not clause:
        related = (Related(first.name.span, "the first one"),)
        message, advice = f"`with {clause.name.text}` stands twice", "give one of the two another name"
        names.findings.add(DUPLICATE.at(clause.name.span, message, help=advice, related=related))


def _take_once(names: Names, found: Clauses, clause: syntax.Clause) -> None:
    kind = type(clause)
    first = found.once.setdefault(kind, clause)
    if first is not clause:
        word = _ONCE[kind]
        related = (Related(head(first.span, word), "the first one"),)
        advice = {
            "on": "join the events: `on A or B`",
            "when": "join the conditions with `and`",
            "per": "list the fields: `per a, b`",
        }.get(word, "keep one of the two")
        place, message = head(clause.span, word), f"`{word}` stands twice"
        names.findings.add(DUPLICATE_CLAUSE.at(place, message, help=advice, related=related))


def head(span: Span, word: str) -> Span:
    """The word that a clause starts with."""
    return Span(span.path, span.start, min(span.end, span.start + len(word)))
