"""A durable subscription: fed from the log at its own pinned position, acknowledged after success (A11).

The position outlives the process, and the log is never pruned past it. One process at a time serves
a name; another that subscribes to it stands by. A handler that fails is called again, later and later;
after the last attempt the event goes to the dead letters and the position moves on.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from uuid import uuid4

from rules_engine.event import Row
from rules_engine.events.failures import letter, log_failure
from rules_engine.events.feed import HEARD_KINDS, PAGE_ROWS, Item
from rules_engine.events.handler_call import Handler
from rules_engine.events.latch import Latch
from rules_engine.events.loop_tasks import CLEAN_UP_S
from rules_engine.events.publication import Publication
from rules_engine.events.statistics import HandlerStats
from rules_engine.events.surroundings import Surroundings
from rules_engine.store.port import Lease, StoreError

log = logging.getLogger("rules_engine.events")

MAX_ATTEMPTS = 5
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 60.0
#: How often a process that stands by looks whether the name has become free.
STAND_BY_S = 1.0
#: An acknowledgement is a transaction: not more often than this, and whenever the queue is empty.
ACK_EVERY_S = 0.5


class DurableSubscription:
    """A handle like `Subscription`, whose place in the log is kept under `durable`."""

    def __init__(
        self,
        durable: str,
        types: frozenset[str] | None,
        handler: Handler,
        around: Surroundings,
        start: int | None,
    ) -> None:
        self.durable: str | None = durable
        self._key = durable
        self.types = types
        self.handler = handler
        self.stats = HandlerStats(f"{handler.name} ({durable})")
        self.retry_s = FIRST_RETRY_S
        self._around = around
        self._owner = f"{os.getpid()}:{uuid4().hex[:12]}"
        self._role = f"subscription:{durable}"
        self._lease: Lease | None = None
        self._lease_ms = int((handler.timeout_s + 2 * CLEAN_UP_S + 10) * 1000)
        self._renewed = 0.0
        self._position = around.store().reader(durable, pinned=True, start=start)
        self._acked = self._position
        self._acked_at = time.monotonic()
        self._lock = threading.Lock()
        self._noted: dict[
            int, tuple[Publication, bool]
        ] = {}  # publications that wait for this handler, by position
        self._news = False
        self._active = False
        self._standing_by = False
        self._stop = threading.Event()
        #: Opens when its last call has returned and it has let go of everything.
        self.ended = Latch()

    # -- the handle

    @property
    def name(self) -> str:
        """The handler's name."""
        return self.handler.name

    @property
    def closed(self) -> bool:
        """True once no new call will start."""
        return self._stop.is_set()

    @property
    def pending(self) -> int:
        """Rows of the log it has not come to."""
        return max(0, (self._around.feed.position or 0) - self._position)

    @property
    def position(self) -> int:
        """The last row it is done with."""
        return self._position

    @property
    def busy(self) -> bool:
        """Never: what it has not finished, it does after the restart."""
        return False

    def wants(self, name: str) -> bool:
        """Whether it listens to this event."""
        return self.types is None or name in self.types

    def close(self) -> None:
        """No new call starts after this returns. The position stays for the next one of this name."""
        with self._lock:
            if self._stop.is_set():
                return
            self._stop.set()
            idle = not self._active
        if idle:
            self._end()
        self._around.closed(self)

    async def aclose(self) -> None:
        """Close it and wait for the running call. Not from inside its own handler."""
        self.close()
        await self.ended.arrive()

    def narrow(self, name: str) -> None:
        """Listen to this event no longer; the last one closes it."""
        if self.types is not None:
            self.types -= {name}
            if not self.types:
                self.close()

    # -- rows come in

    def offer(self, item: Item) -> None:
        """There is something new in the log."""
        with self._lock:
            if self._stop.is_set() or item.row.seq <= self._position:
                return
            if item.publication is not None and not self._standing_by and len(self._noted) < PAGE_ROWS:
                here = self.handler.home() is None
                item.publication.hold(here=here)
                self._noted[item.row.seq] = item.publication, here
            self._rouse()

    def begin(self) -> None:
        """Work off what lies behind its position already."""
        with self._lock:
            self._rouse()

    def _rouse(self) -> None:
        self._news = True
        if not self._active:
            self._active = True
            self._around.workers.submit(self._drain)

    # -- working it off, in one thread

    def _drain(self) -> None:
        while not self._stop.is_set():
            try:
                self._standing_by = not self._hold_lease()
                if self._standing_by:
                    self._forget_noted()  # another process handles them
                    self._stop.wait(STAND_BY_S)
                    continue
                with self._lock:
                    self._news = False
                more = self._work_off_page()
                if not more:
                    self._acknowledge()
            except StoreError as error:
                log.warning("the durable subscription %s waits for the store: %s", self.durable, error)
                self._stop.wait(STAND_BY_S)
                continue
            with self._lock:
                if not more and not self._news:
                    self._active = False
                    break
        if self._stop.is_set():
            self._end()

    def _work_off_page(self) -> bool:
        page = self._around.store().read(self._position, PAGE_ROWS)
        if page.gap is not None:
            log.error(
                "%s: events %d to %d are gone from the log", self.durable, page.gap.first, page.gap.last
            )
        for row in page.rows:
            if self._hears(row) and not self._serve(Item(row, None, None, row.payload)):
                return True
            self._move_to(row.seq)
            if time.monotonic() - self._acked_at >= ACK_EVERY_S:
                self._acknowledge()
            if not self._hold_lease():
                return True
        self._move_to(page.next)
        return bool(page.rows)

    def _hears(self, row: Row) -> bool:
        return row.kind in HEARD_KINDS and self.wants(row.type)

    def _serve(self, item: Item) -> bool:
        """Call the handler until it succeeds or is given up. False if there was no time for that."""
        delay_s = self.retry_s
        for attempt in range(1, MAX_ATTEMPTS + 1):
            if self._stop.is_set():
                return False
            started = time.perf_counter()
            error = self.handler.call_in_thread(item)
            if self.stats.add(time.perf_counter() - started, error) and error is not None:
                log_failure(self.stats.name, item, error)
            if error is None:
                return True
            if attempt == MAX_ATTEMPTS:
                self._around.bury(letter(self.stats.name, item, error, attempt))
                return True
            if self._stop.wait(delay_s) or not self._hold_lease():
                return False
            delay_s = min(2 * delay_s, LONGEST_RETRY_S)
        return True

    def _move_to(self, position: int) -> None:
        self._position = max(position, self._position)
        with self._lock:
            done = [self._noted.pop(seq) for seq in list(self._noted) if seq <= self._position]
        for publication, here in done:
            publication.release(here=here)

    def _acknowledge(self) -> None:
        self._acked_at = time.monotonic()
        if self._position == self._acked:
            return
        store = self._around.store()
        if store.ack(self._key, self._acked, self._position):
            self._acked = self._position
        else:  # somebody moved it while this process had lost its lease: theirs counts
            self._position = self._acked = store.reader(self._key)

    def _hold_lease(self) -> bool:
        """Have the right to serve this name; read the position anew when it was not held before."""
        now = time.monotonic()
        if self._lease is not None and (now - self._renewed) * 1000 < self._lease_ms / 3:
            return True
        store = self._around.store()
        if self._lease is not None and store.renew(self._lease, self._lease_ms):
            self._renewed = now
            return True
        self._lease = store.acquire(self._role, self._owner, self._lease_ms)
        if self._lease is None:
            return False
        self._renewed = now
        self._position = self._acked = store.reader(self._key)
        return True

    def _end(self) -> None:
        try:
            self._acknowledge()
            if self._lease is not None:
                self._around.store().release(self._lease)
        except StoreError as error:
            log.warning("%s could not be closed in order: %s", self.durable, error)
        self._lease = None
        self._forget_noted()
        self.handler.close()
        self.ended.open()

    def _forget_noted(self) -> None:
        with self._lock:
            noted, self._noted = self._noted, {}
        for publication, here in noted.values():
            publication.release(here=here)
