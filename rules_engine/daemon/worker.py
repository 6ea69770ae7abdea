"""Performs owed actions in a process without the engine."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping

from rules_engine.daemon import facts
from rules_engine.daemon.dispatcher import Dispatcher, DispatchLimits
from rules_engine.daemon.handlers import Handler, HandlersError, unfit
from rules_engine.daemon.log import log
from rules_engine.daemon.performer import Performer
from rules_engine.store.port import Store, StoreError

_LISTEN_MS = 500


class Worker:
    """A dispatcher in threads of its own, woken when the store says that something changed."""

    def __init__(
        self,
        store: Store,
        handlers: Mapping[str, Handler],
        performer: Performer,
        limits: DispatchLimits,
        *,
        drain_ms: int = 8_000,
    ) -> None:
        self._store = store
        self._handlers = handlers
        self._performer = performer
        self._drain_ms = drain_ms
        self.dispatcher = Dispatcher(
            store, handlers, performer, worker=f"{socket.gethostname()}:{os.getpid()}", limits=limits
        )
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def actions(self) -> list[str]:
        """What it can perform."""
        return sorted(self._handlers)

    def start(self) -> None:
        """Begin to perform.

        Raises `HandlersError` if a handler does not fit the rules: its actions would be given up.
        """
        rules = self._store.fact(facts.RULES) or {}
        if problems := unfit(self._handlers, rules.get("actions", {})):
            raise HandlersError("; ".join(problems))
        for work in (lambda: self.dispatcher.run(self._stopping), self._listen):
            thread = threading.Thread(target=work, name="rules-engine worker", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                self._store.wait(self._store.info().head, _LISTEN_MS)
            except StoreError:
                self._stopping.wait(_LISTEN_MS / 1_000)
            self.dispatcher.wake()

    def wait(self) -> None:
        """Until `request_stop`."""
        while not self._stopping.wait(0.5):
            pass

    def request_stop(self) -> None:
        """Begin to end; safe in a signal handler."""
        self._stopping.set()
        self.dispatcher.wake()

    def stop(self) -> bool:
        """Claim nothing more and wait for what runs; False if some did not end in time: it stays owed."""
        self.request_stop()
        for thread in self._threads:
            thread.join(timeout=5)
        try:
            return self.dispatcher.drain(self._drain_ms)
        except StoreError as error:
            log.error("the store cannot be used at the end", error=str(error))
            return False
        finally:
            self._performer.close()
