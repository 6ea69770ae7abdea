"""Expressions become closures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from rules_engine.cron import cron
from rules_engine.engine import expressions as x
from rules_engine.engine import values
from rules_engine.engine.plan import (
    Expr,
)
from rules_engine.language import program as p

_COMPARISONS: Mapping[str, x.Comparison] = {op: op for op in get_args(x.Comparison)}
_ARITHMETIC: Mapping[str, Literal["+", "-", "*", "/"]] = {"+": "+", "-": "-", "*": "*", "/": "/"}


class ExpressionCompiler:
    """Makes closures of expressions; a loop's compiler adds the slots of its memory."""

    def __init__(self, per: tuple[str, ...], *, strict_text: bool = False) -> None:
        self._per = per
        self._strict_text = strict_text

    def expr(self, node: p.Expr) -> Expr:
        """The closure of an expression."""
        match node:
            case p.Const():
                return x.const(_held(node.value))
            case p.Unknown():
                return x.const(None)
            case p.FieldRead():
                return x.field(node.field, node.alias)
            case p.AliasKnown():
                return x.alias_known(node.alias)
            case p.LocalRead():
                return x.local(node.name)
            case p.KnobRead(all_keys=True):
                return x.knob_map(node.knob.name)
            case p.KnobRead():
                return x.knob_value(node.knob.name, self.knob_key(node.knob, node.key))
            case p.Member():
                return x.member(self.expr(node.subject), node.name)
            case p.Aggregate() | p.Prev() | p.Streak():
                return self.memory(node)
            case _:
                return self._operation(node)

    def _operation(self, node: p.Expr) -> Expr:
        match node:
            case p.Unary(op="not"):
                return x.not_(self.expr(node.operand))
            case p.Unary():
                return x.negate(self.expr(node.operand))
            case p.Binary():
                return self._binary(node)
            case p.Matches():
                return x.matches(self.expr(node.subject), node.pattern)
            case p.IsKnown():
                return x.is_known(self.expr(node.subject), node.known)
            case p.ListOf():
                return x.list_of([self.expr(item) for item in node.items])
            case p.During():
                return x.during(cron(node.cron, node.zone))
            case p.FunctionCall():
                return x.call(node.function, [self.expr(argument) for argument in node.arguments])
            case p.Match():
                subject = self.expr(node.subject) if node.subject is not None else None
                return x.match_(subject, [(self._test(arm.test), self.expr(arm.value)) for arm in node.arms])
            case p.Interpolation():
                parts = [part if isinstance(part, str) else self.expr(part) for part in node.parts]
                return x.interpolate(parts, strict=self._strict_text)
            case _:
                raise AssertionError(f"no such expression: {type(node).__name__}")

    def _test(self, test: Any) -> Any:
        return test if isinstance(test, str) else self.expr(test)

    def _binary(self, node: p.Binary) -> Expr:
        left, right = self.expr(node.left), self.expr(node.right)
        if node.op in _COMPARISONS:
            order = _word_order(node.left, node.right)
            if order and node.op not in ("==", "!="):
                return x.compare_words(_COMPARISONS[node.op], order, left, right)
            return x.compare(_COMPARISONS[node.op], left, right)
        if node.op in _ARITHMETIC:
            return x.arithmetic(_ARITHMETIC[node.op], left, right)
        match node.op:
            case "and":
                return x.and_(left, right)
            case "or":
                return x.or_(left, right)
            case "in":
                return x.membership(left, right)
            case "not-in":
                return x.membership(left, right, inside=False)
            case "??":
                return x.coalesce(left, right)
        raise AssertionError(f"no such operator: {node.op}")

    def knob_key(self, knob: p.Knob, key: tuple[p.Expr, ...]) -> tuple[Expr, ...]:
        """The key written, or the loop's own key fields that the knob is keyed by (L23)."""
        if key:
            return tuple(self.expr(part) for part in key)
        return tuple(x.key_part(self._per.index(name)) for name in knob.per)

    def memory(self, node: p.Expr) -> Expr:
        """The reading of a slot; only loops have memory."""
        raise AssertionError(f"{type(node).__name__} outside a loop, which the checker refuses")


def _held(value: Any) -> Any:
    """A constant as the engine can hold it: a number beyond 64 bit is unknown (L35)."""
    return values.checked(value) if values.is_number(value) else value


def _word_order(left: p.Expr, right: p.Expr) -> tuple[str, ...]:
    """The order of the words compared: that of a knob, whose value either side is (L37)."""
    for side in (left, right):
        if side.type.ordered:
            return side.type.words
    return ()
