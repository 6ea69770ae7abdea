"""Every construct of the language becomes the node it should, at the place where it stands."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from itertools import pairwise

import pytest
from lark import Lark

from rules_engine.language import syntax as s
from rules_engine.language.grammar import STARTS
from rules_engine.language.parser import decode, parse, parse_expression
from rules_engine.language.source import Source
from rules_engine.shipped import shipped


def shape(value: object) -> object:
    """A node without its places: `Name`s as text, the rest as (type, field, ...)."""
    if isinstance(value, s.Name):
        return value.text
    if isinstance(value, tuple):
        return [shape(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        inner = [shape(getattr(value, f.name)) for f in fields(value) if f.name != "span"]
        return (type(value).__name__, *inner)
    return value


def item(text: str) -> s.Item:
    file, findings = parse(Source("case.loop", text))
    assert findings == []
    assert len(file.items) == 1
    return file.items[0]


def clause(text: str) -> object:
    loop = item(f"loop l {text}")
    assert isinstance(loop, s.LoopItem)
    assert len(loop.clauses) == 1
    return shape(loop.clauses[0])


def expr(text: str) -> object:
    made, findings = parse_expression(Source("case.loop", text), 0, len(text))
    assert findings == []
    return shape(made)


def path(*parts: str) -> object:
    return ("Path", list(parts))


def number(value: float, percent: bool = False) -> object:
    return ("LiteralValue", value, percent)


X, ONE, TWO = path("x"), number(1), number(2)
A = ("EventRef", "A", None, None)
B = ("EventRef", "B", None, None)
STR = ("TypeRef", "str", None, None, False)


def minutes(n: int) -> object:
    return ("Duration", n * 60_000)


DECLARATIONS = [
    ('type t = "a" | "b"', ("TypeItem", "t", ("TypeRef", None, ("Words", ["a", "b"]), None, False))),
    ("type t = str?", ("TypeItem", "t", ("TypeRef", "str", None, None, True))),
    ("event A { }", ("EventItem", "A", [], [], False, [], "")),
    ("event A { ... }", ("EventItem", "A", [], [], True, [], "")),
    ("event A { ..., }", ("EventItem", "A", [], [], True, [], "")),
    (
        'event A = "old", "older" { a: str, ... }',
        ("EventItem", "A", ["old", "older"], [("Field", ["a"], STR, None)], True, [], ""),
    ),
    (
        "event A { a|b: str, } dedup 60m key a",
        (
            *("EventItem", "A", [], [("Field", ["a", "b"], STR, None)], False),
            *([("DedupOption", minutes(60)), ("KeyOption", "a")], ""),
        ),
    ),
    (
        'event A { } dedup off from "trainer"',
        ("EventItem", "A", [], [], False, [("DedupOption", None), ("FromOption", "trainer")], ""),
    ),
    ("# one\n#  two \nevent A { }", ("EventItem", "A", [], [], False, [], "one\ntwo")),
    ("# far\n\n# near\nevent A { }", ("EventItem", "A", [], [], False, [], "near")),
    (
        "action H.a(a: str,) emits A, B undo H.b",
        (
            "ActionItem",
            "H.a",
            [("Field", ["a"], STR, None)],
            [("EmitsOption", ["A", "B"]), ("UndoOption", "H.b")],
        ),
    ),
    ("action H.a()", ("ActionItem", "H.a", [], [])),
    (
        "knob k per a, b in -1..2.5 = 0 step up 0.5 per 60m step 1 per 2m deadband 1% decay 3m lag d drives H.a",  # noqa: E501
        (
            *("KnobItem", "k", ["a", "b"], ("NumberRange", -1, 2.5), number(0)),
            [
                ("StepOption", "up", 0.5, minutes(60)),
                ("StepOption", None, 1, minutes(2)),
                ("DeadbandOption", 0.01),
                ("DecayOption", minutes(3)),
                ("LagOption", ("Duration", "d")),
                ("DrivesOption", "H.a"),
            ],
        ),
    ),
    (
        'knob k in "off" | "on" = "on"',
        ("KnobItem", "k", [], ("Words", ["off", "on"]), ("LiteralValue", "on", False), []),
    ),
    ("knob k in t = true", ("KnobItem", "k", [], "t", ("LiteralValue", True, False), [])),
    ("let x = 80%", ("LetItem", "x", number(0.8, percent=True))),
    ("let x = 10m", ("LetItem", "x", ("DurationLiteral", 600_000))),
]


@pytest.mark.parametrize(("text", "expected"), DECLARATIONS, ids=[d[0] for d in DECLARATIONS])
def test_a_declaration(text: str, expected: object) -> None:
    assert shape(item(text)) == expected


@pytest.mark.parametrize(
    ("text", "name", "bounds", "optional"),
    [
        ("float", "float", None, False),
        ("float?", "float", None, True),
        ("float in 0..1", "float", (0, 1), False),
        ("float in 0..1?", "float", (0, 1), True),
        ("float? in -1..1", "float", (-1, 1), True),
        ("float in 0%..100%", "float", (0.0, 1.0), False),
    ],
)
def test_a_type(text: str, name: str, bounds: tuple[float, float] | None, optional: bool) -> None:
    expected = ("TypeRef", name, None, bounds and ("NumberRange", *bounds), optional)
    assert shape(item(f"event A {{ a: {text} }}").fields[0].type) == expected  # type: ignore[attr-defined]


CLAUSES = [
    ("on A", ("On", ("AnyOf", [A]))),
    ("on A or B", ("On", ("AnyOf", [A, B]))),
    ("on *_FAILED", ("On", ("AnyOf", [("EventRef", "*_FAILED", None, None)]))),
    ("on TRAINING_*", ("On", ("AnyOf", [("EventRef", "TRAINING_*", None, None)]))),
    ("on A[x] as a", ("On", ("AnyOf", [("EventRef", "A", X, "a")]))),
    (
        "on A as a then no B within 2m",
        ("On", ("Sequence", ("EventRef", "A", None, "a"), [("ThenStep", B, True)], minutes(2))),
    ),
    ("on A then B within d", ("On", ("Sequence", A, [("ThenStep", B, False)], ("Duration", "d")))),
    ("on no A within 5m", ("On", ("Absence", A, minutes(5)))),
    ("on 3 A within 1m", ("On", ("Repeat", 3, A, minutes(1)))),
    ("on 3 *_FAILED within 1m", ("On", ("Repeat", 3, ("EventRef", "*_FAILED", None, None), minutes(1)))),
    ("on every 5m", ("On", ("Every", minutes(5)))),
    ('on cron "0 3 * * *"', ("On", ("Cron", "0 3 * * *", None))),
    ('on cron "0 3 * * *" in "Europe/Berlin"', ("On", ("Cron", "0 3 * * *", "Europe/Berlin"))),
    ("on change of k", ("On", ("ChangeOf", "k"))),
    ("per a, b", ("Per", ["a", "b"])),
    ("with y = x", ("With", "y", X)),
    ("when x", ("When", X, None, None, None)),
    ("when x for 1m until 1 for d", ("When", X, minutes(1), ONE, ("Duration", "d"))),
    ("when x until 1", ("When", X, None, ONE, None)),
    ("cooldown 5m", ("Cooldown", minutes(5), None)),
    ("cooldown 5m unless x", ("Cooldown", minutes(5), X)),
    ("limit 3 per 60m", ("Limit", 3, minutes(60), False)),
    ("limit 3 per 60m overall", ("Limit", 3, minutes(60), True)),
    ("gather 5m", ("Gather", [minutes(5)], [], [])),
    ("gather quiet 5m max 9", ("Gather", [], [minutes(5)], [9])),
    ("set k = 1", ("Set", None, "k", False, None, "=", ONE, None)),
    ("set k[*] += 1 for 5m", ("Set", None, "k", True, None, "+=", ONE, minutes(5))),
    ("set k[x] *= 1 while active if x", ("Set", X, "k", True, X, "*=", ONE, "active")),
    ("set k -= 1", ("Set", None, "k", False, None, "-=", ONE, None)),
    ("emit A { }", ("Emit", None, "A", [])),
    ("emit A { x, y: 1, } if x", ("Emit", X, "A", [("PayloadField", "x", None), ("PayloadField", "y", ONE)])),
    (
        "do H.a(x, y: 1) retry 3 every 1m timeout 2m if x",
        (
            *("Do", X, "H.a", [("Argument", None, X), ("Argument", "y", ONE)]),
            [("RetryOption", 3, minutes(1)), ("TimeoutOption", minutes(2))],
        ),
    ),
    ("do H.a() retry 3", ("Do", None, "H.a", [], [("RetryOption", 3, None)])),
    ("after 2m { emit A { } }", ("AfterBlock", minutes(2), [("Emit", None, "A", [])])),
    ("cleared { }", ("ClearedBlock", [])),
    ("failed { emit A { } emit B { } }", ("FailedBlock", [("Emit", None, "A", []), ("Emit", None, "B", [])])),
]


@pytest.mark.parametrize(("text", "expected"), CLAUSES, ids=[c[0] for c in CLAUSES])
def test_a_clause(text: str, expected: object) -> None:
    assert clause(text) == expected


def binary(op: str, left: object, right: object) -> object:
    return ("Binary", op, left, right)


def call(name: str, *arguments: object, window: object = None) -> object:
    return ("Call", name, [("Argument", None, a) for a in arguments], window)


EXPRESSIONS = [
    ("x.y.z", path("x", "y", "z")),
    ("limit", path("limit")),
    ("x or 1 and not 2", binary("or", X, binary("and", ONE, ("Unary", "not", TWO)))),
    ("x == 1", binary("==", X, ONE)),
    ("x in [1, 2,]", binary("in", X, ("ListOf", [ONE, TWO]))),
    ("x not in []", binary("not-in", X, ("ListOf", []))),
    ('x matches "a*"', ("Matches", X, "a*")),
    ("x is known", ("IsKnown", X, True)),
    ("x is unknown", ("IsKnown", X, False)),
    ("1 - 2 - x", binary("-", binary("-", ONE, TWO), X)),
    ("1 - (2 - x)", binary("-", ONE, binary("-", TWO, X))),
    ("1 + 2 * x", binary("+", ONE, binary("*", TWO, X))),
    ("x ?? 1 + 2", binary("+", binary("??", X, ONE), TWO)),
    ("-x ?? 1", ("Unary", "-", binary("??", X, ONE))),
    ("25%", number(0.25, percent=True)),
    ("1h30m", ("DurationLiteral", 5_400_000)),
    ("250ms", ("DurationLiteral", 250)),
    ("true", ("LiteralValue", True, False)),
    (r'"a\"\\\n\t{b}"', ("LiteralValue", 'a"\\\n\t{b}', False)),
    ("k[x]", ("KnobAt", "k", X)),
    ("k[*]", ("KnobAt", "k", None)),
    ("max(x, 1)", call("max", X, ONE)),
    ("avg(x over 1m)", call("avg", X, window=("Over", 60_000))),
    ("avg(x over d)", call("avg", X, window=("Over", "d"))),
    ("avg(x over last 20)", call("avg", X, window=("OverLast", 20))),
    ("count(since fired)", call("count", window=("Since", "fired", None))),
    ("count(since cleared)", call("count", window=("Since", "cleared", None))),
    ("count(since A[x])", call("count", window=("Since", "A", X))),
    ("quantile(x, 95% over 10m)", call("quantile", X, number(0.95, percent=True), window=("Over", 600_000))),
    ("last(A.v over 1m)", call("last", ("OfEvent", "A", None, ["v"]), window=("Over", 60_000))),
    ("last(ERROR.v over 1m)", call("last", ("OfEvent", "ERROR", None, ["v"]), window=("Over", 60_000))),
    ("count(A[x] over 1m)", call("count", ("OfEvent", "A", X, []), window=("Over", 60_000))),
    ("last(x*A.v over 1m)", call("last", binary("*", X, ("OfEvent", "A", None, ["v"])), window=("Over", 60_000))),  # noqa: E501
    ('match x { "a": 1, else: 2 }', ("Match", X, [("Arm", ("LiteralValue", "a", False), ONE), ("Arm", "else", TWO)])),  # noqa: E501
    ("match { x: 1, unknown: 2, }", ("Match", None, [("Arm", X, ONE), ("Arm", "unknown", TWO)])),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), EXPRESSIONS, ids=[e[0] for e in EXPRESSIONS])
def test_an_expression(text: str, expected: object) -> None:
    assert expr(text) == expected


ACTS = [
    ("send A { x: 1 }", ("Send", "A", [("PayloadField", "x", ONE)])),
    ("given k = 1", ("Given", "k", None, ONE)),
    ("given k[x] = 1", ("Given", "k", X, ONE)),
    ("expect do H.a", ("ExpectDo", "H.a", None)),
    ("expect do H.a(x)", ("ExpectDo", "H.a", [("Argument", None, X)])),
    ("expect emit A", ("ExpectEmit", "A", None)),
    ("expect emit A { }", ("ExpectEmit", "A", [])),
    ("expect set k", ("ExpectSet", "k", None, None)),
    ("expect set k[x] = 1", ("ExpectSet", "k", X, ONE)),
    ("expect nothing", ("ExpectNothing", False, None)),
    ("expect nothing else", ("ExpectNothing", True, None)),
    ("expect nothing because hold", ("ExpectNothing", False, "hold")),
    ("stub H.a fails", ("Stub", "H.a", None)),
    ("stub H.a fails 2 times", ("Stub", "H.a", 2)),
    ("restart", ("Restart",)),
    ('reload "b.loop"', ("Reload", "b.loop")),
]


@pytest.mark.parametrize(("text", "expected"), ACTS, ids=[a[0] for a in ACTS])
def test_a_step_of_a_test(text: str, expected: object) -> None:
    made = shape(item(f'test "t" starts "2026-01-05T08:00:00Z" {{ at 5m {text} }}'))
    assert made == ("TestItem", "t", "2026-01-05T08:00:00Z", [("TestStep", 300_000, [expected])])


def test_a_loop_keeps_its_annotations_reason_and_clauses_in_order() -> None:
    made = shape(item('@shadow @allow("RE402", "why") loop l "reason" per a on A per b'))
    assert made == (
        *("LoopItem", "l"),
        [
            ("Annotation", "shadow", []),
            (
                "Annotation",
                "allow",
                [("Argument", None, ("LiteralValue", t, False)) for t in ("RE402", "why")],
            ),
        ],
        *("reason", [("Per", ["a"]), ("On", ("AnyOf", [A])), ("Per", ["b"])]),
    )


# ---- places --------------------------------------------------------------------------------------


def pieces(value: object, text: str) -> list[str]:
    """What stands at the places of a node and all nodes in it, outermost first."""
    found = []
    if isinstance(value, s.Node):
        found.append(text[value.span.start : value.span.end])
    if isinstance(value, tuple):
        for inner in value:
            found += pieces(inner, text)
    elif is_dataclass(value):
        for field in fields(value):
            found += pieces(getattr(value, field.name), text)
    return found


def test_each_node_stands_exactly_where_it_was_written() -> None:
    text = (
        "# about\nloop l  # why\n  when (x + 1) > avg(y over 1h)  for 5m # so\n  set k[*] = -2 for 1m if z\n"
    )
    assert pieces(parse(Source("case.loop", text))[0].items, text) == [
        text[8:-1],
        "l",
        "when (x + 1) > avg(y over 1h)  for 5m",
        "(x + 1) > avg(y over 1h)",
        *("x + 1", "x", "x", "1"),
        *("avg(y over 1h)", "avg", "y", "y", "y", "over 1h"),
        "5m",
        "set k[*] = -2 for 1m if z",
        *("z", "z", "k", "-2", "2", "1m"),
    ]


def test_an_inner_expression_has_its_place_in_the_file() -> None:
    source = Source("case.loop", 'let x = "{a + b}"')
    made, findings = parse_expression(source, 10, 15)
    assert findings == []
    assert made is not None
    assert source.text[made.span.start : made.span.end] == "a + b"
    nothing, findings = parse_expression(source, 10, 13)
    assert nothing is None
    assert [(f.code.id, f.span.start) for f in findings] == [("RE002", 12)]
    assert parse_expression(source, 10, 10)[0] is None


@pytest.mark.parametrize(
    "text", ["let x = 1\nlet y = 2\n", "let x = 1\r\nlet y = 2\r\n", "\ufefflet x = 1\nlet y = 2"]
)
def test_line_ends_and_a_byte_order_mark_do_not_matter(text: str) -> None:
    source, findings = decode("case.loop", text.encode())
    assert findings == []
    file, findings = parse(source)
    assert findings == []
    assert [source.position(item.span.start) for item in file.items] == [(1, 1), (2, 1)]


@pytest.mark.parametrize(
    ("data", "at"),
    [(b"ab\xff", 2), (b"\xef\xbb\xbfa\xff", 1), ("\N{REPLACEMENT CHARACTER}".encode() + b"\xe4", 1)],
)
def test_the_first_byte_that_is_no_text_is_named(data: bytes, at: int) -> None:
    source, (finding,) = decode("case.loop", data)
    assert finding.code.id == "RE008"
    assert finding.span.start == at
    assert f"0x{data[-1]:02x}" in finding.message
    assert source.text[at] == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("text", "code"), [("3650d", []), ("3651d", ["RE006"]), ("1" * 30, []), ("1" * 31, ["RE006"])]
)
def test_l47_numbers_and_times_have_an_end(text: str, code: list[str]) -> None:
    assert [f.code.id for f in parse(Source("case.loop", f"let x = {text}"))[1]] == code


# ---- the same language as Lark's -----------------------------------------------------------------


@pytest.mark.parametrize("file", sorted(shipped("rules").rglob("*.loop")), ids=lambda file: file.name)
def test_lark_alone_reads_the_shipped_rules_from_the_same_grammar(file) -> None:  # type: ignore[no-untyped-def]
    text = file.read_text(encoding="utf-8")
    tree = LARK.parse(text, start="start")
    made, findings = parse(Source(file.name, text))
    assert findings == []
    assert len(made.items) == len(tree.children)
    assert all(a.span.end <= b.span.start for a, b in pairwise(made.items))


LARK = Lark(shipped("grammar/loops.lark").read_text(encoding="utf-8"), parser="lalr", start=list(STARTS))
