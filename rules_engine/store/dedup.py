"""The window in which a repeated event is a duplicate (R15, R17, R18).

Kept in memory and fed from the tail of the log in order, so it needs no index on disk and a row
is in it only when its commit has returned. The caller holds the lock under which rows are appended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from rules_engine.store.port import Duplicate, NewEvent, Stored

#: No window remembers more rows than this, however long it is.
MAX_ROWS: Final = 100_000
#: An equal id is looked for at least this far back, so that a retry is always recognised.
ID_WINDOW_MS: Final = 600_000


class Seen(NamedTuple):
    """What the window remembers of a row."""

    seq: int
    time_ms: int
    id: str
    dedup: str | None


class DedupWindow:
    """The newest rows of the log, by id and by digest."""

    def __init__(self, max_rows: int = MAX_ROWS) -> None:
        self._max_rows = max_rows
        self._rows: deque[Seen] = deque()
        self._by_id: dict[str, Seen] = {}
        self._by_digest: dict[str, Seen] = {}
        #: All rows up to this one that are young enough are in the window.
        self.position = 0
        #: How far back it reaches; a window asked for a longer one must be filled anew.
        self.span_ms = ID_WINDOW_MS
        #: How many rows left before their time because there were too many.
        self.truncated = 0

    def reset(self, span_ms: int) -> None:
        """Empty it, to be filled with rows of the last `span_ms`."""
        self._rows.clear()
        self._by_id.clear()
        self._by_digest.clear()
        self.position = 0
        self.span_ms = max(span_ms, ID_WINDOW_MS)

    def feed(self, rows: Iterable[Seen], now_ms: int) -> None:
        """Take rows that lie in the log, in order; older ones than the span go."""
        by_id, by_digest, keep = self._by_id, self._by_digest, self._rows.append
        for row in rows:
            seq, _, event_id, digest = row
            keep(row)
            by_id[event_id] = row
            if digest is not None:
                by_digest[digest] = row
            self.position = seq
        self._drop_old(now_ms)

    def _drop_old(self, now_ms: int) -> None:
        oldest_ms = now_ms - self.span_ms
        while self._rows and (len(self._rows) > self._max_rows or self._rows[0].time_ms <= oldest_ms):
            gone = self._rows.popleft()
            self.truncated += gone.time_ms > oldest_ms
            if self._by_id.get(gone.id) is gone:
                del self._by_id[gone.id]
            if gone.dedup is not None and self._by_digest.get(gone.dedup) is gone:
                del self._by_digest[gone.dedup]

    def judge(
        self, events: Sequence[NewEvent], seq: int, now_ms: int
    ) -> tuple[list[Stored | Duplicate], list[tuple[Seen, NewEvent]]]:
        """An answer for each event if they were appended now, from `seq` on; and those that are new.

        Of these nothing is remembered: the new ones come back through `feed` once they are committed.
        """
        self._drop_old(now_ms)
        answers: list[Stored | Duplicate] = []
        fresh: list[tuple[Seen, NewEvent]] = []
        ids: dict[str, Seen] = {}
        digests: dict[str, Seen] = {}
        known_id, known_digest = self._by_id.get, self._by_digest.get
        for event in events:
            event_id = event.id
            digest = None if event.dedup is None else event.dedup.hex()
            first = ids.get(event_id) or known_id(event_id)
            if first is None and digest is not None:
                twin = digests.get(digest) or known_digest(digest)
                if twin is not None and now_ms - twin.time_ms < event.dedup_window_ms:
                    first = twin
            if first is not None:
                answers.append(Duplicate(event_id, first.id, first.seq))
                continue
            row = ids[event_id] = Seen(seq, now_ms, event_id, digest)
            if digest is not None:
                digests[digest] = row
            answers.append(Stored(event_id, seq, now_ms))
            fresh.append((row, event))
            seq += 1
        return answers, fresh
