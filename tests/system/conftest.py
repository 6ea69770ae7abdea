"""Real processes over a real database: a daemon, workers, and what they leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rules_engine import store as stores
from rules_engine.store.port import NewEvent, Store

PATIENCE_S = 30

RULES = """
event READING { sensor: str, value: float, n: int } dedup off from "test"
event PRESSURE_ALARM { sensor: str, n: int }
action Valve.close(sensor: str, n: int)
action Valve.set_gain(sensor: str, gain: float)
knob gain per sensor in 0..2.0 = 1.0 decay 6h drives Valve.set_gain

loop high_closes
  "Too high: close it."
  on READING
  per sensor
  with high = count(since PRESSURE_ALARM)
  when value > 10
  set gain *= 0.9
  do Valve.close(sensor, n: n) retry 2 every 1s timeout 10s
  emit PRESSURE_ALARM { sensor, n: n } if high >= 3
"""

HANDLERS = """
import os
from rules_engine import action

def note(text):
    with open("performed.txt", "a") as file:  # one write of one line: whole, or not at all
        file.write(text + "\\n")

@action("Valve.close")
def close(sensor, n, context):
    note(context.idempotency_key)

@action("Valve.set_gain")
async def set_gain(sensor: str, gain: float, context):
    note(context.idempotency_key)
"""


class Site:
    """A working folder with rules, handlers and a database, and the processes started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = folder / "events.db"
        self.rules = folder / "rules" / "a.loop"
        self.rules.parent.mkdir()
        self.rules.write_text(RULES)
        (folder / "valve_handlers.py").write_text(HANDLERS)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.store: Store = stores.open(self.db)
        self.count = 0

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a command; its log goes to a file."""
        log = (self.folder / f"log-{len(self.processes)}.txt").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "rules_engine", *arguments, "--db", "events.db"],
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "RULES_ENGINE_LEASE_MS": "1000", **environment},
            )
        self.processes.append(process)
        return process

    def daemon(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a daemon and wait until it decides."""
        process = self.start("run", *arguments, **environment)

        def up() -> bool:
            assert process.poll() is None, self.log()
            holder = self.store.holder("rules") if self.db.exists() else None
            return holder is not None and holder.pid == process.pid and "running" in self.log()

        self.until(up)
        return process

    def publish(self, count: int, *, sensors: str = "abc") -> None:
        """Append readings, all but each fourth too high."""
        events = []
        for _ in range(count):
            n, self.count = self.count, self.count + 1
            body = f'{{"sensor":"{sensors[n % len(sensors)]}","value":{5 if n % 4 == 3 else 12},"n":{n}}}'
            events.append(NewEvent(f"event-{n}", "READING", body.encode()))
        self.store.append(events)

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait for something that must come."""
        end = time.monotonic() + PATIENCE_S
        while not (result := condition()):
            assert time.monotonic() < end, f"it never came\n{self.log()}"
            time.sleep(0.005)
        return result

    def at_rest(self) -> bool:
        """Everything in the log is decided, and nothing is owed."""
        counts = self.store.action_counts()
        positions = [reader.position for reader in self.store.readers() if reader.name == "rules"]
        return positions == [self.store.info().head] and counts.owed == counts.claimed == 0

    def performed(self) -> list[str]:
        """The idempotency keys of all calls of handlers, in order."""
        file = self.folder / "performed.txt"
        return file.read_text().splitlines() if file.exists() else []

    def log(self) -> str:
        """What the last process has written."""
        return (self.folder / f"log-{len(self.processes) - 1}.txt").read_text()

    def close(self) -> None:
        """End what still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        self.store.close()


@pytest.fixture
def site(tmp_path, monkeypatch) -> Iterator[Site]:
    monkeypatch.setattr(
        os, "environ", {k: v for k, v in os.environ.items() if not k.startswith("RULES_ENGINE_")}
    )
    made = Site(tmp_path)
    yield made
    made.close()
