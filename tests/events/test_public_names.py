"""A6, A7 and A16: emit functions, the queue, legacy forms, histories, statistics, reports."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import warnings
from typing import Any

import pytest

from rules_engine.events import cross_process_events as queues
from rules_engine.events import data_events, event_emitters, event_router, stage_events
from rules_engine.events.cross_process_events import CrossProcessEvent, CrossProcessEventQueue, push_event
from rules_engine.events.data_events import DataEvent, DataEventType, EventBus
from rules_engine.events.deprecation import forget_warnings
from rules_engine.events.event_router import (
    Publication,
    StageCompletionResult,
    StageEvent,
    StoreError,
    UnifiedEventRouter,
    configure,
    get_event_payload,
    get_router,
    publish,
    reset_router,
)
from rules_engine.store.port import Limits, StoreBusy


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "event_router",
            """EventSource RouterEvent UnifiedEventRouter get_router reset_router publish publish_sync
            subscribe
            unsubscribe validate_event_flow get_event_stats get_event_bus CoordinatorStats
            get_event_coordinator start_coordinator stop_coordinator get_coordinator_stats""",
        ),
        (
            "data_events",
            """DataEventType DataEvent EventBus DataEventBus get_event_bus reset_event_bus emit_data_event
            emit_training_completed""",
        ),
        (
            "stage_events",
            """StageEvent StageCompletionResult StageEventBus get_event_bus reset_event_bus
            create_pipeline_callbacks register_standard_callbacks""",
        ),
        (
            "cross_process_events",
            """CrossProcessEvent CrossProcessEventQueue CrossProcessEventPoller get_event_queue
            reset_event_queue publish_event push_event subscribe_process poll_events ack_event ack_events
            bridge_to_cross_process""",
        ),
        (
            "event_normalization",
            "normalize_event_type is_canonical get_variants validate_event_names audit_event_usage",
        ),
        ("event_emitters", "emit_training_completed emit_model_promoted"),
    ],
)
def test_a16_the_public_names_exist(module: str, names: str) -> None:
    loaded = importlib.import_module(f"rules_engine.events.{module}")
    assert [name for name in names.split() if not hasattr(loaded, name)] == []


# ---- A6 ------------------------------------------------------------------------------------------


def test_a06_emit_functions_publish_with_and_without_a_loop(store: Any) -> None:
    assert isinstance(data_events.emit_training_completed(config_key="x", success=True), Publication)

    async def main() -> None:
        data_events.emit_model_promoted(model_path="a")
        await event_emitters.emit_model_promoted(model_path="b")

    asyncio.run(main())
    assert [row.payload for row in store.read(0, 10).rows] == [
        {"config_key": "x", "success": True}, {"model_path": "a"}, {"model_path": "b"},
    ]  # fmt: skip


def test_a06_there_is_one_for_each_event() -> None:
    names = {name for name, value in vars(event_emitters).items() if inspect.isfunction(value)}
    missing = [member.name for member in DataEventType if f"emit_{member.value}" not in names]
    assert missing == []


def test_a06_an_unknown_keyword_names_the_nearest() -> None:
    with pytest.raises(TypeError, match="config_key"):
        data_events.emit_training_completed(config_kee="x", success=True)


# ---- A7 ------------------------------------------------------------------------------------------


def test_a07_push_returns_its_position_and_is_durable(store: Any) -> None:
    assert [push_event("MODEL_PROMOTED", {"n": n}, source_process="w") for n in (1, 2)] == [1, 2]
    assert push_event("MODEL_PROMOTED", {"n": 2}) == 2  # a repeat: where the first one lies
    assert [row.source for row in store.read(0, 10).rows] == ["w", "w"]
    store.error = StoreBusy("process 7 holds the lock")
    with pytest.raises(StoreError, match="process 7"):
        push_event("MODEL_PROMOTED", {"n": 3})


def test_a07_poll_returns_later_events(clock: Any) -> None:
    for n in range(5):
        push_event("MODEL_PROMOTED" if n % 2 else "HOST_ONLINE", {"n": n}, "w")
    queue = CrossProcessEventQueue()
    assert [event.event_id for event in queue.poll()] == [1, 2, 3, 4, 5]
    assert [event.event_id for event in queue.poll(since_id=3)] == [4, 5]
    assert [event.event_id for event in queue.poll(since_id=None)] == [1, 2, 3, 4, 5]
    assert queue.poll(since_id=5) == []
    batch = queue.poll(since_id=0, limit=2)
    assert ([event.event_id for event in batch], batch.last_id, batch.gap) == ([1, 2], 2, None)
    assert [event.event_id for event in queue.poll(event_types=["model_promoted"])] == [2, 4]
    first = batch[0]
    assert (first.event_type, first.payload, first.source) == ("HOST_ONLINE", {"n": 0}, "w")
    assert first.created_at == clock.ms / 1000
    assert CrossProcessEvent(**first.to_dict()) == first
    for wrong in (-1, "1", True, 1.0):
        with pytest.raises(ValueError, match="position"):
            queue.poll(since_id=wrong)  # type: ignore[arg-type]


def test_a07_poll_reports_a_gap(store: Any) -> None:
    for n in range(10):
        push_event("MODEL_PROMOTED", {"n": n})
    store.prune(Limits(log_rows=4), 1_000)
    batch = CrossProcessEventQueue().poll(since_id=2)
    assert batch.gap is not None
    assert (batch.gap.first, batch.gap.last) == (3, 6)
    assert [event.event_id for event in batch] == [7, 8, 9, 10]
    assert CrossProcessEventQueue().poll(since_id=6).gap is None


def test_a07_named_readers_acknowledge() -> None:
    queue = CrossProcessEventQueue()
    push_event("HOST_ONLINE", {"before": True})
    reader = queue.subscribe("trainer", ["MODEL_PROMOTED"], stable=True)
    assert reader == "trainer"
    for n in range(4):
        push_event("MODEL_PROMOTED", {"n": n})
        push_event("HOST_ONLINE", {"n": n})
    assert [event.event_id for event in queue.poll(reader)] == [2, 4, 6, 8]
    assert queue.get_pending_count(reader) == 4
    assert queue.ack(reader, 4)
    assert not queue.ack(reader, 3)
    assert [event.event_id for event in queue.poll(reader)] == [6, 8]
    assert queue.ack_batch(reader, [6, 4, 8]) == 2
    assert queue.poll(reader) == []
    assert queue.get_last_acked_event_id(reader) == 8
    assert queue.subscribe("trainer", stable=True) == "trainer"
    assert queue.get_last_acked_event_id("trainer") == 8
    assert queue.subscribe("trainer") != queue.subscribe("trainer")


async def test_a07_awaitable_forms() -> None:
    assert await queues.push_event_async("MODEL_PROMOTED", {"n": 1}, "w") == 1
    assert [event.event_id for event in await queues.poll_events_async(since_id=0)] == [1]
    queue = queues.get_event_queue()
    reader = queue.subscribe("r", stable=True)
    await queue.publish_async("MODEL_PROMOTED", {"n": 2})
    assert [event.event_id for event in await queue.poll_async(reader)] == [2]
    assert await queue.ack_async(reader, 2)
    with pytest.warns(DeprecationWarning, match="inside an event loop"):
        push_event("MODEL_PROMOTED", {"n": 3})


def test_a07_a_queue_of_its_own_database(tmp_path: Any, store: Any) -> None:
    path = tmp_path / "queue.db"
    assert queues.publish_event("MODEL_PROMOTED", {"n": 1}, "w", path) == 1
    reader = queues.subscribe_process("p", None, path)
    assert push_event("model_promoted", {"n": 2}, db_path=path) == 2
    assert [event.event_id for event in queues.poll_events(reader, db_path=path)] == [2]
    assert queues.ack_event(reader, 2, path)
    assert queues.ack_events(reader, [2], path) == 0
    assert store.read(0, 10).rows == ()
    assert queues.get_event_queue(path).get_stats()["last_event_id"] == 2


# ---- A16: legacy forms -----------------------------------------------------------------------------


def test_a16_each_legacy_form_warns_once(router: UnifiedEventRouter) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            EventBus()
            router.publish_sync("MODEL_PROMOTED", {})
            router.publish("MODEL_PROMOTED", {}, route_to_data_bus=True)
            router.register_handler("MODEL_PROMOTED", print)
            data_events.emit_data_event("MODEL_PROMOTED", {}, bridge_cross_process=False)
    texts = [str(warning.message) for warning in caught]
    assert len(texts) == len(set(texts)) == 6
    assert all("still works" in text for text in texts)


@pytest.fixture
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


async def test_a16_the_data_bus(router: UnifiedEventRouter, quiet: None) -> None:
    bus = data_events.get_event_bus()
    assert bus is data_events.get_event_bus() is event_router.get_event_bus()
    heard: list[DataEvent] = []

    async def on_event(event: DataEvent) -> None:
        heard.append(event)

    bus.subscribe(DataEventType.MODEL_PROMOTED, on_event)
    assert bus.has_subscribers("model_promoted")
    assert bus.get_subscriber_count(DataEventType.MODEL_PROMOTED) == 1
    await bus.publish(DataEvent(DataEventType.MODEL_PROMOTED, {"n": 1}, source="s"))
    await publish("MODEL_PROMOTED", {"n": 2})
    assert [(event.event_type, event.payload) for event in heard] == [
        (DataEventType.MODEL_PROMOTED, {"n": 1}),
        (DataEventType.MODEL_PROMOTED, {"n": 2}),
    ]
    assert DataEvent.from_dict(heard[0].to_dict()) == heard[0]
    assert [event.payload["n"] for event in bus.get_history("MODEL_PROMOTED", limit=1)] == [2]
    assert bus.get_subscribed_event_types() == [DataEventType.MODEL_PROMOTED]
    assert bus.unsubscribe(DataEventType.MODEL_PROMOTED, on_event)
    assert not bus.unsubscribe(DataEventType.MODEL_PROMOTED, on_event)
    await bus.emit(DataEventType.HOST_ONLINE, {"host": "a"})
    assert bus.get_unsubscribed_published_types() == [DataEventType.HOST_ONLINE]
    assert len(heard) == 2
    bus.clear_history()
    assert bus.get_history() == []
    bus.reset_metrics()
    assert bus.get_observability_metrics()["events_published"] == 0
    assert bus.get_health_status()["healthy"]


async def test_a16_the_stage_bus(router: UnifiedEventRouter, store: Any, quiet: None) -> None:
    bus = stage_events.get_event_bus()
    heard: list[tuple[str, StageCompletionResult]] = []
    other: list[Any] = []

    async def on_stage(result: StageCompletionResult) -> None:
        heard.append(("async", result))

    def broken(result: StageCompletionResult) -> None:
        raise ValueError("broken")

    bus.subscribe(StageEvent.SELFPLAY_COMPLETE, on_stage)
    bus.subscribe(StageEvent.SELFPLAY_COMPLETE, broken)
    bus.subscribe(StageEvent.GPU_SELFPLAY_COMPLETE, other.append)  # the same data event, another stage
    bus.subscribe(StageEvent.ITERATION_COMPLETE, other.append)
    data: list[str] = []
    router.subscribe("SELFPLAY_COMPLETED", lambda event: data.append(event.payload["event"]))
    result = StageCompletionResult(
        StageEvent.SELFPLAY_COMPLETE, True, 3, games_generated=7, metadata={"x": 1}
    )
    assert await bus.emit(result) == 1
    assert heard == [("async", result)]
    assert other == []
    assert data == ["selfplay_complete"]
    (error,) = bus.get_callback_errors()
    assert "broken" in error["error"]
    bus.emit(StageCompletionResult(StageEvent.ITERATION_COMPLETE, True, 3))  # not awaited
    await bus.emit_and_wait(StageCompletionResult(StageEvent.GPU_SELFPLAY_COMPLETE, True, 4), timeout=5)
    assert [each.event for each in other] == [StageEvent.ITERATION_COMPLETE, StageEvent.GPU_SELFPLAY_COMPLETE]
    assert [each.iteration for each in bus.get_history(limit=2)] == [3, 4]
    assert bus.get_stats()["emitted"] == 3
    assert bus.unsubscribe(StageEvent.SELFPLAY_COMPLETE, broken)
    assert bus.clear_subscribers() == 3
    stage_events.register_standard_callbacks(bus)
    assert all(bus.subscriber_count(stage) == 1 for stage in StageEvent)


def test_a16_the_older_coordinator(router: UnifiedEventRouter, quiet: None) -> None:
    assert event_router.get_event_coordinator() is router
    assert asyncio.run(event_router.start_coordinator())
    assert event_router.get_coordinator_stats().is_running
    asyncio.run(event_router.stop_coordinator())
    assert get_router() is not router


def test_a16_the_poller(router: UnifiedEventRouter, quiet: None) -> None:
    heard: list[CrossProcessEvent] = []
    poller = queues.CrossProcessEventPoller("trainer", ["MODEL_PROMOTED"])
    poller.register_handler(None, heard.append)
    poller.start()
    publish("MODEL_PROMOTED", {"n": 1})
    publish("HOST_ONLINE", {})
    poller.stop()
    publish("MODEL_PROMOTED", {"n": 2})
    assert [event.payload for event in heard] == [{"n": 1}]


def test_a16_payloads_of_all_forms() -> None:
    event = DataEvent("X", {"a": 1})
    assert get_event_payload(event) == get_event_payload({"payload": {"a": 1}}) == get_event_payload({"a": 1})
    assert get_event_payload(StageCompletionResult(StageEvent.SYNC_COMPLETE, True, 1))["iteration"] == 1
    with pytest.raises(TypeError, match="no event"):
        get_event_payload(7)


# ---- A16: looking in -------------------------------------------------------------------------------


def test_a16_history_is_bounded_and_filtered(router: UnifiedEventRouter, clock: Any) -> None:
    for n in range(1_100):
        publish("MODEL_PROMOTED" if n % 2 else "HOST_ONLINE", {"n": n})
        clock.ms += 1_000
    assert len(router.get_history(limit=5_000)) == 1_000
    assert [event.payload["n"] for event in router.get_history(limit=3)] == [1_097, 1_098, 1_099]
    assert [event.payload["n"] for event in router.get_history("HOST_ONLINE", limit=2)] == [1_096, 1_098]
    since = clock.ms / 1000 - 2
    assert [event.payload["n"] for event in router.get_history(since=since)] == [1_098, 1_099]
    assert [event.payload["n"] for event in router.get_history(since=since + 0.001)] == [1_099]


def test_a16_history_is_bounded_in_bytes(router: UnifiedEventRouter) -> None:
    for n in range(12):
        publish("MODEL_PROMOTED", {"n": n, "text": "x" * 2_000_000})
    assert 1 <= len(router.get_history()) < 12


def test_a16_statistics_and_the_delivery_report(router: UnifiedEventRouter) -> None:
    router.subscribe("EVALUATION_COMPLETED", print)
    router.subscribe("HOST_ONLINE", lambda _: 1 / 0)
    for n in range(5):
        publish("MODEL_PROMOTED", {"n": n})
    for n in range(4):
        publish("MODEL_REGISTERED", {"n": n})
    for n in range(5):
        publish("TRAINING_COMPLETED", {"n": n})
    router.add_reader("rules", ["training_completed", "NODE_OVERLOADED"])
    publish("HOST_ONLINE", {})
    report = router.delivery_report()
    assert report["emitted_never_heard"] == ["MODEL_PROMOTED"]  # from the fifth on
    assert report["heard_never_emitted"] == ["EVALUATION_COMPLETED", "NODE_OVERLOADED"]
    assert [each["errors"] for each in report["errors"]] == [1]
    assert router.get_stats()["published"]["MODEL_PROMOTED"] == 5
    flow = router.validate_event_flow()
    assert not flow["healthy"]
    assert "MODEL_PROMOTED is emitted and never heard" in flow["issues"]
    assert router.has_subscribers("NODE_OVERLOADED")
    router.add_reader("rules", None)
    assert not router.has_subscribers("NODE_OVERLOADED")


def test_a15_the_router_is_never_none_and_can_be_chosen(tmp_path: Any) -> None:
    assert get_router() is get_router()
    with pytest.raises(ValueError, match="not both"):
        configure(db="a", store=object())  # type: ignore[arg-type]
    chosen = configure(db=tmp_path / "mine.db")
    assert chosen is get_router()
    assert not (tmp_path / "mine.db").exists()
    publish("MODEL_PROMOTED", {})
    assert (tmp_path / "mine.db").exists()
    reset_router()
    with pytest.raises(StoreError, match="closed"):
        chosen.publish("MODEL_PROMOTED", {})
    assert get_router() is not chosen


@pytest.mark.system
def test_a15_the_pytest_plugin_gives_each_test_a_store_in_memory(script: Any, tmp_path: Any) -> None:
    (tmp_path / "test_it.py").write_text(
        """
from rules_engine.events.event_router import get_router, publish

def test_one(event_router):
    assert get_router() is event_router
    assert publish("MODEL_PROMOTED", {}).seq == 1
    event_router.subscribe("MODEL_PROMOTED", print)

def test_two():
    assert publish("MODEL_PROMOTED", {}).seq == 1
    assert not get_router().has_subscribers("MODEL_PROMOTED")
"""
    )
    plugins = '"-p", "rules_engine.events.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:asyncio"'
    done = script(f"import pytest; raise SystemExit(pytest.main(['-q', {plugins}, 'test_it.py']))")
    assert "2 passed" in done.stdout
    assert not (tmp_path / ".rules-engine").exists()


@pytest.mark.parametrize("way", ["module", "router"])
def test_a16_a_warning_points_at_the_program_that_used_the_older_form(
    router: UnifiedEventRouter, way: str
) -> None:
    forget_warnings()
    call = event_router.publish_sync if way == "module" else router.publish_sync
    with pytest.warns(DeprecationWarning, match="publish_sync") as told:
        call("MODEL_PROMOTED", {})
    assert [one.filename for one in told] == [__file__]
