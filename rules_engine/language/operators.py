"""Types of operators: what may be compared, added and joined, and what comes out."""

from __future__ import annotations

from dataclasses import replace

from rules_engine.language import program, syntax
from rules_engine.language.catalog import did_you_mean, duration_text, listed
from rules_engine.language.diagnostics import Code, Diagnostic, Severity
from rules_engine.language.names import NOT_A_DURATION, described
from rules_engine.language.scope import Scope, Typer, joined_type, unclear
from rules_engine.language.source import Span
from rules_engine.language.types import ANY, BOOL, DURATION, FLOAT, INT, Base, Type

WRONG_TYPE = Code("RE201", "wrong-type", Severity.ERROR, "A value is of a type that cannot stand here.")
UNKNOWN_WORD = Code(
    "RE203", "unknown-word", Severity.ERROR, "A word is not one of those that the value can be."
)

NO_SHARE = Code(
    "RE224", "percent-of-no-share", Severity.WARNING, "A percentage meets a value that is no share."
)

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def not_a_condition(typed: program.Expr) -> Diagnostic:
    """The finding that something is no condition."""
    advice = {
        Base.STR: 'compare it, as in `x == "word"`',
        Base.INT: "compare it, as in `x > 0`",
        Base.FLOAT: "compare it, as in `x > 0`",
        Base.DURATION: "compare it, as in `x > 10m`",
    }.get(typed.type.base, "ask whether it `is known`")
    return WRONG_TYPE.at(typed.span, f"this is {described(typed.type)}, a condition is needed", help=advice)


def unary(typer: Typer, expr: syntax.Unary) -> program.Expr:
    """`not x`, `-x`, `+x`."""
    findings = typer.scope.names.findings
    operand = typer.of(expr.operand)
    if expr.op == "not":
        if operand.type.base not in (Base.BOOL, Base.ANY):
            findings.add(not_a_condition(operand))
            return unclear(expr.span)
        return program.Unary(expr.span, BOOL.or_unknown(operand.type.optional), "not", operand)
    if not _numeric(operand.type):
        message = f"`{expr.op}` needs a number, this is {described(operand.type)}"
        findings.add(WRONG_TYPE.at(operand.span, message, help=f"remove the `{expr.op}`"))
        return unclear(expr.span)
    if expr.op == "+":
        return operand
    if isinstance(operand, program.Const) and not isinstance(operand.value, str | bool):
        return program.Const(expr.span, operand.type, -operand.value)
    its_type = operand.type
    low = None if its_type.high is None else -its_type.high
    high = None if its_type.low is None else -its_type.low
    return program.Unary(expr.span, replace(its_type, low=low, high=high, name=None), "-", operand)


def binary(typer: Typer, expr: syntax.Binary, *, text: bool = False) -> program.Expr:
    """Any operator with two operands; a chain of them is walked, not nested."""
    chain = [expr]
    while isinstance(chain[-1].left, syntax.Binary):
        chain.append(chain[-1].left)
    left = typer.of(chain[-1].left, text=text and chain[-1].op == "??")
    for link in reversed(chain):
        left = _joined(typer, link, left, text=text)
    return left


def _joined(typer: Typer, expr: syntax.Binary, left: program.Expr, *, text: bool) -> program.Expr:
    right = _right_side(typer, expr, left, text=text and expr.op == "??")
    span, op = expr.span, expr.op
    if op in ("and", "or"):
        return _logical(typer.scope, span, op, left, right)
    if op in COMPARISONS:
        found = comparison_fault(left, right, op)
        if found is None and (odd := percent_fault(left, right) or percent_fault(right, left)):
            typer.scope.names.findings.add(odd)
        return _result(typer.scope, found, program.Binary(span, _bool_of(left, right), op, left, right))
    if op in ("in", "not-in"):
        found = _membership_fault(left, right)
        return _result(typer.scope, found, program.Binary(span, _bool_of(left, right), op, left, right))
    if op == "??":
        return _fallback(typer.scope, span, left, right)
    return _arithmetic(typer.scope, span, op, left, right)


def _right_side(typer: Typer, expr: syntax.Binary, left: program.Expr, *, text: bool) -> program.Expr:
    """The right operand; a bare word compared with a set of words lacks its quotes, and is told so."""
    right, words = expr.right, left.type.words
    if words and expr.op in COMPARISONS and isinstance(right, syntax.Path) and len(right.parts) == 1:
        word = right.parts[0].text
        if word in words and word not in typer.scope.readable():
            message, advice = f"`{word}` is a name here, a text is needed", f'write it in quotes: "{word}"'
            typer.scope.names.findings.add(WRONG_TYPE.at(right.span, message, help=advice))
            return unclear(right.span)
    return typer.of(right, text=text)


def matches(typer: Typer, expr: syntax.Matches) -> program.Expr:
    """`x matches "hex*"`."""
    subject = typer.of(expr.subject)
    typed = program.Matches(expr.span, BOOL.or_unknown(subject.type.optional), subject, expr.pattern.text)
    found = None
    if subject.type.base not in (Base.STR, Base.ANY):
        message = f"`matches` needs a text, this is {described(subject.type)}"
        found = WRONG_TYPE.at(subject.span, message, help="compare it with `==`, `<` or `>`")
    return _result(typer.scope, found, typed)


def comparison_fault(left: program.Expr, right: program.Expr, op: str) -> Diagnostic | None:
    """Why two values cannot be compared so, if they cannot."""
    one, other = left.type, right.type
    if Base.ANY in (one.base, other.base):
        return None
    if mismatch := _unit_fault(left, right):
        return mismatch
    if not _comparable(one, other):
        message = f"{described(one)} cannot be compared with {described(other)}"
        return WRONG_TYPE.at(left.span.to(right.span), message, help=_comparison_help(one, other))
    if op not in ("==", "!="):
        return _order_fault(left, right, op)
    return word_fault(left, right) or word_fault(right, left)


def percent_fault(percent: program.Expr, other: program.Expr) -> Diagnostic | None:
    """A finding where `n%`, which is n/100 everywhere, meets a count or a range far beyond 1 (L36)."""
    if not isinstance(percent, program.Const) or not percent.percent or isinstance(percent.value, str):
        return None
    high = other.type.high
    if other.type.base is not Base.INT and (high is None or high < _BEYOND_SHARES):
        return None
    what = "a whole number" if other.type.base is Base.INT else str(other.type.known())
    message = f"this is {percent.value:g}, and the other is {what}"
    return NO_SHARE.at(percent.span, message, help=f"write {percent.value * 100:g} for the number")


#: Whatever can reach ten is hardly a share.
_BEYOND_SHARES = 10


def _order_fault(left: program.Expr, right: program.Expr, op: str) -> Diagnostic | None:
    if not left.type.base == right.type.base == Base.STR:
        if left.type.base in (Base.BOOL, Base.LIST, Base.MAP):
            message = f"`{op}` needs numbers, this is {described(left.type)}"
            return WRONG_TYPE.at(left.span, message, help="compare with `==`")
        return None
    if not (left.type.ordered or right.type.ordered):
        message, advice = f"texts have no order, so `{op}` says nothing of them", "compare with `==` or `in`"
        return WRONG_TYPE.at(left.span.to(right.span), message, help=advice)
    return word_fault(left, right) or word_fault(right, left)


def word_fault(typed: program.Expr, word: program.Expr) -> Diagnostic | None:
    """A finding where `word` can never be one of the words of `typed`."""
    words = typed.type.words
    if not words:
        return None
    if isinstance(word, program.Const) and isinstance(word.value, str):
        if word.value in words:
            return None
        advice = did_you_mean_word(word.value, words)
        return UNKNOWN_WORD.at(word.span, f'"{word.value}" is not one of its words', help=advice)
    if word.type.words and not set(word.type.words) & set(words):
        message = f"none of its words ({listed(word.type.words, quote=chr(34), most=4)}) is among the other's"
        advice = f"the other's words are {listed(words, quote=chr(34))}"
        return UNKNOWN_WORD.at(word.span, message, help=advice)
    return None


def did_you_mean_word(word: str, words: tuple[str, ...]) -> str:
    """The help line for a word outside a set."""
    advice = did_you_mean(word, words, f"one of {listed(words, quote=chr(34))}")
    return advice.replace("`", '"')


def _unit_fault(left: program.Expr, right: program.Expr) -> Diagnostic | None:
    one, other = left.type, right.type
    if one.base is Base.DURATION and other.is_number:
        number = right
    elif other.base is Base.DURATION and one.is_number:
        number = left
    else:
        return None
    advice = "write the unit, as in 10m"
    if isinstance(number, program.Const) and isinstance(number.value, int | float):
        advice = f"write the unit: {duration_text(round(number.value * 1000))}"
    return NOT_A_DURATION.at(number.span, "this is a plain number, the other side is a duration", help=advice)


def _comparable(one: Type, other: Type) -> bool:
    return one.base is other.base or (one.is_number and other.is_number)


def _comparison_help(one: Type, other: Type) -> str:
    if Base.BOOL in (one.base, other.base):
        return "compare with true or false, or use it as a condition by itself"
    if Base.STR in (one.base, other.base) and (one.is_number or other.is_number):
        return "a text in quotes is no number: remove the quotes, or compare with another text"
    return "compare values of one type"


def _logical(scope: Scope, span: Span, op: str, left: program.Expr, right: program.Expr) -> program.Expr:
    for side in (left, right):
        if side.type.base not in (Base.BOOL, Base.ANY):
            scope.names.findings.add(not_a_condition(side))
            return unclear(span)
    return program.Binary(span, _bool_of(left, right), op, left, right)


def _membership_fault(left: program.Expr, right: program.Expr) -> Diagnostic | None:
    if right.type.base not in (Base.LIST, Base.ANY):
        message = f"`in` needs a list on its right, this is {described(right.type)}"
        return WRONG_TYPE.at(right.span, message, help='write a list, as in ["a", "b"]')
    if isinstance(right, program.ListOf):
        for item in right.items:
            if found := comparison_fault(left, item, "=="):
                return found
    return None


def _fallback(scope: Scope, span: Span, left: program.Expr, right: program.Expr) -> program.Expr:
    if ANY.base in (left.type.base, right.type.base):
        known = left.type if right.type.base is Base.ANY else right.type
        return program.Binary(span, known.or_unknown(right.type.optional), "??", left, right)
    its_type = joined_type(left.type.known(), right.type)
    found = None
    if its_type is None:
        message = f"the default is {described(right.type)}, the value is {described(left.type)}"
        found = WRONG_TYPE.at(right.span, message, help="give a default of the value's own type")
    elif left.type.words:
        found = word_fault(left, right)
    return _result(scope, found, program.Binary(span, its_type or ANY, "??", left, right))


def _arithmetic(scope: Scope, span: Span, op: str, left: program.Expr, right: program.Expr) -> program.Expr:
    one, other = left.type, right.type
    maybe = one.optional or other.optional
    if Base.ANY in (one.base, other.base):
        known = other if one.base is Base.ANY else one
        if known.base is Base.ANY or _numeric(known):
            return program.Binary(span, ANY, op, left, right)
    for side in (left, right):
        if not _numeric(side.type):
            message = f"`{op}` needs numbers, this is {described(side.type)}"
            advice = 'put values into a text with braces: "{a} and {b}"' if side.type.base is Base.STR else ""
            return _result(scope, WRONG_TYPE.at(side.span, message, help=advice or "use a number"), left)
    if Base.DURATION in (one.base, other.base):
        its_type = _duration_type(one, other, op)
        if its_type is None:
            found = _unit_fault(left, right) or NOT_A_DURATION.at(
                span,
                f"`{op}` of two durations has no meaning",
                help="divide by a number, or by another duration",
            )
            return _result(scope, found, left)
        return program.Binary(span, its_type.or_unknown(maybe), op, left, right)
    whole = one.base is other.base is Base.INT and op != "/"
    return program.Binary(span, (INT if whole else FLOAT).or_unknown(maybe), op, left, right)


def _duration_type(one: Type, other: Type, op: str) -> Type | None:
    both = one.base is other.base
    if op in ("+", "-"):
        return DURATION if both else None
    if op == "*":
        return None if both else DURATION
    if both:
        return FLOAT
    return DURATION if one.base is Base.DURATION else None


def _numeric(its_type: Type) -> bool:
    return its_type.is_number or its_type.base in (Base.DURATION, Base.ANY)


def _bool_of(left: program.Expr, right: program.Expr) -> Type:
    return BOOL.or_unknown(left.type.optional or right.type.optional)


def _result(scope: Scope, found: Diagnostic | None, typed: program.Expr) -> program.Expr:
    if found is None:
        return typed
    scope.names.findings.add(found)
    return unclear(typed.span)
