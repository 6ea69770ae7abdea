"""A loop at one key fires, clears, and writes down what it has become (L6, L8, L25, L31)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rules_engine.engine import patterns
from rules_engine.engine.cascade import Origin, origin_of
from rules_engine.engine.decision import Cause, Firing, Reason
from rules_engine.engine.effects import FiringDraft
from rules_engine.engine.frame import Frame
from rules_engine.engine.plan import EffectPlan, SetPlan
from rules_engine.engine.schedule import TimedLoop
from rules_engine.engine.values import moment

Bound = dict[str, Any]

#: What a cell holds of stretches, latches and matches in the making: gone when the loop is interrupted.
STRETCH = ("s", "f", "a", "e", "u", "l", "d", "k", "m", "n", "g")


class FiringLoop(TimedLoop):
    """A loop at a key, looked at once. `save` writes what has changed."""

    def prepare(self, frame: Frame, alias: str | None) -> Frame:
        """The frame, made to show this loop and key."""
        frame.alias = alias
        frame.key = self.key
        frame.slots = self.memory
        frame.locals = {}
        frame.local_plans = self.loop.local_plans
        return frame

    def frame_of(self, bound: Bound) -> Frame:
        """A frame that shows a remembered event, or all of a sequence, now."""
        fields, parts = patterns.fields_of(bound)
        frame = self.prepare(Frame(fields, bound["type"], self.now_ms, self.context.knobs), bound["alias"])
        frame.parts = parts
        return frame

    def attempt(self, cause: Cause, frame: Frame, bound: Bound, origin: Origin) -> None:
        """Fire unless damped (L8, L9)."""
        plan, cell = self.loop.plan, self.cell
        reason, detail = self.damped(frame)
        if reason is not None:
            self.verdict(reason, frame, detail)
            return
        self.count_firing()
        self._fire(cause, plan.effects, frame, bound, origin)
        if plan.cooldown_ms:
            cell["c"] = self.now_ms
        if plan.latches:
            self.end_stretch()
            cell.update(a=self.now_ms, e=bound)
            if self.loop.keeps_last:
                cell["l"] = bound
        self.reset(self.loop.fired_marks)

    def clear(self, frame: Frame, bound: Bound, origin: Origin) -> None:
        """Leave the latch: knobs held by it go back first, then the `cleared` block runs (L4, L25)."""
        plan, cell = self.loop.plan, self.cell
        held = cell.pop("k", [])
        for name in ("a", "e", "u", "l", "d"):
            cell.pop(name, None)
        self._fire("cleared", plan.cleared, frame, bound, origin, held)
        if plan.cooldown_ms:
            cell["c"] = self.now_ms
        self.reset(self.loop.cleared_marks)

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
        self.verdict(reason, frame, cause)

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

    def end_stretch(self) -> None:
        """What was true no longer is, or has led to its firing."""
        for name in ("s", "f", "e"):
            self.cell.pop(name, None)

    def reset(self, slots: tuple[int, ...]) -> None:
        """Empty these slots."""
        if self.memory is not None:
            for index in slots:
                self.loop.kinds[index].reset(self.memory)

    def verdict(self, reason: Reason, frame: Frame, detail: str = "") -> None:
        """Write down why it did or did not act."""
        if self.loop.longest_ms:
            meta = self.context.overlay.get(self.loop.scope, (), "meta")
            if meta is not None and self.now_ms - meta["since"] < self.loop.longest_ms:
                age = f"windows remember since {moment(meta['since'])}"  # not yet full (L13)
                detail = f"{detail}; {age}" if detail else age
        self.context.verdict(self.loop, self.key, reason, frame, detail)

    def last_seen(self) -> Bound:
        """The event bound last: seen while active, else at the firing."""
        last: Bound = self.cell.get("l") or self.cell["e"]
        return last

    # -- writing back

    def quiet(self) -> None:
        """Leave every stretch and the latch without firing: the loop is off, or is not what it was."""
        for name in STRETCH:
            self.cell.pop(name, None)
        self.reset(self.loop.gathered)
        if not self.loop.is_off:
            self.begin()

    def begin(self) -> None:
        """Start what counts from the loading of its loop rather than from an event (L20)."""
        if self.loop.begins_at_load and self.key == ():
            self.cell["n"] = [self.now_ms, None]

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
