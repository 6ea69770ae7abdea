"""One step in the making: what it has decided so far, and the ways to decide something."""

from __future__ import annotations

from typing import Any

from rules_engine.engine import knobs
from rules_engine.engine.cascade import Cascade, Occurrence, Origin, deterministic_id
from rules_engine.engine.decision import (
    Decision,
    KnobChange,
    OwedAction,
    Reason,
    StepFailure,
    SwitchedOff,
    Undelivered,
    Verdict,
)
from rules_engine.engine.frame import Frame
from rules_engine.engine.overlay import KnobView, Overlay
from rules_engine.engine.plan import Key, KnobPlan, Value
from rules_engine.engine.runtime import LoopRuntime, Runtime, change_event
from rules_engine.engine.state import State
from rules_engine.engine.values import text_of
from rules_engine.event import Kind, Row


class Context:
    """Shared by all that one row leads to. `position` names the row, `n` counts its firings."""

    def __init__(self, runtime: Runtime, state: State, position: int, time_ms: int) -> None:
        self.runtime = runtime
        self.position = position
        self.row_ms = time_ms
        self.overlay = Overlay(state, time_ms)
        self.knobs = KnobView(runtime.knobs, self.overlay)
        self.cascade = Cascade()
        self.decision = Decision()
        self.any_off = state.any_off
        self.n = 0
        self.changes = 0
        self._verdicts: dict[tuple[str, Key], Verdict] = {}
        self._marks: tuple[int, ...] | None = None

    # -- one loop at a time (R5)

    def next_loop(self) -> None:
        """Another loop begins: it does not see the sets of the last, and what it does can be taken back."""
        self.knobs.next_loop()
        self._marks = None

    def mark(self) -> None:
        """The loop is about to do something; most loops at most events never do."""
        if self._marks is None:
            decision = self.decision
            self.overlay.mark()
            self._marks = (
                self.n, self.changes, len(self.cascade),
                len(decision.firings), len(decision.emitted), len(decision.actions),
                len(decision.changes), len(decision.undelivered), len(decision.switched_off),
            )  # fmt: skip

    def take_back(self) -> None:
        """The loop raised: nothing of what it did stands."""
        if self._marks is None:
            return
        decision = self.decision
        self.overlay.take_back()
        self.n, self.changes, queued, *lengths = self._marks
        self.cascade.take_back(queued)
        lists: tuple[list[Any], ...] = (
            decision.firings, decision.emitted, decision.actions,
            decision.changes, decision.undelivered, decision.switched_off,
        )  # fmt: skip
        for items, length in zip(lists, lengths, strict=True):
            del items[length:]

    def failed(self, loop: str, key: Key, error: str, traceback: str) -> None:
        """A loop raised, which is our mistake."""
        self.decision.failures.append(StepFailure(loop, key, self.position, error, traceback))

    # -- looking

    def is_full(self, scope: str) -> bool:
        """Whether a loop or knob can remember no further key."""
        return self.overlay.count(scope) >= self.runtime.max_keys

    def off(self, loop: LoopRuntime, now_ms: int) -> str | None:
        """Why a loop is off; None if it is on."""
        if loop.is_off:
            return "by @off"
        if not self.any_off:
            return None
        body = self.overlay.get(loop.scope, (), "off")
        if body is None or (body["until"] is not None and now_ms >= body["until"]):
            return None
        return str(body["reason"]) or "switched off"

    def verdict(self, loop: LoopRuntime, key: Key, reason: Reason, frame: Frame, detail: str = "") -> None:
        """Why a loop did or did not act; the last one for this loop and key stands."""
        reads = tuple([(text, expr(frame)) for text, expr in loop.reads])
        self._verdicts[loop.name, key] = Verdict(
            loop.name, key, self.position, frame.now_ms, reason, detail, reads
        )

    def finish(self) -> Decision:
        """Everything decided."""
        self.decision.cells = self.overlay.changes()
        self.decision.verdicts = list(self._verdicts.values())
        return self.decision

    # -- deciding

    def emit(self, loop: LoopRuntime, key: Key, occurrence: Occurrence, cause: str) -> None:
        """An event of a loop, led to by the event `cause`: for the cascade, and for others' log."""
        origin = occurrence.origin
        broken = self.cascade.offer(occurrence)
        if broken is not None:
            self.decision.undelivered.append(
                Undelivered(
                    occurrence.type,
                    occurrence.payload,
                    loop.name,
                    key,
                    self.position,
                    occurrence.time_ms,
                    broken,
                    origin.path,
                )
            )  # fmt: skip
            return
        self.decision.emitted.append(
            Row(
                0,
                occurrence.time_ms,
                Kind.EMITTED,
                origin.id,
                occurrence.type,
                occurrence.payload,
                f"rules/{loop.name}",
                cause,
                origin.chain,
                origin.depth,
            )
        )  # fmt: skip

    def change_knob(
        self, plan: KnobPlan, key: Key, body: knobs.Cell | None, cause: str, now_ms: int, origin: Origin
    ) -> None:
        """Commit a knob's new cell; a changed value drives its action, and loops may hear of it."""
        scope = f"knob:{plan.name}"
        before = self.overlay.get(scope, key)
        if body == before:
            return
        old, new = knobs.value_of(plan, before), knobs.value_of(plan, body)
        self.overlay.put(scope, key, "", body)
        if old == new:
            return
        self.knobs.changed(plan.name, key, old)
        self.decision.changes.append(KnobChange(plan.name, key, old, new, cause, now_ms))
        number, self.changes = self.changes, self.changes + 1
        mark = f"{plan.name}/{key_text(key)}/{self.position}.c{number}"
        if plan.drives is not None:
            self._drive(plan, key, (old, new, cause), now_ms, f"{mark}/drive")
        if change_event(plan.name) in self.runtime.hearers:
            self._tell(plan, key, (old, new, cause), now_ms, origin, mark)

    def _drive(
        self, plan: KnobPlan, key: Key, change: tuple[Value, Value, str], now_ms: int, mark: str
    ) -> None:
        assert plan.drives is not None
        old, new, cause = change
        arguments = dict(zip(plan.drive_parameters, (*key, new), strict=False))
        trigger = {"knob": plan.name, "key": list(key), "old": old, "new": new, "cause": cause}
        self.decision.actions.append(
            OwedAction(
                idempotency_key=mark,
                lane=lane(plan.drives, key),
                action=plan.drives,
                arguments=arguments,
                loop="",
                key=key,
                position=self.position,
                n=self.changes - 1,
                time_ms=now_ms,
                retries=0,
                every_ms=0,
                timeout_ms=None,
                trigger=trigger,
            )
        )  # fmt: skip

    def _tell(
        self,
        plan: KnobPlan,
        key: Key,
        change: tuple[Value, Value, str],
        now_ms: int,
        origin: Origin,
        mark: str,
    ) -> None:
        old, new, cause = change
        notice = change_event(plan.name)
        depth = origin.depth + 1
        payload: dict[str, Any] = {"key": "/".join(map(text_of, key)), "old": old, "new": new, "cause": cause}
        payload.update(zip(plan.per, key, strict=False), depth=depth)
        at = Origin(deterministic_id(mark), origin.chain, depth, (*origin.path, notice))
        broken = self.cascade.offer(Occurrence(notice, payload, now_ms, at))
        if broken is not None:
            loop = "" if cause in (knobs.RELEASE, knobs.DECAY, "operator") else cause
            self.decision.undelivered.append(
                Undelivered(notice, payload, loop, key, self.position, now_ms, broken, at.path)
            )
            return
        self.decision.emitted.append(
            Row(
                0, now_ms, Kind.EMITTED, at.id, notice, payload, f"knob/{plan.name}",
                origin.id, origin.chain, depth,
            )
        )  # fmt: skip

    def switch_off(self, loop: LoopRuntime, key: Key, now_ms: int, reason: str) -> None:
        """The breaker has had enough of a loop."""
        self.decision.switched_off.append(SwitchedOff(loop.name, key, self.position, now_ms, reason))
        self.overlay.put(loop.scope, (), "off", {"reason": reason, "until": None, "by": "breaker"})
        self.any_off = True


def key_text(key: Key) -> str:
    """A key as one piece of a name: no two keys look alike, and no part can fake a slash."""
    return ",".join([text_of(p).replace("%", "%25").replace("/", "%2F").replace(",", "%2C") for p in key])


def lane(action: str, key: Key) -> str:
    """Actions of one handler for one key run one at a time, in order (R24)."""
    return f"{action.rpartition('.')[0]}/{key_text(key)}"
