"""Who may commit for a role: a token that grows with each owner, and signs of life (R22)."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass

from rules_engine.store.port import Fenced, Lease, LeaseInfo
from rules_engine.store.sqlite.connection import Transaction
from rules_engine.store.sqlite.machine import Machine, is_alive, pid_space, process_start


@dataclass(frozen=True, slots=True)
class _Holding:
    """A row of the lease table; `until_ms` in milliseconds since the boot `boot_id`."""

    token: int
    owner: str | None
    boot_id: str
    pid_space: str
    pid: int
    pid_start: int
    until_ms: int

    def is_alive(self, machine: Machine) -> bool:
        """Whether its owner may still be at work."""
        reading = machine.reading()
        if self.owner is None or self.boot_id != reading.boot_id or reading.boot_ms >= self.until_ms:
            return False
        return self.pid_space != pid_space() or is_alive(self.pid, self.pid_start)


def _holding(sql: sqlite3.Connection, role: str) -> _Holding | None:
    query = "SELECT token, owner, boot_id, pid_space, pid, pid_start, until_ms FROM lease WHERE role = ?"
    found = sql.execute(query, (role,)).fetchone()
    return None if found is None else _Holding(*found)


def acquire(transaction: Transaction, role: str, owner: str, ttl_ms: int) -> Lease | None:
    """Take the role unless its owner is alive."""
    before = _holding(transaction.sql, role)
    if before is not None and before.is_alive(transaction.machine):
        return None
    token = 1 if before is None else before.token + 1
    now = transaction.machine.reading()
    pid = os.getpid()
    transaction.sql.execute(
        "INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (role, token, owner, now.boot_id, pid_space(), pid, process_start(pid), now.boot_ms + ttl_ms),
    )
    return Lease(role, token, owner)


def renew(transaction: Transaction, lease: Lease, ttl_ms: int) -> bool:
    """Prolong, if nobody took it."""
    until_ms = transaction.machine.reading().boot_ms + ttl_ms
    return (
        transaction.sql.execute(
            "UPDATE lease SET until_ms = ? WHERE role = ? AND token = ? AND owner IS NOT NULL",
            (until_ms, lease.role, lease.token),
        ).rowcount
        == 1
    )


def release(transaction: Transaction, lease: Lease) -> None:
    """Leave the role free; the token stays, so that the next one is greater."""
    transaction.sql.execute(
        "UPDATE lease SET owner = NULL WHERE role = ? AND token = ?", (lease.role, lease.token)
    )


def holder(sql: sqlite3.Connection, machine: Machine, role: str) -> LeaseInfo | None:
    """Who has it, alive or not."""
    found = _holding(sql, role)
    if found is None or found.owner is None:
        return None
    return LeaseInfo(found.owner, found.pid, found.is_alive(machine))


def fence(sql: sqlite3.Connection, lease: Lease) -> None:
    """Raise `Fenced` unless that very lease is in force."""
    query = "SELECT 1 FROM lease WHERE role = ? AND token = ? AND owner IS NOT NULL"
    if sql.execute(query, (lease.role, lease.token)).fetchone() is None:
        raise Fenced(f"the role {lease.role!r} was taken over by another process")
