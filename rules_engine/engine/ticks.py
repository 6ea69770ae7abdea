"""Loops that run by the clock: when they are next due, and what becomes of ticks that were missed (L21).

A loop's next tick is a timer in a cell of its own, scope `tick:<loop>`, so that it comes after all timers
of loops and knobs due at the same instant, as an event of that time would. Between two rows of the log a
loop ticks once at the most, at the latest instant there was: a daemon that runs leaves a row of the log for
each tick, and where there is none it was down or late.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules_engine.engine.overlay import Overlay
from rules_engine.engine.plan import Plan
from rules_engine.engine.runtime import LoopRuntime, Runtime, runtime_of
from rules_engine.engine.state import State
from rules_engine.engine.timers import timers_of
from rules_engine.event import Kind, Row

TICK = "tick"
SCOPE = "tick:"


def begin(overlay: Overlay, loop: LoopRuntime, now_ms: int) -> None:
    """The first tick of a loop that is loaded now is the next instant to come; one that is off has none."""
    plan = loop.plan.tick
    schedule(overlay, loop, None if plan is None or loop.is_off else plan.next_after(now_ms))


def schedule(overlay: Overlay, loop: LoopRuntime, due_ms: int | None) -> None:
    """Let a loop tick then; None: no more."""
    body = None if due_ms is None else {"T": [[due_ms, TICK, 0]]}
    if body != overlay.get(loop.tick_scope, ()):
        overlay.put(loop.tick_scope, (), "", body)


def is_last(overlay: Overlay, loop: LoopRuntime, due_ms: int, row_ms: int) -> bool:
    """Whether a tick is the latest one due by the row's time; the next one, or the latest, is made ready."""
    plan = loop.plan.tick
    assert plan is not None
    following = plan.next_after(due_ms)
    if following is None or following > row_ms:
        schedule(overlay, loop, following)
        return True
    schedule(overlay, loop, plan.last_until(row_ms))
    return False


def missed(plan: Plan, state: State, row: Row) -> Iterator[Row]:
    """The rows that a daemon would have left before `row`, had it run: each tick comes at its own time.

    The caller decides and applies each one before it asks for the next.
    """
    runtime = runtime_of(plan)
    while (due_ms := _first_followed(runtime, state, row.time_ms)) is not None:
        yield Row(row.seq, due_ms, Kind.TICK, row.id, "")


def _first_followed(runtime: Runtime, state: State, until_ms: int) -> int | None:
    """The earliest tick after which another one of its loop is due in time."""
    found: list[int] = []
    for scope, loop in runtime.tickers.items():
        for due_ms, _, _ in timers_of(state.get(scope, ())):
            following = loop.plan.tick.next_after(due_ms) if loop.plan.tick and due_ms <= until_ms else None
            if following is not None and following <= until_ms:
                found.append(due_ms)
    return min(found, default=None)
