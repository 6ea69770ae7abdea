"""Matches that rate a model, the same ones each time so that equal models rate equally."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rules_engine.demo.games import Game
from rules_engine.demo.network import Network
from rules_engine.demo.play import Baseline, Greedy, match, random_openings
from rules_engine.demo.ratings import BASELINE_ELO, Score, performance

_OPENING_PLIES = 3


@dataclass(frozen=True)
class Evaluation:
    """What the matches of one model said. Win rates are shares of points, draws as halves.

    `win_rate_serving` is None where no model served yet.
    """

    elo: float
    games: int
    win_rate_baseline: float
    win_rate_serving: float | None


class Evaluator:
    """Rates models of one game against the baseline, the serving model and an earlier one."""

    def __init__(self, game: Game, openings: int, random: np.random.Generator) -> None:
        self.game = game
        self.openings: NDArray[np.int64] = random_openings(game, openings, _OPENING_PLIES, random)
        self.baseline = Baseline(salt=1)

    def evaluate(
        self, network: Network, serving: tuple[Network, float] | None, earlier: list[tuple[Network, float]]
    ) -> Evaluation:
        """Play all matches. Opponents come with their ratings."""
        games = 2 * len(self.openings)
        player = Greedy(network)
        against_baseline = match(self.game, player, self.baseline, self.openings)
        scores = [Score(BASELINE_ELO, against_baseline * games, games)]
        against_serving = None
        half = self.openings[: len(self.openings) // 2]
        for opponent, elo in ([serving] if serving else []) + earlier:
            share = match(self.game, player, Greedy(opponent), half)
            scores.append(Score(elo, share * 2 * len(half), 2 * len(half)))
            if serving and opponent is serving[0]:
                against_serving = share
        return Evaluation(
            performance(scores), sum(score.games for score in scores), against_baseline, against_serving
        )


def exam(game: Game, network: Network, openings: int = 1000) -> tuple[float, float]:
    """How strong a model is in the end: (win rate, rating) against the baseline.

    The matches are the same for every run and seed, and are others than those used in training.
    """
    chosen = random_openings(game, openings, _OPENING_PLIES, np.random.default_rng(20_260_105))
    share = match(game, Greedy(network), Baseline(salt=2), chosen)
    return share, performance([Score(BASELINE_ELO, share * 2 * openings, 2 * openings)])
