"""The functions of the language: of a list of values, one value; unknown where they make no sense."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rules_engine.engine import values
from rules_engine.engine.plan import Value


def _numbers(arguments: list[Value]) -> list[Any] | None:
    """The numbers an extreme or a sum ranges over; None when one is unknown, or there are none."""
    if len(arguments) == 1 and type(arguments[0]) is dict:
        arguments = list(arguments[0].values())
    elif len(arguments) == 1 and type(arguments[0]) is list:
        arguments = arguments[0]
    return arguments if arguments and values.all_numbers(arguments) else None


def _extreme(choose: Callable[[list[Any]], Any]) -> Callable[[list[Value]], Value]:
    def compute(arguments: list[Value]) -> Value:
        numbers = _numbers(arguments)
        return None if numbers is None else choose(numbers)

    return compute


def _sum(arguments: list[Value]) -> Value:
    numbers = _numbers(arguments)
    return None if numbers is None else values.checked(sum(numbers))


def _average(arguments: list[Value]) -> Value:
    numbers = _numbers(arguments)
    return None if numbers is None else values.divide(values.checked(sum(numbers)), len(numbers))


def _absolute(arguments: list[Value]) -> Value:
    return values.checked(abs(arguments[0])) if values.is_number(arguments[0]) else None


def _whole(compute: Callable[[Any], int]) -> Callable[[list[Value]], Value]:
    return lambda arguments: values.checked(compute(arguments[0])) if values.is_number(arguments[0]) else None


def _clamp(arguments: list[Value]) -> Value:
    value, low, high = arguments
    if not values.all_numbers(arguments) or low > high:
        return None
    return min(max(value, low), high)


FUNCTIONS: dict[str, Callable[[list[Value]], Value]] = {
    "min": _extreme(min),
    "max": _extreme(max),
    "sum": _sum,
    "avg": _average,
    "abs": _absolute,
    "floor": _whole(math.floor),
    "ceil": _whole(math.ceil),
    "round": lambda arguments: values.rounded(*arguments),
    "clamp": _clamp,
    "mod": lambda arguments: values.modulo(*arguments),
    "pow": lambda arguments: values.power(*arguments),
}
