"""The log as this process's handlers see it: each row once, in order, whoever appended it (A12).

There is one position in the log. Rows this process has just appended are handed out without reading
them again, as long as they follow that position; where others' rows lie between, the log is read.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from rules_engine.event import Event, Kind, Row
from rules_engine.events.encoding import decode
from rules_engine.events.publication import Publication
from rules_engine.events.recent_digests import RecentDigests
from rules_engine.store.port import Gap, Store, Stored, StoreError

log = logging.getLogger("rules_engine.events")

PAGE_ROWS = 256
#: The tail looks whether it shall end at least so often.
LONGEST_WAIT_S = 0.5
#: Rows that are events; ticks and outcomes are between the log and the rules.
HEARD_KINDS = frozenset({Kind.EVENT, Kind.EMITTED})


class Item:
    """A row on its way to handlers. `publication` is set if this process published it.

    The row's position is 0 while it is not stored.
    """

    __slots__ = ("_body", "publication", "row")

    def __init__(
        self,
        row: Row,
        body: bytes | None,
        publication: Publication | None,
        payload: dict[str, Any] | None = None,
    ) -> None:
        self.row = row
        self.publication = publication
        self._body = body if body is not None else orjson.dumps(payload)

    @property
    def size(self) -> int:
        """Bytes of its payload."""
        return len(self._body)

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop on which this process published it, if any."""
        return self.publication.loop if self.publication is not None else None

    def event(self) -> Event:
        """An Event with its own copy of the payload."""
        return Event(self.row, decode(self._body))


class Feed:
    """Hands rows to subscriptions; a `Deliverer` for the writer."""

    def __init__(
        self,
        store: Callable[[], Store],
        dispatch: Callable[[Item], None],
        record: Callable[[Item], None],
        poll_interval_s: float,
        on_turn: Callable[[], None] = lambda: None,
    ) -> None:
        #: Held while rows are handed out; a subscription takes it to begin at a clear position.
        self.lock = threading.RLock()
        #: The last row handed out; None while nobody listens.
        self.position: int | None = None
        self.gaps: list[Gap] = []
        self.failing: str | None = None
        self._store = store
        self._dispatch = dispatch
        self._record = record  # called for each event, also for own ones while nobody listens
        self._poll_interval_s = poll_interval_s
        self._on_turn = on_turn  # called by the tail after each look
        self._expected: dict[str, Publication] = {}
        self._recent = RecentDigests()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    # -- beginning and ending

    def attach(self) -> int:
        """Begin to follow the log, at its head; returns the head. `StoreError` if it cannot be read.

        In that case the log is followed as soon as it can be.
        """
        with self.lock:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._follow, name="rules-engine-tail", daemon=True)
                self._thread.start()
            head = self._store().info().head
            if self.position is None:
                self.position = head
            return head

    def stop(self) -> None:
        """Hand out nothing more."""
        self._closed.set()

    def close(self, timeout_s: float) -> None:
        """Stop, and wait for the thread."""
        self.stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    # -- own rows, from the writer

    def expect(self, publications: Sequence[Publication]) -> None:
        """Know these by their ids, should the tail read them before `stored` is called."""
        with self.lock:
            for publication in publications:
                if publication.ahead or not publication.delivered:
                    self._expected.setdefault(publication.event_id, publication)

    def forget(self, publications: Sequence[Publication]) -> None:
        """These will not come."""
        with self.lock:
            for publication in publications:
                if self._expected.get(publication.event_id) is publication:
                    del self._expected[publication.event_id]
                publication.asked_all()
                twin, seq = publication.duplicate_of, publication.seq or 0
                if publication.ahead and twin and seq > (self.position or 0):
                    # It repeats another process's event: who was given this one shall not get that one.
                    self._expected.setdefault(twin, publication)

    def ahead(self, publications: Sequence[Publication]) -> None:
        """Hand these out though they are not stored, once; their rows have the position 0.

        A repeat within the window is left to the store, as far as it can be known here.
        """
        with self.lock:
            for publication in publications:
                if publication.delivered or publication.durable.is_open:
                    continue
                publication.ahead = not self._recent.repeats(publication)
                if publication.ahead:
                    self._recent.note(publication)
                    self._expected[publication.event_id] = publication
                    at = Stored(publication.event_id, 0, round(time.time() * 1000))
                    self._hand_out(Item(_row(publication, at), publication.new.body, publication))
                publication.asked_all()

    def withdraw(self, publication: Publication) -> bool:
        """Forget it, unless it was handed out ahead."""
        with self.lock:
            if publication.ahead:
                return False
            publication.ahead = False
            self.forget([publication])
            return True

    def stored(self, publications: Sequence[tuple[Publication, Stored]]) -> bool:
        """Hand out what follows the position; True if the log must be read for the rest."""
        behind = False
        with self.lock:
            for publication, at in publications:
                self._recent.note(publication)
                if self._expected.get(publication.event_id) is not publication:
                    continue  # the tail was faster
                if self.position is None and self._thread is not None:
                    self.position = at.seq - 1  # somebody listens since the store was away
                if self.position is None or at.seq <= self.position:
                    if not publication.delivered:
                        self._record(Item(_row(publication, at), publication.new.body, publication))
                    self.forget([publication])
                elif at.seq == self.position + 1 and at.time_ms:
                    del self._expected[publication.event_id]
                    self.position = at.seq
                    self._hand_out(Item(_row(publication, at), publication.new.body, publication))
                else:
                    behind = True
        return behind

    # -- everybody's rows, from the log

    def catch_up(self) -> None:
        """Read and hand out up to the head of the log; a store that is away is tried again later."""
        try:
            while not self._closed.is_set():
                with self.lock:
                    if self.position is None or not self._read_page(self.position):
                        break
        except Exception as error:  # noqa: BLE001 - events of other processes have no other way in
            self._fails(error)
        else:
            self.failing = None

    def _fails(self, error: Exception) -> None:
        cause = f"{type(error).__name__}: {error}"
        if self.failing != cause:
            way = None if isinstance(error, StoreError) else error
            log.warning("events of other processes cannot be read, retrying: %s", cause, exc_info=way)
        self.failing = cause

    def _read_page(self, position: int) -> bool:
        page = self._store().read(position, PAGE_ROWS)
        if page.gap is not None:
            log.warning("events %d to %d were pruned before they were read", page.gap.first, page.gap.last)
            self.gaps = [*self.gaps[-99:], page.gap]
        for row in page.rows:
            self.position = row.seq
            publication = self._expected.pop(row.id, None)
            if row.kind in HEARD_KINDS:
                self._hand_out(Item(row, None, publication, row.payload))
            elif publication is not None:
                publication.asked_all()
        self.position = max(page.next, position)
        return bool(page.rows) or page.gap is not None

    def _hand_out(self, item: Item) -> None:
        publication = item.publication
        if publication is None:
            self._record(item)
            self._dispatch(item)
            return
        if not publication.delivered:
            publication.delivered = True
            self._record(item)
        try:
            self._dispatch(item)
        finally:
            publication.asked_all()

    def _follow(self) -> None:
        """The tail thread: wait for rows of others, and hand them out."""
        while not self._closed.is_set():
            wait_s = min(self._poll_interval_s, LONGEST_WAIT_S)
            try:
                if self.position is None:
                    self.attach()
                self._store().wait(self.position or 0, int(wait_s * 1000))
                if not self._closed.is_set():
                    self.catch_up()
                    self._on_turn()
            except Exception as error:  # noqa: BLE001 - nobody else follows the log
                if not self._closed.is_set():
                    self._fails(error)
            if self.failing is not None:
                self._closed.wait(wait_s)


def _row(publication: Publication, at: Stored) -> Row:
    new = publication.new
    return Row(
        at.seq, at.time_ms, new.kind, new.id, new.type, {}, new.source, new.cause, new.chain, new.depth
    )
