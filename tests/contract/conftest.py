"""Every store, on clocks that a test moves by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rules_engine.engine.decision import CellId, Firing, OwedAction
from rules_engine.event import Kind, Row
from rules_engine.store.memory import MemoryStore
from rules_engine.store.port import Change, Lease, NewEvent, Store
from rules_engine.store.sqlite import SqliteStore
from rules_engine.store.sqlite.machine import Machine

START_MS = 1_800_000_000_000


class World:
    """A store, its clocks, and the things tests put into it."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.wall_ms = START_MS
        self.boot_ms = 5_000
        self.store: Store
        if kind == "memory":
            self.store = MemoryStore(lambda: self.wall_ms)
        else:
            machine = Machine(lambda: self.wall_ms, lambda: self.boot_ms, "boot")
            self.store = SqliteStore(folder / "deep" / "events.db", durability="normal", machine=machine)
        self.store.open()

    def advance(self, ms: int) -> int:
        """Let time pass; the time it is then."""
        self.wall_ms += ms
        self.boot_ms += ms
        return self.wall_ms

    def event(self, name: str, type: str = "T", body: bytes = b"{}", **fields: Any) -> NewEvent:
        """Something to append."""
        return NewEvent(name, type, body, **fields)

    def append(self, *ids: str, **fields: Any) -> list[int]:
        """Append events; their places in the log."""
        return [answer.seq for answer in self.store.append([self.event(name, **fields) for name in ids])]

    def lease(self, role: str = "rules") -> Lease:
        """The engine's right to commit, with its reader at the beginning of the log."""
        lease = self.store.acquire(role, "test", 10_000)
        assert lease is not None
        self.store.reader(role, start=0)
        return lease

    def change(self, position: int, **fields: Any) -> Change:
        """What a commit writes."""
        return Change(position, self.wall_ms, "hash", **fields)

    def action(self, name: str, lane: str = "lane", action: str = "Pump.start") -> OwedAction:
        """Something owed, by its idempotency key."""
        return OwedAction(
            idempotency_key=name,
            lane=lane,
            action=action,
            arguments={"level": 0.5},
            loop="cooling",
            key=("hall", 3),
            position=1,
            n=0,
            time_ms=self.wall_ms,
            retries=3,
            every_ms=1_000,
            timeout_ms=None,
            trigger={"event_type": "HOT", "temperature": 90},
        )

    def owe(self, *actions: OwedAction) -> None:
        """Commit owed actions, with a lease of their own."""
        self.commit(actions=list(actions))

    def commit(self, **fields: Any) -> None:
        """Commit a change that moves no position, with a lease of its own."""
        lease = self.lease("helper")
        at = next(r.position for r in self.store.readers() if r.name == "helper")
        self.store.commit(lease, at, self.change(at, **fields))
        self.store.release(lease)
        self.store.forget_reader("helper")

    def firing(self, position: int, n: int = 0, loop: str = "cooling", time_ms: int | None = None) -> Firing:
        """A decision."""
        return Firing(
            loop=loop,
            key=("hall", 3),
            position=position,
            n=n,
            event_id=f"e{position}",
            cause="event",
            time_ms=self.wall_ms if time_ms is None else time_ms,
            effects=({"kind": "set", "knob": "speed", "key": [], "value": 0.9},),
            because={"temperature > 80": {"temperature": 90}},
            incomplete=False,
            shadow=True,
        )

    def emitted(self, id: str, type: str = "COOLED") -> Row:
        """A row that a loop emits."""
        return Row(0, 7, Kind.EMITTED, id, type, {"by": 2.5}, "rules", "e1", "e0", 3)

    def cell(self, scope: str, *key: Any, part: str = "") -> CellId:
        """The name of a piece of state."""
        return CellId(scope, key, part)

    def cells(self, prefix: str = "") -> dict[CellId, Any]:
        """All state."""
        return dict(self.store.load(prefix))

    def types(self, after: int = 0) -> list[str]:
        """The types of the rows in the log."""
        return [row.type for row in self.store.read(after, 1_000).rows]


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A fresh store of each kind."""
    made = World(request.param, tmp_path)
    yield made
    made.store.close()
