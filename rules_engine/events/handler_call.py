"""One call of one handler: where it runs, how long it may, and what is kept of its failure."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ref

from rules_engine.event import Event
from rules_engine.events import loop_tasks
from rules_engine.events.errors import HandlerExit, HandlerTimeout
from rules_engine.events.feed import Item
from rules_engine.events.handling import current_row
from rules_engine.events.workers import PrivateLoop

log = logging.getLogger("rules_engine.events")

Callback = Callable[[Event], Any]

DEFAULT_TIMEOUT_S = 60.0


class Handler:
    """A callback with its home: the loop that was running when it was subscribed."""

    def __init__(self, callback: Callback, *, inline: bool, timeout_s: float) -> None:
        self.callback = callback
        self.name = name_of(callback)
        self.inline = inline
        self.timeout_s = timeout_s
        self.is_async = _is_async(callback)
        self._home: ref[asyncio.AbstractEventLoop] | None = None
        self._adopted: ref[asyncio.AbstractEventLoop] | None = None
        self._private: PrivateLoop | None = None
        self._context = contextvars.copy_context()
        if self.on_loop and (loop := running_loop()) is not None:
            self._home = ref(loop)

    @property
    def on_loop(self) -> bool:
        """True if calls run on an event loop, False if in a thread."""
        return self.is_async or self.inline

    def home(self) -> asyncio.AbstractEventLoop | None:
        """Its loop, None if it has none (any more)."""
        loop = self._home() if self._home is not None else None
        return loop if loop is not None and not loop.is_closed() else None

    def place(self, item: Item) -> asyncio.AbstractEventLoop | None:
        """The loop on which this item is handled, None for a thread.

        Home first; a handler without one runs on the loop where the event was published, and events from
        elsewhere on the loop it last ran on, or else on a private one.
        """
        if not self.on_loop:
            return None
        if (home := self.home()) is not None:
            return home
        if item.loop is not None and item.loop.is_running():
            self._adopted = ref(item.loop)
            return item.loop
        if item.publication is None and self._adopted is not None:
            adopted = self._adopted()
            if adopted is not None and adopted.is_running():
                return adopted
        return self.private_loop() if self.is_async else None

    def private_loop(self) -> asyncio.AbstractEventLoop:
        """A loop for this handler alone, in a thread of its own."""
        if self._private is None:
            self._private = PrivateLoop()
        return self._private.loop

    def is_private(self, loop: asyncio.AbstractEventLoop | None) -> bool:
        """Whether calls on this loop wait for nobody else's loop."""
        return loop is None or (self._private is not None and loop is self._private.loop)

    def close(self) -> None:
        """Let go of the private loop."""
        if self._private is not None:
            self._private.close()

    # -- calling

    def call(self, event: Event, item: Item) -> Any:
        """Call it here and now, as a sync function. Raises what the handler raises."""
        with _contained():
            return self._context_of(item).run(self.callback, event)

    async def call_on_loop(self, item: Item) -> BaseException | None:
        """Call an async handler as a task of its own in the running loop; returns its failure."""
        loop = asyncio.get_running_loop()
        task = loop_tasks.start(self._shielded(item.event()), loop, context=self._context_of(item))
        done, _ = await asyncio.wait({task}, timeout=self.timeout_s)
        if not done:
            task.cancel()
            await asyncio.wait({task}, timeout=loop_tasks.CLEAN_UP_S)
            return self.timed_out()
        return asyncio.CancelledError("the handler was cancelled") if task.cancelled() else task.exception()

    def finish_in_thread(self, result: Any) -> None:
        """A sync handler has returned an awaitable: wait for it here, on a loop."""
        loop = self.home() or self.private_loop()

        async def wait() -> None:
            with _contained(but=(asyncio.CancelledError, GeneratorExit)):
                await result

        future = asyncio.run_coroutine_threadsafe(wait(), loop)
        try:
            with _contained():
                future.result(self.timeout_s)
        except TimeoutError:
            future.cancel()
            raise self.timed_out() from None

    def call_in_thread(self, item: Item) -> BaseException | None:
        """Call it from this thread, sync or async, and wait for its end; returns its failure."""
        try:
            if self.is_async:
                loop = self.home() or self.private_loop()
                future = asyncio.run_coroutine_threadsafe(self.call_on_loop(item), loop)
                return future.result(self.timeout_s + 2 * loop_tasks.CLEAN_UP_S)
            result = self.call(item.event(), item)
            if inspect.isawaitable(result):
                self.finish_in_thread(result)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is this handler's, and reported
            return error
        return None

    def timed_out(self) -> HandlerTimeout:
        """The error of a call past its limit."""
        return HandlerTimeout(f"{self.name} ran longer than {self.timeout_s:g} s")

    async def _shielded(self, event: Event) -> None:
        with _contained(but=(asyncio.CancelledError, GeneratorExit)):
            result = self.callback(event)
            if inspect.isawaitable(result):
                await result

    def _context_of(self, item: Item) -> contextvars.Context:
        context = self._context.copy()
        context.run(current_row.set, item.row)
        return context


@contextmanager
def _contained(but: tuple[type[BaseException], ...] = ()) -> Iterator[None]:
    """Make a failure of this handler of what would end a program, a thread or a loop of others.

    Not of ctrl-C, which comes to the main thread only.
    """
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        in_main = threading.current_thread() is threading.main_thread()
        if isinstance(error, but) or (in_main and isinstance(error, KeyboardInterrupt)):
            raise
        if isinstance(error, SystemExit):
            raise HandlerExit(f"the handler called sys.exit({error.code!r})") from error
        raise HandlerExit(f"the handler raised {type(error).__name__}: {error}") from error


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop running in this thread, None if there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def name_of(callback: object) -> str:
    """`module.Class.method` of a callable."""
    while isinstance(callback, functools.partial):
        callback = callback.func
    module = getattr(callback, "__module__", None) or type(callback).__module__
    name = getattr(callback, "__qualname__", None) or type(callback).__qualname__
    return f"{module}.{name}"


def _is_async(callback: Any) -> bool:
    called = callback if inspect.isroutine(callback) else type(callback).__call__
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(called)
