"""A11 over restarts: what closing, a kill and a take-over do to a durable subscription."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rules_engine import store as stores
from rules_engine.events.event_router import Event, UnifiedEventRouter
from rules_engine.store.port import NewEvent


def position(path: Path, name: str) -> int:
    store = stores.open(path)
    try:
        return next(reader.position for reader in store.readers() if reader.name == name)
    finally:
        store.close()


def test_a11_a_router_that_closes_frees_its_names_and_acknowledges(tmp_path: Path) -> None:
    """Else the next one of this process would wait for a lease that nobody lets go of."""
    path, began, go = tmp_path / "events.db", threading.Event(), threading.Event()
    heard: list[int] = []

    def handler(event: Event) -> None:
        began.set()
        go.wait(10)
        heard.append(event.seq)

    first = UnifiedEventRouter(path)
    first.subscribe("HOST_ONLINE", handler, durable="accounts")
    publisher = threading.Thread(target=first.publish, args=("HOST_ONLINE", {"n": 1}))
    publisher.start()
    assert began.wait(5)
    closer = threading.Thread(target=first.close)
    closer.start()
    while first.registry.listeners:
        time.sleep(0.001)
    go.set()
    for thread in (closer, publisher):
        thread.join(10)
    assert position(path, "accounts") == 1
    second = UnifiedEventRouter(path)
    try:
        second.subscribe("HOST_ONLINE", handler, durable="accounts")
        second.publish("HOST_ONLINE", {"n": 2})
        deadline = time.monotonic() + 10
        while len(heard) < 2 and time.monotonic() < deadline:
            time.sleep(0.002)
    finally:
        second.close()
    assert heard == [1, 2]


def test_a11_closing_from_inside_a_durable_handler_waits_for_nobody(tmp_path: Path) -> None:
    router, done = UnifiedEventRouter(tmp_path / "events.db"), threading.Event()

    def closes(event: Event) -> None:
        started = time.monotonic()
        router.close(60)
        if time.monotonic() - started < 30:
            done.set()

    router.subscribe("HOST_ONLINE", closes, durable="last")
    store = stores.open(tmp_path / "events.db")
    store.append([NewEvent("a", "HOST_ONLINE", b"{}")])
    assert done.wait(20)
    store.close()


SERVING = """
import sys, time
from rules_engine.events.event_router import UnifiedEventRouter
router = UnifiedEventRouter("events.db")
log = open("heard", "a")
def handler(event):
    log.write(f"{event.payload['n']}\\n"); log.flush()
router.subscribe("HOST_ONLINE", handler, durable="accounts", since=0)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.system
def test_a11_kills_lose_nothing_and_repeat_only_what_was_not_acknowledged(tmp_path: Path) -> None:
    """Killed again and again in the middle of its work, while others publish."""
    store = stores.open(tmp_path / "events.db", durability="normal")
    count, rounds = 300, 4
    total = count * rounds
    heard = tmp_path / "heard"
    starts: list[int] = []
    for turn in range(rounds):
        starts.append(_position(store))  # nobody acknowledges now: the one before is gone
        child = subprocess.Popen(
            [sys.executable, "-c", SERVING], cwd=tmp_path, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            before = _lines(heard)
            for n in range(count):
                number = turn * count + n
                store.append([NewEvent(f"e{number}", "HOST_ONLINE", json.dumps({"n": number}).encode())])
            wanted = 1 if turn < rounds - 1 else total - before
            deadline = time.monotonic() + 30
            while _lines(heard) < before + wanted or (turn == rounds - 1 and _position(store) < total):
                assert time.monotonic() < deadline, (_lines(heard), _position(store))
                time.sleep(0.01)
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
            assert child.stdout is not None
            child.stdout.close()
    store.close()
    said = [int(line) for line in heard.read_text().splitlines()]
    assert set(said) == set(range(total))  # not one is lost
    runs: list[list[int]] = []
    for number in said:
        if not runs or number != runs[-1][-1] + 1:
            runs.append([])
        runs[-1].append(number)
    assert len(runs) <= rounds  # each life is one run in order
    assert all(run[0] in starts or run[0] == 0 for run in runs)  # from the acknowledged position on


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def _position(store: Any) -> int:
    return next((reader.position for reader in store.readers() if reader.name == "accounts"), 0)
