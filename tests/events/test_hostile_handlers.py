"""A9 against handlers that raise what nobody expects, and a feed that meets what nobody expected."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from rules_engine.events import durable as durables
from rules_engine.events.event_router import Event, UnifiedEventRouter, publish
from rules_engine.store.port import NewEvent


class Outcome(BaseException):
    """As test frameworks and greenlets have them."""


KINDS: list[Callable[[], BaseException]] = [
    lambda: SystemExit(3),
    KeyboardInterrupt,
    GeneratorExit,
    asyncio.CancelledError,
    Outcome,
    lambda: StopIteration(1),
    lambda: ExceptionGroup("many", [ValueError()]),
    RecursionError,
    MemoryError,
]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: getattr(kind, "__name__", "") or repr(kind()))
@pytest.mark.parametrize(
    "form", ["thread", "returns an awaitable", "private loop", "durable", "durable async"]
)
def test_a09_whatever_a_handler_raises_it_gets_the_next_event(
    form: str, kind: Callable[[], BaseException], router: UnifiedEventRouter, monkeypatch: pytest.MonkeyPatch,
    store: Any,
) -> None:  # fmt: skip
    monkeypatch.setattr(durables, "MAX_ATTEMPTS", 1)
    heard: list[int] = []
    beside: list[int] = []

    def sync(event: Event) -> None:
        heard.append(event.payload["n"])
        if event.payload["n"] == 1:
            raise kind()

    async def asynchronous(event: Event) -> None:
        await asyncio.sleep(0)
        sync(event)

    def awaitable(event: Event) -> Any:
        return asynchronous(event)

    chosen: Any = {
        "thread": sync, "returns an awaitable": awaitable, "private loop": asynchronous,
        "durable": sync, "durable async": asynchronous,
    }[form]  # fmt: skip
    listener = router.subscribe("HOST_ONLINE", chosen, durable="d" if form.startswith("durable") else None)
    router.subscribe("HOST_ONLINE", lambda event: beside.append(event.payload["n"]))
    for n in (1, 2, 3):
        publish("HOST_ONLINE", {"n": n})
    until(lambda: heard == [1, 2, 3] and beside == [1, 2, 3])
    until(lambda: listener.stats.errors == 1)
    assert router.flush()
    [letter] = store.letters(10)
    assert letter.body["payload"] == {"n": 1}


@pytest.mark.parametrize("kind", [lambda: SystemExit(3), Outcome, asyncio.CancelledError, GeneratorExit])
@pytest.mark.parametrize("inline", [True, False])
async def test_a09_neither_is_the_loop_of_others_brought_down(
    inline: bool, kind: Callable[[], BaseException], router: UnifiedEventRouter
) -> None:
    heard: list[int] = []

    def sync(event: Event) -> None:
        heard.append(event.payload["n"])
        if event.payload["n"] == 1:
            raise kind()

    async def at_home(event: Event) -> None:
        sync(event)

    listener = router.subscribe("HOST_ONLINE", sync if inline else at_home, inline=inline)
    for n in (1, 2, 3):
        await publish("HOST_ONLINE", {"n": n})
    assert heard == [1, 2, 3]
    assert listener.stats.errors == 1


def test_a12_a_row_that_breaks_the_tail_does_not_end_it(
    store: Any, router: UnifiedEventRouter, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread that follows the log is the only way in for events of other processes."""
    heard: list[str] = []
    router.subscribe("HOST_ONLINE", lambda event: heard.append(event.event_id))
    real, broken = store.inner.read, threading.Event()

    def breaks(after: int, limit: int) -> Any:
        if not broken.is_set():
            broken.set()
            raise OverflowError("what nobody expected")
        return real(after, limit)

    store.inner.read = breaks
    store.inner.append([NewEvent("theirs", "HOST_ONLINE", b"{}")])
    until(lambda: heard == ["theirs"])
    assert broken.is_set()
    assert "what nobody expected" in caplog.text
