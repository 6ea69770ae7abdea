"""The database file itself: whether it is there, is still the same, and how it can be opened."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from rules_engine.store.port import StoreError, StoreMoved

#: How a database is opened that nobody can write: SQLite takes no locks then and sees no later change.
IMMUTABLE: Final = "mode=ro&immutable=1"


def may_write(path: Path) -> bool:
    """Whether this user, as it acts now, may write there."""
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


Companions = tuple[int, int]


class DatabaseFile:
    """One path, and the file that was found there first."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._wal = self.beside("-wal")
        self._shared = self.beside("-shm")
        self._identity: tuple[int, int] | None = None
        self._least_bytes = 0

    def beside(self, suffix: str) -> Path:
        """A file that belongs to it."""
        return self.path.with_name(self.path.name + suffix)

    def exists(self) -> bool:
        """Whether it is there, with something in it. `StoreMoved` if it was and is no longer."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self.check_identity()
            return False
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"{self.path} is not a file: name a file for the database with --db")
        if not found.st_size:
            return False
        if self._identity is None:
            self._identity = (found.st_dev, found.st_ino)
            self._least_bytes = found.st_size
        return True

    def check_identity(self) -> None:
        """A renamed or deleted database would still take writes, unseen by everybody else (R36)."""
        if self._identity is None:
            return
        try:
            found = self.path.stat()
        except FileNotFoundError:
            raise StoreMoved(
                f"{self.path} was renamed or deleted while it was open: put it back, or restart"
                " to begin a new one"
            ) from None
        if (found.st_dev, found.st_ino) != self._identity:
            raise StoreMoved(
                f"{self.path} was replaced by another file while it was open: restart to use that one"
            )
        if found.st_size < self._least_bytes:  # it never shrinks by itself
            raise StoreMoved(
                f"{self.path} was cut short while it was open: stop what uses it, and restore a copy"
            )

    def companions(self) -> Companions:
        """The write-ahead log and its index, as they lie there now: each an inode, 0 for none."""
        return _inode(self._wal), _inode(self._shared)

    def forget(self) -> None:
        """Take whatever lies there the next time."""
        self._identity = None

    def prepare_for_writing(self) -> None:
        """Make an empty file if there is none, ours alone from its first byte on.

        Only a new one is opened: closing a file that SQLite has open would take away SQLite's locks.
        """
        if self.exists():
            if not may_write(self.path):
                raise PermissionError(errno.EACCES, "read-only")
            return
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            for folder in (self.path.parent, self.path.parent.parent):
                _sync_folder(folder)  # a database must not vanish with the power

    def reading_mode(self) -> str:
        """How to open it for reading: even a reader writes to the shared memory file, if it may."""
        shared = self._shared
        if may_write(self.path.parent) and (may_write(shared) or not shared.exists()):
            return "mode=ro"
        return "mode=ro&readonly_shm=1" if shared.exists() else IMMUTABLE

    def connect(self, options: str, busy_wait_s: float) -> sqlite3.Connection:
        """A connection in autocommit that never makes a checkpoint by itself (R35)."""
        connection = sqlite3.connect(
            f"file:{quote(os.fsencode(self.path))}?{options}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=busy_wait_s,
            cached_statements=256,
        )
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        return connection

    def wal_bytes(self) -> int:
        """Of the write-ahead log; 0 if there is none."""
        return _size(self._wal)

    def size_bytes(self) -> int:
        """Of the database with its write-ahead log; 0 while there is none."""
        return _size(self.path) + self.wal_bytes()


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
