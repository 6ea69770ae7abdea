"""Conflicts: two loops that act against each other on one and the same event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import combinations
from typing import Literal

from rules_engine.checks.activations import Activation, Occasion, activations, live, target
from rules_engine.language import program
from rules_engine.language.conditions import Case, every, witness
from rules_engine.language.diagnostics import Code, Diagnostic, Related, Severity
from rules_engine.language.ranges import bounds
from rules_engine.language.variables import key_of

COMPETING_SETS = Code(
    "RE401",
    "competing-sets",
    Severity.WARNING,
    "Two loops set one knob on the same event, against each other.",
)
DONE_AND_UNDONE = Code(
    "RE402", "done-and-undone", Severity.WARNING, "Two loops do an action and its undo on the same event."
)


def competing_sets(rules: program.Program) -> Iterator[Diagnostic]:
    """Pairs of loops that set one knob on a common event so that the order, or the sign, matters."""
    told: set[tuple[str, str, str]] = set()
    for one, other in _pairs(rules, _knobs_set):
        for first in one.effects:
            for second in other.effects:
                if not isinstance(first, program.SetEffect) or not isinstance(second, program.SetEffect):
                    continue
                key = (one.loop.name, other.loop.name, first.knob.name)
                if first.knob.name != second.knob.name or key in told or not _same_key(first, second):
                    continue
                clash = _clash(first, one, second, other)
                shared = _shared(one, first, other, second) if clash else ()
                if clash and shared:
                    told.add(key)
                    yield _competition(clash, (one, first), (other, second), shared[0])


def _competition(
    clash: str,
    one: tuple[Activation, program.SetEffect],
    other: tuple[Activation, program.SetEffect],
    case: Case,
) -> Diagnostic:
    knob, first = other[1].knob.name, one[0].loop.name
    message = f"`{first}` sets `{knob}` on the same event, {clash}"
    advice = "let one loop decide, or give the two conditions that exclude each other"
    related = (Related(target(one[1]), f"set by `{first}`"),)
    shown = witness(case, one[0].named) | {"loops": [first, other[0].loop.name]}
    return COMPETING_SETS.at(target(other[1]), message, help=advice, related=related, witness=shown)


def done_and_undone(rules: program.Program) -> Iterator[Diagnostic]:
    """Pairs of loops of which one does on an event what the other undoes."""
    told: set[tuple[str, str, str]] = set()
    undone = {name: action.undo for name, action in rules.actions.items() if action.undo is not None}

    def opposites(activation: Activation) -> set[str]:
        """By the name of the one that is undone, what it does of pairs of actions that undo each other."""
        done = {one.action.name for one in activation.effects if isinstance(one, program.DoEffect)}
        return {name for name, undo in undone.items() if name in done or undo in done}

    for one, other in _pairs(rules, opposites):
        for first in one.effects:
            for second in other.effects:
                if not isinstance(first, program.DoEffect) or not isinstance(second, program.DoEffect):
                    continue
                key = (one.loop.name, other.loop.name, first.action.name)
                opposed = first.action.undo == second.action.name or second.action.undo == first.action.name
                shared = _shared(one, first, other, second) if opposed and key not in told else ()
                if not shared:
                    continue
                told.add(key)
                message = (
                    f"`{one.loop.name}` does `{first.action.name}` on the same event, and this undoes it"
                )
                if second.action.undo == first.action.name:
                    message = f"`{one.loop.name}` undoes this on the same event"
                advice = "let one loop decide, or give the two conditions that exclude each other"
                related = (Related(target(first), f"done by `{one.loop.name}`"),)
                shown = witness(shared[0], one.named) | {"loops": [one.loop.name, other.loop.name]}
                yield DONE_AND_UNDONE.at(target(second), message, help=advice, related=related, witness=shown)


def _knobs_set(activation: Activation) -> set[str]:
    return {one.knob.name for one in activation.effects if isinstance(one, program.SetEffect)}


def _pairs(
    rules: program.Program, subjects: Callable[[Activation], set[str]]
) -> Iterator[tuple[Activation, Activation]]:
    """Every two activations of different loops on one occasion that share a subject, in order of loop name.

    Thousands of loops may hear one event; only those that touch the same thing are held against each other.
    """
    by_subject: dict[tuple[Occasion, str], list[Activation]] = {}
    for loop in live(rules):
        for activation in activations(rules, loop):
            if activation.cases and activation.effects:
                for subject in sorted(subjects(activation)):
                    by_subject.setdefault((activation.occasion, subject), []).append(activation)
    for found in by_subject.values():
        for one, other in combinations(found, 2):
            if one.loop.name != other.loop.name:
                yield one, other


def _shared(
    one: Activation, first: program.Effect, other: Activation, second: program.Effect
) -> tuple[Case, ...]:
    """The cases in which both effects happen on the one event."""
    return every([one.when(first), other.when(second)])


def _same_key(first: program.SetEffect, second: program.SetEffect) -> bool:
    """Whether the two can mean one value of the knob: not where they name different constants."""
    if first.all_keys or second.all_keys:
        return True
    return all(
        not (isinstance(a, program.Const) and isinstance(b, program.Const) and a.value != b.value)
        for a, b in zip(first.key, second.key, strict=False)
    )


def _clash(first: program.SetEffect, one: Activation, second: program.SetEffect, other: Activation) -> str:
    """How two sets get into each other's way; empty where they do not."""
    ways = {_direction(first, one.loop), _direction(second, other.loop)}
    if ways == {"up", "down"}:
        return "the other way"
    additive = first.op in ("+=", "-=") and second.op in ("+=", "-=")
    if first.hold is None and second.hold is None and (additive or first.op == second.op == "*="):
        return ""
    same = key_of(first.value, one.setting) == key_of(second.value, other.setting)
    if first.op == second.op == "=" and first.hold == second.hold and same:
        return ""
    if first.op == second.op == "=" and _is_ceiling_pair(first, second):
        return ""
    return "and the last one by name wins"


def _is_ceiling_pair(first: program.SetEffect, second: program.SetEffect) -> bool:
    """`set k = min(k, a)` and `set k = min(k, b)` commute, as two of `max` do."""
    functions = {_ceiling(effect) for effect in (first, second)}
    return len(functions) == 1 and functions <= {"min", "max"}


def _ceiling(effect: program.SetEffect) -> str:
    value = effect.value
    if not isinstance(value, program.FunctionCall) or effect.hold is not None:
        return ""
    own = [
        part
        for part in value.arguments
        if isinstance(part, program.KnobRead) and part.knob.name == effect.knob.name and not part.all_keys
    ]
    return value.function if own else ""


def _direction(effect: program.SetEffect, loop: program.Loop) -> Literal["up", "down", ""]:
    """Which way a set pushes its knob.

    Where the declared ranges do not tell, fields without one count as not below zero (counts, drops,
    ages); then it must clearly push, since a rate of change may well be negative.
    """
    if effect.op == "=" or effect.knob.words or (effect.op == "*=" and effect.knob.low < 0):
        return ""
    neutral = Fraction(1 if effect.op == "*=" else 0)
    known = bounds(effect.value, dict(loop.locals))
    if known.low is not None and known.low == known.high == neutral:
        return ""
    likely = bounds(effect.value, dict(loop.locals), Fraction(0))
    rises = (known.low is not None and known.low >= neutral) or (
        likely.low is not None and likely.low > neutral
    )
    falls = (known.high is not None and known.high <= neutral) or (
        likely.high is not None and likely.high < neutral
    )
    if effect.op == "-=":
        rises, falls = falls, rises
    return "up" if rises else "down" if falls else ""
