"""For tests of programs that use the event system: `-p rules_engine.events.pytest_plugin`.

Each test gets a router of its own over a store in memory; nothing is written anywhere, and no event or
subscription goes from one test to the next.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rules_engine import store as stores
from rules_engine.events import cross_process_events, data_bus, stage_events
from rules_engine.events.lifecycle import configure, reset_router
from rules_engine.events.router import UnifiedEventRouter


@pytest.fixture(autouse=True)
def event_router() -> Iterator[UnifiedEventRouter]:
    """The router of this test; `get_router()` gives the same."""
    router = configure(db=stores.MEMORY)
    yield router
    cross_process_events.reset_event_queue()
    stage_events.reset_event_bus()
    data_bus.reset_event_bus()
    reset_router()
