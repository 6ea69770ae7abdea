"""What keeps the database within its bounds, and looks at it as a whole."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path
from typing import Any, Final, Literal

from rules_engine.engine.decision import Verdict
from rules_engine.store.clock import LogClock
from rules_engine.store.port import FiringRecord, Info, Limits
from rules_engine.store.records import action_of, decode, encode, encode_key, expiry_reason, firing_of
from rules_engine.store.sqlite.actions import give_up
from rules_engine.store.sqlite.connection import Database, Transaction
from rules_engine.store.sqlite.log import ends, held_at_limit, keep_clock, log_end
from rules_engine.store.sqlite.machine import Machine
from rules_engine.store.sqlite.state import SqliteState

#: How many rule sets, verdicts and pinned controls are kept; these need no setting.
KEPT_RULES: Final = 1_000
KEPT_VERDICTS: Final = 100_000
KEPT_CONTROLS: Final = 100_000


class SqliteStore(SqliteState):
    """The store in one SQLite file, for any number of threads and processes."""

    def __init__(
        self,
        path: Path,
        *,
        durability: Literal["full", "normal"] = "full",
        machine: Machine | None = None,
        lock_wait_s: float = 5.0,
    ) -> None:
        super().__init__(Database(path, durability, machine or Machine(), lock_wait_s))

    # -- opening

    def open(self) -> None:
        """See `Store.open`."""
        self._database.open()

    def close(self) -> None:
        """See `Store.close`."""
        self._database.close()

    def info(self) -> Info:
        """See `Store.info`."""
        url = str(self._database.path)
        durability = self._database.durability

        def work(sql: sqlite3.Connection) -> Info:
            log_id = sql.execute("SELECT value FROM meta WHERE name = 'log_id'").fetchone()[0]
            first, head = ends(sql)
            clock = sql.execute("SELECT boot_id, boot_ms, log_ms, true_ms, row_limit FROM clock").fetchone()
            time_ms = clock[2] if clock else 0
            limits = tuple(self._limits(sql, clock))
            size = self._database.file.size_bytes()
            return Info(url, log_id, first, head, time_ms, size, durability, limits)

        return self._database.read(work, Info(url, "", 0, 0, 0, 0, durability))

    def _limits(self, sql: sqlite3.Connection, clock: tuple[Any, ...] | None) -> list[str]:
        reached = [f"{name} ({total})" for name, total in sql.execute("SELECT name, total FROM tally")]
        if self._window.truncated:
            reached.append(f"dedup window: {self._window.truncated} rows left it early")
        if clock is not None:
            skew_ms = LogClock(*clock[:4]).skew_ms(self._database.machine.reading())
            if skew_ms:
                reached.append(
                    f"clock: the wall clock is {skew_ms / 3_600_000:.1f} h ahead of the log"
                    " and is not followed"
                )
            held_by = held_at_limit(sql, clock[4])
            if held_by is not None:
                reached.append(f"log: reader {held_by!r} holds {clock[4]} rows or more, which is the limit")
        return reached

    # -- looking in

    def keep_rules(self, hash: str, texts: dict[str, str]) -> None:
        """See `Store.keep_rules`."""
        if self.rules(hash) is not None:
            return
        packed = zlib.compress(encode(texts).encode())
        insert = "INSERT INTO rules(hash, texts) VALUES (?, ?) ON CONFLICT DO NOTHING"
        self._database.write(lambda transaction: transaction.sql.execute(insert, (hash, packed)))

    def rules(self, hash: str) -> dict[str, str] | None:
        """See `Store.rules`."""
        query = "SELECT texts FROM rules WHERE hash = ?"
        found = self._database.row(query, (hash,))
        return None if found is None else dict(decode(zlib.decompress(found[0])))

    def firings(
        self,
        loop: str | None = None,
        *,
        since_ms: int | None = None,
        until_ms: int | None = None,
        after: tuple[int, int] = (0, -1),
        limit: int = 1_000,
    ) -> list[FiringRecord]:
        """See `Store.firings`."""
        query = (
            "SELECT loop, key, position, n, time_ms, body, rules FROM firing"
            f" WHERE (position, n) > (?, ?) {'' if loop is None else 'AND loop = ?'}"
            " AND time_ms >= ? AND time_ms < ? ORDER BY position, n LIMIT ?"
        )
        since = -(1 << 62) if since_ms is None else since_ms
        until = 1 << 62 if until_ms is None else until_ms
        values = (*after, *([] if loop is None else [loop]), since, until, limit)
        rows = self._database.rows(query, values)
        return [FiringRecord(firing_of(*columns), rules) for *columns, rules in rows]

    def firing_counts(self) -> dict[str, int]:
        """See `Store.firing_counts`."""
        query = "SELECT loop, total FROM fired ORDER BY loop"
        return dict(self._database.rows(query))

    def verdict(self, loop: str, key: tuple[Any, ...]) -> Verdict | None:
        """See `Store.verdict`."""
        query = "SELECT position, time_ms, reason, detail FROM verdict WHERE loop = ? AND key = ?"
        found = self._database.row(query, (loop, encode_key(key)))
        return None if found is None else Verdict(loop, key, *found)

    def put_fact(self, name: str, value: Any) -> None:
        """See `Store.put_fact`."""
        if value is None:
            forget = "DELETE FROM fact WHERE name = ?"
            self._database.write(lambda transaction: transaction.sql.execute(forget, (name,)))
            return
        insert = "INSERT OR REPLACE INTO fact VALUES (?, ?)"
        body = encode(value)
        self._database.write(lambda transaction: transaction.sql.execute(insert, (name, body)))

    def fact(self, name: str) -> Any:
        """See `Store.fact`."""
        query = "SELECT body FROM fact WHERE name = ?"
        found = self._database.row(query, (name,))
        return None if found is None else decode(found[0])

    def facts(self, prefix: str) -> dict[str, Any]:
        """See `Store.facts`."""
        query = "SELECT name, body FROM fact WHERE substr(name, 1, ?) = ? ORDER BY name"
        return {name: decode(body) for name, body in self._database.rows(query, (len(prefix), prefix))}

    # -- housekeeping

    def prune(self, limits: Limits, budget: int) -> int:
        """See `Store.prune`."""

        def work(transaction: Transaction) -> int:
            left = budget
            for slice_of in (_prune_log, _prune_firings, _prune_letters, _expire_actions, _prune_rest):
                left -= slice_of(transaction, limits, left)
            return budget - left

        if not self._database.file.size_bytes():
            return 0
        gone = self._database.write(work)
        self._database.reserve.make()
        return gone


def _prune_log(transaction: Transaction, limits: Limits, budget: int) -> int:
    sql = transaction.sql
    end = log_end(transaction)
    if end.is_new:
        keep_clock(transaction, end.clock)
    if end.row_limit != limits.log_rows or end.is_new:
        sql.execute("UPDATE clock SET row_limit = ?", (limits.log_rows,))
    old = [0]
    if limits.log_rows is not None:
        old.append(end.head - limits.log_rows)
    if limits.log_age_ms is not None:
        oldest_ms = end.clock.log_ms - limits.log_age_ms
        found = sql.execute(
            "SELECT max(seq) FROM (SELECT seq FROM event WHERE seq < ? AND time_ms <= ? LIMIT ?)",
            (end.first + budget, oldest_ms, budget),
        )
        old.append(found.fetchone()[0] or 0)
    pinned = sql.execute("SELECT min(position) FROM reader WHERE pinned").fetchone()[0]
    floor = min(max(old), end.head - 1, end.head if pinned is None else pinned, end.first + budget - 1)
    return sql.execute("DELETE FROM event WHERE seq <= ?", (floor,)).rowcount


def _prune_firings(transaction: Transaction, limits: Limits, budget: int) -> int:
    sql = transaction.sql
    gone = 0
    for (loop,) in sql.execute("SELECT loop FROM fired").fetchall():
        oldest = (0, -1)
        if limits.firings_per_loop is not None:
            oldest = (
                sql.execute(
                    "SELECT position, n FROM firing WHERE loop = ? ORDER BY position DESC, n DESC"
                    " LIMIT 1 OFFSET ?",
                    (loop, limits.firings_per_loop),
                ).fetchone()
                or oldest
            )
        oldest_ms = -1
        if limits.firing_age_ms is not None:
            oldest_ms = log_end(transaction).clock.log_ms - limits.firing_age_ms
        gone += sql.execute(
            "DELETE FROM firing WHERE (position, n) IN (SELECT position, n FROM firing WHERE loop = ?"
            " AND ((position, n) <= (?, ?) OR time_ms <= ?) ORDER BY position, n LIMIT ?)",
            (loop, *oldest, oldest_ms, budget - gone),
        ).rowcount
    return gone


def _prune_letters(transaction: Transaction, limits: Limits, budget: int) -> int:
    if limits.letters is None:
        return 0
    return _keep_newest(transaction.sql, "letter", "id", limits.letters, budget)


def _keep_newest(sql: sqlite3.Connection, table: str, order: str, keep: int, budget: int) -> int:
    surplus = max(0, sql.execute(f"SELECT count(*) FROM {table}").fetchone()[0] - keep)
    oldest = f"SELECT {order} FROM {table} ORDER BY {order} LIMIT ?"
    delete = f"DELETE FROM {table} WHERE ({order}) IN ({oldest})"
    return sql.execute(delete, (min(surplus, budget),)).rowcount


def _expire_actions(transaction: Transaction, limits: Limits, budget: int) -> int:
    if limits.action_age_ms is None:
        return 0
    sql = transaction.sql
    now_ms = log_end(transaction).clock.log_ms
    late = sql.execute(
        "SELECT id, body FROM action WHERE owner IS NULL AND time_ms <= ? ORDER BY id LIMIT ?",
        (now_ms - limits.action_age_ms, budget),
    ).fetchall()
    for late_id, body in late:
        lane = action_of(decode(body)).lane
        head_id, head = sql.execute(
            "SELECT id, idempotency_key FROM action WHERE lane = ? ORDER BY id LIMIT 1", (lane,)
        ).fetchone()
        give_up(transaction, late_id, expiry_reason(None if head_id == late_id else head), now_ms)
    return len(late)


def _prune_rest(transaction: Transaction, limits: Limits, budget: int) -> int:
    del limits
    gone = 0
    for table, order, keep in (
        ("rules", "id", KEPT_RULES),
        ("control", "after, n", KEPT_CONTROLS),
        ("verdict", "position, loop, key", KEPT_VERDICTS),
    ):
        gone += _keep_newest(transaction.sql, table, order, keep, budget - gone)
    return gone
