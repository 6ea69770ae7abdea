"""A door that opens once, for threads and event loops alike."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress


class Latch:
    """Opens once and stays open.

    Without a lock of its own: a callback is queued first and the state looked at second, so whoever
    comes later, `open` or `when_open`, finds it; popping hands each callback to one thread only.
    """

    __slots__ = ("_callbacks", "is_open")

    def __init__(self) -> None:
        self.is_open = False
        self._callbacks: list[Callable[[], object]] = []

    def open(self) -> None:
        """Open the door and call everybody who waits."""
        self.is_open = True
        self._call()

    def when_open(self, callback: Callable[[], object]) -> None:
        """Call back once, at once if it is open already. The callback must neither raise nor block."""
        self._callbacks.append(callback)
        if self.is_open:
            self._call()

    def wait(self, timeout_s: float | None) -> bool:
        """Block this thread until it is open; False after `timeout_s`."""
        if self.is_open:
            return True
        opened = threading.Event()
        self.when_open(opened.set)
        return opened.wait(timeout_s)

    async def arrive(self, timeout_s: float | None = None) -> bool:
        """Wait in the running loop until it is open; False after `timeout_s`."""
        if self.is_open:
            return True
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not opened.done():
                opened.set_result(None)

        def call() -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile, and with it whoever waited
                loop.call_soon_threadsafe(wake)

        self.when_open(call)
        if timeout_s is None:
            await opened
            return True
        done, _ = await asyncio.wait({opened}, timeout=timeout_s)
        return bool(done)

    def _call(self) -> None:
        while self._callbacks:
            try:
                callback = self._callbacks.pop()
            except IndexError:
                return
            callback()
