"""Training: what a round of it did to the network, and what its losses say."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from rules_engine.demo.network import Network, Samples, Trainer, loss

LossTrend = Literal["improving", "stalled", "plateau", "degrading"]
AnomalySeverity = Literal["mild", "moderate", "severe"]

_IMPROVED_BY = 0.005  #: nats by which a loss must lie under the mean of the last three to be improving
_DEGRADED_BY = 0.020  #: nats by which it must lie above it to be degrading
_PLATEAU_ROUNDS = 10  #: rounds without a new best after which a stall is a plateau


@dataclass(frozen=True)
class Anomaly:
    """A loss far off its recent mean. `deviations` is how far, in standard deviations."""

    current_loss: float
    avg_loss: float
    deviations: float
    severity: AnomalySeverity


@dataclass(frozen=True)
class TrainingReport:
    """One round of training.

    `val_loss` is the mean loss on games that the network had not seen yet, `final_loss` that of the
    last epoch on the whole window, `previous_loss` the mean of the three `val_loss` before, all in nats.
    `epoch` counts over all rounds.
    """

    epochs: int
    epoch: int
    samples: int
    val_loss: float
    final_loss: float
    previous_loss: float
    trend: LossTrend
    anomaly: Anomaly | None


@dataclass
class LossWatch:
    """Remembers losses, names their trend and finds those that stand out."""

    recent: deque[float] = field(default_factory=lambda: deque(maxlen=12))
    last_three: deque[float] = field(default_factory=lambda: deque([math.log(2)], maxlen=3))
    best: float = math.inf
    rounds_since_best: int = 0

    @property
    def level(self) -> float:
        """The mean of the last three losses, in nats; that of guessing before there are any."""
        return sum(self.last_three) / len(self.last_three)

    def trend(self, value: float) -> LossTrend:
        """Take a loss in and say where it stands against the mean of the three before it."""
        before = self.level
        self.last_three.append(value)
        if value < self.best - _IMPROVED_BY:
            self.best, self.rounds_since_best = value, 0
        else:
            self.rounds_since_best += 1
        if value < before - _IMPROVED_BY:
            return "improving"
        if value > before + _DEGRADED_BY:
            return "degrading"
        return "plateau" if self.rounds_since_best >= _PLATEAU_ROUNDS else "stalled"

    def anomaly(self, value: float, epoch: int) -> Anomaly | None:
        """Whether a loss lies above the band around the last twelve, which narrows as training goes on."""
        found = None
        if len(self.recent) >= 5:
            mean = float(np.mean(self.recent))
            spread = max(float(np.std(self.recent)), 0.01)
            deviations = (value - mean) / spread
            band = 5.0 if epoch < 5 else 3.5 if epoch < 15 else 2.5
            if deviations > band:
                word: AnomalySeverity = (
                    "severe" if deviations > 3 * band else "moderate" if deviations > 2 * band else "mild"
                )
                found = Anomaly(value, mean, deviations, word)
        self.recent.append(value)
        return found


class Learner:
    """A network under training with the memory of its losses."""

    def __init__(self, network: Network, learning_rate: float) -> None:
        self.trainer = Trainer(network)
        self.learning_rate = learning_rate
        self.losses = LossWatch()
        self.epoch = 0

    @property
    def network(self) -> Network:
        """The network as trained so far."""
        return self.trainer.network

    def restart_from(self, network: Network) -> None:
        """Go on from other weights; the memory of gradients and losses belongs to the old ones."""
        self.trainer = Trainer(network.copy())
        self.losses = LossWatch()

    def train(
        self, window: Samples, fresh: Samples, *, epochs: int, scale: float, random: np.random.Generator
    ) -> TrainingReport:
        """Judge the `fresh` samples unseen, then learn from the whole window, which holds them too."""
        val_loss = loss(self.network, fresh)
        final_loss = val_loss
        for _ in range(epochs):
            final_loss = self.trainer.epoch(window, self.learning_rate * scale, random)
            self.epoch += 1
        before = self.losses.level
        anomaly = self.losses.anomaly(val_loss, self.epoch)
        trend = self.losses.trend(val_loss)
        return TrainingReport(
            epochs, self.epoch, len(window), val_loss, final_loss,
            before, trend, anomaly,
        )  # fmt: skip
