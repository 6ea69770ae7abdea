"""Test blocks: every name, value, key and time is checked, so no test speaks of what is not there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rules_engine.language import program, syntax
from rules_engine.language.assignment import misfit
from rules_engine.language.catalog import REASONS, did_you_mean, duration_text, listed
from rules_engine.language.declarations import DUPLICATE
from rules_engine.language.diagnostics import Code, Related, Severity
from rules_engine.language.expressions import Expressions
from rules_engine.language.names import BAD_COUNT, Names
from rules_engine.language.operators import percent_fault
from rules_engine.language.payloads import MISSING_VALUE, Payloads
from rules_engine.language.reading import NO_KEY, key_part
from rules_engine.language.scope import Scope, Unclear
from rules_engine.language.source import Span
from rules_engine.language.types import ANY
from rules_engine.language.unknowns import Knowledge

UNKNOWN_REASON = Code(
    "RE123", "unknown-reason", Severity.ERROR, "A test waits for a reason that no loop ever gives."
)
FALLING_TIME = Code("RE230", "falling-time", Severity.ERROR, "A step of a test lies before the one above it.")
BAD_START = Code("RE231", "bad-start", Severity.ERROR, "A test starts at something that is no moment.")
NOTHING_EXPECTED = Code(
    "RE510", "nothing-expected", Severity.WARNING, "A test expects nothing, so it can never fail."
)

_CONSTANTS_ONLY = "a test knows constants alone: write the value, or a `let`"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check_tests(names: Names, tests: Sequence[syntax.TestItem]) -> list[program.Scenario]:
    """The tests of all files, in the order written, without those that have a mistake."""
    checked = []
    seen: dict[tuple[str, str], Span] = {}
    for test in tests:
        place = (test.span.path, test.name.text)
        if place in seen:
            message = f'the test "{test.name.text}" is there twice'
            related = (Related(seen[place], "the first one"),)
            advice = "give one of the two another name"
            names.findings.add(DUPLICATE.at(test.name.span, message, help=advice, related=related))
        seen.setdefault(place, test.name.span)
        errors = names.findings.error_count
        scenario = _Checker(names).scenario(test)
        if names.findings.error_count == errors:
            checked.append(scenario)
    return checked


class _Values(Expressions):
    """Expressions of a test: constants, and the word `unknown`."""

    def of(self, expr: syntax.Expr, *, text: bool = False) -> program.Expr:
        del text  # values are put into the texts of effects only (L40)
        if isinstance(expr, syntax.Path) and [part.text for part in expr.parts] == ["unknown"]:
            return program.Unknown(expr.span, ANY)
        return super().of(expr)


class _Checker:
    """Checks one test."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._typer = _Values(Scope(names=names, no_windows=_CONSTANTS_ONLY, no_knobs=_CONSTANTS_ONLY))

    def scenario(self, test: syntax.TestItem) -> program.Scenario:
        """The typed test; after a mistake, with gaps."""
        steps = []
        before: syntax.TestStep | None = None
        for step in test.steps:
            self._check_time(step, before)
            before = step
            acts = [self._act(act) for act in step.acts]
            steps.append(
                program.ScenarioStep(step.span, step.at_ms, tuple(act for act in acts if act is not None))
            )
        expects = (syntax.ExpectSet, syntax.ExpectEmit, syntax.ExpectDo, syntax.ExpectNothing)
        if not any(isinstance(act, expects) for step in test.steps for act in step.acts):
            message = f'the test "{test.name.text}" expects nothing'
            advice = "say what has to follow, as `expect set ...`, or that nothing may: `expect nothing`"
            self._names.findings.add(NOTHING_EXPECTED.at(test.name.span, message, help=advice))
        return program.Scenario(
            test.span, test.name.text, test.name.span, self._starts_ms(test.starts), tuple(steps)
        )

    # ---- time --------------------------------------------------------------------------------------

    def _check_time(self, step: syntax.TestStep, before: syntax.TestStep | None) -> None:
        place = Span(step.span.path, step.span.start, step.span.start + len("at"))
        if before is not None and step.at_ms < before.at_ms:
            earlier, now = duration_text(before.at_ms), duration_text(step.at_ms)
            message = f"{now} comes before {earlier}, the time of the step above"
            advice = f"times count from the start of the test: write {earlier} or later, or move the step up"
            related = (
                Related(Span(before.span.path, before.span.start, before.span.start + 2), "this step"),
            )
            self._names.findings.add(FALLING_TIME.at(place, message, help=advice, related=related))

    def _starts_ms(self, starts: syntax.Name | None) -> int:
        if starts is None:
            return program.STARTS_MS
        advice = 'write date, time and zone, as "2026-01-05T08:00:00Z"'
        try:
            moment = datetime.fromisoformat(starts.text)
        except ValueError:
            message = f'"{starts.text}" is no moment'
            self._names.findings.add(BAD_START.at(starts.span, message, help=advice))
            return program.STARTS_MS
        if moment.tzinfo is None:
            message = f'"{starts.text}" does not say in which zone'
            advice = f'put Z behind it for UTC, or an offset: "{_with_zone(starts.text)}"'
            self._names.findings.add(BAD_START.at(starts.span, message, help=advice))
            return program.STARTS_MS
        starts_ms = (moment - _EPOCH) // timedelta(milliseconds=1)
        if not 0 <= starts_ms <= _LATEST_MS:
            message = "a test starts between 1970 and 9900"
            self._names.findings.add(BAD_START.at(starts.span, message, help=advice))
            return program.STARTS_MS
        return starts_ms

    # ---- acts --------------------------------------------------------------------------------------

    def _act(self, act: syntax.Act) -> program.Act | None:
        names = self._names
        match act:
            case syntax.Send(event=name):
                event = names.event(name)
                payload = self._payloads().fields(name, event, act.payload)
                return None if event is None else program.Send(act.span, event, payload)
            case syntax.Given():
                return self._given(act)
            case syntax.Stub():
                return self._stub(act)
            case syntax.Restart():
                return program.Restart(act.span)
            case syntax.Reload(path=path):
                return program.Reload(act.span, path.text, path.span)
        return self._expectation(act)

    def _expectation(self, act: syntax.Act) -> program.Act | None:
        names = self._names
        match act:
            case syntax.ExpectSet():
                return self._expect_set(act)
            case syntax.ExpectEmit(event=name):
                event = names.event(name)
                payload = self._payloads(whole=False).fields(name, event, act.payload or ())
                return None if event is None else program.ExpectEmit(act.span, event, payload)
            case syntax.ExpectDo(action=name):
                action = self._action(name)
                arguments = self._payloads(whole=False).arguments(name, action, act.arguments or ())
                return None if action is None else program.ExpectDo(act.span, action, arguments)
            case syntax.ExpectNothing(because=because):
                if because is not None and because.text not in REASONS:
                    advice = did_you_mean(
                        because.text, REASONS, f"the reasons are {listed(REASONS, most=20)}"
                    )
                    message = f"unknown reason `{because.text}`"
                    names.findings.add(UNKNOWN_REASON.at(because.span, message, help=advice))
                return program.ExpectNothing(act.span, act.else_, because.text if because else None)
        raise AssertionError(f"no such act: {type(act).__name__}")

    def _payloads(self, *, whole: bool = True) -> Payloads:
        return Payloads(self._typer, Knowledge(), whole=whole)

    def _stub(self, act: syntax.Stub) -> program.Act | None:
        action = self._action(act.action)
        if act.times is not None and act.times < 1:
            message, advice = "this stub never fails", "write `fails 1 times`, or `fails` for always"
            self._names.findings.add(BAD_COUNT.at(act.span, message, help=advice))
        return None if action is None else program.Stub(act.span, action, act.times)

    def _action(self, name: syntax.Name) -> program.ActionDecl | None:
        """A test alone makes no use of an action, nor below of a knob."""
        return self._names.actions.get(name.text) or self._names.action(name)

    # ---- knobs -------------------------------------------------------------------------------------

    def _given(self, act: syntax.Given) -> program.Act | None:
        knob = self._knob(act.knob)
        value = self._value(knob, act.value)
        key = self._key(knob, act.knob, act.key)
        if knob is None:
            return None
        if key is None and knob.per and act.key is None:
            message = f"`{knob.name}` is kept per {listed(knob.per)}: which one is given?"
            related = (Related(knob.span, "the knob"),)
            self._names.findings.add(
                NO_KEY.at(act.knob.span, message, help=_key_advice(knob), related=related)
            )
        return program.Given(act.span, knob, key or (), value)

    def _expect_set(self, act: syntax.ExpectSet) -> program.Act | None:
        knob = self._knob(act.knob)
        value = self._value(knob, act.value) if act.value is not None else None
        key = self._key(knob, act.knob, act.key)
        return None if knob is None else program.ExpectSet(act.span, knob, key, value)

    def _knob(self, name: syntax.Name) -> program.Knob | None:
        return self._names.knobs.get(name.text) or self._names.knob(name, "knob in a test")

    def _value(self, knob: program.Knob | None, written: syntax.Expr) -> program.Expr:
        value = self._typer.of(written)
        if knob is not None:
            found = misfit(value, knob.type, f"`{knob.name}`")
            found = found or percent_fault(value, program.Expr(value.span, knob.type))
            if isinstance(value, program.Unknown):
                message, advice = "a knob always has a value", f"write one, as {_shown(knob.default)}"
                found = MISSING_VALUE.at(value.span, message, help=advice)
            if found is not None:
                self._names.findings.add(found)
        return value

    def _key(
        self, knob: program.Knob | None, name: syntax.Name, written: syntax.Expr | None
    ) -> tuple[program.Expr, ...] | None:
        """The key in brackets, `["a"]` or, of several parts, `[["a", "b"]]`; None where there is none."""
        if written is None:
            return None
        parts = written.items if isinstance(written, syntax.ListOf) else (written,)
        typed = [self._typer.of(part) for part in parts]
        if knob is None:
            return None
        if len(typed) != len(knob.per):
            message = f"`{knob.name}` has one value, without a key"
            if knob.per:
                message = f"a key of `{knob.name}` is made of {listed(knob.per)}"
            related = (Related(knob.span, "the knob"),)
            span = name.span.to(written.span)
            self._names.findings.add(NO_KEY.at(span, message, help=_key_advice(knob), related=related))
            return None
        checked = [
            key_part(self._typer, knob, part, words)
            for part, words in zip(typed, knob.key_words, strict=True)
        ]
        if any(part is None or isinstance(part, Unclear) for part in checked):
            return None
        return tuple(part for part in checked if part is not None)


_LATEST_MS = (datetime(9900, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


def _shown(value: float | str) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


def _with_zone(text: str) -> str:
    return f"{text}+01:00" if "T" in text or " " in text else f"{text}T00:00+01:00"


def _key_advice(knob: program.Knob) -> str:
    if not knob.per:
        return f"write `{knob.name}` alone"
    parts = [
        f'"{words[0]}"' if words else f'"{name}"'
        for name, words in zip(knob.per, knob.key_words, strict=True)
    ]
    key = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
    return f"write `{knob.name}[{key}]`"
