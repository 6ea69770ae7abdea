"""Dead letters on their way to the store: events that a handler could not take."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Lock

from rules_engine.store.port import Letter, Store, StoreError

log = logging.getLogger("rules_engine.events")

MAX_WAITING = 1_000


class LetterBox:
    """Takes letters at once and writes them soon, in another thread; counts those it had no room for."""

    def __init__(self, store: Callable[[], Store], submit: Callable[[Callable[[], None]], None]) -> None:
        self.lost = 0
        self._store = store
        self._submit = submit
        self._waiting: deque[Letter] = deque()
        self._lock = Lock()
        self._write_lock = Lock()  # held until the letters taken out are in the store
        self._writing = False

    def post(self, letter: Letter) -> None:
        """Keep it."""
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                self.lost += 1
                return
            self._waiting.append(letter)
            begin, self._writing = not self._writing, True
        if begin:
            self._submit(self._write)

    def flush(self) -> None:
        """Write what waits, in this thread, and wait for a write that is under way in another."""
        with self._write_lock:
            with self._lock:
                letters = list(self._waiting)
                self._waiting.clear()
            if not letters:
                return
            try:
                self._store().bury(letters)
            except StoreError as error:
                self.lost += len(letters)
                log.warning("%d dead letters could not be kept: %s", len(letters), error)

    def _write(self) -> None:
        while True:
            self.flush()
            with self._lock:
                if not self._waiting:
                    self._writing = False
                    return
