"""What the SQLite store costs over the bare database: `python benchmarks/store.py [seconds]`.

Each figure stands beside a floor measured in the same run on the same disk: the same number of bytes
in the same number of commits through `sqlite3` with nothing around it. Ratios compare across machines,
figures do not.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rules_engine.engine.decision import CellId, Firing
from rules_engine.event import Kind, Row
from rules_engine.store.memory import MemoryStore
from rules_engine.store.port import Change, NewEvent, Store
from rules_engine.store.sqlite import SqliteStore

BODY = b'{"config_key": "hex8_2p", "elo": 1534.25, "games": 1200, "model": "models/hex8_2p/000123.pt"}'


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def rate(step: Callable[[int], int], seconds: float) -> float:
    """Rows a second of a step that is told its number and returns how many rows it wrote."""
    step(0)
    rows = n = 0
    begin = time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < seconds:
        n += 1
        rows += step(n)
    return rows / elapsed


def floor(folder: Path, durability: str, batch: int) -> Callable[[int], int]:
    """Bare SQLite: one table, one statement, one commit."""
    sql = sqlite3.connect(folder / f"floor-{durability}-{batch}.db", isolation_level=None)
    sql.execute("PRAGMA journal_mode = WAL")
    sql.execute(f"PRAGMA synchronous = {durability}")
    sql.execute("CREATE TABLE event(seq INTEGER PRIMARY KEY, time INTEGER, id TEXT, type TEXT, body BLOB)")

    def step(n: int) -> int:
        sql.execute("BEGIN IMMEDIATE")
        rows = ((n, f"{n}-{k:024d}", "EVALUATION_COMPLETED", BODY) for k in range(batch))
        sql.executemany("INSERT INTO event(time, id, type, body) VALUES (?, ?, ?, ?)", rows)
        sql.execute("COMMIT")
        return batch

    return step


def appending(store: Store, batch: int) -> Callable[[int], int]:
    """Events with dedup, as the event system appends them."""

    def step(n: int) -> int:
        store.append(
            [
                NewEvent(
                    f"{n}-{k:024d}",
                    "EVALUATION_COMPLETED",
                    BODY,
                    dedup=f"{n}.{k}".encode(),
                    dedup_window_ms=60_000,
                )
                for k in range(batch)
            ]
        )
        return batch

    return step


def committing(store: Store, rows: int) -> Callable[[int], int]:
    """A change of that many rows: half cells, a quarter firings, a quarter emitted."""
    lease = store.acquire("rules", "benchmark", 10**9)
    if lease is None:
        raise SystemExit("the role is taken")
    store.reader("rules", start=0)
    cell = {"since": 1_700_000_000_000, "last": [1.5, 2.5], "fired": 12}

    def step(n: int) -> int:
        change = Change(
            n,
            n,
            "0" * 64,
            cells={CellId("loop:a", (f"k{n % 50}", k)): cell for k in range(rows // 2)},
            firings=[
                Firing("a", (k,), n, k, f"{n}", "event", n, ({"kind": "set"},), {"x > 1": 2})
                for k in range(rows // 4)
            ],
            emitted=[Row(0, n, Kind.EMITTED, f"e{n}.{k}", "E", {"n": n}) for k in range(rows // 4)],
        )
        store.commit(lease, max(0, n - 1), change)
        return rows

    return step


def wake_ups(path: Path, durability: str, count: int) -> list[float]:
    """Milliseconds from the call of append in one process to the row being read in another."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        store = SqliteStore(path)
        at = 0
        with os.fdopen(writer, "w") as pipe:
            while at < count:
                store.wait(at, 10_000)
                for row in store.read(at, 100).rows:
                    at = row.seq
                    late_ms = (time.time() - row.payload["at"]) * 1_000
                    pipe.write(f"{late_ms}\n")
        os._exit(0)
    os.close(writer)
    store = SqliteStore(path, durability="full" if durability == "full" else "normal")
    for n in range(count):
        time.sleep(0.01)
        store.append([NewEvent(f"{n}", "T", b'{"at": %r}' % time.time())])
    with os.fdopen(reader) as pipe:
        late = sorted(float(line) for line in pipe)
    os.waitpid(pid, 0)
    store.close()
    return late


def main(seconds: float) -> None:
    """Print every figure with its ratio to the floor."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR")) as name:
        folder = Path(name)
        say(f"SQLite {sqlite3.sqlite_version}, {seconds:g} s a figure; rows/s, floor, part of the floor")
        for durability, batch in (("full", 1), ("full", 1_000), ("normal", 1), ("normal", 1_000)):
            bare = rate(floor(folder, durability, batch), seconds)
            store = SqliteStore(
                folder / f"{durability}-{batch}.db", durability="full" if durability == "full" else "normal"
            )
            ours = rate(appending(store, batch), seconds)
            store.close()
            say(f"append   {durability:6} {batch:5} a commit  {ours:10,.0f} {bare:10,.0f}  {ours / bare:.2f}")
        for durability in ("full", "normal"):
            bare = rate(floor(folder, durability, 100), seconds)
            store = SqliteStore(
                folder / f"commit-{durability}.db", durability="full" if durability == "full" else "normal"
            )
            ours = rate(committing(store, 100), seconds)
            store.close()
            say(f"change   {durability:6}   100 a commit  {ours:10,.0f} {bare:10,.0f}  {ours / bare:.2f}")
        for batch in (1, 1_000):
            ours = rate(appending(MemoryStore(), batch), min(seconds, 1))
            say(f"append   memory {batch:5} a call    {ours:10,.0f}")
        for durability in ("full", "normal"):
            late = wake_ups(folder / f"wake-{durability}.db", durability, int(100 * seconds))
            steps = statistics.quantiles(late, n=100)
            say(f"wake-up  {durability:6} p50 {steps[49]:.2f} ms  p99 {steps[98]:.2f} ms  ({len(late)})")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
