"""Reads rows, decides them over a fork of the state, commits all that follows in one transaction.

`turn` does one batch. It blocks in the store only and runs in a thread of its own (`run`), away from
every event loop. Memory takes a decision only after its commit returned (R2); a commit that is refused
because another daemon took over ends the evaluator, any other trouble makes it read position and state
again (R1, R6).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from rules_engine.daemon import control, facts
from rules_engine.daemon.batch import NO_RULES, Batch
from rules_engine.daemon.log import log
from rules_engine.daemon.reloader import Reload
from rules_engine.engine.control import ControlRefused, apply_control
from rules_engine.engine.handover import handover
from rules_engine.engine.plan import Plan
from rules_engine.engine.runtime import runtime_of
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
        self._max_firings_per_minute = max_firings_per_minute
        self._state = State()
        self._position = 0
        self._time_ms = 0
        self._next_n = 0
        self._plan: Plan | None = None
        self._dirty = False
        self._swaps: deque[_Swap] = deque()
        self._changed = threading.Event()
        self._idle = threading.Event()
        self.active_hash = ""
        self.rows = 0
        self.failures = 0
        self.trouble: str | None = None
        self.on_commit: Callable[[], None] = lambda: None
        self.on_reload_asked: Callable[[int], None] = lambda _: None

    @property
    def loop_count(self) -> int:
        """How many loops decide now."""
        return len(self._plan.loops) if self._plan is not None else 0

    # ---- beginning ---------------------------------------------------------------------------------

    def load(self, stored: Callable[[str], RuleSet | None]) -> None:
        """Take up where the last daemon left: position, state, and the rules in force if they still run."""
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
        self._time_ms = self._time_here()
        pinned = [c for c in self._store.controls(self._position, _PAGE) if c.after == self._position]
        self._next_n = 1 + max((c.n for c in pinned), default=-1)
        self._dirty = False

    def _time_here(self) -> int:
        """The time of the last row that was decided; before the first one, of that; 0 in an empty log."""
        rows = self._store.read(max(0, self._position - 1), 1).rows
        return rows[0].time_ms if rows else 0

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
        """The rule set to start with. If it is not the one in force it is swapped in before another row is
        decided: what waits in the log is for the new rules, and the first ones see the log from its first
        row.
        """
        if self._plan is not None and rules.plan is not None and rules.hash == self.active_hash:
            self._plan = rules.plan
            runtime_of(self._plan).firings_per_minute = self._max_firings_per_minute
            return Reload(True, rules.hash, rules)
        if not self._time_ms:
            self._store.tick(self._lease, self._store.now_ms())  # an empty log has no time yet
            self._time_ms = self._time_here()
        done = self.swap(rules)
        waits = self._store.info().head > self._position
        self._hand_over(self._swaps[0], None if waits else self._store.now_ms())
        return Reload(True, rules.hash, rules, done.result(0))

    # ---- from other threads ------------------------------------------------------------------------

    def swap(self, rules: RuleSet) -> Future[dict[str, Any]]:
        """Let this rule set decide from the next place on; the result tells what became of each loop."""
        one = _Swap(rules, Future())
        self._swaps.append(one)
        self.wake()
        return one.done

    def wake(self) -> None:
        """There may be something to do."""
        self._changed.set()

    # ---- the loop ----------------------------------------------------------------------------------

    def run(self, stopping: threading.Event) -> None:
        """Work until `stopping` is set. Raises `Fenced` after a take-over, and what no waiting mends."""
        listener = threading.Thread(
            target=self._listen, args=(stopping,), name="rules-engine listener", daemon=True
        )
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
        """One batch, then the swap that waits; False if there was nothing to do."""
        if self._dirty:
            self._read_state()
        requests = self._store.asked()
        swap = self._swaps[0] if self._swaps else None
        batch = self._decide(requests, wanted=swap is not None)
        did = not batch.empty
        if did and self._commit(batch):
            self._after(batch)
        if swap is None:
            return did
        self._hand_over(swap)
        return True

    def _decide(self, requests: list[Control], *, wanted: bool) -> Batch:
        wanted = wanted or any(request.kind != control.RELOAD for request in requests)
        batch = self._batch()
        for row in self._rows(wanted=wanted):
            batch.row(row, decide)
        for request in requests:
            batch.answers[request.id] = self._grant(batch, request)
        return batch

    def _batch(self) -> Batch:
        return Batch(self._plan or NO_RULES, self._state, self._position, self._time_ms, self._next_n)

    def _rows(self, *, wanted: bool) -> Iterable[Row]:
        """What to decide next. The wall clock is let in as a tick, at the head of the log, when a timer is
        overdue, or when a request wants a place (and with it the present time).
        """
        rows = self._read()
        at_head = len(rows) < self._page_rows
        due = self._store.now_ms() if wanted and at_head else None if rows else self._state.next_due_ms
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
        pinned = batch.pin(request.kind, request.body)
        try:
            decision = apply_control(
                batch.plan, batch.fork, pinned.kind, pinned.body, pinned.after, pinned.time_ms, pinned.n
            )
        except ControlRefused as refused:
            return str(refused)
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not stop the engine
            log.exception("a request failed, which is a mistake of rules-engine", kind=request.kind)
            return f"it failed: {type(error).__name__}: {error}"
        batch.control(pinned, decision)
        log.info("request granted", kind=request.kind, **request.body)
        return None

    def _hand_over(self, swap: _Swap, load_ms: int | None = None) -> None:
        """Swap the rule set here, after the last row, in a commit of its own. `load_ms`: see `handover`."""
        plan = swap.rules.plan
        assert plan is not None
        batch = self._batch()
        pinned = batch.pin(control.SWAP, {"hash": swap.rules.hash})
        try:
            runtime_of(plan).firings_per_minute = self._max_firings_per_minute
            decision, report = handover(
                self._plan, plan, self._state, pinned.after, pinned.time_ms, pinned.n, load_ms
            )
        except Exception as error:  # noqa: BLE001 - told to whoever asked for the swap
            self._swaps.popleft()
            swap.done.set_exception(error)
            return
        self._store.keep_rules(swap.rules.hash, dict(swap.rules.texts))
        batch.control(pinned, decision)
        batch.swapped(plan)
        if self._commit(batch):
            self._after(batch)
            self._store.put_fact(facts.SWAPPED_AT, self._position)
            self._swaps.popleft()
            swap.done.set_result(facts.handover_record(report))

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
        """Something decided is no JSON: go row by row until it is found; that row decides nothing (R5)."""
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
        for switched in batch.switched_off:
            log.error(
                "loop switched off",
                loop=switched.loop,
                reason=switched.reason,
                on_again=f"rules-engine on {switched.loop}",
            )
        for letter in batch.change.letters:
            log.error("dead letter", kind=letter.kind, name=letter.name, reason=letter.reason)
        if any(cell.part == "off" for cell in batch.change.cells):
            self._tell_switches()
        if batch.change.actions:
            self.on_commit()
        if batch.answers:
            self._store.put_fact(
                facts.ANSWERS, control.answered(self._store.fact(facts.ANSWERS), batch.answers)
            )
        for number in batch.reload_requests:
            self.on_reload_asked(number)

    def _tell_switches(self) -> None:
        """Leave word of the loops that are off: `status` must not look through all cells for them."""
        loops = self._plan.loops if self._plan is not None else ()
        bodies = {loop.name: self._state.get(f"loop:{loop.name}", (), "off") for loop in loops}
        self._store.put_fact(facts.SWITCHED_OFF, {name: body for name, body in bodies.items() if body})
