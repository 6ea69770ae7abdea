"""Text to tokens. Every character ends up in a token or between two; nothing is refused here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from rules_engine.language.grammar import grammar

#: After these words a name with a dot is an action, also where an event could be meant (`ERROR.q`).
_BEFORE_ACTION = frozenset({"do", "action", "undo", "drives", "stub"})
#: Before a pattern of event types stands one of these; elsewhere `*` multiplies.
_BEFORE_GLOB = frozenset({"on", "or", "no", "then"})
END = "$END"


@dataclass(slots=True)
class Token:
    """A piece of text. `kinds` holds the terminals it can be, the best first."""

    kinds: tuple[str, ...]
    text: str
    start: int
    end: int


@cache
def _scanner() -> tuple[re.Pattern[str], re.Pattern[str], dict[str, tuple[str, ...]]]:
    """Finds a token, finds what lies between two, and the kinds by word or terminal."""
    tables = grammar()
    pattern = "|".join(f"(?P<{t.name}>{t.pattern})" for t in tables.terminals)
    kinds = {t.name: (t.name,) for t in tables.terminals}
    kinds |= {word: (*names, "NAME") for word, names in tables.words.items()}
    return re.compile(pattern), re.compile(tables.ignored), kinds


def tokenize(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """The tokens of `text[start:end]`, with an empty one of kind `$END` behind them."""
    scanner, between, kinds = _scanner()
    limit = len(text) if end is None else end
    match, ignored = scanner.match, between.match
    tokens: list[Token] = []
    add = tokens.append
    at, before, earlier = start, "", ""
    while True:
        space = ignored(text, at, limit)
        if space is not None:
            at = space.end()
        if at >= limit:
            break
        found = match(text, at, limit)
        assert found is not None  # the last terminal takes any character
        kind, piece, stop = found.lastgroup or "", found.group(), found.end()
        if kind == "NAME":
            kinds_here = kinds.get(piece, kinds["NAME"])
        elif kind == "ACTION" and before not in _BEFORE_ACTION and piece.partition(".")[0].isupper():
            piece = piece.partition(".")[0]
            stop, kinds_here = at + len(piece), kinds["EVENT"]
        elif kind == "GLOB" and before not in _BEFORE_GLOB and not (earlier == "on" and before.isdigit()):
            piece = piece.partition("*")[0] or "*"
            stop, kinds_here = at + len(piece), kinds["STAR" if piece == "*" else "EVENT"]
        else:
            kinds_here = kinds[kind]
        add(Token(kinds_here, piece, at, stop))
        earlier, before = before, piece
        at = stop
    add(Token((END,), "", at, at))
    return tokens
