"""Ratings, velocities and the words for them, each on both sides of its edge."""

from __future__ import annotations

import pytest

from rules_engine.demo.ratings import Score, expected, performance, severity, velocity, velocity_trend


def test_equal_ratings_share_the_points() -> None:
    assert expected(1200, 1200) == 0.5
    assert expected(1400, 1000) == pytest.approx(10 / 11)


def test_performance_is_where_forecast_and_points_meet() -> None:
    assert performance([Score(1000, 50, 100)]) == pytest.approx(1000, abs=0.1)
    assert performance([Score(1000, 10_000 / 11 * 10, 10_000)]) == pytest.approx(1400, abs=1)


def test_a_clean_sweep_has_a_finite_rating() -> None:
    assert 1500 < performance([Score(1000, 100, 100)]) < 2500
    assert -500 < performance([Score(1000, 0, 100)]) < 500


def test_more_opponents_are_weighed_together() -> None:
    both = performance([Score(1000, 75, 100), Score(1400, 25, 100)])
    assert both == pytest.approx(1200, abs=1)


def test_velocity_is_points_per_hour_over_the_last_hours() -> None:
    history = [(0.0, 500.0), (8.0, 1000.0), (9.0, 1020.0), (10.0, 1040.0)]
    assert velocity(history, 3.0) == pytest.approx(20)


def test_velocity_of_too_little_is_zero() -> None:
    assert velocity([], 2.0) == 0
    assert velocity([(0.0, 1.0), (1.0, 100.0)], 2.0) == 0


@pytest.mark.parametrize(
    ("now", "before", "word"),
    [
        (12.0, 10.0, "stable"), (12.1, 10.0, "accelerating"), (7.9, 10.0, "decelerating"),
        (120.0, 100.0, "stable"), (121.0, 100.0, "accelerating"), (-3.0, 0.0, "decelerating"),
    ],
)  # fmt: skip
def test_velocity_trend(now: float, before: float, word: str) -> None:
    assert velocity_trend(now, before) == word


@pytest.mark.parametrize(
    ("drop", "word"),
    [
        (19.9, None), (20, "minor"), (34.9, "minor"), (35, "moderate"), (49.9, "moderate"),
        (50, "severe"), (74.9, "severe"), (75, "critical"), (-10, None),
    ],
)  # fmt: skip
def test_severity_by_rating_drop(drop: float, word: str | None) -> None:
    assert severity(drop) == word
