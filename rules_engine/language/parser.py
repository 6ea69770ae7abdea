"""Text to syntax tree.

The loop that drives the tables of `grammar.py`. It is ours rather than Lark's because it decides on
words with the parser's state at hand (soft keywords), gives every construct its exact place, and
lets `recovery.py` look at all tokens around a mistake.
"""

from __future__ import annotations

import codecs

from rules_engine.language import syntax as s
from rules_engine.language.diagnostics import Code, Diagnostic, Severity
from rules_engine.language.lexer import tokenize
from rules_engine.language.machine import OVER_LIMIT, Machine
from rules_engine.language.recovery import Recovery
from rules_engine.language.source import Source, Span

MAX_FILE_BYTES = 10_000_000

NOT_UTF8 = Code("RE008", "not-utf8", Severity.ERROR, "A file holds bytes that are not UTF-8 text.")


def decode(path: str, data: bytes) -> tuple[Source, list[Diagnostic]]:
    """The text of a file's bytes; what is no UTF-8 is replaced and reported."""
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return Source(path, data.decode()), []
    except UnicodeDecodeError as error:
        at = len(data[: error.start].decode())
        finding = NOT_UTF8.at(
            Span(path, at, at + 1),
            f"the byte 0x{data[error.start]:02x} is not UTF-8",
            help="save the file as UTF-8",
        )
        return Source(path, data.decode(errors="replace")), [finding]


def parse(source: Source) -> tuple[s.File, list[Diagnostic]]:
    """The syntax tree of a file and what is wrong with its syntax; never raises on any text.

    What could not be understood is left out of the tree and listed in `File.broken`.
    """
    if len(source.text) > MAX_FILE_BYTES:
        finding = OVER_LIMIT.at(
            Span(source.path, 0, 1), "this file is longer than 10 MB", help="split it into several files"
        )
        return s.File(source.path, (), (s.Broken(Span(source.path, 0, len(source.text)), ""),)), [finding]
    machine = Machine(source, tokenize(source.text), "start")
    tree = machine.run(Recovery(machine).recover)
    if not isinstance(tree, s.File):
        tree = s.File(source.path, ())
    return s.File(tree.path, tree.items, tuple(machine.broken)), machine.all_findings()


def parse_expression(source: Source, start: int, end: int) -> tuple[s.Expr | None, list[Diagnostic]]:
    """The expression in `source.text[start:end]`, its places counted in the whole file.

    None, with at least one finding, when there is none.
    """
    machine = Machine(source, tokenize(source.text, start, end), "expression")
    expr = machine.run(Recovery(machine).recover)
    findings = machine.all_findings()
    return (None if findings else expr), findings
