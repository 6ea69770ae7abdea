"""The two stores are told the same things in any order, and must say the same."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rules_engine.engine.decision import CellId, Firing, OwedAction, Verdict
from rules_engine.event import Kind, Row
from rules_engine.store.memory import MemoryStore
from rules_engine.store.port import (
    Change,
    Control,
    Dead,
    Done,
    Fenced,
    Letter,
    Limits,
    NewEvent,
    PinnedControl,
    Retry,
    Store,
    StoreError,
    StoreFull,
)
from rules_engine.store.sqlite import SqliteStore
from rules_engine.store.sqlite.machine import Machine

NAMES = st.sampled_from(["a", "b", "c"])
SMALL = st.integers(0, 4)
KEYS = st.sampled_from([(), (1,), ("1",), ("x", 2.5)])
JSON = st.recursive(st.none() | st.booleans() | st.integers(-5, 5) | st.text("aé", max_size=2), st.lists)
LOOPS = st.sampled_from(["heat", "cool"])
EVENTS = st.builds(
    NewEvent,
    id=st.text("ab", min_size=1, max_size=2),
    type=NAMES,
    body=st.sampled_from([b"{}", b'{"x": [1, null]}']),
    dedup=st.none() | st.sampled_from([b"1", b"2"]),
    dedup_window_ms=st.sampled_from([0, 1, 1_000, 700_000]),
)
LIMITS = st.builds(
    Limits,
    log_age_ms=st.none() | st.sampled_from([0, 1_000]),
    log_rows=st.none() | st.integers(1, 5),
    firing_age_ms=st.none() | st.sampled_from([0, 1_000]),
    firings_per_loop=st.none() | st.integers(0, 3),
    letters=st.none() | st.integers(0, 3),
    action_age_ms=st.none() | st.sampled_from([0, 1_000]),
)


class Stores(RuleBasedStateMachine):
    """A store in memory and one in a file, on one clock."""

    def __init__(self) -> None:
        super().__init__()
        self.wall_ms, self.boot_ms, self.count = 1_800_000_000_000, 0, 0
        self.folder = Path(tempfile.mkdtemp())
        self.memory: Store = MemoryStore(lambda: self.wall_ms)
        self.file: Store = self.open_file()
        self.claims: list[Any] = []
        self.leases: list[Any] = []

    def open_file(self) -> Store:
        machine = Machine(lambda: self.wall_ms, lambda: self.boot_ms, "boot")
        return SqliteStore(self.folder / "events.db", durability="normal", machine=machine)

    def teardown(self) -> None:
        self.file.close()
        shutil.rmtree(self.folder)

    def both(self, ask: Callable[[Store], Any]) -> Any:
        """What both say, errors included."""
        said = []
        for store in (self.memory, self.file):
            try:
                said.append(ask(store))
            except (StoreFull, Fenced, StoreError) as error:
                said.append(type(error))
        assert said[0] == said[1]
        return said[0]

    @rule(ms=st.sampled_from([1, 999, 1_000, 600_000]))
    def advance(self, ms: int) -> None:
        self.wall_ms += ms
        self.boot_ms += ms

    @rule()
    def reopen(self) -> None:
        self.file.close()
        self.file = self.open_file()

    @rule(events=st.lists(EVENTS, max_size=4))
    def append(self, events: list[NewEvent]) -> None:
        self.both(lambda store: store.append(events))

    @rule(after=st.integers(0, 12), limit=st.integers(1, 5), back_ms=st.sampled_from([0, 1, 1_000]))
    def look_at_the_log(self, after: int, limit: int, back_ms: int) -> None:
        self.both(lambda store: store.read(after, limit))
        self.both(lambda store: store.seek(self.wall_ms - back_ms))

    @rule(name=NAMES, pinned=st.booleans(), start=st.none() | SMALL, old=SMALL, new=SMALL)
    def move_readers(self, name: str, pinned: bool, start: int | None, old: int, new: int) -> None:
        self.both(lambda store: store.reader(name, pinned=pinned, start=start))
        self.both(lambda store: store.ack(name, old, new))

    @rule(name=NAMES)
    def forget_reader(self, name: str) -> None:
        self.both(lambda store: store.forget_reader(name))

    @rule(role=NAMES, owner=NAMES, ttl_ms=st.sampled_from([1_000, 10**6]))
    def acquire(self, role: str, owner: str, ttl_ms: int) -> None:
        lease = self.both(lambda store: store.acquire(role, owner, ttl_ms))
        if lease is not None:
            self.leases.append(lease)

    @rule(n=SMALL, release=st.booleans())
    def renew_or_release(self, n: int, release: bool) -> None:
        if self.leases:
            lease = self.leases[n % len(self.leases)]
            self.both(lambda store: store.release(lease) if release else store.renew(lease, 1_000))

    @rule(n=SMALL, ahead_ms=st.sampled_from([-1, 0, 1]))
    def tick(self, n: int, ahead_ms: int) -> None:
        if self.leases:
            lease = self.leases[n % len(self.leases)]
            self.both(lambda store: store.tick(lease, self.wall_ms + ahead_ms))

    @rule(n=SMALL, off=st.sampled_from([0, 0, 0, 1]), step=st.integers(0, 2), data=st.data())
    def commit(self, n: int, off: int, step: int, data: st.DataObject) -> None:
        if not self.leases:
            return
        lease = self.leases[-1 - n % len(self.leases)]
        at = next((r.position for r in self.file.readers() if r.name == lease.role), 0)
        change = data.draw(self.changes(at + step))
        self.both(lambda store: store.commit(lease, at + off, change))

    @st.composite
    @staticmethod
    def _changes(draw: Any, machine: Stores, position: int) -> Change:
        machine.count += 1
        number, now = machine.count, machine.wall_ms
        loop, key = draw(LOOPS), draw(KEYS)
        cells = st.dictionaries(st.builds(CellId, st.just(f"loop:{loop}"), KEYS, NAMES), JSON, max_size=3)
        return Change(
            position,
            now,
            draw(NAMES),
            cells=draw(cells),
            firings=[
                Firing(loop, key, position, number * 10 + n, "e", "event", now, ({"k": n},), {})
                for n in range(draw(SMALL))
            ],
            emitted=[
                Row(0, now, Kind.EMITTED, f"e{number}.{n}", "E", {"n": n}, "s", None, "c", 1)
                for n in range(draw(st.integers(0, 2)))
            ],
            actions=[
                OwedAction(f"{draw(SMALL)}", draw(NAMES), draw(NAMES), {}, loop, key, 1, n, now, 1, 1, 5, {})
                for n in range(draw(SMALL))
            ],
            verdicts=[Verdict(loop, key, position, now, "fired", draw(NAMES))],
            letters=[Letter("step", loop, "broke", 1, {}, now)] * draw(st.integers(0, 1)),
            controls=[PinnedControl(position, number, now, "on", {"n": number})],
            answered=draw(st.lists(SMALL, max_size=2)),
        )

    def changes(self, position: int) -> st.SearchStrategy[Change]:
        return Stores._changes(self, position)

    @rule(kind=NAMES, body=st.dictionaries(NAMES, JSON, max_size=1))
    def ask(self, kind: str, body: dict[str, Any]) -> None:
        self.both(lambda store: store.ask(Control(kind, body)))

    @rule(names=st.none() | st.lists(NAMES), limit=SMALL)
    def claim(self, names: list[str] | None, limit: int) -> None:
        self.claims += self.both(lambda store: store.claim(names, "w", limit, 1_000, self.wall_ms))

    @rule(
        n=st.integers(0, 9),
        result=st.sampled_from([Done(), Dead("no"), None]),
        wait_ms=st.sampled_from([0, 500]),
    )
    def finish(self, n: int, result: Any, wait_ms: int) -> None:
        if self.claims:
            claim = self.claims[-1 - n % len(self.claims)]
            result = result or Retry(self.wall_ms + wait_ms, "not now")
            self.both(lambda store: store.finish(claim, result, self.wall_ms))

    @rule()
    def extend(self) -> None:
        self.both(lambda store: store.extend(self.claims[-3:], 1_500, self.wall_ms))

    @rule(n=st.integers(0, 5), retry=st.booleans())
    def settle(self, n: int, retry: bool) -> None:
        self.both(lambda store: store.settle(n, retry=retry, now_ms=self.wall_ms))

    @rule(limits=LIMITS, budget=st.integers(0, 6))
    def prune(self, limits: Limits, budget: int) -> None:
        self.both(lambda store: store.prune(limits, budget))

    @invariant()
    def they_look_the_same(self) -> None:
        self.both(lambda store: store.read(0, 1_000))
        self.both(lambda store: dict(store.load()))
        self.both(lambda store: store.firings())
        self.both(lambda store: store.owed(100))
        self.both(lambda store: store.letters(100))
        self.both(lambda store: store.now_ms())
        self.both(
            lambda store: (
                store.readers(),
                store.firing_counts(),
                store.action_counts(),
                store.asked(),
                store.controls(0, 100),
                store.verdict("heat", (1,)),
                store.info().head,
                store.info().first,
                [(h.owner, h.alive) if (h := store.holder(role)) else None for role in "abc"],
            )
        )


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=25, stateful_step_count=30, deadline=None, derandomize=True)
