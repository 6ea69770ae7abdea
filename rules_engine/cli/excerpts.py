"""The lines of a source around some places, with the places marked underneath."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rules_engine.language.source import Source, Span

#: A line is shown up to this many cells around the place; the rest becomes an ellipsis.
WIDTH = 100
TAB = "    "


@dataclass(frozen=True, slots=True)
class Label:
    """A place to mark, and what to write beside the mark."""

    span: Span
    message: str
    primary: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A line of an excerpt: of the source (with its number), of marks, or standing for left-out lines."""

    text: str
    number: int | None = None
    marks: bool = False
    primary: bool = False
    gap: bool = False


def excerpt(source: Source, labels: Sequence[Label]) -> list[Row]:
    """The marked lines in order, each followed by its marks."""
    by_line: dict[int, list[Label]] = {}
    for label in labels:
        by_line.setdefault(source.position(label.span.start)[0], []).append(label)
    rows = [Row("")]
    before: int | None = None
    for number in sorted(by_line):
        if before is not None and number == before + 2:
            rows.append(Row(_cells(source.line(before + 1))[0][:WIDTH], before + 1))
        elif before is not None and number > before + 1:
            rows.append(Row("", gap=True))
        rows += _line(source, number, by_line[number])
        before = number
    return rows


def _line(source: Source, number: int, labels: Sequence[Label]) -> Iterator[Row]:
    text = source.line(number)
    cells, columns = _cells(text)
    ranges = []
    for label in sorted(labels, key=lambda label: (not label.primary, label.span.start)):
        start = source.position(label.span.start)[1] - 1
        end_line, end = source.position(max(label.span.end, label.span.start + 1))
        stop = end - 1 if end_line == number else len(text)
        left = columns[min(start, len(text))] + max(0, start - len(text))
        ranges.append((left, max(columns[min(stop, len(text))], left + 1), label))
    first = min(left for left, _, _ in ranges)
    shift = max(0, first - WIDTH // 2) if len(cells) > WIDTH else 0
    shown = cells[shift : shift + WIDTH]
    if shift:
        shown = "…" + shown[1:]
    if len(cells) > shift + WIDTH:
        shown = shown[:-1] + "…"
    yield Row(shown, number)
    yield from _marks([(left - shift, min(right - shift, WIDTH + 1), label) for left, right, label in ranges])


def _marks(ranges: list[tuple[int, int, Label]]) -> Iterator[Row]:
    """All marks of a line in one row where they have room, the message of the last beside it, the
    others below."""
    rows: list[list[tuple[int, int, Label]]] = []
    for mark in ranges:
        if mark[0] >= WIDTH:
            continue
        fits = (row for row in rows if all(mark[1] <= left or right <= mark[0] for left, right, _ in row))
        row = next(fits, None)
        if row is None:
            rows.append([mark])
        else:
            row.append(mark)
    for row in rows:
        row.sort(key=lambda mark: mark[0])
        text = ""
        for left, right, label in row:
            text = text.ljust(left) + ("^" if label.primary else "-") * max(1, right - left)
        primary = any(label.primary for _, _, label in row)
        yield Row(f"{text} {row[-1][2].message}".rstrip(), marks=True, primary=primary)
        for left, _, label in reversed(row[:-1]):
            if label.message:
                yield Row(" " * left + label.message, marks=True, primary=label.primary)


@lru_cache(maxsize=4)
def _cells(text: str) -> tuple[str, tuple[int, ...]]:
    """A line as it is shown, and the terminal column of each of its characters (and of its end).

    Remembered: a file of one endless line may have a finding at each of its words.
    """
    shown: list[str] = []
    columns = []
    at = 0
    for char in text:
        columns.append(at)
        piece = TAB if char == "\t" else char if char.isprintable() else "\N{REPLACEMENT CHARACTER}"
        shown.append(piece)
        if char == "\t":
            at += len(TAB)
        elif unicodedata.combining(char):
            pass
        else:
            at += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    columns.append(at)
    return "".join(shown), tuple(columns)


def printable(text: str) -> str:
    """A message without anything a terminal would obey; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
