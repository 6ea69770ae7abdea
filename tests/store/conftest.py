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

from rules_engine.engine.decision import CellId, Firing, OwedAction
from rules_engine.event import Kind, Row
from rules_engine.store.port import Change, NewEvent
from rules_engine.store.sqlite import SqliteStore

Say = Callable[[Any], None]


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


class EngineRun:
    """What an engine commits: one change an event, in which everything tells its number."""

    def step(self, n: int) -> Change:
        """The change of the nth event: everything in it tells n."""
        key = ("k",)
        firing = Firing("a", key, n, 0, f"{n}", "event", n, (), {})
        action = OwedAction(f"a/k/{n}", f"lane {n}", "do", {}, "a", key, n, 0, n, 1, 1, None, {})
        emitted = Row(0, n, Kind.EMITTED, f"emitted {n}", "E", {"n": n})
        return Change(
            n, n, "h", cells={CellId("loop:a", key): n}, firings=[firing], emitted=[emitted], actions=[action]
        )

    def assert_one_state(self, store: SqliteStore) -> int:
        """Position, cell, firings, emitted rows and owed actions must tell of the same events."""
        position = store.reader("rules")
        assert dict(store.load()) == ({CellId("loop:a", ("k",)): position} if position else {})
        done = list(range(1, position + 1))
        assert [record.firing.position for record in store.firings()] == done
        assert store.firing_counts() == ({"a": position} if position else {})
        assert [r.payload["n"] for r in store.read(0, 10_000).rows if r.kind is Kind.EMITTED] == done
        assert [action.position for action in store.owed(10_000)] == done
        return position

    def run(self, store: SqliteStore, say: Say, until: int = 40) -> None:
        """Take over and commit the changes that are still to do."""
        lease = store.acquire("rules", f"{os.getpid()}", 60_000)
        assert lease is not None, "the role of a dead process is free at once"
        at = store.reader("rules", start=0)
        while at < until:
            store.commit(lease, at, self.step(at + 1))
            at += 1
            say(at)
        store.release(lease)


@pytest.fixture
def engine() -> EngineRun:
    """An engine that counts."""
    return EngineRun()


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
