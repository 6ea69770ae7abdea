"""The tests of a rule set: which loops each of them runs, and what a `reload` loads (L43)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rules_engine.engine.plan import Plan
from rules_engine.language import program as p
from rules_engine.language.diagnostics import Diagnostic, Severity
from rules_engine.pipeline import RuleSet, check_files, read_files
from rules_engine.tools.scenarios.observations import Observations
from rules_engine.tools.scenarios.running import CannotReload, ScenarioResult, Setting, run_scenario
from rules_engine.tools.scenarios.virtual_engine import Loaded


class Suite:
    """The tests of a sound rule set."""

    def __init__(self, rules: RuleSet) -> None:
        assert rules.plan is not None
        assert rules.program is not None
        self._rules = rules
        self._plan = rules.plan
        self._program = rules.program
        self._settings: dict[str, Setting] = {}

    @property
    def scenarios(self) -> tuple[p.Scenario, ...]:
        """All tests, in the order of files and of what is written."""
        return self._program.tests

    def run(self, scenario: p.Scenario, seen: Observations | None = None) -> ScenarioResult:
        """Carry one test out; `seen` collects what happens in it."""
        return run_scenario(scenario, self._setting(scenario.path), seen)

    def _setting(self, path: str) -> Setting:
        setting = self._settings.get(path)
        if setting is None:
            setting = Setting(_of_file(self._plan, self._program, path), self._reloaded)
            self._settings[path] = setting
        return setting

    # ---- reload ------------------------------------------------------------------------------------

    def _reloaded(self, act: p.Reload) -> Loaded:
        """The rules once the other file has taken the place of the test's own.

        For a file of tests only it takes the place of the file of the same name, or joins the others.
        """
        own = act.span.path
        other = str(Path(own).parent / act.path)
        if Path(other).suffix != ".loop":
            raise CannotReload(f"`{other}`: it is no .loop file")
        data, unreadable = read_files([other])
        if unreadable:
            raise CannotReload(f"`{other}`: {unreadable[0].message}")
        texts = {path: text.encode() for path, text in self._rules.texts.items()}
        for path in self._replaced(own, other, texts):
            del texts[path]
        rules = check_files({**texts, **data})
        if rules.plan is None or rules.program is None:
            raise CannotReload(_first_error(rules))
        return _of_file(rules.plan, rules.program, next(iter(data)) if self._has_loops(own) else own)

    def _replaced(self, own: str, other: str, texts: dict[str, bytes]) -> list[str]:
        same = [path for path in texts if Path(path).resolve() == Path(other).resolve()]
        if self._has_loops(own):
            return list(dict.fromkeys([own, *same]))
        return same or [path for path in texts if Path(path).name == Path(other).name]

    def _has_loops(self, path: str) -> bool:
        return any(loop.path == path for loop in self._program.loops)


def _of_file(plan: Plan, program: p.Program, path: str) -> Loaded:
    """The plan with the loops of one file alone; with all where it has none."""
    dedup_ms = {event.name: event.dedup_ms for event in program.events.values() if event.dedup_ms is not None}
    own = {loop.name for loop in program.loops if loop.path == path}
    if own:
        plan = replace(plan, loops=tuple(loop for loop in plan.loops if loop.name in own))
    return Loaded(plan, dedup_ms)


def _first_error(rules: RuleSet) -> str:
    errors: list[Diagnostic] = [f for f in rules.diagnostics if f.severity is Severity.ERROR]
    first = errors[0]
    source = rules.sources.get(first.span.path)
    line, column = source.position(first.span.start) if source else (1, 1)
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    return f"with it the rules have errors: {first.span.path}:{line}:{column} {first.message}{more}"
