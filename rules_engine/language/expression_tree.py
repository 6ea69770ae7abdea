"""Grammar to syntax tree, the part that expressions need. See `tree.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules_engine.language import syntax as s
from rules_engine.language.diagnostics import Code, Diagnostic, Severity
from rules_engine.language.literals import bad_escapes, duration_ms, number_of, text_of
from rules_engine.language.source import Source, Span

if TYPE_CHECKING:
    from rules_engine.language.lexer import Token

Parts = list[Any]

OUT_OF_BOUNDS = Code(
    "RE006", "bad-number", Severity.ERROR, "A number or a length of time is not one the language takes."
)
BAD_ESCAPE = Code(
    "RE007", "bad-text-escape", Severity.ERROR, "A backslash in a text starts an escape that does not exist."
)
FOREIGN = Code(
    "RE005", "foreign-word", Severity.ERROR, "A word or sign of another language stands for one of this."
)

#: What other languages call the absence of a value.
_NO_VALUE = frozenset({"null", "nil", "none", "undefined"})


class ExpressionBuilder:
    """Builds the expressions of one file; what is wrong with a literal goes to `findings`.

    `spoiled` holds the places of what could not be built as meant: the clause around is left out.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.findings: list[Diagnostic] = []
        self.spoiled: list[int] = []

    # ---- pieces ----------------------------------------------------------------------------------

    def span(self, start: int, end: int) -> Span:
        """A place in this file."""
        return Span(self.source.path, start, end)

    def of(self, token: Token) -> Span:
        """Where a token stands."""
        return Span(self.source.path, token.start, token.end)

    def name(self, token: Token) -> s.Name:
        """A name as written."""
        return s.Name(Span(self.source.path, token.start, token.end), token.text)

    def names(self, tokens: Parts) -> tuple[s.Name, ...]:
        """Several names."""
        return tuple(self.name(token) for token in tokens)

    def text_name(self, token: Token) -> s.Name:
        """What stands between quotes, as a name; its span takes in the quotes."""
        return s.Name(self.of(token), self.text(token))

    def text(self, token: Token) -> str:
        """What stands between quotes."""
        for at in bad_escapes(token.text):
            written = token.text[at : at + 2]
            self.findings.append(
                BAD_ESCAPE.at(
                    self.span(token.start + at, token.start + at + 2),
                    f"`{written}` is not an escape",
                    help=r"the escapes are `\"`, `\\`, `\n` and `\t`; for a backslash itself type `\\`",
                )
            )
        return text_of(token.text)

    def number(self, token: Token) -> int | float:
        """A number; 0 and a finding when it is too long."""
        value = number_of(token.text)
        if value is None:
            self.findings.append(
                OUT_OF_BOUNDS.at(
                    self.of(token),
                    "this number has more than 30 digits",
                    help="round it: a number may have 30 digits",
                )
            )
            self.spoiled.append(token.start)
            return 0
        return value

    def whole(self, token: Token) -> int:
        """A number that counts something."""
        value = self.number(token)
        if isinstance(value, float):
            self.findings.append(
                OUT_OF_BOUNDS.at(
                    self.of(token),
                    f"`{token.text}` cannot count: a whole number is needed here",
                    help=f"type `{max(1, round(value))}`",
                )
            )
            return max(1, round(value))
        return value

    def milliseconds(self, token: Token) -> int:
        """A length of time."""
        value = duration_ms(token.text)
        if value is None:
            self.findings.append(
                OUT_OF_BOUNDS.at(
                    self.of(token),
                    "this is longer than ten years",
                    help="the longest time is `3650d`",
                )
            )
            self.spoiled.append(token.start)
            return 0
        return value

    def duration(self, span: Span, parts: Parts) -> s.Duration:
        token = parts[0]
        value = self.milliseconds(token) if token.kinds[0] == "DURATION" else self.name(token)
        return s.Duration(span, value)

    def documentation(self, start: int) -> str:
        """The run of comment lines right above a place, without the signs."""
        line, _ = self.source.position(start)
        found: list[str] = []
        while (above := self.source.line(line - 1 - len(found)).strip()).startswith("#"):
            found.append(above.lstrip("#").strip())
        return "\n".join(reversed(found))

    # ---- operators -------------------------------------------------------------------------------

    def expression(self, _span: Span, parts: Parts) -> s.Expr:
        expr: s.Expr = parts[0]
        return expr

    def disjunction(self, span: Span, parts: Parts) -> s.Expr:
        return self._chain("or", span, parts)

    def conjunction(self, span: Span, parts: Parts) -> s.Expr:
        return self._chain("and", span, parts)

    def _chain(self, op: str, span: Span, parts: Parts) -> s.Expr:
        """`a or b or c or d` as `(a or b) or (c or d)`: the same meaning, and never deep."""
        if len(parts) == 1:
            expr: s.Expr = parts[0]
            return expr
        middle = (len(parts) + 1) // 2
        left = self._chain(op, self.span(span.start, parts[middle - 1].span.end), parts[:middle])
        right = self._chain(op, self.span(parts[middle].span.start, span.end), parts[middle:])
        return s.Binary(span, op, left, right)

    def binary(self, span: Span, parts: Parts) -> s.Binary:
        left, op, right = parts
        return s.Binary(span, op.text, left, right)

    def not_in(self, span: Span, parts: Parts) -> s.Binary:
        return s.Binary(span, "not-in", parts[0], parts[-1])

    def unary(self, span: Span, parts: Parts) -> s.Unary:
        op, operand = parts
        return s.Unary(span, op.text, operand)

    def matches(self, span: Span, parts: Parts) -> s.Matches:
        return s.Matches(span, parts[0], self.text_name(parts[1]))

    def is_known(self, span: Span, parts: Parts) -> s.IsKnown:
        return s.IsKnown(span, parts[0], parts[1].text == "known")

    def group(self, _span: Span, parts: Parts) -> s.Expr:
        expr: s.Expr = parts[0]
        return expr

    # ---- operands --------------------------------------------------------------------------------

    def literal(self, _span: Span, parts: Parts) -> s.Expr:
        value: s.Expr = self.literal_value(parts[0])
        return value

    def literal_value(self, token: Token) -> Any:
        kind = token.kinds[0]
        if kind == "DURATION":
            return s.DurationLiteral(self.of(token), self.milliseconds(token))
        if kind == "STRING":
            return s.LiteralValue(self.of(token), self.text(token))
        if kind == "BOOL":
            return s.LiteralValue(self.of(token), token.text == "true")
        return s.LiteralValue(self.of(token), self.number(token), token.text.endswith("%"))

    def list(self, span: Span, parts: Parts) -> s.ListOf:
        return s.ListOf(span, tuple(parts))

    def path(self, span: Span, parts: Parts) -> s.Path:
        if len(parts) == 1 and parts[0].text in _NO_VALUE:
            self._no_value(parts[0])
        return s.Path(span, self.names(parts))

    def of_event(self, span: Span, parts: Parts) -> s.OfEvent:
        event, condition, members = parts
        if event.text == "NULL" and condition is None and not members:
            self._no_value(event)
        return s.OfEvent(span, self.name(event), condition, members)

    def _no_value(self, token: Token) -> None:
        self.spoiled.append(token.start)
        self.findings.append(
            FOREIGN.at(
                self.of(token),
                f"there is no `{token.text}`: what is absent is unknown",
                help="ask with `x is known` or `x is unknown`, give a default with `x ?? 0`, "
                "or leave the field out",
            )
        )

    def members(self, _span: Span, parts: Parts) -> tuple[s.Name, ...]:
        return self.names(parts)

    def knob_at(self, span: Span, parts: Parts) -> s.KnobAt:
        return s.KnobAt(span, self.name(parts[0]), parts[1][0])

    def knob_key(self, _span: Span, parts: Parts) -> tuple[s.Expr | None]:
        return (parts[0] if isinstance(parts[0], s.Expr) else None,)

    def call(self, span: Span, parts: Parts) -> s.Call:
        function, *arguments, window = parts
        return s.Call(span, self.name(function), tuple(arguments), window)

    def arguments(self, _span: Span, parts: Parts) -> tuple[s.Argument, ...]:
        return tuple(parts)

    def argument(self, span: Span, parts: Parts) -> s.Argument:
        name, value = parts
        return s.Argument(span, name and self.name(name), value)

    def over(self, span: Span, parts: Parts) -> s.Over:
        return s.Over(span, parts[0].value)

    def over_last(self, span: Span, parts: Parts) -> s.OverLast:
        return s.OverLast(span, self.whole(parts[0]))

    def since(self, span: Span, parts: Parts) -> s.Since:
        what, *condition = parts
        if what.kinds[0] == "EVENT":
            return s.Since(span, self.name(what), condition[0])
        return s.Since(span, what.text)

    def match(self, span: Span, parts: Parts) -> s.Match:
        subject, *arms = parts
        return s.Match(span, subject, tuple(arms))

    def arm(self, span: Span, parts: Parts) -> s.Arm:
        test, value = parts
        return s.Arm(span, test if isinstance(test, s.Expr) else test.text, value)
