"""What subscriptions need of their router."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rules_engine.events.registry import Listener
from rules_engine.events.watch import Watch
from rules_engine.events.workers import Workers
from rules_engine.store.port import Letter, Store


class Log(Protocol):
    """The position up to which rows are handed out, and the lock that holds it still."""

    lock: threading.RLock
    position: int | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What subscriptions need of their router."""

    store: Callable[[], Store]
    feed: Log
    workers: Workers
    watch: Watch
    bury: Callable[[Letter], None]
    #: Called when a subscription is over, whoever ended it.
    closed: Callable[[Listener], None]
