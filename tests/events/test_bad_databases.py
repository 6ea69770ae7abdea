"""Promise 5 over a database that cannot be used: handlers go on, health says what to do, nothing is lost."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from rules_engine import store as stores
from rules_engine.events.event_router import UnifiedEventRouter
from rules_engine.store.port import NewEvent, StoreError

Break = Callable[[Path], object]


def newer(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()


def replaced(path: Path) -> None:
    path.rename(path.with_name("old"))
    shutil.copy(path.with_name("old"), path)


def away(path: Path) -> None:
    path.rename(path.with_name("away"))


BEFORE: list[tuple[Break, str]] = [
    (lambda path: path.mkdir(), r"events\.db is not a file: name a file for the database with --db"),
    (lambda path: path.write_text("hello" * 1_000), r"events\.db is not a database of .*move it away"),
    (lambda path: path.write_bytes(b"SQLite format 3\0" + b"\xff" * 200), "move it away or restore a copy"),
    (lambda path: path.symlink_to(path), r"events\.db cannot be used: Too many levels"),
    (newer, r"events\.db was made by a newer version of rules-engine \(schema 99.*use that version"),
]  # fmt: skip
WHILE_OPEN: list[tuple[Break, str]] = [
    (away, r"events\.db was renamed or deleted while it was open: put it back, or restart"),
    (replaced, r"events\.db was replaced by another file while it was open: restart"),
    (lambda path: os.truncate(path, 0), r"events\.db was cut short while it was open: stop what uses it"),
    (newer, r"events\.db was made by a newer version of rules-engine"),
]


def outage(router: UnifiedEventRouter, message: str) -> None:
    """What everybody sees of it."""
    heard: list[int] = []
    router.subscribe("HOST_ONLINE", lambda event: heard.append(event.payload["n"]))
    assert not router.publish("HOST_ONLINE", {"n": 1}).stored
    assert heard == [1]
    health = router.get_health_status()
    assert health["status"] == "degraded"
    assert any(re.search(message, reason) for reason in health["reasons"]), health
    with pytest.raises(StoreError, match=message):
        router.publish("HOST_ONLINE", {"n": 2}, retry=False).result(5)
    router.close(0.1)


def taken_up(path: Path) -> list[dict[str, int]]:
    """What the next program finds, once there is a database again."""
    router = UnifiedEventRouter(path)
    try:
        router.publish("HOST_ONLINE", {"n": 3})
        return [row.payload for row in router.store().read(0, 100).rows if row.type == "HOST_ONLINE"]
    finally:
        router.close()


@pytest.mark.parametrize(("broken", "message"), BEFORE, ids=["folder", "text", "header", "link", "newer"])
def test_a_database_that_was_never_good(broken: Break, message: str, tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    if broken is newer:
        store = stores.open(path)
        store.append([NewEvent("a", "T", b"{}")])
        store.close()
    broken(path)
    outage(UnifiedEventRouter(path), message)
    assert list(tmp_path.glob("undelivered-*.jsonl"))
    for left in tmp_path.glob("events.db*"):
        left.rmdir() if left.is_dir() and not left.is_symlink() else left.unlink()
    assert taken_up(path) == [{"n": 1}, {"n": 3}]
    assert not list(tmp_path.glob("undelivered-*.jsonl"))


@pytest.mark.parametrize(("broken", "message"), WHILE_OPEN, ids=["renamed", "replaced", "cut", "newer"])
def test_a_database_that_goes_bad_while_it_is_open(broken: Break, message: str, tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    router = UnifiedEventRouter(path)
    router.publish("HOST_ONLINE", {"n": 0})
    backup = stores.open(tmp_path / "backup.db")
    backup.append([NewEvent("zero", "HOST_ONLINE", b'{"n": 0}')])
    backup.close()
    broken(path)
    outage(router, message)
    for left in tmp_path.glob("events.db*"):
        left.unlink()
    shutil.copy(tmp_path / "backup.db", path)
    assert taken_up(path) == [{"n": 0}, {"n": 1}, {"n": 3}]
