"""When a condition can be true: the cases it leaves, each a region per variable.

A variable is whatever a comparison cannot look into: a field, a knob, a window, a product. Declared
ranges and words bound it. What is not understood counts as possible, so "never" is certain while
"possible" is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any, cast

from rules_engine.language import program
from rules_engine.language.ranges import bounds, of_type
from rules_engine.language.regions import (
    FLIPPED,
    OPPOSITE,
    Choice,
    Interval,
    Numbers,
    Region,
    compared,
    exact,
)
from rules_engine.language.types import Base
from rules_engine.language.variables import NOWHERE, Key, Setting, is_numeric, key_of, plain

#: One way for a condition to be true.
Case = Mapping[Key, Region]

#: Past so many cases a condition counts as not understood.
_MOST_CASES = 200
_MOST_MEETINGS = 4000
_ANY: tuple[Case, ...] = ({},)
_TOO_MANY: tuple[Case, ...] = ({},)
_TRUE, _FALSE = Choice(frozenset((True,))), Choice(frozenset((False,)))


def cases(expr: program.Expr | None, setting: Setting = NOWHERE, *, wanted: bool = True) -> tuple[Case, ...]:
    """All ways for a condition to be true (or false): none means that it never is."""
    if expr is None:
        return _ANY if wanted else ()
    match expr:
        case program.Const(value=bool() as value):
            return _ANY if value is wanted else ()
        case program.LocalRead(name=name) if name in setting.locals:
            return cases(setting.locals[name], setting, wanted=wanted)
        case program.Unary(op="not", operand=operand):
            return cases(operand, setting, wanted=not wanted)
        case program.Binary(op="and" | "or"):
            return _joined(expr, setting, wanted=wanted)
        case program.Binary(op="in" | "not-in"):
            return _membership(expr, setting, wanted=wanted is (expr.op == "in"))
        case program.Binary() if expr.op in FLIPPED:
            return _comparison(expr, setting, expr.op if wanted else OPPOSITE[expr.op])
        case program.Matches():
            return _pattern(expr, setting, wanted=wanted)
        case program.IsKnown():
            return _knowledge(expr, setting, known=expr.known is wanted)
        case program.AliasKnown(alias=alias):
            return _came_by(alias, setting, wanted=wanted)
    if expr.type.base is Base.BOOL:
        return _bounded(expr, setting, _TRUE if wanted else _FALSE)
    return _ANY


def _joined(expr: program.Binary, setting: Setting, *, wanted: bool) -> tuple[Case, ...]:
    both = (expr.op == "and") is wanted
    left = cases(expr.left, setting, wanted=wanted)
    if left is _TOO_MANY and not both:
        return _TOO_MANY  # of a long row of alternatives, none of the rest matters
    right = cases(expr.right, setting, wanted=wanted)
    return every([left, right]) if both else _capped(left + right)


def every(parts: Iterable[Sequence[Case]]) -> tuple[Case, ...]:
    """The cases in which all of several conditions hold."""
    joined: tuple[Case, ...] = _ANY
    for part in parts:
        if len(joined) * len(part) > _MOST_MEETINGS:
            return _ANY
        met = (_meet(one, two) for one in joined for two in part)
        joined = _capped(tuple(case for case in met if case is not None))
    return joined


def always_one_of(conditions: Iterable[program.Expr], setting: Setting = NOWHERE) -> bool:
    """Whether, once all are known, at least one of the conditions is true."""
    return not every([cases(condition, setting, wanted=False) for condition in conditions])


def witness(case: Case, event: str = "") -> dict[str, Any]:
    """Field values that make a case true, of the fields it speaks of."""
    payload = {}
    for key, region in case.items():
        if isinstance(key, tuple) and key[0] == "field":
            payload[str(key[1])] = region.sample()
    shown: dict[str, Any] = dict(sorted(payload.items()))
    return {"event": event, "payload": shown} if event else shown


def variables(case: Case) -> frozenset[Key]:
    """What a case speaks of, apart from whether it is known."""
    return frozenset(key for key in case if not (isinstance(key, tuple) and key[0] == "known"))


def _meet(one: Case, other: Case) -> Case | None:
    met = dict(one)
    for key, region in other.items():
        mine = met.get(key)
        both = region if mine is None else mine.meet(region)
        if both.is_empty:
            return None
        met[key] = both
    return met


def _capped(found: tuple[Case, ...]) -> tuple[Case, ...]:
    return found if len(found) <= _MOST_CASES else _TOO_MANY


# ---- comparisons -----------------------------------------------------------------------------------


def _comparison(expr: program.Binary, setting: Setting, op: str) -> tuple[Case, ...]:
    left, right = plain(expr.left, setting), plain(expr.right, setting)
    if is_numeric(left) and is_numeric(right):
        return _linear_case(left, right, op, setting)
    if op not in ("==", "!="):
        return _ANY
    for subject, value in ((left, right), (right, left)):
        if isinstance(value, program.Const) and isinstance(value.value, str | bool):
            region = Choice(frozenset((value.value,)), others=op == "!=")
            if op == "!=":
                region = Choice(frozenset((value.value,)), others=True)
            return _bounded(subject, setting, region)
    return _ANY


def _linear_case(left: program.Expr, right: program.Expr, op: str, setting: Setting) -> tuple[Case, ...]:
    terms: dict[Key, tuple[Fraction, program.Expr]] = {}
    constant = Fraction(0)
    for side, sign in ((left, Fraction(1)), (right, Fraction(-1))):
        added = _linear(side, sign, terms, setting)
        if added is None:
            return _ANY
        constant += added
    terms = {key: term for key, term in terms.items() if term[0]}
    if not terms:
        return (
            _ANY
            if not Numbers((Interval(constant, constant),)).meet(compared(op, Fraction(0))).is_empty
            else ()
        )
    if len(terms) == 1:
        [(factor, subject)] = terms.values()
        return _bounded(subject, setting, compared(op if factor > 0 else FLIPPED[op], -constant / factor))
    low, high = constant, constant
    open_low = open_high = False
    for factor, subject in terms.values():
        span = _region_bounds(subject, setting)
        ends = (span.low, span.high) if factor > 0 else (span.high, span.low)
        open_low, open_high = open_low or ends[0] is None, open_high or ends[1] is None
        low += factor * (ends[0] or 0)
        high += factor * (ends[1] or 0)
    total = Numbers((Interval(None if open_low else low, None if open_high else high),))
    return () if total.meet(compared(op, Fraction(0))).is_empty else _ANY


def _linear(
    expr: program.Expr, factor: Fraction, terms: dict[Key, tuple[Fraction, program.Expr]], setting: Setting
) -> Fraction | None:
    """Adds `factor * expr` to the terms and gives its constant part; None where it has no value."""
    expr = plain(expr, setting)
    if isinstance(expr, program.Const):
        value = exact(expr.value) if isinstance(expr.value, int | float) else None
        return None if value is None else factor * value
    if isinstance(expr, program.Unary) and expr.op == "-":
        return _linear(expr.operand, -factor, terms, setting)
    if isinstance(expr, program.Binary):
        if expr.op in ("+", "-"):
            left = _linear(expr.left, factor, terms, setting)
            right = _linear(expr.right, factor if expr.op == "+" else -factor, terms, setting)
            return None if left is None or right is None else left + right
        if expr.op in ("*", "/"):
            scaled = _scaled(expr, setting)
            if scaled is not None:
                return _linear(scaled[0], factor * scaled[1], terms, setting)
    key = key_of(expr, setting)
    before = terms.get(key, (Fraction(0), expr))[0]
    terms[key] = (before + factor, expr)
    return Fraction(0)


def _scaled(expr: program.Binary, setting: Setting) -> tuple[program.Expr, Fraction] | None:
    """A product or quotient as something times a constant."""
    right = _constant(expr.right, setting)
    if expr.op == "/":
        return None if not right else (expr.left, 1 / right)
    if right is not None:
        return expr.left, right
    left = _constant(expr.left, setting)
    return None if left is None else (expr.right, left)


def _constant(expr: program.Expr, setting: Setting) -> Fraction | None:
    terms: dict[Key, tuple[Fraction, program.Expr]] = {}
    value = _linear(expr, Fraction(1), terms, setting)
    return value if not any(factor for factor, _ in terms.values()) else None


def _membership(expr: program.Binary, setting: Setting, *, wanted: bool) -> tuple[Case, ...]:
    if not isinstance(expr.right, program.ListOf):
        return _ANY
    op = "==" if wanted else "!="
    parts = [
        _comparison(program.Binary(expr.span, expr.type, op, expr.left, item), setting, op)
        for item in expr.right.items
    ]
    return _capped(tuple(case for part in parts for case in part)) if wanted else every(parts)


def _pattern(expr: program.Matches, setting: Setting, *, wanted: bool) -> tuple[Case, ...]:
    subject = plain(expr.subject, setting)
    possible = _possible(subject, setting)
    if isinstance(possible, Choice) and not possible.others:
        pattern = expr.pattern.replace("[", "[[]")
        fitting = frozenset(word for word in possible.values if fnmatchcase(str(word), pattern) is wanted)
        return _bounded(subject, setting, Choice(fitting))
    known = ("known", key_of(subject, setting))
    return (
        {("matches", key_of(subject, setting), expr.pattern): Choice(frozenset((wanted,))), known: _TRUE},
    )


# ---- knowledge -------------------------------------------------------------------------------------


def _knowledge(expr: program.IsKnown, setting: Setting, *, known: bool) -> tuple[Case, ...]:
    subject = plain(expr.subject, setting)
    if _is_absent(subject, setting):
        return () if known else _ANY
    sure = isinstance(subject, program.FieldRead) and (
        subject.field in setting.certain or _is_required(subject, setting)
    )
    if not known and sure and setting.is_of_event(cast(program.FieldRead, subject)):
        return ()
    return ({("known", key_of(subject, setting)): _TRUE if known else _FALSE},)


def _is_required(subject: program.FieldRead, setting: Setting) -> bool:
    """Whether the event at hand always has the field: without it, no loop would see the event."""
    declared = setting.event.fields.get(subject.field) if setting.event is not None else None
    return declared is not None and not declared.type.optional and declared.derived is None


def _came_by(alias: str, setting: Setting, *, wanted: bool) -> tuple[Case, ...]:
    events = setting.aliases.get(alias)
    if setting.event is None or events is None:
        return ({("alias", alias, setting.owner): Choice(frozenset((wanted,)))},)
    return _ANY if (setting.event.name in events) is wanted else ()


def _is_absent(subject: program.Expr, setting: Setting) -> bool:
    """Whether a field is certainly unknown in the event at hand."""
    if not isinstance(subject, program.FieldRead) or setting.event is None:
        return False
    if not setting.is_of_event(subject):
        return False
    if subject.alias is not None and setting.event.name not in setting.aliases.get(
        subject.alias, frozenset()
    ):
        return True
    if subject.field not in setting.event.fields and not setting.open:
        return True
    return setting.payload is not None and setting.payload.get(subject.field, _TRUE) is None


def _bounded(subject: program.Expr, setting: Setting, region: Region) -> tuple[Case, ...]:
    """The case that a variable lies in a region, within what it can be at all."""
    subject = plain(subject, setting)
    if isinstance(subject, program.Const) and isinstance(subject.value, str | bool):
        met: Region = Choice(frozenset((subject.value,))).meet(region)
        return () if met.is_empty else _ANY
    if _is_absent(subject, setting):
        return ()
    key = key_of(subject, setting)
    possible = _possible(subject, setting)
    met = region if possible is None else possible.meet(region)
    return () if met.is_empty else ({key: met, ("known", key): _TRUE},)


def _possible(subject: program.Expr, setting: Setting) -> Region | None:
    declared = of_type(subject.type)
    if isinstance(declared, Numbers):
        inside = bounds(subject, setting.locals)
        declared = Numbers((inside,), declared.whole).meet(declared)
    if isinstance(subject, program.FieldRead) and setting.event is not None and setting.is_of_event(subject):
        own = setting.event.fields.get(subject.field)
        narrowed = of_type(own.type) if own is not None else None
        if declared is not None and narrowed is not None:
            declared = declared.meet(narrowed)
        sent = setting.payload.get(subject.field) if setting.payload is not None else None
        if declared is not None and sent is not None:
            declared = declared.meet(sent)
    return declared


def _region_bounds(subject: program.Expr, setting: Setting) -> Interval:
    possible = _possible(subject, setting)
    if not isinstance(possible, Numbers) or not possible.intervals:
        return Interval()
    lows = [part.low for part in possible.intervals]
    highs = [part.high for part in possible.intervals]
    low = None if None in lows else min(end for end in lows if end is not None)
    return Interval(low, None if None in highs else max(end for end in highs if end is not None))
