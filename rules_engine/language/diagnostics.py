"""What lint says, as data. How it looks on a terminal or in JSON is decided elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rules_engine.language.source import Span


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  #: the set cannot mean what it says: it does not load
    WARNING = "warning"  #: it loads, and probably does not do what was meant
    INFO = "info"  #: worth knowing


#: Every code there is, by id. A released id is never renamed and never reused.
CODES: dict[str, Code] = {}


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding, declared once beside the code that finds it.

    `id` ("RE101") is what people search for and suppress by; `name` ("unknown-event") names the
    defect; `summary` is one sentence, the heading of its page `docs/reference/codes/<id>.md`.
    """

    id: str
    name: str
    severity: Severity
    summary: str

    def __post_init__(self) -> None:
        known = CODES.setdefault(self.id, self)
        if known.name != self.name:
            raise ValueError(f"{self.id} is both {known.name} and {self.name}")

    def at(self, span: Span, message: str, *, help: str = "", **more: Any) -> Diagnostic:
        """A finding of this kind at a place; `more` may hold `related` and `witness`."""
        return Diagnostic(self, span, message, help, **more)


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that belongs to a finding, with what it is."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a path: what a loop does there (`emits Q`), and to which loop it leads."""

    span: Span
    loop: str
    does: str
    to: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding at one place.

    `message` is one phrase that makes sense alone, `help` says what to type, `witness` is a concrete
    event (anything JSON can hold) or path (hops) that shows the finding.
    """

    code: Code
    span: Span
    message: str
    help: str = ""
    related: tuple[Related, ...] = ()
    witness: Any = field(default=None, compare=False)

    @property
    def severity(self) -> Severity:
        """The severity of its code."""
        return self.code.severity
