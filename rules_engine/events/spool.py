"""Publications on their way to the store, in order and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import takewhile
from threading import Lock

from rules_engine.events.publication import Publication

MAX_SPOOLED_EVENTS = 10_000
MAX_SPOOLED_BYTES = 64 * 1024 * 1024

MAX_BATCH_EVENTS = 1_000
MAX_BATCH_BYTES = 8 * 1024 * 1024


class Spool:
    """First in, first out. Anybody adds; only the holder of the write lock takes from the front."""

    def __init__(self, max_events: int = MAX_SPOOLED_EVENTS, max_bytes: int = MAX_SPOOLED_BYTES) -> None:
        self.max_events = max_events
        self.max_bytes = max_bytes
        self._waiting: deque[Publication] = deque()
        self._bytes = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def bytes(self) -> int:
        """Size of the payloads that wait."""
        return self._bytes

    def add(self, publication: Publication) -> bool:
        """Put it at the end; False, and nothing happens, if the spool is full."""
        size = len(publication.new.body)
        with self._lock:
            if len(self._waiting) >= self.max_events or (
                self._waiting and self._bytes + size > self.max_bytes
            ):
                return False
            self._waiting.append(publication)
            self._bytes += size
        return True

    def batch(self) -> list[Publication]:
        """The first ones, as many as one append should hold. They stay until `drop`."""
        taken: list[Publication] = []
        size = 0
        with self._lock:
            for publication in self._waiting:
                size += len(publication.new.body)
                if taken and (len(taken) == MAX_BATCH_EVENTS or size > MAX_BATCH_BYTES):
                    break
                taken.append(publication)
        return taken

    def not_looked_at(self) -> list[Publication]:
        """The last ones, of which nobody has decided whether handlers get them ahead of the log; in order."""
        with self._lock:
            last = list(takewhile(lambda publication: publication.ahead is None, reversed(self._waiting)))
        return last[::-1]

    def drop(self, gone: Iterable[Publication]) -> None:
        """Take these out, wherever they stand."""
        left = {id(publication): publication for publication in gone}
        with self._lock:
            while left and self._waiting and left.pop(id(self._waiting[0]), None) is not None:
                self._bytes -= len(self._waiting.popleft().new.body)
            if left:
                self._bytes -= sum(len(publication.new.body) for publication in left.values())
                self._waiting = deque(item for item in self._waiting if id(item) not in left)

    def waiting(self) -> list[Publication]:
        """All that wait, in order."""
        with self._lock:
            return list(self._waiting)
