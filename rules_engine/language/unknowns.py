"""Which values may be unknown at a place, given what must have been true to get there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rules_engine.language import program
from rules_engine.language.scope import FieldEntry
from rules_engine.language.traversal import children
from rules_engine.language.variables import key_of

#: What is known at a place: ("field", name), ("alias", name), ("local", name), or the key of a window.
Facts = frozenset[object]


@dataclass(frozen=True)
class Knowledge:
    """The facts at a place, with what is needed to look through names.

    `ways`: what is certain besides, for each of the events that can have come.
    """

    facts: Facts = frozenset()
    locals: Mapping[str, program.Expr] = field(default_factory=dict)
    aliases: Mapping[str, Mapping[str, FieldEntry]] = field(default_factory=dict)
    ways: tuple[Facts, ...] = ()

    def given(self, condition: program.Expr | None, *, holds: bool = True) -> Knowledge:
        """The same, where a condition is true (or false) too."""
        if condition is None:
            return self
        return replace(self, facts=self.facts | self.follows(condition, holds))

    def follows(self, condition: program.Expr, holds: bool) -> Facts:
        """What is certainly known once a condition is true (or false): comparing needs both sides (L2)."""
        match condition:
            case program.LocalRead(name=name) if name in self.locals:
                return self.follows(self.locals[name], holds) | {("local", name)}
            case program.Unary(op="not", operand=operand):
                return self.follows(operand, not holds)
            case program.Binary(op="and" | "or", left=left, right=right):
                one, other = self.follows(left, holds), self.follows(right, holds)
                return one | other if (condition.op == "and") is holds else one & other
            case program.IsKnown(subject=subject, known=known):
                return self.needs(subject) if known is holds else frozenset()
            case program.AliasKnown(alias=alias):
                return frozenset({("alias", alias)}) if holds else frozenset()
        return self.needs(condition)

    def needs(self, expr: program.Expr) -> Facts:
        """What must be known for an expression to be."""
        match expr:
            case program.FieldRead(field=name, alias=alias):
                return frozenset({("field", name), *([("alias", alias)] if alias else [])})
            case program.LocalRead(name=name):
                inner = self.needs(self.locals[name]) if name in self.locals else frozenset()
                return inner | {("local", name)}
            case program.Aggregate() | program.Prev() | program.Streak():
                return frozenset({key_of(expr)})
            case program.Member(subject=subject):
                return self.needs(subject) | {key_of(expr)}
            case program.Binary(op="and" | "or" | "??", left=left, right=right):
                return self.needs(left) & self.needs(right)
            case program.Match():
                return self._needs_of_match(expr)
            case program.ListOf() | program.IsKnown() | program.AliasKnown() | program.Interpolation():
                return frozenset()
        found: Facts = frozenset()
        for child in children(expr):
            found |= self.needs(child)
        return found

    def _needs_of_match(self, expr: program.Match) -> Facts:
        if any(arm.test == "unknown" for arm in expr.arms):
            return frozenset()
        first = expr.subject or (expr.arms[0].test if expr.arms else None)
        return self.needs(first) if isinstance(first, program.Expr) else frozenset()

    def doubt(self, expr: program.Expr) -> program.Expr | None:
        """The first part for which an expression may be unknown; None where it cannot be.

        What is in doubt by itself may yet be certain whichever event came, as `a.x ?? b.x` is.
        """
        found = self._doubt(expr)
        if found is not None and len(self.ways) > 1:
            came = (replace(self, facts=self.facts | way) for way in self.ways)
            return found if any(one._doubt(expr) is not None for one in came) else None
        return found

    def _doubt(self, expr: program.Expr) -> program.Expr | None:
        match expr:
            case program.FieldRead():
                return expr if self._field_in_doubt(expr) else None
            case program.LocalRead(name=name):
                if ("local", name) in self.facts or name not in self.locals:
                    return None
                return expr if self._doubt(self.locals[name]) is not None else None
            case program.Aggregate():
                return self._doubt_of_aggregate(expr)
            case program.Prev() | program.Member():
                return None if key_of(expr) in self.facts else expr
            case program.Binary(op="??", left=left, right=right):
                return self._doubt(right) if self._doubt(left) is not None else None
            case program.Match():
                return self._doubt_of_match(expr)
            case (
                program.Streak()
                | program.ListOf()
                | program.IsKnown()
                | program.AliasKnown()
                | program.Interpolation()
            ):
                return None
        return next((found for child in children(expr) if (found := self._doubt(child))), None)

    def _field_in_doubt(self, expr: program.FieldRead) -> bool:
        if not expr.type.optional or ("field", expr.field) in self.facts:
            return False
        for alias, entries in self.aliases.items():
            entry = entries.get(expr.field)
            certain = entry is not None and not entry.type.optional
            if certain and ("alias", alias) in self.facts and expr.alias in (None, alias):
                return False
        return True

    def _doubt_of_aggregate(self, expr: program.Aggregate) -> program.Expr | None:
        if expr.function == "count" or expr.sample is None or key_of(expr) in self.facts:
            return None
        if expr.feed is not None or expr.function == "slope":
            return expr
        return self._doubt(expr.sample)

    def _doubt_of_match(self, expr: program.Match) -> program.Expr | None:
        catches = any(arm.test == "unknown" for arm in expr.arms)
        here = self
        if expr.subject is not None:
            if not catches and (found := self._doubt(expr.subject)):
                return found
            known = self.needs(expr.subject)
            here = replace(self, facts=self.facts | known)
        for arm in expr.arms:
            inside = self if arm.test == "unknown" else here
            if isinstance(arm.test, program.Expr) and expr.subject is None:
                if not catches and (found := here._doubt(arm.test)):
                    return found
                inside, here = here.given(arm.test), here.given(arm.test, holds=False)
            if found := inside._doubt(arm.value):
                return found
        return None
