"""One run of the demo: the daemon and the pipeline as processes, the view, the summary, and the end."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TextIO

from rich.console import Console
from rich.live import Live

from rules_engine.demo.controls import DEFAULTS
from rules_engine.demo.live_view import PlainView, screen
from rules_engine.demo.observer import Observer
from rules_engine.demo.scaled_rules import RulesUnreadable, write_scaled_rules
from rules_engine.demo.settings import FAULTS, SPEEDUP, RunSettings
from rules_engine.demo.summary import tell
from rules_engine.shipped import shipped

_MARK = "demo.json"  #: tells a folder of the demo from any other
_RUNNING = "running.pid"  #: is there while a demo runs in a folder
_DAEMON_START_SECONDS = 20.0
_STOP_SECONDS = 10.0
_REFRESH_SECONDS = 0.25
_MOST_RESTARTS = 5  #: a daemon that is killed is started again, so often at most


class _Stop(Exception):
    """Somebody wants the demo to end."""


class _CannotRun(Exception):
    """The demo cannot run; the message says what to do."""


def run_demo(
    *,
    minutes: float = 1.0,
    seed: int = 1,
    fault: str | None = None,
    rules: bool = True,
    folder: Path = Path(".demo"),
    out: TextIO | None = None,
) -> int:
    """Run the demo for about `minutes` and print what happened to `out` (standard output).

    `fault` is one of `FAULTS`; without `rules` the pipeline runs alone. The folder is made anew: one that
    holds anything but an earlier demo is refused. Returns an exit code: 0 for a run that came to its
    end, 1 when the pipeline or the daemon ended badly, 2 when it cannot run, 130 when it was interrupted.
    """
    console = Console(file=out or sys.stdout)
    try:
        settings = _settings(minutes, seed, fault, folder)
        return _run(console, settings, rules=rules)
    except _CannotRun as error:
        Console(stderr=True).print(f"demo: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    except (_Stop, KeyboardInterrupt):
        console.print("stopped", highlight=False)
        return 130


def _settings(minutes: float, seed: int, fault: str | None, folder: Path) -> RunSettings:
    if importlib.util.find_spec("numpy") is None:
        raise _CannotRun("it needs numpy: pip install 'rules-engine[demo]'")
    if fault is not None and fault not in FAULTS:
        raise _CannotRun(f"there is no fault {fault!r}, only {', '.join(FAULTS)}")
    if not 0.1 <= minutes <= 60:
        raise _CannotRun(f"--minutes is between 0.1 and 60, not {minutes:g}")
    if seed < 0:
        raise _CannotRun(f"--seed is 0 or more, not {seed}")
    return RunSettings(folder.resolve(), seed, rounds=round(minutes * 60), fault=fault)  # type: ignore[arg-type]


def _prepare(settings: RunSettings, *, rules: bool) -> None:
    """An empty folder with the rules of this run."""
    folder = settings.folder
    if folder.exists() and not (folder / _MARK).exists() and any(folder.iterdir()):
        raise _CannotRun(f"{folder} is not empty and no earlier demo: choose another --folder")
    if (pid := _running_in(folder)) is not None:
        raise _CannotRun(f"a demo runs in {folder} (process {pid}): stop it, or choose another --folder")
    try:
        shutil.rmtree(folder, ignore_errors=False) if folder.exists() else None
        folder.mkdir(parents=True)
        about = {key: str(value) for key, value in asdict(settings).items()}
        (folder / _MARK).write_text(json.dumps(about, indent=2), encoding="utf-8")
        (folder / _RUNNING).write_text(str(os.getpid()), encoding="utf-8")
        if rules:
            write_scaled_rules(shipped("rules"), folder / "rules", SPEEDUP)
    except OSError as error:
        raise _CannotRun(f"{folder} cannot be made: {error.strerror}") from None
    except RulesUnreadable as error:
        raise _CannotRun(str(error)) from None


def _running_in(folder: Path) -> int | None:
    """The process whose demo runs in a folder; None if there is none, or it is gone."""
    try:
        pid = int((folder / _RUNNING).read_text(encoding="utf-8"))
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid if pid != os.getpid() else None


def _run(console: Console, settings: RunSettings, *, rules: bool) -> int:
    _prepare(settings, rules=rules)
    with _signals(), _children(settings.folder) as children:
        observer = Observer(settings.folder / "events.db", settings.configs, DEFAULTS)
        _greet(console, settings, rules=rules)
        daemon = None
        if rules:
            daemon = children.start("daemon", _daemon_command(settings), settings)
            _wait_for_daemon(daemon, observer, settings)
        pipeline = children.start("pipeline", _pipeline_command(settings, rules=rules), settings)
        ended = _watch(console, observer, settings, pipeline, daemon)
        if daemon:
            _stop(daemon)
        _stop(pipeline)
        observer.refresh()
        if ended:
            tell(console, observer, settings, rules=rules)
        observer.close()
    bad = [child for child in children.all if child.process.returncode or not ended]
    for child in bad:
        log = settings.folder / f"{child.name}.log"
        console.print(
            f"the {child.name} ended with exit code {child.process.returncode}; {_last_line(log)} ({log})",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    return 1 if bad else 0


def _greet(console: Console, settings: RunSettings, *, rules: bool) -> None:
    minutes = settings.rounds * settings.round_seconds / 60
    steering = (
        f"steered by the shipped rules with all their times divided by {SPEEDUP}:"
        f" one second here stands for {SPEEDUP // 60} minutes, and rating points per hour count such hours"
        if rules
        else "without rules"
    )
    fault = ""
    if settings.fault:
        at = settings.fault_round * settings.round_seconds
        fault = f" After {at:.0f} s the fault `{settings.fault}` happens to {settings.faulty_config}."
    console.print(
        f"Three players learn small board games by self-play for {minutes:g} min, {steering}.{fault}",
        markup=False, highlight=False, soft_wrap=not console.is_terminal,
    )  # fmt: skip


# ---- processes ------------------------------------------------------------------------------------


class _Child:
    """A process of ours with its log file."""

    def __init__(self, name: str, command: list[str], settings: RunSettings) -> None:
        self.name = name
        self.restarts = 0
        self._command = command
        self._folder = settings.folder
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        """Start it: it logs into the run's folder and takes no signals of the terminal."""
        env = os.environ | {
            "RULES_ENGINE_DB": str(self._folder / "events.db"),
            "RULES_ENGINE_DURABILITY": "normal",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
        }
        with (self._folder / f"{self.name}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=env,
                cwd=self._folder, start_new_session=True,
            )  # fmt: skip

    def restart_if_killed(self) -> bool:
        """Start it again if a signal ended it, so that it goes on where it was. Whether that was so."""
        if (self.process.poll() or 0) >= 0 or self.restarts >= _MOST_RESTARTS:
            return False
        self.restarts += 1
        self.process = self._start()
        return True


class _Children:
    """The processes of a run, in the order in which they were started."""

    def __init__(self) -> None:
        self.all: list[_Child] = []

    def start(self, name: str, command: list[str], settings: RunSettings) -> _Child:
        """Start one more."""
        child = _Child(name, command, settings)
        self.all.append(child)
        return child


@contextmanager
def _children(folder: Path) -> Iterator[_Children]:
    """Whatever happens, nothing of ours is left running."""
    children = _Children()
    try:
        yield children
    finally:
        for child in reversed(children.all):
            _stop(child)
        (folder / _RUNNING).unlink(missing_ok=True)


def _stop(child: _Child) -> None:
    """Ask a process to end and see that it does."""
    process = child.process
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM and a closed terminal end the demo as Ctrl-C does, with everything it started."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise _Stop

    try:
        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    except ValueError:  # not the main thread: whoever runs us there stops us otherwise
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _daemon_command(settings: RunSettings) -> list[str]:
    folder = settings.folder
    return [
        sys.executable, "-m", "rules_engine", "run",
        "--rules", str(folder / "rules"), "--db", str(folder / "events.db"),
    ]  # fmt: skip


def _pipeline_command(settings: RunSettings, *, rules: bool) -> list[str]:
    given = asdict(settings) | {
        "folder": str(settings.folder),
        "db": str(settings.folder / "events.db"),
        "rules": rules,
    }
    return [sys.executable, "-m", "rules_engine.demo.process", json.dumps(given)]


def _wait_for_daemon(daemon: _Child, observer: Observer, settings: RunSettings) -> None:
    deadline = time.monotonic() + _DAEMON_START_SECONDS
    while not observer.daemon_is_ready():
        if daemon.process.poll() is not None or time.monotonic() > deadline:
            raise _CannotRun(f"the daemon did not start; {_last_line(settings.folder / 'daemon.log')}")
        time.sleep(0.05)


def _last_line(path: Path) -> str:
    with suppress(OSError):
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if lines:
            return f"it said: {lines[-1]}"
    return "it said nothing"


# ---- watching -------------------------------------------------------------------------------------


def _watch(
    console: Console, observer: Observer, settings: RunSettings, pipeline: _Child, daemon: _Child | None
) -> bool:
    """Show the run until its first process ends. Returns whether that was the pipeline, ending well.

    A daemon that somebody kills is started again on the same database: nothing is lost, and the run goes on.
    """
    began = time.monotonic()
    plain = PlainView(console)

    def running() -> bool:
        if daemon is not None and daemon.restart_if_killed():
            console.print(
                f"{time.monotonic() - began:5.1f} s  the daemon was killed; it goes on where it was",
                highlight=False,
            )
        return all(child is None or child.process.poll() is None for child in (pipeline, daemon))

    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, screen=False) as live:
            while running():
                observer.refresh()
                live.update(screen(observer, settings, time.monotonic() - began, rules=daemon is not None))
                time.sleep(_REFRESH_SECONDS)
            observer.refresh()
            live.update(screen(observer, settings, time.monotonic() - began, rules=daemon is not None))
    else:
        while running():
            observer.refresh()
            plain.show(observer, time.monotonic() - began)
            time.sleep(_REFRESH_SECONDS)
    return pipeline.process.poll() == 0
