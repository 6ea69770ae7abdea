"""The grammar: what Lark itself makes of it, and the tables that are shipped beside it."""

from __future__ import annotations

import os

import pytest
from lark import Lark
from lark.exceptions import GrammarError
from lark.parsers.lalr_analysis import LALR_Analyzer

from rules_engine.language.grammar import STARTS, build, dumps, loads
from rules_engine.shipped import shipped

GRAMMAR = shipped("grammar/loops.lark")
TABLES = shipped("grammar/tables.json")
TEXT = GRAMMAR.read_text(encoding="utf-8")


def test_the_shipped_tables_are_those_of_the_grammar() -> None:
    """After a change of the grammar: UPDATE_PAGES=1 pytest tests/language/test_grammar.py"""
    if os.environ.get("UPDATE_PAGES"):
        TABLES.write_text(dumps(build(TEXT), TEXT), encoding="utf-8")
    shipped_tables = loads(TABLES.read_text(encoding="utf-8"), TEXT)
    assert shipped_tables is not None, "grammar/tables.json is stale"
    assert shipped_tables == build(TEXT)


def test_tables_of_another_grammar_are_not_used() -> None:
    assert loads(TABLES.read_text(encoding="utf-8"), TEXT + "// edited") is None


def test_line_ends_do_not_make_tables_stale() -> None:
    assert loads(TABLES.read_text(encoding="utf-8"), TEXT.replace("\n", "\r\n")) is not None


def test_the_grammar_has_no_conflicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lark resolves a conflict silently unless it is told to be strict."""
    plain = LALR_Analyzer.__init__

    def strict(self, parser_conf, debug=False, strict=False):  # type: ignore[no-untyped-def]
        plain(self, parser_conf, debug, strict=True)

    monkeypatch.setattr(LALR_Analyzer, "__init__", strict)
    Lark(TEXT, parser="lalr", start=list(STARTS))
    with pytest.raises(GrammarError):
        Lark('start: a | "x"*\na: "x"', parser="lalr")


def test_the_grammar_is_strict_in_every_way_lark_can_check() -> None:
    """No two terminals of one rank match the same text, either. Needs a development dependency."""
    pytest.importorskip("interegular")
    Lark(TEXT, parser="lalr", start=list(STARTS), strict=True)
