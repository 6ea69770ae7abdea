"""A store that lives in memory: for tests and virtual time. Same promises, but for durability."""

from __future__ import annotations

import os
import threading
import uuid
import weakref
from collections.abc import Callable
from typing import Any

from rules_engine.engine.decision import OwedAction, Verdict
from rules_engine.store.clock import wall_ms
from rules_engine.store.memory.state import MemoryState
from rules_engine.store.port import FiringRecord, Info, Limits
from rules_engine.store.records import decode, encode, encode_key, expiry_reason, firing_of


class MemoryStore(MemoryState):
    """Everything in dictionaries under one lock. `clock` gives the wall clock in milliseconds."""

    def __init__(self, clock: Callable[[], int] = wall_ms) -> None:
        super().__init__(clock)
        self._log_id = uuid.uuid4().hex
        self._rules: dict[str, dict[str, str]] = {}
        self._facts: dict[str, str] = {}
        _stores.add(self)

    def after_fork(self) -> None:
        """Begin with a free lock: the thread that held it does not exist in the child."""
        self._changed = threading.Condition(threading.RLock())

    # -- opening

    def open(self) -> None:
        """See `Store.open`."""
        self._closed = False

    def close(self) -> None:
        """See `Store.close`. What is stored stays as long as this object."""
        with self._changed:
            self._closed = True
            self._hint()

    def info(self) -> Info:
        """See `Store.info`."""
        with self._changed:
            limits = []
            if self._window.truncated:
                limits.append(f"dedup window: {self._window.truncated} rows left it early")
            if self._is_full():
                limits.append("log: a pinned reader holds more rows than the limit")
            head, size = self._head(), sum(len(event.body) for _, _, event in self._rows)
            first = self._rows[0][0] if self._rows else 0
            time_ms = self._rows[-1][1] if self._rows else 0
            return Info("memory:", self._log_id, first, head, time_ms, size, "none", tuple(limits))

    # -- looking in

    def keep_rules(self, hash: str, texts: dict[str, str]) -> None:
        """See `Store.keep_rules`."""
        with self._changed:
            self._rules.setdefault(hash, dict(texts))

    def rules(self, hash: str) -> dict[str, str] | None:
        """See `Store.rules`."""
        with self._changed:
            texts = self._rules.get(hash)
            return None if texts is None else dict(texts)

    def firings(
        self,
        loop: str | None = None,
        *,
        since_ms: int | None = None,
        until_ms: int | None = None,
        after: tuple[int, int] = (0, -1),
        limit: int = 1_000,
    ) -> list[FiringRecord]:
        """See `Store.firings`."""
        with self._changed:
            found = sorted(
                (number, line)
                for number, line in self._firings.items()
                if number > after
                and loop in (None, line[0])
                and (since_ms is None or line[2] >= since_ms)
                and (until_ms is None or line[2] < until_ms)
            )
        return [
            FiringRecord(firing_of(name, key, *number, time_ms, body), rules)
            for number, (name, key, time_ms, rules, body) in found[:limit]
        ]

    def firing_counts(self) -> dict[str, int]:
        """See `Store.firing_counts`."""
        with self._changed:
            return dict(self._fired)

    def verdict(self, loop: str, key: tuple[Any, ...]) -> Verdict | None:
        """See `Store.verdict`."""
        with self._changed:
            return self._verdicts.get((loop, encode_key(key)))

    def put_fact(self, name: str, value: Any) -> None:
        """See `Store.put_fact`."""
        with self._changed:
            if value is None:
                self._facts.pop(name, None)
            else:
                self._facts[name] = encode(value)

    def fact(self, name: str) -> Any:
        """See `Store.fact`."""
        with self._changed:
            return decode(self._facts.get(name, "null"))

    def facts(self, prefix: str) -> dict[str, Any]:
        """See `Store.facts`."""
        with self._changed:
            return {
                name: decode(body) for name, body in sorted(self._facts.items()) if name.startswith(prefix)
            }

    # -- housekeeping

    def prune(self, limits: Limits, budget: int) -> int:
        """See `Store.prune`."""
        with self._changed:
            left = budget
            for slice_of in (self._prune_log, self._prune_firings, self._prune_letters, self._expire):
                left -= slice_of(limits, left)
            return budget - left

    def _prune_log(self, limits: Limits, budget: int) -> int:
        self._log_limit = limits.log_rows
        keep = len(self._rows) if limits.log_rows is None else limits.log_rows
        if limits.log_age_ms is not None:
            oldest_ms = self.now_ms() - limits.log_age_ms
            keep = min(keep, sum(time_ms > oldest_ms for _, time_ms, _ in self._rows))
        gone = min(self._prunable(keep), budget)
        del self._rows[:gone]
        self._pruned += gone
        return gone

    def _prune_firings(self, limits: Limits, budget: int) -> int:
        old = set()
        if limits.firing_age_ms is not None:
            oldest_ms = self.now_ms() - limits.firing_age_ms
            old |= {number for number, line in self._firings.items() if line[2] <= oldest_ms}
        if limits.firings_per_loop is not None:
            for loop in self._fired:
                newest = sorted((n for n, line in self._firings.items() if line[0] == loop), reverse=True)
                old |= set(newest[limits.firings_per_loop :])
        gone = sorted(old)[:budget]
        for number in gone:
            del self._firings[number]
        return len(gone)

    def _prune_letters(self, limits: Limits, budget: int) -> int:
        surplus = 0 if limits.letters is None else len(self._letters) - limits.letters
        gone = sorted(self._letters)[: max(0, min(surplus, budget))]
        for number in gone:
            del self._letters[number]
        return len(gone)

    def _expire(self, limits: Limits, budget: int) -> int:
        if limits.action_age_ms is None:
            return 0
        now_ms = self.now_ms()
        waiting = self._lanes.waiting()
        late = [action for action in waiting if action.time_ms <= now_ms - limits.action_age_ms][:budget]
        for action in late:
            self._give_up(action, self._expiry(action), self._lanes.attempts(action), now_ms)
        return len(late)

    def _expiry(self, action: OwedAction) -> str:
        head = self._lanes.head(action.lane)
        return expiry_reason(None if head is action else head.idempotency_key)


_stores: weakref.WeakSet[MemoryStore] = weakref.WeakSet()


def _after_fork() -> None:
    for store in _stores:
        store.after_fork()


os.register_at_fork(after_in_child=_after_fork)
