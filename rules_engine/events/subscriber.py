"""The way out: subscriptions made, found and ended."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from rules_engine.events.checked_text import checked_text
from rules_engine.events.durable import DurableSubscription
from rules_engine.events.feed import Feed, Item
from rules_engine.events.handler_call import DEFAULT_TIMEOUT_S, Callback, Handler
from rules_engine.events.letters import LetterBox
from rules_engine.events.registry import Listener, Registry
from rules_engine.events.since import Since, position_of
from rules_engine.events.statistics import Statistics
from rules_engine.events.subscription import Subscription
from rules_engine.events.surroundings import Surroundings
from rules_engine.events.watch import Watch
from rules_engine.events.workers import Workers
from rules_engine.store.port import Store, StoreError

log = logging.getLogger("rules_engine.events")

Types = frozenset[str] | None


def _is_generator(callback: object) -> bool:
    return inspect.isgeneratorfunction(callback) or inspect.isasyncgenfunction(callback)


@dataclass(frozen=True, slots=True)
class SubscribeOptions:
    """How a subscription behaves; see `UnifiedEventRouter.subscribe`. `timeout` in seconds."""

    durable: str | None = None
    since: Since = None
    inline: bool = False
    timeout: float = DEFAULT_TIMEOUT_S


@dataclass(slots=True)
class Subscriber:
    """Makes and ends subscriptions, and hands rows of the log to them."""

    store: Callable[[], Store]
    registry: Registry
    statistics: Statistics
    workers: Workers
    watch: Watch
    letters: LetterBox
    feed: Feed = field(init=False)  # set by the router: the feed needs `dispatch`
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def dispatch(self, item: Item) -> None:
        """Hand a row to everybody who listens to it."""
        listeners = self.registry.of(item.row.type)
        log.debug(
            "%s %s, row %d, goes to %d handlers", item.row.type, item.row.id, item.row.seq, len(listeners)
        )
        for listener in listeners:
            listener.offer(item)

    def subscribe(self, types: Types, callback: Callback, options: SubscribeOptions) -> Listener:
        """One subscription to these types (None: all); the existing one if there is one already."""
        if not callable(callback):
            raise TypeError(
                f"a handler is a function or method, not {type(callback).__name__}: {callback!r:.80}"
            )
        if any(_is_generator(one) for one in (callback, getattr(callback, "__call__", None))):  # noqa: B004
            raise TypeError(
                f"a handler with a yield would never run: return instead of yield in {callback!r:.80}"
            )
        if options.durable is not None:
            checked_text("durable", options.durable)
        if not options.timeout > 0:
            raise ValueError(f"timeout is in seconds and above 0, not {options.timeout!r}")
        with self._lock:
            if (
                options.durable is not None
                and (taken := self.registry.find_durable(options.durable)) is not None
            ):
                if taken.handler.callback == callback and taken.types == types:
                    return taken
                raise ValueError(
                    f"the durable name {options.durable!r} is served by {taken.handler.name} already"
                )
            found = self._existing(types, callback, options)
            if found and len(found) == (1 if types is None else len(types)):
                return next(iter(found.values()))
            left = None if types is None else types - {name for name in found if name is not None}
            handler = Handler(callback, inline=options.inline, timeout_s=options.timeout)
            begun = self._begin(left, handler, options)
            heard = "everything" if left is None else ", ".join(sorted(left))
            log.info("%s listens to %s", handler.name, heard)
            return begun

    def unsubscribe(self, types: Types, callback: Callback) -> bool:
        """End this callback's subscriptions to these types. Tells whether there was one."""
        found = False
        for name in [None] if types is None else sorted(types):
            for listener in self.registry.find_all(name, callback):
                found = True
                if name is None:
                    listener.close()
                else:
                    listener.narrow(name)
                self.registry.changed()
        return found

    def _existing(
        self, types: Types, callback: Callback, options: SubscribeOptions
    ) -> dict[str | None, Listener]:
        found: dict[str | None, Listener] = {}
        for name in [None] if types is None else sorted(types):
            for listener in self.registry.find_all(name, callback):
                if listener.durable == options.durable:
                    found[name] = listener
                    log.warning(
                        "%s is subscribed to %s already; it is called once", listener.handler.name, name
                    )
        return found

    def _begin(self, types: Types, handler: Handler, options: SubscribeOptions) -> Listener:
        around = Surroundings(self.store, self.feed, self.workers, self.watch, self.letters.post, self._ended)
        with self.feed.lock:
            if options.durable is not None:
                head = self.feed.attach()
                start = position_of(options.since, self.store(), head)
                durable = DurableSubscription(options.durable, types, handler, around, start)
                self.registry.add(durable)
                durable.begin()
                return durable
            try:
                head = self.feed.attach()
                start = position_of(options.since, self.store(), head)
            except StoreError as error:
                if options.since is not None:
                    raise
                log.warning("%s is subscribed, but the store is away: %s", handler.name, error)
                head = start = 0
            live = Subscription(types, handler, around, head)
            self.registry.add(live)
            if start < head:
                live.go_back(start)
            return live

    def _ended(self, listener: Listener) -> None:
        self.registry.remove(listener)
        self.statistics.gone.append(listener.stats)
