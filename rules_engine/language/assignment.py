"""Whether a value may stand where a type is declared."""

from __future__ import annotations

from collections.abc import Mapping

from rules_engine.language import program
from rules_engine.language.diagnostics import Code, Diagnostic, Severity
from rules_engine.language.names import NOT_A_DURATION, described
from rules_engine.language.operators import WRONG_TYPE, word_fault
from rules_engine.language.ranges import bounds
from rules_engine.language.regions import Interval, exact
from rules_engine.language.scope import Unclear
from rules_engine.language.types import Base, Type

OUT_OF_RANGE = Code(
    "RE207", "out-of-range", Severity.ERROR, "A value can never lie within the declared range."
)


def misfit(
    value: program.Expr, its_type: Type, what: str, locals: Mapping[str, program.Expr] | None = None
) -> Diagnostic | None:
    """Why a value cannot be what is declared; None where it can. `what` names the place, "`penalty`"."""
    given = value.type
    if isinstance(value, Unclear) or Base.ANY in (given.base, its_type.base):
        return None
    if Base.DURATION in (given.base, its_type.base) and (given.is_number or its_type.is_number):
        if its_type.base is Base.DURATION:
            message, advice = f"{what} is a duration, this is a plain number", "write the unit, as in 10m"
        else:
            message, advice = (
                f"{what} is a plain number, this is a duration",
                "divide it by a unit, as in `x / 1s`",
            )
        return NOT_A_DURATION.at(value.span, message, help=advice)
    if given.base is not its_type.base and not (given.is_number and its_type.is_number):
        message = f"{what} is {described(its_type)}, this is {described(given)}"
        return WRONG_TYPE.at(value.span, message, help=_help(value, its_type))
    if its_type.words:
        return word_fault(_named(value, its_type), value)
    if its_type.is_number:
        return _number_misfit(value, its_type, what, locals or {})
    return None


def _number_misfit(
    value: program.Expr, its_type: Type, what: str, locals: Mapping[str, program.Expr]
) -> Diagnostic | None:
    possible = bounds(value, locals)
    declared = Interval(
        None if its_type.low is None else exact(its_type.low),
        None if its_type.high is None else exact(its_type.high),
    )
    if possible.meet(declared).is_empty:
        advice = f"give it a value from {_end(declared.low)} to {_end(declared.high)}"
        if declared.low is None or declared.high is None:
            advice = f"give it a value of the type {its_type.known()}"
        message = f"{what} is {its_type.known()}, and this always lies outside"
        return OUT_OF_RANGE.at(value.span, message, help=advice)
    constant = value.value if isinstance(value, program.Const) else None
    if its_type.base is Base.INT and isinstance(constant, float) and not constant.is_integer():
        message, advice = f"{what} is a whole number", "use `round(...)`, or a number without a fraction"
        return WRONG_TYPE.at(value.span, message, help=advice)
    return None


def _end(end: object) -> str:
    return f"{float(end):g}" if end is not None else "any"  # type: ignore[arg-type]


def _named(value: program.Expr, its_type: Type) -> program.Expr:
    return program.Expr(value.span, its_type)


def _help(value: program.Expr, its_type: Type) -> str:
    if its_type.base is Base.STR:
        return 'put it into a text: "{...}"'
    if its_type.is_number and isinstance(value, program.Const) and isinstance(value.value, str):
        return "remove the quotes" if value.value.replace(".", "", 1).isdigit() else "give a number"
    return f"give {described(its_type)}"
