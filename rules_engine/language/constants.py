"""Values that are known before anything runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rules_engine.language import program

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "clamp": lambda value, low, high: None if low > high else max(low, min(high, value)),
}
_INT_END = 2**63


def settled(expr: program.Expr) -> program.Expr:
    """The expression as one constant, where arithmetic of constants is all there is in it."""
    if isinstance(expr, program.Const):
        return expr
    value = _value(expr)
    return expr if value is None else program.Const(expr.span, expr.type.known(), value)


def _value(expr: program.Expr) -> Any:
    """The value in the engine's own arithmetic (L35), None where it is not settled or not finite."""
    match expr:
        case program.Const(value=value):
            return value
        case program.Unary(op="-", operand=operand):
            value = _number(operand)
            return None if value is None else _held(-value)
        case program.Binary(op="+" | "-" | "*" | "/"):
            return _arithmetic(expr)
        case program.FunctionCall(function=function) if function in _FUNCTIONS:
            values = [_number(argument) for argument in expr.arguments]
            return None if None in values else _held(_FUNCTIONS[function](*values))
    return None


def _number(expr: program.Expr) -> Any:
    value = _value(expr)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _arithmetic(expr: program.Binary) -> Any:
    left, right = _number(expr.left), _number(expr.right)
    if left is None or right is None or (expr.op == "/" and right == 0):
        return None
    try:
        value = {
            "+": lambda: left + right,
            "-": lambda: left - right,
            "*": lambda: left * right,
            "/": lambda: left / right,
        }[expr.op]()
    except OverflowError:
        return None
    return _held(value)


def _held(value: Any) -> Any:
    """The number if the engine can hold it: finite, a whole one within 64 bit."""
    if isinstance(value, int):
        return value if -_INT_END <= value < _INT_END else None
    return value if value is not None and math.isfinite(value) else None
