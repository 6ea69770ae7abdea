"""Hunting: knobs that are moved again before the last move shows, or back and forth around a point."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from rules_engine.checks.activations import Activation, activations, all_effects, live, target
from rules_engine.checks.damping import pauses_ms
from rules_engine.language import program
from rules_engine.language.catalog import duration_text
from rules_engine.language.conditions import Case, cases, every, variables
from rules_engine.language.diagnostics import Code, Diagnostic, Related, Severity
from rules_engine.language.regions import Numbers
from rules_engine.language.traversal import walk

FASTER_THAN_LAG = Code(
    "RE307", "faster-than-lag", Severity.WARNING, "A knob is moved again before its last change can show."
)
FLAPPING = Code(
    "RE308", "flapping-pair", Severity.WARNING, "Two loops move one knob to and fro around one threshold."
)


def faster_than_lag(rules: program.Program) -> Iterator[Diagnostic]:
    """Knobs that a loop may move again within their `lag`: the first such loop of each.

    A latch moves it once until it is over, and setting the same constant again moves nothing.
    """
    told: set[str] = set()
    for loop in sorted(live(rules), key=lambda loop: (loop.path, loop.span.start)):
        if loop.until is not None:
            continue
        pause_ms = max(pauses_ms(loop), loop.cooldown_ms)
        for effect in all_effects(loop):
            if not isinstance(effect, program.SetEffect) or not effect.knob.lag_ms:
                continue
            if pause_ms >= effect.knob.lag_ms or (effect.op == "=" and not _varies(effect)):
                continue
            if effect.knob.name in told:
                continue
            told.add(effect.knob.name)
            again = f"after {duration_text(pause_ms)}" if pause_ms else "at the next event"
            lag = duration_text(effect.knob.lag_ms)
            message = f"this moves `{effect.knob.name}` again {again}, and a change shows only after {lag}"
            advice = f"write `cooldown {lag}`, so that it sees what it did before it acts again"
            related = (Related(effect.knob.span, f"`lag {lag}`"),)
            yield FASTER_THAN_LAG.at(target(effect), message, help=advice, related=related)


def _varies(effect: program.SetEffect) -> bool:
    """Whether a plain set gives the knob another value each time, from what it was."""
    return any(
        isinstance(part, program.KnobRead) and part.knob.name == effect.knob.name
        for part in walk(effect.value)
    )


def flapping_pairs(rules: program.Program) -> Iterator[Diagnostic]:
    """Two loops that nothing slows, of which one moves a knob below a threshold and one above it."""
    by_knob: dict[tuple[object, str], list[tuple[Activation, program.SetEffect]]] = {}
    for loop in live(rules):
        if pauses_ms(loop) or loop.cooldown_ms or loop.limit or loop.until is not None:
            continue
        for activation in activations(rules, loop):
            for effect in activation.effects:
                if isinstance(effect, program.SetEffect) and effect.hold is None:
                    by_knob.setdefault((activation.occasion, effect.knob.name), []).append(
                        (activation, effect)
                    )
    told: set[tuple[str, str, str]] = set()
    for (_, knob), found in by_knob.items():
        for (one, first), (other, second) in combinations(found, 2):
            key = (one.loop.name, other.loop.name, knob)
            if one.loop.name == other.loop.name or key in told or not _opposed(first, second):
                continue
            if _touch(one, other):
                told.add(key)
                message = (
                    f"`{one.loop.name}` and `{other.loop.name}` move `{knob}` on either side of one value"
                )
                advice = "leave a gap between the two conditions, or add `for 10m` or a `cooldown`"
                related = (Related(target(first), f"set by `{one.loop.name}`"),)
                yield FLAPPING.at(target(second), message, help=advice, related=related)


def _opposed(first: program.SetEffect, second: program.SetEffect) -> bool:
    """Whether the two set different constants, or push by different amounts."""
    constants = [e.value.value for e in (first, second) if isinstance(e.value, program.Const)]
    return len(constants) == 2 and (first.op, constants[0]) != (second.op, constants[1])


def _touch(one: Activation, other: Activation) -> bool:
    """Whether the two conditions on one number exclude each other, and leave at most a point between."""
    if not _of_one_number(one.cases) or not _of_one_number(other.cases):
        return False
    if variables(one.cases[0]) != variables(other.cases[0]) or every([one.cases, other.cases]):
        return False
    neither = every(
        [
            cases(one.loop.when, one.setting, wanted=False),
            cases(other.loop.when, other.setting, wanted=False),
        ]
    )
    return all(
        _is_point(region) for case in neither for region in case.values() if isinstance(region, Numbers)
    )


def _is_point(region: Numbers) -> bool:
    return all(part.low is not None and part.low == part.high for part in region.intervals)


def _of_one_number(found: tuple[Case, ...]) -> bool:
    names = {name for case in found for name in variables(case)}
    return len(names) == 1 and all(isinstance(case.get(next(iter(names))), Numbers) for case in found)
