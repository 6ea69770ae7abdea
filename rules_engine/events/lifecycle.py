"""The process-wide router, and what happens to routers at a fork and at the end of the process (A5, A15)."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from pathlib import Path

from rules_engine.events import router as routers
from rules_engine.events.deprecation import forget_warnings
from rules_engine.events.router import UnifiedEventRouter
from rules_engine.store.port import Store

_router: UnifiedEventRouter | None = None
_lock = threading.RLock()
_database: str | Path | None = None
_store: Store | None = None
#: What a forked child must neither use nor let go of: closing it would disturb the parent.
_parents: list[object] = []


def get_router() -> UnifiedEventRouter:
    """The router of this process, never None. `SettingsError` if the settings cannot be used."""
    global _router
    if _router is None:
        with _lock:
            if _router is None:
                _router = UnifiedEventRouter(_database, store=_store)
    return _router


def configure(*, db: str | Path | None = None, store: Store | None = None) -> UnifiedEventRouter:
    """Choose the database, or an open store, for this process; the router so far is closed first."""
    global _database, _store
    if db is not None and store is not None:
        raise ValueError("give a database or a store, not both")
    with _lock:
        reset_router()
        _database, _store = db, store
        return get_router()


def reset_router() -> None:
    """Flush and forget the router of this process, and what `configure` chose."""
    global _router, _database, _store
    with _lock:
        old, _router = _router, None
        _database = _store = None
    if old is not None:
        old.close()
    forget_warnings()


# ---- the end of the process ----------------------------------------------------------------------


def _at_exit() -> None:
    for router in list(routers.living):
        router.leave()


def _hook_exit() -> None:
    """In a child of multiprocessing atexit does not run, its own finalizers do."""
    if (util := sys.modules.get("multiprocessing.util")) is not None:
        util.Finalize(None, _at_exit, exitpriority=10)


atexit.register(_at_exit)
routers.at_first_use.append(_hook_exit)


# ---- fork (the store sees to it that none happens inside a transaction) --------------------------


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    _parents.extend(router.restart_in_child() for router in list(routers.living))


os.register_at_fork(after_in_child=_after_fork_in_child)
