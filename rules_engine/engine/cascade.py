"""What loops emit is heard within the same step: first in, first out, within limits (R11).

An event at depth 16 is heard, one at 17 is not; a root has at most 1,000 events. What goes beyond is
a dead letter with the way it came.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

from rules_engine.engine.plan import Value

MAX_DEPTH = 16
MAX_EVENTS = 1_000


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something comes from: an event's id, the id at the root of its line, the distance, the types."""

    id: str
    chain: str
    depth: int
    path: tuple[str, ...]


@dataclass(slots=True)
class Occurrence:
    """An event about to be heard: its payload as it came, or its declared fields once they were read."""

    type: str
    payload: dict[str, Any]
    time_ms: int
    origin: Origin
    fields: dict[str, Value] | None = None

    def bound(self, alias: str | None) -> dict[str, Any]:
        """What a loop keeps of it, and an action carries: JSON."""
        return {
            "id": self.origin.id,
            "type": self.type,
            "alias": alias,
            "payload": self.fields or {},
            "time_ms": self.time_ms,
            "chain": self.origin.chain,
            "depth": self.origin.depth,
        }


def origin_of(bound: dict[str, Any]) -> Origin:
    """A remembered event as the root of what a timer does: the line goes on, its depth starts anew."""
    return Origin(bound["id"], bound["chain"], 0, (bound["type"],))


def deterministic_id(idempotency_key: str) -> str:
    """The id of what follows from a firing: the same in life, in a replay and after a crash."""
    return hashlib.sha256(idempotency_key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Cascade:
    """The queue of one step. `new_root` begins the count anew."""

    def __init__(self) -> None:
        self._queue: deque[Occurrence] = deque()
        self._count = 0

    def new_root(self) -> None:
        """What follows has another cause."""
        self._count = 0

    def offer(self, occurrence: Occurrence) -> Literal["depth", "count"] | None:
        """Queue an event; the limit it breaks, if it does and was refused."""
        if occurrence.origin.depth > MAX_DEPTH:
            return "depth"
        if self._count >= MAX_EVENTS:
            return "count"
        self._count += 1
        self._queue.append(occurrence)
        return None

    def pop(self) -> Occurrence | None:
        """The next one, None when there is none."""
        return self._queue.popleft() if self._queue else None

    def __len__(self) -> int:
        return len(self._queue)

    def take_back(self, length: int) -> None:
        """Forget the latest ones, down to that many."""
        while len(self._queue) > length:
            self._queue.pop()
            self._count -= 1
