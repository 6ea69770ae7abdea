"""Runs handlers so that none can harm another: plain functions in threads, `async` ones on own loops.

Nothing here is awaited by the daemon. A handler that blocks its loop blocks the handlers of its own
class; one that never ends is abandoned by the dispatcher, which counts it.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from rules_engine.daemon.handlers import GiveUp, Handler

_LONGEST_ERROR = 1_000


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended. `error` None: well. `final`: no further attempt can help."""

    error: str | None = None
    final: bool = False


class Running:
    """One call that was started. `cancel` asks an async handler to stop; a thread cannot be stopped."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """Ask it to stop. Returns at once; whether it listens shows in the end of the call."""
        self._cancelled = True
        if self._loop is not None:
            self._post(self._cancel_task)

    def _cancel_task(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _post(self, call: Callable[[], None]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop is closed, and with it all its tasks
            return

    def start_on(
        self, loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, None]]
    ) -> bool:
        """Run `work` on a loop that runs in another thread, or later in this one; False if it is closed."""
        self._loop = loop
        context = contextvars.copy_context()

        def begin() -> None:
            self._task = loop.create_task(work(), context=context)
            if self._cancelled:
                self._task.cancel()

        try:
            loop.call_soon_threadsafe(begin)
        except RuntimeError:
            return False
        return True


class Performer:
    """Starts calls of handlers and reports how they ended.

    With a `loop` async handlers run there (inside another program, whose loop they expect); without, each
    handler class gets a loop in a thread of its own.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._given = loop
        self._loops: dict[str, asyncio.AbstractEventLoop] = {}

    def start(self, handler: Handler, arguments: dict[str, Any], ended: Callable[[Ended], None]) -> Running:
        """Call the handler in this thread's context; `ended` is called once, from any thread."""
        running = Running()
        if not handler.is_async:
            context = contextvars.copy_context()
            threading.Thread(
                target=context.run,
                args=(_call, handler, arguments, ended),
                name=f"action {handler.action}",
                daemon=True,
            ).start()
            return running
        loop = self._given or self._loop_of(handler.action.partition(".")[0])
        if not running.start_on(loop, lambda: _await(handler, arguments, ended)):
            ended(Ended("the event loop of the program is closed"))
        return running

    def close(self) -> None:
        """Stop the loops made here; whatever still runs on them is cancelled, as far as it listens."""
        for loop in self._loops.values():
            loop.call_soon_threadsafe(loop.stop)
        self._loops.clear()

    def _loop_of(self, name: str) -> asyncio.AbstractEventLoop:
        loop = self._loops.get(name)
        if loop is None:
            loop = self._loops[name] = asyncio.new_event_loop()
            threading.Thread(target=_run_loop, args=(loop,), name=f"loop of {name}", daemon=True).start()
        return loop


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=1))
    finally:
        loop.close()


def _call(handler: Handler, arguments: dict[str, Any], ended: Callable[[Ended], None]) -> None:
    try:
        result = handler.call(**arguments)
        if asyncio.iscoroutine(result):
            # A plain function that hands back a coroutine (a lambda, a partial): run it to its end here.
            asyncio.run(result)
    except BaseException as error:  # noqa: BLE001 - SystemExit included: no handler ends the daemon
        ended(_failed(error))
    else:
        ended(Ended())


async def _await(handler: Handler, arguments: dict[str, Any], ended: Callable[[Ended], None]) -> None:
    try:
        await handler.call(**arguments)
    except BaseException as error:  # SystemExit would end the loop, and with it other handlers
        ended(_failed(error))
        if isinstance(error, asyncio.CancelledError):
            raise
    else:
        ended(Ended())


def _failed(error: BaseException) -> Ended:
    if isinstance(error, GiveUp):
        return Ended(str(error) or "the handler gave up", final=True)
    if isinstance(error, asyncio.CancelledError):
        return Ended("it was cancelled")
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if len(frames) > 1 else ""
    text = str(error)
    return Ended(f"{type(error).__name__}{': ' if text else ''}{text[:_LONGEST_ERROR]}{place}")
