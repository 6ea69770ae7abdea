"""The formatter on real files and on shaken ones: stable, the same tree, no comment lost."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules_engine.language import syntax as s
from rules_engine.language.formatting import CannotReproduce, format_source, formatter
from rules_engine.language.formatting.concrete import Branch, comments, concrete_tree
from rules_engine.language.formatting.document import WIDTH
from rules_engine.language.grammar import Production, grammar
from rules_engine.language.lexer import tokenize
from rules_engine.language.parser import parse
from rules_engine.language.source import Source
from rules_engine.shipped import shipped

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
EVERYTHING = (HERE / "everything.loop").read_text(encoding="utf-8")
SHIPPED = {path: path.read_text(encoding="utf-8") for path in sorted(shipped("rules").rglob("*.loop"))}


def formatted(text: str) -> str:
    made = format_source(Source("case.loop", text))
    assert not made.findings, [finding.message for finding in made.findings]
    return made.text


def loop(*clauses: str) -> str:
    return "loop x\n" + "".join(f"  {clause}\n" for clause in clauses)


# ---- the layout ----------------------------------------------------------------------------------


def test_what_is_in_the_layout_stays_as_it_is():
    assert formatted(EVERYTHING) == EVERYTHING


def test_the_file_of_every_construct_has_every_construct():
    seen: set[str] = set()
    waiting = [concrete_tree(Source("case.loop", EVERYTHING))[0]]
    while waiting:
        here = waiting.pop()
        seen.add(here.name)
        waiting += [part for part in here.parts if isinstance(part, Branch)]
    forms = {
        action.name
        for row in grammar().rows
        for action in row.values()
        if isinstance(action, Production) and not action.gathers and not action.unit
    }
    assert forms - seen == {"expression", "stray"}  # the other two start rules


def test_a_whole_file_on_one_line_gets_its_layout():
    text = " ".join(re.sub(r"#[^\n\"]*\n", "\n", EVERYTHING).split())
    bare = re.sub(r"\n+", "\n", re.sub(r" *#[^\n\"]*$", "", EVERYTHING, flags=re.MULTILINE)).lstrip()
    assert re.sub(r"\n+", "\n", formatted(text)) == bare


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("let   a=1\n\n\n\nlet b = 2", "let a = 1\n\nlet b = 2\n"),
        ("\n\n\nlet a = 1\n\n\n", "let a = 1\n"),
        ("let a = 1 loop x on A loop y on B", "let a = 1\n\nloop x\n  on A\n\nloop y\n  on B\n"),
        ("let a = 1.50 + 007 + 25%", "let a = 1.50 + 007 + 25%\n"),
        ("let a = ((1)+2)*3", "let a = ((1) + 2) * 3\n"),
        ('let a = ["a","b",]', 'let a = ["a", "b"]\n'),
        ("let a = - 1 - - 2", "let a = -1 - -2\n"),
        ("event A{a:str,...,}", "event A { a: str, ... }\n"),
        ("event A{}", "event A { }\n"),
        ("action A.b ( )", "action A.b()\n"),
        ("knob a in 0 .. 1 = 0 drives A.b", "knob a in 0..1 = 0\n  drives A.b\n"),
        ("knob a in 0..1 = 0 drives A.b lag 1h", "knob a in 0..1 = 0\n  drives A.b lag 1h\n"),
        ("loop x on A cleared{}", "loop x\n  on A\n  cleared { }\n"),
        ("loop x on A cleared{do A.b()}", "loop x\n  on A\n  cleared { do A.b() }\n"),
        (
            "loop x on A cleared{do A.b()do A.c()}",
            "loop x\n  on A\n  cleared {\n    do A.b()\n    do A.c()\n  }\n",
        ),
        ('test "a"{at 0m restart at 1h30m expect nothing expect nothing else}',
         'test "a" {\n  at 0m     restart\n  at 1h30m  expect nothing\n            expect nothing else\n}\n'),
        ("", ""),
        ("\n \n", ""),
        ("# only this", "# only this\n"),
        ("\ufeff# a\r\n\r\nlet a = 1\r\n", "# a\n\nlet a = 1\n"),
    ],
)  # fmt: skip
def test_a_short_case(written, wanted):
    assert formatted(written) == wanted


def test_a_list_takes_several_lines_exactly_when_it_is_too_long_for_one():
    def emit(length: int) -> str:
        return f'emit A {{ reason: "{"x" * length}" }}'

    room = WIDTH - len("  ") - len(emit(0))
    fits, over = emit(room), emit(room + 1)
    assert formatted(loop("on B", fits)) == loop("on B", fits)
    assert formatted(loop("on B", over)) == loop("on B", "emit A {", f'  reason: "{"x" * (room + 1)}",', "}")


def test_a_condition_behind_counts_as_part_of_the_line_and_moves_first():
    payload = 'emit A { reason: "' + "x" * 60 + '" }'
    guard = "if " + "y" * (WIDTH - len(payload) - len("   if "))
    assert formatted(loop("on B", f"{payload} {guard}")) == loop("on B", f"{payload} {guard}")
    assert formatted(loop("on B", f"{payload} {guard}y")) == loop("on B", payload, f"  {guard}y")


# ---- comments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("let a = 1# one\n#two\nlet b = 2", "let a = 1  # one\n#two\nlet b = 2\n"),
        ("# a\n\n\n# b\n\nlet a = 1\n\n# c\n\n\n# d", "# a\n\n# b\n\nlet a = 1\n\n# c\n\n# d\n"),
        ("let a = # one\n 1", "let a = 1  # one\n"),
        ("let a =\n# one\n 1", "# one\nlet a = 1\n"),
        ("let a # one\n = # two\n 1", "let a = 1  # one\n# two\n"),
        ("let a = 1 # one\n + # two\n 2", "let a = 1  # one\n  + 2  # two\n"),
        ("event A { # one\n a: str # two\n , # three\n # four\n }",
         "event A {  # one\n  a: str,  # two\n  # three\n  # four\n}\n"),
        ("loop x on A cleared { # none\n }", "loop x\n  on A\n  cleared { }  # none\n"),
        ("loop x\n# on\non A # a\n or # b\n B", "loop x\n  # on\n  on A  # a\n    or B  # b\n"),
        ('test "a" { at 0m # soon\n restart # again\n # last\n }',
         'test "a" {\n  at 0m  restart  # soon\n  # again\n  # last\n}\n'),
        ('let a = "# no comment" # one', 'let a = "# no comment"  # one\n'),
    ],
)  # fmt: skip
def test_a_comment_finds_its_place(written, wanted):
    assert formatted(written) == wanted
    assert formatted(wanted) == wanted


def test_an_event_keeps_the_comments_that_document_it():
    text = "# header\n\n# about A\nevent   A { a: str }"
    (event,) = parse(Source("case.loop", formatted(text)))[0].items
    assert isinstance(event, s.EventItem)
    assert event.documentation == "about A"


GAPS = st.sampled_from(
    [
        " ",
        " ",
        " ",
        " ",
        "  ",
        "\n",
        "\n\n\n",
        "\t\r\n",
        " # behind\n",
        "\n  # above\n",
        "#a\n#b\n",
        "\n\n# c\n\n",
    ]
)


@st.composite
def shaken(draw: st.DrawFn, texts: list[str]) -> str:
    """A real file with other gaps: where there was none there may be one, and comments anywhere."""
    text = draw(st.sampled_from(texts))
    tokens = tokenize(text)[:-1]
    pieces = []
    for i, token in enumerate(tokens):
        beside = i == 0 or tokens[i - 1].end == token.start
        pieces.append(draw(st.one_of(st.just(""), GAPS)) if beside else draw(GAPS))
        pieces.append(token.text)
    return "".join(pieces) + draw(st.one_of(st.just(""), GAPS, st.just("# end")))


def check(text: str) -> None:
    source = Source("case.loop", text)
    before, findings = parse(source)
    if findings:
        assert format_source(source).text == text
        return
    once = formatted(text)
    again = formatted(once)
    assert again == once
    assert comments(once) == comments(text)
    assert [t.text for t in tokenize(once) if t.text != ","] == [
        t.text for t in tokenize(text) if t.text != ","
    ]
    assert formatter._same(before.items, parse(Source("case.loop", once))[0].items)
    assert once == "" or (once.endswith("\n") and not once.endswith("\n\n"))
    assert "\n\n\n" not in once
    assert not re.search(r"[ \t\r]$", once, re.MULTILINE)


ITEMS = [text for text in re.split(r"\n\n(?=\S)", EVERYTHING) if parse(Source("a", text))[0].items]


@settings(max_examples=150, deadline=None)
@given(shaken(ITEMS))
def test_a_shaken_declaration_is_formatted_stably_and_without_loss(text: str) -> None:
    check(text)


@settings(max_examples=25, deadline=None)
@given(shaken([*SHIPPED.values()]))
def test_a_shaken_file_is_formatted_stably_and_without_loss(text: str) -> None:
    check(text)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ITEMS), st.data())
def test_a_comment_put_anywhere_stays(text: str, data: st.DataObject) -> None:
    at = data.draw(st.sampled_from([token.start for token in tokenize(text)]))
    kind = data.draw(
        st.sampled_from(["# put in\n", "\n# put in\n", "# put\n# in\n", "\n\n# put\n\n# in\n\n"])
    )
    check(text[:at] + kind + text[at:])


def shrunk(text: str) -> str:
    """Names made short or long, so that other lines are too long."""
    return text.replace("config_key", "k")


@pytest.mark.parametrize("change", [shrunk, lambda t: t.replace("config_key", "a_very_long_" * 5 + "key")])
def test_whatever_the_lengths_it_is_stable(change):
    for text in ITEMS:
        check(change(text))


# ---- what it must not touch ----------------------------------------------------------------------


def test_a_file_with_mistakes_of_syntax_is_left_alone():
    made = format_source(Source("case.loop", "let   a = \nlet b=1"))
    assert made.text == "let   a = \nlet b=1"
    assert made.findings


@pytest.mark.parametrize(
    "wrong",
    ["let a = 2\n", "let b = 1\n", "let a = 1 # c\n", "let a = 1\nlet c = 1\n", "let\n", "let a = 1.0\n"],
)
def test_a_text_that_says_something_else_is_refused(monkeypatch, wrong):
    monkeypatch.setattr(formatter, "_laid_out", lambda _source: wrong)
    with pytest.raises(CannotReproduce):
        format_source(Source("case.loop", "let  a = 1"))


# ---- every text there is -------------------------------------------------------------------------


def texts_of_the_project() -> list[str]:
    found = []
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        found += re.findall(r"^```loop[^\n]*\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    found += [path.read_text() for path in (ROOT / "tests").rglob("*.loop")]
    for module in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " on " in node.value:
                found.append(node.value)
    return list(dict.fromkeys(found))


def test_every_rule_text_of_docs_and_tests_is_formatted():
    texts = texts_of_the_project()
    assert len(texts) > 500
    for text in texts:
        check(text)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_shipped_rules_are_in_the_layout(path):
    assert formatted(SHIPPED[path]) == SHIPPED[path]
