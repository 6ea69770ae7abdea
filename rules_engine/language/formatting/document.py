"""Documents with places where a line may end, and the printer that decides which of them do.

The scheme of Wadler's pretty printer: a group stays on one line where that fits, and else ends its
line at every place of its own; groups inside it then decide for themselves. What is added here are
comments, which run to the end of their line and must neither get lost nor swallow what follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

WIDTH = 100


@dataclass(frozen=True, slots=True)
class Line:
    """A place where the line may end; `flat` stands there when it does not, None when it must end.

    `blank`: an empty line stays here where the line ends.
    """

    flat: str | None
    blank: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """What is on one line, or ends its line at every `Line` that is not in a group further inside."""

    doc: Doc


@dataclass(frozen=True, slots=True)
class Indent:
    """What begins so many columns further to the right, where a line of it begins."""

    columns: int
    doc: Doc


@dataclass(frozen=True, slots=True)
class IfBroken:
    """Text that stands only where the group around it takes several lines."""

    text: str


@dataclass(frozen=True, slots=True)
class Behind:
    """A comment at the end of the line, wherever that line will end."""

    comment: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment with a line for itself; `blank`: an empty line comes after it."""

    text: str
    blank: bool


@dataclass(frozen=True, slots=True)
class Above:
    """Comments on lines of their own before what follows."""

    comments: tuple[Comment, ...]


Doc: TypeAlias = "str | Sequence[Doc] | Line | Group | Indent | IfBroken | Behind | Above"
_Waiting: TypeAlias = "tuple[int, bool, Doc]"


class Printer:
    """Prints one document. `displaced` tells whether a comment could not stay where it stood."""

    def __init__(self) -> None:
        self.displaced = False
        self._lines: list[str] = []
        self._line: list[str] = []
        self._column = 0
        self._indent = 0
        self._behind: list[str] = []

    def print(self, doc: Doc) -> str:
        """The text, each line with its end."""
        stack: list[_Waiting] = [(0, False, doc)]
        while stack:
            indent, flat, here = stack.pop()
            if isinstance(here, str):
                self._write(here)
            elif isinstance(here, Line):
                if flat and here.flat is not None:
                    self._write(here.flat)
                else:
                    self._end_line(indent, blank=here.blank)
            elif isinstance(here, Group):
                stack.append((indent, flat or self._fits(here.doc, stack), here.doc))
            elif isinstance(here, Indent):
                stack.append((indent + here.columns, flat, here.doc))
            elif isinstance(here, IfBroken):
                self._write("" if flat else here.text)
            elif isinstance(here, Behind):
                self._behind.append(here.comment)
            elif isinstance(here, Above):
                self._put_above(here.comments)
            else:
                stack.extend((indent, flat, part) for part in reversed(here))
        self._end_line(0, blank=False)
        while self._lines and not self._lines[-1]:
            self._lines.pop()
        return "".join(f"{line}\n" for line in self._lines)

    def _write(self, text: str) -> None:
        if text:
            self.displaced |= bool(self._behind) and text not in {",", " "}
            self._line.append(text)
            self._column += len(text)

    def _end_line(self, indent: int, *, blank: bool) -> None:
        if self._line:
            text = " " * self._indent + "".join(self._line)
            first, *others = self._behind or [""]
            self._lines.append(f"{text}  {first}" if first else text.rstrip(" "))
            self._lines += [" " * indent + comment for comment in others]
            self.displaced |= bool(others)
            self._behind = []
            self._line = []
        if blank and self._lines and self._lines[-1]:
            self._lines.append("")
        self._indent = indent
        self._column = indent

    def _put_above(self, comments: tuple[Comment, ...]) -> None:
        if not self._line:
            for comment in comments:
                self._lines.append(" " * self._indent + comment.text)
                if comment.blank:
                    self._lines.append("")
            return
        self.displaced = True
        if self._behind:  # comments never overtake one another
            self._behind += [comment.text for comment in comments]
        else:
            self._lines += [" " * self._indent + comment.text for comment in comments]

    def _fits(self, doc: Doc, rest: list[_Waiting]) -> bool:
        """Whether it can stand on the line that has begun, with what follows up to the next place
        where that may end. A comment fits at an edge of a group, not in the middle of it."""
        room = WIDTH - self._column
        waiting: list[Doc] = [doc]
        written = commented = False
        while waiting and room >= 0:
            here = waiting.pop()
            if isinstance(here, Line):
                if here.flat is None:
                    return False
                room -= len(here.flat)
            elif isinstance(here, str):
                if here and commented:
                    return False
                written |= bool(here)
                room -= len(here)
            elif isinstance(here, Above):
                if written:
                    return False
            elif isinstance(here, Behind):
                commented = True
            elif isinstance(here, Group | Indent):
                waiting.append(here.doc)
            elif not isinstance(here, IfBroken):
                waiting.extend(reversed(here))
        return room >= self._tail(rest, room)

    @staticmethod
    def _tail(rest: list[_Waiting], room: int) -> int:
        """The columns up to the next place where the line may end, as far as they matter."""
        columns = 0
        for _, _, doc in reversed(rest):
            waiting: list[Doc] = [doc]
            while waiting and columns <= room:
                here = waiting.pop()
                if isinstance(here, Line):
                    return columns
                if isinstance(here, str):
                    columns += len(here)
                elif isinstance(here, IfBroken):
                    columns += len(here.text)
                elif isinstance(here, Group | Indent):
                    waiting.append(here.doc)
                elif not isinstance(here, Above | Behind):
                    waiting.extend(reversed(here))
            if columns > room:
                break
        return columns
