"""From what SQLite and the system raise to errors that say what to do."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from rules_engine.store.port import StoreBusy, StoreError, StoreFull, StoreReadOnly


class CommitUnknown(StoreError):
    """A COMMIT failed in a way that does not tell whether it was stored (R6)."""


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its details; 0 if the error did not come from SQLite."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_full(error: BaseException) -> bool:
    """Whether there is no room."""
    if isinstance(error, sqlite3.Error):
        return primary_code(error) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def full(path: Path) -> StoreFull:
    """Nothing stored is lost by it: SQLite has rolled back."""
    return StoreFull(f"the disk of {path} is full: make room on it; nothing that was stored is lost")


def read_only(path: Path) -> StoreReadOnly:
    """The file, its folder or the whole file system."""
    return StoreReadOnly(
        f"{path} cannot be written: give this user write access to the file and its folder,"
        " or use another with --db"
    )


def no_database(path: Path, why: object) -> StoreError:
    """Something else lies there, or it was damaged."""
    return StoreError(
        f"{path} is not a database of rules-engine, or it is damaged ({why}): move it away or restore a copy"
    )


def translated(error: sqlite3.Error | OSError, path: Path) -> StoreError:
    """The error to raise for it; chain the cause with `from`."""
    if is_full(error):
        return full(path)
    if isinstance(error, OSError):
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return read_only(path)
        return StoreError(f"{error.filename or path} cannot be used: {error.strerror or error}")
    match primary_code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreBusy(f"another program holds a lock on {path}: close it there")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return read_only(path)
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_FORMAT:
            return no_database(path, error)
        case sqlite3.SQLITE_CANTOPEN:
            return StoreError(f"{path} cannot be opened: is its folder there, and may this user write in it?")
        case sqlite3.SQLITE_IOERR:
            return StoreError(f"the disk of {path} reports errors ({error}): check it before going on")
        case _ if "no such" in str(error):  # a table or column that every database of ours has
            return no_database(path, error)
        case _:
            return StoreError(f"{path}: {error}")
