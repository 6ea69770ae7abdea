"""Effects: `set`, `emit` and `do`, with all their names, arguments and types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rules_engine.language import program, syntax
from rules_engine.language.assignment import misfit
from rules_engine.language.catalog import listed
from rules_engine.language.diagnostics import Diagnostic, Related
from rules_engine.language.expressions import Expressions
from rules_engine.language.knobs import AMOUNT_OF_WORDS
from rules_engine.language.names import BAD_COUNT, DUPLICATE_CLAUSE
from rules_engine.language.operators import percent_fault
from rules_engine.language.payloads import MISSING_VALUE, Payloads
from rules_engine.language.reading import own_key, written_key
from rules_engine.language.scope import Unclear
from rules_engine.language.source import Span
from rules_engine.language.suggestions import fields_as_given, parameters_as_given
from rules_engine.language.types import Base, Type
from rules_engine.language.unknowns import Knowledge
from rules_engine.language.windows import CONTRADICTION


@dataclass
class Effects:
    """Checks the effects of one block. `known` is what must have been true for the block to run.

    `no_latch` says why nothing can be held `while active`, empty where it can.
    """

    typer: Expressions
    known: Knowledge
    no_latch: str = ""

    def all(self, effects: Sequence[syntax.Effect]) -> tuple[program.Effect, ...]:
        """The effects in the order written, without those that have a mistake."""
        checked = (self._effect(effect) for effect in effects)
        return tuple(effect for effect in checked if effect is not None)

    def _effect(self, effect: syntax.Effect) -> program.Effect | None:
        condition = self.typer.condition(effect.condition) if effect.condition is not None else None
        inside = Effects(self.typer, self.known.given(condition), self.no_latch)
        match effect:
            case syntax.Set():
                return inside._set(effect, condition)
            case syntax.Emit():
                return inside._emit(effect, condition)
            case syntax.Do():
                return inside._do(effect, condition)
        return None

    # ---- set ---------------------------------------------------------------------------------------

    def _set(self, effect: syntax.Set, condition: program.Expr | None) -> program.Effect | None:
        names = self.typer.scope.names
        knob = names.knob(effect.knob, "knob set", self.typer.scope.per or ())
        key: tuple[program.Expr, ...] | None = None
        if effect.keyed:
            span = effect.knob.span.to(effect.key.span) if effect.key is not None else effect.knob.span
            key = written_key(self.typer, knob, effect.key, span)
        elif knob is not None:
            key = own_key(self.typer.scope, knob, effect.knob)
        value = self.typer.of(effect.value, text=True)
        hold = self._hold(effect)
        if knob is None or isinstance(value, Unclear):
            return None
        self._check_set_value(effect, knob, value)
        self._given().check_known(value, f"`{knob.name}` is not set")
        if key is None:
            return None
        for part in key:
            self._given().check_known(part, f"`{knob.name}` is not set")
        all_keys = effect.keyed and effect.key is None
        return program.SetEffect(
            effect.span, condition, knob, key, all_keys, effect.op, value, hold, effect.knob.span
        )

    def _hold(self, effect: syntax.Set) -> int | Literal["active"] | None:
        if not isinstance(effect.duration, syntax.Duration):
            if effect.duration == "active" and self.no_latch:
                message = "`while active` has nothing to end it"
                where = effect.value.span
                place = Span(where.path, where.end, max(effect.span.end, where.end + 1))
                if effect.condition is not None:
                    place = Span(where.path, where.end, effect.condition.span.start)
                self._add(CONTRADICTION.at(_trimmed(self.typer, place), message, help=self.no_latch))
            return effect.duration
        return self.typer.scope.names.duration(effect.duration)

    def _check_set_value(self, effect: syntax.Set, knob: program.Knob, value: program.Expr) -> None:
        related = (Related(knob.span, "the knob"),)
        what = f"`{knob.name}`"
        if knob.words and effect.op != "=":
            message = f"`{effect.op}` needs numbers, the values of {what} are words"
            advice = f"set it to one of them: {listed(knob.words, quote=chr(34))}"
            self._add(AMOUNT_OF_WORDS.at(effect.knob.span, message, help=advice, related=related))
            return
        plain = knob.type if knob.words else Type(Base.FLOAT)
        if found := misfit(value, plain, what, self.known.locals):
            self._add(found)
        elif effect.op == "=" and (odd := percent_fault(value, program.Expr(value.span, knob.type))):
            self._add(odd)

    # ---- emit --------------------------------------------------------------------------------------

    def _emit(self, effect: syntax.Emit, condition: program.Expr | None) -> program.Effect | None:
        names = self.typer.scope.names
        event = names.event(effect.event, "event emitted", fields_as_given(self.typer, effect))
        payload = self._given().fields(effect.event, event, effect.payload)
        if event is None:
            return None
        return program.EmitEffect(effect.span, condition, event, payload, effect.event.span)

    # ---- do ----------------------------------------------------------------------------------------

    def _do(self, effect: syntax.Do, condition: program.Expr | None) -> program.Effect | None:
        action = self.typer.scope.names.action(effect.action, parameters_as_given(self.typer, effect))
        retries, every_ms, timeout_ms = self._options(effect)
        arguments = self._given().arguments(effect.action, action, effect.arguments)
        if action is None:
            return None
        return program.DoEffect(
            effect.span, condition, action, arguments, retries, every_ms, timeout_ms, effect.action.span
        )

    def _options(self, effect: syntax.Do) -> tuple[int, int, int | None]:
        names = self.typer.scope.names
        retries, every_ms, timeout_ms = 0, 0, None
        seen: dict[type, Span] = {}
        for option in effect.options:
            if type(option) in seen:
                related = (Related(seen[type(option)], "the first one"),)
                advice = "keep one of the two"
                self._add(
                    DUPLICATE_CLAUSE.at(option.span, "this is said twice", help=advice, related=related)
                )
                continue
            seen[type(option)] = option.span
            if isinstance(option, syntax.TimeoutOption):
                timeout_ms = names.duration(option.duration)
                continue
            if option.count < 1 or option.count != int(option.count):
                message, advice = (
                    "how often to try again is a whole number above zero",
                    "write `retry 3 every 30s`",
                )
                self._add(BAD_COUNT.at(option.span, message, help=advice))
            if option.every is None:
                message, advice = "it is not said how far apart the tries are", "write `retry 3 every 30s`"
                self._add(MISSING_VALUE.at(option.span, message, help=advice))
            retries = int(option.count)
            every_ms = (names.duration(option.every) or 0) if option.every is not None else 0
        return retries, every_ms, timeout_ms

    # ---- values ------------------------------------------------------------------------------------

    def _given(self) -> Payloads:
        return Payloads(self.typer, self.known)

    def _add(self, finding: Diagnostic) -> None:
        self.typer.scope.names.findings.add(finding)


def _trimmed(typer: Expressions, span: Span) -> Span:
    """A place without the space around it, and without an `if` at its end."""
    source = typer.scope.names.sources.get(span.path)
    if source is None:
        return span
    text = source.text[span.start : span.end]
    start = span.start + len(text) - len(text.lstrip())
    kept = text.rstrip().removesuffix("if").rstrip()
    return Span(span.path, start, max(start + 1, span.start + len(kept)))
