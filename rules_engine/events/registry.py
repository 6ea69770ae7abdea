"""Who listens to what in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol

from rules_engine.events.feed import Item
from rules_engine.events.handler_call import Callback, Handler
from rules_engine.events.latch import Latch
from rules_engine.events.statistics import HandlerStats


class Listener(Protocol):
    """A subscription of either kind."""

    durable: str | None
    types: frozenset[str] | None
    handler: Handler
    stats: HandlerStats
    #: Opens when its last call has returned and it has let go of everything.
    ended: Latch

    @property
    def name(self) -> str:
        """The handler's name."""

    @property
    def closed(self) -> bool:
        """True once no new call will start."""

    @property
    def pending(self) -> int:
        """Events that wait for it."""

    @property
    def busy(self) -> bool:
        """Whether it is working off events in threads of ours: what an exit waits for."""

    def wants(self, name: str) -> bool:
        """Whether it listens to this event."""

    def offer(self, item: Item) -> None:
        """A row of the log, in order. Never blocks."""

    def narrow(self, name: str) -> None:
        """Listen to this event no longer."""

    def close(self) -> None:
        """No new call starts after this returns."""

    async def aclose(self) -> None:
        """Close, and wait for the running call."""


class Registry:
    """All subscriptions. Reading takes no lock: tables are replaced, never changed."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._listeners: tuple[Listener, ...] = ()
        self._by_type: dict[str, tuple[Listener, ...]] = {}
        self._readers: dict[str, frozenset[str]] = {}

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """All open subscriptions."""
        return self._listeners

    def of(self, name: str) -> tuple[Listener, ...]:
        """Those that listen to this event, in the order in which they were made."""
        table = self._by_type
        if (found := table.get(name)) is None:
            found = tuple(listener for listener in self._listeners if listener.wants(name))
            if len(table) < 10_000:
                table[name] = found
        return found

    def find_all(self, name: str | None, callback: Callback) -> list[Listener]:
        """The subscriptions of this callback to this event (None: to everything)."""
        return [
            listener
            for listener in self._listeners
            if listener.handler.callback == callback
            and (listener.types is None if name is None else name in (listener.types or ()))
        ]

    def find_durable(self, durable: str) -> Listener | None:
        """The subscription that serves this durable name here."""
        return next((listener for listener in self._listeners if listener.durable == durable), None)

    def add(self, listener: Listener) -> None:
        """It listens from now on."""
        with self._lock:
            self._listeners = (*self._listeners, listener)
            self._by_type = {}

    def remove(self, listener: Listener) -> None:
        """It listens no more; nothing happens if it did not."""
        with self._lock:
            self._listeners = tuple(other for other in self._listeners if other is not listener)
            self._by_type = {}

    def changed(self) -> None:
        """A subscription listens to fewer events than before."""
        with self._lock:
            self._by_type = {}

    # -- readers of the log that are no subscriptions

    def put_reader(self, name: str, types: Iterable[str] | None) -> None:
        """Somebody reads these events from the log itself (the rules); None: it does so no longer."""
        with self._lock:
            if types is None:
                self._readers = {other: heard for other, heard in self._readers.items() if other != name}
            else:
                self._readers = {**self._readers, name: frozenset(types)}

    def readers(self) -> dict[str, frozenset[str]]:
        """Who reads from the log itself, and what."""
        return self._readers

    def heard(self) -> set[str]:
        """All events that somebody here listens to by name."""
        heard: set[str] = set()
        for types in (
            *(listener.types or frozenset() for listener in self._listeners),
            *self._readers.values(),
        ):
            heard |= types
        return heard

    def is_heard(self, name: str) -> bool:
        """Whether anybody here listens to this event."""
        return bool(self.of(name)) or any(name in types for types in self._readers.values())
