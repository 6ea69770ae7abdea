"""What all repairs of known slips share: to report, to read a piece of text as something else."""

from __future__ import annotations

from functools import cache

from rules_engine.language.diagnostics import Code
from rules_engine.language.expression_tree import FOREIGN, OUT_OF_BOUNDS
from rules_engine.language.grammar import grammar
from rules_engine.language.lexer import END, Token
from rules_engine.language.machine import Machine
from rules_engine.language.recovery.wording import kind_of

__all__ = ["FOREIGN", "OUT_OF_BOUNDS", "Repairer", "followers"]

#: What other languages call the absence of a value.
NO_VALUE = frozenset({"None", "NULL", "null", "nil", "none", "undefined"})


@cache
def followers() -> dict[str, frozenset[str]]:
    """For each word of the language, the terminals that can stand behind it."""
    tables = grammar()
    words = {name for names in tables.words.values() for name in names}
    found: dict[str, set[str]] = {}
    for row in tables.rows:
        for symbol, action in row.items():
            if symbol in words and isinstance(action, int):
                shifts = (k for k, a in tables.rows[action].items() if k.isupper() and isinstance(a, int))
                found.setdefault(symbol, set()).update(shifts)
    return {symbol: frozenset(kinds) - {END} for symbol, kinds in found.items()}


class Repairer:
    """Mends slips at the place where a parse stands.

    `stuck` says that the last one was reported and cannot be mended: go on at the next clause.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.stuck = False

    def attempt(self, token: Token) -> bool:
        """Whether one of its slips was found; then it is reported and mended."""
        raise NotImplementedError

    def _report(self, code: Code, start: int, end: int, message: str, help: str) -> None:
        self.machine.findings.append(code.at(self.machine.builder.span(start, end), message, help=help))

    def _replace(self, end: int, text: str, kind: str | None = None, start: int | None = None) -> bool:
        """Reads all tokens up to an offset as one; False when even that does not fit."""
        machine = self.machine
        first = machine.tokens[machine.at]
        kind = kind or kind_of(text)
        last = machine.at
        while machine.tokens[last].kinds[0] != END and machine.tokens[last].start < end:
            last += 1
        machine.at = last - 1
        machine.tokens[last - 1] = Token((kind,), text, first.start if start is None else start, end)
        return machine.accepts(kind)

    def _drop(self, end: int) -> None:
        """Reads on behind an offset."""
        machine = self.machine
        while machine.tokens[machine.at].kinds[0] != END and machine.tokens[machine.at].start < end:
            machine.at += 1

    def _text(self, token: Token) -> str:
        """The text from a token to the end of its line, or of what is to be read."""
        text = self.machine.source.text
        last = min(token.start + 1000, self.machine.tokens[-1].start)
        end = text.find("\n", token.start, last)
        return text[token.start : end if end >= 0 else last]

    def _spoil(self, token: Token) -> None:
        self.machine.builder.spoiled.append(token.start)

    def _before(self) -> Token | None:
        return self.machine.tokens[self.machine.at - 1] if self.machine.at else None

    def _next(self) -> Token:
        tokens = self.machine.tokens
        return tokens[min(self.machine.at + 1, len(tokens) - 1)]
