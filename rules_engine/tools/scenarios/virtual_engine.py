"""The engine on a virtual clock: a log, state and owed actions in memory, with nobody waiting for anything.

What decides is the daemon's: the step over rows, the hand-over between rule sets, the dedup window of the
store, its lanes of owed actions, and what follows from an attempt. Time moves only when it is told to; on
the way, whatever falls due does so at its own time: timers by a tick row, as in life (R9, R10), retries,
and the outcome row of an action that was given up (R26). An action takes no time, and succeeds unless a
stub says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rules_engine.daemon.attempts import after_attempt
from rules_engine.engine import knobs
from rules_engine.engine.control import apply_control
from rules_engine.engine.decision import CellId, Decision
from rules_engine.engine.handover import handover
from rules_engine.engine.plan import Key, Plan
from rules_engine.engine.runtime import runtime_of
from rules_engine.engine.state import State
from rules_engine.engine.step import decide
from rules_engine.event import Kind, Row
from rules_engine.events.encoding import encode as encode_payload
from rules_engine.events.payload_check import digest
from rules_engine.language.catalog import LONGEST_MS
from rules_engine.store.dedup import DedupWindow
from rules_engine.store.lanes import Lanes
from rules_engine.store.port import Claim, Done, Duplicate, NewEvent, Retry
from rules_engine.store.records import (
    TICK_TYPE,
    action_fields,
    action_of,
    decode,
    decode_key,
    encode,
    encode_key,
    outcome_event,
)

#: For how long an equal event counts as the same, where its declaration does not say (A12).
DEDUP_MS: Final = 60_000
_LEASE_MS = 1
_STUBBED = "the stub fails"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What decides, and the dedup windows that its events declare (0: off)."""

    plan: Plan
    declared_dedup_ms: Mapping[str, int]

    def dedup_ms(self, event: str) -> int:
        """For how long an equal event counts as the same."""
        return self.declared_dedup_ms.get(event, DEDUP_MS)


class VirtualEngine:
    """A rule set at work from `start_ms` on. `watch` is told of each decision, in order."""

    def __init__(self, rules: Loaded, start_ms: int, watch: Callable[[Decision], None]) -> None:
        self.now_ms = start_ms
        self.rules = rules
        self._watch = watch
        self._state = State()
        self._lanes = Lanes()
        self._seq = 0
        self._swaps = 0
        self._letters = 0
        self._sent_ms: dict[str, int] = {}
        #: How often each stubbed action still fails; None: always.
        self._stubs: dict[str, int | None] = {}
        self._window = DedupWindow()
        self._window.reset(LONGEST_MS)  # another rule set may look further back
        self._begin(None)

    # ---- what a test may do ------------------------------------------------------------------------

    def advance(self, until_ms: int) -> None:
        """Let time pass; all that is due by then has happened afterwards (L45)."""
        while True:
            due_ms = self._next_due_ms()
            if due_ms is None or due_ms > until_ms:
                break
            self.now_ms = max(self.now_ms, due_ms)
            if self._state.has_due(self.now_ms):
                self._row(Kind.TICK, f"{TICK_TYPE}/{self.now_ms}", TICK_TYPE, {})
            self._perform()
        self.now_ms = max(self.now_ms, until_ms)

    def send(self, event: str, payload: Mapping[str, Any]) -> int | None:
        """Publish an event; when its first was sent if it is a duplicate (L46), else None.

        Raises `PayloadNotEncodable` as every publisher would meet it.
        """
        body = encode_payload(payload)
        window_ms = self.rules.dedup_ms(event)
        known_by = digest(event, body, {}) if window_ms > 0 else None
        new = NewEvent(f"sent-{len(self._sent_ms) + 1}", event, body, "test", known_by, window_ms)
        answers, fresh = self._window.judge([new], self._seq + 1, self.now_ms)
        if isinstance(answers[0], Duplicate):
            return self._sent_ms[answers[0].of]
        self._window.feed([seen for seen, _ in fresh], self.now_ms)
        self._sent_ms[new.id] = self.now_ms
        self._row(Kind.EVENT, new.id, event, decode(body), "test")
        self._perform()
        self.advance(self.now_ms)
        return None

    def give(self, knob: str, key: Key, value: Any) -> None:
        """A knob has this value already: nothing is driven and no loop hears of it.

        Raises `ControlRefused` for what the rules do not have, which a reload may bring about.
        """
        asked = {"knob": knob, "key": list(key), "value": value}
        apply_control(
            self.rules.plan, self._state, "knob", asked, self._seq, self.now_ms
        )  # to be refused, if so
        scope = f"knob:{knob}"
        plan = runtime_of(self.rules.plan).knobs[scope]
        cell = knobs.override(plan, self._state.get(scope, key), value, self.now_ms, None)
        self._state.apply(Decision(cells={CellId(scope, key): cell}))

    def stub(self, action: str, times: int | None) -> None:
        """The action's next `times` attempts fail, all of them for None."""
        self._stubs[action] = times

    def restart(self) -> None:
        """The daemon ends and begins again: all it has in memory comes back from what the store keeps."""
        stored = [
            (cell.scope, encode_key(cell.key), cell.part, encode(body)) for cell, body in self._state.cells()
        ]
        self._state = State()
        self._state.load(
            (CellId(scope, decode_key(key), part), decode(body)) for scope, key, part, body in stored
        )
        self.advance(self.now_ms)

    def reload(self, rules: Loaded) -> None:
        """Another rule set decides from here on."""
        old, self.rules = self.rules.plan, rules
        self._begin(old)
        self._perform()
        self.advance(self.now_ms)

    # ---- deciding ----------------------------------------------------------------------------------

    def _next_due_ms(self) -> int | None:
        timer_ms = self._state.next_due_ms
        retry_ms = self._lanes.next_ready_ms() if self._stubs else None
        if timer_ms is None or retry_ms is None:
            return retry_ms if timer_ms is None else timer_ms
        return min(timer_ms, retry_ms)

    def _begin(self, old: Plan | None) -> None:
        decision, _ = handover(old, self.rules.plan, self._state, self._seq, self.now_ms, self._swaps)
        self._swaps += 1
        self._take(decision)

    def _row(self, kind: Kind, id: str, type: str, payload: dict[str, Any], source: str = "") -> None:
        self._seq += 1
        self._swaps = 0
        self._take(
            decide(self.rules.plan, self._state, Row(self._seq, self.now_ms, kind, id, type, payload, source))
        )

    def _take(self, decision: Decision) -> None:
        self._state.apply(decision)
        self._watch(decision)
        if self._stubs:  # without one, what is owed has been performed
            kept = [encode(action_fields(action)) for action in decision.actions]
            self._lanes.owe(action_of(decode(text)) for text in kept)

    # ---- performing --------------------------------------------------------------------------------

    def _perform(self) -> None:
        """Attempt what is owed and due, one after the other, with all that follows from it."""
        while self._stubs and (claims := self._lanes.claim(None, 1, _LEASE_MS, self.now_ms)):
            self._attempt(claims[0])

    def _attempt(self, claim: Claim) -> None:
        error = _STUBBED if self._fails(claim.action.action) else None
        result = after_attempt(claim, error, final=False, now_ms=self.now_ms)
        if isinstance(result, Retry):
            self._lanes.postpone(claim, result.at_ms)
            return
        self._lanes.remove(claim.action)
        if isinstance(result, Done):
            return
        self._letters += 1
        outcome = outcome_event(claim.action, result.error, self._letters)
        self._row(outcome.kind, outcome.id, outcome.type, decode(outcome.body), outcome.source)

    def _fails(self, action: str) -> bool:
        left = self._stubs.get(action, 0)
        if left:
            self._stubs[action] = left - 1
        return left is None or left > 0
