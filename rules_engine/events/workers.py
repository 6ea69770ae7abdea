"""Threads for handlers and for reading: daemon threads, so that none of them keeps the process alive.

(`concurrent.futures` joins its threads at exit, where a handler that hangs would hang the process.)
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
log = logging.getLogger("rules_engine.events")

MAX_THREADS = 64
IDLE_S = 10.0


class Workers:
    """Runs jobs, each in a thread of its own as long as there are fewer than `MAX_THREADS`."""

    def __init__(self, max_threads: int = MAX_THREADS) -> None:
        self._max_threads = max_threads
        self._jobs: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._threads = 0
        self._waiting = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Run it soon. A job must not raise."""
        if sys.is_finalizing():
            return  # a thread started now would never run, and whoever starts it would wait for ever
        with self._changed:
            self._jobs.append(job)
            if self._waiting >= len(self._jobs):
                self._changed.notify()
                return
            if self._threads >= self._max_threads:
                return  # whoever gets free takes it
            self._threads += 1
        try:
            threading.Thread(target=self._work, name="rules-engine-handler", daemon=True).start()
        except RuntimeError:  # the interpreter is ending and starts no more threads
            self._work_off()

    async def run(self, function: Callable[[], T]) -> T:
        """Run it in a thread and wait for its result in the running loop."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: Exception | None) -> None:
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)  # type: ignore[arg-type]

        def job() -> None:
            result, error = None, None
            try:
                result = function()
            except Exception as raised:  # noqa: BLE001 - it is raised again in the loop
                error = raised
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, result, error)

        self.submit(job)
        return await done

    def lend(self) -> None:
        """A thread is given up as hanging: another may take its place."""
        with self._changed:
            self._max_threads += 1

    def regain(self) -> None:
        """A thread that was given up has come back."""
        with self._changed:
            self._max_threads -= 1

    def _work(self) -> None:
        while (job := self._next()) is not None:
            self._do(job)

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._jobs:
                self._waiting += 1
                called = self._changed.wait(IDLE_S)
                self._waiting -= 1
                if not called and not self._jobs:
                    self._threads -= 1
                    return None
            return self._jobs.popleft()

    def _work_off(self) -> None:
        """Without a thread: do in this one what waits."""
        with self._changed:
            self._threads -= 1
        while self._jobs:
            self._do(self._jobs.popleft())

    def _do(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException:
            log.exception("a job of the event system failed")


class PrivateLoop:
    """An event loop in a thread of its own, for async handlers that have no home."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="rules-engine-loop", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop it; what runs there ends at its next await."""
        with suppress(RuntimeError):  # closed already
            self.loop.call_soon_threadsafe(self.loop.stop)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()
