"""The rules' memory: cells of plain JSON, and the timers that follow from them.

A `State` holds what was committed. A `fork()` sees the same and takes changes of its own, so that a
batch can be decided ahead of its commit: afterwards `adopt` the fork, or drop it and nothing happened.
Bodies are never changed in place, so layers may share them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Any

from rules_engine.engine.decision import CellId, Decision
from rules_engine.engine.plan import Key
from rules_engine.engine.timers import (
    FORGET,
    Frontier,
    Timer,
    entries_until,
    sortable,
    timer,
    timers_of,
)

#: The inner name of a cell: scope, key, part.
Name = tuple[str, Key, str]


class State:
    """Cells by name. `next_due_ms` says when a tick is wanted."""

    def __init__(self) -> None:
        self._cells: dict[Name, Any] = {}
        self._keys: dict[str, dict[Key, None]] = {}
        self._timers: list[Timer] = []
        self._idle: list[Timer] = []
        self._off: dict[str, bool] = {}
        self._counts: dict[str, int] = {}

    # -- reading

    @property
    def any_off(self) -> bool:
        """Whether some loop may have been switched off."""
        return bool(self._off)

    def get(self, scope: str, key: Key, part: str = "") -> Any:
        """The body of a cell, None if there is none. It must not be changed."""
        return self._cells.get((scope, key, part))

    def keys(self, scope: str) -> list[Key]:
        """The keys that a knob has cells for, in order."""
        return sorted(self._keys.get(scope, ()), key=sortable)

    def cells(self) -> Iterator[tuple[CellId, Any]]:
        """Everything, as `load` takes it."""
        for name, body in self._cells.items():
            yield CellId(*name), body

    def count(self, scope: str) -> int:
        """How many keys of a loop or knob are remembered."""
        return self._counts.get(scope, 0)

    def in_scope(self, scope: str) -> list[tuple[Name, Any]]:
        """All cells of a loop or knob, in order. Walks everything: not for each event."""
        found = [(name, body) for name, body in self._cells.items() if name[0] == scope]
        return sorted(found, key=lambda item: (sortable(item[0][1]), item[0][2]))

    def live(self, entry: Timer) -> bool:
        """Whether a timer is still what its cell wants."""
        due_ms, scope, _, kind, n, part, key = entry
        return [due_ms, kind, n] in timers_of(self.get(scope, key, part))

    def has_due(self, limit_ms: int) -> bool:
        """Whether there may be a timer due at `limit_ms` or before."""
        heads = (self._timers[:1], self._idle[:1])
        return any(head and head[0][0] <= limit_ms for head in heads)

    def due(self, limit_ms: int) -> list[Timer]:
        """Live timers due at `limit_ms` or before, in order, each once."""
        found = entries_until(self._timers, limit_ms) + entries_until(self._idle, limit_ms)
        return sorted({entry: None for entry in found if self.live(entry)}) if found else found

    @property
    def next_due_ms(self) -> int | None:
        """When the next timer is due that can change a decision; None without one."""
        return self._timers[0][0] if self._timers else None

    # -- changing

    def load(self, cells: Iterable[tuple[CellId, Any]]) -> None:
        """Take over what a store remembers, in any order."""
        for cell, body in cells:
            name = (cell.scope, tuple(cell.key), cell.part)
            self._put(name, body)
            self._schedule(name, _no_timers, timers_of(body))
        self._clean()

    def apply(self, decision: Decision) -> None:
        """Take over what was decided (and committed)."""
        for cell, body in decision.cells.items():
            name = (cell.scope, cell.key, cell.part)
            wanted = timers_of(body)
            if wanted:
                self._schedule(name, timers_of(self.get(*name)), wanted)
            self._put(name, body)
        self._clean()

    def fork(self) -> Fork:
        """A layer over this state, which must not change while the layer is in use."""
        return Fork(self)

    def adopt(self, fork: Fork) -> None:
        """Take over all that a fork of this state has applied."""
        for name, body in fork._cells.items():
            wanted = timers_of(body)
            if wanted:
                self._schedule(name, timers_of(self.get(*name)), wanted)
            self._put(name, body)
        self._clean()

    def _count(self, name: Name, body: Any) -> None:
        if name[2] == "":
            more = (body is not None) - (self.get(*name) is not None)
            if more:
                self._counts[name[0]] = self._counts.get(name[0], 0) + more

    def _put(self, name: Name, body: Any) -> None:
        self._count(name, body)
        if name[2] == "off":
            self._off.pop(name[0], None)
            if body is not None:
                self._off[name[0]] = True
        if body is None:
            self._cells.pop(name, None)
            if name[2] == "" and name[0].startswith("knob:"):
                self._keys.get(name[0], {}).pop(name[1], None)
            return
        self._cells[name] = body
        if name[2] == "" and name[0].startswith("knob:"):
            self._keys.setdefault(name[0], {})[name[1]] = None

    def _schedule(self, name: Name, old: list[list[Any]], wanted: list[list[Any]]) -> None:
        for wish in wanted:
            if wish not in old:
                due_ms, kind, n = wish
                heap = self._idle if kind == FORGET else self._timers
                heapq.heappush(heap, timer(due_ms, name[0], name[1], name[2], kind, n))

    def _clean(self) -> None:
        """Stale entries leave the top, so that `next_due_ms` is true."""
        for heap in (self._timers, self._idle):
            while heap and not self.live(heap[0]):
                heapq.heappop(heap)


_no_timers: list[list[Any]] = []


class Fork(State):
    """A layer of changes over a state. None stands for a cell that was forgotten."""

    def __init__(self, parent: State) -> None:
        super().__init__()
        self._parent = parent
        self._front = (Frontier(parent._timers), Frontier(parent._idle))

    def get(self, scope: str, key: Key, part: str = "") -> Any:
        name = (scope, key, part)
        if name in self._cells:
            return self._cells[name]
        return self._parent.get(scope, key, part)

    def keys(self, scope: str) -> list[Key]:
        merged = dict.fromkeys(self._parent.keys(scope))
        merged.update(self._keys.get(scope, {}))
        return sorted((key for key in merged if self.get(scope, key) is not None), key=sortable)

    def cells(self) -> Iterator[tuple[CellId, Any]]:
        for cell, body in self._parent.cells():
            if (cell.scope, cell.key, cell.part) not in self._cells:
                yield cell, body
        for name, body in self._cells.items():
            if body is not None:
                yield CellId(*name), body

    def in_scope(self, scope: str) -> list[tuple[Name, Any]]:
        merged = dict(self._parent.in_scope(scope))
        merged.update((name, body) for name, body in self._cells.items() if name[0] == scope)
        found = [(name, body) for name, body in merged.items() if body is not None]
        return sorted(found, key=lambda item: (sortable(item[0][1]), item[0][2]))

    def due(self, limit_ms: int) -> list[Timer]:
        """As for any state; those of the parent are copied over as far as time has come."""
        for front, heap in zip(self._front, (self._timers, self._idle), strict=True):
            for entry in front.take(limit_ms):
                heapq.heappush(heap, entry)
        return super().due(limit_ms)

    @property
    def next_due_ms(self) -> int | None:
        heads = (self._front[0].head_ms(), super().next_due_ms)
        return min((head for head in heads if head is not None), default=None)

    def has_due(self, limit_ms: int) -> bool:
        heads = (self._front[0].head_ms(), self._front[1].head_ms())
        return super().has_due(limit_ms) or any(head is not None and head <= limit_ms for head in heads)

    def fork(self) -> Fork:
        raise TypeError("a fork is not forked again")

    @property
    def any_off(self) -> bool:
        return bool(self._off) or self._parent.any_off

    def count(self, scope: str) -> int:
        return self._parent.count(scope) + super().count(scope)

    def _put(self, name: Name, body: Any) -> None:
        self._count(name, body)
        self._cells[name] = body
        if name[2] == "off":
            self._off[name[0]] = True
        if name[2] == "" and name[0].startswith("knob:"):
            self._keys.setdefault(name[0], {})[name[1]] = None
