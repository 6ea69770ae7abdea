"""The types of values, and how they relate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum


class Base(StrEnum):
    """What kind of value it is, apart from ranges and absence."""

    STR = "str"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    DURATION = "duration"  #: carried as seconds (L36)
    LIST = "list"
    MAP = "map"
    ANY = "any"  #: a member of a map: of any type, a wrong one gives unknown (L37)


@dataclass(frozen=True, slots=True)
class Type:
    """A type of values.

    `words` closes a `str` to a set, in order; `low` and `high` bound a number (inclusive);
    `optional` says that the value may be unknown; `name` is the type's declared name, if any;
    `ordered` that its words rank as those of a knob do (L37).
    """

    base: Base
    words: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    optional: bool = False
    name: str | None = None
    ordered: bool = field(default=False, compare=False)

    @property
    def is_number(self) -> bool:
        """Whether arithmetic may use it: an `int` or a `float`, not a `bool` (L35)."""
        return self.base in (Base.INT, Base.FLOAT)

    def known(self) -> Type:
        """The same type without the absence."""
        return replace(self, optional=False)

    def or_unknown(self, maybe: bool = True) -> Type:
        """The same type, possibly unknown."""
        return replace(self, optional=self.optional or maybe)

    def __str__(self) -> str:
        if self.name:
            text = self.name
        elif self.words:
            text = " | ".join(f'"{word}"' for word in self.words)
        elif self.low is not None and self.high is not None:
            text = f"{self.base} in {_number(self.low)}..{_number(self.high)}"
        else:
            text = str(self.base)
        return text + ("?" if self.optional else "")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


STR = Type(Base.STR)
INT = Type(Base.INT)
FLOAT = Type(Base.FLOAT)
BOOL = Type(Base.BOOL)
DURATION = Type(Base.DURATION)
LIST = Type(Base.LIST)
MAP = Type(Base.MAP)
ANY = Type(Base.ANY, optional=True)
