"""Expressions as closures: constructors that take closures and give a closure over a `Frame`.

Every closure is total: what cannot be computed is unknown (None), nothing raises. Windows are updated
by the step before any expression is read, so short-circuiting here never skips an update (L11).

Each closure carries, in its attribute `reads`, what it looks at: pairs such as `("field", "loss")`,
`("slot", 0)`, `("local", "x")`, `("knob", "exploration")`; `reads_of` returns them. Known shapes
(a field against a constant) get closures of their own, because most conditions are just that.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

from rules_engine.cron import Cron
from rules_engine.engine import values
from rules_engine.engine.frame import Frame
from rules_engine.engine.functions import FUNCTIONS
from rules_engine.engine.plan import Expr, Value

Read = tuple[str, Any]
_UNSET: Any = object()


def reads_of(expr: Expr | None) -> tuple[Read, ...]:
    """What a closure looks at, each once, in order."""
    return cast("tuple[Read, ...]", getattr(expr, "reads", ()))


def _reading(expr: Expr, children: Sequence[Expr] = (), *own: Read, **marks: Any) -> Expr:
    """Attach what an expression reads, and what shape it has, to its closure."""
    merged = dict.fromkeys(own)
    for child in children:
        merged.update(dict.fromkeys(reads_of(child)))
    vars(expr)["reads"] = tuple(merged)
    vars(expr).update(marks)
    return expr


def _field_name(expr: Expr) -> str | None:
    return getattr(expr, "plain_field", None)


def _constant(expr: Expr) -> Value:
    return getattr(expr, "constant", None)


# ---- leaves --------------------------------------------------------------------------------------


def const(value: Value) -> Expr:
    """A value known beforehand."""
    return _reading(lambda _: value, constant=value)


def field(name: str, alias: str | None = None) -> Expr:
    """A field of the bound event; with `alias` of that event of a sequence, or if it came by that trigger."""
    if alias is None:
        return _reading(lambda f: f.fields.get(name), (), ("field", name), plain_field=name)

    def read(f: Frame) -> Value:
        if f.parts is not None:
            return f.parts[alias].get(name) if alias in f.parts else None
        return f.fields.get(name) if f.alias == alias else None

    return _reading(read, (), ("field", name))


def alias_known(alias: str) -> Expr:
    """Whether an event of that alias is bound: always known itself (L15)."""
    return _reading(lambda f: f.alias == alias if f.parts is None else alias in f.parts)


def key_part(index: int) -> Expr:
    """The loop's own key, one part of it."""

    def read(f: Frame) -> Value:
        return f.key[index] if index < len(f.key) else None

    return _reading(read)


def key_of(*parts: Expr) -> Expr:
    """The parts as a list, unknown when one is: what `FeedPlan.key` wants."""

    def read(f: Frame) -> Value:
        key = [part(f) for part in parts]
        return None if None in key else key

    return _reading(read, parts)


def local(name: str) -> Expr:
    """A `with` of the loop; evaluated at its first reading, once (L7)."""

    def read(f: Frame) -> Value:
        value = f.locals.get(name, _UNSET)
        if value is _UNSET:
            plan = f.local_plans.get(name)
            f.locals[name] = None  # a `with` that reads itself is unknown, not endless
            value = f.locals[name] = None if plan is None else plan(f)
        return value

    return _reading(read, (), ("local", name))


def knob_value(knob: str, key: Sequence[Expr]) -> Expr:
    """A knob's value at a key, one expression a key field; unknown at an unknown key."""
    parts = tuple(key)
    if not parts:
        return _reading(lambda f: f.knobs.value(knob, ()), (), ("knob", knob))
    if len(parts) == 1:
        only = parts[0]
        return _reading(lambda f: f.knobs.value(knob, (only(f),)), parts, ("knob", knob))
    return _reading(lambda f: f.knobs.value(knob, tuple([part(f) for part in parts])), parts, ("knob", knob))


def knob_map(knob: str) -> Expr:
    """`k[*]`: all keys of a knob and their values, as a map."""
    return _reading(lambda f: f.knobs.all(knob), (), ("knob", knob))


def during(calendar: Cron) -> Expr:
    """Whether the time of the evaluation is one of a calendar's minutes."""
    return _reading(lambda f: calendar.matches(f.now_ms), (), ("time", calendar.text))


def member(subject: Expr, name: str) -> Expr:
    """A member of a map; unknown when it is not there or not of a map."""

    def read(f: Frame) -> Value:
        holder = subject(f)
        return values.accept_any(holder.get(name)) if type(holder) is dict else None

    return _reading(read, (subject,))


def window(slot: int, function: str, quantile: float | None = None) -> Expr:
    """An aggregate over a window: `count sum avg min max first last stddev slope distinct quantile ewma`."""

    def read(f: Frame) -> Value:
        return None if f.slots is None else f.slots.read(slot, function, f.now_ms, quantile)

    return _reading(read, (), ("slot", slot))


def prev(slot: int) -> Expr:
    """The value that a `PrevPlan` remembers from this key's previous event where it was known."""
    return window(slot, "prev")


def streak(slot: int) -> Expr:
    """How many events in a row a `StreakPlan`'s condition was true, the current one included."""
    return window(slot, "streak")


# ---- truth ---------------------------------------------------------------------------------------


def not_(operand: Expr) -> Expr:
    """Kleene's `not`."""

    def read(f: Frame) -> Value:
        value = operand(f)
        return None if value is not True and value is not False else not value

    return _reading(read, (operand,))


def and_(*operands: Expr) -> Expr:
    """Kleene's `and`: false if one is, else unknown if one is."""

    def read(f: Frame) -> Value:
        answer: bool | None = True
        for operand in operands:
            value = operand(f)
            if value is False:
                return False
            if value is not True:
                answer = None
        return answer

    return _reading(read, operands)


def or_(*operands: Expr) -> Expr:
    """Kleene's `or`: true if one is, else unknown if one is."""

    def read(f: Frame) -> Value:
        answer: bool | None = False
        for operand in operands:
            value = operand(f)
            if value is True:
                return True
            if value is not False:
                answer = None
        return answer

    return _reading(read, operands)


def is_known(subject: Expr, known: bool = True) -> Expr:
    """`is known`, or `is unknown`: always known itself."""
    return _reading(lambda f: (subject(f) is not None) is known, (subject,))


def coalesce(first: Expr, second: Expr) -> Expr:
    """`??`: the first unless it is unknown."""

    def read(f: Frame) -> Value:
        value = first(f)
        return second(f) if value is None else value

    return _reading(read, (first, second))


# ---- comparison ----------------------------------------------------------------------------------

Comparison = Literal["==", "!=", "<", "<=", ">", ">="]
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EQUAL: dict[str, Callable[[Any, Any], bool]] = {"==": operator.eq, "!=": operator.ne}


def compare(op: Comparison, left: Expr, right: Expr) -> Expr:
    """A comparison; unknown when a side is, or when the two are of different kinds."""
    name, limit = _field_name(left), _constant(right)
    test = _ORDER.get(op) or _EQUAL[op]
    if name is not None and values.is_number(limit):
        return _reading(_number_against(test, name, limit), (left,))
    if op in _EQUAL:
        if name is not None and type(limit) is str:
            return _reading(_text_against(test, name, limit), (left,))
        return _reading(_equality(op, left, right), (left, right))

    def read(f: Frame) -> Value:
        a = left(f)
        b = right(f)
        return test(a, b) if values.is_number(a) and values.is_number(b) else None

    return _reading(read, (left, right))


def _number_against(test: Callable[[Any, Any], bool], name: str, limit: float) -> Expr:
    def read(f: Frame) -> Value:
        value = f.fields.get(name)
        kind = type(value)
        return test(value, limit) if kind is float or kind is int else None

    return read


def _text_against(test: Callable[[Any, Any], bool], name: str, text: str) -> Expr:
    def read(f: Frame) -> Value:
        value = f.fields.get(name)
        return test(value, text) if type(value) is str else None

    return read


def _equality(op: str, left: Expr, right: Expr) -> Expr:
    wanted = op == "=="

    def read(f: Frame) -> Value:
        same = values.equal(left(f), right(f))
        return None if same is None else same is wanted

    return read


def compare_words(op: Comparison, order: Sequence[str], left: Expr, right: Expr) -> Expr:
    """A comparison of words of an ordered set, by their place in it (L37)."""
    place = {word: index for index, word in enumerate(order)}
    test = _ORDER.get(op) or _EQUAL[op]

    def read(f: Frame) -> Value:
        a = left(f)
        b = right(f)
        if type(a) is not str or type(b) is not str or a not in place or b not in place:
            return None
        return test(place[a], place[b])

    return _reading(read, (left, right))


def membership(item: Expr, items: Expr, inside: bool = True) -> Expr:
    """`in`, or with `inside` false `not in`, of a list."""

    def read(f: Frame) -> Value:
        found = values.member_of(item(f), items(f))
        return None if found is None else found is inside

    return _reading(read, (item, items))


def matches(subject: Expr, pattern: str) -> Expr:
    """A whole text against a pattern of `*` and `?`."""
    test = values.glob_test(pattern)

    def read(f: Frame) -> Value:
        text = subject(f)
        return test(text) if type(text) is str else None

    return _reading(read, (subject,))


# ---- numbers and functions -----------------------------------------------------------------------

_ARITHMETIC: dict[str, Callable[[Value, Value], Value]] = {
    "+": values.add,
    "-": values.subtract,
    "*": values.multiply,
    "/": values.divide,
}


def negate(operand: Expr) -> Expr:
    """Unary minus."""
    return _reading(lambda f: values.subtract(0, operand(f)), (operand,))


def arithmetic(op: Literal["+", "-", "*", "/"], left: Expr, right: Expr) -> Expr:
    """`+ - * /` (L35)."""
    compute = _ARITHMETIC[op]
    return _reading(lambda f: compute(left(f), right(f)), (left, right))


def call(function: str, arguments: Sequence[Expr]) -> Expr:
    """`min max abs floor ceil round clamp mod pow`; `sum avg min max` also of one map or list.

    Raises KeyError for a function there is not: the checker has ruled that out.
    """
    compute = FUNCTIONS[function]
    operands = tuple(arguments)
    return _reading(lambda f: compute([operand(f) for operand in operands]), operands)


# ---- lists, choices, text ------------------------------------------------------------------------


def list_of(items: Sequence[Expr]) -> Expr:
    """A list; its items may be unknown."""
    parts = tuple(items)
    constants = [_constant(part) for part in parts]
    if None not in constants:
        return _reading(lambda _: constants, constant=constants)
    return _reading(lambda f: [part(f) for part in parts], parts)


Arm = tuple[Expr | Literal["else", "unknown"], Expr]


def match_(subject: Expr | None, arms: Sequence[Arm]) -> Expr:
    """`match`: the first arm not false decides; unknown stays so without an `unknown:` arm (L38)."""
    tests: list[tuple[Expr, Expr]] = []
    otherwise: Expr | None = None
    unknown: Expr | None = None
    for test, value in arms:
        if test == "unknown":
            unknown = unknown or value
        elif otherwise is not None:
            continue  # never reached
        elif test == "else":
            otherwise = value
        else:
            tests.append((test, value))

    def read(f: Frame) -> Value:
        wanted = None
        if subject is not None:
            wanted = subject(f)
            if wanted is None:
                return None if unknown is None else unknown(f)
        for test, value in tests:
            found = test(f) if subject is None else values.equal(wanted, test(f))
            if found is True:
                return value(f)
            if found is not False:
                return None if unknown is None else unknown(f)
        return None if otherwise is None else otherwise(f)

    children = [part for arm in arms for part in arm if callable(part)]
    return _reading(read, children if subject is None else [subject, *children])


def interpolate(parts: Sequence[str | Expr], strict: bool = False) -> Expr:
    """A text with values in it; an unknown prints `?`, or with `strict` makes the whole unknown (L40)."""
    pieces = tuple(parts)

    def read(f: Frame) -> Value:
        texts: list[str] = []
        for piece in pieces:
            if isinstance(piece, str):
                texts.append(piece)
                continue
            value = piece(f)
            if value is None and strict:
                return None
            texts.append(values.text_of(value))
        return "".join(texts)

    return _reading(read, [piece for piece in pieces if not isinstance(piece, str)])
