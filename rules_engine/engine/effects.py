"""Doing what a firing says: `set`, `emit` and `do`, in order, each seeing the sets before it (L7, L29).

In shadow everything is worked out and nothing is done; its sets are seen inside the firing only (L33).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rules_engine.engine import knobs, values
from rules_engine.engine.cascade import Occurrence, Origin, deterministic_id
from rules_engine.engine.context import Context, key_text, lane
from rules_engine.engine.decision import Cause, OwedAction
from rules_engine.engine.frame import Frame
from rules_engine.engine.plan import DoPlan, EffectPlan, EmitPlan, Expr, Key, KnobPlan, SetPlan, Value
from rules_engine.engine.runtime import LoopRuntime

_UNSET: Any = object()


@dataclass(slots=True)
class FiringDraft:
    """A firing in the making. `held` are the knobs it holds `while active`: `[knob, key]` each."""

    context: Context
    loop: LoopRuntime
    key: Key
    n: int
    cause: Cause
    frame: Frame
    bound: dict[str, Any]
    origin: Origin
    shadow: bool
    effects: list[dict[str, Any]] = field(default_factory=list)
    held: list[list[Any]] = field(default_factory=list)
    incomplete: bool = False
    stopped: bool = False
    step: int = 0
    shadow_cells: dict[tuple[str, Key], Any] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """The idempotency key of the current step of this firing."""
        return f"{self.loop.name}/{key_text(self.key)}/{self.context.position}.{self.n}/{self.step}"

    def run(self, effects: Iterable[EffectPlan]) -> None:
        """All effects, one after the other; one that lacks a value is skipped (L30)."""
        for effect in effects:
            if effect.condition is None or effect.condition(self.frame) is True:
                if isinstance(effect, SetPlan):
                    self._set(effect)
                elif isinstance(effect, EmitPlan):
                    self._emit(effect)
                else:
                    self._do(effect)
            self.step += 1

    def release(self, knob: str, key: Key) -> None:
        """Let go of a knob held while the latch was active."""
        plan = self.context.runtime.knobs.get(f"knob:{knob}")
        cell = self.context.overlay.get(f"knob:{knob}", key)
        if plan is None or not knobs.holds_for(cell, self.loop.name, self.key):
            return
        body = knobs.release(plan, cell, self.frame.now_ms)
        old, new = cell["v"], knobs.value_of(plan, body)
        self.context.change_knob(plan, key, body, knobs.RELEASE, self.frame.now_ms, self.origin)
        self.context.knobs.set_by_loop(knob, key, new)
        if old != new:
            self._note_set(plan, key, new)

    # -- set

    def _set(self, effect: SetPlan) -> None:
        plan = self.context.runtime.knobs.get(f"knob:{effect.knob}")
        operand = effect.value(self.frame)
        if plan is None or operand is None:
            self.incomplete = True
            return
        for key in self._keys(effect, plan):
            self._set_one(effect, plan, key, operand)

    def _keys(self, effect: SetPlan, plan: KnobPlan) -> Iterable[Key]:
        if effect.key is None:
            return list(self.context.knobs.keys(plan.name))
        key = tuple([part(self.frame) for part in effect.key])
        if usable(key) and (plan.keys is None or key in plan.keys):
            return [key]
        self.incomplete = True
        return []

    def _set_one(self, effect: SetPlan, plan: KnobPlan, key: Key, operand: Value) -> None:
        cell = self._cell(plan, key)
        if cell is None and self.context.is_full(f"knob:{plan.name}"):
            self.incomplete = True
            return
        target = knobs.target_of(effect.op, knobs.value_of(plan, cell), operand)
        if not (target in plan.words if plan.words else values.is_number(target)):
            self.incomplete = True
            return
        now_ms = self.frame.now_ms
        hold = None
        if effect.hold is not None:
            until_ms = None if effect.hold == "active" else now_ms + effect.hold
            hold = knobs.Hold(until_ms, self.loop.name, self.key)
        body, stopped = knobs.set_knob(plan, cell, target, now_ms, hold)
        self.stopped = self.stopped or stopped
        old, new = knobs.value_of(plan, cell), knobs.value_of(plan, body)
        if self.shadow:
            self.shadow_cells[plan.name, key] = body
        else:
            self.context.change_knob(plan, key, body, self.loop.name, now_ms, self.origin)
            if effect.hold == "active":
                self.held.append([plan.name, list(key)])
        self.context.knobs.set_by_loop(plan.name, key, new)
        if old != new:
            self._note_set(plan, key, new)

    def _cell(self, plan: KnobPlan, key: Key) -> knobs.Cell | None:
        """The live cell: operations apply to what loops before have left (L28)."""
        kept = self.shadow_cells.get((plan.name, key), _UNSET)
        if kept is not _UNSET:
            return kept  # type: ignore[no-any-return]
        body: knobs.Cell | None = self.context.overlay.get(f"knob:{plan.name}", key)
        return body

    def _note_set(self, plan: KnobPlan, key: Key, value: Value) -> None:
        self.effects.append({"kind": "set", "knob": plan.name, "key": list(key), "value": value})

    # -- emit and do

    def _values(self, pairs: Iterable[tuple[str, Expr]], required: frozenset[str]) -> dict[str, Value] | None:
        """The known ones by name; None when one that is required is not among them (L30)."""
        found: dict[str, Value] = {}
        for name, expr in pairs:
            value = expr(self.frame)
            if value is not None:
                found[name] = value
            elif name in required:
                self.incomplete = True
                return None
        return found

    def _emit(self, effect: EmitPlan) -> None:
        payload = self._values(effect.payload, effect.required)
        if payload is None:
            return
        self.effects.append({"kind": "emit", "event": effect.event, "payload": payload})
        if self.shadow:
            return
        origin = self.origin
        at = Origin(deterministic_id(self.mark), origin.chain, origin.depth + 1, (*origin.path, effect.event))
        occurrence = Occurrence(effect.event, payload, self.frame.now_ms, at)
        self.context.emit(self.loop, self.key, occurrence, origin.id)

    def _do(self, effect: DoPlan) -> None:
        arguments = self._values(effect.arguments, effect.required)
        if arguments is None:
            return
        self.effects.append({"kind": "do", "action": effect.action, "args": arguments})
        if self.shadow:
            return
        # What `failed` owes is not tried again and has no `failed` of its own (L31).
        last_resort = self.cause == "failed"
        self.context.decision.actions.append(
            OwedAction(
                idempotency_key=self.mark,
                lane=lane(effect.action, self.key),
                action=effect.action,
                arguments=arguments,
                loop=self.loop.name,
                key=self.key,
                position=self.context.position,
                n=self.n,
                time_ms=self.frame.now_ms,
                retries=0 if last_resort else effect.retries,
                every_ms=effect.every_ms,
                timeout_ms=effect.timeout_ms,
                trigger={**self.bound, "failed": True} if last_resort else self.bound,
            )
        )  # fmt: skip


def usable(key: Key) -> bool:
    """Whether a key is known, not empty, and one a cell can have (L22)."""
    for part in key:
        if part is None or part == "":
            return False
        if isinstance(part, list | dict):
            return False
    return True
