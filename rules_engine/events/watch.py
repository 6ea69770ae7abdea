"""Looks after running handlers: ends those past their limit, reports those that block an event loop."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable

log = logging.getLogger("rules_engine.events")

#: An inline handler that holds its loop for longer is reported with its stack.
SLOW_INLINE_S = 0.1
LOOK_EVERY_S = 0.02


class Call:
    """A handler that runs now in some thread."""

    __slots__ = ("limit_s", "name", "on_expiry", "reported", "started", "thread_id")

    def __init__(self, name: str, limit_s: float | None, on_expiry: Callable[[], None] | None) -> None:
        self.name = name
        self.limit_s = limit_s
        self.on_expiry = on_expiry
        self.started = time.monotonic()
        self.thread_id = threading.get_ident()
        self.reported = False


class Watch:
    """One thread that looks at running calls every 20 ms, and sleeps when there are none."""

    def __init__(self, on_slow: Callable[[str, str], None]) -> None:
        self._on_slow = on_slow
        self._calls: dict[int, Call] = {}
        self._wake = threading.Event()
        self._asleep = True
        self._closed = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def begin(
        self, name: str, limit_s: float | None = None, on_expiry: Callable[[], None] | None = None
    ) -> Call:
        """A handler starts in this thread. With `on_expiry` it has a limit, without it blocks a loop."""
        call = Call(name, limit_s, on_expiry)
        self._calls[id(call)] = call
        if self._asleep:
            self._rouse()
        return call

    def end(self, call: Call) -> bool:
        """It has returned. False if it was past its limit and has been given up already."""
        return self._calls.pop(id(call), None) is not None

    def close(self) -> None:
        """Look no more."""
        self._closed = True
        self._wake.set()

    def _rouse(self) -> None:
        with self._lock:
            if self._thread is None and not self._closed:
                thread = threading.Thread(target=self._run, name="rules-engine-watch", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter is ending
                    return
                self._thread = thread
        self._wake.set()

    def _run(self) -> None:
        while not self._closed:
            self._asleep = not self._calls
            if self._asleep and not self._calls:
                self._wake.wait()
                self._wake.clear()
                continue
            time.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            for call in list(self._calls.values()):
                self._look(call, now)

    def _look(self, call: Call, now: float) -> None:
        if call.on_expiry is not None:
            late = call.limit_s is not None and now - call.started > call.limit_s
            if late and self.end(call):
                call.on_expiry()
        elif not call.reported and now - call.started > SLOW_INLINE_S:
            call.reported = True
            frame = sys._current_frames().get(call.thread_id)
            stack = "".join(traceback.format_stack(frame, limit=12)) if frame else "(no stack)"
            log.warning(
                "the inline handler %s holds its event loop for over 100 ms, now at:\n%s", call.name, stack
            )
            self._on_slow(call.name, stack)
