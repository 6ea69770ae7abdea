"""When a loop acts: on which occasion, under which conditions, and what it then does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rules_engine.language import program
from rules_engine.language.conditions import Case, cases, every
from rules_engine.language.regions import Region
from rules_engine.language.source import Span
from rules_engine.language.variables import Setting

#: An instant at which loops act together: an event (and how long it has been so), a tick, a silence.
Occasion = tuple[str | int, ...]


@dataclass(frozen=True)
class Activation:
    """One way for a loop to act: on entering, or on clearing its latch.

    `cases` are the ways in which filter and condition let it. Loops with one `occasion` act at one and
    the same instant; `named` is that instant in words, for witnesses.
    """

    loop: program.Loop
    occasion: Occasion
    named: str
    setting: Setting
    cases: tuple[Case, ...]
    effects: tuple[program.Effect, ...]
    clears: bool = False

    def when(self, effect: program.Effect) -> tuple[Case, ...]:
        """The ways in which one of its effects happens."""
        return every([self.cases, cases(effect.condition, self.setting)])


def live(rules: program.Program) -> list[program.Loop]:
    """The loops that act: neither off nor only watched."""
    return [loop for loop in rules.loops if loop.off is None and not loop.shadow]


def setting_of(
    rules: program.Program,
    loop: program.Loop,
    event: str,
    payload: Mapping[str, Region | None] | None = None,
    certain: frozenset[str] = frozenset(),
) -> Setting:
    """Where the conditions of a loop stand when it sees that event; `certain` fields are surely sent."""
    trigger = loop.trigger
    joined = isinstance(trigger, program.Sequence)
    last = trigger.steps[-1].events if isinstance(trigger, program.Sequence) else trigger.events
    aliases: dict[str, frozenset[str]] = {}
    for heard in last:
        if heard.alias is not None:
            aliases[heard.alias] = aliases.get(heard.alias, frozenset()) | {heard.event}
    declared = rules.events.get(event)
    return Setting(dict(loop.locals), declared, loop.name, payload, aliases, certain, joined)


def setting_of_change(
    loop: program.Loop, knob: program.Knob, payload: Mapping[str, Region | None] | None = None
) -> Setting:
    """Where the conditions of a loop stand when a knob has changed, whose old and new value it reads."""
    event = program.EventDecl(knob.span, f"change of {knob.name}", (), {}, True, 0, None, None, "", False)
    return Setting(dict(loop.locals), event, loop.name, payload, certain=frozenset(payload or ()), open=True)


def activations(rules: program.Program, loop: program.Loop) -> Iterator[Activation]:
    """All ways for a loop to act, possible or not; what only its own timers cause is left out."""
    match loop.trigger:
        case program.Events() | program.Repeat():
            yield from _by_event(rules, loop, loop.trigger.events)
        case program.Sequence(steps=steps):
            if not steps[-1].absent:
                yield from _by_event(rules, loop, steps[-1].events)
        case program.Absence(events=events, within_ms=within_ms):
            for heard in events:
                setting = setting_of(rules, loop, heard.event)
                passed = every([cases(heard.filter, setting), cases(loop.when, setting)])
                silence: Occasion = ("silence", heard.event, within_ms)
                named = f"no {heard.event}"
                yield Activation(loop, silence, named, setting, passed, loop.effects)
                back: Occasion = ("event", heard.event, 0)
                passed = cases(heard.filter, setting)
                yield Activation(loop, back, heard.event, setting, passed, loop.cleared, clears=True)
        case program.ChangeOf(knob=knob):
            setting = setting_of_change(loop, knob)
            yield from _entering(loop, ("change", knob.name), f"change of {knob.name}", setting)
        case program.Tick() as tick:
            setting = Setting(dict(loop.locals), owner=loop.name)
            # Periods are aligned to one epoch, so that any two of them fall together.
            occasion: Occasion = ("tick", tick.cron or "every", tick.zone or "")
            yield from _entering(loop, (*occasion, *loop.per), "a tick", setting)


def _by_event(
    rules: program.Program, loop: program.Loop, events: tuple[program.TriggerEvent, ...]
) -> Iterator[Activation]:
    for heard in events:
        setting = setting_of(rules, loop, heard.event)
        passed = cases(heard.filter, setting)
        yield from _entering(loop, ("event", heard.event), heard.event, setting, passed)


def _entering(
    loop: program.Loop,
    occasion: Occasion,
    named: str,
    setting: Setting,
    passed: tuple[Case, ...] = ({},),
) -> Iterator[Activation]:
    """A hold acts later; two holds of one length act together, as the events that began them do."""
    entered = every([passed, cases(loop.when, setting)])
    yield Activation(loop, (*occasion, loop.hold_ms), named, setting, entered, loop.effects)
    if loop.until is not None:
        left = every([passed, cases(loop.until, setting)])
        over: Occasion = (*occasion, loop.until_hold_ms)
        yield Activation(loop, over, named, setting, left, loop.cleared, clears=True)


def all_effects(loop: program.Loop) -> Iterator[program.Effect]:
    """Every effect of a loop, whatever it waits for."""
    yield from loop.effects
    yield from loop.cleared
    for after in loop.after:
        yield from after.effects
    yield from loop.failed


def target(effect: program.Effect) -> Span:
    """The name that an effect acts on."""
    place = getattr(effect, "target", None)
    return place if place is not None else effect.span
