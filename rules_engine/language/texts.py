"""Texts with values in them: `"quality of {config_key} is {score}"` (L40)."""

from __future__ import annotations

import re

from rules_engine.language import program
from rules_engine.language.diagnostics import Code, Severity
from rules_engine.language.parser import parse_expression
from rules_engine.language.scope import Typer, Unclear, unclear
from rules_engine.language.source import Source, Span
from rules_engine.language.types import STR

BAD_BRACES = Code("RE213", "bad-braces", Severity.ERROR, "The braces in a text do not hold one value each.")
NO_VALUES_HERE = Code(
    "RE212", "braces-not-read", Severity.WARNING, "Braces in a text are read in values of effects only."
)

_ESCAPES = {"n": "\n", "t": "\t"}
_LOOKS_READ = re.compile(r"(?<!\{)\{[a-z_][a-z0-9_.]*\}")


def warn_of_braces(typer: Typer, span: Span, value: str) -> None:
    """A text that looks as if values were to be put in, where none are."""
    if _LOOKS_READ.search(value):
        message = "the braces stay as they are here: no value is put in"
        advice = "put texts together in the values of `emit` and `do`; compare fields one by one"
        typer.scope.names.findings.add(NO_VALUES_HERE.at(span, message, help=advice))


def interpolated(typer: Typer, span: Span, value: str) -> program.Expr:
    """A text whose `{...}` are values, `{{` a brace; a constant where there are none."""
    source = typer.scope.names.sources.get(span.path)
    if "{" not in value or source is None or source.text[span.start : span.start + 1] != '"':
        return program.Const(span, STR, value)
    parts: list[str | program.Expr] = []
    at, end = span.start + 1, span.end - 1
    while at < end:
        char = source.text[at]
        if char == "\\":
            escaped = source.text[at + 1]
            _append(parts, _ESCAPES.get(escaped, escaped))
            at += 2
        elif char != "{":
            _append(parts, char)
            at += 1
        elif source.text.startswith("{{", at):
            _append(parts, "{")
            at += 2
        else:
            close = source.text.find("}", at, end)
            part = _value(typer, source, at, close, span)
            if isinstance(part, Unclear):
                return unclear(span)
            parts.append(part)
            at = close + 1
    if all(isinstance(part, str) for part in parts):
        return program.Const(span, STR, "".join(part for part in parts if isinstance(part, str)))
    return program.Interpolation(span, STR, tuple(parts))


def _value(typer: Typer, source: Source, start: int, close: int, span: Span) -> program.Expr:
    """What stands between the brace at `start` and the one at `close`."""
    findings = typer.scope.names.findings
    if close < 0:
        place = Span(span.path, start, start + 1)
        advice = "close it with `}`, or write `{{` for a brace in the text"
        findings.add(BAD_BRACES.at(place, "this brace is never closed", help=advice))
        return unclear(span)
    if not source.text[start + 1 : close].strip():
        place = Span(span.path, start, close + 1)
        advice = "write a value between them, or `{{}` for the braces themselves"
        findings.add(BAD_BRACES.at(place, "there is nothing between these braces", help=advice))
        return unclear(span)
    expr, malformed = parse_expression(source, start + 1, close)
    findings.extend(malformed)
    if expr is None or malformed:
        return unclear(span)
    return typer.of(expr)


def _append(parts: list[str | program.Expr], text: str) -> None:
    last = parts[-1] if parts else None
    if isinstance(last, str):
        parts[-1] = last + text
    else:
        parts.append(text)
