"""Tasks of the event system on a user's loop: they see their work to the end when the loop is about to close.

`asyncio.run` cancels all tasks when its main coroutine has returned, and then waits for them. A handler
that an event of the last line has started would be lost by that.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from rules_engine.events.publication import Publication

#: So long handlers may go on after the main coroutine of `asyncio.run` has returned.
CLOSING_LIMIT_S = 5.0
#: A cancelled handler gets so long to clean up.
CLEAN_UP_S = 1.0


class LoopTask(asyncio.Task[Any]):
    """A task that outlives the end of `asyncio.run`, for a limited time.

    A `cancel()` while its loop stands still comes from the loop's end only; it sets a limit
    instead. Any other `cancel()` is what it always is.
    """

    _closing = False

    def cancel(self, msg: Any | None = None) -> bool:
        """Request cancellation; at the loop's end, after `CLOSING_LIMIT_S`."""
        loop = self.get_loop()
        if loop.is_running() or loop.is_closed():
            return super().cancel(msg)
        if not self._closing and not self.done():
            self._closing = True
            loop.call_later(CLOSING_LIMIT_S, super().cancel)
        return not self.done()


def start(coroutine: Any, loop: asyncio.AbstractEventLoop, **options: Any) -> LoopTask:
    """Start a task of ours on its own loop's thread."""
    task = LoopTask(coroutine, loop=loop, **options)
    # A loop that is closed without asyncio.run takes its tasks down: that is the user's decision.
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    return task


class Keepers:
    """Keeps loops open for what was published on them and is not handled yet."""

    def __init__(self) -> None:
        self._keepers: WeakKeyDictionary[asyncio.AbstractEventLoop, _Keeper] = WeakKeyDictionary()

    def keep(self, publication: Publication) -> None:
        """Called on the loop's own thread, right after publishing."""
        loop = publication.loop
        assert loop is not None
        keeper = self._keepers.get(loop)
        if keeper is None:
            keeper = self._keepers[loop] = _Keeper()
        keeper.keep(publication, loop)


class _Keeper:
    def __init__(self) -> None:
        self._left = 0
        self._idle: asyncio.Future[None] | None = None

    def keep(self, publication: Publication, loop: asyncio.AbstractEventLoop) -> None:
        self._left += 1
        if self._idle is None or self._idle.done():
            self._idle = loop.create_future()
            start(self._wait(self._idle), loop)

        def handled() -> None:
            with suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(self._release)

        publication.when_handled(handled)

    async def _wait(self, idle: asyncio.Future[None]) -> None:
        try:
            await asyncio.wait({idle})
        except (
            asyncio.CancelledError
        ):  # the limit is reached: let the handlers clean up, then let the loop go
            ours = [task for task in asyncio.all_tasks() if isinstance(task, LoopTask)]
            late = {task for task in ours if task is not asyncio.current_task()}
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=CLEAN_UP_S)
            raise

    def _release(self) -> None:
        self._left -= 1
        if self._left == 0 and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
