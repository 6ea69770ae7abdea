"""Text to syntax tree.

The loop that drives the tables of `grammar.py`. It is ours rather than Lark's because it decides on
words with the parser's state at hand (soft keywords), gives every construct its exact place, and
lets recovery look at all tokens around a mistake.
"""

from __future__ import annotations

from typing import Any

from rules_engine.language import syntax as s
from rules_engine.language.diagnostics import Code, Diagnostic, Severity
from rules_engine.language.grammar import Production, grammar
from rules_engine.language.lexer import END, Token, tokenize
from rules_engine.language.source import Source, Span
from rules_engine.language.tree import TreeBuilder

UNEXPECTED = Code(
    "RE001",
    "unexpected-text",
    Severity.ERROR,
    "A word or sign stands where the language has no place for it.",
)

NOT_UTF8 = Code("RE008", "not-utf8", Severity.ERROR, "A file holds bytes that are not UTF-8 text.")


def parse(source: Source) -> tuple[s.File, list[Diagnostic]]:
    """The syntax tree of a file and what is wrong with its syntax; never raises on any text."""
    parser = Parser(source, tokenize(source.text), "start")
    tree = parser.run()
    return tree or s.File(source.path, ()), parser.findings()


def decode(path: str, data: bytes) -> tuple[Source, list[Diagnostic]]:
    """The text of a file's bytes; what is no UTF-8 is replaced and reported."""
    try:
        return Source(path, data.decode("utf-8-sig")), []
    except UnicodeDecodeError as error:
        text = data.decode("utf-8-sig", errors="replace")
        at = len(data[: error.start].decode("utf-8-sig", errors="replace"))
        finding = NOT_UTF8.at(
            Span(path, at, at + 1),
            f"the byte 0x{data[error.start]:02x} is not UTF-8",
            help="save the file as UTF-8",
        )
        return Source(path, text), [finding]


def parse_expression(source: Source, start: int, end: int) -> tuple[s.Expr | None, list[Diagnostic]]:
    """The expression in `source.text[start:end]`, its places counted in the whole file."""
    parser = Parser(source, tokenize(source.text, start, end), "expression")
    return parser.run(), parser.findings()


class Run(list[Any]):
    """Parts on their way to the rule that wants them."""


class Parser:
    """One parse of one text."""

    def __init__(self, source: Source, tokens: list[Token], entry: str) -> None:
        self.source = source
        self.tokens = tokens
        self.entry = entry
        self.tables = grammar()
        self.builder = TreeBuilder(source)
        self.at = 0
        self.states = [self.tables.entry[entry]]
        self.values: list[Any] = []
        self.starts: list[int] = []
        self.errors: list[Diagnostic] = []

    def findings(self) -> list[Diagnostic]:
        """All findings, in the order of their places."""
        return sorted(self.errors + self.builder.findings, key=lambda d: (d.span.start, d.span.end))

    def run(self) -> Any:
        """Parses to the end; the value of the start rule, or None when it was not reached."""
        rows, tokens = self.tables.rows, self.tokens
        states, values, starts = self.states, self.values, self.starts
        goal = self.tables.goal[self.entry]
        end = tokens[0].start
        while True:
            token = tokens[self.at]
            row = rows[states[-1]]
            for kind in token.kinds:
                if kind in row:
                    break
            while True:
                action = rows[states[-1]].get(kind)
                if isinstance(action, int):
                    states.append(action)
                    values.append(token)
                    starts.append(token.start)
                    end = token.end
                    self.at += 1
                    break
                if action is None:
                    self.errors.append(
                        UNEXPECTED.at(
                            Span(self.source.path, token.start, max(token.end, token.start + 1)),
                            f"`{token.text}` is not expected here",
                        )
                    )
                    return None
                self._reduce(action, end)
                if states[-1] == goal and kind == END:
                    return values[-1]

    def _reduce(self, production: Production, end: int) -> None:
        states, values, starts = self.states, self.values, self.starts
        size = production.size
        if size:
            parts = values[-size:]
            start = starts[-size]
            del states[-size:], values[-size:], starts[-size:]
        else:
            parts, start = [], end
        value = self._value(production, parts, start, end)
        states.append(self.tables.rows[states[-1]][production.origin])  # type: ignore[arg-type]
        values.append(value)
        starts.append(start)

    def _value(self, production: Production, parts: list[Any], start: int, end: int) -> Any:
        picks = production.picks
        if production.passes and len(picks) == 1 and not picks[0][1] and picks[0][0] >= 0:
            return parts[picks[0][0]]
        taken: list[Any] = Run()
        for index, splice in picks:
            if index < 0:
                taken.append(None)
            elif not splice:
                taken.append(parts[index])
            elif taken:
                taken.extend(parts[index])
            else:
                taken = parts[index]
        if production.gathers:
            return taken
        if production.passes and len(taken) == 1:
            return taken[0]
        name = production.name
        build = getattr(self.builder, name, None) or getattr(self.builder, name + "_")
        return build(start, end, taken)
