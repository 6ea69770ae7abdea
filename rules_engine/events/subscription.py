"""A live subscription: one queue, in log order, one call at a time, beside all others (A9).

A queue that fills up is dropped, and the subscription goes on from the log at the last event it took, so its
memory is bounded and nothing is lost while the log keeps it.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from collections import deque
from enum import Enum

from rules_engine.event import Row
from rules_engine.events import loop_tasks
from rules_engine.events.failures import letter, log_failure
from rules_engine.events.feed import HEARD_KINDS, PAGE_ROWS, Item
from rules_engine.events.handler_call import Handler
from rules_engine.events.latch import Latch
from rules_engine.events.publication import Publication
from rules_engine.events.statistics import HandlerStats
from rules_engine.events.surroundings import Surroundings
from rules_engine.store.port import StoreError

log = logging.getLogger("rules_engine.events")

MAX_QUEUED = 1_000
#: So many calls of one sync handler may hang at a time; one more, and the subscription is closed.
MAX_ABANDONED = 3


class _Next(Enum):
    READ = "read the log"


#: An item, and whether its publisher counts this handler among those that need no other loop.
_Waiting = tuple[Item, bool]


class Subscription:
    """A handle: `close()` ends it, `stats` counts. Made by `subscribe`."""

    durable: str | None = None

    def __init__(
        self, types: frozenset[str] | None, handler: Handler, around: Surroundings, start: int
    ) -> None:
        self.types = types
        self.handler = handler
        self.stats = HandlerStats(handler.name)
        self._around = around
        self._lock = threading.Lock()
        self._queue: deque[_Waiting] = deque()
        self._queued_up_to = start  # the last row offered or read
        self._taken = start  # the last row taken by a call
        self._ahead: dict[str, Publication] = {}  # what it was given before it was stored
        self._behind = False  # True: rows come from the log, not from `offer`
        self._active = False  # True: somebody drains the queue, or will
        self._closed = False
        #: Opens when its last call has returned and it has let go of everything.
        self.ended = Latch()
        self._shift = 0  # the number of the thread that drains; an abandoned one has an old number
        self._abandoned = 0

    # -- the handle

    @property
    def name(self) -> str:
        """The handler's name."""
        return self.handler.name

    @property
    def closed(self) -> bool:
        """True once no new call will start."""
        return self._closed

    @property
    def pending(self) -> int:
        """Events in its queue."""
        return len(self._queue)

    @property
    def busy(self) -> bool:
        """Whether it is working off events in threads of ours: what an exit waits for."""
        if not self._active or (self.handler.home() is not None):
            return False
        return not (self._abandoned and not self._queue)

    def wants(self, name: str) -> bool:
        """Whether it listens to this event."""
        return self.types is None or name in self.types

    def close(self) -> None:
        """No new call starts after this returns; a running one goes on to its end."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            queue, self._queue = self._queue, deque()
            idle = not self._active
        for waiting in queue:
            _release(*waiting)
        if idle:
            self.ended.open()
            self.handler.close()
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

    def __repr__(self) -> str:
        types = "everything" if self.types is None else ", ".join(sorted(self.types))
        return f"<Subscription {self.name} to {types}{' (closed)' if self._closed else ''}>"

    # -- rows come in

    def offer(self, item: Item) -> None:
        """A row from the feed, in order."""
        with self._lock:
            if self._closed or self._behind or self._has(item):
                return
            dropped: tuple[_Waiting, ...] = ()
            if len(self._queue) >= MAX_QUEUED:
                dropped = self._fall_behind()
            else:
                if not item.row.seq:
                    self._note_ahead(item)
                here = self.handler.is_private(self.handler.place(item))
                if item.publication is not None:
                    item.publication.hold(here=here)
                self._queue.append((item, here))
            self._rouse()
        for waiting in dropped:
            _release(*waiting)

    def _has(self, item: Item) -> bool:
        """Whether it was given this one already: as a row, or before there was one."""
        if not item.row.seq:
            return False
        if item.row.seq <= self._queued_up_to:
            return True
        self._queued_up_to = item.row.seq
        known = item.row.id if item.publication is None else item.publication.event_id
        return self._ahead.pop(known, None) is not None

    def _note_ahead(self, item: Item) -> None:
        if item.publication is None:
            return
        if len(self._ahead) >= MAX_QUEUED:  # those whose rows will never come
            self._ahead = {
                known: each
                for known, each in self._ahead.items()
                if not (each.durable.is_open and each.duplicate_of)
            }
        self._ahead[item.row.id] = item.publication

    def go_back(self, position: int) -> None:
        """Begin after `position`, an earlier place in the log."""
        with self._lock:
            self._queued_up_to = self._taken = position
            self._behind = True
            self._rouse()

    def _fall_behind(self) -> tuple[_Waiting, ...]:
        dropped = tuple(self._queue)
        for item, _ in dropped:  # these it will read from the log
            if not item.row.seq:
                self._ahead.pop(item.row.id, None)
        self._queue.clear()
        self._queued_up_to = self._taken
        self._behind = True
        self.stats.dropped_to_log += 1
        if self.stats.dropped_to_log == 1:
            log.warning("%s is slow: over %d events wait; it goes on from the log", self.name, MAX_QUEUED)
        return dropped

    def read_log(self) -> None:
        """Fetch the next rows of the log; at its head, go back to being fed."""
        try:
            page = self._around.store().read(self._queued_up_to, PAGE_ROWS)
        except StoreError as error:
            log.warning("%s waits for the log: %s", self.name, error)
            time.sleep(0.5)
            return
        feed = self._around.feed
        with feed.lock, self._lock:
            if page.gap is not None:
                log.warning("%s missed pruned events %d to %d", self.name, page.gap.first, page.gap.last)
            self._queue.extend(
                (Item(row, None, None, row.payload), True)
                for row in page.rows
                if self._hears(row) and self._ahead.pop(row.id, None) is None
            )
            self._queued_up_to = max(page.next, self._queued_up_to)
            if self._queued_up_to >= (feed.position or 0):
                self._behind = False

    def _hears(self, row: Row) -> bool:
        return row.kind in HEARD_KINDS and self.wants(row.type)

    # -- draining the queue

    def _rouse(self) -> None:
        """Let somebody drain, if nobody does. Called with the lock held."""
        if not self._active:
            self._active = True
            self._shift += 1
            place = self.handler.place(self._queue[0][0]) if self._queue else self._resting_place()
            self._start(place)

    def _resting_place(self) -> asyncio.AbstractEventLoop | None:
        if not self.handler.on_loop:
            return None
        return self.handler.home() or (self.handler.private_loop() if self.handler.is_async else None)

    def _start(self, place: asyncio.AbstractEventLoop | None) -> None:
        shift = self._shift
        if place is not None:
            try:
                place.call_soon_threadsafe(self._start_on, place, shift)
                return
            except RuntimeError:  # closed between the look and the call
                place = self.handler.private_loop() if self.handler.is_async else None
                if place is not None:
                    place.call_soon_threadsafe(self._start_on, place, shift)
                    return
        self._around.workers.submit(lambda: self._drain_in_thread(shift))

    def _start_on(self, loop: asyncio.AbstractEventLoop, shift: int) -> None:
        loop_tasks.start(self._drain_on(loop, shift), loop)

    def _take(self, place: asyncio.AbstractEventLoop | None, shift: int) -> _Waiting | _Next | None:
        """The next item for this place; None when this drain is over."""
        with self._lock:
            if shift != self._shift:
                return None
            if self._closed:
                self._active = False
                self.ended.open()
                self.handler.close()
                return None
            if not self._queue:
                if self._behind:
                    return _Next.READ
                self._active = False
                return None
            right_place = self.handler.place(self._queue[0][0])
            if right_place is not place:
                self._shift += 1
                self._start(right_place)
                return None
            waiting = self._queue.popleft()
            self._taken = max(self._taken, waiting[0].row.seq)
            return waiting

    async def _drain_on(self, loop: asyncio.AbstractEventLoop, shift: int) -> None:
        try:
            while (waiting := self._take(loop, shift)) is not None:
                if isinstance(waiting, _Next):
                    await self._around.workers.run(self.read_log)
                elif self.handler.is_async:
                    await self._call_async(*waiting)
                else:
                    self._call_inline(*waiting)
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            with self._lock:  # a user cancelled all tasks: the queue is not theirs to lose
                if shift == self._shift:
                    self._active = False
                    if (self._queue or self._behind) and not self._closed:
                        self._rouse()
            raise

    async def _call_async(self, item: Item, here: bool) -> None:
        started = time.perf_counter()
        try:
            error = await self.handler.call_on_loop(item)
        except asyncio.CancelledError as cancelled:
            self._finished(item, here, cancelled, time.perf_counter() - started)
            raise
        self._finished(item, here, error, time.perf_counter() - started)

    def _call_inline(self, item: Item, here: bool) -> None:
        started = time.perf_counter()
        call = self._around.watch.begin(self.name)
        error: Exception | None = None
        try:
            self.handler.call(item.event(), item)
        except Exception as raised:  # noqa: BLE001 - the handler's own, counted and logged
            error = raised
        finally:
            self._around.watch.end(call)
        self._finished(item, here, error, time.perf_counter() - started)

    def _drain_in_thread(self, shift: int) -> None:
        while (waiting := self._take(None, shift)) is not None:
            if isinstance(waiting, _Next):
                self.read_log()
            elif not self._call_in_thread(*waiting, shift):
                return

    def _call_in_thread(self, item: Item, here: bool, shift: int) -> bool:
        """Call it here. False if the watch has given this thread up meanwhile."""
        started = time.perf_counter()
        call = self._around.watch.begin(
            self.name, self.handler.timeout_s, lambda: self._abandon(item, here, shift)
        )
        error: Exception | None = None
        try:
            result = self.handler.call(item.event(), item)
            if inspect.isawaitable(result):
                self.handler.finish_in_thread(result)
        except Exception as raised:  # noqa: BLE001 - the handler's own, counted and logged
            error = raised
        if not self._around.watch.end(call):
            with self._lock:
                self._abandoned -= 1
            self._around.workers.regain()
            return False
        self._finished(item, here, error, time.perf_counter() - started)
        return True

    def _abandon(self, item: Item, here: bool, shift: int) -> None:
        """A sync handler hangs: leave its thread to it, and go on in another."""
        with self._lock:
            self._abandoned += 1
            too_many = self._abandoned >= MAX_ABANDONED
            mine = shift == self._shift
            self._shift += mine
        self._around.workers.lend()
        if too_many:
            log.error("%s hangs in %d threads: its subscription is closed", self.name, MAX_ABANDONED)
            self.close()
        self._finished(item, here, self.handler.timed_out(), self.handler.timeout_s)
        if mine:
            self._start(None)

    # -- after a call

    def _finished(self, item: Item, here: bool, error: BaseException | None, elapsed_s: float) -> None:
        if self.stats.add(elapsed_s, error) and error is not None:
            log_failure(self.name, item, error)
        if error is not None:
            self._around.bury(letter(self.name, item, error, 1))
        _release(item, here)


def _release(item: Item, here: bool) -> None:
    if item.publication is not None:
        item.publication.release(here=here)
