"""The durable home of log, state and owed actions. `open` is the only place that names a concrete store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from rules_engine.store.clock import wall_ms
from rules_engine.store.port import StoreError

if TYPE_CHECKING:
    from rules_engine.store.port import Store

#: The URL of a new store in memory.
MEMORY: Final = "memory:"


def open(  # noqa: A001 - store.open(url) is how everybody calls it
    url: str | Path,
    *,
    durability: Literal["full", "normal"] = "full",
    create: bool = True,
    clock: Callable[[], int] = wall_ms,
) -> Store:
    """An open store: a new one in memory for `memory:`, else the SQLite database of that path.

    The database is made by the first call that writes. `full` survives a loss of power, `normal`
    a kill of the process. Without `create` there must be a database: else `StoreError`.
    `clock` replaces the wall clock, in milliseconds since the epoch, for tests and virtual time.
    Also `StoreNewer`, and `StoreError` for a file that is no database of ours.
    """
    store: Store
    if url == MEMORY:
        from rules_engine.store.memory import MemoryStore  # noqa: PLC0415 - only what is asked for

        store = MemoryStore(clock)
    else:
        from rules_engine.store.sqlite import SqliteStore  # noqa: PLC0415 - likewise
        from rules_engine.store.sqlite.machine import Machine  # noqa: PLC0415 - likewise

        if not create and not Path(url).exists():
            raise StoreError(f"there is no database at {url}; start the daemon or publish an event first")
        store = SqliteStore(Path(url), durability=durability, machine=Machine(wall_ms=clock))
    store.open()
    return store
