"""How findings look, in each of the four forms."""

from __future__ import annotations

import json

import pytest

from rules_engine.cli.rendering import (
    MAX_BLOCKS,
    as_github,
    as_json,
    as_object,
    as_sarif,
    as_text,
    summary_line,
)
from rules_engine.language.diagnostics import Code, Diagnostic, Hop, Related, Severity
from rules_engine.language.recovery import UNEXPECTED
from rules_engine.language.source import Source, Span
from rules_engine.pipeline import check_texts

TEXT = 'loop a\n  on A\n  do H.a(x)\n\tset k = 1 # ünïcode 漢字 here\nlet y = "z"\nlet w = 2\n'
SOURCES = {"a.loop": Source("a.loop", TEXT), "b.loop": Source("b.loop", "let q = 1\n")}


def span(piece: str, path: str = "a.loop") -> Span:
    start = SOURCES[path].text.index(piece)
    return Span(path, start, start + len(piece))


def finding(
    piece: str, message: str = "wrong", severity: Severity = Severity.ERROR, **more: object
) -> Diagnostic:
    code = {
        Severity.ERROR: UNEXPECTED,
        Severity.WARNING: Code.__new__(Code),
        Severity.INFO: Code.__new__(Code),
    }[severity]
    if severity is not Severity.ERROR:  # without declaring a code that has no page
        for name, value in (("id", "RE999"), ("name", "n"), ("severity", severity), ("summary", "s")):
            object.__setattr__(code, name, value)
    return code.at(span(piece), message, **more)  # type: ignore[arg-type]


def shown(*diagnostics: Diagnostic) -> list[str]:
    return as_text(diagnostics, SOURCES, color=False).splitlines()


def test_a_finding_shows_its_line_its_mark_and_its_help() -> None:
    assert shown(finding("H.a", "no such action", help="did you mean `H.b`?")) == [
        "error[RE001]: no such action",
        " --> a.loop:3:6",
        "  |",
        "3 |   do H.a(x)",
        "  |      ^^^",
        "  |",
        "  = help: did you mean `H.b`?",
        "",
        "1 error",
    ]


def test_other_places_are_shown_near_and_in_other_files() -> None:
    related = (
        Related(span("on A"), "starts here"),
        Related(span("q", "b.loop"), "and here"),
        Related(span("w"), "far away"),
    )
    assert shown(finding("H.a", related=related))[1:-2] == [
        " --> a.loop:3:6",
        "  |",
        "2 |   on A",
        "  |   ---- starts here",
        "3 |   do H.a(x)",
        "  |      ^^^",
        ".",
        "6 | let w = 2",
        "  |     - far away",
        " ::: b.loop:1:5",
        "  |",
        "1 | let q = 1",
        "  |     - and here",
    ]


def test_marks_on_one_line_share_a_row_where_they_have_room() -> None:
    related = (Related(span("("), "opened here"), Related(span("do H.a(x"), "in this"))
    assert shown(finding(")", related=related))[3:-2] == [
        "3 |   do H.a(x)",
        "  |   --------^",
        "  |   in this",
        "  |         - opened here",
    ]


def test_tabs_and_wide_letters_keep_the_mark_below_its_place() -> None:
    rows = shown(finding("here"))
    assert rows[3] == "4 |     set k = 1 # ünïcode 漢字 here"
    assert rows[4] == "  |" + " " * (1 + 4 + len("set k = 1 # ünïcode ") + 4 + 1) + "^^^^"


def test_a_long_line_is_shown_around_the_place() -> None:
    text = "let x = " + "a" * 500 + "!" + "b" * 500
    source = Source("c.loop", text)
    rows = as_text(
        [UNEXPECTED.at(Span("c.loop", 508, 509), "m")], {"c.loop": source}, color=False
    ).splitlines()
    assert len(rows[3]) < 110
    assert rows[3][rows[4].index("^")] == "!"
    assert rows[3].startswith("1 | …")
    assert rows[3].endswith("…")


def test_nothing_from_a_file_reaches_the_terminal_as_a_command() -> None:
    source = Source("c.loop", "let \x1b[31mx")
    text = as_text([UNEXPECTED.at(Span("c.loop", 4, 5), "\x1b]0;owned")], {"c.loop": source}, color=False)
    assert "\x1b" not in text


def test_a_place_past_the_end_is_marked_behind_the_last_letter() -> None:
    end = len(TEXT)
    assert shown(UNEXPECTED.at(Span("a.loop", end - 1, end), "m"))[3:5] == ["6 | let w = 2", "  |          ^"]


def test_findings_come_by_file_and_place_and_are_counted() -> None:
    mixed = [finding("w"), finding("y", severity=Severity.WARNING), finding("H.a", severity=Severity.INFO)]
    heads = [row.split("[")[0] for row in shown(*mixed) if "]: " in row]
    assert heads == ["info", "warning", "error"]
    assert shown(*mixed)[-1] == "1 error, 1 warning, 1 note"
    assert summary_line([]) == "no findings"
    assert summary_line(mixed * 2) == "2 errors, 2 warnings, 2 notes"


@pytest.mark.parametrize(
    ("witness", "text"),
    [
        (["a", "B", "a"], "a -> B -> a"),
        ({"x": 1}, '{"x": 1}'),
        ("half", "half"),
    ],
)
def test_a_witness_is_shown(witness: object, text: str) -> None:
    assert f"  = witness: {text}" in shown(finding("w", witness=witness))


def test_colour_adds_nothing_but_colour() -> None:
    import re

    diagnostics = [finding("H.a", help="h", related=(Related(span("w"), "r"),))]
    colored = as_text(diagnostics, SOURCES, color=True)
    assert "\x1b[1;31merror" in colored
    plain = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert [row.rstrip() for row in plain.splitlines()] == shown(*diagnostics)


def test_json_has_the_promised_shape() -> None:
    diagnostic = finding("H.a", "m", help="h", related=(Related(span("w"), "r"),), witness={"x": 1})
    assert as_json([diagnostic], SOURCES, files=2, loops=1) == {
        "version": 1,
        "summary": {"files": 2, "loops": 1, "errors": 1, "warnings": 0, "infos": 0},
        "diagnostics": [
            {
                "code": "RE001",
                "name": "unexpected-text",
                "severity": "error",
                "path": "a.loop",
                "line": 3,
                "column": 6,
                "end_line": 3,
                "end_column": 9,
                "message": "m",
                "help": "h",
                "related": [{"path": "a.loop", "line": 6, "column": 5, "message": "r"}],
                "witness": {"x": 1},
            }
        ],
    }


def test_sarif_names_the_rule_and_the_region() -> None:
    log = as_sarif([finding("H.a", "m", help="h")], SOURCES)
    json.dumps(log)
    (run,) = log["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["RE001"]
    (result,) = run["results"]
    assert (result["ruleId"], result["level"], result["message"]["text"]) == ("RE001", "error", "m\nh")
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a.loop"},
        "region": {"startLine": 3, "startColumn": 6, "endLine": 3, "endColumn": 9},
    }


def test_github_gets_one_escaped_line_for_each() -> None:
    assert as_github([finding("H.a", "50% of\nit", help="a, b")], SOURCES) == (
        "::error file=a.loop,line=3,endLine=3,col=6,endColumn=9,title=RE001 unexpected-text"
        "::50%25 of%0Ait%0Aa, b\n"
    )


def test_a_line_with_a_finding_at_every_word_is_shown_in_time_and_not_to_its_end():
    rules = check_texts({"a\x1b.loop": "loop " * 8_000})
    text = as_text(rules.diagnostics, rules.sources, color=False)
    assert len(rules.diagnostics) > MAX_BLOCKS
    assert text.count("error[") == MAX_BLOCKS
    assert text.endswith("; these are the first 1,000, `--format json` has all\n")
    assert "\x1b" not in text


def test_the_hops_of_a_path_have_their_places() -> None:
    sources = {"a.loop": Source("a.loop", "one\ntwo")}
    hops = (Hop(Span("a.loop", 4, 7), "x", "emits Q", "y"), Hop(Span("a.loop", 0, 3), "y", "emits P", "x"))
    path = UNEXPECTED.at(Span("a.loop", 4, 7), "m", witness=hops)
    text = as_text([path], sources, color=False)
    assert "= witness: x emits Q (a.loop:2) -> y emits P (a.loop:1) -> x\n" in text
    assert as_object(path, sources)["witness"] == [
        {"loop": "x", "does": "emits Q", "to": "y", "path": "a.loop", "line": 2, "column": 1},
        {"loop": "y", "does": "emits P", "to": "x", "path": "a.loop", "line": 1, "column": 1},
    ]


def test_a_fingerprint_outlives_moved_lines_and_tells_findings_apart() -> None:
    here, moved = Span("a.loop", 0, 3), Span("a.loop", 9, 12)
    prints = [
        as_sarif([UNEXPECTED.at(place, message)], SOURCES)["runs"][0]["results"][0]["partialFingerprints"]
        for place, message in ((here, "m"), (moved, "m"), (here, "n"))
    ]
    assert prints[0] == prints[1] != prints[2]
