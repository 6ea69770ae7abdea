"""The router: one way in for events, one way out to handlers, one log in between.

`rules_engine.events.event_router` is its public face.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any
from weakref import WeakSet

from rules_engine.config import Settings, settings
from rules_engine.event import Event
from rules_engine.events import leftovers, reports
from rules_engine.events.declared import DECLARED_EVENTS, declare_on
from rules_engine.events.delivery import Wishes
from rules_engine.events.deprecation import warn_once
from rules_engine.events.event_forms import StageEvent, stage_types
from rules_engine.events.expected import DAEMON_SUBSCRIPTIONS
from rules_engine.events.feed import Feed
from rules_engine.events.handler_call import DEFAULT_TIMEOUT_S, Callback, running_loop
from rules_engine.events.handling import current_row
from rules_engine.events.lazy_store import LazyStore
from rules_engine.events.letters import LetterBox
from rules_engine.events.name_resolution import Vocabulary, shipped_vocabulary
from rules_engine.events.payload_check import EventSchema, shipped_catalogue, shipped_schema
from rules_engine.events.presence import Presence
from rules_engine.events.publication import Publication
from rules_engine.events.publisher import Publisher, options_from
from rules_engine.events.redelivery import redeliver
from rules_engine.events.registry import Listener, Registry
from rules_engine.events.since import Since
from rules_engine.events.statistics import Statistics
from rules_engine.events.subscriber import SubscribeOptions, Subscriber
from rules_engine.events.watch import Watch
from rules_engine.events.workers import Workers
from rules_engine.events.writer import Writer
from rules_engine.store.port import Store, StoreError

log = logging.getLogger("rules_engine.events")

EXIT_FLUSH_S = 5.0

#: Arguments of the older router: there are no bridges to choose, and the rest are settings.
_LEGACY = frozenset({"enable_cross_process_polling", "poll_interval", "max_seen_events"})

#: All routers of this process that are not closed, for exit and fork.
living: WeakSet[UnifiedEventRouter] = WeakSet()
#: Called when a router is first used: registers what is to happen at exit.
at_first_use: list[Callable[[], None]] = []


class UnifiedEventRouter:
    """One log, its publishers and its handlers.

    `db` is a path or `memory:`; None takes it from the settings. `store` is an open store to use instead.
    Nothing is opened before the first publish or subscribe.
    """

    def __init__(
        self,
        db: str | Path | None = None,
        *,
        store: Store | None = None,
        config: Settings | None = None,
        **legacy: Any,
    ) -> None:
        for name in legacy:
            if name not in _LEGACY:
                raise TypeError(f"a router has no setting {name!r}")
            warn_once(f"UnifiedEventRouter({name}=...)", "the settings")
        self.settings = config or settings()
        self.vocabulary = Vocabulary(*shipped_vocabulary(), more=self._take_declared)
        self.vocabulary.declare(name for stage in StageEvent for name in stage_types(stage))
        shipped_catalogue()
        self.schemas: dict[str, EventSchema] = {}
        self._declared: dict[str, Any] = {}
        self.store = LazyStore(db if db is not None else self.settings.db, self.settings.durability, store)
        self._set_up()
        logging.getLogger("rules_engine.events").setLevel(self.settings.event_log_level)
        living.add(self)

    def _set_up(self) -> None:
        """Fresh insides: at the start, and in a forked child."""
        self._closed = self._used = False
        self.statistics = Statistics()
        self.registry = Registry()
        self.workers = Workers()
        self.watch = Watch(lambda name, stack: self.statistics.slow_inline.append((name, stack)))
        self.letters = LetterBox(self.store, self.workers.submit)
        self.presence = Presence(
            self.store, self.registry, self.statistics, self.vocabulary.unknown, self.workers.submit
        )
        self._subscriber = Subscriber(
            self.store, self.registry, self.statistics, self.workers, self.watch, self.letters
        )
        self.feed = self._subscriber.feed = Feed(
            self.store,
            self._subscriber.dispatch,
            self.statistics.remember,
            self.settings.poll_interval_secs,
            self.presence.keep,
        )
        self.writer = Writer(self.store, self.feed)
        self._publisher = Publisher(
            self.settings, self.vocabulary, self.schema_of, self.writer, self.registry, self.statistics
        )

    # -- names and schemas

    def declare(
        self,
        events: Iterable[str] | Mapping[str, EventSchema | None],
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """Add event types to the shipped ones: names, or names with what their payloads hold."""
        self.vocabulary.declare(events, aliases)
        if isinstance(events, Mapping):
            self.schemas.update(
                {name.upper(): schema for name, schema in events.items() if schema is not None}
            )

    def _take_declared(self) -> bool:
        """Take over what the rules declare, as the daemon left it in the store; whether that is news."""
        if not self.store.exists:
            return False
        try:
            declared = self.store().fact(DECLARED_EVENTS) or {}
            if declared == self._declared:
                return False
            declare_on(self, declared)
        except (StoreError, ValueError) as error:
            log.warning("the events that the rules declare cannot be taken over: %s", error)
            return False
        self._declared = declared
        return True

    def schema_of(self, name: str) -> EventSchema | None:
        """What an event declares, None if nothing."""
        return self.schemas.get(name) or shipped_schema(name)

    def resolve(self, event_type: object) -> str:
        """The canonical name of an event type in any of its spellings."""
        return self.vocabulary.resolve(event_type)

    # -- publishing

    def publish(
        self,
        event_type: object,
        payload: Mapping[str, Any] | None = None,
        source: str = "",
        **options: Any,
    ) -> Publication:
        """Publish an event: a type with its payload, or a whole Event, DataEvent or StageCompletionResult.

        Keywords: `event_id` makes a retry harmless; `dedup=False` stores an equal event within the window
        again; `allow_unknown=True` lets undeclared names through; `retry=False` gives up, and lets `result()`
        raise, when the store does not take it at once.
        Raises at the call: `UnknownEventType`, `PayloadNotEncodable`, `PayloadRefused`, `Backpressure`,
        `RunawayChain`, `TypeError`. See `Publication` for what happens next.
        """
        self._begin_use()
        if not options:
            return self._publisher.publish(event_type, payload, source)
        return self._publisher.publish(event_type, payload, source, options_from(options))

    #: The specification's name for it.
    emit = publish

    def publish_sync(self, *event: Any, **options: Any) -> Publication:
        """Older spelling of `publish`, which needs no other form for code without a loop."""
        warn_once("publish_sync()", "publish()")
        return self.publish(*event, **options)

    emit_sync = publish_sync

    def _begin_use(self) -> None:
        if self._closed:
            raise StoreError("this router is closed; get_router() gives a new one")
        if not self._used:
            self._used = True
            for call in at_first_use:
                call()

    # -- subscribing

    def subscribe(
        self, event_type: object, callback: Callback, *, durable: str | None = None, since: Since = None,
        inline: bool = False, timeout: float = DEFAULT_TIMEOUT_S,
    ) -> Listener:  # fmt: skip
        """Call `callback(event)` for each event of this type (None: all), in the order of the log.

        `durable` names a place in the log that outlives the process: each event is acknowledged after
        success, and retried before that. `since` begins in the past ("10m", a timedelta, a datetime, or a
        position). `inline` runs a sync handler on the event loop instead of a thread. `timeout` in seconds.
        """
        self._begin_use()
        types = self._types([event_type])
        return self._subscriber.subscribe(types, callback, SubscribeOptions(durable, since, inline, timeout))

    def subscribe_many(
        self, event_types: Iterable[object], callback: Callback, *, durable: str | None = None,
        since: Since = None, inline: bool = False, timeout: float = DEFAULT_TIMEOUT_S,
    ) -> Listener:  # fmt: skip
        """One subscription to several types: all of them or, on an error, none; in the order of the log."""
        if isinstance(event_types, str | Enum) or not isinstance(event_types, Iterable):
            raise TypeError("subscribe_many takes several event types; subscribe takes one")
        given = list(event_types)
        if not given:
            raise ValueError("subscribe_many needs at least one event type")
        self._begin_use()
        types = self._types(given)
        return self._subscriber.subscribe(types, callback, SubscribeOptions(durable, since, inline, timeout))

    def register_handler(self, event_type: object, handler: Callback) -> Listener:
        """Older spelling of `subscribe`."""
        warn_once("register_handler()", "subscribe()")
        return self.subscribe(event_type, handler)

    def unsubscribe(self, event_type: object, callback: Callback) -> bool:
        """No new call of this callback for this type starts after this. Tells whether there was one."""
        return self._subscriber.unsubscribe(self._types([event_type]), callback)

    def add_reader(self, name: str, event_types: Iterable[object] | None) -> None:
        """Tell that somebody reads these events from the log itself, as the rules do; None: no longer."""
        self.registry.put_reader(name, None if event_types is None else self._types(list(event_types)))

    def _types(self, given: list[object]) -> frozenset[str] | None:
        names: set[str] = set()
        for one in given:
            if one is None:
                return None
            names.update(stage_types(one) if isinstance(one, StageEvent) else [self.vocabulary.resolve(one)])
        return frozenset(names)

    # -- looking in

    def has_subscribers(self, event_type: object) -> bool:
        """Whether anybody in this process listens to this event."""
        types = self._types([event_type])
        return bool(self.registry.listeners) if types is None else any(map(self.registry.is_heard, types))

    def get_history(
        self, event_type: object = None, origin: object = None, since: float | None = None, limit: int = 100
    ) -> list[Event]:
        """Recent events, oldest first; `since` in seconds since the epoch. `origin` is ignored."""
        del origin
        return self.statistics.history(self._types([event_type]), since, limit)

    def get_stats(self) -> dict[str, Any]:
        """Counters of this process."""
        return reports.stats(self.statistics, self.registry, self.writer) | {
            "letters_lost": self.letters.lost,
            "gaps": len(self.feed.gaps),
        }

    def get_health_status(self) -> dict[str, Any]:
        """`healthy` or `degraded`, with the reasons."""
        return reports.health(self.writer, self.feed, self.letters)

    def expect(self, listener: str, event_types: Iterable[object] | None = None) -> None:
        """Declare who must listen to what: a class, module or durable name, and its events.

        Without events: the row of that name in `expected.DAEMON_SUBSCRIPTIONS`; `KeyError` if it has none.
        """
        events = DAEMON_SUBSCRIPTIONS[listener] if event_types is None else self._types(list(event_types))
        self.presence.expects[listener] = tuple(sorted(events or ()))

    def delivery_report(self) -> dict[str, Any]:
        """What is emitted and never heard, heard and never emitted, unknown, unfit, missing, slow, failing.

        Over all processes that share the store, the rules included. Lists are bounded, the worst first.
        """
        wishes = Wishes(self.settings.allowed_orphans, self.settings.expected_listeners)
        return reports.delivery(self.store, self.presence, self.statistics, wishes)

    def validate_event_wiring(self) -> list[dict[str, str]]:
        """Who does not listen to what it should, once all is wired. Each is logged as an error."""
        missing: list[dict[str, str]] = self.delivery_report()["missing_listeners"]
        for one in missing:
            log.error("%s is expected to listen to %s and does not", one["listener"], one["event"])
        return missing

    def validate_event_flow(self) -> dict[str, Any]:
        """Health and the delivery report in the older shape: `healthy` with `issues`."""
        return reports.event_flow(self.get_health_status(), self.delivery_report())

    def retry_dead_letters(self, limit: int = 10) -> dict[str, int]:
        """Call handlers of this process again for events they failed on, up to `limit`, the newest first.

        Blocks until they are done; `RuntimeError` inside a running loop: there, use `asyncio.to_thread`.
        """
        if running_loop() is not None:
            raise RuntimeError("this waits for handlers: await asyncio.to_thread(router.retry_dead_letters)")
        return redeliver(self.store(), self.registry, limit)

    # -- ending

    def flush(self, timeout: float = EXIT_FLUSH_S) -> bool:
        """Store what waits and let handlers that need no other loop finish; False if time ran out."""
        until = time.monotonic() + timeout
        done = self.writer.flush(timeout, time.monotonic)
        while any(listener.busy for listener in self.registry.listeners):
            if time.monotonic() >= until:
                done = False
                break
            time.sleep(0.002)
        self.letters.flush()
        return done

    def leave(self, timeout: float = EXIT_FLUSH_S) -> None:
        """Flush, and leave what could not be stored to the next opener of the database."""
        self.flush(timeout)
        if not self.writer.degraded:
            self.presence.leave()
        waiting = self.writer.spool.waiting()
        if not waiting:
            return
        folder = self.store.folder or Path(os.devnull)
        try:
            path = leftovers.leave_behind([publication.new for publication in waiting], folder)
        except OSError as error:
            log.critical("%d events could not be stored and are lost: %s", len(waiting), error)
        else:
            log.error("%d events could not be stored and are left in %s", len(waiting), path)
        self.writer.spool.drop(waiting)

    def close(self, timeout: float = EXIT_FLUSH_S) -> None:
        """Flush and let go of everything; idempotent. The store is closed unless it was given."""
        if self._closed:
            return
        self.leave(timeout)
        self._closed = True
        listeners = self.registry.listeners
        for listener in listeners:
            listener.close()
        self._await_the_durable(listeners, timeout)
        self.feed.stop()
        self.watch.close()
        self.store.close()
        self.writer.close(1.0)
        if self.store.is_own:  # its close has woken the thread; one that was given lets it sleep on
            self.feed.close(1.0)
        living.discard(self)

    stop = close

    def _await_the_durable(self, listeners: tuple[Listener, ...], timeout: float) -> None:
        """Let them acknowledge what they have done and free their names: whoever comes next would wait long.

        Not those that cannot end before this returns.
        """
        if current_row.get() is not None:
            return
        until, here = time.monotonic() + timeout, running_loop()
        for listener in listeners:
            if listener.durable is not None and (here is None or listener.handler.home() is not here):
                listener.ended.wait(max(0.0, until - time.monotonic()))

    def restart_in_child(self) -> object:
        """After a fork: fresh insides. Returns what the parent still uses, to be kept and never touched."""
        parents = (self.writer, self.feed, self.registry, self.watch, self.letters, self.workers, self.store)
        self.store = self.store.renew()
        self._set_up()
        return parents
