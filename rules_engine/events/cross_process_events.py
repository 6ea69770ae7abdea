"""The log as a queue between processes: push in one, poll in another, named readers that acknowledge.

Positions in the log are ints; each function has an awaitable form whose name ends in `_async`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rules_engine.events.deprecation import warn_once
from rules_engine.events.handler_call import name_of
from rules_engine.events.process_queue import (
    DEFAULT_RETENTION_HOURS,
    Batch,
    CrossProcessEvent,
    CrossProcessEventQueue,
    hostname,
)
from rules_engine.events.registry import Listener


class CrossProcessEventPoller:
    """Calls handlers for events of the log, whichever process published them."""

    def __init__(
        self,
        process_name: str,
        event_types: Iterable[object] | None = None,
        poll_interval: float = 1.0,
        db_path: str | Path | None = None,
        stable: bool = False,
    ) -> None:
        del poll_interval  # handlers are woken by the log
        warn_once("CrossProcessEventPoller", "subscribe() of rules_engine.events.event_router")
        self._name = process_name
        self._types = None if event_types is None else list(event_types)
        self._queue = get_event_queue(db_path)
        self._stable = stable
        self._handlers: list[tuple[object, Callable[[CrossProcessEvent], Any]]] = []
        self._listeners: list[Listener] = []

    def register_handler(self, event_type: object, handler: Callable[[CrossProcessEvent], Any]) -> None:
        """A handler for a type, or for all of this poller's types with None."""
        self._handlers.append((event_type, handler))

    def start(self) -> None:
        """Begin."""
        for number, (event_type, handler) in enumerate(self._handlers):
            types = [event_type] if event_type is not None else self._types
            durable = f"{self._name}:{number}:{name_of(handler)}" if self._stable else None
            adapter = partial(_call, handler)
            router = self._queue.router
            if types is None:
                self._listeners.append(router.subscribe(None, adapter, durable=durable))
            else:
                self._listeners.append(router.subscribe_many(types, adapter, durable=durable))

    def stop(self, timeout: float = 5.0) -> None:
        """End; no new call starts."""
        del timeout
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()


def _call(handler: Callable[[CrossProcessEvent], Any], event: Any) -> Any:
    created = event["timestamp"]
    return handler(
        CrossProcessEvent(
            event["seq"], event["event_type"], event["payload"], event["source"], created, hostname()
        )
    )


__all__ = [
    "DEFAULT_RETENTION_HOURS",
    "Batch",
    "CrossProcessEvent",
    "CrossProcessEventPoller",
    "CrossProcessEventQueue",
    "ack_event",
    "ack_event_async",
    "ack_events",
    "bridge_to_cross_process",
    "get_event_queue",
    "poll_events",
    "poll_events_async",
    "publish_event",
    "push_event",
    "push_event_async",
    "reset_event_queue",
    "subscribe_process",
]

# ---- functions over the queue of this process ------------------------------------------------------

_queues: dict[str | None, CrossProcessEventQueue] = {}


def get_event_queue(db_path: str | Path | None = None) -> CrossProcessEventQueue:
    """The queue of a database; by default that of this process's router."""
    key = None if db_path is None else str(Path(db_path).absolute())
    if (queue := _queues.get(key)) is None:
        queue = _queues.setdefault(key, CrossProcessEventQueue(db_path))
    return queue


def reset_event_queue() -> None:
    """Close and forget all of them; the router stays."""
    while _queues:
        _queues.popitem()[1].close()


def push_event(
    event_type: object,
    payload: Mapping[str, Any] | None = None,
    source_process: str = "",
    *,
    source: str = "",
    db_path: str | Path | None = None,
    **options: Any,
) -> int:
    """Append an event; durable on return. Returns its position."""
    return get_event_queue(db_path).publish(event_type, payload, source or source_process, **options)


async def push_event_async(
    event_type: object,
    payload: Mapping[str, Any] | None = None,
    source_process: str = "",
    *,
    source: str = "",
    db_path: str | Path | None = None,
    **options: Any,
) -> int:
    """The awaitable form of `push_event`."""
    queue = get_event_queue(db_path)
    return await queue.publish_async(event_type, payload, source or source_process, **options)


def publish_event(
    event_type: object,
    payload: Mapping[str, Any] | None = None,
    source: str = "",
    db_path: str | Path | None = None,
) -> int:
    """Older spelling of `push_event`."""
    return get_event_queue(db_path).publish(event_type, payload, source)


def subscribe_process(
    process_name: str, event_types: Iterable[object] | None = None, db_path: str | Path | None = None
) -> str:
    """Make a reader; returns its id."""
    return get_event_queue(db_path).subscribe(process_name, event_types)


def poll_events(
    subscriber_id: str | None = None,
    event_types: Iterable[object] | None = None,
    limit: int = 100,
    db_path: str | Path | None = None,
    *,
    since_id: int | None = None,
) -> Batch:
    """Events after a position, or those a reader has not acknowledged."""
    return get_event_queue(db_path).poll(subscriber_id, event_types, limit, since_id=since_id)


async def poll_events_async(*arguments: Any, **options: Any) -> Batch:
    """The awaitable form of `poll_events`."""
    return await asyncio.to_thread(partial(poll_events, *arguments, **options))


def ack_event(subscriber_id: str, event_id: int, db_path: str | Path | None = None) -> bool:
    """Be done with all events up to this position."""
    return get_event_queue(db_path).ack(subscriber_id, event_id)


async def ack_event_async(subscriber_id: str, event_id: int, db_path: str | Path | None = None) -> bool:
    """The awaitable form of `ack_event`."""
    return await get_event_queue(db_path).ack_async(subscriber_id, event_id)


def ack_events(subscriber_id: str, event_ids: Iterable[int], db_path: str | Path | None = None) -> int:
    """Be done with all events up to the highest of these."""
    return get_event_queue(db_path).ack_batch(subscriber_id, event_ids)


def bridge_to_cross_process(event_type_value: str, payload: Mapping[str, Any], source: str = "") -> int:
    """Older spelling of `push_event`: every event crosses now."""
    warn_once("bridge_to_cross_process()", "publish(), which reaches every process")
    return get_event_queue().publish(event_type_value, payload, source)
