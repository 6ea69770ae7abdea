"""The shipped loops do what `rules/` says they do: firing, not firing, and both sides of each figure."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rules_engine.engine.decision import Firing
from rules_engine.event import Kind, Row
from rules_engine.language.diagnostics import Severity
from rules_engine.pipeline import RuleSet, load
from rules_engine.tools.replay import replay

RULES = Path(__file__).resolve().parents[2] / "rules"
START_MS = 1_767_571_200_000
MINUTE, HOUR = 60_000, 3_600_000
CONFIG = {"config_key": "hex8_2p"}


@cache
def shipped_rules() -> RuleSet:
    return load(RULES)


def decide(loop: str, *events: tuple[int, str, dict[str, Any]]) -> list[Firing]:
    """The firings of one loop over (milliseconds from the start, event, payload)."""
    plan = shipped_rules().plan
    assert plan is not None
    rows = [
        Row(seq, START_MS + at_ms, Kind.EVENT, f"e{seq}", event, CONFIG | payload)
        for seq, (at_ms, event, payload) in enumerate(events, 1)
    ]
    return [firing for firing in replay(plan, rows) if firing.loop == loop]


def sets(firings: list[Firing]) -> list[tuple[str, float]]:
    """Every knob set, with its value, in order."""
    return [(e["knob"], e["value"]) for firing in firings for e in firing.effects if e["kind"] == "set"]


def done(firings: list[Firing]) -> list[str]:
    return [e["action"] for firing in firings for e in firing.effects if e["kind"] == "do"]


def emitted(firings: list[Firing]) -> list[str]:
    return [e["event"] for firing in firings for e in firing.effects if e["kind"] == "emit"]


def test_they_lint_clean_without_as_much_as_a_note() -> None:
    rules = shipped_rules()
    assert [finding.message for finding in rules.diagnostics if finding.severity is not Severity.INFO] == []
    assert rules.ok


# ---- promotion_shifts_curriculum ------------------------------------------------------------------


def test_a_promotion_takes_a_tenth_of_weight() -> None:
    firings = decide("promotion_shifts_curriculum", (0, "MODEL_PROMOTED", {"model_path": "m"}))
    assert sets(firings) == [("curriculum_weight", 0.9)]
    assert emitted(firings) == ["CURRICULUM_REBALANCED"]


def test_a_failed_promotion_gives_weight_and_says_so() -> None:
    firings = decide("promotion_shifts_curriculum", (0, "PROMOTION_FAILED", {"error": "too weak"}))
    assert sets(firings) == [("curriculum_weight", 1.15)]
    assert firings[0].effects[-1]["payload"]["trigger"] == "promotion_failed"
    assert firings[0].effects[-1]["payload"]["weights"] == {"hex8_2p": 1.15}


@pytest.mark.parametrize(("gap_ms", "fired"), [(15 * MINUTE - 1, 1), (15 * MINUTE, 2)])
def test_a_second_promotion_counts_after_a_quarter_of_an_hour(gap_ms: int, fired: int) -> None:
    promotion = {"model_path": "m"}
    events = ((0, "MODEL_PROMOTED", promotion), (gap_ms, "MODEL_PROMOTED", promotion))
    assert len(decide("promotion_shifts_curriculum", *events)) == fired


# ---- velocity_rebalances_priorities -----------------------------------------------------------------


def velocity(value: float, trend: str = "accelerating") -> dict[str, Any]:
    return {"velocity": value, "previous_velocity": 0.0, "trend": trend}


@pytest.mark.parametrize(("value", "weight"), [(9.99, None), (10.0, 1.2), (19.99, 1.2), (20.0, 1.35)])
def test_a_fast_gain_raises_the_weight_by_its_speed(value: float, weight: float | None) -> None:
    firings = decide("velocity_rebalances_priorities", (0, "ELO_VELOCITY_CHANGED", velocity(value)))
    # 1.35 is more than the step of 0.3 an hour lets through
    expected = [] if weight is None else [("curriculum_weight", min(weight, 1.3))]
    assert sets(firings) == expected
    assert ("CURRICULUM_ADVANCED" in emitted(firings)) == (value >= 20)


def test_a_slowing_gain_raises_nothing() -> None:
    assert not decide(
        "velocity_rebalances_priorities", (0, "ELO_VELOCITY_CHANGED", velocity(30, "decelerating"))
    )


@pytest.mark.parametrize(("value", "cleared"), [(0.0, False), (-0.01, True)])
def test_the_boost_ends_when_the_rating_falls(value: float, cleared: bool) -> None:
    events = (
        (0, "ELO_VELOCITY_CHANGED", velocity(12)),
        (MINUTE, "ELO_VELOCITY_CHANGED", velocity(value)),
        (2 * MINUTE, "ELO_VELOCITY_CHANGED", velocity(12)),
    )
    assert len(decide("velocity_rebalances_priorities", *events)) == (3 if cleared else 1)


# ---- loss_trend_steers_exploration ------------------------------------------------------------------


def trend(word: str) -> dict[str, Any]:
    return {"trend": word, "epoch": 1, "current_loss": 0.7, "previous_loss": 0.7}


@pytest.mark.parametrize(("reports", "values"), [(4, []), (5, [1.1]), (9, [1.1]), (10, [1.1, 1.2])])
def test_exploration_grows_with_each_group_of_five_stalls(reports: int, values: list[float]) -> None:
    events = [(n * MINUTE, "TRAINING_LOSS_TREND", trend("stalled")) for n in range(reports)]
    firings = decide("loss_trend_steers_exploration", *events)
    assert sets(firings) == [("exploration", value) for value in values]


def test_an_improving_loss_lets_exploration_fade() -> None:
    events = [(n * MINUTE, "TRAINING_LOSS_TREND", trend("stalled")) for n in range(5)]
    events.append((6 * MINUTE, "TRAINING_LOSS_TREND", trend("improving")))
    firings = decide("loss_trend_steers_exploration", *events)
    assert sets(firings)[-1] == ("exploration", 1.0)


def test_a_degrading_loss_asks_for_a_look_at_the_data() -> None:
    firings = decide("loss_trend_steers_exploration", (0, "TRAINING_LOSS_TREND", trend("degrading")))
    assert emitted(firings) == ["QUALITY_CHECK_REQUESTED"]


# ---- low_quality_throttles_generation ---------------------------------------------------------------


@pytest.mark.parametrize(("score", "fired"), [(0.599, True), (0.60, False)])
def test_poor_quality_throttles(score: float, fired: bool) -> None:
    firings = decide("low_quality_throttles_generation", (0, "QUALITY_DEGRADED", {"quality_score": score}))
    assert bool(firings) is fired
    if fired:
        assert ("selfplay_rate", 0.5) in sets(firings)
        assert done(firings) == ["QualityMonitorDaemon.throttle_generation"]


@pytest.mark.parametrize(("score", "recovered"), [(0.799, False), (0.80, True)])
def test_generation_recovers_at_good_quality(score: float, recovered: bool) -> None:
    firings = decide(
        "low_quality_throttles_generation",
        (0, "QUALITY_DEGRADED", {"quality_score": 0.4}),
        (HOUR, "QUALITY_SCORE_UPDATED", {"quality_score": score}),
    )
    assert [firing.cause for firing in firings] == (["event", "cleared"] if recovered else ["event"])


@pytest.mark.parametrize(("drop", "fired"), [(0.149, 2), (0.15, 3)])
def test_a_steep_drop_passes_the_cooldown(drop: float, fired: int) -> None:
    firings = decide(
        "low_quality_throttles_generation",
        (0, "QUALITY_DEGRADED", {"quality_score": 0.5}),
        (1_000, "QUALITY_SCORE_UPDATED", {"quality_score": 0.9}),
        (2_000, "QUALITY_DEGRADED", {"quality_score": 0.5, "degradation_delta": drop}),
    )
    assert len(firings) == fired


# ---- low_quality_warning_cuts_exploration -----------------------------------------------------------


def test_a_warning_cuts_exploration_of_all_configurations() -> None:
    stalls = [(n, "TRAINING_LOSS_TREND", trend("stalled")) for n in range(5)]
    firings = decide(
        "low_quality_warning_cuts_exploration",
        *stalls,
        (MINUTE, "LOW_QUALITY_DATA_WARNING", {"quality_score": 0.55}),
    )
    assert sets(firings) == [("exploration", 1.0)]


# ---- evaluation_tunes_training ----------------------------------------------------------------------


def evaluation(elo: float, games: int = 20) -> dict[str, Any]:
    return {"elo": elo, "games_played": games, "win_rate": 0.8}


@pytest.mark.parametrize(
    ("change", "scale"), [(-30.1, 0.2), (-30, 0.5), (9.9, 0.5), (10, None), (50, None), (50.1, None)]
)
def test_the_learning_rate_follows_the_change_of_rating(change: float, scale: float | None) -> None:
    firings = decide(
        "evaluation_tunes_training",
        (0, "EVALUATION_COMPLETED", evaluation(1500)),
        (HOUR, "EVALUATION_COMPLETED", evaluation(1500 + change)),
    )
    changed = dict(sets(firings))
    assert changed.get("learning_rate_scale", 1.0) == (1.0 if scale is None else scale)
    assert changed.get("epochs_bonus", 0) == (10 if change > 50 else 0)


def test_a_handful_of_games_is_no_evaluation() -> None:
    events = [(n * HOUR, "EVALUATION_COMPLETED", evaluation(1500 - 100 * n, games=4)) for n in range(3)]
    assert not decide("evaluation_tunes_training", *events)


# ---- regression_rolls_back ---------------------------------------------------------------------------


def regression(severity: str, drop: float = 25) -> dict[str, Any]:
    return {"severity": severity, "elo_drop": drop, "model_path": "models/worse.npz"}


@pytest.mark.parametrize(
    ("severity", "drop", "rolled_back"),
    [
        ("minor", 60, False),
        ("moderate", 30, False),
        ("moderate", 30.1, True),
        ("severe", 60, False),
        ("critical", 80, True),
    ],
)
def test_a_first_regression_is_rolled_back_when_it_is_bad_enough(
    severity: str, drop: float, rolled_back: bool
) -> None:
    firings = decide("regression_rolls_back", (0, "REGRESSION_DETECTED", regression(severity, drop)))
    assert done(firings) == (["RollbackManager.roll_back"] if rolled_back else [])
    assert emitted(firings) == ["SELFPLAY_TARGET_UPDATED"]


@pytest.mark.parametrize(("severity", "needed"), [("minor", 3), ("severe", 2)])
def test_regressions_in_a_row_count_as_worse(severity: str, needed: int) -> None:
    events = [(n * HOUR, "REGRESSION_DETECTED", regression(severity)) for n in range(needed)]
    assert done(decide("regression_rolls_back", *events[:-1])) == []
    assert done(decide("regression_rolls_back", *events)) == ["RollbackManager.roll_back"]
    cleared = (needed * HOUR - HOUR // 2, "REGRESSION_CLEARED", {})
    again = [*events, cleared, (needed * HOUR, "REGRESSION_DETECTED", regression(severity))]
    assert done(decide("regression_rolls_back", *again)) == ["RollbackManager.roll_back"]


def test_a_critical_regression_is_not_hidden_by_the_cooldown() -> None:
    firings = decide(
        "regression_rolls_back",
        (0, "REGRESSION_DETECTED", regression("minor")),
        (1_000, "REGRESSION_DETECTED", regression("critical", 90)),
        (2_000, "REGRESSION_DETECTED", regression("minor")),
    )
    assert done(firings) == ["RollbackManager.roll_back"]
    assert len(firings) == 2
