"""Triggers of several events: matches in the making, as JSON values of a loop's cell (L18, L19).

A match of a sequence is `{"t": time of its first event, "n": the last step taken, "b": the events taken}`,
that of a repetition a list of times.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rules_engine.engine.plan import RepeatPlan, SequencePlan

Match = dict[str, Any]


def advance(
    plan: SequencePlan, match: Match | None, passed: Collection[int], bound: dict[str, Any], now_ms: int
) -> tuple[Match | None, Match | None]:
    """What an event makes of the open match, if any: the match left open, and the one it has completed.

    `passed` are the steps whose event and filter it fits. It takes one step at the most.
    """
    if match is not None and now_ms - match["t"] >= plan.within_ms:
        match = None
    if match is not None:
        following = plan.present_after(match["n"])
        waiting = range(match["n"] + 1, len(plan.absent) if following is None else following)
        if any(step in passed for step in waiting):
            match = None  # what must not come has come
        elif following is not None and following in passed:
            match = {"t": match["t"], "n": following, "b": [*match["b"], bound]}
            return (None, match) if following == len(plan.absent) - 1 else (match, None)
        elif plan.absent[-1] or 0 not in passed:
            return match, None  # one that ends in silence keeps the earliest beginning
    return ({"t": now_ms, "n": 0, "b": [bound]} if 0 in passed else match), None


def awaits_silence(plan: SequencePlan, match: Match) -> bool:
    """Whether all that must come has come, so that the end of the time completes it."""
    return plan.absent[-1] and plan.present_after(match["n"]) is None


def bound_of(plan: SequencePlan, match: Match) -> dict[str, Any]:
    """What a completed match binds: its last event, and beside it those of all steps with their aliases."""
    present = [alias for alias, absent in zip(plan.aliases, plan.absent, strict=True) if not absent]
    steps = [[alias, bound["payload"]] for alias, bound in zip(present, match["b"], strict=False)]
    return {**match["b"][-1], "steps": steps}


def fields_of(bound: dict[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]] | None]:
    """The fields that a remembered event shows, and those of a sequence by alias."""
    steps = bound.get("steps")
    if steps is None:
        return bound["payload"], None
    merged: dict[str, Any] = {}
    for _, payload in steps:
        merged.update(payload)
    return merged, {alias: payload for alias, payload in steps if alias is not None}


def repeated(plan: RepeatPlan, times: list[int] | None, now_ms: int) -> tuple[list[int], bool]:
    """The times that count towards the next firing, and whether this event is the nth."""
    recent = [time_ms for time_ms in times or () if time_ms > now_ms - plan.within_ms]
    recent.append(now_ms)
    return ([], True) if len(recent) >= plan.count else (recent, False)
