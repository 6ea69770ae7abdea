"""Ends of pipeline stages, and the older bus for them, as a front of the router.

A stage's end is an event like any other: `SELFPLAY_COMPLETE` is `SELFPLAY_COMPLETED` for those who listen to
data events, and its payload says which stage it was.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any

from rules_engine.event import Event
from rules_engine.events.deprecation import warn_once
from rules_engine.events.event_forms import StageCompletionResult, StageEvent
from rules_engine.events.handler_call import name_of
from rules_engine.events.lifecycle import get_router
from rules_engine.events.publication import Publication
from rules_engine.events.registry import Listener

log = logging.getLogger("rules_engine.events")

StageCompletionCallback = Callable[[StageCompletionResult], Any]


class StageEmission(Coroutine[Any, Any, int]):
    """A stage's end that is published already; it may be awaited, and need not."""

    def __init__(self, publication: Publication, count_run: Callable[[str], int]) -> None:
        self.publication = publication
        self._count_run = count_run
        self._inner: Generator[Any, None, int] | None = None

    def __await__(self) -> Generator[Any, None, int]:
        receipt = yield from self.publication.__await__()
        return self._count_run(receipt["event_id"])

    def send(self, value: Any) -> Any:
        """Coroutine protocol, for tasks."""
        self._inner = self._inner or self.__await__()
        return self._inner.send(value)

    def throw(self, *error: Any) -> Any:
        """Coroutine protocol, for tasks."""
        self._inner = self._inner or self.__await__()
        return self._inner.throw(*error)

    def close(self) -> None:
        """Coroutine protocol: stop waiting."""
        if self._inner is not None:
            self._inner.close()


class StageEventBus:
    """The older bus of stage ends. Its listeners get a StageCompletionResult."""

    def __init__(self, max_history: int = 100) -> None:
        warn_once("StageEventBus", "publish() and subscribe() of rules_engine.events.event_router")
        self._listeners: dict[
            tuple[StageEvent, StageCompletionCallback], tuple[Callable[[Event], Any], Listener]
        ] = {}
        self._history: deque[StageCompletionResult] = deque(maxlen=max_history)
        self._errors: deque[dict[str, Any]] = deque(maxlen=max_history)
        self._emitted = 0
        self._log: Callable[[str], None] = log.info

    def set_logger(self, log_fn: Callable[[str], None]) -> None:
        """Send this bus's own lines elsewhere."""
        self._log = log_fn

    def subscribe(self, event: StageEvent, callback: StageCompletionCallback) -> Listener:
        """Call back with the result of each end of this stage."""
        stage = StageEvent(event)
        if (known := self._listeners.get((stage, callback))) is not None:
            return known[1]

        async def on_stage(received: Event) -> None:
            if received["payload"].get("event") != stage.value:
                return  # another stage that means the same event
            result = StageCompletionResult.from_dict(received["payload"])
            try:
                answer = callback(result)
                if inspect.isawaitable(answer):
                    await answer
            except Exception as error:
                self._errors.append(
                    {
                        "stage": stage.value,
                        "callback": name_of(callback),
                        "error": repr(error),
                        "event_id": received["event_id"],
                    }
                )
                raise

        on_stage.__qualname__ = name_of(callback)
        listener = get_router().subscribe(stage, on_stage)
        self._listeners[stage, callback] = on_stage, listener
        return listener

    def unsubscribe(self, event: StageEvent, callback: StageCompletionCallback) -> bool:
        """End a subscription; tells whether there was one."""
        known = self._listeners.pop((StageEvent(event), callback), None)
        if known is None:
            return False
        known[1].close()
        return True

    def clear_subscribers(self, event: StageEvent | None = None) -> int:
        """End all subscriptions of a stage, or of all stages; returns how many."""
        gone = [key for key in self._listeners if event is None or key[0] == event]
        return sum(self.unsubscribe(*key) for key in gone)

    def emit(self, result: StageCompletionResult) -> StageEmission:
        """Publish a stage's end. Awaiting it gives how many listeners of this bus have run without error."""
        self._history.append(result)
        self._emitted += 1
        self._log(f"stage {StageEvent(result.event).value}: {'done' if result.success else 'failed'}")
        return StageEmission(get_router().publish(result), partial(self._count_run, result.event))

    async def emit_and_wait(self, result: StageCompletionResult, timeout: float | None = None) -> list[Any]:  # noqa: ASYNC109 - the older name
        """The same with a time limit in seconds. What listeners return is not collected any more."""
        emission = self.emit(result)
        async with asyncio.timeout(timeout):
            await emission
        return []

    def _count_run(self, stage: StageEvent, event_id: str) -> int:
        failed = sum(error["event_id"] == event_id for error in self._errors)
        return self.subscriber_count(stage) - int(failed)

    def subscriber_count(self, event: StageEvent) -> int:
        """Listeners of a stage on this bus."""
        return sum(stage == event for stage, _ in self._listeners)

    def get_history(self, event: StageEvent | None = None, limit: int = 50) -> list[StageCompletionResult]:
        """Recent results of this bus, oldest first."""
        return [result for result in self._history if event is None or result.event == event][-limit:]

    def get_callback_errors(self, limit: int = 20) -> list[dict[str, Any]]:
        """Recent failures of listeners of this bus."""
        return list(self._errors)[-limit:]

    def get_stats(self) -> dict[str, Any]:
        """Counters of this bus."""
        counts: dict[str, int] = {}
        for stage, _ in self._listeners:
            counts[stage.value] = counts.get(stage.value, 0) + 1
        return {"emitted": self._emitted, "subscribers": counts, "errors": len(self._errors)}


_bus: StageEventBus | None = None


def get_event_bus() -> StageEventBus:
    """The stage bus of this process, never None."""
    global _bus
    if _bus is None:
        _bus = StageEventBus()
    return _bus


def reset_event_bus() -> None:
    """End its subscriptions and forget it."""
    global _bus
    if _bus is not None:
        _bus.clear_subscribers()
    _bus = None


def create_pipeline_callbacks() -> dict[StageEvent, StageCompletionCallback]:
    """Listeners that only log, one for each stage."""

    def log_end(result: StageCompletionResult) -> None:
        log.info("stage %s ended, success: %s", StageEvent(result.event).value, result.success)

    return dict.fromkeys(StageEvent, log_end)


def register_standard_callbacks(bus: StageEventBus | None = None) -> None:
    """Attach those listeners to a bus, by default to that of this process."""
    target = bus or get_event_bus()
    for stage, callback in create_pipeline_callbacks().items():
        target.subscribe(stage, callback)
