"""The pipeline tells what it did and obeys the knobs; faults do real harm."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from rules_engine.demo.quality import POOR

Rig = Any

EVERY_ROUND = [
    "SELFPLAY_COMPLETED", "GAMES_GENERATED", "NPZ_EXPORTED", "QUALITY_SCORE_UPDATED", "TRAINING_STARTED",
    "TRAINING_LOSS_TREND", "CHECKPOINT_SAVED", "TRAINING_COMPLETED", "EVALUATION_COMPLETED", "ELO_UPDATED",
    "ELO_VELOCITY_CHANGED",
]  # fmt: skip


def test_a_round_is_told_in_the_order_of_the_event_flow(rig: Callable[..., Rig]) -> None:
    one = rig()
    one.rounds(1)
    names = list(dict.fromkeys(name for name, _ in one.told))
    assert [name for name in names if name in EVERY_ROUND] == EVERY_ROUND
    assert ("MODEL_PROMOTED" in names) != ("PROMOTION_FAILED" in names)
    assert len(one.payloads("NPZ_EXPORTED")) == one.settings.workers


def test_every_payload_is_finite_and_names_its_configuration(rig: Callable[..., Rig]) -> None:
    one = rig(configs=("hex4_2p", "square4_2p"), fault="stall", rounds=10)
    one.rounds(4)
    for name, payload in one.told:
        assert payload["config_key"] in one.settings.configs, name
        for value in payload.values():
            assert not isinstance(value, float) or math.isfinite(value), (name, payload)


def test_ratings_move_by_what_is_told(rig: Callable[..., Rig]) -> None:
    one = rig()
    one.rounds(5)
    updates = one.payloads("ELO_UPDATED")
    assert [update["new_elo"] for update in updates[:-1]] == [update["old_elo"] for update in updates[1:]]
    assert updates[-1]["new_elo"] > updates[0]["old_elo"] + 50
    assert one.payloads("ELO_VELOCITY_CHANGED")[-1]["velocity"] > 0


@pytest.mark.parametrize(
    ("knob", "value", "games"),
    [
        ("selfplay_rate", 0.5, 80),
        ("selfplay_rate", 1.5, 240),
        ("momentum", 1.25, 200),
        ("games_factor", 2, 320),
    ],
)
def test_the_rate_changes_the_games(rig: Callable[..., Rig], knob: str, value: float, games: int) -> None:
    one = rig()
    one.knobs[knob, "hex4_2p"] = value
    one.rounds(1)
    assert one.payloads("SELFPLAY_COMPLETED")[0]["games_completed"] == games


def test_weight_and_penalty_change_the_shares(rig: Callable[..., Rig]) -> None:
    one = rig(configs=("hex4_2p", "square4_2p"), games_per_round=200)
    one.knobs["curriculum_weight", "hex4_2p"] = 0.5
    one.knobs["curriculum_weight", "square4_2p"] = 1.5
    one.rounds(1)
    games = {p["config_key"]: p["games_completed"] for p in one.payloads("SELFPLAY_COMPLETED")}
    assert games == {"hex4_2p": 50, "square4_2p": 150}
    one.told.clear()
    one.knobs["priority_penalty", "square4_2p"] = -0.2
    one.rounds(1)
    games = {p["config_key"]: p["games_completed"] for p in one.payloads("SELFPLAY_COMPLETED")}
    assert games == {"hex4_2p": 62, "square4_2p": 138}


def test_epochs_and_learning_rate_change_the_training(rig: Callable[..., Rig]) -> None:
    usual, longer, still = rig(), rig(), rig()
    longer.knobs["epochs_bonus", "hex4_2p"] = 4
    still.knobs["learning_rate_scale", "hex4_2p"] = 1e-6
    for one in (usual, longer, still):
        one.rounds(3)
    epochs = [one.payloads("TRAINING_COMPLETED")[-1]["epochs"] for one in (usual, longer)]
    assert epochs == [usual.settings.epochs, usual.settings.epochs + 4]
    losses = [one.payloads("TRAINING_COMPLETED")[-1]["final_loss"] for one in (longer, usual, still)]
    assert losses == sorted(losses)


def test_exploration_brings_variety_back(rig: Callable[..., Rig]) -> None:
    distinct = []
    for exploration in (1.0, 1.1):
        one = rig(fault="stall", rounds=10)
        one.knobs["exploration", "hex4_2p"] = exploration
        one.rounds(2)
        distinct.append(one.payloads("QUALITY_SCORE_UPDATED")[-1]["quality_score"])
    assert distinct[0] < 0.1
    assert distinct[1] > 0.5


def test_the_fault_regression_loses_rating_and_is_detected(rig: Callable[..., Rig]) -> None:
    one = rig(fault="regression", rounds=12)
    one.rounds(5)
    assert not one.payloads("REGRESSION_DETECTED")
    one.rounds(1)
    told = one.payloads("REGRESSION_DETECTED")
    assert [payload["severity"] for payload in told] == ["critical"]
    assert told[0]["elo_drop"] == pytest.approx(told[0]["baseline_elo"] - told[0]["current_elo"])
    assert told[0]["model_path"] == one.payloads("MODEL_PROMOTED")[-1]["model_path"]


def test_a_model_is_judged_once(rig: Callable[..., Rig]) -> None:
    one = rig(fault="regression", rounds=12)
    one.rounds(9)
    models = [payload["model_path"] for payload in one.payloads("REGRESSION_DETECTED")]
    assert len(models) == len(set(models)) <= len(one.payloads("MODEL_PROMOTED"))
    counts = [payload["consecutive_regressions"] for payload in one.payloads("REGRESSION_DETECTED")]
    assert counts == list(range(1, len(counts) + 1))


def test_the_fault_bad_data_lowers_the_quality(rig: Callable[..., Rig]) -> None:
    one = rig(fault="bad-data", rounds=6)
    one.rounds(1)
    assert not one.payloads("QUALITY_DEGRADED")
    one.rounds(1)
    assert one.payloads("QUALITY_DEGRADED")[0]["quality_score"] < POOR
    assert one.payloads("LOW_QUALITY_DATA_WARNING")
    assert one.payloads("QUALITY_DEGRADED")[0]["degradation_delta"] > 0.15


def test_the_fault_happens_to_the_last_configuration_only(rig: Callable[..., Rig]) -> None:
    one = rig(configs=("square4_2p", "hex4_2p"), fault="bad-data", rounds=6)
    one.rounds(3)
    assert {payload["config_key"] for payload in one.payloads("QUALITY_DEGRADED")} == {"hex4_2p"}


@pytest.mark.parametrize(
    ("word", "epochs"), [("reduced", 1), ("normal", 2), ("accelerated", 2), ("hot_path", 3)]
)
def test_the_intensity_changes_the_epochs(rig: Callable[..., Rig], word: str, epochs: int) -> None:
    one = rig()
    one.knobs["intensity", "hex4_2p"] = word
    one.rounds(1)
    assert one.payloads("TRAINING_COMPLETED")[0]["epochs"] == epochs


def test_paused_training_says_what_it_waits_for(rig: Callable[..., Rig]) -> None:
    one = rig()
    one.knobs["intensity", "hex4_2p"] = "paused"
    one.rounds(1)
    assert not one.payloads("TRAINING_STARTED")
    (told,) = one.payloads("TRAINING_BLOCKED_BY_QUALITY")
    assert (told["threshold"], told["quality_score"]) == (
        POOR,
        one.payloads("QUALITY_SCORE_UPDATED")[0]["quality_score"],
    )
