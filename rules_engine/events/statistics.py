"""Counts and recent events of one router: bounded, public, and cheap to keep."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from rules_engine.event import Event
from rules_engine.events.errors import reason_of
from rules_engine.events.feed import Item

HISTORY_EVENTS = 1_000
HISTORY_BYTES = 16 * 1024 * 1024
#: Names counted one by one; what comes after them is counted together.
COUNTED_NAMES = 5_000
OTHERS = "(others)"


@dataclass(slots=True)
class HandlerStats:
    """What became of one subscription's calls. Times in seconds."""

    name: str
    calls: int = 0
    errors: int = 0
    timeouts: int = 0
    dropped_to_log: int = 0
    total_s: float = 0.0
    longest_s: float = 0.0
    last_error: str | None = None
    causes: Counter[str] = field(default_factory=Counter)

    def add(self, elapsed_s: float, error: BaseException | None) -> bool:
        """Count a call. True if its error is of a kind not seen before."""
        self.calls += 1
        self.total_s += elapsed_s
        self.longest_s = max(self.longest_s, elapsed_s)
        if error is None:
            return False
        self.errors += 1
        self.timeouts += isinstance(error, TimeoutError)
        self.last_error = reason_of(error)
        cause = type(error).__name__
        self.causes[cause] += 1
        return self.causes[cause] == 1

    def as_dict(self) -> dict[str, Any]:
        """For reports and JSON."""
        return {
            "handler": self.name,
            "calls": self.calls,
            "errors": self.errors,
            "timeouts": self.timeouts,
            "dropped_to_log": self.dropped_to_log,
            "mean_ms": round(1000 * self.total_s / self.calls, 3) if self.calls else 0.0,
            "longest_ms": round(1000 * self.longest_s, 3),
            "last_error": self.last_error,
        }


class Statistics:
    """Counters of one router."""

    def __init__(self, history_events: int = HISTORY_EVENTS) -> None:
        self.started = time.time()
        self.published: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.unheard: Counter[str] = Counter()
        self.payload_findings: Counter[tuple[str, str]] = Counter()
        self.gone: deque[HandlerStats] = deque(maxlen=200)
        self.slow_inline: deque[tuple[str, str]] = deque(maxlen=50)
        self._history: deque[Item] = deque()
        self._history_events = history_events
        self._history_bytes = 0
        self._lock = threading.Lock()

    def count_published(self, name: str) -> None:
        """One event was handed over by this process."""
        self._count(self.published, name)

    def count_unheard(self, name: str) -> None:
        """One event reached nobody in this process."""
        self._count(self.unheard, name)

    def remember(self, item: Item) -> None:
        """An event of the log passed by."""
        self._count(self.seen, item.row.type)
        with self._lock:
            self._history.append(item)
            self._history_bytes += item.size
            while len(self._history) > self._history_events or self._history_bytes > HISTORY_BYTES:
                self._history_bytes -= self._history.popleft().size

    def note_finding(self, name: str, finding: str) -> bool:
        """A payload does not fit. True if this was not seen before, or the table is full."""
        with self._lock:
            if (name, finding) not in self.payload_findings and len(self.payload_findings) >= COUNTED_NAMES:
                return False
            self.payload_findings[name, finding] += 1
            return self.payload_findings[name, finding] == 1

    def history(self, types: frozenset[str] | None, since: float | None, limit: int) -> list[Event]:
        """The newest `limit` events, oldest first; `since` in seconds since the epoch."""
        matching: list[Event] = []
        with self._lock:
            recent = list(self._history)
        for item in reversed(recent):
            if len(matching) >= limit:
                break
            if types is not None and item.row.type not in types:
                continue
            if since is not None and item.row.time_ms < since * 1000:
                continue
            matching.append(item.event())
        return matching[::-1]

    def clear_history(self) -> None:
        """Forget recent events."""
        with self._lock:
            self._history.clear()
            self._history_bytes = 0

    def reset(self) -> None:
        """Zero the counters; the history stays."""
        for counter in (self.published, self.seen, self.unheard, self.payload_findings):
            counter.clear()
        self.gone.clear()
        self.slow_inline.clear()

    def _count(self, counter: Counter[str], name: str) -> None:
        with self._lock:
            counter[name if name in counter or len(counter) < COUNTED_NAMES else OTHERS] += 1
