"""Commands through the real entry point, in this process, in an empty working folder."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rules_engine.__main__ import main

RULES = """
event READING { sensor: str, value: float in 0..1000 } from "sensors"
event PRESSURE_ALARM { sensor: str }
action Valve.close(sensor: str, reason: str)
action Valve.set_gain(sensor: str, gain: float)
knob gain per sensor in 0..2.0 = 1.0 decay 6h drives Valve.set_gain

loop high_closes
  "Too high: close it."
  on READING
  per sensor
  when value > 10
  set gain -= 0.25
  do Valve.close(sensor, reason: "value {value}") retry 2 every 10s timeout 5s
  emit PRESSURE_ALARM { sensor } if value > 100

loop alarms_are_heard
  "So that somebody listens."
  on PRESSURE_ALARM
  per sensor
  set gain = 1.0 if sensor == "nobody"
"""

HANDLERS = """
from rules_engine import GiveUp, action

@action("Valve.close")
def close(sensor, reason, context):
    with open("closed.txt", "a") as file:
        file.write(f"{sensor} {reason} {context.idempotency_key}\\n")
    if sensor == "broken":
        raise GiveUp("no such valve")

@action("Valve.set_gain")
async def set_gain(sensor: str, gain: float): ...
"""


@dataclass
class Result:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Its JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty working folder, with a rule set and handlers in it."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RULES_ENGINE_")]:
        monkeypatch.delenv(name)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.loop").write_text(RULES)
    (tmp_path / "valve_handlers.py").write_text(HANDLERS)
    return tmp_path


@pytest.fixture
def command(here, capsys, monkeypatch) -> Iterator[Callable[..., Result]]:
    """Runs a command line. Signal handlers, the path and imported handlers are put back afterwards."""
    handlers = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    path, modules = list(sys.path), set(sys.modules)

    def command(*arguments: str, stdin: str | bytes = b"") -> Result:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        capsys.readouterr()
        code = main(list(arguments))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err + captured.out
        assert "mistake in rules-engine" not in captured.err, captured.err
        return Result(code, captured.out, captured.err)

    yield command
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.endswith("_handlers"):
            del sys.modules[name]
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def drained(command) -> Callable[..., Result]:
    """Publishes readings and lets the rules decide over them."""

    def drained(*readings: tuple[str, float]) -> Result:
        for sensor, value in readings:
            assert (
                command("publish", "READING", f"sensor={sensor}", f"value={value}", "--rules", "rules").code
                == 0
            )
        return command("run", "--once", "--handlers", "valve_handlers")

    return drained


@pytest.fixture
def daemon(here) -> Iterator[Any]:
    """A daemon over the default database, in this process."""
    from rules_engine.config import settings
    from rules_engine.wiring import make_service, open_store

    chosen = settings()
    store = open_store(chosen)
    service = make_service(chosen, store, ["valve_handlers.py"], watch=False)
    service.start()
    yield service
    service.stop()
    store.close()
