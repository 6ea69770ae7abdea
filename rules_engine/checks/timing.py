"""Timing: limits, cooldowns, retries and steps that do not go together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from rules_engine.checks.activations import target
from rules_engine.checks.damping import SOME_MONDAY, pauses_ms, trigger_pause_ms
from rules_engine.language import program
from rules_engine.language.catalog import duration_text
from rules_engine.language.diagnostics import Code, Diagnostic, Related, Severity

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
HOLD_BEYOND_WITHIN = Code(
    "RE605", "hold-beyond-within", Severity.WARNING, "A hold is not shorter than the trigger's `within`."
)
DAYLIGHT_SAVING = Code(
    "RE606", "daylight-saving-tick", Severity.WARNING, "A tick falls into an hour that daylight saving moves."
)

#: So many ticks are looked at: one for each hour of two years, and more for a minute list.
_MOST_TICKS = 20_000


def unreachable_limits(rules: program.Program) -> Iterator[Diagnostic]:
    """Limits that the cooldown, the hold or the trigger never lets a loop reach."""
    for loop in rules.loops:
        over_keys = loop.limit_overall and loop.per
        rest_ms = max(pauses_ms(replace(loop, limit=None)), 0 if loop.unless else loop.cooldown_ms)
        if not loop.limit or not rest_ms or over_keys:
            continue
        most = -(-loop.limit_ms // rest_ms)
        # A hold begins anew only after its condition failed, so that it never keeps to its full pace.
        by_hold = rest_ms == loop.hold_ms and rest_ms > loop.cooldown_ms
        if most < loop.limit or (most == loop.limit and not by_hold):
            times = "once" if most == 1 else f"{most} times"
            span = duration_text(loop.limit_ms)
            what = "the cooldown" if rest_ms == loop.cooldown_ms else "the hold"
            what = what if rest_ms in (loop.cooldown_ms, loop.hold_ms) else "the trigger"
            message = f"{what} lets it fire {times} in {span} at most: the limit never stops it"
            advice = "remove the limit, or lower one of the two"
            yield UNREACHABLE_LIMIT.at(loop.limit_span or loop.name_span, message, help=advice)


def retries_outlast_cooldown(rules: program.Program) -> Iterator[Diagnostic]:
    """Actions whose tries, all of them failing, take longer than the time until the loop fires again."""
    for loop in rules.loops:
        entering = [*loop.effects, *(effect for after in loop.after for effect in after.effects)]
        rest_ms = max(loop.cooldown_ms, loop.hold_ms, trigger_pause_ms(loop))
        if rest_ms and loop.until is None:
            yield from _outlasting(entering, rest_ms)
        if loop.cooldown_ms and loop.until is not None and not loop.hold_ms:
            yield from _outlasting(loop.cleared, loop.cooldown_ms, most_ms=5 * loop.cooldown_ms)


def _outlasting(effects: Iterable[program.Effect], rest_ms: int, most_ms: int = 0) -> Iterator[Diagnostic]:
    for effect in effects:
        if not isinstance(effect, program.DoEffect):
            continue
        tries_ms = effect.retries * effect.every_ms + (effect.retries + 1) * (effect.timeout_ms or 0)
        if tries_ms > max(rest_ms, most_ms):
            rest = duration_text(rest_ms)
            message = f"all tries take up to {duration_text(tries_ms)}, and it can fire again after {rest}"
            advice = "retry less, shorten the timeout, or lengthen the cooldown"
            yield RETRIES_OUTLAST.at(target(effect), message, help=advice)


def holds_beyond_within(rules: program.Program) -> Iterator[Diagnostic]:
    """Holds that last as long as what the trigger counts within."""
    for loop in rules.loops:
        within_ms = getattr(loop.trigger, "within_ms", 0)
        if within_ms and loop.hold_ms >= within_ms and loop.when is not None:
            hold, within = duration_text(loop.hold_ms), duration_text(within_ms)
            message = f"`for {hold}` is not below `within {within}`: what was counted is over by then"
            advice = f"write a shorter `for`, or a `within` longer than {hold}"
            related = (Related(loop.trigger.span, f"`within {within}`"),)
            yield HOLD_BEYOND_WITHIN.at(loop.when.span, message, help=advice, related=related)


def daylight_saving_ticks(rules: program.Program) -> Iterator[Diagnostic]:
    """Daily ticks at an hour that daylight saving leaves out once a year, and repeats once."""
    for loop in rules.loops:
        trigger = loop.trigger
        if not isinstance(trigger, program.Tick) or not trigger.cron or not trigger.zone:
            continue
        hour = trigger.cron.split()[1] if len(trigger.cron.split()) > 1 else "*"
        if "*" in hour or "/" in hour:
            continue
        found = _odd_hour(trigger.cron, trigger.zone)
        if found is not None:
            message = f"on {found:%Y-%m-%d} this hour is left out or comes twice in {trigger.zone}"
            advice = "choose an hour that daylight saving leaves alone, as 4, or leave out the zone for UTC"
            shown = {"time": f"{found:%Y-%m-%d %H:%M}", "zone": trigger.zone}
            yield DAYLIGHT_SAVING.at(trigger.span, message, help=advice, witness=shown)


def _odd_hour(cron: str, zone: str) -> datetime | None:
    """The first tick of two years whose local time does not exist, or exists twice."""
    try:
        local, ticks = ZoneInfo(zone), CronSim(cron, SOME_MONDAY.replace(tzinfo=None))
    except (CronSimError, ZoneInfoNotFoundError, ValueError):
        return None
    for tick in islice(ticks, _MOST_TICKS):
        if (tick - SOME_MONDAY.replace(tzinfo=None)).days > 730:
            return None
        early, late = tick.replace(tzinfo=local), tick.replace(tzinfo=local, fold=1)
        if early.utcoffset() != late.utcoffset():
            return tick
    return None


def deadbands_beyond_range(rules: program.Program) -> Iterator[Diagnostic]:
    """Deadbands that no change of the knob can reach."""
    for knob in rules.knobs.values():
        if knob.words:
            continue
        steps = [step.amount for step in knob.steps if step.direction is None]
        if steps and knob.deadband > min(steps):
            message = f"a step of {min(steps):g} never reaches the deadband of {knob.deadband:g}"
            yield DEADBAND_BEYOND_RANGE.at(knob.span, message, help="write a smaller deadband")
        elif knob.deadband > knob.high - knob.low:
            message = f"no change within {knob.low:g}..{knob.high:g} reaches a deadband of {knob.deadband:g}"
            yield DEADBAND_BEYOND_RANGE.at(knob.span, message, help="write a smaller deadband")


def steps_beyond_range(rules: program.Program) -> Iterator[Diagnostic]:
    """Steps that limit nothing, since the range is no larger."""
    for knob in rules.knobs.values():
        if knob.words:
            continue
        for step in knob.steps:
            if step.amount >= knob.high - knob.low:
                message = (
                    f"a step of {step.amount:g} is no less than the whole range {knob.low:g}..{knob.high:g}"
                )
                advice = "write a smaller step, or remove it"
                yield STEP_BEYOND_RANGE.at(knob.span, message, help=advice)
