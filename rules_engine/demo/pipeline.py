"""The pipeline: rounds of self-play, training, evaluation and promotion, told as events.

It decides nothing that the rules are for: it measures, publishes, and obeys the knobs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rules_engine.demo.controls import DEFAULTS, Controls, ReadKnob
from rules_engine.demo.evaluation import exam
from rules_engine.demo.exports import Export
from rules_engine.demo.reporting import Reporter
from rules_engine.demo.settings import RunSettings
from rules_engine.demo.training_line import TrainingLine

Publish = Callable[[str, dict[str, Any]], None]  #: (event type, payload)


class Pipeline:
    """All configurations together. Its methods may be called from several threads.

    `read_knob` gives a knob's value now; without it the knobs stay where they are. `publish` takes
    each event; without it they go nowhere.
    """

    def __init__(
        self, settings: RunSettings, publish: Publish | None = None, read_knob: ReadKnob | None = None
    ) -> None:
        self.settings = settings
        self.read_knob = read_knob or (lambda knob, _: DEFAULTS[knob])
        self.controls = Controls(settings.configs)
        self.lines = {key: TrainingLine(key, settings) for key in settings.configs}
        self.reporters = {
            key: Reporter(line, settings, publish or (lambda *_: None)) for key, line in self.lines.items()
        }
        self.round = 0
        self.checks_wanted: set[str] = set()  #: configurations whose next audit is to be thorough
        self.gaining: dict[str, float] = {}  #: rating points per hour of those said to gain fast
        self.wanted_games: dict[str, int] = {}  #: games to be played first, asked for beside the usual ones
        self.spawn_factor = 1.0  #: share of the games due that are begun
        self.is_paused = False  #: whether training has to wait for the evaluations
        self.lock = threading.RLock()  #: held through each configuration's part of a round

    def run_round(self) -> None:
        """One pass over all configurations."""
        for key in self.begin_round():
            self.run_part(key)

    def begin_round(self) -> list[str]:
        """Start the next round. Returns the configurations in their order: those that gain fast first."""
        self.round += 1
        self.controls.read_all(self.read_knob)
        return sorted(self.settings.configs, key=lambda key: -self.gaining.get(key, 0.0))

    def run_part(self, key: str) -> None:
        """One configuration's part of the round."""
        with self.lock:
            self._faults(key)
            self._run_line(key)

    def result(self) -> dict[str, Any]:
        """How strong the players are now, by matches unlike those of training; plain JSON.

        `mean_elo_since_fault` is the mean rating of what served, from the round of the fault on: what a
        user of the models had of them in that time.
        """
        with self.lock:
            return {"rounds": self.round, "models": {key: self._result(key) for key in self.lines}}

    def _result(self, key: str) -> dict[str, Any]:
        line = self.lines[key]
        win_rate, elo = exam(line.game, line.serving)
        since = [rating for _, rating in self.reporters[key].elos[self.settings.fault_round :]]
        return {
            "win_rate": round(win_rate, 4),
            "elo": elo,
            "mean_elo_since_fault": round(sum(since) / len(since), 1) if since else None,
            "serving": line.checkpoints.serving.model_id,
            "path": str(line.checkpoints.serving_path),
        }

    def _run_line(self, key: str) -> None:
        line, report, get = self.lines[key], self.reporters[key], self.controls.get
        rate = get("selfplay_rate", key) * get("momentum", key) * get("games_factor", key)
        rate *= self.spawn_factor
        games = round(self.settings.games_per_round * self.controls.shares()[key] * rate)
        games += self.wanted_games.pop(key, 0)
        games = round(games * len(line.workers.online) / len(line.workers.workers))
        budget = get("search_budget", key)
        exports = line.selfplay(self.round, max(games, 8), get("exploration", key), budget)
        report.played(self.round, exports)
        report.quality(line.quality(thorough=key in self.checks_wanted))
        self.checks_wanted.discard(key)
        intensity = get("intensity", key)
        if not intensity:
            report.blocked()
        elif not self.is_paused:
            self._train(key, exports, intensity)
        report.ratings(self.round)

    def _train(self, key: str, exports: list[Export], intensity: float) -> None:
        """Train, evaluate, and let the better model serve."""
        line, report, get = self.lines[key], self.reporters[key], self.controls.get
        usual = self.settings.epochs + get("epochs_bonus", key)
        epochs = max(1, round(usual * intensity))
        report.training_started(self.round)
        training = line.train(exports, epochs, get("learning_rate_scale", key))
        candidate, evaluation = line.evaluate(self.round)
        report.trained(training, candidate)
        report.evaluated(candidate, evaluation)
        before = line.checkpoints.serving
        promoted = line.gate(candidate, evaluation)
        report.gate(candidate, before, evaluation, promoted=promoted)

    def _faults(self, key: str) -> None:
        """Let the wanted fault happen when its time has come."""
        settings, line = self.settings, self.lines[key]
        if settings.fault is None or key != settings.faulty_config:
            return
        line.gate_broken = False
        if self.round != settings.fault_round:
            return
        if settings.fault == "regression":
            line.damage()
            line.gate_broken = True
        elif settings.fault == "bad-data":
            for worker in line.workers.workers[:2]:
                worker.corrupt = True
        else:
            line.workers.varied = False
