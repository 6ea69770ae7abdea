"""Ratings from matches: how strong a model is, how fast it gains, how badly it fell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

BASELINE_ELO = 1000.0  #: of the fixed opponent; all other ratings are measured against it

Severity = Literal["minor", "moderate", "severe", "critical"]
Trend = Literal["accelerating", "stable", "decelerating"]

_SEVERITIES: tuple[tuple[float, Severity], ...] = (
    (75, "critical"), (50, "severe"), (35, "moderate"), (20, "minor"),
)  # fmt: skip


@dataclass(frozen=True)
class Score:
    """`points` (a win is 1, a draw a half) out of `games` against an opponent rated `opponent_elo`."""

    opponent_elo: float
    points: float
    games: int


def expected(elo: float, opponent_elo: float) -> float:
    """The share of points that the ratings forecast, 0..1."""
    return float(1 / (1 + 10 ** ((opponent_elo - elo) / 400)))


def performance(scores: list[Score]) -> float:
    """The rating at which the forecasts over all scores add up to the points made.

    One drawn game against each opponent is added, so that a clean sweep has a finite rating.
    """
    points = sum(score.points + 0.5 for score in scores)
    low, high = -2000.0, 5000.0
    while high - low > 0.01:
        middle = (low + high) / 2
        forecast = sum((score.games + 1) * expected(middle, score.opponent_elo) for score in scores)
        low, high = (middle, high) if forecast < points else (low, middle)
    return round((low + high) / 2, 1)


def velocity(history: list[tuple[float, float]], span_hours: float) -> float:
    """Rating points per hour: the least-squares slope over the last `span_hours`.

    `history` holds (hour, rating), in order of time. 0 with fewer than three points.
    """
    if not history:
        return 0.0
    recent = [(hour, elo) for hour, elo in history if hour > history[-1][0] - span_hours]
    if len(recent) < 3:
        return 0.0
    hours, elos = np.array(recent).T
    return round(float(np.polyfit(hours - hours[-1], elos, 1)[0]), 2)


def velocity_trend(now: float, before: float) -> Trend:
    """Whether a velocity rose or fell by more than a fifth of itself and two points per hour."""
    moved = now - before
    if abs(moved) <= max(2.0, 0.2 * abs(before)):
        return "stable"
    return "accelerating" if moved > 0 else "decelerating"


def severity(elo_drop: float) -> Severity | None:
    """The word for a loss of rating points; None under 20."""
    return next((word for least, word in _SEVERITIES if elo_drop >= least), None)
