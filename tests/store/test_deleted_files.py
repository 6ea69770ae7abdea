"""What belongs to an open database is deleted, cut or broken by others: told, mended, nothing lost unsaid."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rules_engine.store.port import NewEvent, StoreError, StoreMoved
from rules_engine.store.sqlite import SqliteStore

pytestmark = pytest.mark.system

Opened = Callable[..., SqliteStore]
MakeEvent = Callable[..., NewEvent]


def ids(store: SqliteStore) -> list[str]:
    return [row.id for row in store.read(0, 10_000).rows]


@pytest.mark.parametrize("deleted", [["-wal"], ["-shm"], ["-wal", "-shm"]], ids="+".join)
def test_rows_committed_before_and_after_a_deletion_are_there_for_everybody(
    deleted: list[str], opened: Opened, path: Path, event: MakeEvent, child: Callable[..., Any]
) -> None:
    """SQLite would go on in files that nobody else can see, and a kill would take them along."""
    go, begin = os.pipe()

    def writes(say: Callable[[Any], None]) -> None:
        mine = SqliteStore(path, durability="normal")
        mine.append([event("a"), event("b")])
        say("written")
        os.read(go, 1)
        mine.append([event("c")])
        mine.append([event("d")])
        say(ids(mine))
        os.read(go, 1)

    writer = child(writes)
    assert writer.hear() == "written"
    reader = opened()
    assert ids(reader) == ["a", "b"]
    for suffix in deleted:
        path.with_name(path.name + suffix).unlink()
    os.write(begin, b"x")
    assert writer.hear() == ["a", "b", "c", "d"]
    assert ids(reader) == ["a", "b", "c", "d"]  # one that had them open
    assert ids(opened()) == ["a", "b", "c", "d"]  # one that comes later
    reader.append([event("e")])
    writer.signal(signal.SIGKILL)
    writer.ended()
    reader.close()
    assert ids(opened()) == ["a", "b", "c", "d", "e"]
    check = sqlite3.connect(path)
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()
    os.close(go)
    os.close(begin)


def test_rows_that_another_program_left_behind_are_told(opened: Opened, path: Path, event: MakeEvent) -> None:
    mine = opened()
    mine.append([event("a")])
    mine._database._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # type: ignore[union-attr]
    mine.append([event("b"), event("c")])
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()

    goes_on = """
import sys
from pathlib import Path
from rules_engine.store.port import NewEvent
from rules_engine.store.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
store.append([NewEvent("x", "T", b"{}")])
print("done", flush=True)
sys.stdin.read()
"""
    other = subprocess.Popen(  # not forked: a fork would let go of the files
        [sys.executable, "-c", goes_on, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "done\n"
    with pytest.raises(StoreMoved, match=r"the rows 3 to 3 are lost"):
        mine.append([event("d")])
    mine.append([event("d")])
    assert ids(mine) == ["a", "x", "d"]
    other.communicate()


@pytest.mark.parametrize("size", [0, 100, 4_096])
def test_a_database_that_was_cut_short_takes_no_more(
    size: int, opened: Opened, path: Path, event: MakeEvent
) -> None:
    store = opened()
    store.append([event(f"{n}") for n in range(100)])
    store.close()
    store = opened()
    store.append([event("a")])
    os.truncate(path, size)
    with pytest.raises(StoreMoved, match=r"events\.db was cut short while it was open"):
        store.append([event("b")])
    with pytest.raises(StoreMoved, match="restore a copy"):
        store.read(0, 10)


def test_a_table_that_was_dropped_is_damage(opened: Opened, path: Path, event: MakeEvent) -> None:
    store = opened()
    store.append([event("a")])
    other = sqlite3.connect(path)
    other.execute("DROP TABLE event")
    other.close()
    for use in (lambda: store.read(0, 10), lambda: store.append([event("b")])):
        with pytest.raises(
            StoreError, match=r"events\.db is not a database of rules-engine, or it is damaged"
        ):
            use()


@pytest.mark.parametrize(
    ("put", "message"),
    [
        (lambda p: p.symlink_to(p), r"events\.db cannot be used: Too many levels"),
        (lambda p: p.symlink_to("/nowhere/at/all.db"), r"events\.db cannot be opened: is its folder there"),
        (os.mkfifo, r"events\.db is not a file: name a file"),
        (lambda p: p.with_name("events.db-lock").mkdir(), r"events\.db-lock cannot be used: Is a directory"),
        (lambda p: p.with_name("events.db-wal").mkdir(), r"the disk of .*events\.db reports errors"),
    ],
    ids=["link to itself", "link to nowhere", "fifo", "lock is a folder", "log is a folder"],
)
def test_what_lies_in_the_way_is_named(
    put: Callable[[Path], object], message: str, opened: Opened, path: Path, event: MakeEvent
) -> None:
    path.parent.mkdir()
    put(path)
    with pytest.raises(StoreError, match=message):
        SqliteStore(path).append([event("a")])
