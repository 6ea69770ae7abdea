"""The pipeline under the shipped rules on virtual time: faults are answered, and a run repeats itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rules_engine.demo.scaled_rules import write_scaled_rules
from rules_engine.demo.settings import SPEEDUP, RunSettings
from rules_engine.demo.virtual_run import VirtualRun
from rules_engine.shipped import shipped


def run(folder: Path, **changes: Any) -> VirtualRun:
    given = {"configs": ("hex4_2p",), "games_per_round": 160, "openings": 60, "rounds": 12}
    settings = RunSettings(folder, **{**given, **changes})
    write_scaled_rules(shipped("rules"), folder / "rules", SPEEDUP)
    one = VirtualRun(settings, folder / "rules")
    one.run()
    return one


def done(one: VirtualRun) -> str:
    path = one.pipeline.settings.folder / "actions.jsonl"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def test_a_regression_is_rolled_back_by_the_shipped_loop(tmp_path: Path) -> None:
    one = run(tmp_path, fault="regression")
    assert one.fired["regression_rolls_back"] >= 1
    assert '"RollbackManager.roll_back"' in done(one)
    assert one.pipeline.lines["hex4_2p"].elo_drop < 20


def test_bad_data_are_throttled_and_the_workers_healed(tmp_path: Path) -> None:
    one = run(tmp_path, fault="bad-data")
    assert one.fired["low_quality_throttles_generation"] >= 2
    assert not any(worker.corrupt for worker in one.pipeline.lines["hex4_2p"].workers.workers)
    assert len(one.pipeline.lines["hex4_2p"].workers.online) == 4


def test_a_run_repeats_itself(tmp_path: Path) -> None:
    ones = [run(tmp_path / name, fault="bad-data", rounds=8) for name in ("a", "b")]
    assert ones[0].fired == ones[1].fired
    assert done(ones[0]) == done(ones[1])
    results = [one.pipeline.result()["models"]["hex4_2p"] for one in ones]
    assert results[0] | {"path": ""} == results[1] | {"path": ""}


def test_rules_that_do_not_load_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "bad.loop").write_text("loop a on NO_SUCH_EVENT")
    with pytest.raises(ValueError, match="do not load; run `rules-engine lint"):
        VirtualRun(RunSettings(tmp_path, configs=("hex4_2p",), openings=10), tmp_path / "rules")
