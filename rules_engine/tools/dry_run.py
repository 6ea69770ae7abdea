"""What a rule set would decide on the events that come in, with nothing written and nothing performed.

It begins with the committed state and position of the rules' reader, hands them over to the given rule set in
memory, and goes on from there: beside a running daemon, or without one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from rules_engine.daemon import facts
from rules_engine.engine.decision import Decision, Firing
from rules_engine.engine.handover import handover
from rules_engine.engine.plan import Plan
from rules_engine.engine.state import State
from rules_engine.engine.step import decide
from rules_engine.event import Kind, Row
from rules_engine.pipeline import RuleSet, check_texts
from rules_engine.store.port import Store
from rules_engine.tools.status import RULES_ROLE

_PAGE = 256


@dataclass(frozen=True, slots=True)
class PlannedSwap:
    """What a swap to other rules would do now: a report by loop, and the decision that would do it."""

    position: int
    time_ms: int
    report: dict[str, Any]
    decision: Decision


def planned_handover(store: Store, rules: RuleSet, state: State | None = None) -> PlannedSwap:
    """What a reload to `rules`, which must be sound, would do at the present position. Writes nothing."""
    assert rules.plan is not None
    if state is None:
        state = State()
        state.load(store.load())
    position = next((r.position for r in store.readers() if r.name == RULES_ROLE), 0)
    page = store.read(position - 1, 1) if position else None
    time_ms = page.rows[0].time_ms if page is not None and page.rows else store.now_ms()
    waits = store.info().head > position
    decision, report = handover(
        _active_plan(store), rules.plan, state, position, time_ms, load_ms=None if waits else store.now_ms()
    )
    return PlannedSwap(position, time_ms, facts.handover_record(report), decision)


def _active_plan(store: Store) -> Plan | None:
    """The plan that decides now; None if none ever did."""
    fact = store.fact(facts.RULES)
    texts = store.rules(fact["hash"]) if fact else None
    return check_texts(texts).plan if texts is not None else None


class DryRun:
    """Decides what comes in; `turn` returns the firings of one batch."""

    def __init__(self, store: Store, rules: RuleSet) -> None:
        assert rules.plan is not None
        self._store = store
        self._plan = rules.plan
        self._state = State()
        self._state.load(store.load())
        start = planned_handover(store, rules, self._state)
        self._state.apply(start.decision)
        self._last = Row(start.position, start.time_ms, Kind.TICK, "", "tick")

    @property
    def position(self) -> int:
        """The last row that was decided."""
        return self._last.seq

    def turn(self) -> tuple[int, list[Firing]]:
        """Decide the next rows, or at the head the overdue timers: how many rows, and what fired."""
        page = self._store.read(self._last.seq, _PAGE)
        rows = page.rows
        if not rows:
            now_ms, due_ms = self._store.now_ms(), self._state.next_due_ms
            if due_ms is None or due_ms > now_ms:
                return 0, []
            rows = (replace(self._last, time_ms=max(now_ms, self._last.time_ms), kind=Kind.TICK, payload={}),)
        fired: list[Firing] = []
        for row in rows:
            decision = decide(self._plan, self._state, row)
            self._state.apply(decision)
            fired += decision.firings
            self._last = row
        return len(rows), fired
