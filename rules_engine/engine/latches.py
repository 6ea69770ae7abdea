"""One loop at one key: holds, latches, damping, and the moments between events (L3 to L9, L34).

A loop's cell is JSON with, where they say something: `s` since when `when` has been true, `f` that this
stretch is spent, `e` the event bound last; `a` since when the latch is active, `u` since when `until` has
been true, `l` the last event seen while active, `d` which `after` blocks have run, `k` the knobs held;
`c` from when the cooldown runs, `L` firing times for the limit, `b` the breaker's count; `w` the slots;
`T` the timers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rules_engine.engine.cascade import Origin, origin_of
from rules_engine.engine.decision import Cause, Firing, Reason
from rules_engine.engine.effects import FiringDraft
from rules_engine.engine.expressions import reads_of
from rules_engine.engine.frame import Frame
from rules_engine.engine.plan import EffectPlan, Expr, SetPlan
from rules_engine.engine.schedule import TimedLoop
from rules_engine.engine.values import moment

Bound = dict[str, Any]


class Evaluation(TimedLoop):
    """A loop at a key, looked at once: at an event, or at a timer. `save` writes what has changed."""

    def prepare(self, frame: Frame, alias: str | None) -> Frame:
        """The frame, made to show this loop and key."""
        frame.alias = alias
        frame.key = self.key
        frame.slots = self.memory
        frame.locals = {}
        frame.local_plans = self.loop.local_plans
        return frame

    def frame_of(self, bound: Bound) -> Frame:
        """A frame that shows a remembered event now."""
        frame = Frame(bound["payload"], bound["type"], self.now_ms, self.context.knobs)
        return self.prepare(frame, bound["alias"])

    # -- at an event

    def on_event(self, frame: Frame, bound: Bound, origin: Origin, left_out: Sequence[int] = ()) -> None:
        """The trigger event has passed the filter; `left_out` are windows it has just begun anew (L14)."""
        if self.memory is not None:
            for kind in self.loop.kinds:
                if kind.index not in left_out:
                    kind.take(self.memory, frame)
        if "a" in self.cell:
            self._while_active(frame, bound, origin)
        else:
            self._while_inactive(frame, bound, origin)

    def _while_inactive(self, frame: Frame, bound: Bound, origin: Origin) -> None:
        plan, cell = self.loop.plan, self.cell
        truth = True if plan.when is None else plan.when(frame)
        if truth is not True and truth is not False:
            self._verdict("unknown", frame, unknown_detail(plan.when, frame))
        elif truth is False:
            self._end_stretch()
            self._verdict("condition", frame)
        elif not plan.hold_ms:
            self._attempt("event", frame, bound, origin)
        elif cell.get("f"):
            self._verdict(
                "hold", frame, f"has fired or been damped in this stretch, since {moment(cell['s'])}"
            )
        else:
            cell.setdefault("s", self.now_ms)
            cell["e"] = bound
            self._verdict("hold", frame, f"since {moment(cell['s'])}, due {moment(cell['s'] + plan.hold_ms)}")

    def _while_active(self, frame: Frame, bound: Bound, origin: Origin) -> None:
        plan, cell = self.loop.plan, self.cell
        truth = False if plan.until is None else plan.until(frame)
        if truth is not True and truth is not False:
            if self.loop.keeps_last and "u" not in cell:
                cell["l"] = bound
            self._verdict("unknown", frame, unknown_detail(plan.until, frame))
            return
        if self.loop.keeps_last:
            cell["l"] = bound
        if truth is False:
            cell.pop("u", None)
            self._verdict("active", frame, f"since {moment(cell['a'])}")
        elif plan.until_hold_ms:
            cell.setdefault("u", self.now_ms)
            self._verdict("active", frame, f"leaving, due {moment(self.until_due())}")
        else:
            self._clear(frame, bound, origin)

    # -- at a timer

    def on_timer(self, kind: str, n: int) -> None:
        """A timer of this cell is due."""
        if kind == "hold":
            self._hold_is_over()
        elif kind == "until":
            self._until_is_over()
        elif kind == "leave":
            self._sample_leaves()
        elif kind == "after":
            self._later(n)
        else:
            self._forget()

    def _hold_is_over(self) -> None:
        """The condition once more; unknown leaves the last truth standing (L3)."""
        plan, bound = self.loop.plan, self.cell["e"]
        frame = self.frame_of(bound)
        if plan.when is not None and plan.when(frame) is False:
            self._end_stretch()
            self._verdict("condition", frame, "no longer true when the hold was over")
            return
        self._attempt("timer", frame, bound, origin_of(bound))
        if "a" not in self.cell:
            self.cell["f"] = True
            self.cell.pop("e", None)

    def _until_is_over(self) -> None:
        plan, bound = self.loop.plan, self._last()
        frame = self.frame_of(bound)
        if plan.until is not None and plan.until(frame) is False:
            del self.cell["u"]
            self._verdict("active", frame, "`until` no longer true when its hold was over")
            return
        self._clear(frame, bound, origin_of(bound))

    def _sample_leaves(self) -> None:
        """A window has lost a sample while a hold runs or the latch is active (L5)."""
        plan = self.loop.plan
        if "a" in self.cell:
            bound = self._last()
            frame = self.frame_of(bound)
            truth = None if plan.until is None else plan.until(frame)
            if truth is False:
                self.cell.pop("u", None)
            elif truth is True and plan.until_hold_ms:
                self.cell.setdefault("u", self.now_ms)
            elif truth is True:
                self._clear(frame, bound, origin_of(bound))
        elif "s" in self.cell and not self.cell.get("f"):
            frame = self.frame_of(self.cell["e"])
            if plan.when is not None and plan.when(frame) is False:
                self._end_stretch()
                self._verdict("condition", frame, "no longer true once a sample had left its window")

    def _later(self, n: int) -> None:
        """The latch has been active for as long as an `after` block asks (L34)."""
        self.cell["d"] = [*self.cell.get("d", []), n]
        bound = self.cell["e"]
        self._fire("after", self.loop.plan.after[n].effects, self.frame_of(bound), bound, origin_of(bound))

    def _forget(self) -> None:
        """Whatever the cell holds may have run out: then it says nothing that an empty one does not."""
        at_ms = self.empty_ms()
        if at_ms is not None and at_ms <= self.now_ms:
            if self.memory is not None:
                for kind in self.loop.kinds:
                    kind.reset(self.memory)
            self.cell = {}

    # -- firing and clearing

    def _attempt(self, cause: Cause, frame: Frame, bound: Bound, origin: Origin) -> None:
        """Fire unless damped (L8, L9)."""
        plan, cell = self.loop.plan, self.cell
        reason, detail = self.damped(frame)
        if reason is not None:
            self._verdict(reason, frame, detail)
            return
        self.count_firing()
        self._fire(cause, plan.effects, frame, bound, origin)
        if plan.cooldown_ms:
            cell["c"] = self.now_ms
        if plan.until is not None:
            self._end_stretch()
            cell.update(a=self.now_ms, e=bound)
            if self.loop.keeps_last:
                cell["l"] = bound
        self._reset(self.loop.fired_marks)

    def _clear(self, frame: Frame, bound: Bound, origin: Origin) -> None:
        """Leave the latch: knobs held by it go back first, then the `cleared` block runs (L4, L25)."""
        plan, cell = self.loop.plan, self.cell
        held = cell.pop("k", [])
        for name in ("a", "e", "u", "l", "d"):
            cell.pop(name, None)
        self._fire("cleared", plan.cleared, frame, bound, origin, held)
        if plan.cooldown_ms:
            cell["c"] = self.now_ms
        self._reset(self.loop.cleared_marks)

    def _fire(
        self,
        cause: Cause,
        effects: tuple[EffectPlan, ...],
        frame: Frame,
        bound: Bound,
        origin: Origin,
        held: Sequence[list[Any]] = (),
    ) -> None:
        context, plan = self.context, self.loop.plan
        because = self._because(frame)
        shadow = plan.mode == "shadow"
        draft = FiringDraft(context, self.loop, self.key, context.n, cause, frame, bound, origin, shadow)
        context.n += 1
        for knob, key in held:
            draft.release(knob, tuple(key))
        draft.run(effects)
        if draft.held:
            kept = self.cell.get("k", [])
            self.cell["k"] = [*kept, *[pair for pair in draft.held if pair not in kept]]
        context.decision.firings.append(
            Firing(
                self.loop.name,
                self.key,
                context.position,
                draft.n,
                bound["id"],
                cause,
                self.now_ms,
                tuple(draft.effects),
                because,
                draft.incomplete,
                shadow,
            )
        )  # fmt: skip
        reason: Reason = "fired"
        if shadow:
            reason = "shadow"
        elif draft.stopped and not draft.effects:
            reason = "deadband"
        self._verdict(reason, frame, cause)

    def fail(self, bound: Bound) -> None:
        """An action was given up: the `failed` block, with the event that the firing was bound to (L31)."""
        effects = self.loop.plan.failed
        if "a" not in self.cell:  # the latch is over: nothing can be held while it is active
            effects = tuple(e for e in effects if not (isinstance(e, SetPlan) and e.hold == "active"))
        self._fire("failed", effects, self.frame_of(bound), bound, origin_of(bound))

    def _because(self, frame: Frame) -> dict[str, Any]:
        """What the firing was decided by; every `with` has its value from here on (L7)."""
        plan = self.loop.plan
        because: dict[str, Any] = {text: expr(frame) for text, expr in plan.reads}
        for name, _ in plan.locals:
            because[name] = self.loop.read_local[name](frame)
        if self.memory is not None:
            cut = [kind.index for kind in self.loop.kinds if kind.truncated(self.memory, self.now_ms)]
            if cut:
                because["truncated"] = self.loop.texts_of(cut)
        return because

    def _end_stretch(self) -> None:
        for name in ("s", "f", "e"):
            self.cell.pop(name, None)

    def _reset(self, slots: tuple[int, ...]) -> None:
        if self.memory is not None:
            for index in slots:
                self.loop.kinds[index].reset(self.memory)

    def _verdict(self, reason: Reason, frame: Frame, detail: str = "") -> None:
        if self.loop.longest_ms:
            meta = self.context.overlay.get(self.loop.scope, (), "meta")
            if meta is not None and self.now_ms - meta["since"] < self.loop.longest_ms:
                age = f"windows remember since {moment(meta['since'])}"  # not yet full (L13)
                detail = f"{detail}; {age}" if detail else age
        self.context.verdict(self.loop, self.key, reason, frame, detail)

    def _last(self) -> Bound:
        last: Bound = self.cell.get("l") or self.cell["e"]
        return last

    # -- writing back

    def quiet(self) -> None:
        """Leave every stretch and the latch without firing: the loop is off, or is not what it was."""
        for name in ("s", "f", "a", "e", "u", "l", "d", "k"):
            self.cell.pop(name, None)

    def save(self) -> None:
        """Write the cell if it has changed, and the chunks of its windows."""
        overlay, scope, cell = self.context.overlay, self.loop.scope, self.cell
        if self.memory is not None:
            for part, chunk in self.memory.writes.items():
                overlay.put(scope, self.key, part, chunk)
            cell.pop("w", None)
            if any(state is not None for state in self.memory.states):
                cell["w"] = self.memory.states
        timers = self.timers()
        cell.pop("T", None)
        if timers:
            cell["T"] = timers
        if cell != (self._old or {}):
            overlay.put(scope, self.key, "", cell or None)


def unknown_detail(condition: Expr | None, frame: Frame) -> str:
    """Names the fields that made a condition unknown (L2)."""
    missing = [
        str(name) for kind, name in reads_of(condition) if kind == "field" and name not in frame.fields
    ]
    return f"unknown: {', '.join(missing)}" if missing else ""
