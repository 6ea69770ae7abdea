"""The event types, a function to emit each of them, and the older data bus."""

from __future__ import annotations

from rules_engine.events.data_bus import EventBus, emit_data_event, get_event_bus, reset_event_bus
from rules_engine.events.event_forms import DataEvent
from rules_engine.events.generated.emitters import *  # noqa: F403 - one emit_ function for each event
from rules_engine.events.generated.event_types import DataEventType

#: The name used by the specification's text.
DataEventBus = EventBus

__all__ = [
    "DataEvent",
    "DataEventBus",
    "DataEventType",
    "EventBus",
    "emit_data_event",
    "get_event_bus",
    "reset_event_bus",
]
__all__ += [name for name in globals() if name.startswith("emit_") and name not in __all__]
