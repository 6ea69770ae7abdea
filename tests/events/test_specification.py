"""Every code block of the event system's specification, run as printed but for the package's name."""

from __future__ import annotations

import ast
import inspect
import logging
import warnings
from types import CodeType
from typing import Any

import pytest

from rules_engine.events.data_events import DataEventType
from rules_engine.events.event_router import UnifiedEventRouter, get_router, publish

PUBLISHING = """
from rules_engine.events.event_router import get_router, publish

# Method 1: Using publish() function (recommended)
await publish(
    DataEventType.TRAINING_COMPLETED,
    payload={"config_key": "hex8_2p", "success": True, "epoch": 50},
    source="training_daemon"
)

# Method 2: Using router directly
router = get_router()
await router.emit(
    DataEventType.MODEL_PROMOTED,
    payload={"model_path": "models/hex8_2p.pth", "elo": 1850},
    source="promotion_controller"
)
"""

SUBSCRIBING = """
from rules_engine.events.event_router import get_router
from rules_engine.events.data_events import DataEventType

router = get_router()

# Subscribe to single event type
async def on_training_completed(event: dict) -> None:
    config = event.get("payload", {}).get("config_key")
    logger.info(f"Training completed for {config}")

router.subscribe(DataEventType.TRAINING_COMPLETED, on_training_completed)

# Subscribe to multiple event types
router.subscribe_many([
    DataEventType.MODEL_PROMOTED,
    DataEventType.EVALUATION_COMPLETED,
], on_model_event)
"""

EMIT_FUNCTIONS = """
from rules_engine.events.data_events import (
    emit_training_completed,
    emit_model_promoted,
    emit_quality_degraded,
)

# These handle payload construction
emit_training_completed(config_key="hex8_2p", success=True)
emit_model_promoted(model_path="models/hex8_2p.pth", elo=1850)
emit_quality_degraded(config_key="hex8_2p", quality_drop_percent=25)
"""

CROSS_PROCESS = """
from rules_engine.events.cross_process_events import (
    CrossProcessEventQueue,
    push_event,
    poll_events,
)

# Push from one process
push_event(
    event_type="TRAINING_COMPLETED",
    payload={"config_key": "hex8_2p"},
    source_process="training_worker_1"
)

# Poll from another process
queue = CrossProcessEventQueue()
events = queue.poll(since_id=last_seen_id)
for event in events:
    process_event(event)
"""

DEDUPLICATION = """
# Same payload + event type = deduplicated (within 60s window)
await publish(DataEventType.MODEL_PROMOTED, {"model": "foo"})
await publish(DataEventType.MODEL_PROMOTED, {"model": "foo"})  # Deduplicated
await publish(DataEventType.MODEL_PROMOTED, {"model": "bar"})  # Different payload - emitted
"""

DAEMON = """
class MyDaemon:
    def __init__(self):
        router = get_router()
        router.subscribe(DataEventType.TRAINING_COMPLETED, self._on_training_completed)
        router.subscribe(DataEventType.HOST_OFFLINE, self._on_host_offline)

    async def _on_training_completed(self, event: dict) -> None:
        # Handle event
        pass
"""

MIGRATION = """
# OLD (still works, deprecated)
from rules_engine.events.data_events import EventBus
bus = EventBus()
bus.emit(DataEventType.TRAINING_COMPLETED, payload)

# NEW (recommended)
from rules_engine.events.event_router import publish
await publish(DataEventType.TRAINING_COMPLETED, payload, source="my_module")
"""


def compiled(block: str) -> CodeType:
    return compile(block, "specification", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def run(block: str, **names: Any) -> dict[str, Any]:
    space = {"DataEventType": DataEventType, **names}
    result = eval(compiled(block), space)
    if inspect.isawaitable(result):
        await result
    return space


def seen(router: UnifiedEventRouter) -> list[tuple[str, dict[str, Any], str]]:
    return [(event.type, event.payload, event.source) for event in router.get_history()]


async def test_publishing_events(router: UnifiedEventRouter) -> None:
    await run(PUBLISHING)
    assert seen(router) == [
        ("TRAINING_COMPLETED", {"config_key": "hex8_2p", "success": True, "epoch": 50}, "training_daemon"),
        ("MODEL_PROMOTED", {"model_path": "models/hex8_2p.pth", "elo": 1850}, "promotion_controller"),
    ]


async def test_subscribing_to_events(caplog: pytest.LogCaptureFixture) -> None:
    models: list[tuple[str, dict[str, Any]]] = []

    async def on_model_event(event: dict[str, Any]) -> None:
        models.append((event["event_type"], event["payload"]))

    await run(SUBSCRIBING, logger=logging.getLogger("app"), on_model_event=on_model_event)
    with caplog.at_level(logging.INFO, "app"):
        await publish(DataEventType.TRAINING_COMPLETED, {"config_key": "hex8_2p"})
        await publish(DataEventType.MODEL_PROMOTED, {"elo": 1850})
        await publish(DataEventType.EVALUATION_COMPLETED, {"elo": 1860})
    assert "Training completed for hex8_2p" in caplog.messages
    assert models == [("MODEL_PROMOTED", {"elo": 1850}), ("EVALUATION_COMPLETED", {"elo": 1860})]


@pytest.mark.parametrize("inside_a_loop", [False, True])
async def test_emit_functions(router: UnifiedEventRouter, inside_a_loop: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "never awaited" would be one
        if inside_a_loop:
            await run(EMIT_FUNCTIONS)
        else:
            import asyncio

            await asyncio.to_thread(exec, compiled(EMIT_FUNCTIONS), {})
    await asyncio_flush(router)
    assert [(name, payload) for name, payload, _ in seen(router)] == [
        ("TRAINING_COMPLETED", {"config_key": "hex8_2p", "success": True}),
        ("MODEL_PROMOTED", {"model_path": "models/hex8_2p.pth", "elo": 1850}),
        ("QUALITY_DEGRADED", {"config_key": "hex8_2p", "quality_drop_percent": 25}),
    ]


async def asyncio_flush(router: UnifiedEventRouter) -> None:
    import asyncio

    assert await asyncio.to_thread(router.flush)


async def test_cross_process_events() -> None:
    import asyncio

    processed: list[Any] = []
    space = {"last_seen_id": 0, "process_event": processed.append}
    await asyncio.to_thread(exec, compiled(CROSS_PROCESS), space)
    (event,) = processed
    assert event.event_id == 1
    assert event.event_type == "TRAINING_COMPLETED"
    assert event.payload == {"config_key": "hex8_2p"}
    assert event.source == "training_worker_1"
    assert event.hostname
    assert event.created_at == 1_700_000_000.0


async def test_event_deduplication(router: UnifiedEventRouter) -> None:
    heard: list[dict[str, Any]] = []
    router.subscribe(DataEventType.MODEL_PROMOTED, lambda event: heard.append(event["payload"]))
    await run(DEDUPLICATION, publish=publish)
    assert heard == [{"model": "foo"}, {"model": "bar"}]


async def test_daemon_wiring(router: UnifiedEventRouter) -> None:
    space = await run(DAEMON, get_router=get_router)
    heard: list[str] = []

    class Wired(space["MyDaemon"]):  # type: ignore[misc,name-defined]
        async def _on_training_completed(self, event: dict[str, Any]) -> None:
            heard.append(event["payload"]["config_key"])

        async def _on_host_offline(self, event: dict[str, Any]) -> None:
            heard.append(event["payload"]["host"])

    Wired()
    await publish(DataEventType.TRAINING_COMPLETED, {"config_key": "hex8_2p"})
    await publish(DataEventType.HOST_OFFLINE, {"host": "a"})
    assert heard == ["hex8_2p", "a"]


async def test_migration_from_legacy_systems(router: UnifiedEventRouter) -> None:
    with pytest.warns(DeprecationWarning, match="EventBus") as caught:
        await run(MIGRATION, payload={"config_key": "hex8_2p"})
    assert len(caught) == 1
    await asyncio_flush(router)
    # the second is the first again, within the window
    assert seen(router) == [("TRAINING_COMPLETED", {"config_key": "hex8_2p"}, "")]


@pytest.mark.parametrize(
    "name",
    [
        "TRAINING_STARTED",
        "TRAINING_COMPLETED",
        "TRAINING_FAILED",
        "TRAINING_LOSS_TREND",
        "TRAINING_LOSS_ANOMALY",
        "TRAINING_EARLY_STOPPED",
        "TRAINING_STALLED",
        "MODEL_PROMOTED",
        "MODEL_REGISTERED",
        "MODEL_DISTRIBUTED",
        "PROMOTION_CANDIDATE",
        "PROMOTION_FAILED",
        "EVALUATION_COMPLETED",
        "GAUNTLET_COMPLETED",
        "DATA_SYNC_COMPLETED",
        "DATA_SYNC_FAILED",
        "GAMES_GENERATED",
        "NPZ_EXPORTED",
        "QUALITY_SCORE_UPDATED",
        "QUALITY_DEGRADED",
        "HOST_ONLINE",
        "HOST_OFFLINE",
        "LEADER_ELECTED",
        "NODE_OVERLOADED",
        "CLUSTER_CAPACITY_CHANGED",
        "DAEMON_STARTED",
        "DAEMON_STOPPED",
        "DAEMON_STATUS_CHANGED",
        "SELFPLAY_COMPLETED",
        "EVALUATION_STARTED",
        "ELO_VELOCITY_CHANGED",
        "REGRESSION_DETECTED",
        "CURRICULUM_ADVANCED",
        "DATABASE_CREATED",
        "SYNC_COMPLETED",
    ],
)
def test_every_event_that_the_specification_names_exists(name: str, router: UnifiedEventRouter) -> None:
    assert router.resolve(DataEventType[name]) == name


def test_there_are_252_event_types() -> None:
    assert len(DataEventType) == 252
