"""What this thread or task is handling now: the cause of whatever it publishes.

A publish made while an event is handled carries that event as its cause, and does not wait for other
handlers: they might wait for this one.
"""

from __future__ import annotations

from collections import OrderedDict
from contextvars import ContextVar
from threading import Lock

from rules_engine.event import Row
from rules_engine.events.errors import RunawayChain

#: The row whose handler runs in this context, None outside of handlers.
current_row: ContextVar[Row | None] = ContextVar("rules_engine_current_row", default=None)

#: A chain of handlers that answer each other may add so many events a minute, and no more.
MAX_CHAIN_EVENTS_PER_MINUTE = 1_000
_REMEMBERED_CHAINS = 1_000


class ChainBreaker:
    """Counts, per root event, what its handlers and their handlers publish; breaks a chain without end."""

    def __init__(self, limit: int = MAX_CHAIN_EVENTS_PER_MINUTE) -> None:
        self._limit = limit
        self._lock = Lock()
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def count(self, chain: str, now: float) -> None:
        """Count one event of a chain at `now` (seconds, steady clock); `RunawayChain` past the limit."""
        with self._lock:
            since, count = self._counts.pop(chain, (now, 0))
            if now - since >= 60:
                since, count = now, 0
            self._counts[chain] = since, min(count + 1, self._limit + 1)
            if len(self._counts) > _REMEMBERED_CHAINS:
                self._counts.popitem(last=False)
        if count >= self._limit:
            raise RunawayChain(
                f"the event {chain} has led to {self._limit} events within a minute: handlers answer each"
                " other without end; this one was not published"
            )
