"""The command `test`: the `test` blocks of rule files, in virtual time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rules_engine.cli.authoring import print_errors
from rules_engine.cli.options import AsFormat, Paths, read_settings
from rules_engine.cli.output import CANNOT, FINDINGS, CommandError, Format, error, note, print_json

if TYPE_CHECKING:
    from rules_engine.pipeline import RuleSet
    from rules_engine.tools.scenarios.coverage import Coverage
    from rules_engine.tools.scenarios.reports import Ran
    from rules_engine.tools.scenarios.suite import Suite

#: A run that takes longer shows how far it is.
_PATIENCE_S = 0.5


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("test")(run_tests)


def run_tests(
    paths: Paths = None,
    only: Annotated[
        str | None,
        typer.Option(
            "-k",
            metavar="EXPR",
            help="Only tests whose file and name hold this: throttle, 'quality and not slow'.",
        ),
    ] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Show what of each loop the tests have seen.")
    ] = False,
    least: Annotated[
        float | None,
        typer.Option(
            "--min", metavar="PCT", min=0, max=100, help="Fail if the coverage is below this percentage."
        ),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the results as JUnit XML, too.")
    ] = None,
    format: AsFormat = Format.text,
) -> None:
    """Run the `test` blocks of the rules, on a virtual clock: no process, no waiting, no database.

    All files of the given paths are one rule set. A test runs the loops of its own file, or all loops
    where its file has none. To run the tests of one file of a larger set, give the set and choose with -k.

    Exit code: 0 when all tests pass; 1 when one fails, when the rules have errors, or when the coverage is
    below --min; 2 when there is nothing to run.
    """
    from rules_engine.pipeline import load
    from rules_engine.tools.scenarios.suite import Suite

    rules = load(*(paths or read_settings().rules))
    if rules.plan is None or rules.program is None:
        raise typer.Exit(_refuse(rules, format, paths or []))
    suite = Suite(rules)
    seen = _coverage_of(rules) if coverage or least is not None else None
    ran = _run(suite, _chosen(suite, only), seen)
    _report(rules, ran, seen, format, show=coverage)
    if junit is not None:
        _write_junit(junit, ran, rules)
    enough = seen is None or least is None or seen.report().percent >= least
    if not enough and seen is not None and format is Format.text:
        note(f"coverage {seen.report().percent:.1f}% is below --min {least:g}%")
    if not enough or any(one.result.outcome != "passed" for one in ran):
        raise typer.Exit(FINDINGS)


def _refuse(rules: RuleSet, format: Format, paths: list[Path]) -> int:
    """The rules do not load: their findings, and the exit code."""
    from rules_engine.cli.rendering import as_object
    from rules_engine.language.diagnostics import Severity
    from rules_engine.tools.scenarios.reports import as_json

    if format is Format.json:
        errors = [one for one in rules.diagnostics if one.severity is Severity.ERROR]
        found = [as_object(one, rules.sources) for one in errors]
        print_json(as_json([], rules.sources, None) | {"diagnostics": found})
        for unreadable in rules.unreadable:
            error(f"{unreadable.path}: {unreadable.message}", "give files or folders that hold .loop files")
    else:
        print_errors(rules)
        if not rules.unreadable:
            note("no test was run: the rules have errors")
        if any(path.is_file() for path in paths):
            note("for the tests of one file of a larger rule set, give the set and choose with -k FILE")
    return CANNOT if rules.unreadable else FINDINGS


def _chosen(suite: Suite, only: str | None) -> list[int]:
    """The numbers of the tests to run."""
    from rules_engine.tools.scenarios.selection import BadSelection, selector

    scenarios = suite.scenarios
    if not scenarios:
        raise CommandError(
            "there are no tests in these rules",
            'write one: test "name" { at 0m send EVENT { ... } expect set knob["key"] = 1 }',
        )
    if only is None:
        return list(range(len(scenarios)))
    try:
        is_meant = selector(only)
    except BadSelection as problem:
        raise CommandError(
            f"-k: {problem}", "join parts of names with and, or, not; quote a part with spaces"
        ) from None
    chosen = [number for number, one in enumerate(scenarios) if is_meant(f"{one.path}::{one.name}")]
    if not chosen:
        names = ", ".join(f'"{one.name}"' for one in scenarios[:3])
        more = "" if len(scenarios) <= 3 else f" and {len(scenarios) - 3} more"
        raise CommandError(f"-k: no test is called like `{only}`", f"there are {names}{more}")
    return chosen


def _coverage_of(rules: RuleSet) -> Coverage:
    from rules_engine.tools.scenarios.coverage import Coverage

    assert rules.plan is not None
    assert rules.program is not None
    return Coverage(rules.plan, rules.program)


def _run(suite: Suite, chosen: list[int], coverage: Coverage | None) -> list[Ran]:
    from rules_engine.cli.scenario_pages import Progress
    from rules_engine.tools.scenarios.observations import Observations
    from rules_engine.tools.scenarios.reports import Ran

    ran = []
    with Progress(len(chosen), _PATIENCE_S) as progress:
        for number in chosen:
            scenario = suite.scenarios[number]
            progress.begin(scenario.name)
            seen = Observations()
            if progress.wanted:
                seen.watchers.append(progress.pulse)
            if coverage is not None:
                coverage.begin()
                seen.watchers.append(coverage.take)
            began = time.perf_counter()
            result = suite.run(scenario, seen)
            ran.append(Ran(result, time.perf_counter() - began))
    return ran


def _report(rules: RuleSet, ran: list[Ran], seen: Coverage | None, format: Format, *, show: bool) -> None:
    from rules_engine.cli import scenario_pages
    from rules_engine.tools.scenarios.reports import as_json

    report = None if seen is None else seen.report()
    if format is Format.json:
        print_json(as_json(ran, rules.sources, report))
        return
    scenario_pages.print_results(ran, rules.sources)
    if report is not None and show:
        scenario_pages.print_coverage(report)
    scenario_pages.print_summary(ran, report)


def _write_junit(path: Path, ran: list[Ran], rules: RuleSet) -> None:
    from rules_engine.tools.scenarios.reports import as_junit

    try:
        path.write_bytes(as_junit(ran, rules.sources))
    except OSError as problem:
        raise CommandError(
            f"{path} cannot be written: {problem.strerror}", "give --junit a file in a folder that is there"
        ) from None
