"""What the players learn: the chance to win after a move, as a small neural network in numpy."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass
class Network:
    """Two layers over the stones of both sides, as the side that moved last sees them.

    `stones_in` has shape (2 * cells, hidden), the first half for its own stones, `bias` and `out`
    (hidden,), and `out_bias` (1,). The output is a logit.
    """

    stones_in: Floats
    bias: Floats
    out: Floats
    out_bias: Floats

    @classmethod
    def fresh(cls, cells: int, hidden: int, random: np.random.Generator) -> Network:
        """An untrained network."""
        scale = np.sqrt(1 / cells)
        return cls(
            random.normal(0, scale, (2 * cells, hidden)).astype(np.float32),
            np.zeros(hidden, np.float32),
            random.normal(0, np.sqrt(1 / hidden), hidden).astype(np.float32),
            np.zeros(1, np.float32),
        )

    @property
    def parts(self) -> tuple[Floats, Floats, Floats, Floats]:
        """All weights, in a fixed order."""
        return self.stones_in, self.bias, self.out, self.out_bias

    def copy(self) -> Network:
        """An independent network with the same weights."""
        return Network(*(part.copy() for part in self.parts))

    def logits(self, boards: Floats) -> Floats:
        """The value of positions, shape (positions, 2 * cells) to (positions,)."""
        hidden = np.maximum(boards @ self.stones_in + self.bias, 0)
        return np.asarray(hidden @ self.out + self.out_bias[0], np.float32)

    def move_logits(self, boards: Floats) -> Floats:
        """The value of each move, shape (positions, 2 * cells) to (positions, cells).

        Rows are boards before the move. A move adds one stone, hence one row of weights, to what all
        moves share: so all moves cost little more than one.
        """
        cells = len(self.stones_in) // 2
        shared = boards @ self.stones_in + self.bias
        hidden = np.maximum(shared[:, None, :] + self.stones_in[None, :cells, :], 0)
        return np.asarray(hidden @ self.out + self.out_bias[0], np.float32)

    def save(self, path: Path) -> None:
        """Write a checkpoint; the file is there whole or not at all."""
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, *self.parts)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Network:
        """Read a checkpoint."""
        with np.load(path) as stored:
            return cls(*(stored[f"arr_{i}"] for i in range(4)))


@dataclass
class Samples:
    """Positions and what became of them.

    `boards` has shape (samples, 2 * cells); `results` (samples,) is 1 for a win of the side that
    moved last, 0 for a loss, 0.5 for a draw.
    """

    boards: Floats
    results: Floats

    def __len__(self) -> int:
        return len(self.results)

    @classmethod
    def joined(cls, parts: list[Samples]) -> Samples:
        """All samples of all parts, in order."""
        return cls(
            np.concatenate([part.boards for part in parts]),
            np.concatenate([part.results for part in parts]),
        )

    def take(self, index: NDArray[np.intp]) -> Samples:
        """The samples of the given numbers."""
        return Samples(self.boards[index], self.results[index])


def loss(network: Network, samples: Samples) -> float:
    """Mean cross-entropy of the network's forecasts, in nats; guessing one half gives 0.693."""
    logits = network.logits(samples.boards)
    return float(np.mean(np.logaddexp(0, logits) - samples.results * logits))


@dataclass
class Trainer:
    """Gradient descent with momentum and decaying averages of the squares (Adam)."""

    network: Network
    batch: int = 128
    weight_decay: float = 1e-4
    _mean: list[Floats] = field(default_factory=list)
    _square: list[Floats] = field(default_factory=list)
    _steps: int = 0

    def epoch(self, samples: Samples, learning_rate: float, random: np.random.Generator) -> float:
        """One pass over the samples in random order. Returns the mean loss met on the way."""
        order = random.permutation(len(samples))
        total = 0.0
        for start in range(0, len(order), self.batch):
            part = samples.take(order[start : start + self.batch])
            total += self._step(part, learning_rate) * len(part)
        return total / max(1, len(samples))

    def _step(self, part: Samples, learning_rate: float) -> float:
        net = self.network
        shared = part.boards @ net.stones_in + net.bias
        hidden = np.maximum(shared, 0)
        logits = hidden @ net.out + net.out_bias[0]
        error = ((1 / (1 + np.exp(-logits)) - part.results) / len(part)).astype(np.float32)
        back = np.outer(error, net.out) * (shared > 0)
        gradients = (part.boards.T @ back, back.sum(0), hidden.T @ error, error.sum(keepdims=True))
        self._descend(gradients, learning_rate)
        return float(np.mean(np.logaddexp(0, logits) - part.results * logits))

    def _descend(self, gradients: tuple[Floats, ...], learning_rate: float) -> None:
        if not self._mean:
            self._mean = [np.zeros_like(part) for part in self.network.parts]
            self._square = [np.zeros_like(part) for part in self.network.parts]
        self._steps += 1
        for weight, gradient, mean, square in zip(
            self.network.parts, gradients, self._mean, self._square, strict=True
        ):
            mean[...] += 0.1 * (gradient - mean)
            square[...] += 0.001 * (gradient * gradient - square)
            unbiased = mean / (1 - 0.9**self._steps)
            spread = np.sqrt(square / (1 - 0.999**self._steps)) + 1e-8
            weight[...] -= learning_rate * (unbiased / spread + self.weight_decay * weight)
