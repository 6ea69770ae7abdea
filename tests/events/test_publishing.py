"""A1 to A4: what a call of `publish` promises."""

from __future__ import annotations

import asyncio
import enum
import gc
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rules_engine.events import publication as publications
from rules_engine.events.data_events import DataEvent, DataEventType
from rules_engine.events.event_router import (
    Backpressure,
    Event,
    MaybeStored,
    PayloadNotEncodable,
    StageCompletionResult,
    StageEvent,
    StoreError,
    UnifiedEventRouter,
    UnknownEventType,
    publish,
)
from rules_engine.store.port import StoreBusy


def stored(store: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(row.type, row.payload) for row in store.read(0, 1_000).rows]


# ---- A1 ------------------------------------------------------------------------------------------


def test_a01_a_wrong_name_raises_at_the_call_and_names_the_nearest(store: Any) -> None:
    with pytest.raises(UnknownEventType, match=r"MODEL_PROMTED.*did you mean MODEL_PROMOTED"):
        publish("MODEL_PROMTED", {})
    assert stored(store) == []


async def test_a01_a_payload_that_is_no_json_raises_at_the_call_inside_a_loop() -> None:
    with pytest.raises(PayloadNotEncodable, match=r"payload\.x"):
        publish("MODEL_PROMOTED", {"x": object()})


async def test_a01_changing_the_dict_afterwards_changes_nothing(store: Any) -> None:
    payload: dict[str, Any] = {"elo": 1, "deep": {"list": [1]}}
    publication = publish("MODEL_PROMOTED", payload)
    payload["elo"] = 2
    payload["deep"]["list"].append(2)
    await publication
    assert stored(store) == [("MODEL_PROMOTED", {"elo": 1, "deep": {"list": [1]}})]


async def test_a01_the_id_is_known_before_it_is_stored() -> None:
    publication = publish("MODEL_PROMOTED", {})
    assert publication.event_id
    assert (await publication).event_id == publication.event_id


def test_a01_whole_records_are_taken(store: Any, router: UnifiedEventRouter) -> None:
    publish(DataEvent(DataEventType.HOST_ONLINE, {"host": "a"}, source="s"))
    publish(StageCompletionResult(StageEvent.SELFPLAY_COMPLETE, success=True, iteration=3, metadata={"x": 1}))
    (first, second) = store.read(0, 10).rows
    assert (first.type, first.payload, first.source) == ("HOST_ONLINE", {"host": "a"}, "s")
    assert second.type == "SELFPLAY_COMPLETED"
    assert (second.payload["event"], second.payload["iteration"]) == ("selfplay_complete", 3)
    assert (second.payload["config_key"], second.payload["x"]) == ("square8_2p", 1)
    (event,) = router.get_history("HOST_ONLINE")
    echo = publish(event)
    assert (echo.stored, echo.duplicate_of, echo.seq) == (False, event.event_id, 1)  # known by its id


@pytest.mark.parametrize(("promoted", "name"), [(True, "MODEL_PROMOTED"), (False, "PROMOTION_FAILED")])
def test_a01_a_stage_result_never_crosses_outcomes(store: Any, promoted: bool, name: str) -> None:
    publish(
        StageCompletionResult(StageEvent.PROMOTION_COMPLETE, success=True, iteration=1, promoted=promoted)
    )
    publish(StageEvent.TIER_GATING_COMPLETE, {"promoted": promoted})
    assert [row.type for row in store.read(0, 10).rows] == [name, name]
    with pytest.raises(ValueError, match="promoted"):
        publish(StageEvent.PROMOTION_COMPLETE, {})


@pytest.mark.parametrize("nonsense", [None, 7, {"type": "MODEL_PROMOTED"}, ["MODEL_PROMOTED"], object()])
def test_a01_anything_else_is_a_type_error(nonsense: Any) -> None:
    with pytest.raises(TypeError, match="publish takes an event type"):
        publish(nonsense)


def test_a01_wrong_arguments_are_type_errors(router: UnifiedEventRouter) -> None:
    with pytest.raises(TypeError, match="a payload is a mapping"):
        publish("MODEL_PROMOTED", ["elo"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="source is a text"):
        publish("MODEL_PROMOTED", {}, source=7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no keyword 'sorce'"):
        publish("MODEL_PROMOTED", {}, sorce="x")
    with pytest.raises(ValueError, match="event_id"):
        publish("MODEL_PROMOTED", {}, event_id="x" * 201)
    with pytest.raises(TypeError, match="payload already"):
        publish(DataEvent("MODEL_PROMOTED"), {"a": 1})


def test_a01_emit_is_the_same(router: UnifiedEventRouter, store: Any) -> None:
    router.emit("MODEL_PROMOTED", {"a": 1}, source="x")
    assert stored(store) == [("MODEL_PROMOTED", {"a": 1})]


# ---- A2 ------------------------------------------------------------------------------------------


async def test_a02_a_publication_can_be_used_in_every_way_a_coroutine_can(store: Any) -> None:
    loop = asyncio.get_running_loop()
    await publish("MODEL_PROMOTED", {"n": 0})
    await asyncio.gather(publish("MODEL_PROMOTED", {"n": 1}), publish("MODEL_PROMOTED", {"n": 2}))
    await asyncio.wait_for(publish("MODEL_PROMOTED", {"n": 3}), 5)
    await asyncio.create_task(publish("MODEL_PROMOTED", {"n": 4}))
    assert asyncio.iscoroutine(publish("MODEL_PROMOTED", {"n": 5}))

    def elsewhere() -> Event:
        return asyncio.run_coroutine_threadsafe(publish("MODEL_PROMOTED", {"n": 6}), loop).result(5)

    assert (await asyncio.to_thread(elsewhere)).payload == {"n": 6}
    assert sorted(row.payload["n"] for row in store.read(0, 10).rows) == [0, 1, 2, 3, 4, 5, 6]


def test_a02_asyncio_run_takes_one() -> None:
    assert asyncio.run(publish("MODEL_PROMOTED", {"n": 1})).seq == 1


async def test_a02_awaiting_twice_gives_the_same() -> None:
    publication = publish("MODEL_PROMOTED", {})
    assert await publication == await publication


async def test_a02_ignoring_it_warns_of_nothing(store: Any, router: UnifiedEventRouter) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        publish("MODEL_PROMOTED", {"n": 1})
        gc.collect()
    assert await asyncio.to_thread(router.flush)
    assert stored(store) == [("MODEL_PROMOTED", {"n": 1})]


async def test_a02_attributes_and_result() -> None:
    publication = publish("MODEL_PROMOTED", {"n": 1})
    receipt = publication.result(5)  # blocks, and needs no loop
    assert (publication.stored, publication.seq, publication.duplicate_of) == (True, 1, None)
    assert (receipt.stored, receipt.seq, receipt.type) == (True, 1, "MODEL_PROMOTED")
    again = publish("MODEL_PROMOTED", {"n": 1})
    await again
    assert (again.stored, again.duplicate_of, again.seq) == (False, publication.event_id, 1)


# ---- A3 ------------------------------------------------------------------------------------------


def test_a03_without_a_loop_it_is_durable_and_handled_on_return(router: UnifiedEventRouter) -> None:
    heard: list[str] = []

    async def on_async(event: Event) -> None:
        await asyncio.sleep(0)
        heard.append("async")

    router.subscribe("MODEL_PROMOTED", lambda _: heard.append("sync"))
    router.subscribe("MODEL_PROMOTED", on_async)
    publication = publish("MODEL_PROMOTED", {})
    assert publication.stored
    assert sorted(heard) == ["async", "sync"]


async def test_a03_in_a_loop_awaiting_means_durable_and_handled(router: UnifiedEventRouter) -> None:
    heard: dict[str, int] = {}

    async def at_home(event: Event) -> None:
        await asyncio.sleep(0)
        heard["async"] = event.seq

    def beside(event: Event) -> None:
        heard["thread"] = threading.get_ident()

    router.subscribe("MODEL_PROMOTED", at_home)
    router.subscribe("MODEL_PROMOTED", beside)
    publication = publish("MODEL_PROMOTED", {})
    assert "async" not in heard  # handed over: a handler of this loop cannot have run inside the call
    await publication
    assert heard["async"] == 1
    assert heard["thread"] != threading.get_ident()


async def test_a03_awaiting_never_waits_long_for_a_slow_handler(
    router: UnifiedEventRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publications, "HANDLERS_WAIT_S", 0.05)
    release = asyncio.Event()

    async def slow(event: Event) -> None:
        await release.wait()

    subscription = router.subscribe("MODEL_PROMOTED", slow)
    receipt = await asyncio.wait_for(publish("MODEL_PROMOTED", {}), 5)
    assert receipt.stored
    release.set()
    await subscription.aclose()


async def test_a03_inside_a_handler_awaiting_means_durable_only(router: UnifiedEventRouter) -> None:
    inside: list[Any] = []

    async def answers(event: Event) -> None:
        # this very handler would have to run for its own answer to be handled
        inside.append(await asyncio.wait_for(publish("MODEL_PROMOTED", {"n": event.payload["n"] + 1}), 0.5))
        if event.payload["n"] == 2:
            subscription.close()

    subscription = router.subscribe("MODEL_PROMOTED", answers)
    await publish("MODEL_PROMOTED", {"n": 1})
    await subscription.aclose()
    assert subscription.stats.errors == 0
    assert inside
    assert all(receipt.stored for receipt in inside)


async def test_a03_cancelling_the_await_withdraws_nothing(store: Any, router: UnifiedEventRouter) -> None:
    task = asyncio.create_task(publish("MODEL_PROMOTED", {"n": 1}))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await asyncio.to_thread(router.flush)
    assert stored(store) == [("MODEL_PROMOTED", {"n": 1})]


def test_a03_a_handler_at_home_on_another_loop_is_not_waited_for(router: UnifiedEventRouter) -> None:
    """The other loop may be the one that waits for this thread."""
    heard: list[int] = []

    async def main() -> None:
        async def at_home(event: Event) -> None:
            heard.append(event.seq)

        subscription = router.subscribe("MODEL_PROMOTED", at_home)
        with ThreadPoolExecutor() as pool:
            publication = pool.submit(publish, "MODEL_PROMOTED", {}).result(0.9)  # blocks this loop
        assert publication.stored
        assert heard == []
        await subscription_drained()
        await subscription.aclose()

    async def subscription_drained() -> None:
        for _ in range(100):
            if heard:
                return
            await asyncio.sleep(0.01)

    asyncio.run(main())
    assert heard == [1]


async def test_a03_waiting_publishers_share_an_append(store: Any, router: UnifiedEventRouter) -> None:
    with router.writer.lock:
        publications = [publish("MODEL_PROMOTED", {"n": n}) for n in range(500)]
    await asyncio.gather(*publications)
    assert store.attempts == 1
    assert [row.payload["n"] for row in store.read(0, 1_000).rows] == list(range(500))


def test_a03_many_threads_lose_and_double_nothing(store: Any) -> None:
    def publish_some(thread: int) -> None:
        for n in range(50):
            publish("MODEL_PROMOTED", {"thread": thread, "n": n})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(publish_some, range(8)))
    rows = [(row.payload["thread"], row.payload["n"]) for row in store.read(0, 1_000).rows]
    assert len(rows) == 400
    for thread in range(8):  # the order of each thread is kept
        assert [n for other, n in rows if other == thread] == list(range(50))


# ---- A4 ------------------------------------------------------------------------------------------


def test_a04_not_awaited_it_is_spooled_and_retried(store: Any, router: UnifiedEventRouter) -> None:
    store.error = StoreBusy("process 7 holds the lock")
    first = publish("MODEL_PROMOTED", {"n": 1})
    second = publish("MODEL_PROMOTED", {"n": 2})
    assert not first.stored
    health = router.get_health_status()
    assert health["status"] == "degraded"
    assert "process 7" in health["reasons"][0]
    assert router.get_stats()["spooled"] == 2
    store.error = None
    assert second.durable.wait(5)
    assert stored(store) == [("MODEL_PROMOTED", {"n": 1}), ("MODEL_PROMOTED", {"n": 2})]
    assert router.get_health_status()["healthy"]


def test_a04_a_cause_is_logged_once(
    store: Any, router: UnifiedEventRouter, caplog: pytest.LogCaptureFixture
) -> None:
    store.error = StoreBusy("process 7 holds the lock")
    publication = publish("MODEL_PROMOTED", {})
    while router.writer.failures < 3:
        router.writer._append_and_deliver()
    assert [r.levelname for r in caplog.records if "process 7" in r.message] == ["ERROR"]
    store.error = None
    assert publication.durable.wait(5)


def test_a04_a_full_spool_raises_backpressure(store: Any, router: UnifiedEventRouter) -> None:
    router.writer.spool.max_events = 3
    store.error = StoreError("no")
    for n in range(3):
        publish("MODEL_PROMOTED", {"n": n})
    with pytest.raises(Backpressure, match="3 events"):
        publish("MODEL_PROMOTED", {"n": 3})
    store.error = None
    assert router.flush()
    assert [row.payload["n"] for row in store.read(0, 10).rows] == [0, 1, 2]


def test_a04_the_spool_is_bounded_in_bytes(store: Any, router: UnifiedEventRouter) -> None:
    router.writer.spool.max_bytes = 100
    store.error = StoreError("no")
    publish("MODEL_PROMOTED", {"text": "x" * 80})
    with pytest.raises(Backpressure):
        publish("MODEL_PROMOTED", {"text": "y" * 80})


async def test_a04_a_publisher_faster_than_a_working_store_is_slowed_down(
    store: Any, router: UnifiedEventRouter
) -> None:
    router.writer.spool.max_events = 5
    for n in range(50):
        publish("MODEL_PROMOTED", {"n": n})
    assert await asyncio.to_thread(router.flush)
    assert [row.payload["n"] for row in store.read(0, 100).rows] == list(range(50))


async def test_a04_awaited_it_raises_and_is_withdrawn(store: Any, router: UnifiedEventRouter) -> None:
    store.error = StoreError("the disk is gone")
    with pytest.raises(StoreError, match="the disk is gone"):
        await publish("MODEL_PROMOTED", {"n": 1})
    store.error = None
    await publish("MODEL_PROMOTED", {"n": 2})
    assert stored(store) == [("MODEL_PROMOTED", {"n": 2})]


def test_a04_the_result_of_a_spooled_one_raises(store: Any) -> None:
    store.error = StoreError("the disk is gone")
    publication = publish("MODEL_PROMOTED", {"n": 1})
    with pytest.raises(StoreError, match="the disk is gone"):
        publication.result(5)


async def test_a04_an_unknown_outcome_names_the_id_and_a_retry_is_harmless(store: Any) -> None:
    class Lost(Exception):
        pass

    real = store.inner.append

    def commits_and_forgets(events: Any) -> Any:
        real(events)
        raise MaybeStored(events[0].id, "the answer was lost")

    store.inner.append = commits_and_forgets
    with pytest.raises(MaybeStored) as caught:
        await publish("MODEL_PROMOTED", {"n": 1})
    store.inner.append = real
    receipt = await publish("MODEL_PROMOTED", {"n": 1}, event_id=caught.value.event_id)
    assert receipt.seq == 1
    assert stored(store) == [("MODEL_PROMOTED", {"n": 1})]


def test_a04_an_unknown_outcome_is_cleared_up_in_the_background(
    store: Any, router: UnifiedEventRouter
) -> None:
    heard: list[int] = []
    router.subscribe("MODEL_PROMOTED", lambda event: heard.append(event.payload["n"]))
    real = store.inner.append

    def commits_and_forgets(events: Any) -> Any:
        store.inner.append = real
        real(events)
        raise MaybeStored(events[0].id, "the answer was lost")

    store.inner.append = commits_and_forgets
    publication = publish("MODEL_PROMOTED", {"n": 1})
    assert publication.durable.wait(5)
    assert publication.stored
    assert router.flush()
    assert stored(store) == [("MODEL_PROMOTED", {"n": 1})]
    assert heard == [1]


def test_a04_one_event_the_store_cannot_take_does_not_hold_up_the_others(
    store: Any, router: UnifiedEventRouter
) -> None:
    real = store.inner.append

    def chokes(events: Any) -> Any:
        if any(b"poison" in event.body for event in events):
            raise OverflowError("poison")
        return real(events)

    store.error = StoreError("wait")
    publications = [publish("MODEL_PROMOTED", {"n": n}) for n in (1, "poison", 2)]
    store.inner.append = chokes
    store.error = None
    for publication in publications:
        assert publication.durable.wait(5)
    assert [row.payload["n"] for row in store.read(0, 10).rows] == [1, 2]
    assert router.get_stats()["refused"] == 1
    with pytest.raises(StoreError, match="poison"):
        publications[1].result()


# ---- what a payload may hold -----------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"


def test_payloads_of_common_python_objects(store: Any) -> None:
    import datetime as dt

    import numpy as np
    from pydantic import BaseModel

    class Point(BaseModel):
        x: int

    publish(
        "MODEL_PROMOTED",
        {
            "path": Path("a/b"), "colour": Colour.RED, "set": {3, 1, 2},
            "when": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            "point": Point(x=1), "float": np.float32(0.5), "int": np.int64(7), "array": np.array([1, 2]),
            "tuple": (1, 2), "null": None, "flag": np.bool_(True), "event": DataEventType.ERROR,
        },
    )  # fmt: skip
    assert store.read(0, 1).rows[0].payload == {
        "path": "a/b", "colour": "red", "set": [1, 2, 3], "when": "2026-01-01T00:00:00+00:00",
        "point": {"x": 1},
        "float": 0.5, "int": 7, "array": [1, 2], "tuple": [1, 2], "null": None, "flag": True,
        "event": "ERROR",
    }  # fmt: skip


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"a": [1, {"b": float("nan")}]}, r"payload\.a\[1\]\.b: JSON has no NaN"),
        ({"a": float("inf"), "b": None}, r"payload\.a: JSON has no NaN and no infinity"),
        ({"a": {1: 2}}, r"payload\.a: the key 1 is no text"),
        ({"a": 2**64}, r"payload\.a: .* does not fit into 64 bit"),
        ({"a": 10**400}, r"payload\.a: .* does not fit into 64 bit"),
        ({"a": -(2**63) - 1}, r"payload\.a: .* does not fit into 64 bit"),
        ({"a": b"x"}, r"payload\.a: bytes are no JSON"),
        ({"a": "\ud800"}, r"payload\.a: .*surrogate"),
        ({"a": {object()}}, r"payload\.a"),
        (cyclic(), "254 levels"),
        (deep(1_000), "254 levels"),
    ],
)
def test_payloads_that_are_refused_at_the_call(payload: dict[str, Any], message: str, store: Any) -> None:
    with pytest.raises(PayloadNotEncodable, match=message):
        publish("MODEL_PROMOTED", payload)
    assert stored(store) == []


def test_the_edges_of_what_is_taken(store: Any) -> None:
    publish("MODEL_PROMOTED", {"a": 2**64 - 1, "b": -(2**63), "c": deep(250)})
    with pytest.raises(PayloadNotEncodable, match="at most 4,194,304"):
        publish("MODEL_PROMOTED", {"a": "x" * 100_000_000})
    fits = 4_194_304 - len('{"a":""}')
    publish("MODEL_PROMOTED", {"a": "x" * fits})
    with pytest.raises(PayloadNotEncodable):
        publish("MODEL_PROMOTED", {"a": "x" * (fits + 1)})
    assert len(stored(store)) == 2


def test_a_payload_changed_by_another_thread_is_one_of_its_states(store: Any) -> None:
    payload = {"n": 0}
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            payload["n"] += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(20):
            publish("MODEL_PROMOTED", payload, dedup=False)
    finally:
        stop.set()
        thread.join()
    assert all(isinstance(row.payload["n"], int) for row in store.read(0, 100).rows)


def test_without_retries_a_failure_is_told_to_the_caller_and_to_nobody_else(
    store: Any, router: Any, caplog: Any
) -> None:
    store.error = StoreError("away")
    publication = router.publish("MODEL_PROMOTED", {"n": 1}, retry=False)
    with pytest.raises(StoreError, match="away"):
        publication.result(1)
    assert store.attempts == 1
    assert not caplog.records
    assert not len(router.writer.spool)
