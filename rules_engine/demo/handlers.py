"""What the pipeline can be asked to do: the handlers of the specification's feedback loops.

They run in the pipeline's process, in threads, because they change it. Whoever is asked twice with
one idempotency key does the thing once.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rules_engine.daemon.handlers import ActionContext, GiveUp, handler
from rules_engine.demo.controls import INTENSITIES, Value
from rules_engine.demo.pipeline import Pipeline
from rules_engine.demo.training_line import TrainingLine

_REMEMBERED = 10_000


@dataclass
class Performed:
    """What was done: the idempotency keys, and a line of JSON for each deed in the file `log`."""

    log: Path | None = None
    keys: OrderedDict[str, None] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def once(
        self, action: str, config_key: str, context: ActionContext | None, work: Callable[[], str]
    ) -> None:
        """Do the work unless it was done under this key; a key counts once the work has ended well.

        `work` returns what it did, in a few words.
        """
        key = context.idempotency_key if context else None
        with self.lock:
            if key in self.keys:
                return
            did = work()
            if key is not None:
                self.keys[key] = None
                while len(self.keys) > _REMEMBERED:
                    self.keys.popitem(last=False)
            if self.log is not None:
                entry = {"action": action, "config_key": config_key, "did": did, "key": key}
                with self.log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(entry) + "\n")


class _Acting:
    """What all handlers share: the pipeline and the memory of what was done."""

    def __init__(self, pipeline: Pipeline, performed: Performed) -> None:
        self._pipeline = pipeline
        self._performed = performed

    def _line(self, config_key: str) -> TrainingLine:
        try:
            return self._pipeline.lines[config_key]
        except KeyError:
            known = ", ".join(self._pipeline.lines)
            raise GiveUp(f"no configuration {config_key!r} is trained here, only {known}") from None

    def _do(
        self, verb: str, config_key: str, context: ActionContext | None, work: Callable[[TrainingLine], str]
    ) -> None:
        """Work on a configuration while no round is at work on it, once for each idempotency key."""
        line = self._line(config_key)
        with self._pipeline.lock:
            self._performed.once(f"{type(self).__name__}.{verb}", config_key, context, lambda: work(line))

    def _set(self, knob: str, config_key: str, value: Value) -> None:
        self._line(config_key)
        self._pipeline.controls.set(knob, config_key, value)


@handler
class SelfplayScheduler(_Acting):
    """Shares the games of a round out among the configurations."""

    def adjust_curriculum_weights(self, config_key: str, weight: float) -> None:
        """Give a configuration this weight in the share of games."""
        self._set("curriculum_weight", config_key, weight)

    def set_rate(self, config_key: str, rate: float) -> None:
        """Play this many times the usual games."""
        self._set("selfplay_rate", config_key, rate)

    def set_games_factor(self, config_key: str, factor: float) -> None:
        """Play this many times the games of one that has stood still."""
        self._set("games_factor", config_key, factor)

    def set_search_budget(self, config_key: str, factor: float) -> None:
        """Search this much deeper. These players do not search; more of it shows as less chance in a move."""
        self._set("search_budget", config_key, factor)

    def set_priority_penalty(self, config_key: str, penalty: float) -> None:
        """Take this much (0 or less) from the configuration's share."""
        self._set("priority_penalty", config_key, penalty)


@handler
class FeedbackLoopController(_Acting):
    """Sets how much chance self-play allows."""

    def set_exploration(self, config_key: str, exploration: float) -> None:
        """1.0 is the trained policy, 2.0 the widest play."""
        self._set("exploration", config_key, exploration)


@handler
class QualityMonitorDaemon(_Acting):
    """Measures the games and keeps bad ones out."""

    def throttle_generation(
        self, config_key: str, factor: float, context: ActionContext | None = None
    ) -> None:
        """Let this share of the workers play, the worst out first; those that return are restarted."""

        def work(line: TrainingLine) -> str:
            line.workers.throttle(factor)
            return f"{len(line.workers.online)} of {len(line.workers.workers)} workers play"

        self._do("throttle_generation", config_key, context, work)

    def check_quality(self, config_key: str, reason: str, context: ActionContext | None = None) -> None:
        """Audit the newest games now and publish the score."""

        def work(line: TrainingLine) -> str:
            quality = line.quality(thorough=True)
            self._pipeline.reporters[config_key].quality(quality)
            return f"audited {quality.games} games because of {reason}: {quality.score:.2f}"

        self._do("check_quality", config_key, context, work)

    def discard_bad_data(self, config_key: str, context: ActionContext | None = None) -> None:
        """Delete the exports in the replay window that are poor."""
        self._do(
            "discard_bad_data", config_key, context, lambda line: f"deleted {line.discard_bad_data()} exports"
        )


@handler
class CurriculumFeedback(_Acting):
    """Turns gains in rating into an order of work."""

    def rebalance(self, config_key: str, velocity: float, context: ActionContext | None = None) -> None:
        """Let the configuration that gains fastest go first in each round."""

        def work(line: TrainingLine) -> str:
            self._pipeline.gaining[line.config_key] = velocity
            return f"takes its turn by its gain of {velocity:.0f} points an hour"

        self._do("rebalance", config_key, context, work)


@handler
class TrainingCoordinator(_Acting):
    """Sets how training runs."""

    def set_learning_rate_scale(self, config_key: str, scale: float) -> None:
        """Multiply the learning rate."""
        self._set("learning_rate_scale", config_key, scale)

    def set_epochs_bonus(self, config_key: str, epochs: float) -> None:
        """Train this many epochs more in each round."""
        self._set("epochs_bonus", config_key, epochs)

    def set_intensity(self, config_key: str, intensity: str) -> None:
        """Train more or less in each round, or not at all."""
        if intensity not in INTENSITIES:
            raise GiveUp(f"{intensity!r} is no intensity, only {', '.join(INTENSITIES)}")
        self._set("intensity", config_key, intensity)


@handler
class FeedbackAccelerator(_Acting):
    """Lets the games follow the rating."""

    def set_momentum(self, config_key: str, factor: float) -> None:
        """Play this many times the usual games."""
        self._set("momentum", config_key, factor)


@handler
class QueuePopulator(_Acting):
    """Orders games beside the usual ones."""

    def add_games(
        self, config_key: str, games: int, batches: int, context: ActionContext | None = None
    ) -> None:
        """Play so many games more in the next round; the workers share them as they share the others."""

        def work(line: TrainingLine) -> str:
            wanted = self._pipeline.wanted_games
            wanted[line.config_key] = wanted.get(line.config_key, 0) + games
            return f"ordered {games} games in {batches} batches"

        self._do("add_games", config_key, context, work)


@handler
class DataPipelineOrchestrator(_Acting):
    """Lets the stages of the pipeline wait for one another."""

    def set_gate(self, gate: str) -> None:
        """`paused`: nothing is trained until it is `open` again."""
        self._pipeline.is_paused = gate == "paused"


@handler
class IdleResourceDaemon(_Acting):
    """Begins games where there is room for them."""

    def set_spawn_factor(self, factor: float) -> None:
        """Begin this share of the games that are due."""
        self._pipeline.spawn_factor = factor


@handler
class ProgressWatchdogDaemon(_Acting):
    """Stronger means against a long stall."""

    def reset_curriculum(self, config_key: str, context: ActionContext | None = None) -> None:
        """Forget the games of the past: training goes on from fresh ones."""
        self._do(
            "reset_curriculum", config_key, context, lambda line: f"dropped {line.forget_games()} exports"
        )

    def search_architecture(self, config_key: str) -> None:
        """There is one architecture here; says so, and is not asked again."""
        self._line(config_key)
        raise GiveUp("the demo knows one architecture of network")

    def force_evaluation(self, config_key: str, context: ActionContext | None = None) -> None:
        """Rate the network as it is, out of its turn."""

        def work(line: TrainingLine) -> str:
            candidate, evaluation = line.evaluate(self._pipeline.round)
            self._pipeline.reporters[config_key].evaluated(candidate, evaluation)
            line.checkpoints.drop(candidate)
            return f"rated {evaluation.elo:.0f}"

        self._do("force_evaluation", config_key, context, work)

    def equalise_priorities(self, config_key: str, context: ActionContext | None = None) -> None:
        """Let nobody go first."""

        def work(_: TrainingLine) -> str:
            self._pipeline.gaining.clear()
            return "all take their turns in the usual order"

        self._do("equalise_priorities", config_key, context, work)


@handler
class RollbackManager(_Acting):
    """Puts an earlier model back."""

    def roll_back(self, config_key: str, model_path: str, context: ActionContext | None = None) -> None:
        """Withdraw the model and let the best one promoted before it serve, from its file."""

        def work(line: TrainingLine) -> str:
            withdrawn = line.roll_back(Path(model_path))
            if not withdrawn:
                return f"{Path(model_path).name} serves no more: nothing to do"
            self._pipeline.reporters[config_key].rolled_back(withdrawn)
            return f"restored {line.checkpoints.serving.path.name}, withdrew {withdrawn[0].path.name}"

        self._do("roll_back", config_key, context, work)


def handlers_for(pipeline: Pipeline) -> list[object]:
    """One of each, acting on this pipeline; what they do is told in `actions.jsonl` in its folder."""
    performed = Performed(pipeline.settings.folder / "actions.jsonl")
    kinds = (
        SelfplayScheduler, FeedbackLoopController, QualityMonitorDaemon, CurriculumFeedback,
        TrainingCoordinator, RollbackManager, FeedbackAccelerator, QueuePopulator,
        DataPipelineOrchestrator, IdleResourceDaemon, ProgressWatchdogDaemon,
    )  # fmt: skip
    return [kind(pipeline, performed) for kind in kinds]
