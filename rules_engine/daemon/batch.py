"""One batch: rows and requests decided over a fork of the state, gathered into one change."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from rules_engine.engine.decision import Decision, StepFailure, SwitchedOff, Undelivered, Verdict
from rules_engine.engine.plan import Key, Plan
from rules_engine.engine.state import Fork, State
from rules_engine.event import Row
from rules_engine.store.port import Change, Letter, PinnedControl

#: What decides before the first rule set is there.
NO_RULES = Plan(hash="", events={}, loops=(), knobs={})
_LONGEST_TRACEBACK = 8_000
_LIMITS = {"depth": "events led to events too deep", "count": "one event led to too many"}


class Batch:
    """Decisions not committed yet. Dropping it leaves the state as it was."""

    def __init__(self, plan: Plan, state: State, position: int, time_ms: int, next_n: int) -> None:
        self.plan = plan
        self.fork: Fork = state.fork()
        self.change = Change(position=position, time_ms=time_ms, rules=plan.hash)
        self.rows = 0
        self.failures = 0
        #: Why each request was refused, None for granted.
        self.answers: dict[int, str | None] = {}
        self.switched_off: list[SwitchedOff] = []
        self.reload_requests: list[int] = []
        #: How many requests took effect after the last row.
        self.next_n = next_n
        self._verdicts: dict[tuple[str, Key], Verdict] = {}

    @property
    def position(self) -> int:
        """The last row it holds."""
        return self.change.position

    @property
    def time_ms(self) -> int:
        """That row's time."""
        return self.change.time_ms

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not self.rows and not self.change.controls and not self.change.answered

    def row(self, row: Row, decide: Callable[[Plan, State, Row], Decision]) -> None:
        """Decide one row. A step that raises, which is our mistake, becomes a dead letter (R5)."""
        self.change.position, self.change.time_ms = row.seq, row.time_ms
        self.rows += 1
        self.next_n = 0
        try:
            decision = decide(self.plan, self.fork, row)
        except Exception as error:  # noqa: BLE001 - one poison row must not stop the engine
            self.failures += 1
            text = traceback.format_exc()[-_LONGEST_TRACEBACK:]
            what = {"event_id": row.id, "payload": row.payload, "traceback": text}
            self.bury(row.type, f"{type(error).__name__}: {error}", **what)
            return
        self._take(decision)

    def pin(self, kind: str, body: dict[str, Any]) -> PinnedControl:
        """A request with its place: after the last row, at that row's time."""
        return PinnedControl(self.position, self.next_n, self.time_ms, kind, body)

    def control(self, pinned: PinnedControl, decision: Decision) -> None:
        """A pinned request takes effect."""
        self.change.controls.append(pinned)
        self.next_n += 1
        self._take(decision)

    def swapped(self, plan: Plan) -> None:
        """From here on another rule set decides."""
        self.plan = plan
        self.change.rules = plan.hash

    def finished(self) -> Change:
        """The change to commit."""
        self.change.verdicts = list(self._verdicts.values())
        return self.change

    def _take(self, decision: Decision) -> None:
        self.fork.apply(decision)
        change = self.change
        change.cells.update(decision.cells)
        change.firings += decision.firings
        change.emitted += decision.emitted
        change.actions += decision.actions
        self._verdicts.update(((verdict.loop, verdict.key), verdict) for verdict in decision.verdicts)
        change.letters += [self._step_letter(failure) for failure in decision.failures]
        change.letters += [self._event_letter(one) for one in decision.undelivered]
        self.switched_off += decision.switched_off
        self.failures += len(decision.failures)

    def _step_letter(self, failure: StepFailure) -> Letter:
        body = {
            "key": list(failure.key),
            "position": failure.position,
            "rules": self.plan.hash,
            "traceback": failure.traceback[-_LONGEST_TRACEBACK:],
        }
        return Letter("step", failure.loop, failure.error, 1, body, self.time_ms)

    def _event_letter(self, one: Undelivered) -> Letter:
        reason = f"{_LIMITS[one.reason]}: {' -> '.join(one.path)}"
        body = {
            "loop": one.loop,
            "key": list(one.key),
            "position": one.position,
            "rules": self.plan.hash,
            "payload": one.payload,
            "path": list(one.path),
        }
        return Letter("event", one.type, reason, 1, body, one.time_ms)

    def bury(self, name: str, reason: str, **body: Any) -> None:
        """Leave a dead letter about the last row."""
        body |= {"position": self.position, "rules": self.plan.hash}
        self.change.letters.append(Letter("event", name, reason, 1, body, self.time_ms))
