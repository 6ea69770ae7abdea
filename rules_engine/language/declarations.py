"""Declarations: types, constants, events, actions and knobs, from their text to what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from rules_engine.language import program, syntax
from rules_engine.language.catalog import MOST_PARTS, MOST_STEPS, did_you_mean
from rules_engine.language.constants import settled
from rules_engine.language.derivations import BAD_DERIVATION, derive_fields
from rules_engine.language.diagnostics import Code, Related, Severity
from rules_engine.language.expressions import Expressions
from rules_engine.language.knobs import knob_of
from rules_engine.language.names import DUPLICATE_CLAUSE, TOO_LARGE, Findings, Names
from rules_engine.language.reading import UNKNOWN_FIELD
from rules_engine.language.scope import Scope, Unclear
from rules_engine.language.source import Source, Span
from rules_engine.language.syntax import File
from rules_engine.language.traversal import size, walk
from rules_engine.language.typerefs import CIRCULAR, DUPLICATE_FIELD, TypeTable

DUPLICATE = Code("RE110", "duplicate-declaration", Severity.ERROR, "Two declarations have one name.")
REDECLARED = Code(
    "RE118", "catalogue-redeclared", Severity.INFO, "A declaration replaces one that comes with the package."
)

ItemT = TypeVar("ItemT", bound=syntax.Item)
Declared = (
    syntax.TypeItem
    | syntax.EventItem
    | syntax.ActionItem
    | syntax.KnobItem
    | syntax.LetItem
    | syntax.LoopItem
)

_KINDS: dict[type, str] = {
    syntax.TypeItem: "type",
    syntax.EventItem: "event",
    syntax.ActionItem: "action",
    syntax.KnobItem: "knob",
    syntax.LetItem: "let",
    syntax.LoopItem: "loop",
}
#: Where they are read they look the same, so they share one space of names.
_SPACES = {"knob": "value", "let": "value"}


class Declarations:
    """Collects all declarations of a rule set and settles each after those it needs."""

    def __init__(
        self, files: Sequence[File], catalogue: Sequence[File], sources: Mapping[str, Source]
    ) -> None:
        self.findings = Findings()
        self.names = Names(self.findings, sources)
        self.names.resolve_let = self._let
        self._items: dict[tuple[str, str], Declared] = {}
        self._shipped: set[tuple[str, str]] = set()
        self._lets: dict[str, program.Expr | None] = {}
        self._settling: list[str] = []
        self._collect(catalogue, shipped=True)
        self._collect(files, shipped=False)
        for file in files:
            self._remember_broken(file)
        self.types = TypeTable(self.names, {item.name.text: item for item in self._of(syntax.TypeItem)})
        self._settle()

    def loops(self) -> list[syntax.LoopItem]:
        """The loops, in order of name, without those whose name was taken."""
        return self._of(syntax.LoopItem)

    # ---- collecting --------------------------------------------------------------------------------

    def _collect(self, files: Iterable[File], *, shipped: bool) -> None:
        own: dict[tuple[str, str], Declared] = {}
        for item in (item for file in files for item in file.items if type(item) in _KINDS):
            kind = _KINDS[type(item)]
            name: syntax.Name = item.name  # type: ignore[attr-defined]
            key = (_SPACES.get(kind, kind), name.text)
            if key in own:
                first = own[key]
                other = _KINDS[type(first)]
                message = f"the {kind} `{name.text}` is declared twice"
                if other != kind:
                    message = f"`{name.text}` is already a {other}"
                related = (Related(first.name.span, "the first one"),)
                advice = "remove one of the two, or give it another name"
                self.findings.add(DUPLICATE.at(name.span, message, help=advice, related=related))
                continue
            own[key] = item  # type: ignore[assignment]
            if shipped:
                self._shipped.add(key)
            elif key in self._items:
                message = f"this replaces the {kind} `{name.text}` of the catalogue"
                advice = "remove it to use the catalogue's; keep it where you mean your own"
                self.findings.add(REDECLARED.at(name.span, message, help=advice))
            if not shipped:
                self.names.places[(kind, name.text)] = name.span
        self._items.update(own)

    def _remember_broken(self, file: File) -> None:
        """What did not parse is declared all the same: nobody is to call it unknown."""
        for broken in file.broken:
            self.names.broken.add((broken.word, broken.name.text if broken.name else ""))

    def _of(self, kind: type[ItemT]) -> list[ItemT]:
        return [item for _, item in sorted(self._items.items()) if isinstance(item, kind)]

    # ---- settling ----------------------------------------------------------------------------------

    def _settle(self) -> None:
        self.names.lets = {item.name.text: item for item in self._of(syntax.LetItem)}
        self.types.settle()
        events = self._of(syntax.EventItem)
        for event in events:
            self.names.events[event.name.text] = self._event(event)
        for event in events:
            for alias in event.aliases:
                self._take_alias(event.name.text, alias)
        for action in self._of(syntax.ActionItem):
            self.names.actions[action.name.text] = self._action(action)
        for name in self.names.lets:
            self._let(name)
        for event in events:
            derive_fields(self.names, event)
        for action in self._of(syntax.ActionItem):
            self.names.actions[action.name.text] = self._action_links(action)
        key_words = self._key_words()
        for knob in self._of(syntax.KnobItem):
            settled_knob = knob_of(self.names, self.types, knob, key_words)
            if settled_knob is None:
                self.names.broken.add(("knob", knob.name.text))
            else:
                self.names.knobs[knob.name.text] = settled_knob

    def _take_alias(self, event: str, alias: syntax.Name) -> None:
        """Another name of an event, which no other event may have, in any case."""
        taken = self.names.events.get(alias.text.upper())
        owner = taken.name if taken is not None else self.names.event_aliases.get(alias.text.upper(), event)
        if owner != event:
            message, advice = f'"{alias.text}" already means `{owner}`', "remove it from one of the two"
            related = (Related(self.names.events[owner].span, "the other event"),)
            self.findings.add(DUPLICATE.at(alias.span, message, help=advice, related=related))
            return
        self.names.event_aliases[alias.text] = event
        self.names.event_aliases[alias.text.upper()] = event

    def _let(self, name: str) -> program.Expr | None:
        if name in self._lets:
            return self._lets[name]
        item = self.names.lets.get(name)
        if item is None or name in self._settling:
            if item is not None:
                circle = " -> ".join([*self._settling[self._settling.index(name) :], name])
                advice = "give one of them a value of its own"
                self.findings.add(
                    CIRCULAR.at(
                        item.name.span,
                        f"`{name}` depends on itself",
                        help=advice,
                        witness=circle.split(" -> "),
                    )
                )
            return None
        if len(self._settling) >= MOST_STEPS:
            self._too_large(item)
            return None
        self._settling.append(name)
        errors = self.findings.error_count
        reason = "a constant is settled before any event comes; use `with` in the loop"
        scope = Scope(names=self.names, no_windows=reason, no_knobs=reason)
        typed = Expressions(scope).of(item.value)
        self._settling.pop()
        sound = self.findings.error_count == errors and not any(
            isinstance(part, Unclear) for part in walk(typed)
        )
        value = settled(typed) if sound else None
        if value is not None and size(value) > 10 * MOST_PARTS:
            self._too_large(item)
            value = None
        self._lets[name] = value
        return self._lets[name]

    def _too_large(self, item: syntax.LetItem) -> None:
        if not any(finding.code is TOO_LARGE for finding in self.findings.all):
            message = f"`{item.name.text}` is made of too many other constants"
            advice = "write the value itself"
            self.findings.add(TOO_LARGE.at(item.name.span, message, help=advice))

    def constants(self) -> dict[str, program.Expr]:
        """All sound constants by name."""
        return {name: value for name, value in self._lets.items() if value is not None}

    # ---- events and actions --------------------------------------------------------------------------

    def _event(self, item: syntax.EventItem) -> program.EventDecl:
        fields = self._fields(item.fields)
        dedup, key, producer = None, None, None
        seen: dict[type, Span] = {}
        for option in item.options:
            if type(option) in seen:
                related = (Related(seen[type(option)], "the first one"),)
                advice = "keep one of the two"
                self.findings.add(
                    DUPLICATE_CLAUSE.at(option.span, "this is said twice", help=advice, related=related)
                )
                continue
            seen[type(option)] = option.span
            match option:
                case syntax.DedupOption(window=window):
                    dedup = 0 if window is None else self.names.duration(window)
                case syntax.KeyOption(field=field):
                    key = self._key_field(fields, field)
                case syntax.FromOption(producer=name):
                    producer = name.text
        return program.EventDecl(
            item.name.span,
            item.name.text,
            tuple(alias.text for alias in item.aliases),
            fields,
            item.open,
            dedup,
            key,
            producer,
            item.documentation,
            ("event", item.name.text) in self._shipped,
        )

    def _key_field(self, fields: Mapping[str, program.FieldDecl], name: syntax.Name) -> str | None:
        known = {spelling: decl.name for decl in fields.values() for spelling in decl.spellings}
        if name.text not in known:
            advice = did_you_mean(name.text, known)
            self.findings.add(UNKNOWN_FIELD.at(name.span, f"it has no field `{name.text}`", help=advice))
        return known.get(name.text)

    def _fields(self, fields: tuple[syntax.Field, ...]) -> dict[str, program.FieldDecl]:
        decls: dict[str, program.FieldDecl] = {}
        spellings: dict[str, Span] = {}
        for field in fields:
            for name in field.names:
                if name.text in spellings:
                    related = (Related(spellings[name.text], "the first one"),)
                    advice = "keep one of the two, or give it another name"
                    self.findings.add(
                        DUPLICATE_FIELD.at(
                            name.span, f"`{name.text}` is declared twice", help=advice, related=related
                        )
                    )
                spellings.setdefault(name.text, name.span)
            own = field.names[0]
            decl = program.FieldDecl(
                field.span, own.text, tuple(name.text for name in field.names), self.types.of(field.type)
            )
            decls.setdefault(own.text, decl)
        return decls

    def _action(self, item: syntax.ActionItem) -> program.ActionDecl:
        for parameter in item.parameters:
            if parameter.derived is not None:
                message = f"`{parameter.names[0].text}` of an action cannot be derived"
                advice = "mark it with `?` where it may be left out"
                self.findings.add(BAD_DERIVATION.at(parameter.derived.span, message, help=advice))
        return program.ActionDecl(item.name.span, item.name.text, self._fields(item.parameters), (), None)

    def _action_links(self, item: syntax.ActionItem) -> program.ActionDecl:
        """The same with what it emits and what undoes it."""
        emits: list[str] = []
        undo = None
        for option in item.options:
            if isinstance(option, syntax.EmitsOption):
                found = (self.names.event(name, "event emitted") for name in option.events)
                emits += [event.name for event in found if event is not None]
            else:
                action = self.names.action(option.action)
                undo = action.name if action is not None else None
        return replace(self.names.actions[item.name.text], emits=tuple(dict.fromkeys(emits)), undo=undo)

    def _key_words(self) -> dict[str, tuple[str, ...] | None]:
        """The closed word set of each possible key of a knob: of a type, or of all fields of that name."""
        found: dict[str, tuple[str, ...] | None] = {}
        for event in self.names.events.values():
            for decl in event.fields.values():
                words = decl.type.words or None
                for spelling in decl.spellings:
                    found[spelling] = words if found.get(spelling, words) == words else None
        found.update({name: its_type.words for name, its_type in self.names.types.items() if its_type.words})
        return found
