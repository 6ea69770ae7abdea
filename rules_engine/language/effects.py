"""Effects: `set`, `emit` and `do`, with all their names, arguments and types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rules_engine.language import program, syntax
from rules_engine.language.assignment import misfit
from rules_engine.language.catalog import did_you_mean, listed, nearest
from rules_engine.language.diagnostics import Code, Diagnostic, Related, Severity
from rules_engine.language.expressions import Expressions
from rules_engine.language.knobs import AMOUNT_OF_WORDS
from rules_engine.language.names import BAD_COUNT, DUPLICATE_CLAUSE
from rules_engine.language.operators import percent_fault
from rules_engine.language.reading import UNKNOWN_FIELD, own_key, written_key
from rules_engine.language.scope import Unclear
from rules_engine.language.source import Span
from rules_engine.language.suggestions import fields_as_given, parameters_as_given
from rules_engine.language.traversal import walk
from rules_engine.language.typerefs import DUPLICATE_FIELD
from rules_engine.language.types import Base, Type
from rules_engine.language.unknowns import Knowledge
from rules_engine.language.windows import CONTRADICTION

UNKNOWN_PARAMETER = Code(
    "RE109", "unknown-parameter", Severity.ERROR, "The action has no parameter of this name."
)
UNDECLARED_FIELD = Code(
    "RE122", "undeclared-field", Severity.WARNING, "A field is sent that the event does not declare."
)
MAYBE_UNKNOWN = Code(
    "RE204",
    "maybe-unknown",
    Severity.WARNING,
    "A value may be unknown where one is needed, and then nothing happens.",
)
MISSING_VALUE = Code(
    "RE205", "missing-value", Severity.ERROR, "A field or argument that is needed is not given."
)
EXTRA_ARGUMENT = Code("RE206", "extra-argument", Severity.ERROR, "An action is given more than it takes.")


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
        self._check_known(value, f"`{knob.name}` is not set")
        if key is None:
            return None
        for part in key:
            self._check_known(part, f"`{knob.name}` is not set")
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
        spelled = {}
        if event is not None:
            spelled = {spelling: decl for decl in event.fields.values() for spelling in decl.spellings}
        given: dict[str, tuple[Span, program.Expr]] = {}
        for part in effect.payload:
            written = part.value if part.value is not None else syntax.Path(part.name.span, (part.name,))
            decl = spelled.get(part.name.text)
            value = self.typer.of(written, text=True)
            if event is None:
                continue
            if decl is None and not self._may_send(event, part.name, spelled):
                continue
            own = decl.name if decl is not None else part.name.text
            if own in given:
                self._twice(part.name, given[own][0])
                continue
            given[own] = part.name.span, value
            if decl is not None:
                self._check_value(value, decl, f"`{effect.event.text}` is not emitted")
        if event is None:
            return None
        missing = [
            decl.name
            for decl in event.fields.values()
            if not decl.type.optional and decl.derived is None and decl.name not in given
        ]
        unknown = [part.name.text for part in effect.payload if part.name.text not in spelled]
        self._missing(effect.event, event.span, missing, unknown)
        payload = tuple((name, value) for name, (_, value) in given.items())
        return program.EmitEffect(effect.span, condition, event, payload, effect.event.span)

    def _may_send(
        self, event: program.EventDecl, name: syntax.Name, spelled: Mapping[str, program.FieldDecl]
    ) -> bool:
        related = (Related(event.span, "the event"),)
        if not event.open:
            advice = did_you_mean(
                name.text, spelled, f"it has {listed(sorted(spelled))}" if spelled else "it has none"
            )
            message = f"`{event.name}` has no field `{name.text}`"
            self._add(UNKNOWN_FIELD.at(name.span, message, help=advice, related=related))
            return False
        near = nearest(name.text, spelled)
        if near is not None:
            message = f"`{event.name}` declares no field `{name.text}`, and no loop can read it"
            advice = f"did you mean `{near}`?"
            self._add(UNDECLARED_FIELD.at(name.span, message, help=advice, related=related))
        return True

    # ---- do ----------------------------------------------------------------------------------------

    def _do(self, effect: syntax.Do, condition: program.Expr | None) -> program.Effect | None:
        action = self.typer.scope.names.action(effect.action, parameters_as_given(self.typer, effect))
        retries, every_ms, timeout_ms = self._options(effect)
        given: dict[str, tuple[Span, program.Expr]] = {}
        values = [(argument, self.typer.of(argument.value, text=True)) for argument in effect.arguments]
        if action is None:
            return None
        parameters = list(action.parameters.values())
        named, misplaced = False, 0
        for position, (argument, value) in enumerate(values):
            decl = self._parameter(action, parameters, argument, position, named=named)
            misplaced += decl is None and argument.name is None
            named = named or argument.name is not None
            if decl is None:
                continue
            if decl.name in given:
                self._twice(argument.name or argument, given[decl.name][0])
                continue
            given[decl.name] = argument.span, value
            self._check_value(value, decl, f"`{action.name}` is not done")
        missing = [decl.name for decl in parameters if not decl.type.optional and decl.name not in given]
        # An argument that stands in the wrong place is given all the same.
        missing = missing[misplaced:]
        unknown = [argument.name.text for argument, _ in values if argument.name is not None]
        unknown = [name for name in unknown if all(name not in decl.spellings for decl in parameters)]
        self._missing(effect.action, action.span, missing, unknown)
        arguments = tuple((decl.name, given[decl.name][1]) for decl in parameters if decl.name in given)
        return program.DoEffect(
            effect.span, condition, action, arguments, retries, every_ms, timeout_ms, effect.action.span
        )

    def _parameter(
        self,
        action: program.ActionDecl,
        parameters: list[program.FieldDecl],
        argument: syntax.Argument,
        position: int,
        *,
        named: bool,
    ) -> program.FieldDecl | None:
        related = (Related(action.span, "the action"),)
        if argument.name is not None:
            for decl in parameters:
                if argument.name.text in decl.spellings:
                    return decl
            known = [decl.name for decl in parameters]
            advice = did_you_mean(argument.name.text, known, "it takes no arguments" if not known else "")
            message = f"`{action.name}` has no parameter `{argument.name.text}`"
            self._add(UNKNOWN_PARAMETER.at(argument.name.span, message, help=advice, related=related))
            return None
        if named:
            message, advice = "an argument by position stands behind one by name", "put it first, or name it"
            self._add(EXTRA_ARGUMENT.at(argument.span, message, help=advice, related=related))
            return None
        if position >= len(parameters):
            takes = listed(decl.name for decl in parameters) or "nothing"
            message = (
                f"`{action.name}` takes {len(parameters) or 'no'} argument{'s' * (len(parameters) != 1)}"
            )
            advice = f"it takes {takes}"
            self._add(EXTRA_ARGUMENT.at(argument.span, message, help=advice, related=related))
            return None
        return parameters[position]

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

    def _check_value(self, value: program.Expr, decl: program.FieldDecl, otherwise: str) -> None:
        found = misfit(value, decl.type, f"`{decl.name}`", self.known.locals)
        if found is not None:
            self._add(found)
            return
        if odd := percent_fault(value, program.Expr(value.span, decl.type)):
            self._add(odd)
        if not decl.type.optional:
            self._check_known(value, otherwise)

    def _check_known(self, value: program.Expr, otherwise: str) -> None:
        if isinstance(value, Unclear):
            return
        doubt = self.known.doubt(value)
        if doubt is None:
            return
        text = _source_text(self.typer, doubt.span)
        example = '"..."' if doubt.type.base is Base.STR else "0"
        advice = f"give a default: `{text} ?? {example}`, or make it happen only `if {text} is known`"
        if _decides_a_match(value, doubt):
            advice = f"add an arm `unknown: ...` to the `match`, or make it happen only `if {text} is known`"
        self._add(MAYBE_UNKNOWN.at(doubt.span, f"`{text}` may be unknown, and then {otherwise}", help=advice))

    def _missing(self, name: syntax.Name, declared: Span, missing: list[str], unknown: list[str]) -> None:
        """What is needed and not given; a name that is told to be unknown may have meant one of them."""
        for wrong in unknown:
            meant = missing[0] if len(missing) == len(unknown) == 1 else nearest(wrong, missing)
            missing = [one for one in missing if one != meant]
        if not missing:
            return
        scope = self.typer.scope
        shown = listed(missing)
        at_hand = [one for one in missing if scope.fields and one in scope.fields]
        advice = (
            f"add {', '.join(missing)}"
            if at_hand == missing
            else f"add {', '.join(f'{m}: ...' for m in missing)}"
        )
        related = (Related(declared, "declared here"),)
        self._add(MISSING_VALUE.at(name.span, f"`{name.text}` needs {shown}", help=advice, related=related))

    def _twice(self, node: syntax.Node, first: Span) -> None:
        related = (Related(first, "the first one"),)
        advice = "remove one of the two"
        self._add(DUPLICATE_FIELD.at(node.span, "this is given twice", help=advice, related=related))

    def _add(self, finding: Diagnostic) -> None:
        self.typer.scope.names.findings.add(finding)


def _decides_a_match(value: program.Expr, doubt: program.Expr) -> bool:
    """Whether what is in doubt is asked by a `match`, for which `else` is not enough (L38)."""
    for part in walk(value):
        if isinstance(part, program.Match):
            asked = [part.subject, *(arm.test for arm in part.arms)]
            tests = [test for test in asked if isinstance(test, program.Expr)]
            if any(inner is doubt for test in tests for inner in walk(test)):
                return True
    return False


def _source_text(typer: Expressions, span: Span) -> str:
    source = typer.scope.names.sources.get(span.path)
    return " ".join(source.text[span.start : span.end].split()) if source else "it"


def _trimmed(typer: Expressions, span: Span) -> Span:
    """A place without the space around it, and without an `if` at its end."""
    source = typer.scope.names.sources.get(span.path)
    if source is None:
        return span
    text = source.text[span.start : span.end]
    start = span.start + len(text) - len(text.lstrip())
    kept = text.rstrip().removesuffix("if").rstrip()
    return Span(span.path, start, max(start + 1, span.start + len(kept)))
