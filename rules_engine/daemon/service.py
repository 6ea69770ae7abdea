"""The daemon's life: lease, rules, threads, signals, health; and the way down."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rules_engine.checks.handlers import unperformed
from rules_engine.daemon import facts
from rules_engine.daemon.declared_events import declared_events
from rules_engine.daemon.dispatcher import Dispatcher, DispatchLimits
from rules_engine.daemon.evaluator import Evaluator
from rules_engine.daemon.handlers import Handler, HandlersError, unfit
from rules_engine.daemon.log import log
from rules_engine.daemon.performer import Performer
from rules_engine.daemon.reloader import Files, Reload, Reloader
from rules_engine.events.declared import DECLARED_EVENTS
from rules_engine.pipeline import RuleSet, check_files, check_texts, read_files
from rules_engine.store.port import Lease, Limits, Store, StoreError

#: The name of the lease and of the reader that the engine commits under.
ROLE = "rules"
_PRUNE_EVERY_S = 30.0
_PRUNE_ROWS = 1_000
_HEALTH_EVERY_S = 2.0


class DaemonRunning(Exception):
    """Another daemon decides over this database; the message names it."""


class RulesRefused(Exception):
    """The rules cannot run, and no earlier rule set is there to go on with; `rules` has the findings."""

    def __init__(self, rules: RuleSet) -> None:
        super().__init__("the rules have errors")
        self.rules = rules


@dataclass(frozen=True)
class ServiceOptions:
    """How a daemon runs. `watch`: reload on a change. `drain_ms`: patience with handlers at the end."""

    rules: tuple[Path, ...] = (Path("rules"),)
    batch_rows: int = 256
    lease_ms: int = 10_000
    max_firings_per_minute: int = 600
    settle_ms: int = 50
    watch: bool = True
    keep_last_good: bool = True
    drain_ms: int = 8_000
    dispatch: DispatchLimits = field(default_factory=DispatchLimits)
    limits: Limits = field(default_factory=Limits)


class Service:
    """One running daemon over a store. `start`, then `wait` or `request_stop`, then `stop`."""

    def __init__(
        self,
        store: Store,
        handlers: Mapping[str, Handler],
        performer: Performer,
        options: ServiceOptions,
    ) -> None:
        self._store = store
        self._handlers = handlers
        self._performer = performer
        self._options = options
        self._owner = f"{socket.gethostname()}:{os.getpid()}"
        self._lease: Lease | None = None
        self._stopping = threading.Event()
        self._dispatching = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failure: str | None = None
        self._evaluator: Evaluator | None = None
        self._reloader: Reloader | None = None
        self._dispatcher: Dispatcher | None = None

    # ---- up ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take the lease, load rules and state, begin to work.

        Raises `DaemonRunning`, `RulesRefused`, `HandlersError` or `StoreError`; then nothing has begun.
        """
        self.prepare()
        self._run("evaluator", self._evaluate)
        if self._dispatcher is not None:
            self._run("dispatcher", lambda: self._dispatcher.run(self._dispatching))  # type: ignore[union-attr]
        assert self._reloader is not None
        self._run("reloader", self._reloader.run)
        if self._options.watch:
            self._run("watcher", self._reloader.watch)
        self._run("keeper", self._keep)

    def prepare(self) -> None:
        """All of `start` but the threads: for `drain`."""
        files = read_files(self._options.rules)
        rules = check_files(*files)
        if not rules.ok and (not self._options.keep_last_good or self._store.fact(facts.RULES) is None):
            raise RulesRefused(rules)  # before anything is made or taken
        self._lease = self._acquire()
        try:
            self._load(files, rules)
        except BaseException:
            self._store.release(self._lease)
            raise

    def _acquire(self) -> Lease:
        lease = self._store.acquire(ROLE, self._owner, self._options.lease_ms)
        if lease is not None:
            return lease
        holder = self._store.holder(ROLE)
        who = f"pid {holder.pid} ({holder.owner})" if holder else "another process"
        raise DaemonRunning(
            f"a daemon runs over {self._store.info().url} already: {who}"
            if holder is None or holder.alive
            else f"the daemon with {who} was stopped without letting go; its lease runs out within seconds"
        )

    def _load(self, files: Files, rules: RuleSet) -> None:
        options = self._options
        assert self._lease is not None
        evaluator = Evaluator(
            self._store,
            self._lease,
            batch_rows=options.batch_rows,
            max_firings_per_minute=options.max_firings_per_minute,
        )
        evaluator.load(self._stored_rules)
        self._evaluator = evaluator
        self._reloader = Reloader(options.rules, evaluator, self._reloaded, settle_ms=options.settle_ms)
        evaluator.on_reload_asked = self._reloader.request
        self._begin_with(rules)
        self._reloader.loaded(files)
        if self._handlers:
            self._dispatcher = Dispatcher(
                self._store, self._handlers, self._performer, worker=self._owner, limits=options.dispatch
            )
            evaluator.on_commit = self._dispatcher.wake
        self._store.put_fact(facts.DAEMON, self._daemon_fact())

    def _begin_with(self, rules: RuleSet) -> None:
        """The rules as they are on disk; the last good ones if those cannot run."""
        assert self._evaluator is not None
        if not rules.ok:
            if not (self._options.keep_last_good and self._evaluator.active_hash):
                raise RulesRefused(rules)
            active = self._stored_rules(self._evaluator.active_hash)
            if active is None:
                raise RulesRefused(rules)
            self._reloaded(Reload(False, rules.hash, rules))
            log.error("the rules have errors: the last good ones go on", hash=active.hash[:12])
            return
        self._check_handlers(rules)
        self._reloaded(self._evaluator.begin(rules))

    def _check_handlers(self, rules: RuleSet) -> None:
        assert rules.program is not None
        problems = unfit(
            self._handlers, {a.name: tuple(a.parameters) for a in rules.program.actions.values()}
        )
        if problems:
            raise HandlersError("; ".join(problems))

    def _stored_rules(self, hash: str) -> RuleSet | None:
        """A rule set that ran before, from its texts in the store; None if it can no longer run."""
        texts = self._store.rules(hash)
        rules = check_texts(texts) if texts is not None else None
        return rules if rules is not None and rules.ok else None

    def _daemon_fact(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "owner": self._owner,
            "started_ms": self._store.now_ms(),
            "rules": [str(path.resolve()) for path in self._options.rules],
            "handlers": sorted(self._handlers),
        }

    def _run(self, name: str, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - a thread that dies unseen would be worse
                self._fail(f"the {name} failed: {type(error).__name__}: {error}")
                log.exception("a part of the daemon failed, which is a mistake of rules-engine", part=name)

        thread = threading.Thread(target=guarded, name=f"rules-engine {name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    # ---- at work -----------------------------------------------------------------------------------

    def _evaluate(self) -> None:
        assert self._evaluator is not None
        try:
            self._evaluator.run(self._stopping)
        except StoreError as error:
            self._fail(str(error))

    def _keep(self) -> None:
        """Prolong the lease, prune, tell how things are."""
        assert self._lease is not None
        every_s = self._options.lease_ms / 3_000
        told: Any = None
        next_prune = next_health = 0.0
        while not self._stopping.wait(min(every_s, _HEALTH_EVERY_S)):
            try:
                if not self._store.renew(self._lease, self._options.lease_ms):
                    self._fail("another daemon took over")
                    return
                now = time.monotonic()
                if now >= next_prune:
                    full = self._store.prune(self._options.limits, _PRUNE_ROWS) >= _PRUNE_ROWS
                    next_prune = now + (0 if full else _PRUNE_EVERY_S)
                if now >= next_health and (health := self.health()) != told:
                    self._store.put_fact(facts.HEALTH, health)
                    told, next_health = health, now + _HEALTH_EVERY_S
            except StoreError as error:
                log.warning("housekeeping waits: the store cannot be used", error=str(error))

    def _reloaded(self, reload: Reload) -> None:
        """Leave word of a reload for `status`, and of the rule set in force for everybody."""
        if reload.ok and reload.rules.program is not None:
            problems = unfit(
                self._handlers, {a.name: tuple(a.parameters) for a in reload.rules.program.actions.values()}
            )
            for problem in problems:
                log.error("handler does not fit the rules", problem=problem)
            # Handlers without these: meant, because another process has them, or forgotten.
            if self._handlers and (missing := unperformed(reload.rules.program, self._handlers)):
                log.warning("no handler here, owed until a process has one", actions=" ".join(missing))
            self._store.put_fact(facts.RULES, facts.rules_fact(reload.rules, self._store.now_ms()))
            self._store.put_fact(DECLARED_EVENTS, declared_events(reload.rules.program))
            if reload.rules.plan is not None:
                record = facts.listening_record(reload.rules.plan, self._store.now_ms())
                self._store.put_fact(facts.PRESENT, record)
        self._store.put_fact(facts.LAST_RELOAD, facts.reload_fact(reload, self._store.now_ms()))

    def reload(self) -> None:
        """Read the rules again (SIGHUP)."""
        if self._reloader is not None:
            self._reloader.request()

    def health(self) -> dict[str, Any]:
        """Counters and troubles; a JSON value."""
        troubles = []
        if self._failure:
            troubles.append(self._failure)
        if self._evaluator is not None and self._evaluator.trouble:
            troubles.append(self._evaluator.trouble)
        counts = self._dispatcher.counts if self._dispatcher is not None else None
        return {
            "ok": not troubles,
            "troubles": troubles,
            "rows": self._evaluator.rows if self._evaluator is not None else 0,
            "step_failures": self._evaluator.failures if self._evaluator is not None else 0,
            "actions": None
            if counts is None
            else {
                "done": counts.done,
                "failed": counts.failed,
                "dead": counts.dead,
                "late": counts.late,
                "abandoned": dict(counts.abandoned),
            },
        }

    # ---- down --------------------------------------------------------------------------------------

    @property
    def failure(self) -> str | None:
        """Why the daemon had to stop by itself; None if it did not."""
        return self._failure

    def _fail(self, reason: str) -> None:
        if self._failure is None:
            self._failure = reason
            log.error("the daemon stops", reason=reason)
        self._stopping.set()

    def summary(self) -> dict[str, Any]:
        """A few numbers for the log."""
        health = self.health()
        numbers = {"rows": health["rows"]}
        if self._evaluator is not None:
            numbers |= {"hash": self._evaluator.active_hash[:12], "loops": self._evaluator.loop_count}
        return numbers | {f"actions_{k}": v for k, v in (health["actions"] or {}).items() if v}

    def request_stop(self) -> None:
        """Begin to end; returns at once. Safe in a signal handler and from any thread."""
        self._stopping.set()
        if self._evaluator is not None:
            self._evaluator.wake()

    def wait(self) -> None:
        """Until somebody asks for the end, or the daemon has to stop by itself."""
        while not self._stopping.wait(0.5):
            pass

    def stop(self) -> None:
        """Finish the batch at hand, give running handlers `drain_ms`, give back the lease, end."""
        self.request_stop()
        if self._reloader is not None:
            self._reloader.stop()
        self._dispatching.set()
        if self._dispatcher is not None:
            self._dispatcher.wake()
        for thread in self._threads:
            thread.join(timeout=10)
        self._threads.clear()
        try:
            if self._dispatcher is not None and not self._dispatcher.drain(self._options.drain_ms):
                log.warning("some handlers did not end in time: their actions stay owed")
            if self._lease is not None and self._failure is None:
                self._store.put_fact(facts.HEALTH, self.health())
                self._store.release(self._lease)
        except StoreError as error:
            log.warning("the store cannot be used at the end", error=str(error))
        self._performer.close()

    def drain(self) -> None:
        """Decide over all that waits, perform what is owed and due and has a handler here; then return."""
        assert self._evaluator is not None
        assert self._lease is not None
        renewed = time.monotonic()
        while not self._stopping.is_set():
            idle = not self._evaluator.turn()
            if self._dispatcher is not None:
                self._dispatcher.turn()
                if idle and self._dispatcher.running:
                    self._dispatcher.pause(100)
                    idle = False
                idle = idle and not self._dispatcher.busy
            if time.monotonic() - renewed > self._options.lease_ms / 3_000:
                renewed = time.monotonic()
                self._store.renew(self._lease, self._options.lease_ms)
            if idle:
                return
