"""One loop at one key: patterns, holds, latches, the moments between events (L3 to L10, L18 to L20, L34).

A loop's cell is JSON with, where they say something: `m` the match in the making (see patterns), `n` from
when an absence counts and the last event heard; `s` since when `when` was true, `f` that this stretch is
spent, `e` the event bound last; `g` what is being gathered; `a` since when the latch is active, `u` since
when `until` has been true, `l` the last event seen while active, `d` which `after` blocks have run, `k` the
knobs held; `c` from when the cooldown runs, `L` firing times for the limit, `b` the breaker's count; `w` the
slots; `T` the timers.
"""

from __future__ import annotations

from collections.abc import Sequence

from rules_engine.engine import patterns
from rules_engine.engine.cascade import Origin, origin_of
from rules_engine.engine.decision import Cause
from rules_engine.engine.expressions import reads_of
from rules_engine.engine.firing import Bound, FiringLoop
from rules_engine.engine.frame import Frame
from rules_engine.engine.plan import AbsencePlan, Expr, RepeatPlan, SequencePlan
from rules_engine.engine.values import moment


class Evaluation(FiringLoop):
    """A loop at a key, looked at once: at an event, or at a timer."""

    # -- at an event

    def on_event(
        self,
        frame: Frame,
        bound: Bound,
        origin: Origin,
        left_out: Sequence[int] = (),
        steps: Sequence[int] = (),
    ) -> None:
        """The trigger event has passed the filter; `left_out` are windows it has just begun anew (L14).

        `steps`: of a sequence, those that it fits.
        """
        pattern = self.loop.plan.pattern
        if isinstance(pattern, SequencePlan):
            self._on_step(pattern, frame, bound, origin, steps, left_out)
            return
        self._take(frame, left_out)
        if isinstance(pattern, AbsencePlan):
            self._on_sign_of_life(pattern, frame, bound, origin)
        elif not isinstance(pattern, RepeatPlan) or self._is_nth(pattern, frame):
            self._evaluate("event" if self.loop.plan.tick is None else "timer", frame, bound, origin)

    def _take(self, frame: Frame, left_out: Sequence[int] = ()) -> None:
        if self.memory is not None:
            for kind in self.loop.kinds:
                if kind.index not in left_out and kind.index not in self.loop.gathered:
                    kind.take(self.memory, frame)

    def _evaluate(self, cause: Cause, frame: Frame, bound: Bound, origin: Origin) -> None:
        if "a" in self.cell:
            self._while_active(frame, bound, origin)
        else:
            self._while_inactive(cause, frame, bound, origin)

    # -- patterns

    def _on_step(
        self,
        pattern: SequencePlan,
        frame: Frame,
        bound: Bound,
        origin: Origin,
        steps: Sequence[int],
        left_out: Sequence[int],
    ) -> None:
        left_open, complete = patterns.advance(pattern, self.cell.pop("m", None), steps, bound, self.now_ms)
        if left_open is not None:
            self.cell["m"] = left_open
        if complete is not None:
            self._on_match(pattern, complete, "event", origin, left_out)
        elif left_open is None:
            self.verdict("condition", frame, "no match is open")
        else:
            due = moment(left_open["t"] + pattern.within_ms)
            self.verdict(
                "condition", frame, f"{len(left_open['b'])} of {len(pattern.absent)} steps, until {due}"
            )

    def _on_match(
        self,
        pattern: SequencePlan,
        match: patterns.Match,
        cause: Cause,
        origin: Origin | None = None,
        left_out: Sequence[int] = (),
    ) -> None:
        """A sequence is complete: to the rest of the loop it is one event, and windows take it as one."""
        bound = patterns.bound_of(pattern, match)
        frame = self.frame_of(bound)
        self._take(frame, left_out)
        self._evaluate(cause, frame, bound, origin or origin_of(bound))

    def _is_nth(self, pattern: RepeatPlan, frame: Frame) -> bool:
        times, complete = patterns.repeated(pattern, self.cell.pop("m", None), self.now_ms)
        if times:
            self.cell["m"] = times
        if not complete:
            self.verdict("condition", frame, f"{len(times)} of {pattern.count}, since {moment(times[0])}")
        return complete

    def _on_sign_of_life(self, pattern: AbsencePlan, frame: Frame, bound: Bound, origin: Origin) -> None:
        """What was missed has come: the latch clears, and counting starts anew (L20)."""
        if "a" in self.cell:
            self.clear(frame, bound, origin)
        else:
            self.verdict("hold", frame, f"heard, due {moment(self.now_ms + pattern.within_ms)}")
        self.cell["n"] = [self.now_ms, bound]

    def _silence(self) -> None:
        """Nothing has come for as long as the absence asks; whatever `when` says, this silence is used up."""
        since_ms, bound = self.cell.pop("n")
        if bound is None:  # not one has come since the loop was loaded
            name = f"{self.loop.scope}/silence"
            bound = {"id": name, "type": "", "alias": None, "payload": {}, "time_ms": since_ms}
            bound.update(chain=name, depth=0)
        self._while_inactive("timer", self.frame_of(bound), bound, origin_of(bound))

    # -- conditions

    def _while_inactive(self, cause: Cause, frame: Frame, bound: Bound, origin: Origin) -> None:
        plan, cell = self.loop.plan, self.cell
        truth = True if plan.when is None else plan.when(frame)
        if truth is not True and truth is not False:
            self.verdict("unknown", frame, unknown_detail(plan.when, frame))
        elif truth is False:
            self.end_stretch()
            self.verdict("condition", frame)
        elif plan.gather is not None:
            self._gather(cause, frame, bound, origin)
        elif not plan.hold_ms:
            self.attempt(cause, frame, bound, origin)
        elif cell.get("f"):
            self.verdict(
                "hold", frame, f"has fired or been damped in this stretch, since {moment(cell['s'])}"
            )
        else:
            cell.setdefault("s", self.now_ms)
            cell["e"] = bound
            self.verdict("hold", frame, f"since {moment(cell['s'])}, due {moment(cell['s'] + plan.hold_ms)}")

    def _while_active(self, frame: Frame, bound: Bound, origin: Origin) -> None:
        plan, cell = self.loop.plan, self.cell
        truth = False if plan.until is None else plan.until(frame)
        if truth is not True and truth is not False:
            if self.loop.keeps_last and "u" not in cell:
                cell["l"] = bound
            self.verdict("unknown", frame, unknown_detail(plan.until, frame))
            return
        if self.loop.keeps_last:
            cell["l"] = bound
        if truth is False:
            cell.pop("u", None)
            self.verdict("active", frame, f"since {moment(cell['a'])}")
        elif plan.until_hold_ms:
            cell.setdefault("u", self.now_ms)
            self.verdict("active", frame, f"leaving, due {moment(self.until_due())}")
        else:
            self.clear(frame, bound, origin)

    def _gather(self, cause: Cause, frame: Frame, bound: Bound, origin: Origin) -> None:
        """One more event for the firing to come (L10)."""
        plan, before = self.loop.plan.gather, self.cell.get("g")
        if self.memory is not None:
            for index in self.loop.gathered:
                self.loop.kinds[index].take(self.memory, frame)
        first_ms, count = (before["t"], before["n"] + 1) if before else (self.now_ms, 1)
        self.cell["g"] = {"t": first_ms, "q": self.now_ms, "n": count, "e": bound}
        if plan is not None and plan.most is not None and count >= plan.most:
            self._gathered(cause, frame, bound, origin)
        else:
            self.verdict("gather", frame, f"{count} since {moment(first_ms)}")

    def _gathered(self, cause: Cause, frame: Frame, bound: Bound, origin: Origin) -> None:
        """It fires or is damped: either way the next event is the first of another firing."""
        del self.cell["g"]
        self.attempt(cause, frame, bound, origin)
        self.reset(self.loop.gathered)

    # -- at a timer

    def on_timer(self, kind: str, n: int) -> None:
        """A timer of this cell is due."""
        pattern = self.loop.plan.pattern
        if kind == "hold":
            self._hold_is_over()
        elif kind == "until":
            self._until_is_over()
        elif kind == "leave":
            self._sample_leaves()
        elif kind == "after":
            self._later(n)
        elif kind == "silence":
            self._silence()
        elif kind == "match" and isinstance(pattern, SequencePlan):
            self._on_match(pattern, self.cell.pop("m"), "timer")
        elif kind == "gather":
            bound = self.cell["g"]["e"]
            self._gathered("timer", self.frame_of(bound), bound, origin_of(bound))
        else:
            self._forget()

    def _hold_is_over(self) -> None:
        """The condition once more; unknown leaves the last truth standing (L3)."""
        plan, bound = self.loop.plan, self.cell["e"]
        frame = self.frame_of(bound)
        if plan.when is not None and plan.when(frame) is False:
            self.end_stretch()
            self.verdict("condition", frame, "no longer true when the hold was over")
            return
        self.attempt("timer", frame, bound, origin_of(bound))
        if "a" not in self.cell:
            self.cell["f"] = True
            self.cell.pop("e", None)

    def _until_is_over(self) -> None:
        plan, bound = self.loop.plan, self.last_seen()
        frame = self.frame_of(bound)
        if plan.until is not None and plan.until(frame) is False:
            del self.cell["u"]
            self.verdict("active", frame, "`until` no longer true when its hold was over")
            return
        self.clear(frame, bound, origin_of(bound))

    def _sample_leaves(self) -> None:
        """A window has lost a sample while a hold runs or the latch is active (L5)."""
        plan = self.loop.plan
        if "a" in self.cell:
            bound = self.last_seen()
            frame = self.frame_of(bound)
            truth = None if plan.until is None else plan.until(frame)
            if truth is False:
                self.cell.pop("u", None)
            elif truth is True and plan.until_hold_ms:
                self.cell.setdefault("u", self.now_ms)
            elif truth is True:
                self.clear(frame, bound, origin_of(bound))
        elif "s" in self.cell and not self.cell.get("f"):
            frame = self.frame_of(self.cell["e"])
            if plan.when is not None and plan.when(frame) is False:
                self.end_stretch()
                self.verdict("condition", frame, "no longer true once a sample had left its window")

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


def unknown_detail(condition: Expr | None, frame: Frame) -> str:
    """Names the fields that made a condition unknown (L2)."""
    missing = [
        str(name) for kind, name in reads_of(condition) if kind == "field" and name not in frame.fields
    ]
    return f"unknown: {', '.join(missing)}" if missing else ""
