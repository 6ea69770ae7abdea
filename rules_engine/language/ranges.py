"""Which values an expression can have, as far as the declared ranges and words tell."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

from rules_engine.language import program
from rules_engine.language.regions import Choice, Interval, Numbers, Region, exact
from rules_engine.language.types import Base, Type

ANYTHING = Interval()
#: Aggregates whose value lies among their samples.
_AMONG_SAMPLES = ("avg", "min", "max", "first", "last", "quantile", "ewma")


@lru_cache(maxsize=1024)
def of_type(its_type: Type) -> Region | None:
    """The values of a type; None where they are not numbers, words or truth values."""
    if its_type.words:
        return Choice(frozenset(its_type.words))
    if its_type.base is Base.BOOL:
        return Choice(frozenset((True, False)))
    if its_type.base is Base.STR:
        return Choice(frozenset(), others=True)
    if its_type.is_number or its_type.base is Base.DURATION:
        low = None if its_type.low is None else exact(its_type.low)
        high = None if its_type.high is None else exact(its_type.high)
        if its_type.base is Base.DURATION and low is None:
            low = Fraction(0)
        return Numbers((Interval(low, high),), whole=its_type.base is Base.INT)
    return None


def bounds(expr: program.Expr, locals: Mapping[str, program.Expr], least: Fraction | None = None) -> Interval:
    """An interval that every known value of a numeric expression lies in.

    `least` stands in for the lower end of fields that declare none.
    """
    match expr:
        case program.Const(value=value):
            point = exact(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
            return Interval(point, point)
        case program.LocalRead(name=name) if name in locals:
            return bounds(locals[name], locals, least)
        case program.Unary(op="-", operand=operand):
            return _times(bounds(operand, locals, least), Interval(Fraction(-1), Fraction(-1)))
        case program.Binary():
            return _of_binary(expr, locals, least)
        case program.Match(arms=arms):
            return _hull([bounds(arm.value, locals, least) for arm in arms])
        case program.FunctionCall():
            return _of_function(expr, locals, least)
        case program.Aggregate(function="slope"):
            return ANYTHING
        case program.Aggregate(function="count" | "distinct" | "stddev") | program.Streak():
            return _of_counted(expr)
        case program.Aggregate(function=function, sample=sample) if sample and function in _AMONG_SAMPLES:
            return bounds(sample, locals, least)
        case program.Prev(sample=sample):
            return bounds(sample, locals, least)
    region = of_type(expr.type)
    if isinstance(region, Numbers):
        span = _hull(list(region.intervals))
        assumed = span.low is None and isinstance(expr, program.FieldRead)
        return Interval(least, span.high) if assumed else span
    return ANYTHING


def _of_counted(expr: program.Aggregate | program.Streak) -> Interval:
    match expr:
        case program.Aggregate(function="count" | "distinct", window=program.OverLast(count=most)):
            return Interval(Fraction(0), Fraction(most))
    return Interval(Fraction(0), None)


def _of_binary(expr: program.Binary, locals: Mapping[str, program.Expr], least: Fraction | None) -> Interval:
    left, right = bounds(expr.left, locals, least), bounds(expr.right, locals, least)
    match expr.op:
        case "+":
            return _plus(left, right)
        case "-":
            return _plus(left, _times(right, Interval(Fraction(-1), Fraction(-1))))
        case "*":
            return _times(left, right)
        case "/":
            return _times(left, _inverse(right))
        case "??":
            return _hull([left, right])
    return ANYTHING


def _of_function(
    expr: program.FunctionCall, locals: Mapping[str, program.Expr], least: Fraction | None
) -> Interval:
    if any(isinstance(argument, program.KnobRead) and argument.all_keys for argument in expr.arguments):
        knob = next(argument.knob for argument in expr.arguments if isinstance(argument, program.KnobRead))
        if expr.function == "sum" or knob.words:
            return ANYTHING
        return Interval(exact(knob.low), exact(knob.high))
    given = [bounds(argument, locals, least) for argument in expr.arguments]
    lows, highs = [part.low for part in given], [part.high for part in given]
    match expr.function:
        case "min":
            return Interval(_least(lows), min((h for h in highs if h is not None), default=None))
        case "max":
            return Interval(max((low for low in lows if low is not None), default=None), _most(highs))
        case "clamp":
            return Interval(lows[1], highs[2])
        case "abs":
            return _absolute(given[0])
        case "floor" | "ceil" | "round":
            low = None if lows[0] is None else lows[0] - 1
            high = None if highs[0] is None else highs[0] + 1
            return Interval(low, high)
    return ANYTHING


def _absolute(given: Interval) -> Interval:
    if given.low is not None and given.low >= 0:
        return given
    if given.high is not None and given.high <= 0:
        return Interval(-given.high, None if given.low is None else -given.low)
    if given.low is None or given.high is None:
        return Interval(Fraction(0), None)
    return Interval(Fraction(0), max(-given.low, given.high))


def _least(ends: list[Fraction | None]) -> Fraction | None:
    return None if None in ends else min(end for end in ends if end is not None)


def _most(ends: list[Fraction | None]) -> Fraction | None:
    return None if None in ends else max(end for end in ends if end is not None)


def _hull(parts: list[Interval]) -> Interval:
    if not parts:
        return ANYTHING
    return Interval(_least([part.low for part in parts]), _most([part.high for part in parts]))


def _plus(one: Interval, other: Interval) -> Interval:
    low = None if one.low is None or other.low is None else one.low + other.low
    high = None if one.high is None or other.high is None else one.high + other.high
    return Interval(low, high)


def _times(one: Interval, other: Interval) -> Interval:
    ends = (one.low, one.high, other.low, other.high)
    if None in ends:
        return _times_unbounded(one, other)
    products = [
        a * b for a in (one.low, one.high) for b in (other.low, other.high) if a is not None and b is not None
    ]
    return Interval(min(products), max(products))


def _times_unbounded(one: Interval, other: Interval) -> Interval:
    """Only signs can be told: two of one sign give something not below zero."""
    positive = [part.low is not None and part.low >= 0 for part in (one, other)]
    negative = [part.high is not None and part.high <= 0 for part in (one, other)]
    if all(positive) or all(negative):
        return Interval(Fraction(0), None)
    if (positive[0] and negative[1]) or (negative[0] and positive[1]):
        return Interval(None, Fraction(0))
    return ANYTHING


def _inverse(given: Interval) -> Interval:
    if given.low is not None and given.low > 0:
        return Interval(Fraction(0) if given.high is None else 1 / given.high, 1 / given.low)
    if given.high is not None and given.high < 0:
        return Interval(1 / given.high, Fraction(0) if given.low is None else 1 / given.low)
    return ANYTHING
