"""One database file: how it is made, opened, read and written.

A write transaction is one function call on one thread: lock, BEGIN IMMEDIATE, statements, COMMIT,
unlock (R3). Readers are read-only connections; only the writer makes checkpoints, under the lock (R35).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from rules_engine.store.faults import fault
from rules_engine.store.port import StoreBusy, StoreError, StoreMoved
from rules_engine.store.sqlite import forking, migrations
from rules_engine.store.sqlite.failures import CommitUnknown, full, is_full, translated
from rules_engine.store.sqlite.files import IMMUTABLE, Companions, DatabaseFile
from rules_engine.store.sqlite.lock import lock_for
from rules_engine.store.sqlite.machine import Machine
from rules_engine.store.sqlite.nudges import Nudges
from rules_engine.store.sqlite.reserve import Reserve

T = TypeVar("T")

#: How long a write waits for the others before it raises `StoreBusy`.
LOCK_WAIT_S: Final = 5.0
#: How many read connections are kept for the next call.
IDLE_READERS: Final = 8
#: The write-ahead log is brought back into the database when it is larger than this.
CHECKPOINT_BYTES: Final = 4 * 1024 * 1024


@dataclass(slots=True)
class Transaction:
    """What a write works with. `after_commit` runs once the COMMIT has returned, under the lock (R2)."""

    sql: sqlite3.Connection
    machine: Machine
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    nudges: bytes = b""

    def nudge(self, word: bytes) -> None:
        """Have waiting processes told after the commit."""
        if word not in self.nudges:
            self.nudges += word


class Database:
    """The connections of this process to one file. Thread-safe."""

    def __init__(
        self,
        path: Path,
        durability: Literal["full", "normal"],
        machine: Machine,
        lock_wait_s: float = LOCK_WAIT_S,
    ) -> None:
        self.file = DatabaseFile(path)
        self.path = self.file.path
        self.durability = durability
        self.machine = machine
        self.nudges = Nudges(self.path)
        self.reserve = Reserve(self.file.beside("-reserve"))
        self.closed = False
        self._lock = lock_for(self.file.beside("-lock"))
        self._lock_wait_s = lock_wait_s
        self._writer: sqlite3.Connection | None = None
        self._writers_files: Companions = (0, 0)
        self._readers: list[tuple[sqlite3.Connection, Companions]] = []
        self._keeps_readers = True
        self._checkpoint_at = CHECKPOINT_BYTES
        self._pid = os.getpid()
        self._tainted = False
        forking.register(self)

    # -- reading

    def read(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Run a function that only reads; `otherwise` while there is no database. `StoreError`."""
        self._check_process()
        with forking.connections_in_use():
            connection = None
            try:
                connection = self._idle_reader() or self._open_reader()
                if connection is None:
                    return otherwise
                self.file.check_identity()
                result = work(connection)
            except (sqlite3.Error, OSError) as error:
                if connection is not None:
                    connection.close()
                raise translated(error, self.path) from error
            except BaseException:
                self._retire(connection)
                raise
            self._retire(connection)
            return result

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query; none while there is no database."""
        empty: list[tuple[Any, ...]] = []
        return self.read(lambda sql: sql.execute(query, values).fetchall(), empty)

    def row(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, if there is one."""
        found = self.rows(query, values)
        return found[0] if found else None

    def _retire(self, connection: sqlite3.Connection | None) -> None:
        if connection is not None:
            if connection.in_transaction:
                connection.rollback()
            files = self.file.companions()
            keeps = self._keeps_readers and files[0] and not self.closed
            if keeps and len(self._readers) < IDLE_READERS:
                self._readers.append((connection, files))
            else:
                connection.close()

    def _idle_reader(self) -> sqlite3.Connection | None:
        while True:
            try:
                connection, files = self._readers.pop()
            except IndexError:
                return None
            if self.file.companions() == files:
                return connection
            connection.close()  # somebody deleted those it reads from: it would see nothing new

    def _open_reader(self) -> sqlite3.Connection | None:
        if not self.file.exists():
            return None
        mode = self.file.reading_mode()
        self._keeps_readers = mode != IMMUTABLE
        connection = self.file.connect(mode, self._lock_wait_s)
        if not migrations.check(connection, self.path):
            connection.close()
            return None
        return connection

    # -- writing

    def write(self, work: Callable[[Transaction], T], prepare: Callable[[], None] | None = None) -> T:
        """Run a function in a transaction of its own; all or nothing, durable on return.

        `prepare` runs before, while other processes may still write. `StoreError` and its kinds;
        `CommitUnknown` when it cannot be told whether the transaction was stored.
        """
        self._check_process()
        try:
            with self._lock.in_process(self._lock_wait_s):
                if prepare is not None:
                    prepare()
                with self._lock.between_processes(self._lock_wait_s), forking.connections_in_use():
                    fault("locked")
                    transaction, result = self._transact(work)
        except (sqlite3.Error, OSError) as error:
            raise translated(error, self.path) from error
        fault("unlocked")
        if transaction.nudges:
            self.nudges.ring(transaction.nudges)
            fault("nudged")
        return result

    def _transact(self, work: Callable[[Transaction], T]) -> tuple[Transaction, T]:
        if self._writer is not None and self.file.companions() != self._writers_files:
            self._leave_deleted_files(self._writer)
        connection = self._writer or self._open_writer()
        transaction = Transaction(connection, self.machine)
        try:
            connection.execute("BEGIN IMMEDIATE")
            fault("begun")
            self.file.check_identity()
            migrations.check_version(connection, self.path)
            result = work(transaction)
            fault("inserted")
        except BaseException as error:
            self._undo(connection)
            if is_full(error):
                self._make_room(connection)
                raise full(self.path) from error
            raise
        self._commit(connection)
        fault("committed")
        for follow in transaction.after_commit:
            follow()
        self._checkpoint_if_large(connection)
        return transaction, result

    def _commit(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo(connection)
            if is_full(error):
                self._make_room(connection)
                raise full(self.path) from error
            self.drop_connections()
            message = f"it is not known whether the last write to {self.path} was stored: {error}"
            raise CommitUnknown(message) from error

    def _undo(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self.drop_connections()

    def _open_writer(self) -> sqlite3.Connection:
        self.file.prepare_for_writing()
        connection = self.file.connect("mode=rw", self._lock_wait_s)
        try:
            migrations.check(connection, self.path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self.durability.upper()}")
            migrations.upgrade(connection)
        except BaseException:
            connection.close()
            raise
        self.file.exists()
        self._writer, self._writers_files = connection, self.file.companions()
        return connection

    def _leave_deleted_files(self, connection: sqlite3.Connection) -> None:
        """Somebody deleted the write-ahead log or its index while they were open; under the lock.

        What was committed there is still in reach of this connection, and of nobody who comes later: it is
        brought into the database first. Not if others have made new files and gone on from there: then it is
        lost, and that must be said.
        """
        self.file.check_identity()
        wal, _ = self.file.companions()
        if not wal:
            _, pages, done = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if done < pages:
                raise StoreBusy(f"the write-ahead log of {self.path} was deleted while others read from it")
        known = _last_seq(connection) if wal not in (0, self._writers_files[0]) else 0
        self.drop_connections()
        found = _last_seq(self._open_writer())
        if found < known:
            raise StoreMoved(
                f"the write-ahead log of {self.path} was deleted while it was open, and another program"
                f" went on without it: the rows {found + 1} to {known} are lost"
            )

    # -- the write-ahead log

    def _checkpoint_if_large(self, connection: sqlite3.Connection) -> None:
        size = self.file.wal_bytes()
        if size < self._checkpoint_at:
            return
        self.checkpoint(connection)
        # A reader in the middle of something keeps it from shrinking: try again somewhat later.
        left = self.file.wal_bytes()
        self._checkpoint_at = max(CHECKPOINT_BYTES, left + CHECKPOINT_BYTES // 4)

    def checkpoint(self, connection: sqlite3.Connection) -> None:
        """Bring the write-ahead log back into the database, as far as readers allow; under the lock."""
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA busy_timeout = 0")
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                connection.execute(f"PRAGMA busy_timeout = {int(self._lock_wait_s * 1000)}")

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Give the reserve free, so that pruning and checkpoints can still run on a full disk (R37)."""
        self.reserve.free()
        self.checkpoint(connection)

    # -- opening and closing

    def open(self) -> None:
        """Look at the database if there is one. `StoreNewer`, `StoreError`."""
        self.closed = False
        self.read(lambda connection: connection.execute("SELECT 1 FROM meta").fetchone(), None)

    def close(self) -> None:
        """Let go of everything."""
        self.closed = True
        try:
            with self._lock.in_process(self._lock_wait_s):
                with ExitStack() as stack:
                    if self._writer is not None:  # the last one out makes a checkpoint: under the lock
                        with suppress(StoreError, OSError):
                            stack.enter_context(self._lock.between_processes(self._lock_wait_s))
                    self.drop_connections()
                self._lock.close()
        except StoreBusy:
            pass  # a thread that is still writing keeps its connection until the process ends
        self.file.forget()
        self.nudges.close()

    def drop_connections(self) -> None:
        """Close those that are not in use; new ones are made when needed."""
        with forking.connections_in_use():
            self._close_all()

    def _close_all(self) -> None:
        while self._readers:
            self._readers.pop()[0].close()
        if self._writer is not None:
            with suppress(sqlite3.Error):
                self._writer.close()
            self._writer = None

    def _check_process(self) -> None:
        if self.closed:
            raise StoreError(f"the store of {self.path} is closed")
        if self._tainted or self._pid != os.getpid():
            raise StoreError(
                f"this process was forked in the middle of using {self.path}, or behind Python's back, and"
                " cannot use it: open it in the child only, or start the child with `spawn`"
            )

    def before_fork(self) -> None:
        """See `forking`."""
        self._close_all()

    def after_fork_in_child(self, *, inherited: bool) -> None:
        """See `forking`."""
        self._pid = os.getpid()
        self._tainted = inherited
        self.nudges.after_fork_in_child()


def _last_seq(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
    return 0 if found is None else int(found[0])
