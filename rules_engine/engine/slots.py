"""The slots of a loop's memory: how they are read and written, and the two that hold single values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rules_engine.engine.frame import Frame
from rules_engine.engine.plan import PrevPlan, StreakPlan, Value


class Memory:
    """The slots of one loop and key while they are read and written.

    `states` holds one JSON value a slot (None: empty), `writes` the chunks that changed, by part of the
    cell (None: gone). `load` reads a chunk's cell by its part.
    """

    __slots__ = ("kinds", "load", "states", "writes")

    def __init__(
        self, kinds: tuple[SlotKind, ...], states: list[Any] | None, load: Callable[[str], Any]
    ) -> None:
        self.kinds = kinds
        self.states = [None] * len(kinds) if states is None else list(states)
        self.load = load
        self.writes: dict[str, Any] = {}

    def read(self, slot: int, function: str, now_ms: int, quantile: float | None) -> Value:
        """What the slot tells at that time."""
        return self.kinds[slot].read(self, function, now_ms, quantile)

    def chunk(self, part: str) -> Any:
        """A full chunk: `[times, samples, sum, min, max]`."""
        return self.writes[part] if part in self.writes else self.load(part)


class SlotKind:
    """How one slot works; made once a plan. `index` is its place among the loop's slots."""

    def __init__(self, index: int) -> None:
        self.index = index

    def take(self, memory: Memory, frame: Frame) -> None:
        """The loop's own trigger event has come (L11)."""

    def feed(self, memory: Memory, frame: Frame) -> None:
        """An event that feeds it from aside has come."""

    def reset(self, memory: Memory) -> None:
        """The mark that `since` speaks of has been passed."""
        memory.states[self.index] = None

    def read(self, memory: Memory, function: str, now_ms: int, quantile: float | None) -> Value:
        """What it tells at that time."""
        raise NotImplementedError

    def leaves_ms(self, memory: Memory, now_ms: int) -> int | None:
        """When the oldest sample leaves; None if none ever does."""
        raise NotImplementedError

    def empty_ms(self, state: Any) -> int | None:
        """When it will be as if empty; None if never. `state` is not None."""
        raise NotImplementedError

    def truncated(self, memory: Memory, now_ms: int) -> bool:
        """Whether samples it should hold have been dropped."""
        raise NotImplementedError


class TimelessSlot(SlotKind):
    """A slot that the passing of time does not change."""

    def leaves_ms(self, *_: Any) -> int | None:
        return None

    def empty_ms(self, *_: Any) -> int | None:
        return None

    def truncated(self, *_: Any) -> bool:
        return False


class PrevSlot(TimelessSlot):
    """`[value before the last event, latest known value]`."""

    def __init__(self, index: int, plan: PrevPlan) -> None:
        super().__init__(index)
        self._sample = plan.sample

    def take(self, memory: Memory, frame: Frame) -> None:
        state = memory.states[self.index] or (None, None)
        value = self._sample(frame)
        latest = state[1]
        if value is not None or latest is not None:
            memory.states[self.index] = [latest, latest if value is None else value]

    def read(self, memory: Memory, *_: Any) -> Value:
        state = memory.states[self.index]
        return None if state is None else state[0]


class StreakSlot(TimelessSlot):
    """How many in a row; nothing is kept for none."""

    def __init__(self, index: int, plan: StreakPlan) -> None:
        super().__init__(index)
        self._condition = plan.condition

    def take(self, memory: Memory, frame: Frame) -> None:
        truth = self._condition(frame)
        if truth is True:
            memory.states[self.index] = (memory.states[self.index] or 0) + 1
        elif truth is False:
            memory.states[self.index] = None

    def read(self, memory: Memory, *_: Any) -> Value:
        return memory.states[self.index] or 0
