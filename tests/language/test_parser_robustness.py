"""The parser on text nobody would write: it answers, soon, and without an exception."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rules_engine.language import syntax as s
from rules_engine.language.parser import MAX_FILE_BYTES, decode, parse, parse_expression
from rules_engine.language.source import Source
from rules_engine.language.spelling import distance, nearest
from rules_engine.shipped import shipped

REAL = [path.read_text(encoding="utf-8") for path in sorted(shipped("rules").glob("*.loop"))]
PIECES = st.sampled_from(
    "loop on per with when cooldown limit gather set emit do after cleared failed type event action knob let "
    "test at send given expect stub restart reload for until unless or and not in is known match over last "
    'A MODEL_PROMOTED *_FAILED H.a x limit 3 2.5 10m 25% "text" "open ( ) [ ] { } , : = == + - * / . .. ... '
    "?? ? | @ // && != 5minutes null If \n # \N{NO-BREAK SPACE} “ $ true".replace(" \n ", " ").split()
) | st.just("\n")


def check(text: str) -> None:
    file, findings = parse(Source("case.loop", text))
    for finding in findings:
        assert 0 <= finding.span.start <= finding.span.end <= len(text) + 1
        assert finding.message
        assert "_" not in finding.code.name
    for item in file.items:
        assert text[item.span.start : item.span.end].strip()
    if file.broken:
        assert findings, "something was left out of the tree without a word"


@given(st.text())
@example("\ufeff")
@example("\x00")
@example('"')
@example("loop x on A when ((((")
def test_any_text_is_answered(text: str) -> None:
    check(text)


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=40).map(" ".join))
def test_any_row_of_words_and_signs_is_answered(text: str) -> None:
    check(text)


@settings(max_examples=200)
@given(st.sampled_from(REAL), st.data())
def test_a_real_file_with_a_piece_torn_out_or_put_in_is_answered(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    check(text[:start] + data.draw(st.lists(PIECES, max_size=3).map(" ".join)) + text[end:])


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    source, findings = decode("case.loop", data)
    assert bool(findings) == (data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace") != _strict(data))
    check(source.text)


def _strict(data: bytes) -> str | None:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


@given(st.text(max_size=60), st.data())
def test_any_piece_of_text_is_answered_as_an_expression(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    expr, findings = parse_expression(Source("case.loop", text), start, end)
    assert (expr is None) == bool(findings)
    for finding in findings:
        assert start <= finding.span.start <= end + 1


@pytest.mark.parametrize("behind", ["!", "// a", "/* a */", "'a'", "&&"])
def test_what_stands_behind_a_piece_of_text_is_no_part_of_it(behind: str) -> None:
    expr, findings = parse_expression(Source("case.loop", f"x {behind}"), 2, 2)
    assert expr is None
    assert [finding.span.start for finding in findings] == [2]


# ---- sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opening", "middle", "closing"),
    [("(", "1", ")"), ("[", "1", "]"), ("not ", "a", ""), ("-", "1", ""), ("max(", "1", ")")],
)
def test_l47_nesting_to_a_hundred_is_read_and_beyond_is_refused(
    opening: str, middle: str, closing: str
) -> None:
    def findings(depth: int) -> list[str]:
        text = f"let x = {opening * depth}{middle}{closing * depth}\n"
        return [f.code.id for f in parse(Source("case.loop", text))[1]]

    assert findings(100) == []
    assert findings(101) == ["RE009"]
    assert findings(50_000) == ["RE009"]


def test_a_long_sum_is_refused_rather_than_nested() -> None:
    assert parse(Source("case.loop", "let x = 1" + " + 1" * 100))[1] == []
    assert [f.code.id for f in parse(Source("case.loop", "let x = 1" + " + 1" * 101))[1]] == ["RE009"]
    assert [f.code.id for f in parse(Source("case.loop", "let x = 1" + " + 1" * 5_000))[1]] == ["RE009"]


def test_a_long_row_of_alternatives_stays_flat() -> None:
    file, findings = parse(Source("case.loop", "let x = a == 0" + " or a == 1" * 2_000))
    assert findings == []
    assert depth(file.items[0].value) < 20  # type: ignore[attr-defined]


def depth(expr: s.Expr) -> int:
    return 1 + max(depth(expr.left), depth(expr.right)) if isinstance(expr, s.Binary) else 1


def test_l47_a_file_of_ten_megabytes_is_read_and_a_longer_one_refused() -> None:
    head = "let x = 1\n#"
    assert parse(Source("case.loop", head + "a" * (MAX_FILE_BYTES - len(head))))[1] == []
    file, findings = parse(Source("case.loop", head + "a" * (MAX_FILE_BYTES - len(head) + 1)))
    assert [f.code.id for f in findings] == ["RE009"]
    assert file.items == ()
    assert len(file.broken) == 1


@pytest.mark.parametrize(
    "text",
    [
        'let x = "' + "a" * 9_000_000 + '"',
        'let x = "' + r"\n" * 4_000_000 + '"',
        'let x = "' + "a" * 9_000_000,
        "let x = " + "9" * 9_000_000,
        "let x = " + "1m" * 4_000_000 + "x",
        "let x = " + "a" * 9_000_000,
        "let x = " + "A" * 9_000_000,
        "let x = " + "a.b" * 30_000,
        " " * 9_000_000,
        "\n" * 9_000_000,
        "(" * 300_000,
        "let x = " + "(" * 300_000,
        "loop x {" * 20_000,
        "“" * 100_000,
        "$" * 300_000,
        "loop x on A when a = 1 " * 5_000,
        "loop x\n on A\n when (a\n" * 5_000,
    ],
    ids=lambda text: text[:24].replace("\n", "|"),
)
def test_large_texts_take_linear_time(text: str) -> None:
    """Each takes well under a second; with anything quadratic in them the suite would not end."""
    check(text)


def test_a_large_rule_set_is_read_whole() -> None:
    loop = "loop l\n  on A\n  per k\n  when a > 3 for 10m\n  set x = 0.5 while active\n"
    file, findings = parse(Source("case.loop", loop * 1_000))
    assert findings == []
    assert len(file.items) == 1_000


def test_the_nearest_word_is_a_slip_away() -> None:
    assert distance("colldown", "cooldown") == 1
    assert distance("wehn", "when") == 1
    assert distance("", "abc") == 3
    assert nearest("colldown", ["cooldown", "per"]) == "cooldown"
    assert nearest("frobnicate", ["cooldown", "per"]) is None
    assert nearest("a", ["b"]) == "b"
    assert nearest("abcd", ["wxcd"]) is None
    assert nearest("abcde", ["xxcde"]) == "xxcde"
