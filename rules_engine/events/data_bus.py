"""The older data bus, as a front of the router. Its handlers get DataEvents."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from rules_engine.event import Event
from rules_engine.events.deprecation import warn_once
from rules_engine.events.event_forms import DataEvent, member
from rules_engine.events.lifecycle import get_router
from rules_engine.events.publication import Publication
from rules_engine.events.registry import Listener
from rules_engine.events.router import UnifiedEventRouter

#: Callbacks of a bus, each with what is subscribed in its place.
Adapters = dict[tuple[str | None, Any], Callable[[Event], Any]]


def as_data_event(event: Event) -> DataEvent:
    """An event in the older shape."""
    return DataEvent(member(event["event_type"]), event["payload"], event["timestamp"], event["source"])


def adapt(callback: Callable[..., Any], convert: Callable[[Event], Any]) -> Callable[[Event], Any]:
    """A handler that gives `callback` the converted event; async if the callback is."""
    if inspect.iscoroutinefunction(callback):

        @functools.wraps(callback)
        async def call_async(event: Event) -> Any:
            return await callback(convert(event))

        return call_async

    @functools.wraps(callback)
    def call(event: Event) -> Any:
        return callback(convert(event))

    return call


class EventBus:
    """The older bus of data events. `max_history` and `warn_unsubscribed` mean nothing any more."""

    def __init__(self, max_history: int = 1_000, warn_unsubscribed: bool = True) -> None:
        del max_history, warn_unsubscribed
        warn_once("EventBus", "publish() and subscribe() of rules_engine.events.event_router")
        self._adapters: Adapters = {}

    @property
    def _router(self) -> UnifiedEventRouter:
        return get_router()

    def publish(
        self,
        event: DataEvent | Any,
        payload: Mapping[str, Any] | None = None,
        source: str = "",
        **legacy: bool,
    ) -> Publication:
        """Publish a DataEvent, or a type with a payload. Works with and without `await`."""
        return self._router.publish(event, payload, source, **legacy)

    emit = publish
    publish_sync = publish

    def subscribe(self, event_type: object, callback: Callable[[DataEvent], Any]) -> Listener:
        """Call back with a DataEvent for each event of this type; None: of all types."""
        name = None if event_type is None else self._router.resolve(event_type)
        adapter = self._adapters.setdefault((name, callback), adapt(callback, as_data_event))
        return self._router.subscribe(name, adapter)

    def unsubscribe(self, event_type: object, callback: Callable[[DataEvent], Any]) -> bool:
        """End a subscription; tells whether there was one."""
        name = None if event_type is None else self._router.resolve(event_type)
        adapter = self._adapters.pop((name, callback), None)
        return adapter is not None and self._router.unsubscribe(name, adapter)

    def get_history(
        self, event_type: object = None, since: float | None = None, limit: int = 100
    ) -> list[DataEvent]:
        """Recent events, oldest first; `since` in seconds since the epoch."""
        return [as_data_event(event) for event in self._router.get_history(event_type, None, since, limit)]

    def clear_history(self) -> None:
        """Forget recent events."""
        self._router.statistics.clear_history()

    def has_subscribers(self, event_type: object) -> bool:
        """Whether anybody in this process listens."""
        return self._router.has_subscribers(event_type)

    def get_subscriber_count(self, event_type: object) -> int:
        """How many subscriptions an event has in this process."""
        return len(self._router.registry.of(self._router.resolve(event_type)))

    def get_subscribed_event_types(self) -> list[Any]:
        """Types that somebody in this process listens to."""
        return [member(name) for name in sorted(self._router.registry.heard())]

    def get_unsubscribed_published_types(self) -> list[Any]:
        """Types that this process has published and nobody in it has heard."""
        heard = self._router.registry.heard()
        return [member(name) for name in sorted(self._router.statistics.unheard) if name not in heard]

    def get_subscription_stats(self) -> dict[str, Any]:
        """How many subscriptions each event has."""
        heard = sorted(self._router.registry.heard())
        return {name: len(self._router.registry.of(name)) for name in heard}

    def get_observability_metrics(self) -> dict[str, Any]:
        """Counters of this process."""
        return self._router.get_stats()

    def get_health_status(self) -> dict[str, Any]:
        """Healthy or degraded, with reasons."""
        return self._router.get_health_status()

    def reset_metrics(self) -> None:
        """Zero the counters."""
        self._router.statistics.reset()


_bus: EventBus | None = None


def get_event_bus() -> EventBus:
    """The data bus of this process, never None."""
    global _bus
    if _bus is None:
        _bus = EventBus()
    return _bus


def reset_event_bus() -> None:
    """Forget it. The router and its subscriptions stay."""
    global _bus
    _bus = None


def emit_data_event(
    event_type: object, payload: Mapping[str, Any] | None = None, source: str = "", **legacy: bool
) -> Publication:
    """Older spelling of `publish`."""
    warn_once("emit_data_event()", "publish()")
    return get_router().publish(event_type, payload, source, **legacy)
