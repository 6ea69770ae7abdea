"""Triggers: which events a loop hears, and what its expressions can read of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from rules_engine.language import program, syntax
from rules_engine.language.catalog import did_you_mean, listed
from rules_engine.language.diagnostics import Code, Related, Severity
from rules_engine.language.expressions import Expressions
from rules_engine.language.names import BAD_COUNT, Names
from rules_engine.language.reading import FIELDS_DIFFER, UNKNOWN_FIELD
from rules_engine.language.scope import FieldEntry, Scope, fields_of
from rules_engine.language.source import Span
from rules_engine.language.types import ANY, Base, Type
from rules_engine.language.unreleased import not_yet_running

GLOB_MATCHES_NOTHING = Code("RE116", "pattern-matches-nothing", Severity.ERROR, "No event has such a name.")
UNKEYABLE = Code("RE220", "unkeyable-field", Severity.ERROR, "A loop cannot be kept apart by such a value.")
DUPLICATE = Code("RE110", "duplicate-declaration", Severity.ERROR, "Two declarations have one name.")

#: What can tell keys apart.
_KEYS = (Base.STR, Base.INT, Base.BOOL, Base.ANY)


@dataclass
class Heard:
    """What a trigger gives to the rest of its loop.

    `trigger` is None where it does not run. `fields` is the union of the fields of its `events`;
    `any_field`: one of the events is unknown, so nothing can be said of fields.
    """

    trigger: program.Events | None
    events: list[program.EventDecl] = field(default_factory=list)
    fields: Mapping[str, FieldEntry] = field(default_factory=dict)
    aliases: dict[str, Mapping[str, FieldEntry]] = field(default_factory=dict)
    any_field: bool = False
    several: bool = False
    where: str = ""
    latches: bool = False


def hear(names: Names, clause: syntax.On, emitted: frozenset[str], per: tuple[syntax.Name, ...]) -> Heard:
    """The events of an `on`; `emitted` are those that the loop itself emits, which no pattern stands for."""
    trigger = clause.trigger
    match trigger:
        case syntax.AnyOf(events=refs):
            return _any_of(names, clause.span, refs, emitted)
        case syntax.Sequence():
            return _sequence(names, trigger, emitted)
        case syntax.Absence(event=ref):
            names.duration(trigger.within)
            names.findings.add(not_yet_running(trigger.span, "an absence (`no A within d`)"))
            return replace(_any_of(names, clause.span, (ref,), emitted), trigger=None, latches=True)
        case syntax.Repeat(event=ref):
            if trigger.count < 1:
                message, advice = "nothing is counted to zero", "write how many of them, as `3 A within 1h`"
                names.findings.add(BAD_COUNT.at(trigger.span, message, help=advice))
            names.duration(trigger.within)
            names.findings.add(not_yet_running(trigger.span, "a repetition (`n A within d`)"))
            return replace(_any_of(names, clause.span, (ref,), emitted), trigger=None)
        case syntax.Every():
            names.duration(trigger.period)
            return _tick(names, trigger.span, "`every`", per)
        case syntax.Cron():
            return _tick(names, trigger.span, "`cron`", per)
        case syntax.ChangeOf():
            return _change(names, trigger)


def _any_of(names: Names, span: Span, refs: tuple[syntax.EventRef, ...], emitted: frozenset[str]) -> Heard:
    heard = Heard(None, several=len(refs) > 1)
    explicit = [None if ref.is_glob else names.event(ref.pattern, "event heard") for ref in refs]
    named = {event.name for event in explicit if event is not None}
    found: list[program.TriggerEvent] = []
    alias_events: dict[str, list[program.EventDecl]] = {}
    plain: dict[str, Span] = {}
    for ref, known in zip(refs, explicit, strict=True):
        if ref.is_glob:
            events = _expanded(names, ref, emitted, taken=named)
            named |= {event.name for event in events}
            heard.several = heard.several or len(events) > 1
        else:
            events = [known] if known is not None else []
            if known is not None and ref.filter is None:
                _check_twice(names, ref, plain, known.name)
        heard.any_field = heard.any_field or not events
        condition = _filter(names, ref, events)
        heard.events += [event for event in events if event not in heard.events]
        if ref.alias is not None:
            _check_alias(names, ref.alias, alias_events)
            alias_events.setdefault(ref.alias.text, []).extend(events)
        alias = ref.alias.text if ref.alias else None
        found += [program.TriggerEvent(ref.span, event.name, condition, alias) for event in events]
    heard.aliases = {alias: fields_of(events) for alias, events in alias_events.items()}
    heard.fields = fields_of(heard.events)
    heard.where = listed((event.name for event in heard.events), most=3)
    heard.trigger = program.Events(span, tuple(found))
    return heard


def _check_twice(names: Names, ref: syntax.EventRef, plain: dict[str, Span], event: str) -> None:
    if event in plain:
        related = (Related(plain[event], "the first one"),)
        message, advice = f"`{event}` is heard already", "remove one of the two"
        names.findings.add(DUPLICATE.at(ref.pattern.span, message, help=advice, related=related))
    plain.setdefault(event, ref.pattern.span)


def _check_alias(names: Names, alias: syntax.Name, known: Mapping[str, object]) -> None:
    if alias.text in known:
        message, advice = f"`{alias.text}` names another event already", "give each event a name of its own"
        names.findings.add(DUPLICATE.at(alias.span, message, help=advice))


def _expanded(
    names: Names, ref: syntax.EventRef, emitted: frozenset[str], taken: set[str]
) -> list[program.EventDecl]:
    """The declared events that a pattern stands for, but for those that the loop itself emits (L16)."""
    pattern = ref.pattern.text
    fitting = [event for name, event in sorted(names.events.items()) if fnmatchcase(name, pattern)]
    left = [event for event in fitting if event.name not in emitted]
    if not left:
        if fitting:
            message = f"`{pattern}` stands only for events that this loop itself emits"
            advice = "name the event that it should hear"
        else:
            message = f"no declared event is like `{pattern}`"
            advice = did_you_mean(pattern.replace("*", ""), names.events, "name an event, or declare one")
        names.findings.add(GLOB_MATCHES_NOTHING.at(ref.pattern.span, message, help=advice))
    for event in left:
        names.mention("event heard", event.name)
    return [event for event in left if event.name not in taken]


def _filter(names: Names, ref: syntax.EventRef, events: list[program.EventDecl]) -> program.Expr | None:
    if ref.filter is None:
        return None
    scope = Scope(
        names=names,
        fields=fields_of(events),
        any_field=not events,
        where=listed((event.name for event in events), most=3),
        no_windows="a filter looks at one event alone; ask for it in `when`",
        no_knobs="a filter looks at the event alone; compare with the knob in `when`",
    )
    return Expressions(scope).condition(ref.filter)


def _sequence(names: Names, trigger: syntax.Sequence, emitted: frozenset[str]) -> Heard:
    names.duration(trigger.within)
    refs = (trigger.first, *(step.event for step in trigger.steps))
    absent = any(step.absent for step in trigger.steps)
    construct = "an absence (`then no B`)" if absent else "a sequence (`A then B`)"
    names.findings.add(not_yet_running(trigger.span, construct))
    heard = Heard(None, several=False, where="the sequence")
    for ref in refs:
        one = _any_of(names, ref.span, (replace(ref, alias=None),), emitted)
        heard.events += one.events
        heard.any_field = heard.any_field or one.any_field
        if ref.alias is not None:
            _check_alias(names, ref.alias, heard.aliases)
            heard.aliases[ref.alias.text] = one.fields
    # A field of one event only can mean nothing else; any other is written `alias.field`.
    heard.fields = {
        name: entry
        for name, entry in fields_of(heard.events).items()
        if sum(name in event.fields for event in heard.events) == 1 or _alike(name, heard.events)
    }
    return heard


def _alike(name: str, events: Iterable[program.EventDecl]) -> bool:
    """A key that every event of a sequence has: they are joined on it."""
    return all(name in event.fields for event in events)


def _tick(names: Names, span: Span, construct: str, per: tuple[syntax.Name, ...]) -> Heard:
    names.findings.add(not_yet_running(span, construct))
    fields = {}
    for name in per:
        its_type = names.types.get(name.text)
        if its_type is None or not its_type.words:
            with_words = [known for known, found in names.types.items() if found.words]
            otherwise = f'declare it: type {name.text} = "a" | "b"'
            advice = did_you_mean(name.text, with_words, otherwise)
            message = f"with {construct} a key is a type of words, `{name.text}` is none"
            names.findings.add(UNKEYABLE.at(name.span, message, help=advice))
        else:
            names.mention("type", name.text)
        fields[name.text] = FieldEntry(name.text, its_type or ANY)
    return Heard(None, fields=fields, where="a tick")


def _change(names: Names, trigger: syntax.ChangeOf) -> Heard:
    knob = names.knob(trigger.knob, "knob read")
    names.findings.add(not_yet_running(trigger.span, "`change of`"))
    if knob is None:
        return Heard(None, any_field=True)
    value = Type(knob.type.base, words=knob.type.words, low=knob.type.low, high=knob.type.high)
    fields = {name: FieldEntry(name, value) for name in ("old", "new")}
    fields |= {name: FieldEntry(name, Type(Base.STR)) for name in (*knob.per, "key", "cause")}
    return Heard(None, fields=fields, where=f"a change of `{knob.name}`")


def check_key(names: Names, heard: Heard, name: syntax.Name) -> None:
    """A `per` field must be a field of every event heard, of a type that can tell keys apart."""
    if heard.any_field or (name.text in names.types and not heard.events):
        return
    lacking = [event.name for event in heard.events if name.text not in fields_of([event])]
    entry = heard.fields.get(name.text)
    if lacking or entry is None:
        where = listed(lacking, most=3) if lacking else heard.where
        message = (
            f"{where} has no field `{name.text}`"
            if len(lacking) < 2
            else f"{where} have no field `{name.text}`"
        )
        shared = [
            known
            for known, other in heard.fields.items()
            if other.type.base in _KEYS and all(known in fields_of([event]) for event in heard.events)
        ]
        otherwise = (
            f"key by one of {listed(sorted(shared))}" if shared else "hear these events in loops of their own"
        )
        advice = did_you_mean(name.text, shared, otherwise)
        names.findings.add(UNKNOWN_FIELD.at(name.span, message, help=advice))
    elif entry.conflict:
        message = f"`{name.text}` cannot be the key: {entry.conflict}"
        advice = "declare it alike in these events, or hear them in loops of their own"
        names.findings.add(FIELDS_DIFFER.at(name.span, message, help=advice))
    elif entry.type.base not in _KEYS:
        message = f"`{name.text}` is {entry.type.known()}, by which no loop can be kept apart"
        advice = "key by a text, a whole number, or true and false"
        names.findings.add(UNKEYABLE.at(name.span, message, help=advice))
