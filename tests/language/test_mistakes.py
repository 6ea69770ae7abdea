"""What the parser says about malformed text: each mistake once, where it is, in the writer's words.

In the tables `¦` stands right before the character that is blamed.
"""

from __future__ import annotations

import pytest

from rules_engine.language import syntax as s
from rules_engine.language.parser import parse
from rules_engine.language.source import Source

#: One clause of a loop between two good ones: the place, the code, a phrase of the message.
CLAUSES = [
    # ---- something is missing ----
    ("when a > 3 ¦or", "RE002", "an expression is missing after `or`"),
    ("when a > 3 ¦and", "RE002", "an expression is missing after `and`"),
    ("when ¦not", "RE002", "missing after `not`"),
    ("¦when", "RE002", "missing after `when`"),
    ("when a ¦>", "RE002", "missing after `>`"),
    ("when (a ¦+) > 3", "RE002", "missing after `+`"),
    ("when a > 3 ¦until", "RE002", "missing after `until`"),
    ("when a > 3 ¦for", "RE002", "a time such as `10m` is missing after `for`"),
    ("when a ¦in", "RE002", "missing after `in`"),
    ("when a ¦matches", "RE002", "a text in quotes is missing after `matches`"),
    ("when a ¦is", "RE002", "`known` or `unknown` is missing after `is`"),
    ("¦cooldown", "RE002", "a time such as `10m` is missing after `cooldown`"),
    ("cooldown 5m ¦unless", "RE002", "missing after `unless`"),
    ("set k ¦=", "RE002", "missing after `=`"),
    ("set ¦k", "RE002", "missing after `k`"),
    ("set k ¦3", "RE002", "`=` is missing before `3`"),
    ("¦set", "RE002", "a name is missing after `set`"),
    ("set k = 1 ¦for", "RE002", "missing after `for`"),
    ("set k = 1 ¦while", "RE002", "`active` is missing after `while`"),
    ("set k = 1 ¦if", "RE002", "missing after `if`"),
    ("set k¦[] = 1", "RE002", "an expression is missing after `[`"),
    ("with ¦total", "RE002", "`=` is missing after `total`"),
    ("with total ¦a + 1", "RE002", "`=` is missing before `a`"),
    ("¦per", "RE002", "a name is missing after `per`"),
    ("limit ¦3", "RE002", "`per` is missing after `3`"),
    ("limit 3 ¦1h", "RE002", "`per` is missing before `1h`"),
    ("limit 3 ¦per", "RE002", "a time such as `10m` is missing after `per`"),
    ("¦limit", "RE002", "a number is missing after `limit`"),
    ("¦gather", "RE002", "missing after `gather`"),
    ("gather ¦quiet", "RE002", "a time such as `10m` is missing after `quiet`"),
    ("emit X { a ¦b }", "RE002", "`,` is missing before `b`"),
    ("emit X { a¦: }", "RE002", "an expression is missing after `:`"),
    ("emit X { a: 1 ¦+, b: 2 }", "RE002", "missing after `+`"),
    ("¦emit", "RE002", "an event such as `MODEL_PROMOTED` is missing after `emit`"),
    ("¦do", "RE002", "an action such as `Handler.method` is missing after `do`"),
    ("do H.a(1 ¦2)", "RE002", "`,` is missing before `2`"),
    ("do H.a() ¦retry", "RE002", "a number is missing after `retry`"),
    ("do H.a() ¦timeout", "RE002", "a time such as `10m` is missing after `timeout`"),
    ("after 2h ¦emit X { }", "RE002", "`{` is missing before `emit`"),
    ("when match x { 1 ¦2 } > 1", "RE002", "`:` is missing"),
    ("when avg(x ¦over) > 1", "RE002", "missing after `over`"),
    ("on A then ¦B", "RE002", "`within` with a time is missing"),
    ("on A then B ¦within", "RE002", "a time such as `10m` is missing after `within`"),
    ("on A ¦or", "RE002", "an event such as `MODEL_PROMOTED` is missing after `or`"),
    ("on A ¦as", "RE002", "a name is missing after `as`"),
    ("on ¦cron", "RE002", "a text in quotes is missing after `cron`"),
    ("on change ¦knob", "RE002", "`of` is missing before `knob`"),
    ("¦on", "RE002", "missing after `on`"),
    # ---- something is not closed, or closed too often ----
    ("do H.a(b¦", "RE003", "`)` is missing"),
    ("do H.a(1, (2 + 3)¦", "RE003", "`)` is missing"),
    ("emit X { a: 1¦", "RE003", "`}` is missing"),
    ('when a in ["x", "y"¦', "RE003", "`]` is missing"),
    ("when max(a, b¦] > 3", "RE003", "`]` closes what `(` opened"),
    ('emit X { a: ¦"abc }', "RE003", "this text is not closed"),
    ('do H.a(¦"abc)', "RE003", "this text is not closed"),
    ("do H.a()¦)", "RE001", "`)` closes nothing"),
    ("emit X { }¦}", "RE001", "`}` closes nothing"),
    ("when a > 3¦]", "RE001", "`]` closes nothing"),
    # ---- words that are none ----
    ("¦colldown 30s", "RE004", "there is no clause `colldown`"),
    ("¦wehn a > 3", "RE004", "there is no clause `wehn`"),
    ("¦emmit X { }", "RE004", "there is no clause `emmit`"),
    ("¦limti 3 per 1h", "RE004", "there is no clause `limti`"),
    ("¦frobnicate a b", "RE004", "no clause begins with `frobnicate`"),
    ("¦else", "RE005", "there is no `else` here"),
    ("¦retry 3 every 5m", "RE005", "there is no `retry` here"),
    ("when a > 3 ¦unti b", "RE001", "`unti` has no place here"),
    ("when a > 3 ¦information", "RE001", "`information` has no place here"),
    ("cooldown 15m ¦please", "RE001", "`please` has no place here"),
    ("set k = 1 ¦setup = 2", "RE001", "`setup` has no place here"),
    # ---- other languages ----
    ("when a ¦= 3", "RE005", "`=` sets a value, `==` compares"),
    ("set k ¦== 3", "RE005", "`==` compares, `=` sets a value"),
    ("set k ¦:= 3", "RE005", "there is no sign `:=`"),
    ("when a > 3 ¦&& b", "RE005", "there is no sign `&&`"),
    ("when a > 3 ¦|| b", "RE005", "there is no sign `||`"),
    ("when ¦!a", "RE005", "there is no sign `!`"),
    ("when a ¦=> 3", "RE005", "there is no sign `=>`"),
    ("when a ¦=< 3", "RE005", "there is no sign `=<`"),
    ("when a ¦<> 3", "RE005", "there is no sign `<>`"),
    ("when a ¦=== 3", "RE005", "there is no sign `===`"),
    ("when a ¦!== 3", "RE005", "there is no sign `!==`"),
    ("when a ¦≥ 3", "RE005", "there is no sign `≥`"),
    ("when a ¦** 2 > 3", "RE005", "there is no sign `**`"),
    ("when a ¦% 2 > 3", "RE005", "there is no sign `%`"),
    ("when a ¦^ 2 > 3", "RE005", "there is no sign `^`"),
    ("cooldown 5m¦;", "RE005", "there is no sign `;`"),
    ("when a == ¦null", "RE005", "there is no `null`"),
    ("when a != ¦None", "RE005", "there is no `None`"),
    ("when a is ¦null", "RE005", "there is no `null`"),
    ("when a is ¦not known", "RE005", "is written as one word"),
    ("when a == ¦True", "RE005", "`True` is written `true`"),
    ("¦if a > 3", "RE005", "`if` is called `when` here"),
    ("¦where a > 3", "RE005", "`where` is called `when` here"),
    ("¦publish X { }", "RE005", "`publish` is called `emit` here"),
    ("¦call H.a()", "RE005", "`call` is called `do` here"),
    ("¦When a > 3", "RE005", "the words of the language are small"),
    ("when a > 3 ¦AND b", "RE005", "the words of the language are small"),
    ("when a ¦between 1 and 2", "RE005", "there is no `between` here"),
    ("when a ¦like \"x*\"", "RE005", "`like` is called `matches` here"),
    ("when a > 3 ¦then set k = 1", "RE005", "there is no `then` here"),
    ("on A ¦then do H.a()", "RE005", "there is no `then` here"),
    ("on ¦event A", "RE005", "an event stands without the word `event`"),
    ("emit X¦(a: 1)", "RE005", "the fields of an event stand in braces"),
    ("emit ¦X", "RE005", "the fields of an event stand in braces"),
    ("do H.a¦{ b: 1 }", "RE005", "the arguments of an action stand in parentheses"),
    ("do ¦H.a", "RE005", "the arguments of an action stand in parentheses"),
    ("emit X { a ¦= 1 }", "RE005", "`=` stands where `:` belongs"),
    ("do H.a(b ¦= 1)", "RE005", "`=` stands where `:` belongs"),
    ("cooldown¦: 30s", "RE005", "no `:` stands here"),
    ("when a > 3¦:", "RE005", "no `:` stands here"),
    ("cooldown 5m ¦// a comment", "RE005", "a comment starts with `#`"),
    ("when a > 3 ¦// a comment", "RE005", "a comment starts with `#`"),
    ("¦// a comment", "RE005", "a comment starts with `#`"),
    ("¦/* a comment */", "RE005", "a comment starts with `#`"),
    ("¦-- a comment", "RE005", "a comment starts with `#`"),
    ("when a == ¦“x”", "RE005", "a text stands between straight double quotes"),
    ("when a == ¦'x'", "RE005", "a text stands between straight double quotes"),
    ("when¦\N{NO-BREAK SPACE}a > 3", "RE005", "invisible character stands here: no-break space (U+00A0)"),
    ("when a¦\N{ZERO WIDTH SPACE} > 3", "RE005", "zero width space (U+200B)"),
    # ---- numbers and times ----
    ("cooldown ¦5 minutes", "RE006", "`5 minutes` is not how a time is written"),
    ("cooldown ¦5min", "RE006", "`5min` is not how a time is written"),
    ("cooldown ¦1.5h", "RE006", "`1.5h` is not how a time is written"),
    ("cooldown ¦2w", "RE006", "`2w` is not how a time is written"),
    ("cooldown ¦30", "RE006", "a time needs a unit"),
    ("cooldown ¦99999999999d", "RE006", "longer than ten years"),
    ("when a > ¦1_000", "RE006", "`1_000` is not a number"),
    ("when a > ¦1e5", "RE006", "`1e5` is not a number"),
    ("when a > ¦.5", "RE006", "no digit before the point"),
    ("when a > ¦0x1F", "RE006", "`0x1F` is not a number"),
    ("when a > ¦10%3", "RE006", "`10%3` is not a number"),
    ("when a > ¦" + "9" * 31, "RE006", "more than 30 digits"),
    ("do H.a() retry ¦2.5", "RE006", "a whole number is needed"),
    ("when avg(a over last ¦2.5) > 1", "RE006", "a whole number is needed"),
    # ---- texts ----
    (r'when a == "b¦\qc"', "RE007", r"`\q` is not an escape"),
    (r'when a matches "¦\d+"', "RE007", r"`\d` is not an escape"),
    # ---- names ----
    ("on ¦ModelPromoted", "RE010", "an event's name is written in capital letters"),
    ("on ¦model_promoted", "RE010", "an event's name is written in capital letters"),
    ("when ¦rollBack > 3", "RE010", "this name is written in small letters"),
    ("do ¦roll_back()", "RE010", "an action is written as handler and method"),
    ("do ¦rollbackManager.rollBack()", "RE010", "an action is written as handler and method"),
    ('per ¦"config_key"', "RE010", "a name stands without quotes"),
    ("when a matches ¦hex*", "RE010", "a text stands in quotes"),
    # ---- anything else ----
    ("when a > ¦$b", "RE005", "no `$` stands before a name"),
    ("when a > 3 ¦4", "RE001", "`4` has no place here"),
    ("emit X { a: 1 ¦2 }", "RE001", "`2` has no place here"),
    ("cooldown ¦\"5m\"", "RE010", "a time stands without quotes"),
    ("on ¦5m", "RE002", "`every` is missing before `5m`"),
    ("limit ¦x per 1h", "RE001", "`x` stands where a number belongs"),
    ("emit X ¦[a]", "RE005", "the fields of an event stand in braces"),
]  # fmt: skip


def unmarked(text: str) -> tuple[str, int]:
    assert text.count("¦") == 1
    return text.replace("¦", ""), text.index("¦")


@pytest.mark.parametrize(("clause", "code", "phrase"), CLAUSES, ids=[c[0] for c in CLAUSES])
def test_a_mistake_in_a_clause_is_found_once_and_costs_that_clause(
    clause: str, code: str, phrase: str
) -> None:
    text, at = unmarked(f"loop first\n  per before\n  {clause}\n  do Tail.clause()\nlet after = 1\n")
    source = Source("case.loop", text)
    file, findings = parse(source)
    found = [(f.code.id, source.position(f.span.start), f.message) for f in findings]
    assert [(c, place) for c, place, _ in found] == [(code, source.position(at))], found
    assert phrase in findings[0].message
    loop, let = file.items
    assert isinstance(loop, s.LoopItem)
    assert isinstance(loop.clauses[0], s.Per)
    assert isinstance(loop.clauses[-1], s.Do)
    assert loop.clauses[-1].action.text == "Tail.clause"
    assert isinstance(let, s.LetItem)


#: Whole files: declarations, tests, heads of loops. Behind each stands a good `let`, which must be read.
FILES = [
    ("¦rule x\n  on A", "RE005", "`rule` is called `loop` here"),
    ("¦lop x\n  on A", "RE004", "there is no declaration `lop`"),
    ("¦frobnicate x\n  on A", "RE004", "no declaration begins with `frobnicate`"),
    ("¦when a > 3", "RE004", "`when` stands outside of a loop"),
    ("¦send A { }", "RE004", "`send` stands outside of a test"),
    ("¦loop\n  on A", "RE002", "a name is missing after `loop`"),
    ("loop ¦MyLoop\n  on A", "RE010", "this name is written in small letters"),
    ("loop ¦my-loop\n  on A", "RE010", "a name has letters, digits and `_`"),
    ('loop ¦"x"\n  on A', "RE010", "a name stands without quotes"),
    ("loop x ¦{\n  on A\n  do H.a()\n}", "RE005", "no braces stand around a loop"),
    ("loop x¦:\n  on A", "RE005", "no `:` stands here"),
    ('loop x ¦"not closed\n  on A', "RE003", "this text is not closed"),
    ("@owner(¦\nloop x\n  on A", "RE003", "`)` is missing"),
    ("¦@\nloop x\n  on A", "RE002", "a name is missing after `@`"),
    ("@owner ¦\"team\"\nloop x\n  on A", "RE002", "`(` is missing before `\"team\"`"),
    ("type ¦t", "RE002", "`=` is missing after `t`"),
    ('type t ¦"a" | "b"', "RE002", "`=` is missing before `\"a\"`"),
    ("type t = \"a\" ¦|", "RE002", "a text in quotes is missing after `|`"),
    ("type ¦T = str", "RE010", "this name is written in small letters"),
    ("event ¦my_event { }", "RE010", "an event's name is written in capital letters"),
    ("event ¦A", "RE005", "the fields of an event stand in braces"),
    ("event A { a: str ¦b: int }", "RE002", "`,` is missing before `b`"),
    ("event A { a ¦str }", "RE002", "`:` is missing before `str`"),
    ("event A { a¦: }", "RE002", "missing after `:`"),
    ("event A { a: ¦Str }", "RE010", "this name is written in small letters"),
    ("event A { a: float in ¦0 }", "RE002", "`..` is missing after `0`"),
    ("event A { a: str¦", "RE003", "`}` is missing"),
    ("event A { ¦\"a\": str }", "RE010", "a name stands without quotes"),
    ("event A { ..., ¦a: str }", "RE001", "`a` stands where `}` belongs"),
    ("event A { } dedup ¦60", "RE006", "a time needs a unit"),
    ("event A { } ¦dedupe 60s", "RE001", "`dedupe` has no place here"),
    ("action ¦roll_back(a: str)", "RE010", "an action is written as handler and method"),
    ("action H.a(a: str) ¦emit B", "RE001", "`emit` has no place here"),
    ("action ¦H.a", "RE005", "the arguments of an action stand in parentheses"),
    ("knob k ¦0..1 = 0.5", "RE002", "`in` is missing before `0`"),
    ("knob k¦: 0..1 = 0.5", "RE005", "`:` stands where `in` belongs"),
    ("knob k in 0..¦1", "RE002", "`=` is missing after `1`"),
    ("knob k in 0..1 ¦=", "RE002", "missing after `=`"),
    ("knob k in 0 ¦= 1", "RE001", "`=` stands where `..` belongs"),
    ("knob k in 0..1 = 0.5 step 0.1 ¦1h", "RE002", "`per` is missing before `1h`"),
    ("knob k in 0..1 = 0.5 decay ¦6", "RE006", "a time needs a unit"),
    ("knob k in 0..1 = 0.5 ¦decai 6h", "RE001", "`decai` has no place here"),
    ("let x ¦5", "RE002", "`=` is missing before `5`"),
    ("let x¦: 5", "RE005", "`:` stands where `=` belongs"),
    ("let x ¦=", "RE002", "an expression is missing after `=`"),
    ("let x = (1 + 2¦", "RE003", "`)` is missing"),
    ("¦const x = 5", "RE005", "`const` is called `let` here"),
    ("let ¦X = 5", "RE010", "this name is written in small letters"),
    ("test ¦my_test { }", "RE010", "a text stands in quotes"),
    ('test "x" {\n  at 5m ¦sedn A { }\n}', "RE004", "there is no step `sedn`"),
    ('test "x" {\n  ¦atl 5m send A { }\n}', "RE004", "there is no step `atl`"),
    ('test "x" {\n  at ¦5 send A { }\n}', "RE006", "a time needs a unit"),
    ('test "x" {\n  at 5m expect ¦nothin\n}', "RE001", "`nothin` has no place here"),
    ('test "x" {\n  at 5m ¦expect\n  at 6m restart\n}', "RE002", "missing after `expect`"),
    ('test "x" {\n  at 5m send A { a: 1¦\n  at 6m restart\n}', "RE003", "`}` is missing"),
    ('test "x" {\n  at 5m given k ¦3\n}', "RE002", "`=` is missing"),
    ('test "x" {\n  at 5m restart¦', "RE003", "`}` is missing"),
    ("¦}", "RE001", "`}` closes nothing"),
    ("¦$", "RE001", "`$` has no place here"),
    ("loop x on A after 1h { do H.a()¦", "RE003", "`}` is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "phrase"), FILES, ids=[c[0] for c in FILES])
def test_a_mistake_in_a_file_is_found_once_and_what_follows_is_read(
    text: str, code: str, phrase: str
) -> None:
    text, at = unmarked(text + "\nlet after = 1\n")
    source = Source("case.loop", text)
    file, findings = parse(source)
    found = [(f.code.id, source.position(f.span.start), f.message) for f in findings]
    assert [(c, place) for c, place, _ in found] == [(code, source.position(at))], found
    assert phrase in findings[0].message
    assert isinstance(file.items[-1], s.LetItem)
    assert file.items[-1].name.text == "after"


def test_all_mistakes_of_a_file_come_out_in_one_run() -> None:
    text = """\
knob k 0..1 = 0.5
loop one
  on A
  when a = 3 and
  colldown 5 minutes
  do H.a(b
  emit X { a: 1 }
loop two
  on ModelPromoted
  per config_key
test "t" { at 5m sedn A { } }
"""
    source = Source("case.loop", text)
    file, findings = parse(source)
    assert [(f.code.id, *source.position(f.span.start)) for f in findings] == [
        ("RE002", 1, 8),
        ("RE005", 4, 10),
        ("RE002", 4, 14),
        ("RE004", 5, 3),
        ("RE006", 5, 12),
        ("RE003", 6, 11),
        ("RE010", 9, 6),
        ("RE004", 11, 18),
    ]
    assert [type(item).__name__ for item in file.items] == ["KnobItem", "LoopItem", "LoopItem", "TestItem"]


def test_what_was_left_out_of_the_tree_is_listed() -> None:
    text = "knob k = 3\nlet x =\nloop l\n  on A\n  when\n  with y = )\n  do H.a()\n"
    file, _ = parse(Source("case.loop", text))
    assert [(b.word, b.name and b.name.text) for b in file.broken] == [
        ("knob", "k"),
        ("let", "x"),
        ("when", None),
        ("with", "y"),
    ]
    (loop,) = file.items
    assert [b.word for b in file.broken_within(loop)] == ["when", "with"]
    assert [text[b.span.start : b.span.end].split(maxsplit=1)[0] for b in file.broken] == [
        "knob",
        "let",
        "when",
        "with",
    ]


def test_a_slip_that_can_be_read_as_meant_stays_in_the_tree() -> None:
    file, findings = parse(Source("case.loop", "rule x\n  on A\n  if a = 3 && b\n  cooldown 5 minutes\n"))
    assert len(findings) == 5
    assert file.broken == ()
    loop = file.items[0]
    assert isinstance(loop, s.LoopItem)
    when, cooldown = loop.clauses[1:]
    assert isinstance(when, s.When)
    assert isinstance(when.condition, s.Binary)
    assert when.condition.op == "and"
    assert isinstance(cooldown, s.Cooldown)
    assert cooldown.duration.value == 300_000


def test_a_missing_end_of_a_block_is_reported_where_the_loop_ends() -> None:
    text = "loop l\n  on A\n  after 2h { emit X { }\n  do H.a()\nlet after = 1\n"
    source = Source("case.loop", text)
    _, findings = parse(source)
    assert [(f.message, source.position(f.span.start)) for f in findings] == [("`}` is missing", (4, 11))]
    assert [source.position(r.span.start) for r in findings[0].related] == [(3, 12)]


@pytest.mark.parametrize(
    "clause",
    ["when (a", "do H.a(b", "emit X { a: 1", 'when a in ["x"', "when max(a, b] > 3"],
)
def test_an_unclosed_bracket_points_back_to_where_it_was_opened(clause: str) -> None:
    text = f"loop l\n  on A\n  {clause}\nlet after = 1\n"
    _, findings = parse(Source("case.loop", text))
    opening = text.index(next(c for c in clause if c in "([{"), 10)
    assert [r.span.start for f in findings for r in f.related] == [opening]


def test_findings_beyond_counting_end_the_reading() -> None:
    file, findings = parse(Source("case.loop", "loop l\n  on A\n" + "  colldown 5m\n" * 2_000))
    assert [f.code.id for f in findings] == ["RE004"] * 500 + ["RE009"]
    assert findings[-1].message == "after 500 mistakes the rest of this file is not read"
    assert file.broken[-1].word == ""


def test_a_short_form_of_a_field_named_like_a_clause_is_no_mistake() -> None:
    text = """\
loop l
  on A[
    limit > 3
    and on == per
  ]
  when a > 3 and
    limit > 2 or
    (cooldown
      < 3)
  emit X {
    limit,
    on: limit,
    set
  }
"""
    assert parse(Source("case.loop", text))[1] == []
