"""Performs owed actions: claims them, calls their handlers, settles how they ended.

`turn` does what is due now and returns how long nothing else will be; it blocks only in the store. It
runs in a thread of its own (`run`), away from every event loop, so no handler can keep a claim from being
renewed.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rules_engine.daemon.attempts import after_attempt
from rules_engine.daemon.calls import bound_row, context_of
from rules_engine.daemon.handlers import GiveUp, Handler
from rules_engine.daemon.log import log
from rules_engine.daemon.performer import Ended, Performer, Running
from rules_engine.events.handling import current_row
from rules_engine.store.port import Claim, Dead, Done, Retry, Store, StoreError

#: A handler class with so many calls that never ended gets no further ones until some do (R27).
MAX_ABANDONED = 8
#: An action whose worker died so often beyond its tries takes processes down with it, and is given up.
MAX_LOST_ATTEMPTS = 3
#: How long a cancelled handler may take to stop before it counts as abandoned.
CANCEL_GRACE_MS = 1_000


@dataclass(frozen=True, slots=True)
class DispatchLimits:
    """`poll_ms` is how often owed actions are looked for when nothing announced them."""

    default_timeout_ms: int = 60_000
    lease_ms: int = 10_000
    max_running: int = 64
    poll_ms: int = 100


@dataclass
class _Attempt:
    """A claimed action whose handler was called."""

    claim: Claim
    running: Running
    deadline_ms: float
    timeout_ms: int
    timed_out: bool = False


@dataclass
class _Settlement:
    """What is to be told to the store about a claim; kept until the store has taken it."""

    claim: Claim
    result: Done | Retry | Dead
    note: str = ""


@dataclass
class DispatchCounts:
    """What has happened since the start."""

    done: int = 0
    failed: int = 0
    dead: int = 0
    late: int = 0
    abandoned: Counter[str] = field(default_factory=Counter)


def steady_ms() -> float:
    """Milliseconds of a clock that nobody sets, and that runs while the machine sleeps (if it can)."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) * 1_000


class Dispatcher:
    """Performs the owed actions that have a handler here, one at a time per lane.

    `clock` gives steady milliseconds and times handlers and leases; what the store keeps is on its log clock.
    """

    def __init__(
        self,
        store: Store,
        handlers: Mapping[str, Handler],
        performer: Performer,
        *,
        worker: str,
        limits: DispatchLimits | None = None,
        clock: Callable[[], float] = steady_ms,
    ) -> None:
        self._store = store
        self._handlers = dict(handlers)
        self._performer = performer
        self._worker = worker
        self._limits = limits or DispatchLimits()
        self._clock = clock
        self._attempts: dict[int, _Attempt] = {}
        self._abandoned: dict[int, str] = {}
        self._ended: deque[tuple[Claim, Ended]] = deque()
        self._unsettled: deque[_Settlement] = deque()
        self._wake = threading.Event()
        self._renew_at_ms = clock()
        self._closed: set[str] = set()
        self.counts = DispatchCounts()

    # ---- from other threads ----------------------------------------------------------------------

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    @property
    def running(self) -> int:
        """How many handlers run now."""
        return len(self._attempts)

    @property
    def busy(self) -> bool:
        """Whether something runs, or ended and is not settled yet."""
        return bool(self._attempts or self._ended or self._unsettled)

    def pause(self, limit_ms: float) -> None:
        """Until a handler ends or somebody wakes it, at most so long."""
        self._wake.wait(limit_ms / 1_000)
        self._wake.clear()

    # ---- the loop --------------------------------------------------------------------------------

    def run(self, stopping: threading.Event) -> None:
        """Work until `stopping` is set. While the store is away, what was done is remembered."""
        trouble = ""
        while not stopping.is_set():
            self._wake.clear()
            try:
                pause_ms = self.turn()
                trouble = ""
            except StoreError as error:
                pause_ms = 1_000
                if str(error) != trouble:
                    trouble = str(error)
                    log.error("actions wait: the store cannot be used", error=trouble)
            self._wake.wait(pause_ms / 1_000)

    def drain(self, limit_ms: int) -> bool:
        """Claim nothing more, wait for what runs, hand back what does not end in time; True if all ended."""
        end_ms = self._clock() + limit_ms
        while self._attempts and self._clock() < end_ms:
            self._wake.clear()
            self._settle_ended()
            self._renew()
            self._flush()
            if self._attempts:
                self._wake.wait(min(0.1, max(0.0, (end_ms - self._clock()) / 1_000)))
        left = list(self._attempts.values())
        for attempt in left:
            attempt.running.cancel()
            self._forget(attempt.claim)
            self._settle(
                attempt.claim,
                Retry(self._store.now_ms(), "interrupted: the worker was stopped"),
                "interrupted",
            )
        self._flush()
        return not left

    def turn(self) -> float:
        """Do what is due; milliseconds until something else may be."""
        self._settle_ended()
        self._time_out()
        self._renew()
        self._flush()
        self._claim()
        self._flush()
        now = self._clock()
        due = [a.deadline_ms for a in self._attempts.values() if not a.timed_out]
        return max(1.0, min([self._limits.poll_ms, *(d - now for d in due)]))

    # ---- the parts -------------------------------------------------------------------------------

    def _claim(self) -> None:
        free = self._limits.max_running - len(self._attempts)
        actions = self._servable()
        if free <= 0 or not actions:
            return
        now_ms = self._store.now_ms()
        for claim in self._store.claim(actions, self._worker, free, self._limits.lease_ms, now_ms):
            if claim.attempt > claim.action.retries + 1 + MAX_LOST_ATTEMPTS:
                self._settle(claim, Dead("its worker died in each attempt"), "given up")
            else:
                self._start(claim)

    def _servable(self) -> list[str]:
        """Actions whose handler class has not too many calls that never ended."""
        stuck = Counter(self._abandoned.values())
        full = {name for name, count in stuck.items() if count >= MAX_ABANDONED}
        for name in full - self._closed:
            log.error(
                "handler closed: too many of its calls never ended", handler=name, abandoned=stuck[name]
            )
        for name in self._closed - full:
            log.info("handler open again", handler=name)
        self._closed = full
        return [name for name in self._handlers if _class_of(name) not in full]

    def _start(self, claim: Claim) -> None:
        action = claim.action
        timeout_ms = action.timeout_ms or self._limits.default_timeout_ms
        handler = self._handlers[action.action]
        event = bound_row(action)
        context = context_of(claim, event, timeout_ms)
        try:
            arguments = handler.arguments(action.arguments, context)
        except GiveUp as problem:
            self._conclude(claim, Ended(str(problem), final=True))
            return

        def ended(how: Ended) -> None:
            self._ended.append((claim, how))
            self._wake.set()

        # What a handler publishes names the event that led to it (lesson 60).
        token = current_row.set(event)
        try:
            running = self._performer.start(handler, arguments, ended)
        finally:
            current_row.reset(token)
        self._attempts[claim.id] = _Attempt(claim, running, self._clock() + timeout_ms, timeout_ms)

    def _settle_ended(self) -> None:
        while self._ended:
            claim, how = self._ended.popleft()
            self._abandoned.pop(id(claim), None)
            attempt = self._attempts.get(claim.id)
            if attempt is None or attempt.claim is not claim:
                continue
            self._forget(claim)
            if attempt.timed_out and how.error is not None:
                how = Ended(_late(attempt), final=how.final)
            self._conclude(claim, how)

    def _time_out(self) -> None:
        now = self._clock()
        for attempt in list(self._attempts.values()):
            if now < attempt.deadline_ms:
                continue
            if not attempt.timed_out:
                attempt.timed_out = True
                attempt.deadline_ms = now + CANCEL_GRACE_MS
                attempt.running.cancel()
                if self._handlers[attempt.claim.action.action].is_async:
                    continue
            name = _class_of(attempt.claim.action.action)
            self._forget(attempt.claim)
            self._abandoned[id(attempt.claim)] = name
            self.counts.abandoned[name] += 1
            log.warning("handler abandoned: it did not end in time", action=attempt.claim.action.action)
            self._conclude(attempt.claim, Ended(_late(attempt)))

    def _renew(self) -> None:
        now = self._clock()
        if not self._attempts or now < self._renew_at_ms:
            return
        self._renew_at_ms = now + self._limits.lease_ms / 3
        claims = [attempt.claim for attempt in self._attempts.values()]
        for claim_id in self._store.extend(claims, self._limits.lease_ms, self._store.now_ms()):
            attempt = self._attempts.pop(claim_id, None)
            if attempt is not None:
                attempt.running.cancel()
                self.counts.late += 1
                log.warning(
                    "claim lost: another worker may perform it too", action=attempt.claim.action.action
                )

    def _conclude(self, claim: Claim, how: Ended) -> None:
        result = after_attempt(claim, how.error, final=how.final, now_ms=self._store.now_ms())
        note = {Done: "done", Dead: "given up", Retry: "failed"}[type(result)]
        self._settle(claim, result, note)

    def _settle(self, claim: Claim, result: Done | Retry | Dead, note: str) -> None:
        self._unsettled.append(_Settlement(claim, result, note))

    def _flush(self) -> None:
        while self._unsettled:
            one = self._unsettled[0]
            taken = self._store.finish(one.claim, one.result, self._store.now_ms())
            self._unsettled.popleft()
            self._count(one, taken)

    def _count(self, one: _Settlement, taken: bool) -> None:
        action = one.claim.action
        facts: dict[str, Any] = {
            "action": action.action,
            "key": list(action.key),
            "attempt": one.claim.attempt,
        }
        if not taken:
            self.counts.late += 1
            log.warning("action ended after its claim was lost", **facts)
        elif isinstance(one.result, Done):
            self.counts.done += 1
            log.info("action done", **facts)
        elif isinstance(one.result, Retry):
            self.counts.failed += 1
            log.warning(
                "action failed, will be tried again", **facts, of=action.retries + 1, error=one.result.error
            )
        else:
            self.counts.failed += 1
            self.counts.dead += 1
            log.error(f"action {one.note}", **facts, error=one.result.error)

    def _forget(self, claim: Claim) -> None:
        self._attempts.pop(claim.id, None)


def _class_of(action: str) -> str:
    return action.partition(".")[0]


def _late(attempt: _Attempt) -> str:
    return f"it took longer than {attempt.timeout_ms / 1_000:g} s"
