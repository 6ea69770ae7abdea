"""What a run of the demo is made of: its configurations, sizes and the fault to happen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Fault = Literal["regression", "bad-data", "stall"]
FAULTS: tuple[str, ...] = get_args(Fault)

#: A second of the demo stands for ten minutes of the production that the shipped rules are written for.
SPEEDUP = 600


@dataclass(frozen=True)
class RunSettings:
    """One run. A round is one pass of self-play, training and evaluation over all configurations.

    `round_seconds` is the time a round is given: on a slow machine it takes longer, and nothing else
    changes. Everything that the pipeline decides by itself follows from `seed`.
    """

    folder: Path
    seed: int = 1
    rounds: int = 60
    round_seconds: float = 1.0
    fault: Fault | None = None
    configs: tuple[str, ...] = ("hex4_2p", "square4_2p", "hex5_2p")

    games_per_round: int = 720  #: shared by the configurations
    workers: int = 4
    window_rounds: int = 8
    epochs: int = 2
    learning_rate: float = 0.003
    temperature: float = 0.25
    hidden: int = 48
    openings: int = 150  #: each is played twice in an evaluation
    velocity_hours: float = 1.5

    @property
    def faulty_config(self) -> str:
        """The configuration to which the fault happens: the last one, where most is left to learn."""
        return self.configs[-1]

    @property
    def fault_round(self) -> int:
        """When it happens. A stall is slow to show and slow to mend, a regression is neither."""
        share = {"stall": 0.2, "bad-data": 0.35, "regression": 0.5}[self.fault or "regression"]
        return max(2, round(self.rounds * share))

    def hours(self, round_: int) -> float:
        """The time of a round on the scale of the rules, in hours since the start."""
        return round_ * self.round_seconds * SPEEDUP / 3600
