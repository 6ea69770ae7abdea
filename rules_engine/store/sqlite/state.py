"""The engine's side: lease, cells, and the commit that writes all of a change or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rules_engine.engine.decision import CellId
from rules_engine.store.port import Change, Control, Fenced, Lease, LeaseInfo, PinnedControl
from rules_engine.store.records import (
    decode,
    decode_key,
    emitted_event,
    encode,
    encode_key,
    firing_body,
    tick_event,
)
from rules_engine.store.sqlite import leases
from rules_engine.store.sqlite.actions import SqliteActions, owe, write_letters
from rules_engine.store.sqlite.connection import Transaction
from rules_engine.store.sqlite.log import insert_rows, log_end
from rules_engine.store.sqlite.nudges import WORK


def _from_json(columns: int) -> str:
    """`SELECT` of rows given as one JSON array of arrays: one statement a table, however many rows (R4)."""
    chosen = ", ".join(f"json_extract(value, '$[{n}]')" for n in range(columns))
    return f"SELECT {chosen} FROM json_each(?)"


_FORGET = "DELETE FROM cell WHERE (scope, key, part) IN (" + _from_json(3) + ")"
_REMEMBER = (
    "INSERT INTO cell(scope, key, part, body) " + _from_json(4) + " WHERE true"
    " ON CONFLICT DO UPDATE SET body = excluded.body"
)
_FIRE = "INSERT INTO firing(position, n, time_ms, loop, key, rules, body) " + _from_json(7)
_COUNT = (
    "INSERT INTO fired(loop, total) " + _from_json(2) + " WHERE true"
    " ON CONFLICT DO UPDATE SET total = total + excluded.total"
)
_JUDGE = "INSERT OR REPLACE INTO verdict(loop, key, position, time_ms, reason, detail) " + _from_json(6)
_PIN = "INSERT INTO control(after, n, time_ms, kind, body) " + _from_json(5)
_MOVE = "UPDATE reader SET position = ? WHERE name = ? AND position = ?"


class SqliteState(SqliteActions):
    """State, firings, verdicts and controls."""

    # -- the engine

    def acquire(self, role: str, owner: str, ttl_ms: int) -> Lease | None:
        """See `Store.acquire`."""
        return self._database.write(lambda transaction: leases.acquire(transaction, role, owner, ttl_ms))

    def renew(self, lease: Lease, ttl_ms: int) -> bool:
        """See `Store.renew`."""
        return self._database.write(lambda transaction: leases.renew(transaction, lease, ttl_ms))

    def release(self, lease: Lease) -> None:
        """See `Store.release`."""
        self._database.write(lambda transaction: leases.release(transaction, lease))

    def holder(self, role: str) -> LeaseInfo | None:
        """See `Store.holder`."""
        return self._database.read(lambda sql: leases.holder(sql, self._database.machine, role), None)

    def load(self, prefix: str = "") -> Iterator[tuple[CellId, Any]]:
        """See `Store.load`."""
        query = (
            "SELECT scope, key, part, body FROM cell WHERE scope >= ? AND substr(scope, 1, ?) = ?"
            " ORDER BY scope DESC, key DESC, part DESC"
        )
        found = (prefix, len(prefix), prefix)
        rows = self._database.rows(query, found)
        while rows:  # from the end, so that what was handed over need not be kept
            scope, key, part, body = rows.pop()
            yield CellId(scope, decode_key(key), part), decode(body)

    def commit(self, lease: Lease, at: int, change: Change) -> None:
        """See `Store.commit`."""
        emitted = [emitted_event(row) for row in change.emitted]
        statements = list(_statements(change))

        def work(transaction: Transaction) -> None:
            leases.fence(transaction.sql, lease)
            if transaction.sql.execute(_MOVE, (change.position, lease.role, at)).rowcount != 1:
                raise Fenced(f"reader {lease.role!r} is not at {at}, where this process left it")
            for statement, rows in statements:
                transaction.sql.execute(statement, (rows,))
            if change.letters:
                write_letters(transaction, change.letters)
            if change.actions:
                owe(transaction, change.actions)
            if emitted:
                insert_rows(transaction, log_end(transaction), emitted)

        self._database.write(work)

    def tick(self, lease: Lease, time_ms: int) -> int | None:
        """See `Store.tick`."""

        def work(transaction: Transaction) -> int | None:
            leases.fence(transaction.sql, lease)
            end = log_end(transaction)
            if end.clock.log_ms < time_ms or _last_ms(transaction.sql) >= time_ms:
                return None
            return insert_rows(transaction, end, [tick_event(end.clock.log_ms)])

        if self.now_ms() < time_ms:
            self._database.read(lambda sql: leases.fence(sql, lease), None)
            return None
        return self._database.write(work)

    # -- operators

    def ask(self, control: Control) -> int:
        """See `Store.ask`."""
        body = encode(control.body)

        def work(transaction: Transaction) -> int:
            transaction.nudge(WORK)
            insert = "INSERT INTO inbox(kind, body) VALUES (?, ?)"
            return transaction.sql.execute(insert, (control.kind, body)).lastrowid or 0

        return self._database.write(work)

    def asked(self) -> list[Control]:
        """See `Store.asked`."""
        query = "SELECT kind, body, id FROM inbox ORDER BY id"
        return [Control(kind, decode(body), number) for kind, body, number in self._database.rows(query)]

    def controls(self, after: int, limit: int) -> list[PinnedControl]:
        """See `Store.controls`."""
        query = "SELECT after, n, time_ms, kind, body FROM control WHERE after >= ? ORDER BY after, n LIMIT ?"
        return [
            PinnedControl(position, n, time_ms, kind, decode(body))
            for position, n, time_ms, kind, body in self._database.rows(query, (after, limit))
        ]


def _statements(change: Change) -> Iterator[tuple[str, str]]:
    """What to execute for a change, with its rows; encoded before the lock is taken."""
    cells = [([c.scope, encode_key(c.key), c.part], value) for c, value in change.cells.items()]
    totals: dict[str, int] = {}
    for firing in change.firings:
        totals[firing.loop] = totals.get(firing.loop, 0) + 1
    tables: list[tuple[str, Iterable[Sequence[Any]]]] = [
        (_FORGET, [names for names, value in cells if value is None]),
        (_REMEMBER, [[*names, encode(value)] for names, value in cells if value is not None]),
        (
            _FIRE,
            [
                [f.position, f.n, f.time_ms, f.loop, encode_key(f.key), change.rules, firing_body(f)]
                for f in change.firings
            ],
        ),
        (_COUNT, list(totals.items())),
        (
            _JUDGE,
            [[v.loop, encode_key(v.key), v.position, v.time_ms, v.reason, v.detail] for v in change.verdicts],
        ),
        (_PIN, [[c.after, c.n, c.time_ms, c.kind, encode(c.body)] for c in change.controls]),
        ("DELETE FROM inbox WHERE id IN (" + _from_json(1) + ")", [[number] for number in change.answered]),
    ]
    return ((statement, encode(rows)) for statement, rows in tables if rows)


def _last_ms(sql: sqlite3.Connection) -> int:
    found = sql.execute("SELECT time_ms FROM event ORDER BY seq DESC LIMIT 1").fetchone()
    return found[0] if found else 0
