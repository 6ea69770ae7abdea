"""Calls: functions of values, `prev` and `streak`."""

from __future__ import annotations

from rules_engine.cron import UTC
from rules_engine.language import calendar, program, syntax, windows
from rules_engine.language.catalog import (
    AGGREGATES,
    FUNCTION_NAMES,
    FUNCTIONS,
    FUNCTIONS_ELSEWHERE,
    MEMORIES,
    did_you_mean,
)
from rules_engine.language.diagnostics import Code, Severity
from rules_engine.language.names import NOT_A_DURATION, described
from rules_engine.language.operators import WRONG_TYPE, not_a_condition
from rules_engine.language.scope import Typer, unclear
from rules_engine.language.source import Span
from rules_engine.language.traversal import window_height
from rules_engine.language.types import ANY, BOOL, DURATION, FLOAT, INT, Base, Type
from rules_engine.language.windows import MISUSED_FUNCTION, NESTED_WINDOW, no_window_here

UNKNOWN_FUNCTION = Code("RE106", "unknown-function", Severity.ERROR, "There is no function of this name.")

#: Functions of a whole knob, `sum(weight[*])`.
OVER_KEYS = ("sum", "avg", "min", "max")


def call(typer: Typer, expr: syntax.Call) -> program.Expr:
    """Any call, of a function, an aggregate, `prev` or `streak`."""
    name, findings = expr.function.text, typer.scope.names.findings
    if name not in FUNCTION_NAMES:
        known = FUNCTIONS_ELSEWHERE.get(name)
        advice = f"write `{known}`" if known else did_you_mean(name, FUNCTION_NAMES)
        findings.add(UNKNOWN_FUNCTION.at(expr.function.span, f"unknown function `{name}`", help=advice))
        for argument in expr.arguments:
            if not isinstance(argument.value, syntax.OfEvent):
                typer.of(argument.value)
        return unclear(expr.span)
    for argument in expr.arguments:
        if argument.name is not None:
            message = f"`{name}` takes its arguments by position"
            advice = f"remove `{argument.name.text}:`"
            findings.add(MISUSED_FUNCTION.at(argument.name.span, message, help=advice))
            return unclear(expr.span)
    arguments = tuple(argument.value for argument in expr.arguments)
    if name in MEMORIES:
        return _memory(typer, expr, arguments)
    if expr.window is not None or _is_aggregate(typer, name, arguments):
        return windows.aggregate(typer, expr, arguments)
    if name in OVER_KEYS and len(arguments) == 1 and _is_all_keys(arguments[0]):
        return _over_keys(typer, expr, arguments[0])
    return _function(typer, expr, arguments)


def _is_aggregate(typer: Typer, name: str, arguments: tuple[syntax.Expr, ...]) -> bool:
    if name not in AGGREGATES or any(_is_all_keys(argument) for argument in arguments):
        return False
    return name not in FUNCTIONS or (typer.scope.gathers and len(arguments) == 1)


def _is_all_keys(expr: syntax.Expr) -> bool:
    return isinstance(expr, syntax.KnobAt) and expr.key is None


def _over_keys(typer: Typer, expr: syntax.Call, argument: syntax.Expr) -> program.Expr:
    values = typer.of(argument)
    if isinstance(values, program.KnobRead) and values.knob.words:
        message = f"`{expr.function.text}` needs numbers, the values of `{values.knob.name}` are words"
        advice = f'ask for one key: `{values.knob.name}["..."]`'
        typer.scope.names.findings.add(WRONG_TYPE.at(values.span, message, help=advice))
        return unclear(expr.span)
    return program.FunctionCall(expr.span, FLOAT.or_unknown(), expr.function.text, (values,))


def _function(typer: Typer, expr: syntax.Call, arguments: tuple[syntax.Expr, ...]) -> program.Expr:
    function, findings = FUNCTIONS[expr.function.text], typer.scope.names.findings
    if not function.takes(len(arguments)):
        if function.name in AGGREGATES and len(arguments) == 1:
            return windows.without_span(typer, expr, arguments)
        wants = str(function.least) if function.least == function.most else f"at least {function.least}"
        if function.most is not None and len(arguments) > function.most:
            wants = f"at most {function.most}" if function.least != function.most else wants
        message = f"`{function.name}` takes {wants} arguments, not {len(arguments)}"
        if wants == "1":
            message = f"`{function.name}` takes one argument, not {len(arguments)}"
        findings.add(MISUSED_FUNCTION.at(expr.span, message, help=f"write it as `{function.example}`"))
        return unclear(expr.span)
    if function.name == "during":
        return _during(typer, expr, arguments)
    typed = tuple(typer.of(argument) for argument in arguments)
    for argument in typed:
        if not (argument.type.is_number or argument.type.base in (Base.DURATION, Base.ANY)):
            message = f"`{function.name}` needs numbers, this is {described(argument.type)}"
            advice = f"write it as `{function.example}`"
            findings.add(WRONG_TYPE.at(argument.span, message, help=advice))
            return unclear(expr.span)
    its_type = _function_type(function.name, typed)
    if its_type is None:
        message = f"`{function.name}` of durations and plain numbers"
        findings.add(NOT_A_DURATION.at(expr.span, message, help="write the unit of each, as in 10m"))
        return unclear(expr.span)
    return program.FunctionCall(expr.span, its_type, function.name, typed)


def _function_type(name: str, arguments: tuple[program.Expr, ...]) -> Type | None:
    maybe = any(argument.type.optional for argument in arguments)
    kinds = {argument.type.base for argument in arguments}
    if Base.ANY in kinds:
        return ANY
    if Base.DURATION in kinds:
        if name in ("min", "max", "clamp", "mod", "abs"):
            return DURATION.or_unknown(maybe) if len(kinds) == 1 else None
        return None
    if name in ("floor", "ceil") or (name == "round" and len(arguments) == 1):
        return INT.or_unknown(maybe)
    whole = kinds == {Base.INT} and name in ("min", "max", "clamp", "mod", "abs")
    return (INT if whole else FLOAT).or_unknown(maybe)


def _during(typer: Typer, expr: syntax.Call, arguments: tuple[syntax.Expr, ...]) -> program.Expr:
    findings = typer.scope.names.findings
    texts: list[tuple[str, Span]] = []
    for argument in arguments:
        if not (isinstance(argument, syntax.LiteralValue) and isinstance(argument.value, str)):
            message, advice = (
                "`during` needs a text in quotes",
                f"write it as `{FUNCTIONS['during'].example}`",
            )
            findings.add(WRONG_TYPE.at(argument.span, message, help=advice))
            return unclear(expr.span)
        texts.append((argument.value, argument.span))
    zone = texts[1] if len(texts) > 1 else None
    if not calendar.check(findings, texts[0], zone):
        return unclear(expr.span)
    return program.During(expr.span, BOOL, texts[0][0], zone[0] if zone else UTC)


def _memory(typer: Typer, expr: syntax.Call, arguments: tuple[syntax.Expr, ...]) -> program.Expr:
    scope, name = typer.scope, expr.function.text
    if len(arguments) != 1 or expr.window is not None or isinstance(arguments[0], syntax.OfEvent):
        message = f"`{name}` looks back over the loop's own events and takes one argument"
        advice = f"write it as `{MEMORIES[name]}`"
        scope.names.findings.add(MISUSED_FUNCTION.at(expr.span, message, help=advice))
        return unclear(expr.span)
    if no_window_here(scope, expr):
        return unclear(expr.span)
    inner = typer.of(arguments[0])
    if window_height(inner, scope.local) > (1 if name == "streak" else 0):
        advice = "take the inner one away: only `streak` may hold a window, and only one"
        scope.names.findings.add(NESTED_WINDOW.at(expr.span, "windows inside one another", help=advice))
        return unclear(expr.span)
    if name == "prev":
        return program.Prev(expr.span, inner.type.or_unknown(), inner)
    if inner.type.base not in (Base.BOOL, Base.ANY):
        scope.names.findings.add(not_a_condition(inner))
        return unclear(expr.span)
    return program.Streak(expr.span, INT, inner)
