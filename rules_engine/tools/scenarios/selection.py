"""Which tests are meant: `-k`, read as pytest reads it, over a test's file and name."""

from __future__ import annotations

import re
from collections.abc import Callable

_TOKEN = re.compile(r'\s*(?:(\(|\))|"([^"]*)"|\'([^\']*)\'|([^\s()"\']+))')
_WORDS = ("and", "or", "not")
_DEEPEST = 100

#: Whether a text (of file and name) is meant.
Selector = Callable[[str], bool]


class BadSelection(ValueError):
    """An expression that cannot be read; the message says what is wrong with it."""


def selector(text: str) -> Selector:
    """`low and not (slow or "big one")`: parts of file and name, in any case, joined by and, or, not.

    Raises `BadSelection`.
    """
    parser = _Parser(_tokens(text))
    found = parser.either(0)
    parser.end()
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    """Pairs of kind (`sign`, `word`, `part`) and text."""
    tokens: list[tuple[str, str]] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadSelection(f"a quote is not closed: {text[at:].strip()}")
        sign, double, single, plain = match.groups()
        if sign:
            tokens.append(("sign", sign))
        elif plain is not None:
            tokens.append(("word" if plain in _WORDS else "part", plain))
        else:
            tokens.append(("part", double if double is not None else single))
        at = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    def _accept(self, kind: str, text: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == (kind, text):
            self._at += 1
            return True
        return False

    def _next(self) -> str:
        return f"`{self._tokens[self._at][1]}`" if self._at < len(self._tokens) else "the end"

    def end(self) -> None:
        """Nothing may be left."""
        if self._at < len(self._tokens):
            raise BadSelection(f"there is no `and` or `or` before {self._next()}")

    def either(self, depth: int) -> Selector:
        found = [self._both(depth)]
        while self._accept("word", "or"):
            found.append(self._both(depth))
        return found[0] if len(found) == 1 else lambda text: any(one(text) for one in found)

    def _both(self, depth: int) -> Selector:
        found = [self._one(depth)]
        while self._accept("word", "and"):
            found.append(self._one(depth))
        return found[0] if len(found) == 1 else lambda text: all(one(text) for one in found)

    def _one(self, depth: int) -> Selector:
        if depth > _DEEPEST:
            raise BadSelection("it is nested too deep")
        if self._accept("word", "not"):
            inner = self._one(depth + 1)
            return lambda text: not inner(text)
        if self._accept("sign", "("):
            found = self.either(depth + 1)
            if not self._accept("sign", ")"):
                raise BadSelection(f"`)` is missing before {self._next()}")
            return found
        if self._at >= len(self._tokens) or self._tokens[self._at][0] != "part":
            raise BadSelection(f"a part of a name is missing before {self._next()}")
        part = self._tokens[self._at][1].lower()
        self._at += 1
        return lambda text: part in text.lower()
