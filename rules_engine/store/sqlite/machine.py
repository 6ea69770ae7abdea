"""What the store asks the machine: its clocks, its boot, and whether a process still lives."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from rules_engine.store.clock import Reading, wall_ms


def _boot_ms() -> int:
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # counts through suspends, where the system has it
    return (time.monotonic_ns() if clock is None else time.clock_gettime_ns(clock)) // 1_000_000


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine's clocks, replaceable for tests."""

    wall_ms: Callable[[], int] = wall_ms
    boot_ms: Callable[[], int] = _boot_ms
    boot_id: str = field(default_factory=_boot_id)

    def reading(self) -> Reading:
        """All clocks at once."""
        return Reading(self.boot_id, self.boot_ms(), self.wall_ms())


def pid_space() -> str:
    """Within which pids mean the same; containers of one machine differ in it."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state first, start time at index 19."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def process_start(pid: int) -> int:
    """When a process started, in ticks since boot; tells it from a later one of the same pid. 0: unknown."""
    fields = _stat(pid)
    return int(fields[19]) if fields else 0


def is_alive(pid: int, start: int) -> bool:
    """Whether that very process still lives; a zombie does not."""
    fields = _stat(pid)
    if fields:
        return fields[0] not in "ZX" and start in (0, int(fields[19]))
    if Path("/proc/self/stat").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def is_stopped(pid: int) -> bool:
    """Whether a process was stopped by ctrl-Z, a debugger or a frozen container."""
    return _stat(pid)[:1] in (["T"], ["t"])
