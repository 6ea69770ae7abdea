"""The engine's side of a store in memory: lease, cells, and the commit that writes all or nothing."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from rules_engine.engine.decision import CellId, Verdict
from rules_engine.store.memory.actions import MemoryActions
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

#: A firing as it lies in memory: loop, key, time, rule set and the rest.
FiringLine = tuple[str, str, int, str, str]


class MemoryState(MemoryActions):
    """State, firings, verdicts and controls."""

    def __init__(self, clock: Callable[[], int]) -> None:
        super().__init__(clock)
        self._leases: dict[str, tuple[Lease, int]] = {}
        self._tokens: Counter[str] = Counter()
        self._cells: dict[tuple[str, str, str], str] = {}
        self._firings: dict[tuple[int, int], FiringLine] = {}
        self._fired: Counter[str] = Counter()
        self._verdicts: dict[tuple[str, str], Verdict] = {}
        self._controls: list[PinnedControl] = []
        self._inbox: dict[int, Control] = {}
        self._control_ids = itertools.count(1)

    # -- the engine

    def acquire(self, role: str, owner: str, ttl_ms: int) -> Lease | None:
        """See `Store.acquire`."""
        with self._changed:
            if role in self._leases and self._leases[role][1] > self._clock():
                return None
            self._tokens[role] += 1
            lease = Lease(role, self._tokens[role], owner)
            self._leases[role] = (lease, self._clock() + ttl_ms)
            return lease

    def _holds(self, lease: Lease) -> bool:
        return lease.role in self._leases and self._leases[lease.role][0].token == lease.token

    def renew(self, lease: Lease, ttl_ms: int) -> bool:
        """See `Store.renew`."""
        with self._changed:
            if not self._holds(lease):
                return False
            self._leases[lease.role] = (lease, self._clock() + ttl_ms)
            return True

    def release(self, lease: Lease) -> None:
        """See `Store.release`."""
        with self._changed:
            if self._holds(lease):
                del self._leases[lease.role]

    def holder(self, role: str) -> LeaseInfo | None:
        """See `Store.holder`."""
        with self._changed:
            if role not in self._leases:
                return None
            lease, until_ms = self._leases[role]
            return LeaseInfo(lease.owner, os.getpid(), until_ms > self._clock())

    def load(self, prefix: str = "") -> Iterator[tuple[CellId, Any]]:
        """See `Store.load`."""
        with self._changed:
            cells = sorted(item for item in self._cells.items() if item[0][0].startswith(prefix))
        for (scope, key, part), body in cells:
            yield CellId(scope, decode_key(key), part), decode(body)

    def commit(self, lease: Lease, at: int, change: Change) -> None:
        """See `Store.commit`."""
        emitted = [emitted_event(row) for row in change.emitted]
        cells = [((c.scope, encode_key(c.key), c.part), v) for c, v in change.cells.items()]
        written = {name: encode(value) for name, value in cells if value is not None}
        firings = [(f, encode_key(f.key), firing_body(f)) for f in change.firings]
        with self._changed:
            if not self._holds(lease):
                raise Fenced(f"the lease for {lease.role!r} was taken over by another process")
            if not self.ack(lease.role, at, change.position):
                raise Fenced(f"reader {lease.role!r} is not at {at}, where this process left it")
            for name, value in cells:
                if value is None:
                    self._cells.pop(name, None)
            self._cells |= written
            for f, key, body in firings:
                self._firings[f.position, f.n] = (f.loop, key, f.time_ms, change.rules, body)
                self._fired[f.loop] += 1
            self._verdicts |= {(v.loop, encode_key(v.key)): v for v in change.verdicts}
            self.bury(change.letters)
            self._controls += change.controls
            for asked in change.answered:
                self._inbox.pop(asked, None)
            self._lanes.owe(change.actions)
            self._put(emitted, self.now_ms())

    def tick(self, lease: Lease, time_ms: int) -> int | None:
        """See `Store.tick`."""
        with self._changed:
            if not self._holds(lease):
                raise Fenced(f"the lease for {lease.role!r} was taken over by another process")
            now_ms = self.now_ms()
            if now_ms < time_ms or (self._rows and self._rows[-1][1] >= time_ms):
                return None
            self._put([tick_event(now_ms)], now_ms)
            return self._head()

    # -- operators

    def ask(self, control: Control) -> int:
        """See `Store.ask`."""
        with self._changed:
            number = next(self._control_ids)
            self._inbox[number] = Control(control.kind, decode(encode(control.body)), number)
            self._hint()
            return number

    def asked(self) -> list[Control]:
        """See `Store.asked`."""
        with self._changed:
            return list(self._inbox.values())

    def controls(self, after: int, limit: int) -> list[PinnedControl]:
        """See `Store.controls`."""
        with self._changed:
            late = (control for control in self._controls if control.after >= after)
            return sorted(late, key=lambda control: (control.after, control.n))[:limit]
