"""Whether the rules help: the same seeds and faults with and without them.

    python -m rules_engine.demo.compare --seeds 5 --fault regression --fault bad-data

Both run on virtual time (see `virtual_run`), so a comparison gives the same figures wherever it is made.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rules_engine.demo.pipeline import Pipeline
from rules_engine.demo.scaled_rules import write_scaled_rules
from rules_engine.demo.settings import FAULTS, SPEEDUP, RunSettings
from rules_engine.demo.virtual_run import VirtualRun
from rules_engine.shipped import shipped

_MEASURES = {"elo": "rating at the end", "mean_elo_since_fault": "mean rating since the fault"}


def without_rules(settings: RunSettings) -> dict[str, Any]:
    """The result of a run that nobody steers, as fast as the machine can."""
    pipeline = Pipeline(settings)
    for _ in range(settings.rounds):
        pipeline.run_round()
    return pipeline.result()


def with_rules(settings: RunSettings) -> dict[str, Any]:
    """The result of a run that the shipped rules steer, with how often each loop fired."""
    rules = settings.folder / "rules"
    write_scaled_rules(shipped("rules"), rules, SPEEDUP)
    run = VirtualRun(settings, rules)
    run.run()
    return run.pipeline.result() | {"fired": dict(run.fired)}


def compare(faults: Iterable[str], seeds: Iterable[int], minutes: float) -> Iterable[dict[str, Any]]:
    """One row for each fault and seed: the results of the configuration with the fault, both ways."""
    for fault in faults:
        for seed in seeds:
            row: dict[str, Any] = {"fault": fault, "seed": seed}
            for rules in (False, True):
                with tempfile.TemporaryDirectory() as folder:
                    wanted: Any = None if fault == "none" else fault
                    settings = RunSettings(
                        Path(folder) / "run", seed, rounds=round(minutes * 60), fault=wanted
                    )
                    result = with_rules(settings) if rules else without_rules(settings)
                    row["rules" if rules else "alone"] = result["models"]
                    row["fired"] = result.get("fired", {})
            yield row


def _differences(rows: list[dict[str, Any]], measure: str, key: str) -> list[float]:
    return [row["rules"][key][measure] - row["alone"][key][measure] for row in rows]


def _spread(values: list[float]) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    better = sum(value > 0 for value in values)
    return f"{statistics.mean(values):+6.0f} +- {spread:3.0f} ({better} of {len(values)} better)"


def main(arguments: list[str]) -> int:
    """The command: prints a line for each run, and means with their standard deviations."""
    parser = argparse.ArgumentParser(prog="python -m rules_engine.demo.compare", description=__doc__)
    parser.add_argument("--fault", action="append", choices=[*FAULTS, "none"], help="default: each")
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 1 (default 5)")
    parser.add_argument("--minutes", type=float, default=1.0)
    given = parser.parse_args(arguments)
    write = sys.stdout.write
    for fault in given.fault or [*FAULTS, "none"]:
        rows = []
        for row in compare([fault], range(1, given.seeds + 1), given.minutes):
            rows.append(row)
            key = list(row["rules"])[-1]
            for measure, title in _MEASURES.items():
                alone, rules = row["alone"][key][measure], row["rules"][key][measure]
                write(
                    f"{fault} seed {row['seed']} {key} {title}: {alone:.0f} alone, {rules:.0f} with rules\n"
                )
            sys.stdout.flush()
        for key in rows[0]["rules"]:
            for measure, title in _MEASURES.items():
                write(f"{fault}: {key} {title}: {_spread(_differences(rows, measure, key))}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
