"""The step: what follows from one row of the log. Pure: the same plan, state and row decide the same (L50).

Order (R10): timers due by the row's time, each at its own time; then the row; after each of these the
cascade of what it emitted. Loops run in order of name and see the state from before the event (L7).
"""

from __future__ import annotations

import traceback

from rules_engine.engine import knobs, ticks
from rules_engine.engine.cascade import Occurrence, Origin
from rules_engine.engine.context import Context, key_text
from rules_engine.engine.decision import Decision
from rules_engine.engine.effects import usable
from rules_engine.engine.frame import Frame
from rules_engine.engine.latches import Evaluation, unknown_detail
from rules_engine.engine.plan import Expr, Key, Plan, TriggerPlan
from rules_engine.engine.runtime import LoopRuntime, Runtime, runtime_of
from rules_engine.engine.state import State
from rules_engine.engine.timers import FORGET, Timer, timers_of
from rules_engine.event import Kind, Row

#: How long a loop remembers which of its firings have failed already (L31).
_FAILED_MS = 7 * 24 * 3_600_000
_FAILED_KEPT = 256
_NO_LOCALS: dict[str, Expr] = {}


def decide(plan: Plan, state: State, row: Row, first_n: int = 0) -> Decision:
    """Everything that follows from a row. The state is left as it is: `state.apply(decision)` changes it.

    Firings and changes of knobs are numbered from `first_n`.
    """
    if row.kind is Kind.EMITTED:
        return Decision()
    runtime = runtime_of(plan)
    if row.kind is Kind.EVENT and row.type not in runtime.hearers and not state.has_due(row.time_ms):
        return Decision()
    context = Context(runtime, state, row.seq, row.time_ms)
    context.n = context.changes = first_n
    return Step(context).run(row)


class Step:
    """Carries out one row."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.runtime: Runtime = context.runtime

    def run(self, row: Row) -> Decision:
        """Timers, the row, and what each of them leads to."""
        context = self.context
        while (due := context.overlay.pop_due()) is not None:
            context.cascade.new_root()
            self.fire_timer(due)
            self.drain()
        if row.kind is Kind.EVENT:
            context.cascade.new_root()
            origin = Origin(row.id, row.chain or row.id, row.depth, (row.type,))
            self.deliver(Occurrence(row.type, row.payload, row.time_ms, origin))
            self.drain()
        elif row.kind is Kind.OUTCOME:
            context.cascade.new_root()
            self._outcome(row)
            self.drain()
        return context.finish()

    def drain(self) -> None:
        """The cascade, first in first out, to its end."""
        while (occurrence := self.context.cascade.pop()) is not None:
            self.deliver(occurrence)

    # -- events

    def deliver(self, occurrence: Occurrence) -> None:
        """Let all loops hear an event."""
        hearers = self.runtime.hearers.get(occurrence.type)
        if hearers is None:
            return
        view = self.context.knobs
        view.next_event()
        reader = self.runtime.readers.get(occurrence.type)
        if reader is None:
            fields = {name: value for name, value in occurrence.payload.items() if value is not None}
        else:
            fields = reader(
                occurrence.payload, lambda part: Frame(part, occurrence.type, occurrence.time_ms, view)
            )
        occurrence.fields = fields
        frame = Frame(fields, occurrence.type, occurrence.time_ms, view)
        keys: dict[tuple[str, ...], tuple[Key, bool]] = {}
        for loop in hearers:
            self.context.next_loop()
            try:
                found = keys.get(loop.per)
                if found is None:
                    key = tuple([fields.get(name) for name in loop.per])
                    found = keys[loop.per] = (key, usable(key))
                frame.key, known = found
                self._hear(loop, occurrence, frame, known)
            except Exception as error:  # noqa: BLE001 - one loop's fault is no other's (R5)
                self._failed(loop, frame.key, error)

    def _failed(self, loop: LoopRuntime, key: Key, error: Exception) -> None:
        self.context.take_back()
        text = "".join(traceback.format_exception(error))
        self.context.failed(loop.name, key, f"{type(error).__name__}: {error}", text)

    def _hear(self, loop: LoopRuntime, occurrence: Occurrence, frame: Frame, known: bool) -> None:
        """One loop, one event; `known` says whether the event has the loop's key (L22)."""
        context, key = self.context, frame.key
        frame.alias = None
        frame.slots = None
        frame.locals = {}
        frame.local_plans = _NO_LOCALS
        if loop.is_off or context.any_off:
            why_off = context.off(loop, occurrence.time_ms)
            if why_off is not None:
                if known and occurrence.type in loop.triggers:
                    context.verdict(loop, key, "off", frame, why_off)
                return
        left_out: tuple[int, ...] = ()
        if loop.feeds:
            if occurrence.type in loop.feeds:
                left_out = self._feed(loop, occurrence, frame)
            if occurrence.type not in loop.triggers:
                return
        found = self._trigger(loop, loop.triggers[occurrence.type], frame, known)
        if found is None:
            return
        trigger, steps = found
        if not known:
            context.verdict(loop, (), "key", frame)
            return
        if not loop.remembers and loop.when is not None and not self._is_true(loop, frame, trigger):
            return
        evaluation = Evaluation(context, loop, key, occurrence.time_ms)
        if evaluation.refused:
            context.verdict(loop, key, "key", frame, "too many keys")
            return
        evaluation.prepare(frame, trigger.alias)
        evaluation.on_event(frame, occurrence.bound(trigger.alias), occurrence.origin, left_out, steps)
        evaluation.save()
        self._after_breaker(loop)

    def _is_true(self, loop: LoopRuntime, frame: Frame, trigger: TriggerPlan) -> bool:
        """The short way for loops without memory: most events end here."""
        assert loop.when is not None
        frame.alias = trigger.alias
        frame.local_plans = loop.local_plans
        truth = loop.when(frame)
        if truth is False:
            self.context.verdict(loop, frame.key, "condition", frame)
        elif truth is not True:
            self.context.verdict(loop, frame.key, "unknown", frame, unknown_detail(loop.when, frame))
        return truth is True

    def _trigger(
        self, loop: LoopRuntime, triggers: tuple[TriggerPlan, ...], frame: Frame, known: bool
    ) -> tuple[TriggerPlan, tuple[int, ...]] | None:
        """The trigger that an event passes, and of a sequence all the steps that it fits."""
        first = triggers[0]
        if loop.is_sequence:
            fitting = [one for one in triggers if one.filter is None or one.filter(frame) is True]
            if fitting:
                return fitting[0], tuple([one.step for one in fitting])
        elif first.filter is None and len(triggers) == 1:
            return first, ()
        passing = self._passing(loop, triggers, frame, known)
        return None if passing is None else (passing, ())

    def _passing(
        self, loop: LoopRuntime, triggers: tuple[TriggerPlan, ...], frame: Frame, known: bool
    ) -> TriggerPlan | None:
        """The first trigger whose filter the event passes."""
        unknown: TriggerPlan | None = None
        for trigger in triggers:
            truth = True if trigger.filter is None else trigger.filter(frame)
            if truth is True:
                return trigger
            if truth is not False:
                unknown = trigger
        if known:
            if unknown is not None:
                detail = unknown_detail(unknown.filter, frame)
                self.context.verdict(loop, frame.key, "unknown", frame, detail)
            else:
                self.context.verdict(loop, frame.key, "filter", frame)
        return None

    def _feed(self, loop: LoopRuntime, occurrence: Occurrence, frame: Frame) -> tuple[int, ...]:
        """Windows fed from aside, or begun anew; returns those of its own key that leave the event out."""
        context = self.context
        left_out: list[int] = []
        own = frame.key
        for index, what, feed in loop.feeds[occurrence.type]:
            frame.key = own
            if feed.filter is not None and feed.filter(frame) is not True:
                continue
            found = feed.key(frame)
            key = tuple(found) if isinstance(found, list | tuple) else None
            if key is None or not usable(key):
                continue
            evaluation = Evaluation(context, loop, key, occurrence.time_ms)
            if evaluation.refused:
                continue
            evaluation.prepare(frame, None)
            assert evaluation.memory is not None
            if what == "since":
                loop.kinds[index].reset(evaluation.memory)
                if key == own:
                    left_out.append(index)
            elif not (key == own and index in left_out):
                loop.kinds[index].feed(evaluation.memory, frame)
            evaluation.save()
        frame.key = own
        return tuple(left_out)

    def _after_breaker(self, loop: LoopRuntime) -> None:
        """A loop that the breaker has just switched off lets go of everything."""
        switched = self.context.decision.switched_off
        if switched and switched[-1].loop == loop.name:
            quiet_loop(self.context, loop, switched[-1].time_ms)

    # -- timers

    def fire_timer(self, due: Timer) -> None:
        """One timer, at its own time."""
        due_ms, scope, _, kind, n, part, key = due
        context = self.context
        context.knobs.next_event()
        context.next_loop()
        context.mark()
        loop = self.runtime.by_scope.get(scope)
        knob = self.runtime.knobs.get(scope)
        try:
            if part:
                self._forget_part(scope, key, part)
            elif kind == ticks.TICK and scope in self.runtime.tickers:
                self._tick(self.runtime.tickers[scope], due_ms)
            elif loop is not None:
                self._loop_timer(loop, key, due_ms, kind, n)
            elif knob is not None:
                body = context.overlay.get(scope, key)
                change = {knobs.RELEASE: knobs.release, knobs.DECAY: knobs.decay}.get(kind, knobs.rested)
                cause = kind if kind in (knobs.RELEASE, knobs.DECAY) else ""
                name = f"{scope}/{kind}"
                origin = Origin(name, name, 0, ())
                context.change_knob(knob, key, change(knob, body, due_ms), cause, due_ms, origin)
            else:
                self._drop_timer(due)
        except Exception as error:  # noqa: BLE001 - one loop's fault is no other's (R5)
            context.take_back()
            self._drop_timer(due)
            text = "".join(traceback.format_exception(error))
            context.failed(scope.partition(":")[2], key, f"{type(error).__name__}: {error}", text)

    def _tick(self, loop: LoopRuntime, due_ms: int) -> None:
        """The clock lets a loop run: for each of its keys as at an event of its own."""
        context, plan = self.context, loop.plan.tick
        if plan is None or not ticks.is_last(context.overlay, loop, due_ms, context.row_ms):
            return
        for key in plan.keys:
            context.cascade.new_root()
            context.knobs.next_event()
            context.next_loop()
            context.mark()
            try:
                self._tick_for(loop, key, due_ms)
            except Exception as error:  # noqa: BLE001 - one key's fault is no other's (R5)
                self._failed(loop, key, error)
            self.drain()

    def _tick_for(self, loop: LoopRuntime, key: Key, due_ms: int) -> None:
        context = self.context
        name = f"{loop.tick_scope}/{key_text(key)}/{due_ms}"
        origin = Origin(name, name, 0, (ticks.TICK,))
        fields = dict(zip(loop.per, key, strict=True))
        frame = Frame(fields, ticks.TICK, due_ms, context.knobs)
        frame.key = key
        why_off = context.off(loop, due_ms)
        if why_off is not None:
            context.verdict(loop, key, "off", frame, why_off)
            return
        evaluation = Evaluation(context, loop, key, due_ms)
        if evaluation.refused:
            context.verdict(loop, key, "key", frame, "too many keys")
            return
        evaluation.prepare(frame, None)
        evaluation.on_event(frame, Occurrence(ticks.TICK, {}, due_ms, origin, fields).bound(None), origin)
        evaluation.save()
        self._after_breaker(loop)

    def _loop_timer(self, loop: LoopRuntime, key: Key, due_ms: int, kind: str, n: int) -> None:
        evaluation = Evaluation(self.context, loop, key, due_ms)
        if kind != FORGET and self.context.off(loop, due_ms) is not None:
            evaluation.quiet()
        else:
            evaluation.on_timer(kind, n)
        evaluation.save()
        self._after_breaker(loop)

    def _forget_part(self, scope: str, key: Key, part: str) -> None:
        """A cell beside a loop's own has run out; with `meta` goes all that was kept of a removed loop."""
        overlay = self.context.overlay
        if part != "meta":
            overlay.put(scope, key, part, None)
            return
        for name, _ in overlay.in_scope(scope):
            overlay.put(*name, None)

    def _drop_timer(self, due: Timer) -> None:
        """A timer that nobody can see to any more leaves its cell."""
        due_ms, scope, _, kind, n, part, key = due
        body = dict(self.context.overlay.get(scope, key, part))
        body["T"] = [wish for wish in timers_of(body) if wish != [due_ms, kind, n]]
        if not body["T"]:
            del body["T"]
        self.context.overlay.put(scope, key, part, body)

    # -- outcomes

    def _outcome(self, row: Row) -> None:
        """An action was given up: `failed` runs once per firing, if its loop is still there (L31, R26)."""
        payload = row.payload
        name, trigger, parts = payload.get("loop"), payload.get("trigger"), payload.get("key")
        loop = self.runtime.loops.get(name) if isinstance(name, str) else None
        if loop is None or not loop.plan.failed or not isinstance(trigger, dict) or trigger.get("failed"):
            return
        key = tuple(parts) if isinstance(parts, list | tuple) else ()
        if len(key) != len(loop.per) or not usable(key):
            return
        context = self.context
        context.knobs.next_event()
        context.next_loop()
        context.mark()
        if context.off(loop, row.time_ms) is not None or self._failed_before(loop, key, row):
            return
        try:
            evaluation = Evaluation(context, loop, key, row.time_ms)
            evaluation.fail(trigger)
            evaluation.save()
        except Exception as error:  # noqa: BLE001 - one loop's fault is no other's (R5)
            self._failed(loop, key, error)

    def _failed_before(self, loop: LoopRuntime, key: Key, row: Row) -> bool:
        """Whether another action of the same firing has been given up already; remembers this one."""
        if not loop.owes_several:
            return False
        overlay = self.context.overlay
        known = (overlay.get(loop.scope, key, "failed") or {}).get("F", [])
        mark = [row.payload.get("position"), row.payload.get("n")]
        if mark in known:
            return True
        body = {
            "F": [*known, mark][-_FAILED_KEPT:],
            "T": [[row.time_ms + _FAILED_MS, FORGET, 0]],
        }
        overlay.put(loop.scope, key, "failed", body)
        return False


def quiet_loop(context: Context, loop: LoopRuntime, now_ms: int) -> None:
    """A loop is off from now on: stretches and latches end without a firing, held knobs go back."""
    for (_, key, part), body in context.overlay.in_scope(loop.scope):
        if part == "" and isinstance(body, dict):
            release_held(context, loop.name, key, body, now_ms)
            evaluation = Evaluation(context, loop, key, now_ms)
            evaluation.quiet()
            evaluation.save()


def release_held(context: Context, loop: str, key: Key, body: dict[str, object], now_ms: int) -> None:
    """Let go of the knobs that a loop holds `while active` at a key, without a firing."""
    held = body.get("k")
    for knob, knob_key in held if isinstance(held, list) else ():
        plan = context.runtime.knobs.get(f"knob:{knob}")
        cell = context.overlay.get(f"knob:{knob}", tuple(knob_key))
        if plan is not None and knobs.holds_for(cell, loop, key):
            name = f"loop:{loop}/off"
            changed = knobs.release(plan, cell, now_ms)
            context.change_knob(
                plan, tuple(knob_key), changed, knobs.RELEASE, now_ms, Origin(name, name, 0, ())
            )
