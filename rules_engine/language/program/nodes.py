"""What every expression of a checked program has."""

from __future__ import annotations

from dataclasses import dataclass

from rules_engine.language.source import Span
from rules_engine.language.types import Type


@dataclass(frozen=True, slots=True)
class Expr:
    """Any expression: where it stands and the type of its value."""

    span: Span
    type: Type
