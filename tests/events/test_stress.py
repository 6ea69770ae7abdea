"""A12, A7 and A11 under load: four writers and three readers of different kinds on one file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.system

WRITERS, EACH, SHARED = 4, 200, 50
TOTAL = WRITERS * EACH + SHARED

WRITER = """
import asyncio, sys
from rules_engine.events.event_router import get_router, publish
me, each, shared = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
every = each // shared

async def in_a_loop():
    for n in range(each):
        publication = publish("HOST_ONLINE", {"n": n, "me": me}, source=str(me))
        if n % every == 0:
            publish("HOST_ONLINE", {"shared": n // every}, source="anybody")
        if n % 10 == 0:
            await publication

print("ready", flush=True)
sys.stdin.readline()
if me % 2:
    asyncio.run(in_a_loop())
else:
    for n in range(each):
        publish("HOST_ONLINE", {"n": n, "me": me}, source=str(me))
        if n % every == 0:
            publish("HOST_ONLINE", {"shared": n // every}, source="anybody")
"""

READER = """
import json, sys, threading, time
from rules_engine.events.cross_process_events import CrossProcessEventQueue
from rules_engine.events.event_router import get_router
kind, total = sys.argv[1], int(sys.argv[2])
heard, done = [], threading.Event()

def on_event(event):
    heard.append((event.seq, event.source, event.payload.get("n")))
    if len(heard) == total:
        done.set()

def poll():
    queue = CrossProcessEventQueue()
    reader = queue.subscribe("poller", stable=True)
    print("ready", flush=True)
    while len(heard) < total:
        batch = queue.poll(reader, limit=37)
        assert batch.gap is None
        for event in batch:
            heard.append((event.event_id, event.source, event.payload.get("n")))
        if batch:
            queue.ack(reader, batch.last_id)
        else:
            time.sleep(0.005)
    assert queue.poll(reader) == []

if kind == "polling":
    poll()
else:
    get_router().subscribe("HOST_ONLINE", on_event, durable="d" if kind == "durable" else None)
    print("ready", flush=True)
    assert done.wait(60), len(heard)
time.sleep(0.1)  # a double would come now
print(json.dumps(heard))
"""


@contextmanager
def running(program: str, *arguments: object, folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "RULES_ENGINE_PAYLOAD_CHECK": "off"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.stderr and process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


def finished(process: subprocess.Popen[str], said: str = "") -> str:
    out, errors = process.communicate(said, timeout=90)
    assert process.returncode == 0, errors
    return out


def test_four_writers_and_three_readers_lose_double_and_shuffle_nothing(tmp_path: Path) -> None:
    with ExitStack() as stack:
        readers = [
            stack.enter_context(running(READER, kind, TOTAL, folder=tmp_path))
            for kind in ("live", "durable", "polling")
        ]
        writers = [
            stack.enter_context(running(WRITER, me, EACH, SHARED, folder=tmp_path)) for me in range(WRITERS)
        ]
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        for writer in writers:
            finished(writer)
        heard: list[list[Any]] = [json.loads(finished(reader)) for reader in readers]
    first = heard[0]
    assert heard == [first] * 3
    assert [seq for seq, _, _ in first] == list(range(1, TOTAL + 1))
    for me in range(WRITERS):  # what one writer wrote is in its order
        assert [n for _, source, n in first if source == str(me)] == list(range(EACH))
    half = Counter(source for _, source, _ in first[: TOTAL // 2])
    assert min(half[str(me)] for me in range(WRITERS)) >= EACH // 40, half  # nobody starves
