"""L2, L35 to L40: the value algebra and the expressions over it."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules_engine.engine import expressions as x
from rules_engine.engine import values
from rules_engine.engine.frame import Frame

BIG = 2**63 - 1


class Knobs:
    def value(self, knob, key):
        return {("rate", ("a",)): 2.0, ("plain", ()): 5.0}.get((knob, key))

    def all(self, knob):
        return {"a": 2.0, "b": 4.0} if knob == "rate" else {}


def run(expr, alias=None, **fields):
    frame = Frame({name: value for name, value in fields.items() if value is not None}, "E", 0, Knobs())
    frame.alias = alias
    frame.key = ("a", "b")
    return expr(frame)


def const(*many):
    return [x.const(value) for value in many]


TRUTHS = (True, False, None)


@pytest.mark.parametrize(("a", "b"), list(itertools.product(TRUTHS, TRUTHS)))
def test_l02_truth_is_kleenes(a, b):
    known = {a, b} - {None}
    conjunction = False if False in known else (None if None in (a, b) else True)
    disjunction = True if True in known else (None if None in (a, b) else False)
    assert run(x.and_(*const(a, b))) is conjunction
    assert run(x.or_(*const(a, b))) is disjunction
    assert run(x.not_(x.const(a))) is (None if a is None else not a)


def test_l02_a_value_that_is_no_truth_is_unknown():
    assert run(x.and_(*const(1, True))) is None
    assert run(x.or_(*const("x", False))) is None
    assert run(x.not_(x.const(0))) is None


@pytest.mark.parametrize(
    ("op", "a", "b", "result"),
    [
        ("+", 1, 2, 3),
        ("-", 1, 2, -1),
        ("*", 3, 2, 6),
        ("/", 4, 2, 2.0),
        ("/", 1, 0, None),
        ("/", 1.0, 0.0, None),
        ("+", BIG, 0, BIG),
        ("+", BIG, 1, None),
        ("-", -BIG - 1, 0, -BIG - 1),
        ("-", -BIG, 2, None),
        ("*", 1e308, 10.0, None),
        ("+", True, 1, None),
        ("+", "a", "b", None),
        ("+", None, 1, None),
        ("*", [1], 2, None),
    ],
)
def test_l35_arithmetic(op, a, b, result):
    answer = run(x.arithmetic(op, *const(a, b)))
    assert answer == result
    assert type(answer) is type(result)


@pytest.mark.parametrize(
    ("function", "arguments", "result"),
    [
        ("min", [3, 1.5], 1.5),
        ("max", [3, 1.5], 3),
        ("min", [1, None], None),
        ("abs", [-2], 2),
        ("abs", [True], None),
        ("floor", [-1.5], -2),
        ("ceil", [-1.5], -1),
        ("floor", [1e300], None),
        ("round", [2.5], 3),
        ("round", [-2.5], -3),
        ("round", [2.4999], 2),
        ("round", [0.49999999999999994], 0),
        ("round", [2.345, 2], 2.35),
        ("round", [1, 0.5], None),
        ("clamp", [5, 1, 3], 3),
        ("clamp", [0, 1, 3], 1),
        ("clamp", [2, 3, 1], None),
        ("mod", [7, 3], 1),
        ("mod", [-1, 3], 2),
        ("mod", [1, 0], None),
        ("pow", [2, 62], 2**62),
        ("pow", [2, 0], 1),
        ("pow", [2, 63], None),
        ("pow", [10, 10**9], None),
        ("pow", [-1, 10**9], 1),
        ("pow", [2, -1], 0.5),
        ("pow", [-8, 0.5], None),
        ("pow", [0, -1], None),
        ("pow", [1e200, 2], None),
        ("sum", [[1, 2]], 3),
        ("avg", [{"a": 1, "b": 2}], 1.5),
        ("sum", [{}], None),
        ("max", [["a"]], None),
    ],
)
def test_l35_functions(function, arguments, result):
    if function == "round" and arguments[0] == 2.345:
        result = round(2.345, 2)
    answer = run(x.call(function, const(*arguments)))
    assert answer == result
    assert type(answer) is type(result)


@pytest.mark.parametrize(
    ("accept", "raw", "value"),
    [
        (values.accept_int(), 5.0, 5),
        (values.accept_int(), 5.5, None),
        (values.accept_int(), True, None),
        (values.accept_int(), "5", None),
        (values.accept_int(), BIG, BIG),
        (values.accept_int(), BIG + 1, None),
        (values.accept_int(), 1e300, None),
        (values.accept_int(0, 5), 5, 5),
        (values.accept_int(0, 5), 0, 0),
        (values.accept_int(), -BIG - 1, -BIG - 1),
        (values.accept_int(), -BIG - 2, None),
        (values.accept_float(), BIG, float(BIG)),
        (values.accept_int(0, 5), 6, None),
        (values.accept_int(0, 5), -1, None),
        (values.accept_float(), 5, 5.0),
        (values.accept_float(), math.inf, None),
        (values.accept_float(), math.nan, None),
        (values.accept_float(), False, None),
        (values.accept_float(0, 1), 1.0, 1.0),
        (values.accept_float(0, 1), 1.0000001, None),
        (values.accept_float(0, 1), 0, 0.0),
        (values.accept_float(0, 1), -1e-9, None),
        (values.accept_float(), 10**30, None),
        (values.accept_bool, True, True),
        (values.accept_bool, 1, None),
        (values.accept_text, "x", "x"),
        (values.accept_text, 1, None),
        (values.accept_list, [1], [1]),
        (values.accept_list, {}, None),
        (values.accept_map, {"a": 1}, {"a": 1}),
        (values.accept_map, [], None),
        (values.accept_words(["a"]), "a", "a"),
        (values.accept_words(["a"]), "b", None),
        (values.accept_words(["a"]), ["a"], None),
        (values.accept_duration(), 60, 60.0),
        (values.accept_duration(), "1m", None),
        (values.accept_any, math.nan, None),
    ],
)
def test_l35_what_a_type_accepts(accept, raw, value):
    answer = accept(raw)
    assert answer == value
    assert type(answer) is type(value)


def test_l35_accept_type_finds_them_all():
    assert values.accept_type("float", low=0, high=1)(2) is None
    assert values.accept_type("int", low=0, high=1)(1) == 1
    assert values.accept_type("str", words=("a",))("b") is None
    for base, good in (
        ("str", "x"),
        ("bool", True),
        ("list", []),
        ("map", {}),
        ("any", "x"),
        ("duration", 1.0),
    ):
        assert values.accept_type(base)(good) == good


@pytest.mark.parametrize(
    ("op", "a", "b", "result"),
    [
        ("<", 1, 2, True),
        ("<", 2, 2, False),
        ("<=", 2, 2, True),
        (">", 2, 2, False),
        (">=", 2, 2, True),
        (">=", 1, 2, False),
        ("==", 1, 1.0, True),
        ("!=", 1, 1.0, False),
        ("==", True, 1, None),
        ("==", "a", 1, None),
        ("==", "a", "a", True),
        ("!=", "a", "b", True),
        ("<", "a", "b", None),
        ("<", True, 2, None),
        ("==", None, None, None),
        ("==", [1], [1], True),
    ],
)
def test_l37_comparison(op, a, b, result):
    assert run(x.compare(op, *const(a, b))) is result
    assert run(x.compare(op, x.field("a"), x.const(b)), a=a) is result
    assert run(x.compare(op, x.field("a"), x.field("b")), a=a, b=b) is result


def test_l37_ordered_words():
    order = ("paused", "reduced", "normal")
    assert run(x.compare_words("<", order, *const("paused", "normal"))) is True
    assert run(x.compare_words(">=", order, *const("reduced", "normal"))) is False
    assert run(x.compare_words("==", order, *const("normal", "normal"))) is True
    assert run(x.compare_words("<", order, *const("paused", "fast"))) is None


def test_l37_members_of_maps():
    assert run(x.member(x.field("m"), "a"), m={"a": 1}) == 1
    assert run(x.member(x.field("m"), "a"), m={"b": 1}) is None
    assert run(x.member(x.field("m"), "a"), m=5) is None
    assert run(x.member(x.field("m"), "a"), m={"a": math.nan}) is None


def test_l38_match_with_a_subject():
    arms = [(x.const("a"), x.const(1)), (x.const("b"), x.const(2))]
    assert run(x.match_(x.field("v"), arms), v="b") == 2
    assert run(x.match_(x.field("v"), arms), v="c") is None
    assert run(x.match_(x.field("v"), [*arms, ("else", x.const(3))]), v="c") == 3
    assert run(x.match_(x.field("v"), [*arms, ("else", x.const(3))])) is None
    assert run(x.match_(x.field("v"), [("unknown", x.const(0)), *arms])) == 0


def test_l38_match_without_a_subject_first_not_false_decides():
    def choose(**fields):
        first = x.compare(">", x.field("v"), x.const(3))
        second = x.compare(">", x.field("w"), x.const(3))
        arms = [(first, x.const(1)), (second, x.const(2)), ("else", x.const(3))]
        return run(x.match_(None, arms), **fields), run(
            x.match_(None, [*arms, ("unknown", x.const(0))]), **fields
        )

    assert choose(v=4) == (1, 1)
    assert choose(v=3, w=4) == (2, 2)
    assert choose(v=3, w=3) == (3, 3)
    assert choose(w=4) == (None, 0)


def test_l39_coalesce_membership_and_patterns():
    assert run(x.coalesce(x.field("v"), x.const(7))) == 7
    assert run(x.coalesce(x.field("v"), x.const(7)), v=0) == 0
    items = x.list_of(const("a", "b"))
    assert run(x.membership(x.field("v"), items), v="a") is True
    assert run(x.membership(x.field("v"), items, inside=False), v="c") is True
    assert run(x.membership(x.field("v"), items)) is None
    assert run(x.membership(x.const("c"), x.list_of([x.const("a"), x.field("v")]))) is None
    assert run(x.membership(x.const("a"), x.const("abc"))) is None


@pytest.mark.parametrize(
    ("pattern", "text", "result"),
    [
        ("hex*", "hex8", True),
        ("hex*", "hex", True),
        ("hex*", "ahex", False),
        ("*8", "hex8", True),
        ("h*8", "h8", True),
        ("h*h", "h", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("a?c", "abcd", False),
        ("*b*", "abc", True),
        ("*b*c", "abcb", False),
        ("*", "", True),
        ("?", "", False),
        ("a.c", "abc", False),
        ("a[b]", "a[b]", True),
        ("a*\n*b", "a\n\nb", True),
    ],
)
def test_l39_matches_covers_the_whole_text(pattern, text, result):
    assert run(x.matches(x.field("v"), pattern), v=text) is result
    assert run(x.matches(x.field("v"), pattern)) is None
    assert run(x.matches(x.field("v"), pattern), v=5) is None


def test_l39_a_nasty_pattern_takes_no_time():
    assert run(x.matches(x.field("v"), "*a" * 30 + "b"), v="a" * 3_000) is False


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (0.1, "0.1"),
        (-2.0, "-2"),
        (1e21, "1e+21"),
        (5, "5"),
        (True, "true"),
        (None, "?"),
        ("x", "x"),
        ([1, "é"], '[1, "é"]'),
    ],
)
def test_l40_how_values_print(value, text):
    assert run(x.interpolate(["<", x.const(value), ">"])) == f"<{text}>"


def test_l40_a_derived_text_with_an_unknown_part_is_unknown():
    assert run(x.interpolate([x.field("a"), "_", x.field("b")], strict=True), a="x") is None
    assert run(x.interpolate([x.field("a"), "_", x.field("b")], strict=True), a="x", b=2.0) == "x_2"


def test_leaves():
    assert run(x.field("v", "e"), alias="e", v=1) == 1
    assert run(x.field("v", "e"), alias="f", v=1) is None
    assert run(x.alias_known("e"), alias="e") is True
    assert run(x.alias_known("e")) is False
    assert run(x.key_part(1)) == "b"
    assert run(x.key_part(2)) is None
    assert run(x.key_of(x.field("v"), x.const("z")), v="y") == ["y", "z"]
    assert run(x.key_of(x.field("v"))) is None
    assert run(x.is_known(x.field("v"))) is False
    assert run(x.is_known(x.field("v"), known=False)) is True
    assert run(x.negate(x.const(3))) == -3
    assert run(x.knob_value("rate", [x.key_part(0)])) == 2.0
    assert run(x.knob_value("plain", [])) == 5.0
    assert run(x.knob_value("rate", [x.key_part(0), x.key_part(1)])) is None
    assert run(x.knob_map("rate")) == {"a": 2.0, "b": 4.0}
    assert run(x.window(0, "avg")) is None
    assert run(x.local("nothing")) is None


def test_expressions_tell_what_they_read():
    expr = x.and_(
        x.compare("<", x.field("a"), x.const(1)), x.or_(x.window(2, "avg"), x.field("a")), x.local("l")
    )
    assert x.reads_of(expr) == (("field", "a"), ("slot", 2), ("local", "l"))
    assert x.reads_of(x.match_(x.field("a"), [(x.const(1), x.field("b")), ("else", x.field("c"))])) == (
        ("field", "a"),
        ("field", "b"),
        ("field", "c"),
    )


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@given(ANY, ANY, ANY)
def test_expressions_are_total(a, b, c):
    fields = {"a": a, "b": b, "c": c}
    operands = [x.field("a"), x.field("b"), x.field("c")]
    two = operands[:2]
    made = [x.compare(op, *two) for op in ("==", "!=", "<", "<=", ">", ">=")]
    made += [x.arithmetic(op, *two) for op in ("+", "-", "*", "/")]
    made += [x.call(name, operands[:n]) for name, n in (
        ("min", 1), ("min", 3), ("max", 2), ("sum", 1), ("avg", 1), ("abs", 1), ("floor", 1), ("ceil", 1),
        ("round", 1), ("round", 2), ("clamp", 3), ("mod", 2), ("pow", 2),
    )]  # fmt: skip
    made += [x.membership(*two), x.matches(two[0], "a*"), x.not_(two[0]), x.and_(*operands), x.or_(*operands)]
    made += [
        x.match_(two[0], [(two[1], operands[2])]),
        x.interpolate(operands),
        x.coalesce(*two),
        x.negate(two[0]),
    ]
    made += [x.compare_words("<", ("a", "b"), *two), x.member(two[0], "x"), x.key_of(*two)]
    for expr in made:
        answer = run(expr, **fields)
        assert (
            not isinstance(answer, float) or math.isfinite(answer) or answer in (a, b, c) or answer != answer
        )
