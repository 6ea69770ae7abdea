"""Publications into the log: in order, many in one append, and not one lost while the store is away.

Whoever holds the write lock appends what waits for everybody (group commit): a thread that publishes without
an event loop does it itself, those with a running loop leave it to the writer thread.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeGuard

from rules_engine.events.errors import Backpressure
from rules_engine.events.publication import Publication
from rules_engine.events.spool import Spool
from rules_engine.store.port import Duplicate, MaybeStored, NotStorable, Store, Stored, StoreError

log = logging.getLogger("rules_engine.events")

FIRST_RETRY_S = 0.05
LONGEST_RETRY_S = 5.0
#: While the store is away handlers of this process get what waits after this time, and whoever published it
#: on a loop has had the time to await it.
AHEAD_AFTER_S = 0.05


class Deliverer(Protocol):
    """Who hands stored events to this process's handlers."""

    def expect(self, publications: Sequence[Publication]) -> None:
        """These are about to be appended: whoever reads them from the log shall know them as ours."""

    def forget(self, publications: Sequence[Publication]) -> None:
        """These will not come."""

    def ahead(self, publications: Sequence[Publication]) -> None:
        """The store is away: let the handlers of this process have these, unless they repeat others."""

    def withdraw(self, publication: Publication) -> bool:
        """Its publisher is told that it failed: nobody shall get it. False if handlers have it already."""

    def stored(self, publications: Sequence[tuple[Publication, Stored]]) -> bool:
        """These lie in the log now. True: others' rows lie between, and the log must be read."""

    def catch_up(self) -> None:
        """Read the log up to its head."""


class Writer:
    """The way from `publish` to the log of one store."""

    def __init__(self, store: Callable[[], Store], deliverer: Deliverer, spool: Spool | None = None) -> None:
        self.spool = spool or Spool()
        #: Held while a batch is appended.
        self.lock = threading.Lock()
        self.failures = 0
        self.refused = 0
        self.duplicates = 0
        self.last_error: str | None = None
        self._told: str | None = None
        self._store = store
        self._deliverer = deliverer
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._thread_lock = threading.Lock()
        self._retry_s = 0.0  # 0: the store works
        self._retry_at = 0.0

    @property
    def degraded(self) -> bool:
        """True while the store does not take events, as far as is known: with nothing left to try it by,
        only until the next attempt would have been due.
        """
        return self._retry_s > 0 and (len(self.spool) > 0 or time.monotonic() < self._retry_at)

    # -- handing over

    def submit(self, publication: Publication) -> None:
        """Take it over. `Backpressure` if the spool is full and the store away."""
        if not self.degraded:  # an outage that left nothing behind to try the store by
            self._retry_s = 0.0
        while not self.spool.add(publication):
            if self.degraded or len(publication.new.body) > self.spool.max_bytes:
                raise Backpressure(
                    f"{publication.new.type} was not taken: {len(self.spool):,} events"
                    f" ({self.spool.bytes:,} bytes) wait for the store already. It says: {self.last_error}"
                )
            # The store works, the publisher is faster: let it do the work of one append itself.
            self._append_and_deliver()

    def send_soon(self) -> None:
        """Let the writer thread append what waits; while the store is away, at the next retry."""
        if self._thread is None or not self._thread.is_alive():
            self._start()
        if not self.degraded:
            self._wake.set()

    def send_now(self, publication: Publication) -> None:
        """Append in this thread until this publication is settled, or the store is away."""
        while not publication.durable.is_open:
            if self.degraded:  # not each publisher shall wait for a store that is known to be away
                self.send_soon()
                self._deliver_ahead()
                return
            self._append_and_deliver()

    def urge(self, publication: Publication) -> None:
        """Somebody waits: try again now, whatever the delay between retries says."""
        del publication
        self.send_soon()
        self._wake.set()

    def flush(self, timeout_s: float, clock: Callable[[], float]) -> bool:
        """Append all that waits, in this thread; False if something is left after `timeout_s`."""
        until = clock() + timeout_s
        while len(self.spool):
            failures = self.failures
            self._append_and_deliver()
            if self.degraded:
                self._deliver_ahead()
            if self.failures != failures and self._pause(min(self._retry_s, until - clock())):
                break
            if clock() >= until:
                break
        return not len(self.spool)

    def close(self, timeout_s: float) -> None:
        """Stop the thread; what waits stays in the spool."""
        self._closed = True
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    # -- appending

    def _append_and_deliver(self) -> None:
        with self.lock:
            others_between = self._append()
        if others_between:
            self._deliverer.catch_up()

    def _append(self) -> bool:
        batch = self.spool.batch()
        if not batch:
            return False
        self._deliverer.expect(batch)
        try:
            answers = self._store().append([publication.new for publication in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, these events must not be lost by it
            if _is_the_stores(error):
                self._failed(error)
                return False
            if len(batch) > 1:
                return self._append_one_by_one(batch)
            self._refuse(batch[0], error)
            return False
        return self._answered(batch, answers)

    def _append_one_by_one(self, batch: list[Publication]) -> bool:
        """One of them makes the whole append impossible: find it, and save the others."""
        others_between = False
        for publication in batch:
            try:
                answers = self._store().append([publication.new])
            except Exception as error:  # noqa: BLE001 - see above
                if _is_the_stores(error):
                    self._failed(error)
                    break
                self._refuse(publication, error)
            else:
                others_between |= self._answered([publication], answers)
        return others_between

    def _answered(self, batch: list[Publication], answers: Sequence[Stored | Duplicate]) -> bool:
        self.spool.drop(batch)
        if self._retry_s:
            log.warning("the event store takes events again; %d events wait in the spool", len(self.spool))
            self._retry_s = 0.0
            self.last_error = self._told = None
        stored: list[tuple[Publication, Stored]] = []
        for publication, answer in zip(batch, answers, strict=True):
            if mine := publication.settle(answer):
                stored.append((publication, mine))
            else:  # a repeat of another event: it will not come by the log
                self.duplicates += 1
                self._deliverer.forget([publication])
        return self._deliverer.stored(stored)

    def _failed(self, error: StoreError) -> None:
        self.failures += 1
        self.last_error = cause = f"{type(error).__name__}: {error}"
        self._retry_s = min(max(self._retry_s * 2, FIRST_RETRY_S), LONGEST_RETRY_S)
        self._retry_at = time.monotonic() + self._retry_s
        withdrawn: list[Publication] = []
        told: list[Publication] = []
        for publication in self.spool.waiting():
            publication.uncertain |= isinstance(error, MaybeStored)
            publication.spooled = True
            if publication.wanted and publication.error is None:
                told.append(publication)
                if self._deliverer.withdraw(publication):
                    withdrawn.append(publication)
        self.spool.drop(withdrawn)
        for publication in told:
            publication.fail(_as_told_of(publication, error))
        if len(self.spool) and cause != self._told:  # whoever waits for an event is told by an exception
            log.error(
                "events cannot be stored, %d wait in the spool and are retried: %s", len(self.spool), cause
            )
            self._told = cause

    def _refuse(self, publication: Publication, error: Exception) -> None:
        self.refused += 1
        log.error("the store cannot take %s %s: %r", publication.new.type, publication.event_id, error)
        self.spool.drop([publication])
        self._deliverer.forget([publication])
        known = error if isinstance(error, NotStorable) else None
        publication.fail(known or StoreError(f"the store cannot take this event: {error!r}"))

    # -- the thread

    def _start(self) -> None:
        with self._thread_lock:
            if self._closed or sys.is_finalizing() or (self._thread is not None and self._thread.is_alive()):
                return
            thread = threading.Thread(target=self._run, name="rules-engine-writer", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is ending: the flush at exit does the work
                return
            self._thread = thread

    def _run(self) -> None:
        while not self._closed:
            if not len(self.spool):
                self._wake.wait()
            elif self.degraded:
                self._await_retry()
            self._wake.clear()
            if not self._closed:
                self._append_and_deliver()

    def _await_retry(self) -> None:
        """Until the next attempt is due, or somebody asks for it."""
        until = time.monotonic() + self._retry_s
        while (left := until - time.monotonic()) > 0 and not self._wake.wait(min(left, AHEAD_AFTER_S)):
            self._deliver_ahead()

    def _deliver_ahead(self) -> None:
        """Let handlers of this process have what waits for a store that is away (A4)."""
        ready: list[Publication] = []
        newest = time.monotonic() - AHEAD_AFTER_S
        for publication in self.spool.not_looked_at():
            if publication.loop is not None and publication.since_s > newest:
                break
            if not publication.wanted:
                ready.append(publication)
        self._deliverer.ahead(ready)

    def _pause(self, seconds: float) -> bool:
        """Wait between two attempts of a flush; True if there is no time for another."""
        if seconds <= 0:
            return True
        threading.Event().wait(seconds)
        return False


def _is_the_stores(error: Exception) -> TypeGuard[StoreError]:
    """Whether the store is away, so that a retry may help; all else is the fault of an event."""
    return isinstance(error, StoreError) and not isinstance(error, NotStorable)


def _as_told_of(publication: Publication, error: StoreError) -> StoreError:
    """What its publisher is told of a failed attempt."""
    if publication.ahead:
        return MaybeStored(
            publication.event_id,
            f"not stored yet: handlers of this process have it, and it waits for the store. It says: {error}",
        )
    return MaybeStored(publication.event_id, str(error)) if isinstance(error, MaybeStored) else error
