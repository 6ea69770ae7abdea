"""Timing: limits, cooldowns, retries and steps that do not go together."""

from __future__ import annotations

from collections.abc import Iterator

from rules_engine.checks.activations import all_effects, target
from rules_engine.language import program
from rules_engine.language.catalog import duration_text
from rules_engine.language.diagnostics import Code, Diagnostic, Severity

UNREACHABLE_LIMIT = Code(
    "RE601", "unreachable-limit", Severity.WARNING, "The cooldown alone keeps a loop below its limit."
)
RETRIES_OUTLAST = Code(
    "RE602",
    "retries-outlast-cooldown",
    Severity.WARNING,
    "An action may still be tried when the loop fires again.",
)
STEP_BEYOND_RANGE = Code(
    "RE603", "step-beyond-range", Severity.WARNING, "A step of a knob is as large as its whole range."
)
DEADBAND_BEYOND_RANGE = Code(
    "RE604", "deadband-beyond-range", Severity.WARNING, "A knob can never change, for its deadband."
)


def unreachable_limits(rules: program.Program) -> Iterator[Diagnostic]:
    """Limits that the cooldown never lets a loop reach."""
    for loop in rules.loops:
        over_keys = loop.limit_overall and loop.per
        if not loop.limit or not loop.cooldown_ms or loop.unless is not None or over_keys:
            continue
        most = -(-loop.limit_ms // loop.cooldown_ms)
        if most <= loop.limit:
            times = "once" if most == 1 else f"{most} times"
            span = duration_text(loop.limit_ms)
            message = f"the cooldown lets it fire {times} in {span} at most: the limit never stops it"
            advice = "remove the limit, or lower one of the two"
            yield UNREACHABLE_LIMIT.at(loop.name_span, message, help=advice)


def retries_outlast_cooldown(rules: program.Program) -> Iterator[Diagnostic]:
    """Actions whose tries, all of them failing, take longer than the loop rests."""
    for loop in rules.loops:
        rest_ms = max(loop.cooldown_ms, loop.hold_ms)
        if not rest_ms or loop.until is not None:
            continue
        for effect in all_effects(loop):
            if not isinstance(effect, program.DoEffect) or not effect.retries:
                continue
            tries_ms = effect.retries * effect.every_ms + (effect.retries + 1) * (effect.timeout_ms or 0)
            if tries_ms > rest_ms:
                message = (
                    f"all tries take up to {duration_text(tries_ms)}, the loop rests {duration_text(rest_ms)}"
                )
                advice = "retry less, shorten the timeout, or lengthen the cooldown"
                yield RETRIES_OUTLAST.at(target(effect), message, help=advice)


def deadbands_beyond_range(rules: program.Program) -> Iterator[Diagnostic]:
    """Deadbands that no change of the knob can reach."""
    for knob in rules.knobs.values():
        if not knob.words and knob.deadband > knob.high - knob.low:
            message = f"no change within {knob.low:g}..{knob.high:g} reaches a deadband of {knob.deadband:g}"
            yield DEADBAND_BEYOND_RANGE.at(knob.span, message, help="write a smaller deadband")


def steps_beyond_range(rules: program.Program) -> Iterator[Diagnostic]:
    """Steps that limit nothing, since the range is no larger."""
    for knob in rules.knobs.values():
        if knob.words:
            continue
        for step in knob.steps:
            if step.amount >= knob.high - knob.low:
                message = f"a step of {step.amount:g} is the whole range {knob.low:g}..{knob.high:g}"
                advice = "write a smaller step, or remove it"
                yield STEP_BEYOND_RANGE.at(knob.span, message, help=advice)
