"""How good game records are, measured by replaying a sample of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rules_engine.demo.games import Game
from rules_engine.demo.play import Record

POOR = 0.60  #: below this, games are poor
GOOD = 0.80  #: from here on, they are good again

Category = Literal["excellent", "good", "fair", "poor", "critical"]


@dataclass(frozen=True)
class Quality:
    """What an audit found.

    `wrong_labels` is the share of games whose reported result is not the one that the rules give for
    their moves; `distinct` the share of games that are no repetition of another.
    """

    games: int
    wrong_labels: float
    distinct: float

    @property
    def score(self) -> float:
        """0..1: how much of a label's information is left, times the share of games that are new.

        With a share p of all labels wrong, a label is worth 1 - 2p: at one half it says nothing.
        """
        return round(max(0.0, 1 - 2 * self.wrong_labels) * self.distinct, 4)

    @property
    def category(self) -> Category:
        """The score as a word."""
        cuts: tuple[tuple[float, Category], ...] = (
            (0.9, "excellent"), (GOOD, "good"), (POOR, "fair"), (0.3, "poor"),
        )  # fmt: skip
        return next((word for least, word in cuts if self.score >= least), "critical")


def urgency(score: float) -> Literal["low", "medium", "high", "critical"]:
    """How urgent a poor score is: a word for each quarter below `POOR`, from the bottom."""
    if score >= 0.75 * POOR:
        return "low"
    if score >= 0.5 * POOR:
        return "medium"
    return "high" if score >= 0.25 * POOR else "critical"


def audit(game: Game, record: Record, sample: int, random: np.random.Generator) -> Quality:
    """Replay up to `sample` games, drawn at random, and count what is wrong with them."""
    if not len(record):
        return Quality(0, 0.0, 0.0)
    chosen = random.permutation(len(record))[:sample]
    moves = record.moves[chosen]
    wrong = np.mean(np.abs(replayed_results(game, record.moves[chosen]) - record.results[chosen]) > 0.25)
    distinct = len(np.unique(moves, axis=0)) / len(moves)
    return Quality(len(chosen), float(wrong), distinct)


def replayed_results(
    game: Game, moves: np.ndarray[tuple[int, int], np.dtype[np.int8]]
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """The results of side 0 that the rules give for the moves, shape (games, cells) to (games,)."""
    results = np.full(len(moves), 0.5, np.float32)
    stones = [np.zeros(len(moves), np.int64), np.zeros(len(moves), np.int64)]
    running = np.ones(len(moves), bool)
    for ply in range(game.cells):
        side = ply % 2
        running &= moves[:, ply] >= 0
        if not running.any():
            break
        stones[side][running] |= np.left_shift(1, moves[running, ply].astype(np.int64))
        over = running & game.ended(stones[side], side)
        results[over] = 1.0 if (side == 0) == game.mover_wins else 0.0
        running &= ~over
    return results


def combined(parts: list[Quality]) -> Quality:
    """One audit out of several, weighed by their games."""
    games = sum(part.games for part in parts)
    if not games:
        return Quality(0, 0.0, 0.0)
    return Quality(
        games,
        sum(part.wrong_labels * part.games for part in parts) / games,
        sum(part.distinct * part.games for part in parts) / games,
    )
