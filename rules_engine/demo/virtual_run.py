"""The pipeline and the rules in one process and on a clock of their own: no waiting, and the same each time.

The rules are decided by the step that the daemon runs, over the events that the pipeline tells. What
differs from a real run: an action is performed at once when its configuration's part of a round is
over, and time goes by rounds, however long they take.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rules_engine.daemon.handlers import ActionContext, GiveUp, collect
from rules_engine.demo.controls import Value
from rules_engine.demo.handlers import handlers_for
from rules_engine.demo.pipeline import Pipeline
from rules_engine.demo.settings import RunSettings
from rules_engine.engine.decision import Decision, OwedAction
from rules_engine.engine.handover import handover
from rules_engine.engine.plan import Plan
from rules_engine.engine.state import State
from rules_engine.engine.step import decide
from rules_engine.engine.ticks import missed
from rules_engine.event import Event, Kind, Row
from rules_engine.pipeline import load

_START_MS = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp() * 1000)


class VirtualRun:
    """A run steered by the rules in a folder. Raises `ValueError` for rules that do not load."""

    def __init__(self, settings: RunSettings, rules: Path) -> None:
        self._plan = _plan(rules)
        self._state = State()
        self._now_ms = _START_MS
        self._seq = 0
        self._owed: list[OwedAction] = []
        self.fired: Counter[str] = Counter()
        self.pipeline = Pipeline(settings, self._publish, self._read_knob)
        self._handlers = collect(handlers_for(self.pipeline))
        start, _ = handover(None, self._plan, self._state, 0, self._now_ms)
        self._state.apply(start)

    def run(self) -> None:
        """All rounds."""
        settings = self.pipeline.settings
        round_ms = round(settings.round_seconds * 1000)
        part_ms = round_ms // len(settings.configs)
        for number in range(settings.rounds):
            for place, key in enumerate(self.pipeline.begin_round()):
                self._now_ms = max(self._now_ms, _START_MS + number * round_ms + place * part_ms)
                self.pipeline.run_part(key)
                self._perform()

    def _read_knob(self, knob: str, config_key: str) -> Value:
        """What the last action set: here no change is still on its way."""
        return self.pipeline.controls.value(knob, config_key)

    def _publish(self, event: str, payload: dict[str, Any]) -> None:
        self._seq += 1
        self._now_ms += 1
        row = Row(self._seq, self._now_ms, Kind.EVENT, f"e{self._seq}", event, payload)
        for tick in missed(self._plan, self._state, row):
            self._take(decide(self._plan, self._state, tick))
        self._take(decide(self._plan, self._state, row))

    def _take(self, decision: Decision) -> None:
        self._state.apply(decision)
        self._owed += decision.actions
        self.fired.update(firing.loop for firing in decision.firings)
        for row in decision.emitted:
            if row.type == "QUALITY_CHECK_REQUESTED":
                self.pipeline.checks_wanted.add(row.payload["config_key"])

    def _perform(self) -> None:
        """Everything owed, in order; an action may lead to events and these to more actions."""
        while self._owed:
            action = self._owed.pop(0)
            handler = self._handlers.get(action.action)
            if handler is None:
                continue
            context = _context(action)
            try:
                handler.call(**handler.arguments(action.arguments, context))
            except GiveUp:
                continue


def _plan(rules: Path) -> Plan:
    rule_set = load(rules)
    if rule_set.plan is None:
        raise ValueError(f"the rules in {rules} do not load; run `rules-engine lint {rules}`")
    return rule_set.plan


def _context(action: OwedAction) -> ActionContext:
    row = Row(action.position, action.time_ms, Kind.EVENT, "", str(action.trigger.get("type", "")))
    deadline = datetime.now(UTC) + timedelta(minutes=1)
    firing = f"{action.position}.{action.n}"
    return ActionContext(action.idempotency_key, action.loop, action.key, Event(row, {}), firing, 1, deadline)
