"""The log of one database as a queue: append, read after a position, named readers that acknowledge."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from functools import cache, partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from rules_engine.event import Row
from rules_engine.events.checked_text import checked_text
from rules_engine.events.deprecation import warn_once
from rules_engine.events.feed import HEARD_KINDS
from rules_engine.events.handler_call import running_loop
from rules_engine.events.lifecycle import get_router
from rules_engine.events.router import UnifiedEventRouter
from rules_engine.store.port import Gap, Store

DEFAULT_RETENTION_HOURS = 24
#: Reading goes on in steps of this many rows until enough wanted ones are found or the log ends.
_PAGE_ROWS = 500


@dataclass(frozen=True)
class CrossProcessEvent:
    """An event of the log. `event_id` is its position, `created_at` seconds since the epoch."""

    event_id: int
    event_type: str
    payload: dict[str, Any]
    source: str
    created_at: float
    hostname: str

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Row) -> CrossProcessEvent:
        """From a row of the log."""
        return cls(row.seq, row.type, row.payload, row.source, row.time_ms / 1000, hostname())


class Batch(list[CrossProcessEvent]):
    """Polled events. `last_id` is the position to go on from, `gap` what was pruned unread."""

    def __init__(self, events: Iterable[CrossProcessEvent], last_id: int, gap: Gap | None) -> None:
        super().__init__(events)
        self.last_id = last_id
        self.gap = gap


class CrossProcessEventQueue:
    """The log of one database; by default that of this process's router.

    `retention_hours` means nothing here any more: how long events are kept is a setting of the daemon.
    """

    def __init__(
        self, db_path: str | Path | None = None, retention_hours: int = DEFAULT_RETENTION_HOURS
    ) -> None:
        del retention_hours
        self._own = UnifiedEventRouter(db_path) if db_path is not None else None
        self._filters: dict[str, frozenset[str] | None] = {}

    @property
    def router(self) -> UnifiedEventRouter:
        """The router over the queue's database."""
        return self._own or get_router()

    @property
    def _store(self) -> Store:
        return self.router.store()

    # -- in

    def publish(
        self, event_type: object, payload: Mapping[str, Any] | None = None, source: str = "", **options: Any
    ) -> int:
        """Append an event; durable on return. Returns its position (of the earlier one, for a duplicate).

        Blocks also inside an event loop: there, `await publish_async(...)`.
        Raises as the router's publish does, and `StoreError`.
        """
        if running_loop() is not None:
            warn_once("a blocking push inside an event loop", "the awaitable form, push_event_async()")
        options.setdefault("retry", False)
        return self._position(self.router.publish(event_type, payload, source, **options).result()["seq"])

    push = publish

    async def publish_async(
        self, event_type: object, payload: Mapping[str, Any] | None = None, source: str = "", **options: Any
    ) -> int:
        """The awaitable form of `publish`."""
        options.setdefault("retry", False)
        receipt = await self.router.publish(event_type, payload, source, **options)
        return self._position(receipt["seq"])

    @staticmethod
    def _position(seq: Any) -> int:
        return int(seq)

    # -- out

    def poll(
        self,
        subscriber_id: str | None = None,
        event_types: Iterable[object] | None = None,
        limit: int = 100,
        since_event_id: int | None = None,
        *,
        since_id: int | None = None,
    ) -> Batch:
        """Events after a position, or those that a named reader has not acknowledged, oldest first.

        `since_id` (0: from the beginning) needs no reader. A reader's types, given when it subscribed, hold
        unless `event_types` says otherwise.
        """
        types = self._types(event_types)
        gap: Gap | None = None
        if subscriber_id is not None:
            checked_text("a reader's id", subscriber_id)
            after = self._store.reader(subscriber_id, pinned=False)
            types = types if types is not None else self._filters.get(subscriber_id)
            after = max(after, since_event_id or 0, since_id or 0)
        else:
            after = _checked_position(since_id if since_id is not None else since_event_id or 0)
        found: list[CrossProcessEvent] = []
        while len(found) < limit:
            page = self._store.read(after, _PAGE_ROWS)
            gap = gap or page.gap
            for row in page.rows:
                after = row.seq
                if row.kind in HEARD_KINDS and (types is None or row.type in types):
                    found.append(CrossProcessEvent.from_row(row))
                    if len(found) == limit:
                        break
            else:
                after = max(after, page.next)
                if not page.rows and page.gap is None:
                    break
        return Batch(found, after, gap)

    async def poll_async(self, *arguments: Any, **options: Any) -> Batch:
        """The awaitable form of `poll`."""
        return await asyncio.to_thread(partial(self.poll, *arguments, **options))

    # -- named readers

    def subscribe(
        self, process_name: str, event_types: Iterable[object] | None = None, stable: bool = False
    ) -> str:
        """Make a reader that begins at the head; returns its id.

        A `stable` reader keeps its place under `process_name` over restarts; others are new each time.
        """
        checked_text("a reader's name", process_name)
        reader = process_name if stable else f"{process_name}-{os.getpid()}-{uuid4().hex[:8]}"
        self._filters[reader] = self._types(event_types)
        self._store.reader(reader, pinned=False)
        return reader

    def ack(self, subscriber_id: str, event_id: int) -> bool:
        """Be done with all events up to this position; False if the reader was past it already.

        `ValueError` for a position that no event has yet: the reader would never hear that event.
        """
        checked_text("a reader's id", subscriber_id)
        head = self._store.info().head
        if _checked_position(event_id) > head:
            raise ValueError(f"position {event_id} is beyond the end of the log, which is {head}")
        while True:
            position = self._store.reader(subscriber_id, pinned=False)
            if event_id <= position:
                return False
            if self._store.ack(subscriber_id, position, event_id):
                return True

    def ack_batch(self, subscriber_id: str, event_ids: Iterable[int]) -> int:
        """Be done with all events up to the highest of these; returns how many of them were news."""
        wanted = sorted(event_ids)
        if not wanted:
            return 0
        position = self._store.reader(subscriber_id, pinned=False)
        self.ack(subscriber_id, wanted[-1])
        return sum(event_id > position for event_id in wanted)

    async def ack_async(self, subscriber_id: str, event_id: int) -> bool:
        """The awaitable form of `ack`."""
        return await asyncio.to_thread(self.ack, subscriber_id, event_id)

    def get_last_acked_event_id(self, subscriber_id: str) -> int:
        """The position of a reader."""
        return self._store.reader(subscriber_id, pinned=False)

    def get_pending_count(self, subscriber_id: str, event_types: Iterable[object] | None = None) -> int:
        """How many events wait for a reader."""
        count, after = 0, self.get_last_acked_event_id(subscriber_id)
        while batch := self.poll(subscriber_id, event_types, _PAGE_ROWS, after):
            count += len(batch)
            after = batch.last_id
        return count

    # -- the whole

    def get_stats(self) -> dict[str, Any]:
        """Size of the log and its readers."""
        info = self._store.info()
        return {
            "first_event_id": info.first,
            "last_event_id": info.head,
            "bytes": info.bytes,
            "readers": {reader.name: reader.position for reader in self._store.readers()},
        }

    def close(self) -> None:
        """Let go of a database of its own; the router's stays open."""
        if self._own is not None:
            self._own.close()

    def _types(self, given: Iterable[object] | None) -> frozenset[str] | None:
        if given is None:
            return None
        if isinstance(given, str | Enum) or not isinstance(given, Iterable):
            raise TypeError(f"event_types is a list of types: write [{given!r:.80}]")
        return frozenset(self.router.resolve(name) for name in given)


def _checked_position(given: object) -> int:
    if given is None:
        return 0
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise ValueError(f"a position in the log is an int from 0 on, not {given!r:.80}")
    return given


@cache
def hostname() -> str:
    return socket.gethostname()
