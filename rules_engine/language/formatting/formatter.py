"""Formats a file, and proves on the result that it still says the same."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from rules_engine.language import syntax as s
from rules_engine.language.diagnostics import Diagnostic
from rules_engine.language.formatting.concrete import comments, concrete_tree
from rules_engine.language.formatting.document import Printer
from rules_engine.language.formatting.layout import Layout
from rules_engine.language.parser import parse
from rules_engine.language.source import Source

#: A comment where no line can end moves to where one can; then the text is laid out once more.
_ROUNDS = 5


class CannotReproduce(Exception):
    """The formatted text would not say what the text said, so it must not replace it."""


@dataclass(frozen=True, slots=True)
class Formatted:
    """A text in the one layout, or the mistakes for which it has none."""

    text: str
    findings: tuple[Diagnostic, ...] = ()


def format_source(source: Source) -> Formatted:
    """The text of a file in the one layout; with `findings` and unchanged where it has mistakes of syntax.

    `CannotReproduce` where the layout would change what the file says: a mistake of ours.
    """
    before, findings = parse(source)
    if findings:
        return Formatted(source.text, tuple(findings))
    text = _laid_out(source)
    if text != source.text:
        made = Source(source.path, text)
        after, findings = parse(made)
        if findings or not _same(before.items, after.items):
            raise CannotReproduce(f"{source.path}: formatting would change what it says")
        if comments(source.text) != comments(text):
            raise CannotReproduce(f"{source.path}: formatting would lose a comment")
    return Formatted(text)


def _laid_out(source: Source) -> str:
    text = source.text
    for _ in range(_ROUNDS):
        tree, around = concrete_tree(Source(source.path, text))
        printer = Printer()
        text = printer.print(Layout(around).file(tree))
        if not printer.displaced:
            break
    return text


def _same(one: Any, other: Any) -> bool:
    """Whether two trees are equal but for places, and for the comments that document an event."""
    waiting = [(one, other)]
    while waiting:
        left, right = waiting.pop()
        if type(left) is not type(right):
            return False
        if isinstance(left, tuple):
            if len(left) != len(right):
                return False
            waiting.extend(zip(left, right, strict=True))
        elif isinstance(left, s.Node):
            names = _compared(type(left))  # type: ignore[arg-type]  # mypy takes a class for no Hashable
            waiting.extend((getattr(left, name), getattr(right, name)) for name in names)
        elif left != right:
            return False
    return True


@cache
def _compared(kind: type[s.Node]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name not in {"span", "documentation"})
