"""One configuration: its players, data, models and ratings, and the steps of a round.

It knows no events and no rules: it does what it is told and says what came of it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rules_engine.demo.checkpoints import Checkpoint, Checkpoints
from rules_engine.demo.evaluation import Evaluation, Evaluator
from rules_engine.demo.exports import Export, ReplayWindow, write
from rules_engine.demo.games import GAMES
from rules_engine.demo.learner import Learner, TrainingReport
from rules_engine.demo.network import Network, Samples
from rules_engine.demo.quality import POOR, Quality, audit, combined
from rules_engine.demo.selfplay import SelfplayWorkers
from rules_engine.demo.settings import RunSettings

_AUDITED_GAMES = 24  #: of each export
_NEEDED_SCORE = 0.5  #: against the serving model, to take its place
_RATING_SLACK = 15.0  #: rating points by which it may seem weaker: within the chance of the matches
_EARLIER_MODELS = 3  #: how many promotions back the second opponent of an evaluation lies


class TrainingLine:
    """All there is of one configuration."""

    def __init__(self, config_key: str, settings: RunSettings) -> None:
        self.config_key = config_key
        self.game = GAMES[config_key]
        purposes = ("network", "play", "train", "audit", "openings", "damage")
        stream = list(GAMES).index(config_key)
        self.random = {
            purpose: np.random.default_rng([settings.seed, stream, i]) for i, purpose in enumerate(purposes)
        }
        network = Network.fresh(self.game.cells, settings.hidden, self.random["network"])
        self.learner = Learner(network, settings.learning_rate)
        self.workers = SelfplayWorkers(self.game, settings.workers, settings.temperature)
        self.exports_folder = settings.folder / "exports" / config_key
        self.exports_folder.mkdir(parents=True, exist_ok=True)
        self.window = ReplayWindow(settings.window_rounds)
        self.evaluator = Evaluator(self.game, settings.openings, self.random["openings"])
        self.checkpoints = Checkpoints(settings.folder / "models" / config_key, config_key)
        self.gate_broken = False  #: set by the fault `regression`: promotes whatever comes
        first = self.checkpoints.save(network, 0)
        first.elo = self.evaluator.evaluate(network, None, []).elo
        self.checkpoints.promote(first)
        self.serving = network.copy()

    def selfplay(self, round_: int, games: int, exploration: float, budget: float = 1.0) -> list[Export]:
        """Play with the serving model; write one export for each worker."""
        records = self.workers.play(self.serving, games, exploration, self.random["play"], budget)
        exports = []
        for worker, record in records.items():
            path = self.exports_folder / f"r{round_:03d}_w{worker}.npz"
            exports.append(write(path, self.game, record, round_=round_, worker=worker))
            self.window.add(exports[-1])
        return exports

    def quality(self, *, thorough: bool = False) -> Quality:
        """Audit the newest exports, remember each worker's score and return that of all.

        A `thorough` audit replays four times as many games.
        """
        sample = _AUDITED_GAMES * (4 if thorough else 1)
        newest = max((export.round for export in self.window.exports), default=0)
        found = []
        for export in self.window.exports:
            if export.round == newest:
                one = audit(self.game, export.record, sample, self.random["audit"])
                self.workers.workers[export.worker].quality = one.score
                found.append(one)
        return combined(found)

    def discard_bad_data(self) -> int:
        """Audit all of the window and delete the exports that are poor. Returns how many."""
        bad = {
            export.path
            for export in self.window.exports
            if audit(self.game, export.record, _AUDITED_GAMES, self.random["audit"]).score < POOR
        }
        return self.window.discard(bad)

    def forget_games(self) -> int:
        """Drop all exports of the window. Returns how many."""
        return self.window.discard({export.path for export in self.window.exports})

    def train(self, exports: list[Export], epochs: int, scale: float) -> TrainingReport:
        """Learn from the window; `exports` are the games not yet seen."""
        fresh = Samples.joined([export.samples for export in exports])
        return self.learner.train(
            self.window.samples() or fresh, fresh, epochs=epochs, scale=scale, random=self.random["train"]
        )

    def evaluate(self, round_: int) -> tuple[Checkpoint, Evaluation]:
        """Save the network as it is, rate it, and return both."""
        candidate = self.checkpoints.save(self.learner.network, round_)
        promoted = self.checkpoints.promoted
        earlier = []
        if len(promoted) > _EARLIER_MODELS:
            model = promoted[-1 - _EARLIER_MODELS]
            earlier.append((Network.load(model.path), model.elo))
        evaluation = self.evaluator.evaluate(
            self.learner.network, (self.serving, self.checkpoints.serving.elo), earlier
        )
        candidate.elo = evaluation.elo
        return candidate, evaluation

    def gate(self, candidate: Checkpoint, evaluation: Evaluation) -> bool:
        """Let the candidate serve if it beats the serving model and is rated above it, else delete it.

        Returns whether it serves.
        """
        better = (evaluation.win_rate_serving or 0.0) >= _NEEDED_SCORE
        better = better and candidate.elo > self.checkpoints.serving.elo - _RATING_SLACK
        if better or self.gate_broken:
            self.checkpoints.promote(candidate)
            self.serving = self.learner.network.copy()
            return True
        self.checkpoints.drop(candidate)
        return False

    @property
    def elo_drop(self) -> float:
        """How far the serving model is rated below the best one promoted before it."""
        return self.checkpoints.best.elo - self.checkpoints.serving.elo

    def roll_back(self, model_path: Path) -> list[Checkpoint]:
        """Withdraw the promoted model in `model_path`, and what was promoted after it.

        The best promoted model serves again and training goes on from it. Returns the withdrawn ones;
        none when that model was withdrawn before.
        """
        if all(checkpoint.path != model_path for checkpoint in self.checkpoints.promoted):
            return []
        withdrawn = self.checkpoints.roll_back()
        if withdrawn:
            self.serving = Network.load(self.checkpoints.serving_path)
            self.learner.restart_from(self.serving)
        return withdrawn

    def damage(self) -> None:
        """Spoil the network under training, as a broken optimiser state does."""
        for part in self.learner.network.parts:
            noise = self.random["damage"].normal(0, 2.5 * float(np.std(part)) + 1e-3, part.shape)
            part[...] += noise.astype(np.float32)
