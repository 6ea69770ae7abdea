"""What an expression may read, depending on where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from rules_engine.language import program, syntax
from rules_engine.language.names import Names
from rules_engine.language.source import Span
from rules_engine.language.types import ANY, FLOAT, Base, Type


@dataclass(frozen=True, slots=True)
class FieldEntry:
    """A field as an expression sees it: its own name and type.

    `conflict` says why it cannot be read; `owners` are the events of a sequence that all have it.
    """

    name: str
    type: Type
    conflict: str = ""
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unclear(program.Expr):
    """What a mistake leaves behind: of any type, so that nothing follows from it."""


def unclear(span: Span) -> Unclear:
    """Something unknowable at that place."""
    return Unclear(span, ANY)


@dataclass
class Scope:
    """The names that an expression may read at one place.

    `fields` is None where no event is at hand, `any_field` true where an unknown event may have had more.
    `local` settles a `with` on first use (None: broken). `no_windows` and `no_knobs` say why there is no
    window or knob here, empty where there may be one. `per` are the loop's key fields. `several`: the loop
    hears more than one event, so that what an alias names may not be the one that came.
    """

    names: Names
    fields: Mapping[str, FieldEntry] | None = None
    any_field: bool = False
    where: str = ""
    aliases: Mapping[str, Mapping[str, FieldEntry]] = field(default_factory=dict)
    local_names: frozenset[str] = frozenset()
    local: Callable[[str], program.Expr | None] = lambda _name: None
    per: tuple[str, ...] | None = None
    no_windows: str = ""
    no_knobs: str = ""
    gathers: bool = False
    latched: bool = False
    several: bool = False
    complained: set[str] = field(default_factory=set)

    def of_event(self, event: program.EventDecl, no_windows: str) -> Scope:
        """The scope of a filter: the fields of one event, and constants."""
        return Scope(
            names=self.names,
            fields=fields_of([event]),
            where=f"`{event.name}`",
            no_windows=no_windows,
            no_knobs="a filter reads the event alone; compare with the knob in `when`",
        )

    def readable(self) -> list[str]:
        """Every name that could be written here, for a guess."""
        knobs = () if self.no_knobs else self.names.knobs
        return [*(self.fields or ()), *self.local_names, *self.aliases, *knobs, *self.names.lets]


class Typer(Protocol):
    """Gives expressions their names and types; see expressions.py."""

    scope: Scope

    def of(self, expr: syntax.Expr, *, text: bool = False) -> program.Expr:
        """The typed expression; `text` where a text may hold `{values}`."""

    def within(self, scope: Scope) -> Typer:
        """The same, reading other names."""


def fields_of(events: Iterable[program.EventDecl]) -> dict[str, FieldEntry]:
    """The union of the fields of several events, by every spelling (L15)."""
    declared = list(events)
    owners: dict[str, list[tuple[program.EventDecl, program.FieldDecl]]] = {}
    for event in declared:
        for decl in event.fields.values():
            for spelling in decl.spellings:
                owners.setdefault(spelling, []).append((event, decl))
    entries = {}
    for spelling, found in owners.items():
        entry = _entry([(event.name, decl) for event, decl in found])
        if len({event.name for event, _ in found}) < len({event.name for event in declared}):
            entry = replace(entry, type=entry.type.or_unknown())
        entries[spelling] = entry
    return entries


def _entry(found: list[tuple[str, program.FieldDecl]]) -> FieldEntry:
    event, first = found[0]
    its_type = first.type
    for other_event, other in found[1:]:
        if other.name != first.name:
            conflict = f"it stands for `{first.name}` in {event} and for `{other.name}` in {other_event}"
            return FieldEntry(first.name, ANY, conflict)
        joined = joined_type(its_type, other.type)
        if joined is None:
            conflict = f"it is {its_type} in {event} and {other.type} in {other_event}"
            return FieldEntry(first.name, ANY, conflict)
        its_type = joined
    return FieldEntry(first.name, its_type)


def joined_type(left: Type, right: Type) -> Type | None:
    """The type of a value that is of one or the other; None where no type holds both."""
    optional = left.optional or right.optional
    if left == right:
        return left
    if left.is_number and right.is_number:
        base = left.base if left.base is right.base else Base.FLOAT
        low = None if left.low is None or right.low is None else min(left.low, right.low)
        high = None if left.high is None or right.high is None else max(left.high, right.high)
        return Type(base, low=low, high=high, optional=optional)
    if left.base is not right.base:
        return None
    words = tuple(dict.fromkeys(left.words + right.words)) if left.words and right.words else ()
    name = left.name if left.name == right.name else None
    return Type(left.base, words=words, optional=optional, name=name)


def number_type(low: float | None, high: float | None) -> Type:
    """A number within bounds."""
    return replace(FLOAT, low=low, high=high)
