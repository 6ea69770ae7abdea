"""The log of a store in memory, its readers and its clock."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence

from rules_engine.event import Kind, Row
from rules_engine.store.dedup import DedupWindow, Seen
from rules_engine.store.port import (
    Duplicate,
    Gap,
    NewEvent,
    Page,
    ReaderInfo,
    Stored,
    StoreError,
    StoreFull,
)
from rules_engine.store.records import check_event, decode

#: A row as it lies in memory: seq, log time and the event.
Line = tuple[int, int, NewEvent]


class MemoryLog:
    """The log. `clock` gives the wall clock in milliseconds; everything is guarded by one lock."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._changed = threading.Condition(threading.RLock())
        self._hints = 0
        self._closed = False
        self._rows: list[Line] = []
        self._pruned = 0
        self._log_limit: int | None = None
        self._window = DedupWindow()
        self._readers: dict[str, ReaderInfo] = {}

    # -- the log

    def append(self, events: Sequence[NewEvent]) -> list[Stored | Duplicate]:
        """See `Store.append`."""
        for event in events:
            check_event(event)
        if not events:
            return []
        with self._changed:
            if self._is_full():
                raise StoreFull(
                    f"the log has reached its limit of {self._log_limit} rows and a pinned reader has not"
                    " read the oldest: let it catch up, or forget it"
                )
            span_ms = max(event.dedup_window_ms for event in events)
            if span_ms > self._window.span_ms:
                self._window.reset(span_ms)
                self._feed(self._rows)
            now_ms = self.now_ms()
            answers, fresh = self._window.judge(events, self._head() + 1, now_ms)
            self._put([event for _, event in fresh], now_ms)
            return answers

    def _put(self, events: Sequence[NewEvent], now_ms: int) -> None:
        new = [(seq, now_ms, event) for seq, event in enumerate(events, self._head() + 1)]
        self._rows += new
        self._feed(new)
        self._hint()

    def _feed(self, rows: Sequence[tuple[int, int, NewEvent]]) -> None:
        seen = (Seen(s, t, e.id, None if e.dedup is None else e.dedup.hex()) for s, t, e in rows)
        self._window.feed(seen, self.now_ms())

    def _is_full(self) -> bool:
        """Whether the log is at its limit and a pinned reader keeps all of it."""
        limit = self._log_limit
        return limit is not None and len(self._rows) >= limit and self._floor() <= self._pruned

    def _floor(self) -> int:
        """The position up to which every pinned reader has read."""
        return min((r.position for r in self._readers.values() if r.pinned), default=self._head())

    def _prunable(self, keep: int) -> int:
        """How many of the oldest rows may go if `keep` are to stay."""
        return max(0, min(self._floor() - self._pruned, len(self._rows) - max(keep, 1)))

    def _head(self) -> int:
        return self._pruned + len(self._rows)

    def _hint(self) -> None:
        self._hints += 1
        self._changed.notify_all()

    def read(self, after: int, limit: int) -> Page:
        """See `Store.read`."""
        with self._changed:
            if after > self._head():
                raise StoreError(f"position {after} is beyond the end of the log, which is {self._head()}")
            start = max(0, after - self._pruned)
            rows = tuple(
                Row(s, t, e.kind, e.id, e.type, decode(e.body), e.source, e.cause, e.chain, e.depth)
                for s, t, e in self._rows[start : start + limit]
            )
            gap = Gap(after + 1, self._pruned) if after < self._pruned else None
            return Page(rows, rows[-1].seq if rows else after, gap)

    def type_counts(self, rows: int) -> dict[str, int]:
        """See `Store.type_counts`."""
        with self._changed:
            newest = self._rows[-rows:] if rows else []
            counts = Counter(e.type for _, _, e in newest if e.kind in (Kind.EVENT, Kind.EMITTED))
            return dict(sorted(counts.items()))

    def seek(self, time_ms: int) -> int:
        """See `Store.seek`."""
        with self._changed:
            index = bisect_left(self._rows, time_ms, key=lambda row: row[1])
            return self._rows[index - 1][0] if index else 0

    def wait(self, after: int, timeout_ms: int) -> None:
        """See `Store.wait`."""
        with self._changed:
            hints = self._hints
            self._changed.wait_for(
                lambda: self._closed or self._hints != hints or self._head() > after, timeout_ms / 1000
            )

    def now_ms(self) -> int:
        """See `Store.now_ms`. Follows the given clock, but never goes back."""
        last = self._rows[-1][1] if self._rows else 0
        return max(last, self._clock())

    def accept_clock(self) -> int:
        """See `Store.accept_clock`. There is nothing to accept: the given clock is always followed."""
        return self.now_ms()

    # -- readers

    def reader(self, name: str, *, pinned: bool = True, start: int | None = None) -> int:
        """See `Store.reader`."""
        with self._changed:
            known = self._readers.get(name)
            position = known.position if known else self._head() if start is None else start
            self._readers[name] = ReaderInfo(name, position, pinned)
            return position

    def forget_reader(self, name: str) -> bool:
        """See `Store.forget_reader`."""
        with self._changed:
            return self._readers.pop(name, None) is not None

    def ack(self, name: str, old: int, new: int) -> bool:
        """See `Store.ack`."""
        with self._changed:
            known = self._readers.get(name)
            if known is None or known.position != old:
                return False
            self._readers[name] = ReaderInfo(name, new, known.pinned)
            return True

    def readers(self) -> list[ReaderInfo]:
        """See `Store.readers`."""
        with self._changed:
            return sorted(self._readers.values(), key=lambda reader: reader.name)
