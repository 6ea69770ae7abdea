"""Waking other processes: at once by a datagram, or a little later without it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rules_engine.store.port import Control, NewEvent
from rules_engine.store.sqlite import SqliteStore

Opened = Callable[..., SqliteStore]
MakeEvent = Callable[..., NewEvent]
Say = Callable[[Any], None]


def ids(store: SqliteStore) -> list[str]:
    return [row.id for row in store.read(0, 100_000).rows]


def test_a_waiting_process_is_woken_by_an_append_in_another(
    opened: Opened, event: MakeEvent, child: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, engine: Any
) -> None:
    monkeypatch.setattr("rules_engine.store.sqlite.log.POLL_MS", 30_000)  # only the nudge can wake it
    opened().append([event("a")])

    def work(say: Say) -> None:
        store = opened()
        say("ready")
        for at in range(1, 6):
            store.wait(at, 20_000)
            say([row.seq for row in store.read(at, 1).rows])

    waiting = child(work)
    waiting.hear()
    for n in range(5):
        time.sleep(0.01)
        opened().append([event(f"{n}")])
        assert waiting.hear() == [n + 2]


def test_a_nudge_that_came_before_the_wait_is_not_lost(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, engine: Any
) -> None:
    monkeypatch.setattr("rules_engine.store.sqlite.log.POLL_MS", 30_000)
    store = opened()
    store.wait(0, 1)
    opened().ask(Control("on", {}))
    begin = time.monotonic()
    store.wait(0, 20_000)
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("runtime", ["long", "missing", "foreign"])
def test_without_sockets_it_is_found_by_looking(
    opened: Opened, event: MakeEvent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    folder = tmp_path / ("x" * 150 if runtime == "long" else "run")
    if runtime != "missing":
        folder.mkdir()
    if runtime == "foreign":
        (folder / f"rules-engine-{os.getuid()}").mkdir(mode=0o777)
        (folder / f"rules-engine-{os.getuid()}").chmod(0o777)
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    store, other = opened(), opened()
    store.append([event("a")])
    writing = threading.Timer(0.01, lambda: other.append([event("b")]))
    writing.start()
    store.wait(1, 20_000)
    assert len(ids(store)) == 2
    writing.join()


def test_a_dead_receivers_socket_is_cleared_away(
    opened: Opened, event: MakeEvent, child: Callable[..., Any]
) -> None:
    def work(say: Say) -> None:
        store = opened()
        store.wait(0, 1)
        say([str(path) for path in store._database.nudges._folder.iterdir()])
        os.kill(os.getpid(), signal.SIGKILL)

    dying = child(work)
    [left_over] = dying.hear()
    dying.ended()
    assert Path(left_over).exists()
    opened().append([event("a")])
    assert not Path(left_over).exists()


def test_a_receiver_that_hears_nothing_delays_nobody(
    opened: Opened, event: MakeEvent, child: Callable[..., Any]
) -> None:
    def work(say: Say) -> None:
        store = opened()
        store.wait(0, 1)
        say("bound")
        time.sleep(60)

    deaf = child(work)
    deaf.hear()
    deaf.signal(signal.SIGSTOP)
    store = opened()
    for n in range(40):  # more than a socket's queue holds
        store.append([event(f"{n}")])
    assert store.info().head == 40
