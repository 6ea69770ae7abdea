"""What a process leaves in the store of how it listens: who hears what, and what went wrong.

Others find it there, so a report covers all processes of a database, those that have ended included. It
is a fact beside the log: nothing decides by it, and a process that cannot write it goes on without.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from rules_engine.events.delivery import PREFIX, empty_record
from rules_engine.events.expected import owners_of
from rules_engine.events.lazy_store import LazyStore
from rules_engine.events.registry import Listener, Registry
from rules_engine.events.statistics import HandlerStats, Statistics
from rules_engine.store.port import Store, StoreError

log = logging.getLogger("rules_engine.events")

#: A record is written anew this often, and when subscriptions have changed.
REFRESH_S = 30.0
#: Records of ended processes are kept so long, and at most so many of all.
KEPT_MS = 24 * 3_600_000
KEPT_RECORDS = 100
#: So much of each kind fits into a record.
_MOST = 100


class Presence:
    """The record of one router."""

    def __init__(
        self,
        store: LazyStore,
        registry: Registry,
        statistics: Statistics,
        unknown: Mapping[str, int],
        submit: Callable[[Callable[[], None]], None],
    ) -> None:
        self.name = f"{PREFIX}{os.getpid()}-{uuid4().hex[:8]}"
        #: Listeners that are meant to be there, see `expected`.
        self.expects: dict[str, tuple[str, ...]] = {}
        self._store = store
        self._registry = registry
        self._statistics = statistics
        self._unknown = unknown
        self._submit = submit
        self._told: object = None
        self._told_at = 0.0
        self._writing = False

    def record(self, now_ms: int, *, ended: bool = False) -> dict[str, Any]:
        """How this process listens now; a JSON value of bounded size."""
        statistics = self._statistics
        listeners = [_listening(listener) for listener in self._registry.listeners]
        listeners += [
            {"handler": name, "of": [name], "events": sorted(types), "durable": None, "stats": None}
            for name, types in self._registry.readers().items()
        ]
        program = Path(sys.argv[0]).name if sys.argv else ""
        return empty_record(program, now_ms) | {
            "ended": ended,
            "listeners": listeners[:_MOST],
            "gone": [_counts(stats) for stats in list(statistics.gone)[-_MOST:] if stats.errors],
            "expects": {name: list(events) for name, events in list(self.expects.items())[:_MOST]},
            "unknown_names": dict(Counter(dict(self._unknown)).most_common(_MOST)),
            "payload_findings": [
                [name, finding, count]
                for (name, finding), count in Counter(dict(statistics.payload_findings)).most_common(_MOST)
            ],
            "slow_inline": [[name, stack[-1_000:]] for name, stack in list(statistics.slow_inline)[-10:]],
        }

    def keep(self) -> None:
        """Write the record if it is time for it; often called, and never waits."""
        since_s = time.monotonic() - self._told_at
        changed = self._told is not self._registry.listeners
        if self._writing or since_s < 1 or not (changed or since_s >= REFRESH_S) or not self._store.exists:
            return
        self._writing = True
        self._submit(self._write)

    def leave(self) -> None:
        """Write it for the last time, if there is anything to say."""
        noted = self._unknown or self._statistics.payload_findings or self._registry.listeners
        if (self._told is not None or noted) and self._store.exists:
            self._write(ended=True)

    def _write(self, *, ended: bool = False) -> None:
        first, self._told, self._told_at = self._told is None, self._registry.listeners, time.monotonic()
        try:
            store = self._store()
            now_ms = store.now_ms()
            store.put_fact(self.name, self.record(now_ms, ended=ended))
            if first:
                _tidy(store, now_ms)
        except StoreError as error:
            log.debug("this process cannot tell of itself: %s", error)
        finally:
            self._writing = False


def _listening(listener: Listener) -> dict[str, Any]:
    return {
        "handler": listener.name,
        "of": owners_of(listener.handler.callback, listener.durable),
        "events": None if listener.types is None else sorted(listener.types),
        "durable": listener.durable,
        "stats": {**_counts(listener.stats), "pending": listener.pending},
    }


def _counts(stats: HandlerStats) -> dict[str, Any]:
    counts = stats.as_dict()
    return {**counts, "last_error": counts["last_error"] and counts["last_error"][:300]}


def _tidy(store: Store, now_ms: int) -> None:
    """Forget those who ended long ago, and the oldest when there are too many."""
    records = sorted(store.facts(PREFIX).items(), key=lambda one: -one[1]["seen_ms"])
    for place, (name, record) in enumerate(records):
        if place >= KEPT_RECORDS or now_ms - record["seen_ms"] > KEPT_MS:
            store.put_fact(name, None)
