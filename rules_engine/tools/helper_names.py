"""The `emit_` functions of the original pipeline that are not called after one event, and stages' events."""

from __future__ import annotations

from collections.abc import Mapping

from rules_engine.events.event_forms import DECIDED_BY_PROMOTED, StageEvent
from rules_engine.tools.event_python import Choice

#: Further names of a function. All of them may be called with or without a loop, also those in `_sync`.
SHIPPED_NAMES: Mapping[str, str] = {
    "emit_curriculum_updated": "emit_weight_updated",
    "emit_evaluation_complete": "emit_evaluation_completed",
    "emit_game_quality_score": "emit_quality_score_updated",
    "emit_new_games": "emit_new_games_available",
    "emit_node_capacity_updated_sync": "emit_node_capacity_updated",
    "emit_promotion_complete_sync": "emit_promotion_complete",
    "emit_quality_updated": "emit_quality_score_updated",
    "emit_selfplay_batch_completed": "emit_selfplay_completed",
    "emit_selfplay_complete": "emit_selfplay_completed",
    "emit_sync_complete": "emit_data_sync_completed",
    "emit_training_complete_sync": "emit_training_complete",
    "emit_training_completed_sync": "emit_training_completed",
    "emit_training_started_sync": "emit_training_started",
    "emit_training_threshold": "emit_training_threshold_reached",
    "emit_training_triggered": "emit_training_threshold_reached",
}

#: Functions that emit one of two events. What decides has no default: an outcome is never assumed.
SHIPPED_CHOICES: Mapping[str, Choice] = {
    "emit_optimization_triggered": Choice(
        "optimization_type", {"cmaes": "CMAES_TRIGGERED", "nas": "NAS_TRIGGERED"}
    ),
    "emit_promotion_complete": Choice("promoted", {True: "MODEL_PROMOTED", False: "PROMOTION_FAILED"}),
    "emit_task_complete": Choice("success", {True: "TASK_COMPLETED", False: "TASK_FAILED"}),
    "emit_training_complete": Choice("success", {True: "TRAINING_COMPLETED", False: "TRAINING_FAILED"}),
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
