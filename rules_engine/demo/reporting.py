"""The events of one configuration: what happened, in the words and fields of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rules_engine.demo.checkpoints import Checkpoint
from rules_engine.demo.evaluation import Evaluation
from rules_engine.demo.exports import Export
from rules_engine.demo.learner import TrainingReport
from rules_engine.demo.quality import GOOD, POOR, Quality, urgency
from rules_engine.demo.ratings import severity, velocity, velocity_trend
from rules_engine.demo.settings import RunSettings
from rules_engine.demo.training_line import TrainingLine

_PLATEAU_VELOCITY = 0.5  #: rating points per hour
_PLATEAU_COUNT = 3


class Reporter:
    """Publishes what one configuration did. Remembers only what the next report compares with."""

    def __init__(
        self, line: TrainingLine, settings: RunSettings, publish: Callable[[str, dict[str, Any]], None]
    ) -> None:
        self.line = line
        self.settings = settings
        self._tell = publish
        board, players = line.config_key.split("_")
        self._about = {"config_key": line.config_key, "board_type": board, "num_players": int(players[0])}
        self.elos: list[tuple[float, float]] = [(0.0, line.checkpoints.serving.elo)]
        self.velocity = 0.0
        self._quality: float | None = None
        self._was_poor = False
        self._flat = 0
        self._plateau_until = 0.0
        self._regressions = 0
        self._judged = line.checkpoints.serving.model_id
        self._total_games = 0

    def _say(self, event: str, **payload: Any) -> None:
        self._publish(event, {"config_key": self.line.config_key, **payload})

    def _publish(self, event: str, payload: dict[str, Any]) -> None:
        """Tell it, with no more digits than mean anything."""
        self._tell(event, {key: round(v, 4) if isinstance(v, float) else v for key, v in payload.items()})

    # ---- data -------------------------------------------------------------------------------------

    def played(self, round_: int, exports: list[Export]) -> None:
        """Games were played and written."""
        games = sum(len(export.record) for export in exports)
        self._total_games += games
        self._say(
            "SELFPLAY_COMPLETED",
            games_completed=games,
            total_games=self._total_games,
            model_id=self.line.checkpoints.serving.model_id,
        )
        self._say("GAMES_GENERATED", games_count=games, iteration=round_)
        for export in exports:
            self._say("NPZ_EXPORTED", npz_path=str(export.path), samples=len(export.samples))

    def quality(self, quality: Quality) -> None:
        """An audit of the newest games, and what follows from its score alone."""
        score, before = quality.score, self._quality
        self._say(
            "QUALITY_SCORE_UPDATED",
            quality_score=score,
            quality_category=quality.category,
            total_games=self._total_games,
        )
        drop = max(0.0, (before if before is not None else score) - score)
        if score < POOR:
            self._say(
                "QUALITY_DEGRADED",
                quality_score=score,
                threshold=POOR,
                previous_score=before if before is not None else score,
                degradation_delta=drop,
                severity=urgency(score),
            )
            # A warning says: too much chance in the games. Repeated games are the opposite fault.
            if quality.wrong_labels > 0.1:
                self._say("LOW_QUALITY_DATA_WARNING", quality_score=score, threshold=POOR)
            self._was_poor = True
        elif score >= GOOD and self._was_poor:
            self._say("HIGH_QUALITY_DATA_AVAILABLE", quality_score=score)
            self._was_poor = False
        self._quality = score

    # ---- training ---------------------------------------------------------------------------------

    def blocked(self) -> None:
        """Training waits for better games."""
        self._say("TRAINING_BLOCKED_BY_QUALITY", quality_score=self._quality, threshold=POOR)

    def training_started(self, round_: int) -> None:
        """Training begins."""
        self._say("TRAINING_STARTED", model_path=str(self.line.checkpoints.serving_path), iteration=round_)

    def trained(self, report: TrainingReport, candidate: Checkpoint) -> None:
        """Training ended: its losses, their trend, and the file."""
        self._say(
            "TRAINING_LOSS_TREND",
            trend=report.trend,
            epoch=report.epoch,
            current_loss=report.val_loss,
            previous_loss=report.previous_loss,
        )
        if report.anomaly:
            self._say(
                "TRAINING_LOSS_ANOMALY",
                current_loss=report.anomaly.current_loss,
                avg_loss=report.anomaly.avg_loss,
                epoch=report.epoch,
                severity=report.anomaly.severity,
            )
        self._say("CHECKPOINT_SAVED", checkpoint_path=str(candidate.path), epoch=report.epoch)
        self._publish(
            "TRAINING_COMPLETED",
            {
                **self._about,
                "model_path": str(candidate.path),
                "model_id": candidate.model_id,
                "epochs": report.epochs,
                "final_loss": report.final_loss,
                "val_loss": report.val_loss,
                "samples_trained": report.samples * report.epochs,
                "success": True,
            },
        )

    # ---- strength ---------------------------------------------------------------------------------

    def evaluated(self, candidate: Checkpoint, evaluation: Evaluation) -> None:
        """The candidate played its matches."""
        self._publish(
            "EVALUATION_COMPLETED",
            {
                **self._about,
                "model_path": str(candidate.path),
                "model_id": candidate.model_id,
                "elo": evaluation.elo,
                "games_played": evaluation.games,
                "win_rate": evaluation.win_rate_baseline,
            },
        )

    def gate(
        self, candidate: Checkpoint, before: Checkpoint, evaluation: Evaluation, *, promoted: bool
    ) -> None:
        """The candidate serves now, or does not; and whether what serves is weaker than what did."""
        if promoted:
            self._say(
                "MODEL_PROMOTED",
                model_id=candidate.model_id,
                model_path=str(candidate.path),
                new_elo=candidate.elo,
                previous_elo=before.elo,
                elo_delta=candidate.elo - before.elo,
                supersedes=before.model_id,
            )
        else:
            self._say(
                "PROMOTION_FAILED",
                model_id=candidate.model_id,
                error=f"scores {evaluation.win_rate_serving:.2f} against {before.model_id}",
            )
        self._regression()

    def _regression(self) -> None:
        """Compare what serves with the best before it: once a model, for its rating does not change."""
        drop, serving = self.line.elo_drop, self.line.checkpoints.serving
        if serving.model_id == self._judged:
            return
        self._judged = serving.model_id
        word = severity(drop)
        if word:
            self._regressions += 1
            self._say(
                "REGRESSION_DETECTED",
                model_path=str(serving.path),
                severity=word,
                elo_drop=drop,
                baseline_elo=self.line.checkpoints.best.elo,
                current_elo=serving.elo,
                consecutive_regressions=self._regressions,
            )
        elif self._regressions:
            self._regressions = 0
            self._say("REGRESSION_CLEARED", model_path=str(serving.path), current_elo=serving.elo)

    def rolled_back(self, withdrawn: list[Checkpoint]) -> None:
        """A model was withdrawn, and what had been promoted after it; an earlier one serves again."""
        serving = self.line.checkpoints.serving
        self._say(
            "PROMOTION_ROLLED_BACK",
            model_id=withdrawn[0].model_id,
            from_model=withdrawn[0].model_id,
            to_model=serving.model_id,
            reason=f"rated {withdrawn[0].elo:.0f}, its predecessor {serving.elo:.0f}",
        )
        self._say(
            "TRAINING_ROLLBACK_COMPLETED",
            model_id=serving.model_id,
            checkpoint_path=str(serving.path),
            rollback_from=withdrawn[0].model_id,
            reason="regression",
        )

    def ratings(self, round_: int) -> None:
        """The rating of what serves, how fast it moves, and whether it stands still."""
        hour, serving = self.settings.hours(round_), self.line.checkpoints.serving
        old_elo = self.elos[-1][1]
        self.elos.append((hour, serving.elo))
        self._say(
            "ELO_UPDATED",
            model_id=serving.model_id,
            new_elo=serving.elo,
            old_elo=old_elo,
            elo_delta=serving.elo - old_elo,
        )
        now, before = velocity(self.elos, self.settings.velocity_hours), self.velocity
        self.velocity = now
        self._say(
            "ELO_VELOCITY_CHANGED",
            velocity=now,
            previous_velocity=before,
            velocity_change=now - before,
            trend=velocity_trend(now, before),
        )
        self._plateau(hour, serving)

    def _plateau(self, hour: float, serving: Checkpoint) -> None:
        full = hour >= self.settings.velocity_hours
        self._flat = self._flat + 1 if full and abs(self.velocity) < _PLATEAU_VELOCITY else 0
        if self._flat >= _PLATEAU_COUNT and hour >= self._plateau_until:
            self._plateau_until = hour + 1
            self._say(
                "PLATEAU_DETECTED",
                current_elo=serving.elo,
                velocity=self.velocity,
                plateau_duration_seconds=self._flat * self.settings.hours(1) * 3600,
                plateau_duration_games=self._total_games,
                plateau_type="rating",
            )
