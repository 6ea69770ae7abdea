"""Runs one scenario: step by step, each act in its place, up to the first step that is not as expected.

An expectation looks at what happened since the step before: at what came due in between, and at what the
acts above it in its own step have led to (L44). A step that sends nothing asks about the last one that did,
and sees the effects of that step too, unless an `expect` has looked at them already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from rules_engine.compiler import constant
from rules_engine.engine.control import ControlRefused
from rules_engine.engine.decision import Verdict
from rules_engine.engine.runtime import runtime_of
from rules_engine.events.errors import PayloadNotEncodable
from rules_engine.language import program as p
from rules_engine.language.catalog import duration_text
from rules_engine.language.source import Span
from rules_engine.tools.scenarios.expectations import Assignment, wanted
from rules_engine.tools.scenarios.observations import Effect, Observations
from rules_engine.tools.scenarios.virtual_engine import Loaded, VirtualEngine


class CannotReload(Exception):
    """The other file cannot take the place of the test's own; the message says why."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An act that did not go as the test says. `message` is one phrase.

    `instead` tells how the nearest effect differs; `effects` are those that the expectation could see,
    `elsewhere` is one that fits and lay before; `verdicts` tell why loops did or did not act; `notes` what
    else may explain it.
    """

    span: Span
    message: str
    instead: str = ""
    effects: tuple[Effect, ...] = ()
    elsewhere: Effect | None = None
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """How a test went: `error` when it could not be carried out at all."""

    scenario: p.Scenario
    outcome: Literal["passed", "failed", "error"]
    failures: tuple[Failure, ...] = ()


@dataclass
class Setting:
    """What a scenario runs against. `reloaded` gives the rules with another file in the test file's place."""

    rules: Loaded
    reloaded: Callable[[p.Reload], Loaded]


def run_scenario(scenario: p.Scenario, setting: Setting, seen: Observations | None = None) -> ScenarioResult:
    """Carry a test out; `seen` collects what happens, for those who want to know more."""
    run = _Run(scenario, setting, seen or Observations())
    try:
        failures = run.steps()
    except _Stopped as stopped:
        return ScenarioResult(scenario, "error", (stopped.failure,))
    return ScenarioResult(scenario, "failed" if failures else "passed", tuple(failures))


class _Stopped(Exception):
    """The test cannot go on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class _Run:
    def __init__(self, scenario: p.Scenario, setting: Setting, seen: Observations) -> None:
        self._scenario = scenario
        self._setting = setting
        self._seen = seen
        self._engine = VirtualEngine(setting.rules, scenario.starts_ms, seen.take)
        self._assigned = Assignment()
        #: The first effect and verdict that an expectation sees.
        self._first = self._first_verdict = 0
        self._notes: list[str] = []

    def steps(self) -> list[Failure]:
        """The failures of the first step that has any."""
        for step in self._scenario.steps:
            if any(isinstance(act, p.Send | p.Reload) for act in step.acts):
                self._look_from_here()
            self._engine.advance(self._scenario.starts_ms + step.at_ms)
            failures = [failure for act in step.acts if (failure := self._act(act)) is not None]
            self._stop_if_troubled(step)
            if failures:
                return failures
            if any(isinstance(act, p.Expect) for act in step.acts):
                self._look_from_here()
        return []

    def _look_from_here(self) -> None:
        self._assigned = Assignment()
        self._first, self._first_verdict = len(self._seen.effects), self._seen.count
        self._notes = []

    def _stop_if_troubled(self, step: p.ScenarioStep) -> None:
        troubles = self._seen.troubles
        if troubles:
            notes = tuple(dict.fromkeys(troubles[1:]))
            raise _Stopped(Failure(step.span, troubles[0], notes=notes))

    # ---- acts --------------------------------------------------------------------------------------

    def _act(self, act: p.Act) -> Failure | None:
        match act:
            case p.ExpectNothing():
                return self._expect_nothing(act)
            case p.Expect():
                return self._expect(act)
            case p.Send():
                self._send(act)
            case p.Given():
                self._give(act)
            case p.Stub(action=action, times=times):
                self._engine.stub(action.name, times)
            case p.Restart():
                self._engine.restart()
            case p.Reload():
                self._reload(act)
        return None

    def _send(self, act: p.Send) -> None:
        payload = {name: constant(value) for name, value in act.payload}
        try:
            first_ms = self._engine.send(act.event.name, payload)
        except PayloadNotEncodable as problem:
            raise _Stopped(Failure(act.span, f"it cannot be sent: {problem}")) from None
        name = act.event.name
        if first_ms is not None:
            span = duration_text(self._engine.rules.dedup_ms(name))
            self._notes.append(
                f"`{name}` was sent again with the same payload within {span} and counts as the same event:"
                " send another payload, send it later, or declare the event with `dedup off`"
            )
        elif name not in runtime_of(self._engine.rules.plan).hearers:
            self._notes.append(f"no loop that this test runs hears `{name}`")

    def _give(self, act: p.Given) -> None:
        key = tuple(constant(part) for part in act.key)
        try:
            self._engine.give(act.knob.name, key, constant(act.value))
        except ControlRefused as refused:
            raise _Stopped(Failure(act.span, str(refused))) from None

    def _reload(self, act: p.Reload) -> None:
        try:
            rules = self._setting.reloaded(act)
        except CannotReload as problem:
            raise _Stopped(Failure(act.path_span, str(problem))) from None
        self._engine.reload(rules)

    # ---- expectations ------------------------------------------------------------------------------

    def _expect(self, expect: p.Expect) -> Failure | None:
        want = wanted(expect, self._engine.rules.plan)
        effects = self._seen.effects
        if self._assigned.find(want, effects, self._first):
            return None
        seen, before = effects[self._first :], effects[: self._first]
        if any(want.fits(effect) for effect in seen):
            return self._failure(expect, "it happened less often than it is expected")
        earlier = next((effect for effect in reversed(before) if want.fits(effect)), None)
        failure = self._failure(expect, "it did not happen")
        return replace(failure, instead=want.instead(seen), elsewhere=earlier)

    def _expect_nothing(self, expect: p.ExpectNothing) -> Failure | None:
        used = self._assigned.used if expect.left_over else frozenset()
        effects = [
            effect
            for number, effect in enumerate(self._seen.effects[self._first :], self._first)
            if number not in used
        ]
        if effects:
            count = "one thing" if len(effects) == 1 else f"{len(effects)} things"
            message = f"{count} happened{' besides' if expect.left_over else ''}"
            return self._failure(expect, message, effects=effects)
        if expect.because is None:
            return None
        verdicts = self._seen.verdicts_since(self._first_verdict)
        if any(verdict.reason == expect.because for verdict in verdicts):
            return None
        return self._failure(expect, f"nothing happened, but not because of `{expect.because}`")

    def _failure(
        self,
        act: p.Act,
        message: str,
        effects: list[Effect] | None = None,
    ) -> Failure:
        shown = self._seen.effects[self._first :] if effects is None else effects
        verdicts = self._seen.verdicts_since(self._first_verdict)
        return Failure(
            act.span, message, effects=tuple(shown), verdicts=tuple(verdicts), notes=tuple(self._notes)
        )
