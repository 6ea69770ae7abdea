"""Triggers: which events a loop hears, and what its expressions can read of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import product
from math import prod

from rules_engine.cron import UTC
from rules_engine.language import calendar, program, syntax
from rules_engine.language.catalog import MOST_SAMPLES, did_you_mean, listed
from rules_engine.language.diagnostics import Code, Related, Severity
from rules_engine.language.expressions import Expressions
from rules_engine.language.names import BAD_COUNT, Names
from rules_engine.language.reading import FIELDS_DIFFER, UNKNOWN_FIELD
from rules_engine.language.scope import FieldEntry, Scope, fields_of
from rules_engine.language.source import Span
from rules_engine.language.types import ANY, Base, Type
from rules_engine.language.windows import CONTRADICTION

GLOB_MATCHES_NOTHING = Code("RE116", "pattern-matches-nothing", Severity.ERROR, "No event has such a name.")
UNKEYABLE = Code("RE220", "unkeyable-field", Severity.ERROR, "A loop cannot be kept apart by such a value.")
DUPLICATE = Code("RE110", "duplicate-declaration", Severity.ERROR, "Two declarations have one name.")

#: A tick runs a loop for so many keys at the most.
_MOST_TICKS = 10_000
#: What can tell keys apart.
_KEYS = (Base.STR, Base.INT, Base.BOOL, Base.ANY)


@dataclass
class Heard:
    """What a trigger gives to the rest of its loop.

    `trigger` is None where it does not run. `fields` is the union of the fields of its `events`;
    `any_field`: one of the events is unknown, so nothing can be said of fields.
    """

    trigger: program.Trigger | None
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
            return _sequence(names, trigger, emitted, {name.text for name in per})
        case syntax.Absence(event=ref):
            return _absence(names, trigger, _any_of(names, clause.span, (ref,), emitted), per)
        case syntax.Repeat(event=ref):
            return _repeat(names, trigger, _any_of(names, clause.span, (ref,), emitted))
        case syntax.Every():
            return _every(names, trigger, per)
        case syntax.Cron():
            return _cron(names, trigger, per)
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


def _absence(names: Names, trigger: syntax.Absence, heard: Heard, per: tuple[syntax.Name, ...]) -> Heard:
    """`no A within d`. Without a key it counts from the loading, so that no A may ever have come (L20)."""
    within_ms = names.duration(trigger.within)
    found = heard.trigger
    fields = heard.fields
    if not per:
        fields = {name: replace(entry, type=entry.type.or_unknown()) for name, entry in heard.fields.items()}
    absence = None
    if within_ms is not None and found is not None:
        absence = program.Absence(trigger.span, found.events, within_ms)
    aliases = dict.fromkeys(heard.aliases, fields)
    return replace(heard, trigger=absence, fields=fields, aliases=aliases, latches=True)


def _repeat(names: Names, trigger: syntax.Repeat, heard: Heard) -> Heard:
    within_ms = names.duration(trigger.within)
    counts = 1 <= trigger.count <= MOST_SAMPLES
    if not counts:
        message = (
            "nothing is counted to zero" if trigger.count < 1 else f"nothing is counted to {trigger.count}"
        )
        advice = f"write how many of them, 1 to {MOST_SAMPLES}, as `3 A within 1h`"
        names.findings.add(BAD_COUNT.at(trigger.span, message, help=advice))
    repeat = None
    if within_ms is not None and heard.trigger is not None and counts:
        repeat = program.Repeat(trigger.span, trigger.count, heard.trigger.events, within_ms)
    return replace(heard, trigger=repeat)


def _sequence(names: Names, trigger: syntax.Sequence, emitted: frozenset[str], per: set[str]) -> Heard:
    """Fields are written `a.field`; bare where one event alone has them, or where they are the key (L15)."""
    within_ms = names.duration(trigger.within)
    heard = Heard(None, several=False, where="the sequence")
    steps: list[program.SequenceStep] = []
    owners: dict[str, list[tuple[str, FieldEntry]]] = {}
    sound = within_ms is not None
    for ref, absent in ((trigger.first, False), *((step.event, step.absent) for step in trigger.steps)):
        one = _any_of(names, ref.span, (replace(ref, alias=None),), emitted)
        heard.events += [event for event in one.events if event not in heard.events]
        heard.any_field = heard.any_field or one.any_field
        alias = ref.alias.text if ref.alias and not absent else None
        events = () if one.trigger is None else one.trigger.events
        steps.append(
            program.SequenceStep(ref.span, tuple(replace(event, alias=alias) for event in events), absent)
        )
        if absent:
            sound = _check_absent(names, ref, steps) and sound
            continue
        for name, entry in fields_of(one.events).items():
            owners.setdefault(name, []).append((alias or ref.pattern.text, entry))
        if ref.alias is not None:
            _check_alias(names, ref.alias, heard.aliases)
            heard.aliases[ref.alias.text] = one.fields
    shared = fields_of(heard.events)
    heard.fields = {
        name: shared[name] if name in per else _field_of_one(found) for name, found in owners.items()
    }
    if sound and within_ms is not None:
        heard.trigger = program.Sequence(trigger.span, tuple(steps), within_ms)
    return heard


def _check_absent(names: Names, ref: syntax.EventRef, steps: list[program.SequenceStep]) -> bool:
    """What must not come can have no name, and two in a row would be one silence."""
    if ref.alias is not None:
        message = f"`{ref.alias.text}` names an event that must not come"
        names.findings.add(CONTRADICTION.at(ref.alias.span, message, help="remove the `as`"))
        return False
    if steps[-2].absent:
        message = "two `no` stand one after the other"
        advice = "keep one, and write a second loop for the other"
        names.findings.add(CONTRADICTION.at(ref.span, message, help=advice))
        return False
    return True


def _field_of_one(found: list[tuple[str, FieldEntry]]) -> FieldEntry:
    """A bare name must mean the field of one event; only the key is the same in all of them."""
    entry = found[0][1]
    return entry if len(found) == 1 else replace(entry, owners=tuple(owner for owner, _ in found))


def _every(names: Names, trigger: syntax.Every, per: tuple[syntax.Name, ...]) -> Heard:
    heard, keys = _tick(names, "`every`", per)
    period_ms = names.duration(trigger.period)
    if period_ms is not None and keys is not None:
        heard.trigger = program.Tick(trigger.span, period_ms, None, UTC, keys)
    return heard


def _cron(names: Names, trigger: syntax.Cron, per: tuple[syntax.Name, ...]) -> Heard:
    heard, keys = _tick(names, "`cron`", per)
    expression, zone = trigger.expression, trigger.zone
    named = None if zone is None else (zone.text, zone.span)
    if calendar.check(names.findings, (expression.text, expression.span), named) and keys is not None:
        heard.trigger = program.Tick(trigger.span, None, expression.text, zone.text if zone else UTC, keys)
    return heard


def _tick(
    names: Names, construct: str, per: tuple[syntax.Name, ...]
) -> tuple[Heard, tuple[tuple[str, ...], ...] | None]:
    """What a tick gives to its loop, its key alone, and all values of that (L21); None where it has none."""
    fields, words, sound = {}, [], True
    for name in per:
        its_type = names.types.get(name.text)
        if its_type is None or not its_type.words:
            with_words = [known for known, found in names.types.items() if found.words]
            otherwise = f'declare it: type {name.text} = "a" | "b"'
            advice = did_you_mean(name.text, with_words, otherwise)
            message = f"with {construct} a key is a type of words, `{name.text}` is none"
            if not names.lost("type", name.text):
                names.findings.add(UNKEYABLE.at(name.span, message, help=advice))
            sound = False
        else:
            names.mention("type", name.text)
            words.append(its_type.words)
        fields[name.text] = FieldEntry(name.text, its_type or ANY)
    heard = Heard(None, fields=fields, where="a tick")
    count = prod(len(part) for part in words)
    if sound and count > _MOST_TICKS:
        message = f"each tick would run the loop for {count} keys, and {_MOST_TICKS} is the most"
        names.findings.add(UNKEYABLE.at(per[-1].span, message, help="key it by fewer types"))
        sound = False
    return heard, tuple(product(*words)) if sound else None


def _change(names: Names, trigger: syntax.ChangeOf) -> Heard:
    """Every committed change of a knob; its key fields, and `key`, `old`, `new`, `cause`, `depth` (L27)."""
    knob = names.knob(trigger.knob, "knob read")
    if knob is None:
        return Heard(None, any_field=True)
    value = replace(knob.type, name=None)
    fields = {name: FieldEntry(name, value) for name in ("old", "new")}
    fields |= {name: FieldEntry(name, Type(Base.STR)) for name in ("key", "cause")}
    fields["depth"] = FieldEntry("depth", Type(Base.INT))
    for name, words in zip(knob.per, knob.key_words, strict=True):
        fields[name] = FieldEntry(name, Type(Base.STR, words=words or ()) if words else ANY)
    where = f"a change of `{knob.name}`"
    return Heard(program.ChangeOf(trigger.span, knob), fields=fields, where=where)


def check_key(names: Names, heard: Heard, name: syntax.Name) -> None:
    """A `per` field must be a field of every event heard, of a type that can tell keys apart."""
    of_type = name.text in names.types and not isinstance(heard.trigger, program.ChangeOf)
    if heard.any_field or (of_type and not heard.events):
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
