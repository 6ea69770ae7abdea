"""What loops remember of the past: windows of samples, previous values, streaks.

State is plain JSON and never changed in place. Windows with many samples keep them in chunks of 256:
the one being filled lies in the loop's own cell, full ones get a cell of their own together with their
moments and are never written again (R30). Aggregates merge the moments of whole chunks and read only
the chunk at the edge, never adding and subtracting as samples come and go, so what they give depends
on the samples alone. `since` windows keep a running summary instead of samples.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

from rules_engine.engine import statistics_over, values
from rules_engine.engine.frame import Frame
from rules_engine.engine.plan import PrevPlan, SlotPlan, StreakPlan, Value, WindowPlan
from rules_engine.engine.slots import Memory, PrevSlot, SlotKind, StreakSlot, TimelessSlot

CHUNK = 256
#: More samples than this are not kept; the oldest go, and the value is marked truncated (L48).
MAX_SAMPLES = 10_000

_SIMPLE = frozenset({"count", "sum", "avg", "min", "max", "first", "last"})


class WindowKind(SlotKind):
    """What all windows share: where a sample comes from."""

    def __init__(self, index: int, plan: WindowPlan) -> None:
        super().__init__(index)
        self.plan = plan
        self._sample = plan.sample

    def take(self, memory: Memory, frame: Frame) -> None:
        if self.plan.feed is None:
            self.feed(memory, frame)

    def feed(self, memory: Memory, frame: Frame) -> None:
        if self._sample is None:
            self.add(memory, frame.now_ms, True)
            return
        value = self._sample(frame)
        if value is not None:
            self.add(memory, frame.now_ms, value)

    def add(self, memory: Memory, now_ms: int, value: Value) -> None:
        """One more sample."""
        raise NotImplementedError


class RunningWindow(WindowKind, TimelessSlot):
    """A `since` window as its summary: `[n, sum, min, max, first, last]`, of constant size."""

    def add(self, memory: Memory, _now_ms: int, value: Value) -> None:
        number = values.is_number(value)
        state = memory.states[self.index]
        if state is None:
            plain = value if number else None
            memory.states[self.index] = [1, plain, plain, plain, value, value]
            return
        n, total, least, most, first, _ = state
        total = values.add(total, value)
        least = None if least is None or not number else min(least, value)
        most = None if most is None or not number else max(most, value)
        memory.states[self.index] = [n + 1, total, least, most, first, value]

    def read(self, memory: Memory, function: str, *_: Any) -> Value:
        state = memory.states[self.index]
        if state is None:
            return 0 if function == "count" else None
        if function == "avg":
            return values.divide(state[1], state[0])
        return state[_RUNNING[function]] if function in _RUNNING else None


_RUNNING = {"count": 0, "sum": 1, "min": 2, "max": 3, "first": 4, "last": 5}


class SampleWindow(WindowKind):
    """`[head, tail, lost, newest, times, samples, weighted]`.

    Chunks head to tail - 1 are full, the open one lies here as `times` and `samples` (empty where
    events are only counted). `newest` is the time of the last sample, `lost` of the newest that
    went because there were too many. `weighted` is `[sum, weight, time]` where `ewma` is read.
    """

    def __init__(self, index: int, plan: WindowPlan) -> None:
        super().__init__(index, plan)
        self._span_ms = plan.ms if plan.span == "over" else None
        self._cap = min(plan.count, MAX_SAMPLES) if plan.span == "last" else MAX_SAMPLES
        self._bounded = plan.span == "last" and plan.count <= MAX_SAMPLES
        self._with_samples = plan.sample is not None
        self._with_ewma = "ewma" in plan.needs

    def _part(self, n: int) -> str:
        return f"w{self.index}.{n}"

    # -- writing

    def add(self, memory: Memory, now_ms: int, value: Value) -> None:
        state = memory.states[self.index] or [0, 0, None, 0, [], [], None]
        head, tail, lost, _, times, samples, weighted = state
        times = [*times, now_ms]
        samples = [*samples, value] if self._with_samples else samples
        if self._with_ewma:
            weighted = statistics_over.weigh(weighted, value, now_ms, self.plan.ms)
        head = self._drop_expired(memory, head, tail, now_ms)
        while head < tail and (tail - head - 1) * CHUNK + len(times) >= self._cap:
            lost = memory.chunk(self._part(head))[0][-1]
            memory.writes[self._part(head)] = None
            head += 1
        if head == tail:
            cut = 0 if self._span_ms is None else bisect_right(times, now_ms - self._span_ms)
            over = len(times) - self._cap
            if over > cut:
                cut, lost = over, times[over - 1]
            if cut:
                times, samples = times[cut:], samples[cut:]
        if len(times) == CHUNK:
            numbers = samples if samples and values.all_numbers(samples) else None
            memory.writes[self._part(tail)] = [
                times,
                samples,
                statistics_over.total(numbers) if numbers else None,
                min(numbers) if numbers else None,
                max(numbers) if numbers else None,
            ]
            tail, times, samples = tail + 1, [], []
        memory.states[self.index] = [head, tail, lost, now_ms, times, samples, weighted]

    def _drop_expired(self, memory: Memory, head: int, tail: int, now_ms: int) -> int:
        if self._span_ms is not None:
            while head < tail and memory.chunk(self._part(head))[0][-1] <= now_ms - self._span_ms:
                memory.writes[self._part(head)] = None
                head += 1
        return head

    def reset(self, memory: Memory) -> None:
        state = memory.states[self.index]
        if state is not None:
            for n in range(state[0], state[1]):
                memory.writes[self._part(n)] = None
            memory.states[self.index] = None

    # -- reading

    def _pieces(self, memory: Memory, now_ms: int) -> Iterator[tuple[Any, int]]:
        """What is inside, oldest first: chunk (the open one in the same form) and where to begin in it."""
        state = memory.states[self.index]
        if state is None:
            return
        head, tail, _, _, times, samples, _ = state
        skip = max(0, (tail - head) * CHUNK + len(times) - self._cap)
        edge = None if self._span_ms is None else now_ms - self._span_ms
        for n in range(head, tail + 1):
            chunk = [times, samples, None, None, None] if n == tail else memory.chunk(self._part(n))
            begin = min(skip, len(chunk[0]))
            skip -= begin
            if edge is not None:
                begin = max(begin, bisect_right(chunk[0], edge))
            if begin < len(chunk[0]):
                yield chunk, begin

    def read(self, memory: Memory, function: str, now_ms: int, quantile: float | None) -> Value:
        if function == "ewma":
            state = memory.states[self.index]
            return None if state is None else statistics_over.weighted_mean(state[6])
        pieces = list(self._pieces(memory, now_ms))
        count = sum([len(chunk[0]) - begin for chunk, begin in pieces])
        if function == "count":
            return count
        if not count or not self._with_samples:
            return None
        if function in _SIMPLE:
            return self._summary(function, pieces, count)
        samples = [sample for chunk, begin in pieces for sample in chunk[1][begin:]]
        if function == "slope" and self._span_ms is not None:
            times = [time for chunk, begin in pieces for time in chunk[0][begin:]]
            return statistics_over.slope(times, samples, self._span_ms)
        if function == "slope":
            return statistics_over.slope(list(range(count)), samples, 1)
        return statistics_over.of_samples(function, samples, quantile)

    @staticmethod
    def _summary(function: str, pieces: list[tuple[Any, int]], count: int) -> Value:
        if function == "first":
            chunk, begin = pieces[0]
            return chunk[1][begin]
        if function == "last":
            return pieces[-1][0][1][-1]
        column, combine = _MOMENTS["sum" if function == "avg" else function]
        found: list[Any] = []
        for chunk, begin in pieces:
            if begin == 0 and chunk[column] is not None:
                found.append(chunk[column])
                continue
            part = chunk[1][begin:] if begin else chunk[1]
            if not values.all_numbers(part):
                return None
            found.append(combine(part))
        if None in found:
            return None
        answer = found[0] if len(found) == 1 else combine(found)
        return values.divide(answer, count) if function == "avg" else answer

    def leaves_ms(self, memory: Memory, now_ms: int) -> int | None:
        if self._span_ms is None:
            return None
        for chunk, begin in self._pieces(memory, now_ms):
            return int(chunk[0][begin]) + self._span_ms
        return None

    def empty_ms(self, state: Any) -> int | None:
        return None if self._span_ms is None or self._with_ewma else int(state[3]) + self._span_ms

    def truncated(self, memory: Memory, now_ms: int) -> bool:
        state = memory.states[self.index]
        if state is None or self._bounded:
            return False
        head, tail, lost, _, times, *_ = state
        if self._span_ms is None:
            return lost is not None or (tail - head) * CHUNK + len(times) > self._cap
        edge = now_ms - self._span_ms
        if lost is not None and lost > edge:
            return True
        over = (tail - head) * CHUNK + len(times) - self._cap
        return over > 0 and bool(memory.chunk(self._part(head))[0][over - 1] > edge)


_MOMENTS: dict[str, tuple[int, Callable[[list[Any]], Any]]] = {
    "sum": (2, statistics_over.total),
    "min": (3, min),
    "max": (4, max),
}


def layout(plan: SlotPlan) -> str:
    """What the state of a slot looks like; where it differs, state cannot be handed over."""
    if not isinstance(plan, WindowPlan):
        return type(plan).__name__
    known = (plan.span, plan.ms, plan.count, plan.sample is None, _is_summary(plan), "ewma" in plan.needs)
    return " ".join(map(str, known))


def _is_summary(plan: WindowPlan) -> bool:
    """Whether a running summary tells all that is read."""
    return plan.span not in ("over", "last") and plan.needs <= _SIMPLE


def slot_kind(index: int, plan: SlotPlan) -> SlotKind:
    """How a slot of that plan works."""
    if isinstance(plan, PrevPlan):
        return PrevSlot(index, plan)
    if isinstance(plan, StreakPlan):
        return StreakSlot(index, plan)
    return RunningWindow(index, plan) if _is_summary(plan) else SampleWindow(index, plan)
