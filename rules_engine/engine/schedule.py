"""When a loop's cell wants to be looked at again: holds, leaving samples, `after` blocks, forgetting."""

from __future__ import annotations

from typing import Any

from rules_engine.engine.context import Context
from rules_engine.engine.damping import MINUTE_MS, DampedLoop
from rules_engine.engine.patterns import awaits_silence
from rules_engine.engine.plan import AbsencePlan, Key, SequencePlan
from rules_engine.engine.runtime import LoopRuntime
from rules_engine.engine.slots import Memory
from rules_engine.engine.timers import FORGET


class TimedLoop(DampedLoop):
    """A loop at a key with its cell and its memory; knows what becomes due, and when."""

    def __init__(self, context: Context, loop: LoopRuntime, key: Key, now_ms: int) -> None:
        super().__init__(context, loop, key, now_ms)
        self.memory = self._memory() if loop.kinds else None

    def _memory(self) -> Memory:
        overlay, scope, key = self.context.overlay, self.loop.scope, self.key
        return Memory(self.loop.kinds, self.cell.get("w"), lambda part: overlay.get(scope, key, part))

    def until_due(self) -> int:
        """When the hold of `until` is over."""
        return max(int(self.cell["u"]) + self.loop.plan.until_hold_ms, self.now_ms)

    def timers(self) -> list[list[Any]]:
        """When the cell wants to be looked at, as it is now: `[due_ms, kind, n]` each."""
        plan, cell = self.loop.plan, self.cell
        timers: list[list[Any]] = []
        leaves = self.loop.when_leaves
        if "a" in cell:
            leaves = self.loop.until_leaves
            if "u" in cell:
                timers.append([self.until_due(), "until", 0])
            done = cell.get("d", ())
            for n, block in enumerate(plan.after):
                if n not in done:
                    timers.append([max(cell["a"] + block.delay_ms, self.now_ms), "after", n])
        elif "s" in cell and not cell.get("f"):
            timers.append([max(cell["s"] + plan.hold_ms, self.now_ms), "hold", 0])
        else:
            leaves = ()
        timers += self._of_triggers()
        if self.memory is not None and leaves:
            moments = [kind.leaves_ms(self.memory, self.now_ms) for kind in leaves]
            known = [moment for moment in moments if moment is not None]
            if known:
                timers.append([min(known), "leave", 0])
        at_ms = self.empty_ms()
        if at_ms is not None and cell:
            timers.append([self._look_again(at_ms), FORGET, 0])
        return timers

    def _of_triggers(self) -> list[list[Any]]:
        """When silence completes a pattern, and when what was gathered is to fire."""
        plan, cell = self.loop.plan, self.cell
        due: list[list[Any]] = []
        if isinstance(plan.pattern, SequencePlan) and "m" in cell and awaits_silence(plan.pattern, cell["m"]):
            due.append([cell["m"]["t"] + plan.pattern.within_ms, "match", 0])
        if isinstance(plan.pattern, AbsencePlan) and "n" in cell:
            due.append([cell["n"][0] + plan.pattern.within_ms, "silence", 0])
        if plan.gather is not None and "g" in cell:
            spans = ((cell["g"]["t"], plan.gather.after_ms), (cell["g"]["q"], plan.gather.quiet_ms))
            ends = [since_ms + ms for since_ms, ms in spans if ms is not None]
            if ends:
                due.append([min(ends), "gather", 0])
        return [[max(due_ms, self.now_ms), kind, n] for due_ms, kind, n in due]

    def _look_again(self, at_ms: int) -> int:
        """When to see whether the cell can go: an earlier look that is still to come will do."""
        for due_ms, kind, _ in (self._old or {}).get("T", ()):
            if kind == FORGET and self.now_ms < due_ms <= at_ms:
                return int(due_ms)
        return max(at_ms, self.now_ms + 1)

    def empty_ms(self) -> int | None:
        """When all the cell holds will have run out; None if something in it stays."""
        plan, cell = self.loop.plan, self.cell
        waits = (
            isinstance(plan.pattern, SequencePlan) and "m" in cell and awaits_silence(plan.pattern, cell["m"])
        )
        if waits or any(name in cell for name in ("s", "a", "n", "g")):
            return None
        ends = [self.now_ms]
        match_ms = self._match_ends_ms()
        if match_ms is not None:
            ends.append(match_ms)
        if "c" in cell:
            ends.append(cell["c"] + plan.cooldown_ms)
        if cell.get("L"):
            ends.append(cell["L"][-1] + plan.limit_ms)
        if "b" in cell:
            ends.append(cell["b"][0] + MINUTE_MS)
        if self.memory is not None:
            for kind, state in zip(self.loop.kinds, self.memory.states, strict=True):
                if state is not None:
                    end = kind.empty_ms(state)
                    if end is None:
                        return None
                    ends.append(end)
        return max(ends)

    def _match_ends_ms(self) -> int | None:
        """When the open match, if there is one, is too old to be completed."""
        pattern, match = self.loop.plan.pattern, self.cell.get("m")
        if match is None or pattern is None:
            return None
        begun_ms = match["t"] if isinstance(pattern, SequencePlan) else match[-1]
        return int(begun_ms) + pattern.within_ms
