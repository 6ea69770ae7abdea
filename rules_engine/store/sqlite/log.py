"""The log: appended under the lock, in order and in time; read by position."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from rules_engine.event import Kind, Row
from rules_engine.store.clock import LogClock
from rules_engine.store.dedup import MAX_ROWS, DedupWindow, Seen
from rules_engine.store.port import (
    Duplicate,
    Gap,
    MaybeStored,
    NewEvent,
    Page,
    ReaderInfo,
    Stored,
    StoreError,
    StoreFull,
)
from rules_engine.store.records import check_event, decode
from rules_engine.store.sqlite.connection import Database, Transaction
from rules_engine.store.sqlite.failures import CommitUnknown
from rules_engine.store.sqlite.nudges import POLL_MS, ROWS, WORK

_KINDS: Final = {int(kind): kind for kind in Kind}
_COLUMNS: Final = ("kind", "id", "type", "dedup", "source", "cause", "chain", "depth", "body")
#: SQLite's integers end here; Python's do not.
_GREATEST: Final = 2**63 - 1
_INSERT_ONE = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_READ = (
    "SELECT seq, time_ms, kind, id, type, CAST(body AS BLOB), source, cause, chain, depth FROM event"
    " WHERE seq > ? ORDER BY seq LIMIT ?"
)
_HEAD = (
    "SELECT boot_id, boot_ms, log_ms, true_ms, row_limit,"
    " (SELECT seq FROM sqlite_sequence WHERE name = 'event'), (SELECT min(seq) FROM event) FROM clock"
)


@dataclass(frozen=True, slots=True)
class LogEnd:
    """Where the log ends in this transaction, and the clock at which rows are appended to it."""

    head: int
    first: int
    clock: LogClock
    row_limit: int | None
    is_new: bool


def log_end(transaction: Transaction) -> LogEnd:
    """Read the end of the log and the clocks."""
    found = transaction.sql.execute(_HEAD).fetchone()
    reading = transaction.machine.reading()
    if found is None:
        return LogEnd(0, 0, LogClock.starting(reading), None, is_new=True)
    clock = LogClock(*found[:4])
    return LogEnd(found[5] or 0, found[6] or 0, clock.advanced(reading), found[4], is_new=False)


def keep_clock(transaction: Transaction, clock: LogClock) -> None:
    """Store the clock as of now."""
    transaction.sql.execute(
        "INSERT INTO clock(id, boot_id, boot_ms, log_ms, true_ms) VALUES (1, ?, ?, ?, ?) ON CONFLICT"
        " DO UPDATE SET boot_id = excluded.boot_id, boot_ms = excluded.boot_ms, log_ms = excluded.log_ms,"
        " true_ms = excluded.true_ms",
        (clock.boot_id, clock.boot_ms, clock.log_ms, clock.true_ms),
    )


def insert_rows(transaction: Transaction, end: LogEnd, events: Sequence[NewEvent]) -> int:
    """Append rows at the log's end, all with the time of its clock; the seq of the last one."""
    columns = [
        (
            int(event.kind),
            event.id,
            event.type,
            None if event.dedup is None else event.dedup.hex(),
            event.source,
            event.cause,
            event.chain,
            event.depth,
            event.body.decode(),
        )
        for event in events
    ]
    place = (end.head + 1, end.clock.log_ms)
    if len(columns) == 1:
        transaction.sql.execute(_INSERT_ONE, (*place, *columns[0]))
    else:
        _insert_many(transaction.sql, place, columns)
    keep_clock(transaction, end.clock)
    transaction.nudge(ROWS)
    return end.head + len(events)


def _insert_many(sql: sqlite3.Connection, place: tuple[int, int], rows: list[tuple[Any, ...]]) -> None:
    """In one statement (R4). Each json_extract under the lock counts: what all rows share is bound."""
    sources: list[str] = []
    same: list[Any] = []
    differing: list[tuple[Any, ...]] = []
    for values in zip(*rows, strict=True):
        if values.count(values[0]) == len(values):
            sources.append("?")
            same.append(values[0])
        else:
            sources.append(f"json_extract(value, '$[{len(differing)}]')")
            differing.append(values)
    insert = (
        f"INSERT INTO event(seq, time_ms, {', '.join(_COLUMNS)})"
        f" SELECT ? + key, ?, {', '.join(sources)} FROM json_each(?)"
    )
    sql.execute(insert, (*place, *same, orjson.dumps(list(zip(*differing, strict=True))).decode()))


class SqliteLog:
    """Append, read, wait, and named readers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._window = DedupWindow(MAX_ROWS)

    # -- appending

    def append(self, events: Sequence[NewEvent]) -> list[Stored | Duplicate]:
        """See `Store.append`."""
        for event in events:
            check_event(event)
        if not events:
            return []
        span_ms = max(event.dedup_window_ms for event in events)

        def work(transaction: Transaction) -> list[Stored | Duplicate]:
            end = log_end(transaction)
            held_by = held_at_limit(transaction.sql, end.row_limit)
            if held_by is not None:
                raise StoreFull(
                    f"the log has reached its limit of {end.row_limit} rows and reader {held_by!r} has not"
                    " read the oldest: let it catch up, or forget it"
                )
            now_ms = end.clock.log_ms
            if self._window.position < end.head:
                self._window.feed(_seen(transaction.sql, self._window, now_ms), now_ms)
            answers, fresh = self._window.judge(events, end.head + 1, now_ms)
            if fresh:
                insert_rows(transaction, end, [event for _, event in fresh])
                rows = [row for row, _ in fresh]
                transaction.after_commit.append(lambda: self._window.feed(rows, now_ms))
            return answers

        try:
            return self._database.write(work, lambda: self._warm_up(span_ms))
        except CommitUnknown as error:
            raise MaybeStored(events[0].id, str(error)) from error

    def _warm_up(self, span_ms: int) -> None:
        """Fill the window while others may still write: only the newest rows are left for the lock (R17)."""
        if span_ms > self._window.span_ms:
            self._window.reset(span_ms)
        if self._window.position:
            return
        now_ms = self.now_ms()
        nothing: list[Seen] = []
        rows = self._database.read(lambda sql: _seen(sql, self._window, now_ms), nothing)
        self._window.feed(rows, now_ms)

    # -- reading

    def read(self, after: int, limit: int) -> Page:
        """See `Store.read`."""
        page = self._database.read(lambda sql: _page(sql, after, limit), None)
        return _nothing_after(after, 0) if page is None else page

    def type_counts(self, rows: int) -> dict[str, int]:
        """See `Store.type_counts`."""
        query = (
            "SELECT type, count(*) FROM event WHERE seq > (SELECT coalesce(max(seq), 0) FROM event) - ?"
            " AND kind IN (?, ?) GROUP BY type ORDER BY type"
        )
        return dict(self._database.rows(query, (rows, int(Kind.EVENT), int(Kind.EMITTED))))

    def seek(self, time_ms: int) -> int:
        """See `Store.seek`."""
        return self._database.read(lambda sql: _seek(sql, time_ms), 0)

    def wait(self, after: int, timeout_ms: int) -> None:
        """See `Store.wait`."""
        deadline = time.monotonic() + timeout_ms / 1000
        bell = self._database.nudges.take()
        try:
            while not self._database.closed:
                # What is drained here was committed before it was rung, so the look that follows sees it.
                heard = bell.drain()
                left = deadline - time.monotonic()
                if WORK in heard or left <= 0 or self._database.read(_head, 0) > after:
                    return
                bell.listen(min(left, POLL_MS / 1000))
        finally:
            self._database.nudges.give_back(bell)
            if self._database.closed:
                self._database.nudges.close()

    def now_ms(self) -> int:
        """See `Store.now_ms`."""
        reading = self._database.machine.reading()
        found = self._database.row("SELECT boot_id, boot_ms, log_ms, true_ms FROM clock")
        return (LogClock.starting(reading) if found is None else LogClock(*found).advanced(reading)).log_ms

    def accept_clock(self) -> int:
        """See `Store.accept_clock`."""

        def work(transaction: Transaction) -> int:
            clock = log_end(transaction).clock.accepted(transaction.machine.reading())
            keep_clock(transaction, clock)
            return clock.log_ms

        return self._database.write(work)

    # -- readers

    def reader(self, name: str, *, pinned: bool = True, start: int | None = None) -> int:
        """See `Store.reader`."""
        sought = "SELECT position FROM reader WHERE name = ? AND pinned = ?"
        known = self._database.row(sought, (name, pinned))
        if known is not None:
            return int(known[0])

        def work(transaction: Transaction) -> int:
            begin = _head(transaction.sql) if start is None else start
            transaction.sql.execute(
                "INSERT INTO reader VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET pinned = excluded.pinned",
                (name, begin, pinned),
            )
            found = transaction.sql.execute("SELECT position FROM reader WHERE name = ?", (name,))
            return int(found.fetchone()[0])

        return self._database.write(work)

    def forget_reader(self, name: str) -> bool:
        """See `Store.forget_reader`."""
        forget = "DELETE FROM reader WHERE name = ?"
        return self._database.write(
            lambda transaction: transaction.sql.execute(forget, (name,)).rowcount == 1
        )

    def ack(self, name: str, old: int, new: int) -> bool:
        """See `Store.ack`."""
        move = "UPDATE reader SET position = ? WHERE name = ? AND position = ?"
        return self._database.write(
            lambda transaction: transaction.sql.execute(move, (new, name, old)).rowcount == 1
        )

    def readers(self) -> list[ReaderInfo]:
        """See `Store.readers`."""
        query = "SELECT name, position, pinned FROM reader ORDER BY name"
        return [ReaderInfo(name, at, bool(pinned)) for name, at, pinned in self._database.rows(query)]


def ends(sql: sqlite3.Connection) -> tuple[int, int]:
    """The first and the last seq; zeros for an empty log. (`min` and `max` in one SELECT would scan it.)"""
    found = sql.execute("SELECT (SELECT min(seq) FROM event), (SELECT max(seq) FROM event)").fetchone()
    return found[0] or 0, found[1] or 0


def held_at_limit(sql: sqlite3.Connection, row_limit: int | None) -> str | None:
    """The pinned reader that keeps all of a log which is at its limit (R21); None if all is well."""
    if row_limit is None:
        return None
    first, head = ends(sql)
    if not first or head - first + 1 < row_limit:
        return None
    query = "SELECT name FROM reader WHERE pinned AND position < ? ORDER BY position"
    found = sql.execute(query, (first,)).fetchone()
    return None if found is None else str(found[0])


def _seen(sql: sqlite3.Connection, window: DedupWindow, now_ms: int) -> list[Seen]:
    """Rows that the window has not seen yet and that are young enough for it, oldest first."""
    since = max(window.position, _head(sql) - MAX_ROWS, _seek(sql, now_ms - window.span_ms + 1))
    rows = sql.execute("SELECT seq, time_ms, id, dedup FROM event WHERE seq > ? ORDER BY seq", (since,))
    return [Seen(*row) for row in rows]


def _head(sql: sqlite3.Connection) -> int:
    return sql.execute("SELECT max(seq) FROM event").fetchone()[0] or 0


def _page(sql: sqlite3.Connection, after: int, limit: int) -> Page:
    found = sql.execute(_READ, (min(after, _GREATEST), limit)).fetchall()
    if not found:
        return _nothing_after(after, _head(sql))
    rows = tuple(_row(columns) for columns in found)
    gap = None
    if rows[0].seq > after + 1:
        first = sql.execute("SELECT min(seq) FROM event").fetchone()[0]
        gap = Gap(after + 1, first - 1) if first > after + 1 else None
    return Page(rows, rows[-1].seq, gap)


def _nothing_after(after: int, head: int) -> Page:
    if after > head:
        raise StoreError(
            f"position {after} is beyond the end of the log, which is {head}:"
            " was the database replaced by an older copy?"
        )
    return Page((), after)


def _row(columns: tuple[Any, ...]) -> Row:
    seq, time_ms, kind, id_, type_, body, source, cause, chain, depth = columns
    return Row(seq, time_ms, _KINDS[kind], id_, type_, decode(body), source, cause, chain, depth)


def _seek(sql: sqlite3.Connection, time_ms: int) -> int:
    """Binary search: time never decreases along the log."""
    low, high = ends(sql)
    if not low:
        return 0
    best = 0
    while low <= high:
        middle = (low + high) // 2
        seq, found = sql.execute(
            "SELECT seq, time_ms FROM event WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (middle,)
        ).fetchone()
        if found < time_ms:
            best, low = seq, middle + 1
        else:
            high = seq - 1
    return int(best)
