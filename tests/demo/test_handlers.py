"""What the rules can ask of the pipeline is really done, and once."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rules_engine.daemon.handlers import ActionContext, GiveUp, collect
from rules_engine.demo.handlers import handlers_for
from rules_engine.event import Event, Kind, Row

Rig = Any


def context(key: str) -> ActionContext:
    event = Event(Row(1, 0, Kind.EVENT, "e1", "REGRESSION_DETECTED"), {})
    deadline = datetime.now(UTC) + timedelta(minutes=1)
    return ActionContext(key, "a_loop", ("hex4_2p",), event, "1.0", 1, deadline)


def perform(one: Rig, action: str, key: str = "k", **arguments: Any) -> None:
    call = collect(handlers_for(one.pipeline))[action].call
    if "context" in inspect.signature(call).parameters:
        arguments["context"] = context(key)
    call(**arguments)


def regressed(rig: Callable[..., Rig]) -> Rig:
    """A rig whose serving model has just been spoiled."""
    one = rig(fault="regression", rounds=12)
    one.rounds(6)
    return one


def test_a_rollback_restores_the_file_byte_for_byte(rig: Callable[..., Rig]) -> None:
    one = regressed(rig)
    line = one.pipeline.lines["hex4_2p"]
    best = line.checkpoints.best
    kept = best.path.read_bytes()
    bad = one.payloads("REGRESSION_DETECTED")[-1]["model_path"]
    assert line.checkpoints.serving_path.read_bytes() == Path(bad).read_bytes() != kept
    perform(one, "RollbackManager.roll_back", config_key="hex4_2p", model_path=bad)
    assert line.checkpoints.serving_path.read_bytes() == best.path.read_bytes() == kept
    assert line.checkpoints.serving is best
    done = one.payloads("TRAINING_ROLLBACK_COMPLETED")
    assert [payload["checkpoint_path"] for payload in done] == [str(best.path)]
    assert Path(bad).exists()


def test_after_a_rollback_the_rating_is_back_and_the_regression_cleared(rig: Callable[..., Rig]) -> None:
    one = regressed(rig)
    best = one.payloads("REGRESSION_DETECTED")[-1]["baseline_elo"]
    bad = one.payloads("REGRESSION_DETECTED")[-1]["model_path"]
    perform(one, "RollbackManager.roll_back", config_key="hex4_2p", model_path=bad)
    one.told.clear()
    one.rounds(1)
    assert one.payloads("ELO_UPDATED")[0]["new_elo"] > best - 20
    assert one.payloads("REGRESSION_CLEARED")
    assert not one.payloads("REGRESSION_DETECTED")


def test_a_second_rollback_of_the_same_model_does_nothing(rig: Callable[..., Rig]) -> None:
    one = regressed(rig)
    bad = one.payloads("REGRESSION_DETECTED")[-1]["model_path"]
    for key in ("first", "second"):
        perform(one, "RollbackManager.roll_back", key, config_key="hex4_2p", model_path=bad)
    assert len(one.payloads("TRAINING_ROLLBACK_COMPLETED")) == 1


def test_one_idempotency_key_acts_once(rig: Callable[..., Rig]) -> None:
    one = rig()
    one.rounds(1)
    one.told.clear()
    check = collect(handlers_for(one.pipeline))["QualityMonitorDaemon.check_quality"].call
    for key in ("a", "a", "b"):
        check(config_key="hex4_2p", reason="test", context=context(key))
    assert len(one.payloads("QUALITY_SCORE_UPDATED")) == 2
    lines = (one.settings.folder / "actions.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["a", "b"]


def test_throttling_silences_the_bad_workers(rig: Callable[..., Rig]) -> None:
    one = rig(fault="bad-data", rounds=6)
    one.rounds(2)
    perform(one, "QualityMonitorDaemon.throttle_generation", config_key="hex4_2p", factor=0.5)
    one.told.clear()
    one.rounds(1)
    assert one.payloads("SELFPLAY_COMPLETED")[0]["games_completed"] == 80
    assert one.payloads("HIGH_QUALITY_DATA_AVAILABLE")


def test_bad_exports_are_deleted(rig: Callable[..., Rig]) -> None:
    one = rig(fault="bad-data", rounds=6)
    one.rounds(2)
    exports = one.pipeline.lines["hex4_2p"].window.exports
    assert len(exports) == 8
    perform(one, "QualityMonitorDaemon.discard_bad_data", config_key="hex4_2p")
    assert sorted((export.round, export.worker) for export in exports) == [
        (1, 0), (1, 1), (1, 2), (1, 3), (2, 2), (2, 3)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("action", "argument", "knob"),
    [
        ("SelfplayScheduler.adjust_curriculum_weights", "weight", "curriculum_weight"),
        ("SelfplayScheduler.set_rate", "rate", "selfplay_rate"),
        ("SelfplayScheduler.set_priority_penalty", "penalty", "priority_penalty"),
        ("FeedbackLoopController.set_exploration", "exploration", "exploration"),
        ("TrainingCoordinator.set_learning_rate_scale", "scale", "learning_rate_scale"),
        ("TrainingCoordinator.set_epochs_bonus", "epochs", "epochs_bonus"),
        ("FeedbackAccelerator.set_momentum", "factor", "momentum"),
        ("SelfplayScheduler.set_games_factor", "factor", "games_factor"),
        ("SelfplayScheduler.set_search_budget", "factor", "search_budget"),
    ],
)
def test_each_knob_arrives(rig: Callable[..., Rig], action: str, argument: str, knob: str) -> None:
    one = rig()
    perform(one, action, config_key="hex4_2p", **{argument: 0.7})
    assert one.pipeline.controls.get(knob, "hex4_2p") == 0.7


def test_words_arrive_too_and_no_others(rig: Callable[..., Rig]) -> None:
    one = rig()
    perform(one, "TrainingCoordinator.set_intensity", config_key="hex4_2p", intensity="reduced")
    assert one.pipeline.controls.value("intensity", "hex4_2p") == "reduced"
    assert one.pipeline.controls.get("intensity", "hex4_2p") == 0.5
    with pytest.raises(GiveUp, match="'fierce' is no intensity"):
        perform(one, "TrainingCoordinator.set_intensity", config_key="hex4_2p", intensity="fierce")


def test_ordered_games_are_played_once_first(rig: Callable[..., Rig]) -> None:
    one = rig()
    order = collect(handlers_for(one.pipeline))["QueuePopulator.add_games"].call
    for key in ("a", "a", "b"):
        order(config_key="hex4_2p", games=20, batches=3, context=context(key))
    one.rounds(2)
    assert [told["games_completed"] for told in one.payloads("SELFPLAY_COMPLETED")] == [200, 160]


def test_under_pressure_fewer_games_are_begun(rig: Callable[..., Rig]) -> None:
    one = rig()
    perform(one, "IdleResourceDaemon.set_spawn_factor", factor=0.5)
    one.rounds(1)
    assert one.payloads("SELFPLAY_COMPLETED")[0]["games_completed"] == 80


def test_a_closed_gate_lets_games_through_and_no_training(rig: Callable[..., Rig]) -> None:
    one = rig()
    perform(one, "DataPipelineOrchestrator.set_gate", gate="paused")
    one.rounds(1)
    assert one.payloads("SELFPLAY_COMPLETED")
    assert not one.payloads("TRAINING_STARTED")
    perform(one, "DataPipelineOrchestrator.set_gate", gate="open")
    one.rounds(1)
    assert one.payloads("TRAINING_STARTED")


def test_the_means_against_a_long_stall(rig: Callable[..., Rig]) -> None:
    one = rig()
    one.rounds(2)
    one.told.clear()
    perform(one, "ProgressWatchdogDaemon.force_evaluation", config_key="hex4_2p")
    assert [name for name, _ in one.told] == ["EVALUATION_COMPLETED"]
    perform(one, "ProgressWatchdogDaemon.reset_curriculum", config_key="hex4_2p")
    assert list(one.pipeline.lines["hex4_2p"].window.exports) == []
    one.pipeline.gaining["hex4_2p"] = 9.0
    perform(one, "ProgressWatchdogDaemon.equalise_priorities", "other", config_key="hex4_2p")
    assert one.pipeline.gaining == {}
    with pytest.raises(GiveUp, match="one architecture"):
        perform(one, "ProgressWatchdogDaemon.search_architecture", config_key="hex4_2p")


def test_an_unknown_configuration_is_given_up(rig: Callable[..., Rig]) -> None:
    with pytest.raises(GiveUp, match="no configuration 'go19_2p' is trained here, only hex4_2p"):
        perform(rig(), "SelfplayScheduler.set_rate", config_key="go19_2p", rate=1.0)


def test_the_fastest_goes_first(rig: Callable[..., Rig]) -> None:
    one = rig(configs=("hex4_2p", "square4_2p"))
    perform(one, "CurriculumFeedback.rebalance", config_key="square4_2p", velocity=25.0)
    one.rounds(1)
    assert one.told[0][1]["config_key"] == "square4_2p"
