"""The store of a router: opened when it is first needed, closed if it was opened here."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Literal

from rules_engine import store as stores
from rules_engine.events import leftovers
from rules_engine.store.port import Store, StoreError

log = logging.getLogger("rules_engine.events")


class LazyStore:
    """Call it to get the store. `given` is an open store of somebody else, to be used instead of `db`."""

    def __init__(self, db: str | Path, durability: Literal["full", "normal"], given: Store | None) -> None:
        self.db = db
        self._durability = durability
        self._given = given
        self._opened = given
        self._closed = False
        self._lock = threading.RLock()

    def __call__(self) -> Store:
        """The store. `StoreError` if it cannot be opened."""
        if (opened := self._opened) is not None:
            return opened
        with self._lock:
            if self._opened is None:
                if self._closed:
                    raise StoreError("this router is closed; get_router() gives a new one")
                opened = stores.open(self.db, durability=self._durability)
                if (folder := self.folder) is not None and folder.is_dir():
                    _take_up(folder, opened)
                self._opened = opened
            return self._opened

    @property
    def is_own(self) -> bool:
        """Whether it is opened and closed here."""
        return self._given is None

    @property
    def exists(self) -> bool:
        """Whether there is something to read, without making it."""
        return self._opened is not None or (not self._closed and Path(self.db).exists())

    @property
    def folder(self) -> Path | None:
        """Where the database lies; None for a store in memory or one that was given."""
        if self._given is not None or self.db == stores.MEMORY:
            return None
        return Path(self.db).parent

    def close(self) -> None:
        """Let go of it; it opens no more."""
        with self._lock:
            self._closed = True
            if self._opened is not None and self._given is None:
                self._opened.close()
            self._opened = None

    def renew(self) -> LazyStore:
        """One like this, not opened yet; for a forked child, which must not touch the parent's."""
        return LazyStore(self.db, self._durability, self._given)


def _take_up(folder: Path, opened: Store) -> None:
    try:
        taken, bad = leftovers.take_up(folder, opened.append)
    except (StoreError, OSError) as error:
        log.warning("events that an ended process left in %s stay there: %s", folder, error)
        return
    if taken or bad:
        log.warning("took up %d events of ended processes from %s (%d lines unreadable)", taken, folder, bad)
