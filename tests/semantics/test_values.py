"""Values, unknowns, functions and texts as a text means them (L2, L35 to L42, L47)."""

from __future__ import annotations

import math

import pytest

INT_MAX = 2**63 - 1


KLEENE = [
    ("x > 1 and n > 1", {"x": 0}, False),
    ("x > 1 and n > 1", {"x": 2}, None),
    ("n > 1 and x > 1", {"x": 0}, False),
    ("x > 1 or n > 1", {"x": 2}, True),
    ("x > 1 or n > 1", {"x": 0}, None),
    ("not (n > 1)", {}, None),
    ("n is known", {}, False),
    ("n is unknown", {}, True),
    ("n + 1 is unknown", {}, True),
    ("n == n", {}, None),
    ("n != 1", {}, None),
    ("n in [1, 2]", {}, None),
    ("1 in [n, 1]", {}, True),
    ("2 in [n, 1]", {}, None),
    ("2 not in [n, 1]", {}, None),
    ('s matches "a*"', {}, None),
    ("min(x, n)", {"x": 1}, None),
    ("-n", {}, None),
    ("m.a", {}, None),
    ("n", {"n": None}, None),
]


def test_l02_unknown_spreads_by_kleene(wrong):
    assert wrong(KLEENE) == []


NUMBERS = [
    ("6 / 3", {}, 2.0),
    ("n / 2", {"n": 4}, 2.0),
    ("n / 0", {"n": 4}, None),
    ("x / x", {"x": 0}, None),
    ("mod(n, 0)", {"n": 4}, None),
    ("mod(n, 3)", {"n": 4}, 1),
    ("pow(n, 3)", {"n": 2}, 8),
    ("pow(n, 62)", {"n": 2}, 2**62),
    ("pow(n, 63)", {"n": 2}, None),
    ("pow(x, 0 - 1)", {"x": 0}, None),
    ("pow(x, 0.5)", {"x": -1}, None),
    ("pow(x, 400)", {"x": 10}, None),
    ("x * x", {"x": 1e200}, None),
    ("n + 1", {"n": INT_MAX - 1}, INT_MAX),
    ("n + 1", {"n": INT_MAX}, None),
    ("n - 1", {"n": -INT_MAX - 1}, None),
    ("-n", {"n": -INT_MAX - 1}, None),
    ("abs(n)", {"n": -INT_MAX - 1}, None),
    ("n * n", {"n": 2**32}, None),
    ("n * 2", {"n": 2**61}, 2**62),
    ("floor(x)", {"x": 1e300}, None),
    ("floor(x)", {"x": -1.5}, -2),
    ("ceil(x)", {"x": -1.5}, -1),
    ("round(x)", {"x": 2.5}, 3),
    ("round(x)", {"x": -2.5}, -3),
    ("round(x, 1)", {"x": 2.26}, 2.3),
    ("clamp(x, 0, 1)", {"x": 3}, 1),
    ("clamp(1, n, 2)", {"n": 5}, None),
    ("n + 0.5", {"n": 1}, 1.5),
]


def test_l35_numbers(wrong):
    assert wrong(NUMBERS) == []


@pytest.mark.parametrize("literal", ["9223372036854775808", "100000000000000000000000", "1" * 30])
def test_l35_a_constant_beyond_64_bit_is_unknown(value, literal):
    assert value(literal) is None
    assert value(f"n < {literal}", n=1) is None


def test_l35_constants_are_reckoned_as_values_are(run):
    text = """
let past = 9223372036854775807 + 1
let least = -9223372036854775808
let swapped = clamp(1, 5, 2)
let half = 1 / 2
let nothing = 1 / 0
loop one "r" on A emit OUT { l: [past, least, swapped, half, nothing] }
"""
    assert run(text, (0, "A", {})).emitted == [{"l": [None, -(2**63), None, 0.5, None]}]


RAW = [
    ("n", 5.0, 5),
    ("n", 5.5, None),
    ("n", True, None),
    ("n", "5", None),
    ("n", 2**63, None),
    ("n", 2**63 - 1, 2**63 - 1),
    ("n", [], None),
    ("x", 5, 5.0),
    ("x", True, None),
    ("x", math.nan, None),
    ("x", math.inf, None),
    ("x", 10**400, None),
    ("x", "1.5", None),
    ("b", True, True),
    ("b", 1, None),
    ("b", "true", None),
    ("s", "", ""),
    ("s", 5, None),
    ("w", "mid", "mid"),
    ("w", "medium", None),
    ("w", 1, None),
    ("d", 90, 90),
    ("d", "90s", None),
    ("l", [1], [1]),
    ("l", {"a": 1}, None),
    ("m", {"a": 1}, {"a": 1}),
    ("m", [1], None),
]


def test_l35_what_a_field_of_a_type_takes(wrong):
    assert wrong([(field, {field: raw}, expected) for field, raw, expected in RAW]) == []


MEMBERS = [
    ("m.a == 1", {"m": {"a": True}}, None),
    ("m.a == true", {"m": {"a": 1}}, None),
    ("m.a == 1", {"m": {"a": 1.0}}, True),
    ("m.a > 1", {"m": {"a": True}}, None),
    ("m.a + 1", {"m": {"a": True}}, None),
    ("m.a < 1", {"m": {"a": "0"}}, None),
    ("m.a and true", {"m": {"a": 1}}, None),
    ("not m.a", {"m": {"a": 0}}, None),
    ("m.a.b", {"m": {"a": {"b": 3}}}, 3),
    ("m.a.b", {"m": {"a": 3}}, None),
    ("m.a", {"m": {"a": None}}, None),
    ('m.a matches "x*"', {"m": {"a": 7}}, None),
    ("m.a in l", {"m": {"a": 7}, "l": [7]}, True),
    ("m.a in l", {"m": {"a": True}, "l": [1]}, None),
    ("m.a in m.b", {"m": {"a": 1, "b": 2}}, None),
    ("m.a + 1", {"m": {"a": math.nan}}, None),
    ("b == true", {"b": True}, True),
    ("b != true", {"b": False}, True),
]


def test_l37_a_member_is_of_any_type_and_a_wrong_one_is_unknown(wrong):
    assert wrong(MEMBERS) == []


def test_l37_a_map_is_passed_on(run):
    payload = {"m": {"a": [1, {"b": None}], "ü": True}}
    assert run('loop one "r" on A emit OUT { m }', (0, "A", payload)).emitted == [payload]


def test_l36_percent_is_a_hundredth_and_durations_are_seconds(value):
    assert value("29%") == 0.29
    assert value("0.5%") == 0.005
    assert value("x == 25%", x=0.25) is True
    assert value("d > 1m30s", d=90) is False
    assert value("d > 1m30s", d=90.001) is True
    assert value("d / 1m", d=90) == 1.5
    assert value("500ms / 1s") == 0.5
    assert value("d + 1m", d=30) == 90


@pytest.mark.parametrize("text", ["d > 90", "d == n", "d + 1", "min(d, 5)"])
def test_l36_durations_and_numbers_never_mix(findings, text):
    assert "RE202" in findings(f'loop one "r" on A with z = {text} emit OUT {{ l: [z] }}')


def test_l37_words_of_a_knob_have_their_order(run):
    text = """
loop a_down "r" on A[n == 1] set mode = "reduced"
loop b_tell "r" on B emit OUT { l: [mode < "normal", mode >= "reduced", mode > "reduced", mode == "reduced"] }
"""
    assert run(text, (0, "B", {}), (1, "A", {"n": 1}), (2, "B", {})).emitted == [
        {"l": [False, True, True, False]},
        {"l": [True, True, False, True]},
    ]


@pytest.mark.parametrize("condition", ['w < "mid"', 's < "a"', "w > s", '"low" < "mid"'])
def test_l37_other_words_have_none(findings, condition):
    assert "RE201" in findings(f'loop one "r" on A when {condition} emit OUT {{ k }}')


CHOICES = [
    ('match w { "low": 1, "mid": 2, "high": 3 }', {"w": "mid"}, 2),
    ('match w { "low": 1, "mid": 2, "high": 3 }', {}, None),
    ('match w { "low": 1, else: 2 }', {}, None),
    ('match w { "low": 1, else: 2, unknown: 3 }', {}, 3),
    ('match w { "low": 1, unknown: 3, else: 2 }', {"w": "high"}, 2),
    ("match { x > 3: 1, else: 2 }", {"x": 3}, 2),
    ("match { x > 3: 1, else: 2 }", {"x": 3.001}, 1),
    ("match { x > 3: 1, else: 2 }", {}, None),
    ("match { x > 3: 1, n > 3: 4, unknown: 5, else: 2 }", {"n": 9}, 5),
    ("match { n > 3: 4, x > 3: 1, unknown: 5, else: 2 }", {"n": 9}, 4),
    ("match { x > 3: n, else: 2 }", {"x": 4}, None),
    ('match s { "b": 0, else: 1, "a": 2, unknown: 3 }', {"s": "a"}, 1),
    ('match s { "b": 0, else: 1, "a": 2, unknown: 3 }', {"s": "b"}, 0),
    ('match s { "b": 0, else: 1, "a": 2, unknown: 3 }', {}, 3),
    ("match n { 1: 1, else: 2 }", {"n": 1.0}, 1),
    ("match m.a { 1: 1, true: 2, else: 3 }", {"m": {"a": True}}, None),
    ("match b { true: 1, false: 2 }", {"b": False}, 2),
]


def test_l38_the_first_arm_not_false_decides(wrong):
    assert wrong(CHOICES) == []


def test_l38_words_must_all_be_covered(findings):
    loop = 'loop one "r" on A when w is known emit OUT {{ v: match w {{ {arms} }} }}'
    assert "RE210" in findings(loop.format(arms='"low": 1, "mid": 2'))
    assert "RE210" not in findings(loop.format(arms='"low": 1, "mid": 2, "high": 3'))


OPERATORS = [
    ("n ?? 1 + 1", {}, 2),
    ("n ?? 1 + 1", {"n": 5}, 6),
    ("-n ?? 1", {}, -1),
    ("2 * n ?? 3", {}, 6),
    ("n ?? m.a ?? 7", {}, 7),
    ("n ?? m.a ?? 7", {"m": {"a": 2}}, 2),
    ("n ?? 1 == 1", {}, True),
    ("1 - 2 - 3", {}, -4),
    ("8 / 2 / 2", {}, 2.0),
    ("not n == 1", {"n": 2}, True),
    ("n == 1 or n == 2 and x > 1", {"n": 1}, True),
    ('s matches "a?c*"', {"s": "abc"}, True),
    ('s matches "a?c*"', {"s": "xabc"}, False),
    ('s matches "a"', {"s": "ab"}, False),
    ('s matches "*.[a]"', {"s": "x.[a]"}, True),
    ('s matches "ü*"', {"s": "über"}, True),
    ('s in ["a", "b"]', {"s": "b"}, True),
    ('s not in ["a", "b"]', {"s": "b"}, False),
    ("n in []", {"n": 1}, False),
    ("n in l", {"n": 1, "l": [1.0]}, True),
    ("n in l", {"n": 2, "l": [1.0]}, False),
]


def test_l39_precedence_membership_and_patterns(wrong):
    assert wrong(OPERATORS) == []


@pytest.mark.parametrize(
    ("text", "fields", "expected"),
    [
        ("{x}", {"x": 1}, "1"),
        ("{x}", {"x": 0.1}, "0.1"),
        ("{x}", {"x": 1e15}, "1000000000000000"),
        ("{x}", {"x": -0.0}, "0"),
        ("{x}", {"x": 1e-7}, "1e-07"),
        ("{x / 3}", {"x": 1}, "0.3333333333333333"),
        ("{n}|{s}", {"s": "é☃"}, "?|é☃"),
        ("{b}", {"b": True}, "true"),
        ("{l}", {"l": [1, "a", None]}, '[1, "a", null]'),
        ("{{x}", {"x": 1}, "{x}"),
        ("{{{x}}", {"x": 1}, "{1}"),
        ("a } b", {}, "a } b"),
        (r"\"{s}\"\n\t\\", {"s": "q"}, '"q"\n\t\\'),
        (r"\\{{\"", {}, '\\{"'),
        ("{s}", {"s": "{x}"}, "{x}"),
        ("{n ?? 0} of {count(over 1h)}", {}, "0 of 1"),
        ("{d}", {"d": 90}, "90"),
        ("{n + 1}", {"n": 1}, "2"),
    ],
)
def test_l40_texts_of_effects_hold_values(run, text, fields, expected):
    assert run(f'loop one "r" on A emit OUT {{ s: "{text}" }}', (0, "A", fields)).emitted == [{"s": expected}]


def test_l40_no_values_are_put_in_elsewhere(findings, value):
    text = 'loop one "r" on A when s == "{k}" emit OUT { k }'
    assert "RE212" in findings(text)
    assert value('s == "{k}"', s="{k}", k="a") is True


@pytest.mark.parametrize("bad", ["{x", "{}", "{ }", r"\q"])
def test_l40_what_is_no_text_is_told(findings, bad):
    found = findings(f'loop one "r" on A emit OUT {{ s: "{bad}" }}')
    assert [code for code in found if code == "RE213" or code.startswith("RE0")]


DERIVED = """
event E {
  first: str = "{second}/{third}",
  second|zweite: str = "{board}_{players}p",
  third: str = "{players * 2}",
  board: str?,
  players: int in 2..4?,
} from "a test"
event OUT { l: list }
loop one "r" on E emit OUT { l: [first, second, third] }
"""


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"board": "hex8", "players": 2}, ["hex8_2p/4", "hex8_2p", "4"]),
        ({"board": "hex8", "players": 2.0}, ["hex8_2p/4", "hex8_2p", "4"]),
        ({"second": "s", "players": 3}, ["s/6", "s", "6"]),
        ({"zweite": "s", "third": "t"}, ["s/t", "s", "t"]),
        ({"first": "f", "board": "b"}, ["f", None, None]),
        ({"board": "hex8", "players": 5}, [None, None, None]),
        ({"second": None, "board": "b", "players": 4, "third": "t"}, ["b_4p/t", "b_4p", "t"]),
    ],
)
def test_l40_a_derived_field_reads_others_derived_or_not_in_any_order(run, payload, expected):
    assert run(DERIVED, (0, "E", payload), declarations="").emitted == [{"l": expected}]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"own": "a"}, "a"),
        ({"alt": "b"}, "b"),
        ({"own": None, "alt": "b"}, "b"),
        ({"alt": "b", "own": "a"}, "a"),
        ({"third": "c", "alt": "b"}, "b"),
        ({"own": 5, "alt": "b"}, None),
    ],
)
def test_l41_the_first_spelling_present_wins(run, payload, expected):
    text = """
event E { own|alt|third: str?, x: int? } from "a test"
event OUT { l: list }
loop one "r" on E emit OUT { l: [own, alt, third] }
"""
    assert run(text, (0, "E", payload), declarations="").emitted == [{"l": [expected] * 3}]


def test_l42_arguments_bind_by_position_then_by_name(run, findings):
    text = """
event E { s: str } from "a test"
action H.three(a: str, b|beta: int?, c: float)
loop one "r" on E
  do H.three(s, 1, 2.5)
  do H.three(s, c: 2.5)
  do H.three(c: 2.5, beta: 1, a: s)
"""
    assert run(text, (0, "E", {"s": "q"}), declarations="").done == [
        ("H.three", {"a": "q", "b": 1, "c": 2.5}),
        ("H.three", {"a": "q", "c": 2.5}),
        ("H.three", {"a": "q", "b": 1, "c": 2.5}),
    ]
    assert "RE206" in findings(text + 'loop two "r" on E do H.three(a: s, 1, 2.5)', "")
    assert "RE205" in findings(text + 'loop two "r" on E do H.three(s, 1)', "")


@pytest.mark.parametrize(("depth", "fine"), [(95, True), (101, False)])
def test_l47_nesting_ends_at_a_hundred(findings, depth, fine):
    found = findings(f'loop one "r" on A when {"(" * depth}x > 1{")" * depth} emit OUT {{ k }}')
    assert [code for code in found if code.startswith("RE0")] != fine


@pytest.mark.parametrize(("digits", "fine"), [(30, True), (31, False)])
def test_l47_numbers_have_at_most_thirty_digits(findings, digits, fine):
    found = [
        code
        for code in findings(f'loop one "r" on A when x > {"1" * digits} emit OUT {{ k }}')
        if code < "RE2"
    ]
    assert (found == []) is fine


@pytest.mark.parametrize(("days", "fine"), [(3650, True), (3651, False)])
def test_l47_durations_end_at_ten_years(findings, days, fine):
    found = [
        code
        for code in findings(f'loop one "r" on A when x > 1 for {days}d emit OUT {{ k }}')
        if code < "RE3"
    ]
    assert (found == []) is fine
