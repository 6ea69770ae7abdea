"""What may happen to a database file, and what the store says about it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rules_engine.store
from rules_engine.store.port import (
    NewEvent,
    Stored,
    StoreError,
    StoreMoved,
    StoreNewer,
    StoreReadOnly,
)
from rules_engine.store.sqlite import SqliteStore, migrations
from rules_engine.store.sqlite.connection import CHECKPOINT_BYTES
from rules_engine.store.sqlite.migrations import LATEST

Opened = Callable[..., SqliteStore]
MakeEvent = Callable[..., NewEvent]


def ids(store: SqliteStore) -> list[str]:
    return [row.id for row in store.read(0, 10_000).rows]


# ---- made, opened, opened again ----


def test_reading_makes_no_database_and_the_first_append_makes_a_private_one(
    opened: Opened, path: Path, event: MakeEvent
) -> None:
    store = opened()
    assert store.info().head == 0
    store.wait(0, 1)
    assert not path.parent.exists()
    store.append([event("a")])
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_a_folder_that_exists_keeps_its_mode(opened: Opened, path: Path, event: MakeEvent) -> None:
    path.parent.mkdir(mode=0o750)
    opened().append([event("a")])
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750


def test_everything_is_there_when_it_is_opened_again(opened: Opened, event: MakeEvent) -> None:
    store = opened()
    store.append([event("a")])
    log_id = store.info().log_id
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.append([event("b")])
    again = opened()
    assert (ids(again), again.info().log_id) == (["a"], log_id)
    assert again.append([event("a"), event("b")])[1] == Stored("b", 2, again.info().time_ms)


def test_closing_leaves_one_file_without_a_write_ahead_log(
    opened: Opened, path: Path, event: MakeEvent
) -> None:
    store = opened()
    store.append([event("a")])
    store.read(0, 1)
    store.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["events.db", "events.db-lock"]


def test_open_chooses_the_store_by_its_url(path: Path, event: MakeEvent) -> None:
    memory = rules_engine.store.open("memory:", clock=lambda: 5)
    assert memory.append([event("a")]) == [Stored("a", 1, 5)]
    with pytest.raises(
        StoreError, match=r"there is no database at .*; start the daemon or publish an event first"
    ):
        rules_engine.store.open(path, create=False)
    store = rules_engine.store.open(str(path), durability="normal", clock=lambda: 6)
    assert store.append([event("a")]) == [Stored("a", 1, 6)]
    store.close()
    store = rules_engine.store.open(path, create=False)
    assert (store.info().head, store.info().durability) == (1, "full")
    store.close()


@pytest.mark.parametrize(("durability", "synchronous"), [("full", 2), ("normal", 1)])
def test_durability_is_what_was_asked_for(
    opened: Opened, event: MakeEvent, durability: str, synchronous: int
) -> None:
    store = opened(durability=durability)
    store.append([event("a")])
    assert _setting(store, "synchronous") == synchronous
    assert _setting(store, "wal_autocheckpoint") == 0
    assert _setting(store, "journal_mode") == "wal"


def _setting(store: SqliteStore, name: str) -> Any:
    return store._database.write(lambda transaction: transaction.sql.execute(f"PRAGMA {name}").fetchone()[0])


def test_a_reader_cannot_write(opened: Opened, event: MakeEvent) -> None:
    store = opened()
    store.append([event("a")])
    with pytest.raises(StoreReadOnly):
        store._database.read(lambda sql: sql.execute("DELETE FROM event"), None)


def test_the_write_ahead_log_is_brought_back_when_it_is_large(opened: Opened, path: Path) -> None:
    store = opened()
    wal = path.with_name("events.db-wal")
    store.append([NewEvent("big", "T", b'{"x": "%s"}' % (b"x" * CHECKPOINT_BYTES))])
    assert wal.stat().st_size < CHECKPOINT_BYTES
    assert ids(store) == ["big"]


# ---- moved, replaced, foreign, newer, damaged ----


def _rename(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def _replace(path: Path) -> None:
    other = path.with_name("other.db")
    shutil.copy(path, other)
    other.replace(path)


@pytest.mark.parametrize("move", [_rename, Path.unlink, _replace])
def test_a_moved_database_takes_no_more_writes_nor_reads(
    opened: Opened, path: Path, event: MakeEvent, move: Callable[[Path], None], child: Callable[..., Any]
) -> None:
    store = opened()
    store.append([event("a")])
    child(lambda say: move(path)).ended()
    for use in (lambda: store.append([event("b")]), lambda: store.read(0, 1), store.info):
        with pytest.raises(StoreMoved, match="while it was open"):
            use()
    store.close()
    store.open()
    assert ids(store) in ([], ["a"])


def test_a_database_that_is_put_back_is_used_again(opened: Opened, path: Path, event: MakeEvent) -> None:
    store = opened()
    store.append([event("a")])
    away = path.with_name("away.db")
    path.rename(away)
    with pytest.raises(StoreMoved):
        store.append([event("b")])
    away.rename(path)
    store.append([event("c")])
    assert ids(store) == ["a", "c"]


def test_a_newer_schema_stops_readers_and_writers_at_once(
    opened: Opened, path: Path, event: MakeEvent
) -> None:
    store = opened()
    store.append([event("a")])
    other = sqlite3.connect(path)
    other.execute(f"PRAGMA user_version = {LATEST + 1}")
    other.close()
    with pytest.raises(StoreNewer, match="newer version of rules-engine"):
        store.append([event("b")])
    with pytest.raises(StoreNewer):
        opened()
    other = sqlite3.connect(path)
    assert other.execute("SELECT count(*) FROM event").fetchone() == (1,)
    other.close()


def test_the_next_migration_is_applied_by_the_next_writer(
    opened: Opened, path: Path, event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    store.append([event("a")])
    store.close()
    later = migrations.steps() | {LATEST + 1: "CREATE TABLE novelty(x INTEGER) STRICT;"}
    monkeypatch.setattr(migrations, "steps", lambda: later)
    monkeypatch.setattr(migrations, "LATEST", LATEST + 1)
    store = opened()
    store.append([event("b")])
    assert store._database.rows("SELECT * FROM novelty") == []
    assert store._database.row("PRAGMA user_version") == (LATEST + 1,)
    assert ids(store) == ["a", "b"]


def test_a_migration_that_fails_leaves_everything_as_it_was(
    opened: Opened, event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    store.append([event("a")])
    store.close()
    broken = migrations.steps() | {
        LATEST + 1: "CREATE TABLE novelty(x INTEGER) STRICT; CREATE TABLE event(x);"
    }
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "steps", lambda: broken)
        with pytest.raises(StoreError, match="already exists"):
            opened().append([event("b")])
    store = opened()
    store.append([event("c")])
    assert store._database.row("PRAGMA user_version") == (LATEST,)
    assert ids(store) == ["a", "c"]


@pytest.mark.parametrize(
    "content", [b"hello, this is no database\n" * 100, b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_a_file_that_is_no_database_is_named_and_left_alone(
    opened: Opened, path: Path, event: MakeEvent, content: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"events\.db is not a database of rules-engine, or it is damaged"):
        opened()
    with pytest.raises(StoreError, match="not a database of rules-engine"):
        SqliteStore(path).append([event("a")])
    assert path.read_bytes() == content


@pytest.mark.parametrize("version", [0, 1, 7])
def test_the_database_of_another_program_is_left_alone(
    opened: Opened, path: Path, event: MakeEvent, version: int
) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.executescript(f"CREATE TABLE meta(x); PRAGMA user_version = {version}")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a database of rules-engine"):
        opened()
    with pytest.raises(StoreError, match="not a database of rules-engine"):
        SqliteStore(path).append([event("a")])
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_database(opened: Opened, path: Path, event: MakeEvent) -> None:
    path.parent.mkdir()
    path.touch()
    store = opened()
    assert store.info().head == 0
    store.append([event("a")])
    assert ids(store) == ["a"]


def test_a_damaged_page_is_an_error_that_says_so(opened: Opened, path: Path, event: MakeEvent) -> None:
    store = opened()
    store.append([event(f"e{n}", source="s" * 500) for n in range(200)])
    store.close()
    content = bytearray(path.read_bytes())
    content[4096 * 3 :] = b"\xee" * len(content[4096 * 3 :])
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        opened().read(0, 1_000)


def test_a_folder_in_the_place_of_the_file(opened: Opened, path: Path, event: MakeEvent) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StoreError, match="is not a file"):
        opened()


def test_a_file_in_the_place_of_the_folder(opened: Opened, path: Path, event: MakeEvent) -> None:
    path.parent.write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        opened().append([event("a")])


# ---- read-only ----


@pytest.fixture
def public_path() -> Iterator[Path]:
    """A database path that another user can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder / "events.db"
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("is_open_elsewhere", [True, False])
def test_what_cannot_be_written_can_be_read(
    opened: Opened, public_path: Path, event: MakeEvent, child: Callable[..., Any], is_open_elsewhere: bool
) -> None:
    opened(public_path).append([event("a")])

    def keep_open(say: Callable[[Any], None]) -> None:
        opened(public_path).append([event("b")])
        say("ready")
        time.sleep(60)

    def look(say: Callable[[Any], None]) -> None:
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        mine = SqliteStore(public_path, lock_wait_s=1)
        mine.open()
        say(ids(mine))
        try:
            mine.append([event("c")])
        except StoreReadOnly as error:
            say(str(error))
        say(ids(mine))

    if is_open_elsewhere:
        child(keep_open).hear()
    for file in public_path.parent.iterdir():
        file.chmod(0o444)
    public_path.parent.chmod(0o555)
    said = child(look).hear_all()
    assert said[0] == said[-1] == (["a", "b"] if is_open_elsewhere else ["a"])
    assert "cannot be written" in said[1]
