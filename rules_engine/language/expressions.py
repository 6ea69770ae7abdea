"""Names and types of expressions: from what was written to what it reads and what it gives."""

from __future__ import annotations

from rules_engine.language import calls, matching, operators, program, reading, syntax, texts
from rules_engine.language.catalog import LONGEST_MS
from rules_engine.language.names import BAD_DURATION
from rules_engine.language.scope import Scope, unclear
from rules_engine.language.types import BOOL, DURATION, FLOAT, INT, LIST, STR, Base


class Expressions:
    """Gives expressions their names and types within a scope.

    A mistake becomes a finding and an `Unclear` part, of which nothing more is said.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def within(self, scope: Scope) -> Expressions:
        """The same, reading other names."""
        return Expressions(scope)

    def condition(self, expr: syntax.Expr) -> program.Expr:
        """A typed expression that must be true or false."""
        typed = self.of(expr)
        if typed.type.base in (Base.BOOL, Base.ANY):
            return typed
        self.scope.names.findings.add(operators.not_a_condition(typed))
        return unclear(expr.span)

    def of(self, expr: syntax.Expr, *, text: bool = False) -> program.Expr:
        """The typed expression; `text` where a text may hold `{values}` (L40)."""
        match expr:
            case syntax.LiteralValue() | syntax.DurationLiteral() | syntax.ListOf():
                return self._value(expr, text=text)
            case syntax.Binary():
                return operators.binary(self, expr, text=text)
            case syntax.Unary():
                return operators.unary(self, expr)
            case syntax.Path():
                return reading.path(self, expr)
            case syntax.KnobAt():
                return reading.knob_at(self, expr)
            case syntax.OfEvent():
                return reading.event_outside_window(self, expr)
            case syntax.Call():
                return calls.call(self, expr)
            case syntax.Match():
                return matching.match(self, expr, text=text)
            case syntax.Matches():
                return operators.matches(self, expr)
            case syntax.IsKnown():
                return self._is_known(expr)
        return unclear(expr.span)

    def _value(
        self, expr: syntax.LiteralValue | syntax.DurationLiteral | syntax.ListOf, *, text: bool
    ) -> program.Expr:
        if isinstance(expr, syntax.LiteralValue):
            return self._literal(expr, text=text)
        if isinstance(expr, syntax.DurationLiteral):
            return self._duration(expr)
        return program.ListOf(expr.span, LIST, tuple(self.of(item, text=text) for item in expr.items))

    def _literal(self, expr: syntax.LiteralValue, *, text: bool) -> program.Expr:
        value = expr.value
        if isinstance(value, bool):
            return program.Const(expr.span, BOOL, value)
        if isinstance(value, int):
            return program.Const(expr.span, INT, value, expr.percent)
        if isinstance(value, float):
            return program.Const(expr.span, FLOAT, value, expr.percent)
        if text:
            return texts.interpolated(self, expr.span, value)
        texts.warn_of_braces(self, expr.span, value)
        return program.Const(expr.span, STR, value)

    def _duration(self, expr: syntax.DurationLiteral) -> program.Expr:
        if expr.ms > LONGEST_MS:
            found = BAD_DURATION.at(expr.span, "longer than ten years", help="write at most 3650d")
            self.scope.names.findings.add(found)
            return unclear(expr.span)
        seconds = expr.ms / 1000
        return program.Const(expr.span, DURATION, int(seconds) if seconds.is_integer() else seconds)

    def _is_known(self, expr: syntax.IsKnown) -> program.Expr:
        subject = expr.subject
        if isinstance(subject, syntax.Path) and len(subject.parts) == 1:
            name = subject.parts[0].text
            if name in self.scope.aliases and not reading.meanings(self.scope, name) - {"alias"}:
                known: program.Expr = program.AliasKnown(expr.span, BOOL, name)
                return known if expr.known else program.Unary(expr.span, BOOL, "not", known)
        return program.IsKnown(expr.span, BOOL, self.of(subject), expr.known)
