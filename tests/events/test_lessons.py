"""What went wrong in event systems of this kind, a test each where no other one shows it."""

from __future__ import annotations

import ast
import asyncio
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

import rules_engine
from rules_engine.config import settings
from rules_engine.events import cross_process_events, data_events, event_emitters, event_router, stage_events
from rules_engine.events.data_events import DataEventType
from rules_engine.events.event_router import (
    Event,
    PayloadRefused,
    StageCompletionResult,
    StageEvent,
    UnifiedEventRouter,
    UnknownEventType,
    publish,
)
from rules_engine.events.redelivery import MAX_ATTEMPTS

PACKAGE = Path(rules_engine.__file__).parent


@pytest.fixture
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def test_lesson_03_every_way_to_publish_reaches_the_same_listener(
    router: UnifiedEventRouter, quiet: None
) -> None:
    heard: list[int] = []
    router.subscribe(DataEventType.GAUNTLET_COMPLETED, lambda event: heard.append(event.payload["n"]))
    ways = [
        router.publish,
        router.emit,
        router.publish_sync,
        event_router.publish,
        event_router.emit,
        data_events.emit_data_event,
        data_events.EventBus().emit,
        data_events.EventBus().publish,
        cross_process_events.push_event,
        cross_process_events.publish_event,
        cross_process_events.bridge_to_cross_process,
    ]
    for n, way in enumerate(ways):
        way("gauntlet_completed", {"n": n})
    assert router.flush()
    assert heard == list(range(len(ways)))
    for way in ways:
        with pytest.raises(UnknownEventType, match="GAUNTLET_COMPLETED"):
            way("GAUNTLET_COMPLETD", {})


@pytest.mark.parametrize(("config_key", "fits"), [("hex8_2p", True), ("", False), (None, False)])
def test_lesson_07_an_empty_key_is_as_bad_as_none(config_key: str | None, fits: bool, store: Any) -> None:
    router = UnifiedEventRouter(store=store, config=settings(payload_check="strict"))
    payload = {"config_key": config_key, "board_type": None, "model_path": "m", "elo": 1.0}
    if fits:
        assert router.publish("EVALUATION_COMPLETED", payload).stored
    else:
        with pytest.raises(PayloadRefused, match=r"config_key is (the key and empty|required and missing)"):
            router.publish("EVALUATION_COMPLETED", payload)
    router.close()


def test_lesson_15_null_and_missing_are_the_same_to_the_schema_and_to_repeats(store: Any) -> None:
    publish("EVALUATION_COMPLETED", {"config_key": "a", "elo": None})
    assert publish("EVALUATION_COMPLETED", {"config_key": "a"}).duplicate_of
    assert store.info().head == 1
    strict = UnifiedEventRouter(store=store, config=settings(payload_check="strict"))
    with pytest.raises(PayloadRefused, match="config_key is required and missing"):
        strict.publish("CHECKPOINT_SAVED", {"config_key": None, "checkpoint_path": "c"})
    strict.close()


def test_lesson_20_there_is_one_emit_function_for_a_name_wherever_it_is_imported_from() -> None:
    names = [name for name in event_emitters.__all__ if name.startswith("emit_")]
    assert len(names) >= len(DataEventType)
    assert all(getattr(data_events, name) is getattr(event_emitters, name) for name in names)


async def test_lesson_23_the_same_verb_works_on_every_bus(router: UnifiedEventRouter, quiet: None) -> None:
    for bus in (router, event_router, data_events.get_event_bus(), stage_events.get_event_bus()):
        for verb in ("emit", "subscribe", "unsubscribe"):
            assert callable(getattr(bus, verb)), (bus, verb)
    assert await data_events.get_event_bus().emit("HOST_ONLINE", {"host": "a"})
    assert (
        await stage_events.get_event_bus().emit(StageCompletionResult(StageEvent.SYNC_COMPLETE, True, 1)) == 0
    )
    assert [event.type for event in router.get_history()] == ["HOST_ONLINE", "DATA_SYNC_COMPLETED"]


async def test_lesson_24_three_functions_of_one_name_give_a_bus_each_over_one_router(
    router: UnifiedEventRouter, quiet: None
) -> None:
    assert event_router.get_event_bus() is data_events.get_event_bus() is not None
    assert stage_events.get_event_bus() is not None
    heard: list[str] = []
    router.subscribe("HOST_ONLINE", lambda event: heard.append(event.payload["by"]))
    data_events.get_event_bus().subscribe("HOST_ONLINE", lambda event: heard.append(event.payload["by"]))
    await event_router.get_event_bus().emit("HOST_ONLINE", {"by": "bus"})
    await publish("HOST_ONLINE", {"by": "router"})
    assert sorted(heard) == ["bus", "bus", "router", "router"]


async def test_lesson_25_awaiting_what_is_not_to_be_awaited_raises_at_once(
    router: UnifiedEventRouter,
) -> None:
    with pytest.raises(TypeError, match="await"):
        await router.subscribe("HOST_ONLINE", print)  # type: ignore[misc]
    with pytest.raises(TypeError, match="await"):
        await router.unsubscribe("HOST_ONLINE", print)  # type: ignore[misc]
    assert await publish("HOST_ONLINE", {"host": "a"})  # with and without, as one likes
    publish("HOST_ONLINE", {"host": "b"})


async def test_lesson_28_a_store_that_blocks_does_not_block_the_loop(store: Any) -> None:
    free, inside = threading.Event(), threading.Event()
    append = store.append

    def slow(events: Any) -> Any:
        inside.set()
        assert free.wait(30)
        return append(events)

    store.append = slow
    publication = publish("HOST_ONLINE", {"host": "a"})
    assert await asyncio.to_thread(inside.wait, 10)
    turns = 0
    for _ in range(100):  # the loop turns while the append stands still
        await asyncio.sleep(0)
        turns += 1
    assert (turns, publication.durable.is_open) == (100, False)
    free.set()
    await publication
    assert publication.stored


def test_lesson_30_publishing_under_a_lock_that_the_handler_wants_is_no_deadlock(
    router: UnifiedEventRouter,
) -> None:
    lock, done = threading.Lock(), threading.Event()

    def on_event(_: Event) -> None:
        with lock:
            done.set()

    router.subscribe("HOST_ONLINE", on_event)
    with lock:
        publish("HOST_ONLINE", {"host": "a"})
        assert not done.is_set()
    assert done.wait(10)


async def test_lesson_36_equal_reports_of_two_nodes_are_two_events(router: UnifiedEventRouter) -> None:
    heard: list[str] = []
    router.subscribe("NODE_UNHEALTHY", lambda event: heard.append(event.payload["node_id"]))
    for node in ("a", "b", "a"):
        await publish("NODE_UNHEALTHY", {"node_id": node, "reason": "disk"})
    assert heard == ["a", "b"]
    beats: list[int] = []
    router.subscribe("TASK_HEARTBEAT", lambda event: beats.append(event.seq))
    for _ in range(3):
        await publish("TASK_HEARTBEAT", {"task_id": "t"})  # a heartbeat repeats by nature
    assert len(beats) == 3


def test_lesson_43_failures_are_told_aloud_and_health_turns_degraded(
    router: UnifiedEventRouter, store: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert router.get_health_status()["status"] == "healthy"
    store.error = event_router.StoreError("the disk is gone")
    publish("HOST_ONLINE", {"host": "a"})
    assert router.get_health_status()["status"] == "degraded"
    assert "the disk is gone" in router.validate_event_flow()["issues"][0]
    assert [record.levelname for record in caplog.records if "the disk is gone" in record.message] == [
        "ERROR"
    ]
    store.error = None
    assert router.flush()
    assert router.get_health_status()["status"] == "healthy"


# ---- lesson 49: dead letters -------------------------------------------------------------------------


def test_lesson_49_a_dead_letter_goes_again_to_the_handler_that_failed_and_to_nobody_else(
    router: UnifiedEventRouter, store: Any
) -> None:
    broken, mended, others = [True], [], []

    def fragile(event: Event) -> None:
        if broken[0]:
            raise ValueError("not yet")
        mended.append((event.event_id, event.payload["n"], event.source))

    router.subscribe("HOST_ONLINE", fragile)
    router.subscribe("HOST_ONLINE", lambda event: others.append(event.seq))
    publication = publish("HOST_ONLINE", {"n": 1}, "node")
    router.flush()
    assert router.retry_dead_letters() == {"retried": 1, "delivered": 0, "failed": 1}
    (letter,) = store.letters(10)
    assert (letter.attempts, letter.reason) == (2, "ValueError: not yet")
    broken[0] = False
    assert router.retry_dead_letters() == {"retried": 1, "delivered": 1, "failed": 0}
    assert mended == [(publication.event_id, 1, "node")]
    assert store.letters(10) == []
    assert others == [1]
    assert store.info().head == 1  # nothing is published anew


def test_lesson_49_retries_of_dead_letters_have_an_end_and_a_limit(
    router: UnifiedEventRouter, store: Any
) -> None:
    router.subscribe("HOST_ONLINE", lambda _: 1 / 0)
    for n in range(3):
        publish("HOST_ONLINE", {"n": n})
    router.flush()
    assert router.retry_dead_letters(limit=2)["retried"] == 2
    for _ in range(MAX_ATTEMPTS):
        router.retry_dead_letters()
    assert [letter.attempts for letter in store.letters(10)] == [MAX_ATTEMPTS] * 3
    assert router.retry_dead_letters()["retried"] == 0


def test_lesson_49_a_flush_waits_for_a_letter_that_is_being_written(
    router: UnifiedEventRouter, store: Any
) -> None:
    inside, free, flushed = threading.Event(), threading.Event(), threading.Event()
    bury = store.inner.bury

    def slow(letters: Any) -> None:
        inside.set()
        assert free.wait(30)
        bury(letters)

    store.bury = slow
    router.subscribe("HOST_ONLINE", lambda _: 1 / 0)
    publish("HOST_ONLINE", {"host": "a"})
    assert inside.wait(10)
    waiting = threading.Thread(target=lambda: (router.flush(), flushed.set()))
    waiting.start()
    assert not flushed.wait(0.05)
    free.set()
    waiting.join(10)
    assert flushed.is_set()
    assert [letter.name for letter in store.letters(10)] != []


async def test_lesson_49_a_letter_whose_row_is_gone_still_has_its_event(
    router: UnifiedEventRouter, store: Any
) -> None:
    heard: list[Any] = []
    failing = [True]

    async def on_event(event: Event) -> None:
        if failing.pop() if failing else False:
            raise ValueError
        heard.append((event.type, event.payload, event.seq))

    router.subscribe("HOST_ONLINE", on_event)
    await publish("HOST_ONLINE", {"host": "a"})
    await publish("HOST_OFFLINE", {"host": "a"})
    await asyncio.to_thread(router.flush)
    store.inner._rows = store.inner._rows[1:]
    store.inner._pruned = 1
    with pytest.raises(RuntimeError, match="to_thread"):
        router.retry_dead_letters()
    assert (await asyncio.to_thread(router.retry_dead_letters))["delivered"] == 1
    assert heard == [("HOST_ONLINE", {"host": "a"}, 1)]


# ---- lesson 59 ---------------------------------------------------------------------------------------


def test_lesson_59_the_envelope_imports_nothing_of_ours() -> None:
    imported = {
        name
        for node in ast.walk(ast.parse((PACKAGE / "event.py").read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
        )
    }
    assert imported == {"__future__", "dataclasses", "enum", "typing"}
