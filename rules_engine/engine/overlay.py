"""What one step has changed so far, over the state it reads; changes can be taken back loop by loop (R5)."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

from rules_engine.engine import knobs, values
from rules_engine.engine.decision import CellId
from rules_engine.engine.plan import Key, KnobPlan, Value
from rules_engine.engine.state import Name, State
from rules_engine.engine.timers import Timer, sortable, timer, timers_of

_UNSET: Any = object()


class Overlay:
    """Cells as the step sees them, and the timers that come due before `limit_ms` is over."""

    def __init__(self, state: State, limit_ms: int) -> None:
        self._state = state
        self._limit_ms = limit_ms
        self._cells: dict[Name, Any] = {}
        self._undo: list[tuple[Name, Any]] = []
        self._timers: list[Timer] = state.due(limit_ms)
        self._more: dict[str, int] = {}

    def get(self, scope: str, key: Key, part: str = "") -> Any:
        """The body of a cell, None without one."""
        name = (scope, key, part)
        body = self._cells.get(name, _UNSET)
        return self._state.get(scope, key, part) if body is _UNSET else body

    def put(self, scope: str, key: Key, part: str, body: Any) -> None:
        """Replace a cell; None forgets it."""
        name = (scope, key, part)
        self._undo.append((name, self._cells.get(name, _UNSET)))
        if part == "":
            self._count(scope, (body is not None) - (self.get(scope, key) is not None))
        self._cells[name] = body
        for due_ms, kind, n in timers_of(body):
            if due_ms <= self._limit_ms:
                heapq.heappush(self._timers, timer(due_ms, scope, key, part, kind, n))

    def mark(self) -> None:
        """From here on, changes can be taken back."""
        self._undo.clear()

    def take_back(self) -> None:
        """Undo everything since the mark."""
        for name, body in reversed(self._undo):
            before = self.get(*name)
            if body is _UNSET:
                self._cells.pop(name, None)
            else:
                self._cells[name] = body
            if name[2] == "":
                self._count(name[0], (self.get(*name) is not None) - (before is not None))
        self._undo.clear()

    def _count(self, scope: str, more: int) -> None:
        if more:
            self._more[scope] = self._more.get(scope, 0) + more

    def count(self, scope: str) -> int:
        """How many keys of a loop or knob are remembered now."""
        return self._state.count(scope) + self._more.get(scope, 0)

    def pop_due(self) -> Timer | None:
        """The next live timer, in order (R10); None when all that are due have been seen to."""
        while self._timers:
            entry = heapq.heappop(self._timers)
            due_ms, scope, _, kind, n, part, key = entry
            if [due_ms, kind, n] in timers_of(self.get(scope, key, part)):
                return entry
        return None

    def keys(self, scope: str) -> list[Key]:
        """The keys a knob has cells for, in order."""
        known = self._state.keys(scope)
        own = [name[1] for name in self._cells if name[0] == scope and name[2] == ""]
        if not own:
            return known
        merged = dict.fromkeys([*known, *own])
        return sorted((key for key in merged if self.get(scope, key) is not None), key=sortable)

    def in_scope(self, scope: str) -> list[tuple[Name, Any]]:
        """All cells of a loop or knob as the step sees them."""
        merged = dict(self._state.in_scope(scope))
        merged.update((name, body) for name, body in self._cells.items() if name[0] == scope)
        return [(name, body) for name, body in sorted(merged.items(), key=_place) if body is not None]

    def changes(self) -> dict[CellId, Any]:
        """The cells that changed, as a decision holds them."""
        get = self._state.get
        return {
            CellId(*name): body
            for name, body in self._cells.items()
            if body is not None or get(*name) is not None
        }


def _place(item: tuple[Name, Any]) -> tuple[Any, ...]:
    (_, key, part), _ = item
    return sortable(key), part


class KnobView:
    """Knobs as one loop reads them: as they were before the event, but for its own sets (L7, L28)."""

    def __init__(self, plans: Mapping[str, KnobPlan], overlay: Overlay) -> None:
        self._plans = plans
        self._overlay = overlay
        self._before: dict[tuple[str, Key], Value] = {}
        self._own: dict[tuple[str, Key], Value] = {}

    def next_event(self) -> None:
        """What has been set until now is the state before the next event."""
        if self._before:
            self._before.clear()

    def next_loop(self) -> None:
        """Another loop does not see the sets of the last."""
        if self._own:
            self._own.clear()

    def changed(self, knob: str, key: Key, old: Value) -> None:
        """A knob is about to be changed from `old`."""
        self._before.setdefault((knob, key), old)

    def set_by_loop(self, knob: str, key: Key, value: Value) -> None:
        """The loop that runs has set it: from now on it sees this."""
        self._own[knob, key] = value

    def value(self, knob: str, key: Key) -> Value:
        """See `KnobReader.value`."""
        plan = self._plans.get(f"knob:{knob}")
        if plan is None or None in key:
            return None
        if self._own or self._before:
            place = (knob, key)
            if place in self._own:
                return self._own[place]
            if place in self._before:
                return self._before[place]
        return knobs.value_of(plan, self._overlay.get(f"knob:{knob}", key))

    def live(self, plan: KnobPlan, key: Key) -> Value:
        """The value in force now, sets of all loops included."""
        return knobs.value_of(plan, self._overlay.get(f"knob:{plan.name}", key))

    def keys(self, knob: str) -> tuple[Key, ...] | list[Key]:
        """All keys of a knob: of its closed word sets, else those that were ever set."""
        plan = self._plans.get(f"knob:{knob}")
        if plan is None:
            return ()
        return self._overlay.keys(f"knob:{knob}") if plan.keys is None else plan.keys

    def all(self, knob: str) -> dict[str, Value]:
        """See `KnobReader.all`."""
        return {"/".join(map(values.text_of, key)): self.value(knob, key) for key in self.keys(knob)}
