"""What `publish` returns: a handle on an event that is on its way already.

It can be awaited, gathered, wrapped into a task, asked for its result from any thread, or ignored.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Generator
from threading import Lock
from typing import Any, Protocol

from rules_engine.event import Event, Row
from rules_engine.events.encoding import decode
from rules_engine.events.handling import current_row
from rules_engine.events.latch import Latch
from rules_engine.store.port import Duplicate, NewEvent, Stored

#: Awaiting a publication waits so long for the handlers of this process, and not longer.
HANDLERS_WAIT_S = 1.0


class Sender(Protocol):
    """Who brings a publication into the log."""

    def urge(self, publication: Publication) -> None:
        """Somebody waits for it now: try without delay, and tell a failure instead of retrying."""


class Receipt(Event):
    """The published event, as handlers see it, with two more keys: `stored` and `duplicate_of`."""

    __slots__ = ()

    def __init__(self, row: Row, payload: dict[str, Any], duplicate_of: str | None = None) -> None:
        super().__init__(row, payload)
        dict.__setitem__(self, "stored", duplicate_of is None)
        dict.__setitem__(self, "duplicate_of", duplicate_of)

    def __reduce__(self) -> tuple[Any, ...]:
        _, (row, payload) = super().__reduce__()
        return Receipt, (row, payload, self["duplicate_of"])


class Publication(Coroutine[Any, Any, Receipt]):
    """An event handed over for storing.

    Awaiting it gives a `Receipt` once the event is durable and this process's handlers are done
    (at most 1 s; inside a handler, durable only), or raises `StoreError` or `MaybeStored`.
    Cancelling the await withdraws nothing.
    """

    __slots__ = (
        "__weakref__", "_answer", "_asked", "_error", "_handled", "_handled_here", "_inner", "_left",
        "_left_here", "_lock", "_sender", "ahead", "delivered", "durable", "loop", "new", "since_s",
        "spooled", "uncertain", "wanted",
    )  # fmt: skip

    def __init__(self, new: NewEvent, sender: Sender, loop: asyncio.AbstractEventLoop | None) -> None:
        self.new = new
        #: The loop it was published on, None if none was running.
        self.loop = loop
        #: Opens when it is stored, found to be a duplicate, or given up.
        self.durable = Latch()
        #: True once somebody waits for the outcome; only then is a failure raised.
        self.wanted = False
        #: True while it waits in the spool after a failed attempt.
        self.spooled = False
        #: True after an attempt of which nobody knows whether it has stored the event.
        self.uncertain = False
        #: When it was published, by the steady clock.
        self.since_s = time.monotonic()
        #: True once the handlers of this process were given it.
        self.delivered = False
        #: Whether they were given it before it was stored; None until that question came up.
        self.ahead: bool | None = None
        self._asked = False
        self._sender = sender
        self._answer: Stored | Duplicate | None = None
        self._error: Exception | None = None
        self._inner: Generator[Any, None, Receipt] | None = None
        self._lock = Lock()
        self._left = self._left_here = 1  # the dispatch itself holds both until it has asked all handlers
        self._handled = Latch()
        self._handled_here = Latch()

    # -- looking at it

    @property
    def event_id(self) -> str:
        """The event's id, known from the start."""
        return self.new.id

    @property
    def stored(self) -> bool:
        """True once the event lies in the log by this publication."""
        return isinstance(self._answer, Stored)

    @property
    def duplicate_of(self) -> str | None:
        """The id of the earlier event it repeats, None if it repeats none (or that is not known yet)."""
        return self._answer.of if isinstance(self._answer, Duplicate) else None

    @property
    def seq(self) -> int | None:
        """Its position in the log (of the earlier event, if it is a duplicate); None until it is durable."""
        return self._answer.seq if self._answer is not None else None

    @property
    def error(self) -> Exception | None:
        """Why it was given up, None if it was not."""
        return self._error

    def __repr__(self) -> str:
        state = "on its way"
        if self._error is not None:
            state = f"failed: {self._error}"
        elif isinstance(self._answer, Stored):
            state = f"stored as {self._answer.seq}"
        elif self._answer is not None:
            state = f"duplicate of {self._answer.of}"
        elif self.spooled:
            state = "in the spool"
        return f"<Publication {self.new.type} {self.new.id} {state}>"

    # -- waiting for it

    def result(self, timeout: float | None = None) -> Receipt:
        """Block until the event is durable; works in any thread. `TimeoutError` after `timeout` seconds."""
        self._want()
        if not self.durable.wait(timeout):
            raise TimeoutError(
                f"{self.new.type} {self.new.id} was not durable after {timeout} s; it is still on its way"
            )
        return self._receipt()

    def wait_for_local_handlers(self) -> None:
        """Block until handlers that need no other event loop have run, at most `HANDLERS_WAIT_S`."""
        if self._answer is not None or self.ahead:
            self._handled_here.wait(HANDLERS_WAIT_S)

    async def _wait(self) -> Receipt:
        self._want()
        await self.durable.arrive()
        receipt = self._receipt()
        if current_row.get() is None:
            await self._handled.arrive(HANDLERS_WAIT_S)
        return receipt

    def _want(self) -> None:
        if not self.durable.is_open:
            self.wanted = True
            self._sender.urge(self)

    def _receipt(self) -> Receipt:
        if self._error is not None:
            raise self._error
        answer, new = self._answer, self.new
        assert answer is not None
        time_ms = answer.time_ms if isinstance(answer, Stored) else 0
        row = Row(
            answer.seq, time_ms, new.kind, new.id, new.type, {}, new.source, new.cause, new.chain, new.depth
        )  # fmt: skip
        return Receipt(row, decode(new.body), self.duplicate_of)

    def __await__(self) -> Generator[Any, None, Receipt]:
        return self._wait().__await__()

    def send(self, value: Any) -> Any:
        """Coroutine protocol, for tasks."""
        if self._inner is None:
            self._inner = self.__await__()
        return self._inner.send(value)

    def throw(self, *error: Any) -> Any:
        """Coroutine protocol, for tasks."""
        if self._inner is None:
            self._inner = self.__await__()
        return self._inner.throw(*error)

    def close(self) -> None:
        """Coroutine protocol: stop waiting. The event goes its way all the same."""
        if self._inner is not None:
            self._inner.close()

    # -- news from those who store and deliver it

    def settle(self, answer: Stored | Duplicate) -> Stored | None:
        """The store has answered. Returns where the event lies, None if it repeats another one.

        A duplicate of this very id after an attempt whose outcome was unknown: that one has stored it; its
        time is then not known here (0).
        """
        if isinstance(answer, Duplicate) and answer.of == self.new.id and self.uncertain:
            answer = Stored(answer.id, answer.seq, 0)
        self._answer = answer
        self._error = None
        self.spooled = False
        self.durable.open()
        return answer if isinstance(answer, Stored) else None

    def fail(self, error: Exception) -> None:
        """It was given up."""
        self._error = error
        self.durable.open()
        self._handled.open()
        self._handled_here.open()

    def hold(self, *, here: bool) -> None:
        """One more handler will deal with it; `here`: one that needs no other loop."""
        with self._lock:
            self._left += 1
            self._left_here += here

    def release(self, *, here: bool) -> None:
        """One of those has dealt with it, or never will."""
        with self._lock:
            self._left -= 1
            self._left_here -= here
            handled, handled_here = self._left == 0, self._left_here == 0
        if handled_here:
            self._handled_here.open()
        if handled:
            self._handled.open()

    def asked_all(self) -> None:
        """Every handler of this process was asked whether it takes it; once for all."""
        if not self._asked:
            self._asked = True
            self.release(here=True)

    def when_handled(self, callback: Any) -> None:
        """Call back when the handlers of this process are done with it, or it was given up."""
        self._handled.when_open(callback)
