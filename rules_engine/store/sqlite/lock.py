"""The write lock between processes: POSIX record lock on a file beside the database (R23).

`lockf` and not `flock`, which a forked child would keep for a dead holder. The holder's pid stands in
the file. POSIX gives a lock to the process and takes it away when any descriptor of the file is closed,
so all stores of a process that use one database share one `WriteLock`.
"""

from __future__ import annotations

import fcntl
import os
import random
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rules_engine.store.port import StoreBusy
from rules_engine.store.sqlite.machine import is_stopped


class WriteLock:
    """Held by one thread of one process of the machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mutex = threading.Lock()
        self._file: int | None = None

    @contextmanager
    def in_process(self, timeout_s: float) -> Iterator[None]:
        """Keep out the other threads of this process."""
        if not self._mutex.acquire(timeout=timeout_s):
            raise StoreBusy(
                f"another thread of this process has been writing to {self._path} for {timeout_s:g} s"
            )
        try:
            yield
        finally:
            self._mutex.release()

    @contextmanager
    def between_processes(self, timeout_s: float) -> Iterator[None]:
        """Keep out other processes; the caller has `in_process`."""
        deadline = time.monotonic() + timeout_s
        while not self._try():
            if time.monotonic() > deadline:
                raise StoreBusy(self._complaint(timeout_s))
            # Short and uneven naps: the holder is done in a millisecond or so, and several
            # processes that wait must not march in step.
            time.sleep(random.uniform(0.0001, 0.0006))
        try:
            yield
        finally:
            assert self._file is not None
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _try(self) -> bool:
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        if not self._is_the_file():
            os.close(self._file)  # somebody deleted it: others lock a new one by now
            self._file = None
            return False
        with suppress(OSError):  # only a courtesy: a full disk must not cost us the lock
            os.pwrite(self._file, b"%-19d\n" % os.getpid(), 0)
        return True

    def _is_the_file(self) -> bool:
        assert self._file is not None
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self._file)
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def _complaint(self, timeout_s: float) -> str:
        try:
            # Not by opening the file once more: closing it again would drop our locks.
            pid = int(os.pread(self._file, 20, 0)) if self._file is not None else 0
        except (OSError, ValueError):
            pid = 0
        who = f"process {pid}" if pid else "another process"
        if pid and is_stopped(pid):
            return (
                f"{who} was stopped while it was writing to the database, and nobody can write until it"
                f" goes on: resume it (kill -CONT {pid}) or end it (kill -9 {pid})"
            )
        return f"{who} has held the write lock of the database for more than {timeout_s:g} s ({self._path})"

    def close(self) -> None:
        """Close the lock file until it is needed again; the caller has `in_process`, so nobody holds it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def forget(self) -> None:
        """Begin anew in a forked child: the lock, and the thread that held it, stayed with the parent."""
        self._mutex = threading.Lock()
        self.close()


_locks: weakref.WeakValueDictionary[str, WriteLock] = weakref.WeakValueDictionary()


def lock_for(path: Path) -> WriteLock:
    """The lock of that file, one a process."""
    return _locks.setdefault(os.path.realpath(path), WriteLock(path))


def _after_fork_in_child() -> None:
    for lock in list(_locks.values()):
        lock.forget()


os.register_at_fork(after_in_child=_after_fork_in_child)
