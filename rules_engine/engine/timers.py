"""Timers: a heap derived from state. An entry is a claim about a cell, and is checked when it comes up.

A cell says in its own body when it wants to be looked at (`"T": [[due_ms, kind, n], ...]`). The heap
holds one entry for each such wish; when a cell changes its mind the old entry stays behind and is
recognised as stale, so nothing is ever cancelled and the heap can be rebuilt from the cells alone.
"""

from __future__ import annotations

import heapq
from typing import Any

from rules_engine.engine.plan import Key

#: (due_ms, scope, key in a sortable form, kind, n, part, key): sorts as R10 wants it.
Timer = tuple[int, str, tuple[str, ...], str, int, str, Key]

#: Looks whether a cell can be forgotten; nothing that a rule decides depends on it.
FORGET = "forget"


def sortable(key: Key) -> tuple[str, ...]:
    """A key whose parts compare with those of any other key, numbers before texts, small before large."""
    return tuple([part if type(part) is str else _number_text(part) for part in key])


def _number_text(part: Any) -> str:
    return f"\0{part + 2**63:021}" if type(part) is int else f"\0{part!r}"


def timers_of(body: Any) -> list[list[Any]]:
    """When a cell wants to be looked at: `[due_ms, kind, n]` each."""
    return body.get("T", _NONE) if type(body) is dict else _NONE


_NONE: list[list[Any]] = []


def timer(due_ms: int, scope: str, key: Key, part: str, kind: str, n: int) -> Timer:
    """An entry of the heap."""
    return (due_ms, scope, sortable(key), kind, n, part, key)


def entries_until(heap: list[Timer], limit_ms: int) -> list[Timer]:
    """All entries due at `limit_ms` or before, in no order; the heap is left as it is."""
    if not heap or heap[0][0] > limit_ms:
        return []
    found: list[Timer] = []
    waiting = [0]
    while waiting:
        index = waiting.pop()
        if index < len(heap) and heap[index][0] <= limit_ms:
            found.append(heap[index])
            waiting += (2 * index + 1, 2 * index + 2)
    return found


class Frontier:
    """Walks another's heap from small to large without changing it."""

    __slots__ = ("_heap", "_next")

    def __init__(self, heap: list[Timer]) -> None:
        self._heap = heap
        self._next: list[tuple[Timer, int]] = [(heap[0], 0)] if heap else []

    def take(self, limit_ms: int) -> list[Timer]:
        """The entries due at `limit_ms` or before that were not taken yet, in order."""
        found: list[Timer] = []
        while self._next and self._next[0][0][0] <= limit_ms:
            entry, index = heapq.heappop(self._next)
            found.append(entry)
            for child in (2 * index + 1, 2 * index + 2):
                if child < len(self._heap):
                    heapq.heappush(self._next, (self._heap[child], child))
        return found

    def head_ms(self) -> int | None:
        """When the next one is due."""
        return self._next[0][0][0] if self._next else None
