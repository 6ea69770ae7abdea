"""Aggregates of samples, as L12 defines them. Sums are exactly rounded, so their order is of no matter."""

from __future__ import annotations

import json
import math
from typing import Any

from rules_engine.engine import values
from rules_engine.engine.plan import Value


def total(numbers: list[Any]) -> Value:
    """The sum: an int of ints, else an exactly rounded float; unknown when it overflows."""
    try:
        plain = sum(numbers)
        return values.checked(plain if type(plain) is int else math.fsum(numbers))
    except (OverflowError, ValueError):
        return None


def of_samples(function: str, samples: list[Value], quantile: float | None) -> Value:
    """`distinct`, and of numbers `stddev` and `quantile`; unknown for samples that are not numbers."""
    if function == "distinct":
        return len({_identity(sample) for sample in samples})
    if not values.all_numbers(samples):
        return None
    if function == "stddev":
        return deviation(samples)
    if function == "quantile" and quantile is not None:
        return at_rank(samples, quantile)
    return None


def _identity(sample: Value) -> tuple[str, Any]:
    """Equal for samples that `==` calls equal, and for no others."""
    if values.is_number(sample):
        return "number", sample
    if type(sample) in (str, bool):
        return type(sample).__name__, sample
    return "json", json.dumps(sample, sort_keys=True, default=str)


def deviation(samples: list[Any]) -> Value:
    """The population's standard deviation."""
    whole = total(samples)
    if whole is None:
        return None
    mean = whole / len(samples)
    try:
        return values.checked(math.sqrt(math.fsum([(x - mean) ** 2 for x in samples]) / len(samples)))
    except (OverflowError, ValueError):
        return None


def at_rank(samples: list[Any], share: float) -> Value:
    """Linear interpolation between closest ranks."""
    ranked = sorted(samples)
    place = min(max(share, 0.0), 1.0) * (len(ranked) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ranked) - 1)
    share_above = place - below
    if not share_above:
        return values.checked(float(ranked[below]))
    # Not `a + (b - a) * share`: the difference of two numbers can be too large where their mean is not.
    return values.checked(ranked[below] * (1 - share_above) + ranked[above] * share_above)


def slope(places: list[int], samples: list[Value], span: int) -> Value:
    """The least-squares change over `span` places; unknown of one sample, or all at one place."""
    if len(samples) < 2 or not values.all_numbers(samples):
        return None
    n = len(samples)
    origin = places[0]
    xs = [place - origin for place in places]
    middle = sum(xs) / n
    try:
        mean = math.fsum(samples) / n
        spread = math.fsum([(x - middle) ** 2 for x in xs])
        if spread == 0:
            return None
        joint = math.fsum([(x - middle) * (y - mean) for x, y in zip(xs, samples, strict=True)])
        return values.checked(joint / spread * span)
    except (OverflowError, ValueError):
        return None


def weigh(state: list[Any] | None, sample: Value, now_ms: int, half_ms: int) -> list[Any] | None:
    """Add a sample to `[weighted sum, weight, time]`, older ones fading by half each `half_ms`."""
    if not values.is_number(sample):
        return state
    if state is None:
        return [float(sample), 1.0, now_ms]
    fade = 2.0 ** (-(now_ms - state[2]) / half_ms) if half_ms else 0.0
    faded = values.checked(state[0] * fade + sample)
    return state if faded is None else [faded, state[1] * fade + 1.0, now_ms]


def weighted_mean(state: list[Any] | None) -> Value:
    """The normalised mean, to nine decimals."""
    return None if state is None else values.checked(round(state[0] / state[1], values.KNOB_DECIMALS))
