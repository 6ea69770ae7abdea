"""Stores in files, and children that use them, die and are stopped."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rules_engine.store.port import NewEvent
from rules_engine.store.sqlite import SqliteStore


class Child:
    """A forked process that runs a function and reports what it says as it goes."""

    def __init__(self, work: Callable[[Callable[[Any], None]], None]) -> None:
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 0
            try:
                os.close(reader)
                with os.fdopen(writer, "wb", buffering=0) as pipe:
                    work(lambda what: pickle.dump(what, pipe))
            except BaseException:
                traceback.print_exc()
                status = 1
            sys.stderr.flush()
            os._exit(status)
        os.close(writer)
        self._pipe = os.fdopen(reader, "rb")
        self._status: int | None = None

    def hear(self) -> Any:
        """The next thing it says; EOFError when it has ended."""
        return pickle.load(self._pipe)

    def hear_all(self) -> list[Any]:
        """All it says until it ends."""
        said = []
        with suppress(EOFError, pickle.UnpicklingError):
            while True:
                said.append(self.hear())
        return said

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def ended(self) -> int:
        """Its exit status; minus the signal that killed it."""
        if self._status is None:
            _, status = os.waitpid(self.pid, 0)
            self._status = os.waitstatus_to_exitcode(status)
            self._pipe.close()
        return self._status


@pytest.fixture
def child() -> Iterator[Callable[[Callable[[Callable[[Any], None]], None]], Child]]:
    """Start children; those that are left over are killed."""
    children: list[Child] = []

    def start(work: Callable[[Callable[[Any], None]], None]) -> Child:
        children.append(Child(work))
        return children[-1]

    yield start
    for one in children:
        with suppress(ProcessLookupError):
            if one._status is None:
                one.signal(signal.SIGKILL)
        one.ended()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database may be made."""
    return tmp_path / "data" / "events.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[..., SqliteStore]]:
    """Open stores of one file; all are closed at the end."""
    stores: list[SqliteStore] = []

    def make(where: Path = path, **options: Any) -> SqliteStore:
        store = SqliteStore(where, **({"durability": "normal", "lock_wait_s": 2.0} | options))
        stores.append(store)
        store.open()
        return store

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def event() -> Callable[..., NewEvent]:
    """Something to append."""

    def make(name: str, **fields: Any) -> NewEvent:
        return NewEvent(name, "T", b'{"n": 1}', **fields)

    return make
