"""What a loop brings about when it acts: events, by `emit` and by its actions, and changes of knobs.

Values are followed as far as one hop: what the condition of a loop leaves possible, and what it writes
into an event, can be held against the condition of the loop that hears it. Past some ways for one effect
(`_MOST_WAYS`) it counts as able to send anything, so that the work stays bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rules_engine.checks.activations import setting_of
from rules_engine.language import program
from rules_engine.language.conditions import Case, cases, every
from rules_engine.language.ranges import bounds, of_type
from rules_engine.language.regions import Choice, Interval, Numbers, Region, exact
from rules_engine.language.variables import Setting, key_of, plain

#: A loop, and whether it acts on entering or on the end of its latch.
Node = tuple[str, Literal["enters", "clears"]]
#: What the fields of an event can be: None for one that is absent; nothing is known of those left out.
Payload = Mapping[str, Region | None]

_MOST_WAYS = 8


@dataclass(frozen=True, eq=False)
class Sent:
    """What one effect brings about: an event, or a change of a knob (`knob`)."""

    event: str
    payload: Payload | None
    certain: frozenset[str] = frozenset()
    knob: program.Knob | None = None
    action: str | None = None

    @property
    def named(self) -> str:
        """It as a name in a path."""
        return f"change of {self.knob.name}" if self.knob is not None else self.event


def sending(
    rules: program.Program, loop: program.Loop
) -> Iterator[tuple[Node, list[tuple[Sent, program.Effect, int]]]]:
    """What a loop sends on entering and on clearing, with the effect, and how long after."""
    nowhere = Setting(dict(loop.locals), owner=loop.name)
    passed: list[tuple[Setting, tuple[Case, ...]]] = [(nowhere, ({},))]
    if isinstance(loop.trigger, program.Events | program.Repeat):
        settings = [(setting_of(rules, loop, heard.event), heard) for heard in loop.trigger.events]
        passed = [(setting, cases(heard.filter, setting)) for setting, heard in settings]
    entered = [(setting, every([ways, cases(loop.when, setting)])) for setting, ways in passed]
    left = [(setting, every([ways, cases(loop.until, setting)])) for setting, ways in passed]
    found = [(sent, effect, 0) for effect in loop.effects for sent in _sent(effect, entered)]
    found += [
        (sent, effect, after.delay_ms)
        for after in loop.after
        for effect in after.effects
        for sent in _sent(effect, entered)
    ]
    found += [(sent, effect, 0) for effect in loop.failed for sent in _sent(effect, [(nowhere, ({},))])]
    yield (loop.name, "enters"), found
    yield (loop.name, "clears"), [(s, effect, 0) for effect in loop.cleared for s in _sent(effect, left)]


def _sent(effect: program.Effect, acting: list[tuple[Setting, tuple[Case, ...]]]) -> Iterator[Sent]:
    """What an effect sends, once for each way in which it can come to act."""
    match effect:
        case program.DoEffect(action=action):
            for event in action.emits:
                yield Sent(event, None, action=action.name)
        case program.SetEffect():
            for way, setting in _ways(effect, acting):
                yield Sent(effect.knob.name, _change(effect, way, setting), knob=effect.knob)
        case program.EmitEffect():
            for way, setting in _ways(effect, acting):
                payload, certain = _payload(effect, way, setting)
                yield Sent(effect.event.name, payload, certain)


def _ways(
    effect: program.Effect, acting: list[tuple[Setting, tuple[Case, ...]]]
) -> Iterator[tuple[Case, Setting]]:
    for setting, ways in acting:
        met = every([ways, cases(effect.condition, setting)])
        yield from ((way, setting) for way in (met if len(met) <= _MOST_WAYS else ({},)))


def _payload(effect: program.EmitEffect, way: Case, setting: Setting) -> tuple[Payload, frozenset[str]]:
    given = dict(effect.payload)
    payload: dict[str, Region | None] = {}
    certain = set()
    for name, decl in effect.event.fields.items():
        if name in given:
            if _is_unknown(given[name], way, setting):
                payload[name] = None
                continue
            region = value_region(given[name], way, setting)
            if region is not None:
                payload[name] = region
            if not given[name].type.optional:
                certain.add(name)
        elif decl.derived is None:
            payload[name] = None
    return payload, frozenset(certain)


def _is_unknown(value: program.Expr, way: Case, setting: Setting) -> bool:
    known = way.get(("known", key_of(value, setting)))
    return isinstance(known, Choice) and known.values == {False}


def _change(effect: program.SetEffect, way: Case, setting: Setting) -> Payload:
    knob = effect.knob
    payload: dict[str, Region | None] = {}
    whole = of_type(knob.type)
    new = value_region(effect.value, way, setting) if effect.op == "=" else whole
    if not knob.words and effect.op == "=" and new is not None:
        # What lies beyond the range stops at its end.
        inside = new.meet(Numbers((Interval(exact(knob.low), exact(knob.high)),)))
        new = inside if not inside.is_empty else whole
    if new is not None and not knob.steps:
        payload["new"] = new
    for name, key in zip(knob.per, effect.key, strict=False):
        region = value_region(key, way, setting)
        if region is not None:
            payload[name] = region
            if len(knob.per) == 1:
                payload["key"] = region
    return payload


def value_region(value: program.Expr, way: Case, setting: Setting) -> Region | None:
    """What a written value can be in one way of acting; None where nothing is known of it."""
    value = plain(value, setting)
    if isinstance(value, program.Const) and isinstance(value.value, str | bool):
        return Choice(frozenset((value.value,)))
    limited = way.get(key_of(value, setting))
    region: Region | None
    if value.type.is_number:
        region = Numbers((_shifted(value, way, setting) or bounds(value, setting.locals),))
    else:
        region = of_type(value.type)
    return limited if region is None else region if limited is None else region.meet(limited)


def _shifted(value: program.Expr, way: Case, setting: Setting) -> Interval | None:
    """The values of `x + 1` where the condition bounds x."""
    if not isinstance(value, program.Binary) or value.op not in ("+", "-"):
        return None
    by = bounds(value.right, setting.locals)
    if by.low is None or by.low != by.high:
        return None
    left = plain(value.left, setting)
    if isinstance(left, program.Binary) and left.op == "??":
        return None
    inner = value_region(left, way, setting)
    if not isinstance(inner, Numbers) or len(inner.intervals) != 1:
        return None
    shift = by.low if value.op == "+" else -by.low
    span = inner.intervals[0]
    low = None if span.low is None else span.low + shift
    high = None if span.high is None else span.high + shift
    return Interval(low, high, span.low_open, span.high_open)
