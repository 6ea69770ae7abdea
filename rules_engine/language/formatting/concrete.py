"""The concrete tree of a file: every token in its place, with the comments beside it.

The syntax tree leaves out what carries no meaning: commas, brackets, the spelling of a number. A
formatter keeps all of it, so it has the parser build another tree of the same text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from rules_engine.language.formatting.document import Comment
from rules_engine.language.grammar import Production
from rules_engine.language.lexer import Token, tokenize
from rules_engine.language.machine import Machine
from rules_engine.language.source import Source

_TEXT_OR_COMMENT = re.compile(r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"|#[^\n]*')
_SPACE = " \t\r\f\ufeff"


@dataclass(frozen=True, slots=True)
class Branch:
    """A construct with all its parts; `name` is that of its form in the grammar, `rule` of its rule."""

    name: str
    rule: str
    parts: list[Part]


Part: TypeAlias = "Branch | Token"


class _Run(list[Any]):
    """Parts on their way to the rule that wants them."""


class _ConcreteMachine(Machine):
    def _build(self, production: Production, parts: list[Any], start: int) -> Any:
        del start
        if production.gathers:
            run = parts[0] if parts and isinstance(parts[0], _Run) else _Run(parts[:1])
            for part in parts[1:]:
                _append(run, part)
            return run
        if len(parts) == 1 and production.passes:
            return parts[0]
        flat: list[Any] = []
        for part in parts:
            _append(flat, part)
        return Branch(production.name, production.origin, flat)


def _append(parts: list[Any], part: Any) -> None:
    if isinstance(part, _Run):
        parts.extend(part)
    else:
        parts.append(part)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands between the tokens of a file, each by the start of a token.

    `above`: comments on lines of their own before it; `behind`: the one behind it on its line;
    `blank`: those with an empty line before them and the comments above them. `end` is where the
    token of the file's end stands.
    """

    above: dict[int, tuple[Comment, ...]]
    behind: dict[int, str]
    blank: set[int]
    end: int


def concrete_tree(source: Source) -> tuple[Branch, Surroundings]:
    """The tree of a text without mistakes, and what stands between its tokens.

    `ValueError` where the text has a mistake.
    """
    tokens = tokenize(source.text)
    tree = _ConcreteMachine(source, tokens, "start").run(lambda: False)
    if tree is None:
        raise ValueError("a text with mistakes has no concrete tree")
    return tree, _surroundings(source.text, tokens)


def comments(text: str) -> list[str]:
    """All comments of a text without mistakes, in order."""
    return [found[0].strip(_SPACE) for found in _TEXT_OR_COMMENT.finditer(text) if found[0][0] == "#"]


def _surroundings(text: str, tokens: list[Token]) -> Surroundings:
    around = Surroundings({}, {}, set(), tokens[-1].start)
    before: Token | None = None
    for token in tokens:
        gap = text[before.end if before else 0 : token.start]
        if "\n" in gap or "#" in gap:
            _look_between(gap, before, token, around)
        before = token
    return around


def _look_between(gap: str, before: Token | None, token: Token, around: Surroundings) -> None:
    *lines, last = (line.strip(_SPACE) for line in gap.split("\n"))
    if last:  # a comment at the end of the file, without a line end
        lines.append(last)
    if before is not None and lines:
        behind = lines.pop(0)
        if behind:
            around.behind[before.start] = behind
    above: list[Comment] = []
    blank = False
    for line in lines:
        if not line:
            blank = True
            continue
        if blank:
            _mark_blank(above, token, around)
        above.append(Comment(line, blank=False))
        blank = False
    if blank:
        _mark_blank(above, token, around)
    if above:
        around.above[token.start] = tuple(above)


def _mark_blank(above: list[Comment], token: Token, around: Surroundings) -> None:
    if above:
        above[-1] = Comment(above[-1].text, blank=True)
    else:
        around.blank.add(token.start)


def first_token(part: Part) -> Token:
    """The token a construct begins with."""
    while isinstance(part, Branch):
        part = part.parts[0]
    return part
