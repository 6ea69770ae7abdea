"""A disk that is full, and a commit of which nothing is known: nothing stored is lost, nothing doubled."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rules_engine.engine.decision import CellId
from rules_engine.store.port import Change, Limits, MaybeStored, NewEvent, Stored, StoreError, StoreFull
from rules_engine.store.sqlite import SqliteStore
from rules_engine.store.sqlite.reserve import RESERVE_BYTES

Opened = Callable[..., SqliteStore]
MakeEvent = Callable[..., NewEvent]


def ids(store: SqliteStore) -> list[str]:
    return [row.id for row in store.read(0, 10_000).rows]


# ---- full ----


def test_a_full_database_refuses_and_loses_nothing(opened: Opened, event: MakeEvent) -> None:
    store = opened()
    store.append([event("first")])
    pages = store._database.row("PRAGMA page_count")
    store._database.write(lambda t: t.sql.execute(f"PRAGMA max_page_count = {pages[0] + 20}").fetchall())
    stored = ["first"]

    def fill() -> None:
        for n in range(1_000):
            stored.extend(answer.id for answer in store.append([event(f"{n}", source="s" * 3_000)]))

    with pytest.raises(StoreFull, match="is full"):
        fill()
    assert ids(store) == stored
    lease = store.acquire("rules", "me", 1_000)
    store.reader("rules", start=0)
    with pytest.raises(StoreFull):
        store.commit(lease, 0, Change(1, 0, "h", cells={_cell(n): "x" * 3_000 for n in range(50)}))
    assert (list(store.load()), store.reader("rules")) == ([], 0)
    store._database.write(lambda t: t.sql.execute("PRAGMA max_page_count = 1000000").fetchall())
    store.append([event("last")])  # the failed one had entered no window
    assert ids(store) == [*stored, "last"]


def _cell(n: int) -> Any:
    return CellId("loop:a", (n,))


def test_an_event_that_did_not_fit_is_new_when_it_is_tried_again(opened: Opened, event: MakeEvent) -> None:
    store = opened()
    store.append([event("first")])
    big = NewEvent("big", "T", b'{"x": "%s"}' % (b"x" * 100_000), dedup=b"d", dedup_window_ms=60_000)
    pages = store._database.row("PRAGMA page_count")
    store._database.write(lambda t: t.sql.execute(f"PRAGMA max_page_count = {pages[0]}").fetchall())
    with pytest.raises(StoreFull):
        store.append([big])
    store._database.write(lambda t: t.sql.execute("PRAGMA max_page_count = 1000000").fetchall())
    assert isinstance(store.append([big])[0], Stored)


def test_the_reserve_is_taken_by_pruning_and_freed_when_there_is_no_room(
    opened: Opened, path: Path, event: MakeEvent
) -> None:
    store = opened()
    store.append([event("a")])
    reserve = path.with_name("events.db-reserve")
    assert not reserve.exists()
    store.prune(Limits(), 10)
    assert reserve.stat().st_size == RESERVE_BYTES
    store._database.write(lambda t: t.sql.execute("PRAGMA max_page_count = 1").fetchall())
    with pytest.raises(StoreFull):
        store.append([event(f"{n}", source="s" * 3_000) for n in range(100)])
    assert not reserve.exists()
    store.prune(Limits(), 10)
    assert reserve.exists()


# ---- a commit of which nothing is known ----


class _Flaky:
    """A connection whose COMMIT reports a write error, after or instead of doing its work."""

    def __init__(self, connection: sqlite3.Connection, *, does_commit: bool) -> None:
        self._connection = connection
        self._does_commit = does_commit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *values: Any) -> Any:
        if statement != "COMMIT":
            return self._connection.execute(statement, *values)
        if self._does_commit:
            self._connection.execute("COMMIT")
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error


@pytest.mark.parametrize("does_commit", [True, False])
def test_after_an_ambiguous_commit_a_retry_with_the_same_id_is_harmless(
    opened: Opened, event: MakeEvent, does_commit: bool
) -> None:
    store = opened()
    store.append([event("a")])
    database = store._database
    database._writer = _Flaky(database._writer, does_commit=does_commit)  # type: ignore[assignment]
    with pytest.raises(MaybeStored, match="not known whether") as caught:
        store.append([event("b"), event("c")])
    assert caught.value.event_id == "b"
    store.append([event("b"), event("c")])
    assert ids(store) == ["a", "b", "c"]


@pytest.mark.parametrize("does_commit", [True, False])
def test_after_an_ambiguous_commit_of_the_engine_the_position_tells(
    opened: Opened, event: MakeEvent, does_commit: bool
) -> None:
    store = opened()
    store.append([event("a")])
    lease = store.acquire("rules", "me", 1_000)
    store.reader("rules", start=0)
    database = store._database
    database._writer = _Flaky(database._writer, does_commit=does_commit)  # type: ignore[assignment]
    with pytest.raises(StoreError, match="not known whether"):
        store.commit(lease, 0, Change(1, 0, "h", cells={_cell(0): 1}))
    assert store.reader("rules") == len(list(store.load())) == int(does_commit)
