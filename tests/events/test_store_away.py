"""A4 and A12 while the store is away: handlers of this process go on, and nothing comes to them twice."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rules_engine.events import subscription as subscriptions
from rules_engine.events.cross_process_events import push_event
from rules_engine.events.event_router import Event, UnifiedEventRouter, publish
from rules_engine.store.port import MaybeStored, NewEvent, StoreError, StoreFull

AWAY = StoreFull("the disk is full")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture
def heard(router: UnifiedEventRouter) -> list[tuple[int, int]]:
    """Positions and numbers of what a live handler was given."""
    said: list[tuple[int, int]] = []
    router.subscribe("HOST_ONLINE", lambda event: said.append((event.seq, event.payload["n"])))
    return said


@pytest.fixture
def come_back(store: Any, router: UnifiedEventRouter) -> Callable[[], None]:
    def back() -> None:
        store.error = None
        assert router.flush()
        router.feed.catch_up()

    return back


@pytest.fixture(autouse=True)
def in_the_end_all_is_well(store: Any, router: UnifiedEventRouter) -> Iterator[None]:
    yield
    store.error = None
    assert router.flush()
    until(lambda: router.get_health_status()["healthy"])


def numbers(store: Any) -> list[int]:
    return [row.payload["n"] for row in store.read(0, 10_000).rows]


def test_a04_without_a_loop_handlers_have_run_on_return(
    store: Any, router: UnifiedEventRouter, heard: list[Any], come_back: Callable[[], None]
) -> None:
    publish("HOST_ONLINE", {"n": 0})
    store.error = AWAY
    for n in (1, 2, 3):
        assert not publish("HOST_ONLINE", {"n": n}).stored
        assert heard[-1] == (0, n)  # it has no position yet
    assert router.get_health_status()["status"] == "degraded"
    come_back()
    publish("HOST_ONLINE", {"n": 4})
    assert heard == [(1, 0), (0, 1), (0, 2), (0, 3), (5, 4)]
    assert numbers(store) == [0, 1, 2, 3, 4]
    assert [event.payload["n"] for event in router.get_history()] == [0, 1, 2, 3, 4]


async def test_a04_in_a_loop_what_is_not_awaited_is_handled_too(
    store: Any, router: UnifiedEventRouter, come_back: Callable[[], None]
) -> None:
    said: list[int] = []

    async def at_home(event: Event) -> None:
        said.append(event.payload["n"])

    router.subscribe("HOST_ONLINE", at_home)
    store.error = AWAY
    publications = [publish("HOST_ONLINE", {"n": n}) for n in range(3)]
    await asyncio.to_thread(until, lambda: len(said) == 3)
    await asyncio.to_thread(come_back)
    await publish("HOST_ONLINE", {"n": 3})
    assert said == [0, 1, 2, 3]
    assert all(publication.stored for publication in publications)
    assert (await publications[0])["stored"]


async def test_a04_what_is_awaited_and_fails_was_given_to_nobody(
    store: Any, router: UnifiedEventRouter, heard: list[Any], come_back: Callable[[], None]
) -> None:
    store.error = AWAY
    with pytest.raises(StoreFull):
        await publish("HOST_ONLINE", {"n": 1})
    with pytest.raises(StoreFull):
        await publish("HOST_ONLINE", {"n": 2})  # known to be away by now
    with pytest.raises(StoreFull):
        await asyncio.to_thread(push_event, "HOST_ONLINE", {"n": 3})
    await asyncio.to_thread(come_back)
    assert heard == []
    assert numbers(store) == []


def test_a03_an_outage_that_left_nothing_behind_is_over_by_itself(
    store: Any, router: UnifiedEventRouter
) -> None:
    store.error = AWAY
    with pytest.raises(StoreFull):
        publish("HOST_ONLINE", {"n": 1}, retry=False).result(5)
    store.error = None
    until(lambda: router.get_health_status()["healthy"])
    assert publish("HOST_ONLINE", {"n": 2}).stored


def test_a04_who_asks_late_is_told_that_it_is_out_and_waits(
    store: Any, router: UnifiedEventRouter, heard: list[Any], come_back: Callable[[], None]
) -> None:
    store.error = AWAY
    publication = publish("HOST_ONLINE", {"n": 1})
    with pytest.raises(MaybeStored, match=r"handlers of this process have it.*disk is full") as told:
        publication.result(5)
    assert told.value.event_id == publication.event_id
    come_back()
    assert publication.result(5)["stored"]
    assert heard == [(0, 1)]
    assert numbers(store) == [1]


def test_a12_a_repeat_is_not_given_twice_though_the_store_cannot_say_so(
    store: Any, heard: list[Any], come_back: Callable[[], None], router: UnifiedEventRouter
) -> None:
    publish("HOST_ONLINE", {"n": 1})
    store.error = AWAY
    publish("HOST_ONLINE", {"n": 1})  # of a stored one
    publish("HOST_ONLINE", {"n": 2})
    publish("HOST_ONLINE", {"n": 2})  # of one that waits
    publish("HOST_ONLINE", {"n": 2}, dedup=False)
    come_back()
    until(lambda: len(heard) == 3)
    assert heard == [(1, 1), (0, 2), (0, 2)]
    assert numbers(store) == [1, 2, 2]


def test_a12_another_process_had_the_same(
    store: Any, heard: list[Any], come_back: Callable[[], None], router: UnifiedEventRouter
) -> None:
    store.error = AWAY
    mine = publish("HOST_ONLINE", {"n": 1})
    with router.feed.lock:  # the tail has not come to it yet
        new = mine.new
        store.inner.append([NewEvent("theirs", new.type, new.body, "", new.dedup, new.dedup_window_ms)])
        store.error = None
        assert router.writer.flush(5, time.monotonic)
    until(lambda: router.feed.position == 1)
    publish("HOST_ONLINE", {"n": 2})
    assert mine.duplicate_of == "theirs"
    assert heard == [(0, 1), (2, 2)]


def test_a09_a_slow_handler_gets_from_the_log_what_its_queue_could_not_hold(
    store: Any, router: UnifiedEventRouter, monkeypatch: pytest.MonkeyPatch, come_back: Callable[[], None]
) -> None:
    monkeypatch.setattr(subscriptions, "MAX_QUEUED", 3)
    go, said = threading.Event(), []

    def slow(event: Event) -> None:
        go.wait(10)
        said.append(event.payload["n"])

    router.subscribe("HOST_ONLINE", slow)
    store.error = AWAY

    async def many() -> None:
        for n in range(10):
            publish("HOST_ONLINE", {"n": n})
        await asyncio.to_thread(until, lambda: router.get_stats()["handlers"][0]["dropped_to_log"] == 1)

    asyncio.run(many())
    go.set()
    come_back()
    until(lambda: len(said) == 10)
    assert said == list(range(10))


def test_a11_a_durable_subscription_waits_for_the_log(
    store: Any, router: UnifiedEventRouter, come_back: Callable[[], None]
) -> None:
    said: list[tuple[int, int]] = []
    router.subscribe(
        "HOST_ONLINE", lambda event: said.append((event.seq, event.payload["n"])), durable="accounts"
    )
    store.error = AWAY
    publish("HOST_ONLINE", {"n": 1})
    assert said == []  # it could not be acknowledged
    come_back()
    until(lambda: said == [(1, 1)])


def test_a04_an_unknown_outcome_doubles_nothing(
    store: Any, router: UnifiedEventRouter, heard: list[Any], come_back: Callable[[], None]
) -> None:
    """The commit succeeded and its answer was lost: the row comes by the tail, the event comes ahead."""
    real = store.inner.append

    def loses_the_answer(events: Any) -> Any:
        real(events)
        raise MaybeStored(events[0].id, "the connection broke")

    store.inner.append = loses_the_answer
    publication = publish("HOST_ONLINE", {"n": 1})
    until(lambda: router.feed.position == 1)
    store.inner.append = real
    come_back()
    assert publication.stored
    publish("HOST_ONLINE", {"n": 2})
    assert [n for _, n in heard] == [1, 2]
    assert [event.payload["n"] for event in router.get_history()] == [1, 2]


def test_a10_a_handler_that_answers_while_the_store_is_away(
    store: Any, router: UnifiedEventRouter, come_back: Callable[[], None]
) -> None:
    said: list[int] = []

    def answers(event: Event) -> None:
        said.append(event.payload["n"])
        if event.payload["n"] < 5:
            publish("HOST_ONLINE", {"n": event.payload["n"] + 1})

    router.subscribe("HOST_ONLINE", answers)
    store.error = StoreError("away")
    publish("HOST_ONLINE", {"n": 0})
    until(lambda: len(said) == 6)
    come_back()
    publish("HOST_ONLINE", {"n": 6})
    assert said == [0, 1, 2, 3, 4, 5, 6]
    assert numbers(store) == said
