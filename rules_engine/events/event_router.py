"""The event router: publish, subscribe, and look in. Start here.

await publish("MODEL_PROMOTED", {"config_key": "hex8_2p", "elo": 1850}, source="promotion_controller")
get_router().subscribe("MODEL_PROMOTED", on_promoted)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from rules_engine.event import Event
from rules_engine.events.data_bus import EventBus, get_event_bus
from rules_engine.events.deprecation import warn_once
from rules_engine.events.errors import (
    Backpressure,
    HandlerTimeout,
    PayloadNotEncodable,
    PayloadRefused,
    RunawayChain,
    UnknownEventType,
)
from rules_engine.events.event_forms import DataEvent, StageCompletionResult, StageEvent
from rules_engine.events.handler_call import Callback
from rules_engine.events.lifecycle import configure, get_router, reset_router
from rules_engine.events.payload_check import EventSchema, FieldSchema
from rules_engine.events.publication import Publication, Receipt
from rules_engine.events.registry import Listener
from rules_engine.events.router import UnifiedEventRouter
from rules_engine.store.port import MaybeStored, StoreError

__all__ = [
    "Backpressure",
    "CoordinatorStats",
    "DataEvent",
    "Event",
    "EventBus",
    "EventRouter",
    "EventSchema",
    "EventSource",
    "FieldSchema",
    "HandlerTimeout",
    "MaybeStored",
    "PayloadNotEncodable",
    "PayloadRefused",
    "Publication",
    "Receipt",
    "RouterEvent",
    "RunawayChain",
    "StageCompletionResult",
    "StageEvent",
    "StoreError",
    "UnifiedEventRouter",
    "UnknownEventType",
    "configure",
    "delivery_report",
    "emit",
    "get_coordinator_stats",
    "get_event_bus",
    "get_event_coordinator",
    "get_event_payload",
    "get_event_stats",
    "get_router",
    "has_subscribers",
    "publish",
    "publish_sync",
    "reset_router",
    "start_coordinator",
    "stop_coordinator",
    "subscribe",
    "subscribe_many",
    "unsubscribe",
    "validate_event_flow",
    "validate_event_wiring",
]

#: Other names of the same things.
EventRouter = UnifiedEventRouter
RouterEvent = Event


class EventSource(StrEnum):
    """Which bus an event came in from. There is one log now: everything comes from the router."""

    DATA_BUS = "data_bus"
    STAGE_BUS = "stage_bus"
    CROSS_PROCESS = "cross_process"
    ROUTER = "router"


def publish(
    event_type: object, payload: Mapping[str, Any] | None = None, source: str = "", **options: Any
) -> Publication:
    """Publish an event with the router of this process; see `UnifiedEventRouter.publish`."""
    return get_router().publish(event_type, payload, source, **options)


emit = publish


def publish_sync(*event: Any, **options: Any) -> Publication:
    """Older spelling of `publish`, which works without a loop as it is."""
    return get_router().publish_sync(*event, **options)


def subscribe(event_type: object, callback: Callback, **options: Any) -> Listener:
    """Call `callback(event)` for each event of this type; see `UnifiedEventRouter.subscribe`."""
    return get_router().subscribe(event_type, callback, **options)


def subscribe_many(event_types: Any, callback: Callback, **options: Any) -> Listener:
    """One subscription to several types; see `UnifiedEventRouter.subscribe_many`."""
    return get_router().subscribe_many(event_types, callback, **options)


def unsubscribe(event_type: object, callback: Callback) -> bool:
    """End a subscription; tells whether there was one."""
    return get_router().unsubscribe(event_type, callback)


def has_subscribers(event_type: object) -> bool:
    """Whether anybody in this process listens to this event."""
    return get_router().has_subscribers(event_type)


def validate_event_flow() -> dict[str, Any]:
    """Health and delivery of this process: `healthy` with `issues`."""
    return get_router().validate_event_flow()


def delivery_report() -> dict[str, Any]:
    """Orphans, dead subscriptions, unknown names and more; see `UnifiedEventRouter.delivery_report`."""
    return get_router().delivery_report()


def validate_event_wiring() -> list[dict[str, str]]:
    """Who does not listen to what it should; see `UnifiedEventRouter.validate_event_wiring`."""
    return get_router().validate_event_wiring()


def get_event_stats() -> dict[str, Any]:
    """Counters of this process."""
    return get_router().get_stats()


def get_event_payload(event: Any) -> dict[str, Any]:
    """The payload of an Event, a DataEvent, a stage result, or a plain dict with or without `payload`."""
    if isinstance(event, StageCompletionResult):
        return event.to_dict()
    payload = event.get("payload", event) if isinstance(event, Mapping) else getattr(event, "payload", None)
    if not isinstance(payload, Mapping):
        raise TypeError(f"{type(event).__name__} is no event with a payload")
    return dict(payload)


# ---- names of the older coordinator ----------------------------------------------------------------


@dataclass
class CoordinatorStats:
    """Statistics in the shape of the older coordinator."""

    events_bridged_data_to_cross: int = 0
    events_bridged_stage_to_cross: int = 0
    events_bridged_cross_to_data: int = 0
    events_dropped: int = 0
    last_bridge_time: str | None = None
    errors: list[str] = field(default_factory=list)
    start_time: str | None = None
    is_running: bool = False


def get_event_coordinator() -> UnifiedEventRouter:
    """Older name of `get_router`."""
    warn_once("get_event_coordinator()", "get_router()")
    return get_router()


async def start_coordinator() -> bool:
    """Older start; there is nothing to start."""
    warn_once("start_coordinator()", "get_router()")
    get_router()
    return True


async def stop_coordinator() -> None:
    """Older stop."""
    warn_once("stop_coordinator()", "reset_router()")
    reset_router()


def get_coordinator_stats() -> CoordinatorStats:
    """Statistics in the older shape."""
    warn_once("get_coordinator_stats()", "get_event_stats()")
    router = get_router()
    return CoordinatorStats(
        events_bridged_data_to_cross=router.statistics.published.total(),
        events_dropped=router.writer.refused,
        errors=router.get_health_status()["reasons"],
        start_time=datetime.fromtimestamp(router.statistics.started, UTC).isoformat(),
        is_running=True,
    )
