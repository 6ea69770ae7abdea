"""Test blocks: their names are checked, so that a test never speaks of what is not there."""

from __future__ import annotations

from collections.abc import Sequence

from rules_engine.language import program, syntax
from rules_engine.language.catalog import REASONS, did_you_mean, listed
from rules_engine.language.diagnostics import Code, Severity
from rules_engine.language.effects import UNKNOWN_PARAMETER
from rules_engine.language.names import Names
from rules_engine.language.reading import UNKNOWN_FIELD
from rules_engine.language.unreleased import TESTS_NOT_YET_RUNNING

UNKNOWN_REASON = Code(
    "RE123", "unknown-reason", Severity.ERROR, "A test waits for a reason that no loop ever gives."
)


def check_tests(names: Names, tests: Sequence[syntax.TestItem]) -> None:
    """Looks up every name that the tests use."""
    for test in tests:
        for act in (act for step in test.steps for act in step.acts):
            _check_act(names, act)
    if tests:
        first = tests[0]
        advice = "lint checks their names; until then `rules-engine replay` runs loops over recorded events"
        message = "`rules-engine test` comes with a later release"
        names.findings.add(TESTS_NOT_YET_RUNNING.at(first.name.span, message, help=advice))


def _check_act(names: Names, act: syntax.Act) -> None:
    match act:
        case syntax.Send(event=event, payload=payload):
            _check_payload(names, event, payload)
        case syntax.ExpectEmit(event=event, payload=expected):
            _check_payload(names, event, expected or ())
        case syntax.Given(knob=knob) | syntax.ExpectSet(knob=knob):
            if knob.text not in names.knobs:
                names.knob(knob, "knob in a test")
        case syntax.Stub(action=action):
            names.action(action)
        case syntax.ExpectDo(action=action, arguments=arguments):
            _check_arguments(names, names.action(action), arguments or ())
        case syntax.ExpectNothing(because=because) if because is not None and because.text not in REASONS:
            advice = did_you_mean(because.text, REASONS, f"the reasons are {listed(REASONS, most=20)}")
            names.findings.add(
                UNKNOWN_REASON.at(because.span, f"unknown reason `{because.text}`", help=advice)
            )


def _check_payload(names: Names, name: syntax.Name, payload: tuple[syntax.PayloadField, ...]) -> None:
    event = names.event(name)
    if event is None:
        return
    known = {spelling for decl in event.fields.values() for spelling in decl.spellings}
    for part in payload:
        if part.name.text not in known and not event.open:
            advice = did_you_mean(part.name.text, known)
            message = f"`{event.name}` has no field `{part.name.text}`"
            names.findings.add(UNKNOWN_FIELD.at(part.name.span, message, help=advice))


def _check_arguments(
    names: Names, action: program.ActionDecl | None, arguments: tuple[syntax.Argument, ...]
) -> None:
    for argument in arguments:
        name = argument.name
        if action is not None and name is not None and name.text not in action.parameters:
            advice = did_you_mean(name.text, action.parameters)
            message = f"`{action.name}` has no parameter `{name.text}`"
            names.findings.add(UNKNOWN_PARAMETER.at(name.span, message, help=advice))
