"""All opinions about a valid program, run one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rules_engine.checks import (
    conflicts,
    cycles,
    delivery,
    hunting,
    reachability,
    shadowing,
    stability,
    timing,
)
from rules_engine.checks.style import unused_allows
from rules_engine.language.diagnostics import Diagnostic
from rules_engine.language.program import Loop, Program

Check = Callable[[Program], Iterable[Diagnostic]]

#: Every check there is, one for each code, in the order of their codes.
CHECKS: tuple[Check, ...] = (
    cycles.all_cycles,
    stability.one_way_knobs,
    stability.overlapping_latches,
    stability.latches_without_gap,
    hunting.faster_than_lag,
    hunting.flapping_pairs,
    conflicts.competing_sets,
    conflicts.done_and_undone,
    reachability.never_true,
    reachability.always_true,
    reachability.unproduced_events,
    reachability.unheard_events,
    reachability.unused_declarations,
    reachability.sets_outside_range,
    shadowing.shadowed_loops,
    timing.unreachable_limits,
    timing.retries_outlast_cooldown,
    timing.steps_beyond_range,
    timing.deadbands_beyond_range,
    timing.holds_beyond_within,
    timing.daylight_saving_ticks,
    delivery.actions_without_timeout,
    delivery.idle_knobs,
    delivery.counted_duplicates,
    delivery.unbounded_keys,
)


def run_checks(program: Program) -> list[Diagnostic]:
    """All findings of all checks, without those that an `@allow` hides, in order of place.

    A finding stands in the loop that could allow it: an `@allow` hides those whose place, or a related
    place, lies within its loop.
    """
    found = [finding for check in CHECKS for finding in check(program)]
    kept, used = [], set(program.allowed)
    allowing = [loop for loop in program.loops if loop.allows]
    for finding in found:
        hiding = {(loop, code) for loop, code in _allowing(allowing, finding)}
        used |= hiding
        if not hiding:
            kept.append(finding)
    kept += unused_allows(program, frozenset(used))
    return sorted(set(kept), key=lambda f: (f.span.path, f.span.start, f.span.end, f.code.id, f.message))


def _allowing(loops: Iterable[Loop], finding: Diagnostic) -> Iterable[tuple[str, str]]:
    places = [finding.span, *(related.span for related in finding.related)]
    for loop in loops:
        for allow in loop.allows:
            if allow.code == finding.code.id and any(
                place.path == loop.span.path and loop.span.start <= place.start < loop.span.end
                for place in places
            ):
                yield loop.name, allow.code
