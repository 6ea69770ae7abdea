"""A router of its own for each test, over a store in memory with a clock that the test moves."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rules_engine import store as stores
from rules_engine.events import cross_process_events, data_bus, stage_events
from rules_engine.events.event_router import UnifiedEventRouter, configure, reset_router

START_MS = 1_700_000_000_000


class Clock:
    """Wall time in milliseconds that stands still until it is moved."""

    def __init__(self) -> None:
        self.ms = START_MS

    def __call__(self) -> int:
        return self.ms


class ShakyStore:
    """A store in memory whose appends fail while `error` is set; counts attempts."""

    def __init__(self, clock: Clock) -> None:
        self.inner = stores.open(stores.MEMORY, clock=clock)
        self.error: Exception | None = None
        self.attempts = 0

    def append(self, events: Any) -> Any:
        self.attempts += 1
        if self.error is not None:
            raise self.error
        return self.inner.append(events)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Iterator[ShakyStore]:
    shaky = ShakyStore(clock)
    yield shaky
    shaky.inner.close()


@pytest.fixture(autouse=True)
def router(store: ShakyStore) -> Iterator[UnifiedEventRouter]:
    yield configure(store=store)  # type: ignore[arg-type]
    store.error = None
    cross_process_events.reset_event_queue()
    stage_events.reset_event_bus()
    data_bus.reset_event_bus()
    reset_router()


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program in a process of its own, in an empty folder, and gives what it printed."""

    def run(code: str, *, ok: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        if ok:
            assert done.returncode == 0, done.stderr
            assert "Traceback" not in done.stderr, done.stderr
        return done

    return run
