"""Walking over typed expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rules_engine.language import program


def children(expr: program.Expr) -> tuple[program.Expr, ...]:
    """The direct parts of an expression, in the order written; filters and samples of windows included."""
    match expr:
        case program.KnobRead(key=key):
            return key
        case (
            program.Member(subject=subject)
            | program.Matches(subject=subject)
            | program.IsKnown(subject=subject)
        ):
            return (subject,)
        case program.Aggregate():
            return _of_aggregate(expr)
        case program.Prev(sample=sample):
            return (sample,)
        case program.Streak(condition=condition):
            return (condition,)
        case program.Unary(operand=operand):
            return (operand,)
        case program.Binary(left=left, right=right):
            return (left, right)
        case program.ListOf(items=items):
            return items
        case program.FunctionCall(arguments=arguments):
            return arguments
        case program.Match():
            tests = [
                part for arm in expr.arms for part in (arm.test, arm.value) if isinstance(part, program.Expr)
            ]
            return (*((expr.subject,) if expr.subject else ()), *tests)
        case program.Interpolation(parts=parts):
            return tuple(part for part in parts if isinstance(part, program.Expr))
    return ()


def _of_aggregate(expr: program.Aggregate) -> tuple[program.Expr, ...]:
    parts = [expr.sample]
    if expr.feed is not None:
        parts.append(expr.feed.filter)
    if isinstance(expr.window, program.SinceEvent):
        parts.append(expr.window.filter)
    return tuple(part for part in parts if part is not None)


def walk(expr: program.Expr) -> Iterator[program.Expr]:
    """The expression and all its parts, outer ones first."""
    waiting = [expr]
    while waiting:
        here = waiting.pop()
        yield here
        waiting.extend(reversed(children(here)))


def roots(loop: program.Loop) -> Iterator[program.Expr]:
    """Every expression of a loop, wherever it stands."""
    for heard in loop.trigger.events:
        yield from _there(heard.filter)
    for _, value in loop.locals:
        yield value
    yield from _there(loop.when, loop.until, loop.unless)
    blocks = (loop.effects, loop.cleared, *(after.effects for after in loop.after), loop.failed)
    for effect in (effect for block in blocks for effect in block):
        yield from _there(effect.condition)
        match effect:
            case program.SetEffect(key=key, value=value):
                yield from (*key, value)
            case program.EmitEffect(payload=given) | program.DoEffect(arguments=given):
                yield from (value for _, value in given)


def _there(*parts: program.Expr | None) -> Iterator[program.Expr]:
    return (part for part in parts if part is not None)


def weight(expr: program.Expr, of_local: Callable[[str], int]) -> int:
    """How many parts an expression has by way of locals, each as heavy as `of_local` says."""
    return sum(1 + of_local(part.name) for part in walk(expr) if isinstance(part, program.LocalRead))


def size(expr: program.Expr) -> int:
    """How many parts an expression has."""
    return sum(1 for _ in walk(expr))


def window_height(expr: program.Expr, local: Callable[[str], program.Expr | None]) -> int:
    """How many windows stand inside one another in it, through its locals (L13)."""
    if isinstance(expr, program.LocalRead):
        value = local(expr.name)
        return window_height(value, local) if value is not None else 0
    inner = max((window_height(child, local) for child in children(expr)), default=0)
    return inner + isinstance(expr, program.Aggregate | program.Prev | program.Streak)
