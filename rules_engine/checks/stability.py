"""Stability: knobs that only ever go one way, and latches that flap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Literal

from rules_engine.checks.activations import all_effects, live, setting_of, target
from rules_engine.language import program
from rules_engine.language.conditions import Case, cases, every, variables, witness
from rules_engine.language.diagnostics import Code, Diagnostic, Related, Severity
from rules_engine.language.ranges import bounds
from rules_engine.language.regions import Numbers
from rules_engine.language.variables import Setting, plain

ONE_WAY = Code(
    "RE303", "one-way-knob", Severity.WARNING, "A knob is only ever pushed one way, to the end of its range."
)
OVERLAP = Code(
    "RE304", "until-overlaps-when", Severity.WARNING, "One event can both start a latch and end it."
)
NO_GAP = Code(
    "RE305",
    "no-gap",
    Severity.WARNING,
    "A latch ends where it starts, so a value around that point makes it flap.",
)


def one_way_knobs(rules: program.Program) -> Iterator[Diagnostic]:
    """Knobs without `decay` that every set pushes the same way."""
    if not rules.complete:
        return
    pushes: dict[str, list[tuple[program.SetEffect, str]]] = {}
    for loop in live(rules):
        for effect in all_effects(loop):
            # A hold comes back by itself, so it moves nothing for good.
            if isinstance(effect, program.SetEffect) and effect.hold is None:
                pushes.setdefault(effect.knob.name, []).append((effect, _push(effect, loop)))
    for name, found in pushes.items():
        knob, ways = found[0][0].knob, {way for _, way in found}
        if knob.decay_ms is not None or len(ways) != 1 or ways == {""}:
            continue
        way = ways.pop()
        end = knob.high if way == "up" else knob.low
        message = f"`{name}` is only ever pushed {way}, until it stays at {end:g}"
        advice = "add `decay 6h` to the knob, or set it back in another loop"
        first = target(found[0][0])
        related = (
            Related(knob.span, "the knob"),
            *(Related(target(e), "pushed here too") for e, _ in found[1:]),
        )
        yield ONE_WAY.at(first, message, help=advice, related=related)


def _push(effect: program.SetEffect, loop: program.Loop) -> Literal["up", "down", ""]:
    """Which way a relative set can only go."""
    if effect.op == "=":
        return _spelt_out(effect, loop)
    neutral = Fraction(1 if effect.op == "*=" else 0)
    if effect.op == "*=" and effect.knob.low < 0:
        return ""
    possible = bounds(effect.value, dict(loop.locals))
    rises = possible.low is not None and possible.low >= neutral
    falls = possible.high is not None and possible.high <= neutral
    if rises and falls:
        return ""
    if effect.op == "-=":
        rises, falls = falls, rises
    return "up" if rises else "down" if falls else ""


def _spelt_out(effect: program.SetEffect, loop: program.Loop) -> Literal["up", "down", ""]:
    """`k = k + 1`, `k = k * 0.9` and `k = max(k, e)` push one way as `+=` and `*=` do."""
    value = plain(effect.value, Setting(dict(loop.locals)))
    if not isinstance(value, program.FunctionCall) or value.function not in ("max", "min"):
        return _one_step(effect, value, loop)
    own = [part for part in value.arguments if _is_own(effect, part)]
    if own:
        return "up" if value.function == "max" else "down"
    ways = {_one_step(effect, part, loop) for part in value.arguments} - {""}
    return ways.pop() if len(ways) == 1 else ""


def _one_step(
    effect: program.SetEffect, value: program.Expr, loop: program.Loop
) -> Literal["up", "down", ""]:
    if not isinstance(value, program.Binary) or value.op not in ("+", "-", "*"):
        return ""
    if not _is_own(effect, value.left):
        return ""
    op: Literal["+=", "-=", "*="] = {"+": "+=", "-": "-=", "*": "*="}[value.op]  # type: ignore[assignment]
    return _push(replace(effect, op=op, value=value.right), loop)


def _is_own(effect: program.SetEffect, part: program.Expr) -> bool:
    return isinstance(part, program.KnobRead) and part.knob.name == effect.knob.name and not part.all_keys


def overlapping_latches(rules: program.Program) -> Iterator[Diagnostic]:
    """Latches whose `until` can be true of the very value that makes `when` true."""
    for loop in rules.loops:
        if loop.when is None or loop.until is None:
            continue
        for heard in loop.trigger.events:
            setting = setting_of(rules, loop, heard.event)
            entered, left = cases(loop.when, setting), cases(loop.until, setting)
            if not entered or not left or not _are_fields(entered, left):
                continue
            both = every([cases(heard.filter, setting), entered, left])
            if both:
                message = (
                    "this can be true together with `when`: the latch starts, and ends at the next event"
                )
                advice = "leave a gap: let `until` begin beyond where `when` ends"
                related = (Related(loop.when.span, "`when`"),)
                shown = witness(both[0], heard.event)
                yield OVERLAP.at(loop.until.span, message, help=advice, related=related, witness=shown)
                break


def latches_without_gap(rules: program.Program) -> Iterator[Diagnostic]:
    """Latches on one number where `until` begins exactly where `when` ends, and nothing else damps them."""
    for loop in rules.loops:
        damped = loop.hold_ms or loop.until_hold_ms or loop.cooldown_ms or loop.limit
        if loop.when is None or loop.until is None or damped:
            continue
        for heard in loop.trigger.events:
            setting = setting_of(rules, loop, heard.event)
            entered, left = cases(loop.when, setting), cases(loop.until, setting)
            if not _about_the_same(entered, left) or not _is_of_a_number(entered):
                continue
            outside = every(
                [cases(loop.when, setting, wanted=False), cases(loop.until, setting, wanted=False)]
            )
            if not outside and not every([entered, left]):
                message = "`until` begins exactly where `when` ends: small changes make it flap"
                advice = "leave a gap, as in `when x < 0.6 until x >= 0.8`, or add `for 10m` or a `cooldown`"
                related = (Related(loop.when.span, "`when`"),)
                yield NO_GAP.at(loop.until.span, message, help=advice, related=related)
                break


def _about_the_same(one: tuple[Case, ...], other: tuple[Case, ...]) -> bool:
    """Whether both conditions are wholly understood and speak of the same variables."""
    if not one or not other:
        return False
    first = {variables(case) for case in one}
    second = {variables(case) for case in other}
    return len(first) == 1 and first == second and frozenset() not in first


def _are_fields(entered: tuple[Case, ...], left: tuple[Case, ...]) -> bool:
    """Whether both are wholly understood, and speak of the same things, or each of fields of the event."""
    if _about_the_same(entered, left):
        return True
    names = [variables(case) for case in (*entered, *left)]
    return all(found and all(isinstance(n, tuple) and n[0] == "field" for n in found) for found in names)


def _is_of_a_number(entered: tuple[Case, ...]) -> bool:
    """Whether it is about one number."""
    names = variables(entered[0])
    if len(names) != 1:
        return False
    region = entered[0][next(iter(names))]
    return isinstance(region, Numbers)
