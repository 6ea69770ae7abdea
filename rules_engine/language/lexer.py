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


@dataclass(frozen=True, slots=True)
class _Scanner:
    """Finds a token, a token that is no action and no glob, and what lies between two."""

    any: re.Pattern[str]
    plain: re.Pattern[str]
    between: re.Pattern[str]
    kinds: dict[str, tuple[str, ...]]


@cache
def _scanner() -> _Scanner:
    tables = grammar()
    pieces = {t.name: f"(?P<{t.name}>{_greedy(t.pattern)})" for t in tables.terminals}
    kinds = {t.name: (t.name,) for t in tables.terminals}
    return _Scanner(
        any=re.compile("|".join(pieces.values())),
        plain=re.compile("|".join(p for name, p in pieces.items() if name not in {"ACTION", "GLOB"})),
        between=re.compile(tables.ignored),
        kinds=kinds | {word: (*names, "NAME") for word, names in tables.words.items()},
    )


def _greedy(pattern: str) -> str:
    """A pattern whose repeated groups never give back what they took.

    Where the next character decides alone, that changes no match; it saves the memory in which the
    engine would remember each of ten million escapes. The grammar keeps the plain form, which more
    tools can read.
    """
    return re.sub(r"\)([*+])(?=\"|\\b)", r")\1+", pattern)


def tokenize(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """The tokens of `text[start:end]`, with an empty one of kind `$END` behind them."""
    scanner = _scanner()
    match, between, kinds = scanner.any.match, scanner.between.match, scanner.kinds
    limit = len(text) if end is None else end
    tokens: list[Token] = []
    at, before, earlier = start, "", ""
    while True:
        space = between(text, at, limit)
        if space is not None:
            at = space.end()
        if at >= limit:
            break
        found = match(text, at, limit)
        if found is not None and found.lastgroup in {"ACTION", "GLOB"} and not _fits(found, before, earlier):
            found = scanner.plain.match(text, at, limit)
        assert found is not None  # the last terminal takes any character
        kind, piece, stop = found.lastgroup or "", found.group(), found.end()
        kinds_here = kinds.get(piece, kinds["NAME"]) if kind == "NAME" else kinds[kind]
        tokens.append(Token(kinds_here, piece, at, stop))
        earlier, before = before, piece
        at = stop
    tokens.append(Token((END,), "", at, at))
    return tokens


def _fits(found: re.Match[str], before: str, earlier: str) -> bool:
    """Whether an action or a glob can stand here; else it is a name, a sign and another name."""
    if found.lastgroup == "ACTION":
        return before in _BEFORE_ACTION or not found.group().partition(".")[0].isupper()
    return before in _BEFORE_GLOB or (earlier == "on" and before.isdigit())
