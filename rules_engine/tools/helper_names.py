"""The `emit_` functions of the original pipeline that are not called after one event, and stages' events."""

from __future__ import annotations

from collections.abc import Mapping

from rules_engine.events.event_forms import DECIDED_BY_PROMOTED, StageEvent
from rules_engine.tools.event_python import Choice

#: Further names of a function that emits one event.
SHIPPED_NAMES: Mapping[str, str] = {
    "emit_curriculum_updated": "WEIGHT_UPDATED",
    "emit_evaluation_complete": "EVALUATION_COMPLETED",
    "emit_game_quality_score": "QUALITY_SCORE_UPDATED",
    "emit_new_games": "NEW_GAMES_AVAILABLE",
    "emit_node_capacity_updated_sync": "NODE_CAPACITY_UPDATED",
    "emit_quality_updated": "QUALITY_SCORE_UPDATED",
    "emit_selfplay_batch_completed": "SELFPLAY_COMPLETED",
    "emit_selfplay_complete": "SELFPLAY_COMPLETED",
    "emit_sync_complete": "DATA_SYNC_COMPLETED",
    "emit_training_completed_sync": "TRAINING_COMPLETED",
    "emit_training_started_sync": "TRAINING_STARTED",
    "emit_training_threshold": "TRAINING_THRESHOLD_REACHED",
    "emit_training_triggered": "TRAINING_THRESHOLD_REACHED",
}

#: Functions that emit one of two events. What decides has no default: an outcome is never assumed.
SHIPPED_CHOICES: Mapping[str, Choice] = {
    "emit_optimization_triggered": Choice(
        "optimization_type", {"cmaes": "CMAES_TRIGGERED", "nas": "NAS_TRIGGERED"}
    ),
    "emit_promotion_complete": Choice("promoted", {True: "MODEL_PROMOTED", False: "PROMOTION_FAILED"}),
    "emit_promotion_complete_sync": Choice("promoted", {True: "MODEL_PROMOTED", False: "PROMOTION_FAILED"}),
    "emit_task_complete": Choice("success", {True: "TASK_COMPLETED", False: "TASK_FAILED"}),
    "emit_training_complete": Choice("success", {True: "TRAINING_COMPLETED", False: "TRAINING_FAILED"}),
    "emit_training_complete_sync": Choice("success", {True: "TRAINING_COMPLETED", False: "TRAINING_FAILED"}),
}


def stages_to_data(names: frozenset[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """The event that each finished stage means, by the stage's name.

    Left out are the stages that mean one of two events, and those that mean none.
    """
    meant = {
        stage.name: stage.name if stage.name in names else aliases.get(stage.name)
        for stage in StageEvent
        if stage not in DECIDED_BY_PROMOTED
    }
    return {stage: event for stage, event in sorted(meant.items()) if event is not None}
