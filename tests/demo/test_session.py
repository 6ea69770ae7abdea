"""The demo as a user runs it: refusals, one short run, and nothing left behind."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rules_engine import store as stores
from rules_engine.demo.live_view import sparkline, times
from rules_engine.demo.observer import KnobRecord, number
from rules_engine.demo.session import run_demo
from rules_engine.demo.summary import _span
from rules_engine.pipeline import load
from rules_engine.tools.knobs import Knobs
from rules_engine.tools.replay import replay, rows_of


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"fault": "fire"}, "there is no fault 'fire', only regression, bad-data, stall"),
        ({"minutes": 0.05}, "--minutes is between 0.1 and 60, not 0.05"),
        ({"minutes": 61}, "--minutes is between 0.1 and 60, not 61"),
        ({"seed": -1}, "--seed is 0 or more, not -1"),
    ],
)
def test_what_cannot_be_is_said(
    given: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_demo(folder=tmp_path / "demo", **given) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("my life's work")
    assert run_demo(folder=tmp_path) == 2
    assert "choose another --folder" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "my life's work"


def test_a_folder_in_which_a_demo_runs_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "demo.json").write_text("{}")
    (tmp_path / "running.pid").write_text(str(os.getppid()))
    assert run_demo(folder=tmp_path) == 2
    assert f"(process {os.getppid()})" in capsys.readouterr().err
    assert (tmp_path / "demo.json").exists()


def running(folder: Path) -> list[str]:
    """Processes that have the folder in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(folder) in command and int(entry.name) != os.getpid():
                found.append(command.replace("\0", " "))
    return found


def daemon_of(folder: Path) -> int:
    """The process id of the daemon that runs in a folder."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and f"run\0--rules\0{folder}" in (entry / "cmdline").read_text():
            return int(entry.name)
    pytest.fail("no daemon runs")


@pytest.mark.system
def test_a_short_run_with_a_regression_is_rolled_back(tmp_path: Path) -> None:
    folder, out = tmp_path / "demo", io.StringIO()
    assert run_demo(minutes=0.2, seed=1, fault="regression", folder=folder, out=out) == 0, out.getvalue()
    told = out.getvalue()
    assert re.search(r"regression_rolls_back +fired", told)
    assert re.search(r"RollbackManager.roll_back \[hex5_2p\] .* restored hex5_2p_g0\d\d.npz", told)
    assert re.search(r"curriculum_weight \[\w+\]  1 -> ", told)
    with Knobs(folder / "events.db") as knobs:
        for knob in ("curriculum_weight", "learning_rate_scale", "momentum"):  # none of them decays
            for key, value in re.findall(rf"{knob} \[(\w+)\]  \S+ -> (\S+)", told):
                assert value == number(knobs.get(knob, key))
    result = json.loads((folder / "result.json").read_text())
    assert result["rounds"] == 12
    serving = folder / "models" / "hex5_2p" / "serving.npz"
    kept = folder / "models" / "hex5_2p" / f"{result['models']['hex5_2p']['serving']}.npz"
    assert serving.read_bytes() == kept.read_bytes()
    assert "Traceback" not in (folder / "daemon.log").read_text() + (folder / "pipeline.log").read_text()
    assert running(folder) == []
    assert not (folder / "running.pid").exists()


@pytest.mark.system
def test_a_run_that_is_stopped_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    code = (
        "import sys, pathlib; from rules_engine.demo.session import run_demo;"
        f"sys.exit(run_demo(folder=pathlib.Path({str(folder)!r})))"
    )
    demo = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not (folder / "models").exists() and time.monotonic() < deadline and demo.poll() is None:
        time.sleep(0.05)
    assert len(running(folder)) == 3
    demo.send_signal(signal.SIGTERM)
    told, _ = demo.communicate(timeout=20)
    assert demo.returncode == 130
    assert told.endswith("stopped\n")
    assert running(folder) == []


@pytest.mark.system
def test_a_daemon_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    code = (
        "import sys, pathlib; from rules_engine.demo.session import run_demo;"
        f"sys.exit(run_demo(minutes=0.12, folder=pathlib.Path({str(folder)!r})))"
    )
    demo = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not (folder / "models").exists() and time.monotonic() < deadline and demo.poll() is None:
        time.sleep(0.05)
    os.kill(daemon_of(folder), signal.SIGKILL)
    told, _ = demo.communicate(timeout=40)
    assert demo.returncode == 0, told
    assert "the daemon was killed; it goes on where it was" in told

    store = stores.open(folder / "events.db", create=False)
    live = [record.firing for record in store.firings(limit=10_000)]
    plan = load(folder / "rules").plan
    assert plan is not None
    assert live == list(replay(plan, rows_of(store)))
    assert len(live) > 5
    counts = store.action_counts()
    store.close()
    assert (counts.claimed, counts.dead) == (0, 0)


def test_sparklines_keep_ends_and_width() -> None:
    assert sparkline([], 10) == ""
    assert sparkline([5.0], 10) == "▁"
    assert sparkline([1.0, 2.0, 3.0], 10) == "▁▅█" or sparkline([1.0, 2.0, 3.0], 10) == "▁▄█"
    line = sparkline([float(value) for value in range(100)], 10)
    assert (len(line), line[0], line[-1]) == (10, "▁", "█")


def test_numbers_for_people() -> None:
    assert [number(value) for value in (1.0, 0.256, 3, None, "up")] == ["1", "0.26", "3", "unknown", "up"]
    assert number(False) == "false"
    assert [times(count) for count in (1, 2, 3)] == ["once", "twice", "3 times"]


def test_a_knob_of_words_is_summed_up_without_a_span() -> None:
    assert _span(KnobRecord("normal", "normal", "normal", "hot_path", "hot_path")) == ""
    assert _span(KnobRecord(1.0, 0.5, 1.25, 0.5, 0.5)) == "between 0.5 and 1.25, "
