"""A8 to A11: what a handler can rely on, and what it cannot do to others."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from rules_engine.event import Kind
from rules_engine.events import durable as durables
from rules_engine.events import subscription as subscriptions
from rules_engine.events.event_router import Event, RunawayChain, UnifiedEventRouter, publish
from rules_engine.events.handling import ChainBreaker
from rules_engine.store.port import NewEvent, StoreError


class Heard(list[Any]):
    """What a handler heard; lets a test wait for the nth thing."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def append(self, item: Any) -> None:
        with self._changed:
            super().append(item)
            self._changed.notify_all()

    def wait_for(self, count: int, timeout_s: float = 5) -> list[Any]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self) >= count, timeout_s), f"only {list(self)}"
        return list(self)

    async def arrive(self, count: int) -> list[Any]:
        return await asyncio.to_thread(self.wait_for, count)


@pytest.fixture
def heard() -> Heard:
    return Heard()


def append_as_another_process(store: Any, name: str, body: bytes = b"{}", **more: Any) -> int:
    (answer,) = store.inner.append(
        [NewEvent(id=f"other-{time.monotonic_ns()}", type=name, body=body, **more)]
    )
    return int(answer.seq)


# ---- A8 ------------------------------------------------------------------------------------------


def test_a08_an_event_is_a_mapping_with_attributes(router: UnifiedEventRouter, heard: Heard) -> None:
    router.subscribe("MODEL_PROMOTED", heard.append)
    publication = publish("MODEL_PROMOTED", {"elo": 1}, source="me")
    (event,) = heard
    assert isinstance(event, dict)
    assert event["payload"] == event.payload == event.get("payload") == {"elo": 1}
    assert (event.event_type, event["type"], event.source) == ("MODEL_PROMOTED", "MODEL_PROMOTED", "me")
    assert (event.event_id, event.seq, event.kind) == (publication.event_id, 1, "event")
    assert event.timestamp == 1_700_000_000.0
    assert json.loads(json.dumps(event))["payload"] == {"elo": 1}
    with pytest.raises(TypeError, match="cannot be changed"):
        event["source"] = "you"
    with pytest.raises(AttributeError, match="no 'elo'"):
        _ = event.elo


def test_a08_no_handler_can_change_what_another_sees(router: UnifiedEventRouter, heard: Heard) -> None:
    def vandal(event: Event) -> None:
        event.payload.clear()
        event.payload["elo"] = "broken"

    router.subscribe("MODEL_PROMOTED", vandal)
    router.subscribe("MODEL_PROMOTED", lambda event: heard.append(event.payload))
    router.subscribe(None, lambda event: heard.append(event.payload))
    publish("MODEL_PROMOTED", {"elo": {"deep": 1}})
    assert heard == [{"elo": {"deep": 1}}] * 2
    assert router.get_history()[0].payload == {"elo": {"deep": 1}}


# ---- A9 ------------------------------------------------------------------------------------------


def test_a09_each_subscription_gets_events_in_log_order(
    router: UnifiedEventRouter, heard: Heard, store: Any
) -> None:
    router.subscribe("MODEL_PROMOTED", lambda event: heard.append(event.seq))
    threads = [
        threading.Thread(target=lambda: [publish("MODEL_PROMOTED", dedup=False) for _ in range(30)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for _ in range(30):
        append_as_another_process(store, "MODEL_PROMOTED")
    for thread in threads:
        thread.join()
    assert heard.wait_for(150) == list(range(1, 151))


def raises(event: Event) -> None:
    raise ValueError("broken")


def exits(event: Event) -> None:
    raise SystemExit(3)


async def raises_async(event: Event) -> None:
    raise ValueError("broken")


async def exits_async(event: Event) -> None:
    raise SystemExit(3)


async def cancels_itself(event: Event) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


class Speechless(Exception):
    """An error that cannot tell of itself."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def fails_without_a_text(event: Event) -> None:
    raise Speechless


async def fails_without_a_text_async(event: Event) -> None:
    raise Speechless


@pytest.mark.parametrize(
    "bad",
    [
        raises, exits, raises_async, exits_async, cancels_itself, fails_without_a_text,
        fails_without_a_text_async,
    ],
)  # fmt: skip
async def test_a09_a_failing_handler_touches_nobody_else(
    bad: Any, router: UnifiedEventRouter, heard: Heard, store: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def good(event: Event) -> None:
        heard.append(event.seq)

    router.subscribe("MODEL_PROMOTED", bad)
    router.subscribe("MODEL_PROMOTED", good)
    for n in range(3):
        await publish("MODEL_PROMOTED", {"n": n})
    assert heard == [1, 2, 3]
    (report,) = router.delivery_report()["errors"]
    assert (report["handler"].rpartition(".")[2], report["errors"], report["calls"]) == (bad.__name__, 3, 3)
    assert (
        len([record for record in caplog.records if f"{bad.__name__} failed" in record.message]) == 1
    )  # once per cause
    await asyncio.to_thread(router.flush)
    letters = store.letters(10)
    assert [letter.body["seq"] for letter in letters] == [3, 2, 1]
    assert letters[0].kind == "handler"
    assert letters[0].body["event_type"] == "MODEL_PROMOTED"


async def test_a09_a_hanging_handler_is_ended_at_its_limit(router: UnifiedEventRouter, heard: Heard) -> None:
    async def hangs(event: Event) -> None:
        if event.payload["n"] == 0:
            await asyncio.Event().wait()
        heard.append(event.payload["n"])

    router.subscribe("MODEL_PROMOTED", hangs, timeout=0.05)
    await publish("MODEL_PROMOTED", {"n": 0})
    await publish("MODEL_PROMOTED", {"n": 1})
    assert heard == [1]
    (report,) = router.delivery_report()["errors"]
    assert report["timeouts"] == 1


def test_a09_a_blocked_thread_is_left_and_the_subscription_goes_on(
    router: UnifiedEventRouter, heard: Heard
) -> None:
    release = threading.Event()

    def blocks(event: Event) -> None:
        if event.payload["n"] == 0:
            release.wait(10)
        heard.append(event.payload["n"])

    router.subscribe("MODEL_PROMOTED", blocks, timeout=0.05)
    publish("MODEL_PROMOTED", {"n": 0})
    publish("MODEL_PROMOTED", {"n": 1})
    assert heard.wait_for(1) == [1]
    (report,) = router.delivery_report()["errors"]
    assert (report["timeouts"], report["calls"]) == (1, 2)
    release.set()
    assert heard.wait_for(2) == [1, 0]  # it came back late, and changed nothing
    publish("MODEL_PROMOTED", {"n": 2})
    assert heard.wait_for(3) == [1, 0, 2]


def test_a09_a_handler_that_blocks_too_many_threads_is_closed(router: UnifiedEventRouter) -> None:
    release = threading.Event()
    subscription = router.subscribe("MODEL_PROMOTED", lambda _: release.wait(10), timeout=0.02)
    for n in range(subscriptions.MAX_ABANDONED):
        assert not subscription.closed
        publish("MODEL_PROMOTED", {"n": n})
    assert subscription.closed
    assert not router.has_subscribers("MODEL_PROMOTED")
    release.set()


def test_a09_a_full_queue_is_dropped_and_read_from_the_log(
    router: UnifiedEventRouter, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "MAX_QUEUED", 5)
    monkeypatch.setattr(subscriptions, "PAGE_ROWS", 5)
    go = threading.Event()

    def slow(event: Event) -> None:
        go.wait(10)
        heard.append(event.seq)

    subscription = router.subscribe("MODEL_PROMOTED", slow)
    router.writer.lock.acquire()
    publications = [threading.Thread(target=publish, args=("MODEL_PROMOTED", {"n": n})) for n in range(40)]
    for thread in publications:
        thread.start()
    router.writer.lock.release()
    deadline = time.monotonic() + 5
    while router.get_stats()["seen"].get("MODEL_PROMOTED", 0) < 40 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert subscription.pending <= 5
    go.set()
    assert heard.wait_for(40) == list(range(1, 41))
    assert subscription.stats.dropped_to_log >= 1
    for thread in publications:
        thread.join()


async def test_a09_subscriptions_run_side_by_side(router: UnifiedEventRouter, heard: Heard) -> None:
    release = asyncio.Event()

    async def waits(event: Event) -> None:
        await release.wait()
        heard.append("slow")

    async def quick(event: Event) -> None:
        heard.append("quick")
        release.set()

    router.subscribe("MODEL_PROMOTED", waits)
    router.subscribe("MODEL_PROMOTED", quick)
    await publish("MODEL_PROMOTED", {})
    assert heard == ["quick", "slow"]


async def test_a09_sync_handlers_run_in_a_thread_unless_inline(
    router: UnifiedEventRouter, heard: Heard
) -> None:
    def where(label: str, event: Event) -> None:
        try:
            asyncio.get_running_loop()
            heard.append((label, "loop", threading.current_thread() is threading.main_thread()))
        except RuntimeError:
            heard.append((label, "no loop", threading.current_thread() is threading.main_thread()))

    router.subscribe("MODEL_PROMOTED", partial(where, "threaded"))
    router.subscribe("MODEL_PROMOTED", partial(where, "inline"), inline=True)
    await publish("MODEL_PROMOTED", {})
    assert sorted(heard) == [("inline", "loop", True), ("threaded", "no loop", False)]


async def test_a09_a_slow_inline_handler_is_reported_with_its_stack(
    router: UnifiedEventRouter, caplog: pytest.LogCaptureFixture
) -> None:
    def dawdles(event: Event) -> None:
        until = time.monotonic() + 2
        while not router.delivery_report()["slow_inline"] and time.monotonic() < until:
            time.sleep(0.01)

    router.subscribe("MODEL_PROMOTED", dawdles, inline=True)
    await publish("MODEL_PROMOTED", {})
    (report,) = router.delivery_report()["slow_inline"]
    assert report["handler"].endswith("dawdles")
    assert "in dawdles" in report["stack"]


def test_a09_a_sync_handler_may_return_an_awaitable(router: UnifiedEventRouter, heard: Heard) -> None:
    async def later(event: Event) -> None:
        heard.append(event.seq)

    router.subscribe("MODEL_PROMOTED", lambda event: later(event))  # noqa: PLW0108 - not async itself
    publish("MODEL_PROMOTED", {})
    assert heard == [1]


# ---- A10 -----------------------------------------------------------------------------------------


def test_a10_a_subscription_belongs_to_the_loop_that_was_running(
    router: UnifiedEventRouter, heard: Heard
) -> None:
    """Two loops in two threads, each with a handler at home; events from a third thread."""
    ready, done = threading.Barrier(3), threading.Event()

    async def live() -> None:
        home = asyncio.get_running_loop()

        async def handler(event: Event) -> None:
            heard.append(asyncio.get_running_loop() is home)

        router.subscribe("MODEL_PROMOTED", handler)
        await asyncio.to_thread(ready.wait)
        await asyncio.to_thread(done.wait)

    threads = [threading.Thread(target=asyncio.run, args=(live(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    ready.wait()
    publish("MODEL_PROMOTED", {})
    assert heard.wait_for(2) == [True, True]
    done.set()
    for thread in threads:
        thread.join()


def test_a10_a_handler_without_a_home_runs_where_the_event_is_published(
    router: UnifiedEventRouter, heard: Heard
) -> None:
    async def handler(event: Event) -> None:
        heard.append(asyncio.get_running_loop())

    router.subscribe("MODEL_PROMOTED", handler)

    async def main() -> asyncio.AbstractEventLoop:
        await publish("MODEL_PROMOTED", {"n": 1})
        return asyncio.get_running_loop()

    loop = asyncio.run(main())
    assert heard == [loop]
    publish("MODEL_PROMOTED", {"n": 2})  # no loop here: it gets one
    assert heard[1] is not loop


async def test_a10_publishing_in_a_handler_queues_and_never_nests(
    router: UnifiedEventRouter, heard: Heard
) -> None:
    async def first(event: Event) -> None:
        heard.append("begin")
        await publish("EVALUATION_STARTED", {})
        publish("MODEL_PROMOTED", {"again": True})
        heard.append("end")

    router.subscribe("TRAINING_COMPLETED", first)
    router.subscribe("EVALUATION_STARTED", lambda _: heard.append("second"))
    await publish("TRAINING_COMPLETED", {})
    await heard.arrive(3)
    assert heard.index("end") == heard.index("begin") + 1 or heard.index("second") > heard.index("begin")
    assert sorted(heard) == ["begin", "end", "second"]


async def test_a10_what_a_handler_publishes_names_its_cause(router: UnifiedEventRouter, store: Any) -> None:
    async def answers(event: Event) -> None:
        await publish("EVALUATION_STARTED", {})

    def answers_again(event: Event) -> None:
        publish("EVALUATION_COMPLETED", {})

    router.subscribe("TRAINING_COMPLETED", answers)
    router.subscribe("EVALUATION_STARTED", answers_again)
    root = await publish("TRAINING_COMPLETED", {})
    await asyncio.to_thread(store.wait, 2, 5_000)
    first, second, third = store.read(0, 10).rows
    assert (first.cause, first.chain, first.depth) == (None, None, 0)
    assert (second.cause, second.chain, second.depth) == (root.event_id, root.event_id, 1)
    assert (third.cause, third.chain, third.depth) == (second.id, root.event_id, 2)


async def test_a10_after_unsubscribe_no_new_call_starts(router: UnifiedEventRouter, heard: Heard) -> None:
    async def handler(event: Event) -> None:
        heard.append(event.seq)
        assert router.unsubscribe("MODEL_PROMOTED", handler)

    router.subscribe("MODEL_PROMOTED", handler)
    await asyncio.gather(*(publish("MODEL_PROMOTED", {"n": n}) for n in range(5)))
    assert heard == [1]
    assert not router.unsubscribe("MODEL_PROMOTED", handler)
    assert not router.has_subscribers("MODEL_PROMOTED")


async def test_a10_aclose_waits_for_the_running_call(router: UnifiedEventRouter, heard: Heard) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def handler(event: Event) -> None:
        started.set()
        await release.wait()
        heard.append("ended")

    subscription = router.subscribe("MODEL_PROMOTED", handler)
    publish("MODEL_PROMOTED", {})
    await started.wait()
    closing = asyncio.create_task(subscription.aclose())
    await asyncio.sleep(0)
    assert heard == []
    release.set()
    await closing
    assert heard == ["ended"]


def test_a10_the_same_handler_twice_is_one_subscription(
    router: UnifiedEventRouter, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    class Daemon:
        def on_event(self, event: Event) -> None:
            heard.append(event.type)

    daemon = Daemon()
    first = router.subscribe("MODEL_PROMOTED", daemon.on_event)
    assert router.subscribe("model_promoted", daemon.on_event) is first  # a bound method is new each time
    assert "called once" in caplog.text
    both = router.subscribe_many(["MODEL_PROMOTED", "HOST_ONLINE"], daemon.on_event)
    assert both.types == {"HOST_ONLINE"}
    router.subscribe("MODEL_PROMOTED", Daemon().on_event)  # another object is another handler
    publish("MODEL_PROMOTED", {})
    publish("HOST_ONLINE", {})
    assert heard == ["MODEL_PROMOTED", "MODEL_PROMOTED", "HOST_ONLINE"]


def test_a10_subscribe_many_is_all_or_nothing_and_can_be_narrowed(
    router: UnifiedEventRouter, heard: Heard
) -> None:
    def handler(event: Event) -> None:
        heard.append(event.type)

    with pytest.raises(ValueError, match="HOST_ONLIN"):
        router.subscribe_many(["MODEL_PROMOTED", "HOST_ONLIN"], handler)
    assert not router.has_subscribers("MODEL_PROMOTED")
    router.subscribe_many(["MODEL_PROMOTED", "HOST_ONLINE"], handler)
    assert router.unsubscribe("HOST_ONLINE", handler)
    publish("HOST_ONLINE", {})
    publish("MODEL_PROMOTED", {})
    assert heard == ["MODEL_PROMOTED"]


def test_a10_nothing_published_before_is_heard(router: UnifiedEventRouter, heard: Heard, store: Any) -> None:
    append_as_another_process(store, "MODEL_PROMOTED")
    publish("MODEL_PROMOTED", {"n": 1})
    append_as_another_process(store, "MODEL_PROMOTED")
    router.subscribe("MODEL_PROMOTED", lambda event: heard.append(event.seq))
    publish("MODEL_PROMOTED", {"n": 2})
    assert heard == [4]


def test_a10_nor_what_lies_in_the_log_and_is_not_handed_out_yet(
    router: UnifiedEventRouter, heard: Heard, store: Any
) -> None:
    router.subscribe("HOST_ONLINE", print)
    with router.feed.lock:  # the tail has no chance to read what comes now
        append_as_another_process(store, "MODEL_PROMOTED")
        router.subscribe("MODEL_PROMOTED", lambda event: heard.append(event.seq))
    publish("MODEL_PROMOTED", {})
    assert heard.wait_for(1) == [2]


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("10m", [2, 3, 4]),
        ("1h30m", [1, 2, 3, 4]),
        (timedelta(minutes=10), [2, 3, 4]),
        (timedelta(minutes=10) - timedelta(milliseconds=1), [3, 4]),
        (datetime.fromtimestamp(1_700_000_000, UTC), [1, 2, 3, 4]),
        (2, [3, 4]),
        (0, [1, 2, 3, 4]),
        (99, [4]),
    ],
)
def test_a10_since_begins_with_the_past_without_gap_or_double(
    since: Any, expected: list[int], router: UnifiedEventRouter, heard: Heard, clock: Any
) -> None:
    publish("MODEL_PROMOTED", {"n": 1})
    clock.ms += 10 * 60_000
    publish("MODEL_PROMOTED", {"n": 2})
    clock.ms += 10 * 60_000
    publish("MODEL_PROMOTED", {"n": 3})
    router.subscribe("MODEL_PROMOTED", lambda event: heard.append(event.seq), since=since)
    publish("MODEL_PROMOTED", {"n": 4})
    assert heard.wait_for(len(expected)) == expected


@pytest.mark.parametrize("since", ["10", "m", "10 parsecs", datetime(2026, 1, 1), -1, True, 1.5])  # noqa: DTZ001
def test_a10_a_since_that_says_nothing_is_refused(since: Any, router: UnifiedEventRouter) -> None:
    with pytest.raises((ValueError, TypeError), match=r"since|duration|position"):
        router.subscribe("MODEL_PROMOTED", print, since=since)
    assert not router.has_subscribers("MODEL_PROMOTED")


@pytest.mark.parametrize("bad", [None, "handler", 7])
def test_a10_what_cannot_be_called_cannot_subscribe(bad: Any, router: UnifiedEventRouter) -> None:
    with pytest.raises(TypeError, match="a handler is a function"):
        router.subscribe("MODEL_PROMOTED", bad)


async def test_a10_handlers_that_answer_each_other_without_end_are_stopped(
    router: UnifiedEventRouter, heard: Heard
) -> None:
    router._publisher._chains = ChainBreaker(limit=20)

    async def echoes(event: Event) -> None:
        heard.append(event.depth)
        publish("MODEL_PROMOTED", {"n": event.payload["n"] + 1})

    router.subscribe("MODEL_PROMOTED", echoes)
    publish("MODEL_PROMOTED", {"n": 0})
    assert await heard.arrive(21) == list(range(21))
    await asyncio.to_thread(router.flush)
    (report,) = router.delivery_report()["errors"]
    assert report["last_error"].startswith("RunawayChain")
    assert len(heard) == 21


def test_a10_a_chain_that_takes_its_time_is_no_runaway() -> None:
    breaker = ChainBreaker(limit=3)
    for _ in range(3):
        breaker.count("root", 0.0)
    with pytest.raises(RunawayChain, match="root"):
        breaker.count("root", 59.9)
    breaker.count("another", 59.9)
    breaker.count("root", 60.0)  # a new minute


# ---- A11 -----------------------------------------------------------------------------------------


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durables, "FIRST_RETRY_S", 0.001)
    monkeypatch.setattr(durables, "STAND_BY_S", 0.01)


def position(store: Any, name: str) -> int:
    return next(reader.position for reader in store.readers() if reader.name == name)


def wait_for_position(store: Any, name: str, expected: int) -> None:
    deadline = time.monotonic() + 5
    while position(store, name) != expected and time.monotonic() < deadline:
        time.sleep(0.002)
    assert position(store, name) == expected


@pytest.mark.parametrize("is_async", [False, True])
def test_a11_a_durable_subscription_goes_on_where_it_was(
    router: UnifiedEventRouter, heard: Heard, store: Any, is_async: bool
) -> None:
    def handler(event: Event) -> None:
        heard.append(event.seq)

    async def async_handler(event: Event) -> None:
        heard.append(event.seq)

    chosen = async_handler if is_async else handler
    first = router.subscribe("MODEL_PROMOTED", chosen, durable="promotions")
    publish("MODEL_PROMOTED", {"n": 1})
    assert heard == [1]
    wait_for_position(store, "promotions", 1)
    first.close()
    publish("MODEL_PROMOTED", {"n": 2})
    publish("HOST_ONLINE", {})
    append_as_another_process(store, "MODEL_PROMOTED")
    router.subscribe("MODEL_PROMOTED", chosen, durable="promotions")
    assert heard.wait_for(3) == [1, 2, 4]
    assert next(reader for reader in store.readers() if reader.name == "promotions").pinned


def test_a11_it_is_acknowledged_only_after_success(
    router: UnifiedEventRouter, heard: Heard, store: Any, quick_retries: None
) -> None:
    attempts: list[int] = []

    def fails_twice(event: Event) -> None:
        attempts.append(position(store, "promotions"))
        if len(attempts) < 3:
            raise ValueError("not yet")
        heard.append(event.seq)

    router.subscribe("MODEL_PROMOTED", fails_twice, durable="promotions")
    publish("MODEL_PROMOTED", {})
    assert heard.wait_for(1) == [1]
    assert attempts == [0, 0, 0]
    wait_for_position(store, "promotions", 1)
    assert store.letters(10) == []


def test_a11_what_always_fails_becomes_a_dead_letter_and_the_position_moves_on(
    router: UnifiedEventRouter, heard: Heard, store: Any, quick_retries: None
) -> None:
    def fails(event: Event) -> None:
        if event.payload["n"] == 1:
            raise ValueError("never")
        heard.append(event.seq)

    router.subscribe("MODEL_PROMOTED", fails, durable="promotions")
    publish("MODEL_PROMOTED", {"n": 1})
    publish("MODEL_PROMOTED", {"n": 2})
    assert heard.wait_for(1) == [2]
    wait_for_position(store, "promotions", 2)
    router.flush()
    (letter,) = store.letters(10)
    assert (letter.attempts, letter.body["payload"]) == (durables.MAX_ATTEMPTS, {"n": 1})
    assert "never" in letter.reason


def test_a11_one_process_at_a_time_serves_a_name(store: Any, heard: Heard, quick_retries: None) -> None:
    routers = [UnifiedEventRouter(store=store) for _ in range(2)]
    listeners = [
        each.subscribe(
            "MODEL_PROMOTED", lambda event, n=n: heard.append((n, event.seq)), durable="promotions"
        )  # type: ignore[misc]
        for n, each in enumerate(routers)
    ]
    for n in range(20):
        routers[n % 2].publish("MODEL_PROMOTED", {"n": n})
    heard.wait_for(20)
    wait_for_position(store, "promotions", 20)
    assert [seq for _, seq in heard] == list(range(1, 21))
    serving = heard[-1][0]
    listeners[serving].close()
    routers[0].publish("MODEL_PROMOTED", {"last": True})
    assert heard.wait_for(21)[-1] == (1 - serving, 21)  # the other takes over
    for each in routers:
        each.close()


def test_a11_one_name_is_one_subscription(router: UnifiedEventRouter) -> None:
    first = router.subscribe("MODEL_PROMOTED", print, durable="promotions")
    assert router.subscribe("MODEL_PROMOTED", print, durable="promotions") is first
    with pytest.raises(ValueError, match="served by"):
        router.subscribe("MODEL_PROMOTED", len, durable="promotions")


def test_a11_a_durable_subscription_needs_its_store(store: Any, router: UnifiedEventRouter) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise StoreError("away")

    store.reader = away
    with pytest.raises(StoreError, match="away"):
        router.subscribe("MODEL_PROMOTED", print, durable="promotions")
    assert not router.has_subscribers("MODEL_PROMOTED")


# ---- rows of others --------------------------------------------------------------------------------


def test_a12_what_rules_emit_is_heard_and_ticks_are_not(
    router: UnifiedEventRouter, heard: Heard, store: Any
) -> None:
    router.subscribe(None, lambda event: heard.append((event.kind, event.type)))
    append_as_another_process(store, "TICK", kind=Kind.TICK)
    append_as_another_process(
        store, "CURRICULUM_REBALANCED", kind=Kind.EMITTED, cause="x", chain="x", depth=1
    )
    append_as_another_process(store, "OUTCOME", kind=Kind.OUTCOME)
    publish("MODEL_PROMOTED", {})
    assert heard.wait_for(2) == [("emitted", "CURRICULUM_REBALANCED"), ("event", "MODEL_PROMOTED")]


def test_handlers_can_be_logged_at_any_level(router: UnifiedEventRouter) -> None:
    assert logging.getLogger("rules_engine.events").level == logging.INFO
