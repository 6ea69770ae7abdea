"""When a loop acts: on which event, under which conditions, and what it then does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rules_engine.language import program
from rules_engine.language.conditions import Case, cases, every
from rules_engine.language.regions import Region
from rules_engine.language.source import Span
from rules_engine.language.variables import Setting


@dataclass(frozen=True)
class Activation:
    """One way for a loop to act at once on one event: on entering, or on clearing its latch.

    `cases` are the ways in which filter and condition let the event through.
    """

    loop: program.Loop
    event: program.EventDecl
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
) -> Setting:
    """Where the conditions of a loop stand when it sees that event."""
    aliases: dict[str, frozenset[str]] = {}
    for heard in loop.trigger.events:
        if heard.alias is not None:
            aliases[heard.alias] = aliases.get(heard.alias, frozenset()) | {heard.event}
    return Setting(dict(loop.locals), rules.events.get(event), loop.name, payload, aliases)


def activations(rules: program.Program, loop: program.Loop) -> Iterator[Activation]:
    """All ways for a loop to act on an event, possible or not; what a timer causes is left out."""
    for heard in loop.trigger.events:
        setting = setting_of(rules, loop, heard.event)
        event = rules.events[heard.event]
        passed = cases(heard.filter, setting)
        if loop.hold_ms == 0:
            entered = every([passed, cases(loop.when, setting)])
            yield Activation(loop, event, setting, entered, loop.effects)
        if loop.until is not None and loop.until_hold_ms == 0:
            left = every([passed, cases(loop.until, setting)])
            yield Activation(loop, event, setting, left, loop.cleared, clears=True)


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
