"""Reloads the rules: notices a change, waits until the text stands still, loads all of it, asks for the swap.

Whatever is wrong, the last good set goes on, and log and `status` say what was found. The reloader never
touches the running rule set itself: the evaluator swaps it, at a place in the log.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from watchfiles import watch

from rules_engine.daemon.log import log
from rules_engine.language.diagnostics import Severity
from rules_engine.pipeline import RuleSet, Unreadable, check_files, read_files

Files = tuple[dict[str, bytes], list[Unreadable]]

#: Texts that keep changing are looked at so often before the attempt is left to the next change.
_MAX_READS = 200
#: A change that no notification told about (a network folder, a renamed parent) is found within this time.
_LOOK_EVERY_S = 1.0
#: So many errors of a reload are logged.
_MAX_TOLD = 20


class Swaps(Protocol):
    """What the reloader needs of the evaluator."""

    @property
    def active_hash(self) -> str:
        """The digest of the rule set that decides now."""

    def swap(self, rules: RuleSet) -> Future[dict[str, Any]]:
        """Make it the one that decides, between two rows; the result is the hand-over, loop by loop."""


@dataclass(frozen=True, slots=True)
class Reload:
    """One attempt. `handover` is empty when nothing changed, `requests` are the ids of who asked for it."""

    ok: bool
    hash: str
    rules: RuleSet
    handover: dict[str, Any] = field(default_factory=dict)
    requests: tuple[int, ...] = ()


class Reloader:
    """Watches the paths and reloads. `pause` waits so many seconds; True ends the attempt."""

    def __init__(
        self,
        paths: Sequence[Path],
        swaps: Swaps,
        report: Callable[[Reload], None],
        *,
        settle_ms: int = 50,
        read: Callable[[], Files] | None = None,
        pause: Callable[[float], bool] | None = None,
    ) -> None:
        self._paths = tuple(paths)
        self._swaps = swaps
        self._report = report
        self._settle_s = settle_ms / 1_000
        self._read = read or (lambda: read_files(self._paths))
        self._stopping = threading.Event()
        self._pause = pause or self._stopping.wait
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._requests: list[int] = []
        self._asked = False
        self._seen: Files | None = None

    def request(self, request_id: int | None = None) -> None:
        """Reload even if nothing seems to have changed (SIGHUP, `rules-engine reload`). From any thread."""
        with self._lock:
            self._asked = True
            if request_id is not None:
                self._requests.append(request_id)
        self._wake.set()

    def loaded(self, files: Files) -> None:
        """These are the texts in force; only others make a reload."""
        self._seen = files

    def stop(self) -> None:
        """End `run` and `watch`."""
        self._stopping.set()
        self._wake.set()

    def run(self) -> None:
        """Reload whenever something changed, until `stop`."""
        looked = _look(self._paths)
        while not self._stopping.is_set():
            woken = self._wake.wait(_LOOK_EVERY_S)
            self._wake.clear()
            before, looked = looked, _look(self._paths)
            if (woken or looked != before) and not self._stopping.is_set():
                self.attempt()

    def watch(self) -> None:
        """Wake `run` on each change of the file system, until `stop`. Without it `run` is only slower."""
        while not self._stopping.is_set():
            try:
                there = [path for path in self._paths if path.exists()]
                if not there:
                    raise FileNotFoundError
                for _ in watch(*there, step=10, debounce=50, stop_event=self._stopping, rust_timeout=1_000):
                    self._wake.set()
                    if not all(path.exists() for path in self._paths):
                        break  # renamed away: watch the path again, not what it used to be
            except OSError:
                self._stopping.wait(_LOOK_EVERY_S)

    def attempt(self) -> Reload | None:
        """Read, check, swap; None if there was nothing new, or the texts did not come to rest."""
        with self._lock:
            asked, self._asked = self._asked, False
            requests, self._requests = tuple(self._requests), []
        files = self._settled()
        if files is None or (files == self._seen and not asked):
            return None
        self._seen = files
        rules = check_files(*files)
        reload = (
            self._swapped(rules, requests)
            if rules.ok
            else Reload(False, rules.hash, rules, requests=requests)
        )
        _tell(reload)
        self._report(reload)
        return reload

    def _swapped(self, rules: RuleSet, requests: tuple[int, ...]) -> Reload:
        handover: dict[str, Any] = {}
        if rules.hash != self._swaps.active_hash:
            handover = self._swaps.swap(rules).result()
        return Reload(True, rules.hash, rules, handover, requests)

    def _settled(self) -> Files | None:
        """The texts once they were the same twice; None if they never were."""
        files = self._read()
        for _ in range(_MAX_READS):
            if self._pause(self._settle_s):
                return None
            again = self._read()
            if again == files:
                return files
            files = again
        log.warning("reload put off: the rules keep changing while they are read")
        return None


def _look(paths: Sequence[Path]) -> list[tuple[str, int, int, int]]:
    """Name, inode, size and time of each rule file: differs when something may have changed."""
    return sorted(_look_at(paths))


def _look_at(paths: Sequence[Path]) -> Iterator[tuple[str, int, int, int]]:
    for path in paths:
        names = (f"{parent}/{n}" for parent, _, ns in os.walk(path) for n in ns if n.endswith(".loop"))
        for name in names if path.is_dir() else [str(path)]:
            try:
                status = os.stat(name)  # noqa: PTH116 - a Path per file and second is waste
            except OSError:
                continue
            yield name, status.st_ino, status.st_size, status.st_mtime_ns


def _tell(reload: Reload) -> None:
    rules = reload.rules
    if reload.ok:
        if reload.handover:
            counts = {
                what: len(loops)
                for what, loops in reload.handover.items()
                if isinstance(loops, list) and loops
            }
            log.info("rules reloaded", hash=reload.hash[:12], files=rules.file_count, **counts)
        else:
            log.info("rules are as before", hash=reload.hash[:12])
        return
    for unreadable in rules.unreadable:
        log.error("rules not reloaded", path=unreadable.path, reason=unreadable.message)
    errors = [finding for finding in rules.diagnostics if finding.severity is Severity.ERROR]
    for finding in errors[:_MAX_TOLD]:
        source = rules.sources.get(finding.span.path)
        line, column = source.position(finding.span.start) if source else (0, 0)
        place = f"{finding.span.path}:{line}:{column}"
        log.error(f"{finding.code.id} {finding.message}", at=place, help=finding.help or None)
    if len(errors) > _MAX_TOLD:
        log.error(f"and {len(errors) - _MAX_TOLD} more: `rules-engine lint` shows them")
    log.error("the last good rules go on", errors=len(errors) + len(rules.unreadable))
