"""Reads rows, decides them over a fork of the state, commits all that follows in one transaction.

`turn` does one batch. It blocks in the store only and runs in a thread of its own (`run`), away from every
event loop. Memory takes a decision only after its commit returned (R2); a commit that is refused because another
daemon took over ends the evaluator, any other trouble makes it read position and state again (R1, R6).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from rules_engine.daemon import control, facts
from rules_engine.daemon.batch import Batch
from rules_engine.daemon.breaker import Breaker
from rules_engine.daemon.log import log
from rules_engine.daemon.reloader import Reload
from rules_engine.engine.control import apply_control
from rules_engine.engine.handover import handover
from rules_engine.engine.plan import Plan
from rules_engine.engine.state import State
from rules_engine.engine.step import decide
from rules_engine.event import Row
from rules_engine.pipeline import RuleSet
from rules_engine.store.port import (
    Control,
    Fenced,
    Lease,
    PinnedControl,
    Store,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreReadOnly,
)

#: At most one tick row in this time (R9).
_TICK_EVERY_MS = 10
_LISTEN_MS = 200
_RETRY_S = 0.5
_PAGE = 1_000


@dataclass
class _Swap:
    """A rule set that waits for its place in the log."""

    rules: RuleSet
    done: Future[dict[str, Any]]


class Evaluator:
    """The engine over one store, under one lease. One thread runs it; `swap` and `wake` come from others.

    `on_commit` is called after each commit that owes actions, `on_reload_asked` with the id of a request.
    """

    def __init__(
        self, store: Store, lease: Lease, *, batch_rows: int = 256, max_firings_per_minute: int = 600
    ) -> None:
        self._store = store
        self._lease = lease
        self._batch_rows = self._page_rows = batch_rows
        self._breaker = Breaker(max_firings_per_minute)
        self._state = State()
        self._position = 0
        self._time_ms = 0
        self._next_n = 0
        self._plan: Plan | None = None
        self._dirty = False
        self._swap_lock = threading.Lock()
        self._swaps: list[_Swap] = []
        self._changed = threading.Event()
        self._idle = threading.Event()
        self.active_hash = ""
        self.rows = 0
        self.failures = 0
        self.trouble: str | None = None
        self.on_commit: Callable[[], None] = lambda: None
        self.on_reload_asked: Callable[[int], None] = lambda _: None

    # ---- beginning ---------------------------------------------------------------------------------

    def load(self, stored: Callable[[str], RuleSet | None]) -> None:
        """Take up where the last daemon left: position, state, and the rule set in force (if it can still run)."""
        self._read_state()
        swap = self._last_swap()
        if swap is None:
            return
        self.active_hash = swap.body["hash"]
        rules = stored(self.active_hash)
        self._plan = rules.plan if rules is not None else None

    def _read_state(self) -> None:
        self._position = self._store.reader(self._lease.role, pinned=True, start=0)
        state = State()
        state.load(self._store.load())
        self._state = state
        page = self._store.read(max(0, self._position - 1), 1) if self._position else None
        self._time_ms = page.rows[0].time_ms if page is not None and page.rows else 0
        pinned = [c for c in self._store.controls(self._position, _PAGE) if c.after == self._position]
        self._next_n = 1 + max((c.n for c in pinned), default=-1)
        self._dirty = False

    def _last_swap(self) -> PinnedControl | None:
        known = self._store.fact(facts.SWAPPED_AT)
        last, after = None, int(known or 0)
        while page := self._store.controls(after, _PAGE):
            swaps = [c for c in page if c.kind == control.SWAP]
            last = swaps[-1] if swaps else last
            if len(page) < _PAGE or page[-1].after == after:
                return last
            after = page[-1].after
        return last

    def begin(self, rules: RuleSet) -> Reload:
        """The rule set to start with; swapped in at the present place if it is not the one in force."""
        if self._plan is not None and rules.hash == self.active_hash:
            self._plan = rules.plan
            return Reload(True, rules.hash, rules)
        done: Future[dict[str, Any]] = Future()
        self._swaps.append(_Swap(rules, done))
        while not done.done():
            self.turn()
        return Reload(True, rules.hash, rules, done.result())

    # ---- from other threads ------------------------------------------------------------------------

    def swap(self, rules: RuleSet) -> Future[dict[str, Any]]:
        """Let this rule set decide from the next place on; the result tells what became of each loop's state."""
        one = _Swap(rules, Future())
        with self._swap_lock:
            self._swaps.append(one)
        self.wake()
        return one.done

    def wake(self) -> None:
        """There may be something to do."""
        self._changed.set()

    # ---- the loop ----------------------------------------------------------------------------------

    def run(self, stopping: threading.Event) -> None:
        """Work until `stopping` is set. Raises `Fenced` when another daemon took over, and what no waiting mends."""
        listener = threading.Thread(target=self._listen, args=(stopping,), name="rules-engine listener", daemon=True)
        listener.start()
        while not stopping.is_set():
            self._changed.clear()
            try:
                if self.turn():
                    continue
                self.trouble = None
            except (StoreBusy, StoreFull, StoreReadOnly) as error:
                if str(error) != self.trouble:
                    self.trouble = str(error)
                    log.error("decisions wait: the store cannot be used", error=self.trouble)
                stopping.wait(_RETRY_S)
                continue
            self._idle.set()
            self._changed.wait(self._idle_ms() / 1_000)
        listener.join(timeout=2)

    def _listen(self, stopping: threading.Event) -> None:
        """Wakes the loop, while it is idle, when the store says that there may be something."""
        while not stopping.is_set():
            if not self._idle.wait(_LISTEN_MS / 1_000):
                continue
            try:
                self._store.wait(self._position, _LISTEN_MS)
            except StoreError:
                stopping.wait(_RETRY_S)
            self._idle.clear()
            self._changed.set()

    def _idle_ms(self) -> float:
        due = self._state.next_due_ms
        if due is None:
            return _LISTEN_MS
        return min(_LISTEN_MS, max(_TICK_EVERY_MS, due - self._store.now_ms()))

    def turn(self) -> bool:
        """One batch; False if there was nothing to do."""
        if self._dirty:
            self._read_state()
        requests = self._store.asked()
        with self._swap_lock:
            swaps, self._swaps = self._swaps, []
        try:
            batch = self._decide(requests, swaps)
            done = batch.empty or self._commit(batch)
        except BaseException:
            self._put_off(swaps)
            raise
        if batch.empty:
            return False
        if done:
            self._after(batch)
        else:
            self._put_off(swaps)
        return True

    def _put_off(self, swaps: list[_Swap]) -> None:
        with self._swap_lock:
            self._swaps = swaps + self._swaps

    def _decide(self, requests: list[Control], swaps: list[_Swap]) -> Batch:
        rows = self._rows(wanted=bool(swaps) or any(r.kind != control.RELOAD for r in requests))
        batch = Batch(self._plan or NO_RULES, self._state, self._position, self._time_ms, self._next_n)
        for row in rows:
            for loop in self._breaker.tripped(batch.row(row, decide)):
                self._switch_off(batch, loop)
        for request in requests:
            batch.answers[request.id] = self._grant(batch, request)
        for one in swaps:
            self._hand_over(batch, one)
        return batch

    def _rows(self, *, wanted: bool) -> Iterable[Row]:
        """What to decide next. At the head of the log a tick is let in when a timer is overdue, or a place is wanted."""
        rows = self._read()
        if rows:
            return rows
        due = self._store.now_ms() if wanted else self._state.next_due_ms
        if due is None or self._store.now_ms() < due or self._store.tick(self._lease, due) is None:
            return rows
        return self._read()

    def _read(self) -> tuple[Row, ...]:
        page = self._store.read(self._position, self._page_rows)
        if page.gap is not None:
            raise Fenced(
                f"the events {page.gap.first} to {page.gap.last} were deleted before the rules read them;"
                " the database was changed from outside: restore it, or start with a new one"
            )
        return page.rows

    # ---- requests ----------------------------------------------------------------------------------

    def _grant(self, batch: Batch, request: Control) -> str | None:
        """Let a request take effect after the last row; why not, if it cannot be granted."""
        batch.change.answered.append(request.id)
        if request.kind == control.RELOAD:
            batch.reload_requests.append(request.id)
            return None
        if (reason := control.refusal(request, batch.plan)) is not None:
            return reason
        try:
            self._apply(batch, request.kind, request.body)
        except Exception as error:  # a mistake of ours must not stop the engine
            log.exception("a request failed, which is a mistake of rules-engine", kind=request.kind)
            return f"it failed: {type(error).__name__}: {error}"
        log.info("request granted", kind=request.kind, **request.body)
        return None

    def _apply(self, batch: Batch, kind: str, body: dict[str, Any]) -> None:
        pinned = batch.pin(kind, body)
        batch.control(pinned, apply_control(batch.plan, batch.fork, pinned))

    def _switch_off(self, batch: Batch, loop: str) -> None:
        self._apply(batch, control.OFF, {"loop": loop, "reason": "it fired without end", "for_ms": None})
        log.error("loop switched off: it fired without end", loop=loop, on_again=f"rules-engine on {loop}")

    def _hand_over(self, batch: Batch, one: _Swap) -> None:
        assert one.rules.plan is not None
        try:
            result = handover(batch.plan, one.rules.plan, batch.fork, batch.time_ms)
            self._store.keep_rules(one.rules.hash, dict(one.rules.texts))
        except StoreError:
            raise
        except Exception as error:
            one.done.set_exception(error)
            return
        batch.control(batch.pin(control.SWAP, {"hash": one.rules.hash}), result.decision)
        batch.swapped(one.rules.plan)
        batch.handovers.append((one.done, result.report))

    # ---- committing --------------------------------------------------------------------------------

    def _commit(self, batch: Batch) -> bool:
        """Write a batch and take it over into memory; False if it cannot be written as it is."""
        change = batch.finished()
        try:
            self._store.commit(self._lease, self._position, change)
        except (Fenced, StoreBusy, StoreFull, StoreReadOnly):
            raise
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            self._skip(batch, error)
            return False
        except BaseException:
            self._dirty = True  # it is not known what was written: look before doing anything else
            raise
        self._state.adopt(batch.fork)
        self._position, self._time_ms, self._next_n = change.position, change.time_ms, batch.next_n
        self._plan = batch.plan if batch.plan is not NO_RULES else None
        self._page_rows = self._batch_rows
        return True

    def _skip(self, batch: Batch, error: Exception) -> None:
        """Something decided is no JSON. Row by row then, until the one is found; that row decides nothing (R5)."""
        if batch.rows == 0:
            raise StoreError(f"a request cannot be stored: {error}") from error
        if batch.rows > 1:
            self._page_rows = 1
            return
        skipped = Batch(batch.plan, self._state, batch.position, batch.time_ms, 0)
        skipped.bury("", f"what follows from it cannot be stored: {error}")
        self._store.commit(self._lease, self._position, skipped.finished())
        self._position, self._time_ms, self._next_n = batch.position, batch.time_ms, 0
        self.failures += 1
        log.error("a row decided nothing: what follows from it cannot be stored", position=batch.position)

    def _after(self, batch: Batch) -> None:
        """Tell those who wait for the commit."""
        self.rows += batch.rows
        self.failures += batch.failures
        self.active_hash = batch.plan.hash
        for firing in batch.change.firings:
            log.info("fired", loop=firing.loop, key="/".join(map(str, firing.key)), cause=firing.cause)
        for letter in batch.change.letters:
            log.error("dead letter", kind=letter.kind, name=letter.name, reason=letter.reason)
        if batch.change.actions:
            self.on_commit()
        if batch.handovers:
            self._store.put_fact(facts.SWAPPED_AT, self._position)
        for done, report in batch.handovers:
            done.set_result(report)
        if batch.answers:
            self._store.put_fact(facts.ANSWERS, control.answered(self._store.fact(facts.ANSWERS), batch.answers))
        for number in batch.reload_requests:
            self.on_reload_asked(number)


#: What decides before the first rule set is there.
NO_RULES = Plan(hash="", events={}, loops=(), knobs={})
