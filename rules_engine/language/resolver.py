"""From parsed files to a checked program: all names settled, all types known, all mistakes told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rules_engine.language import program, syntax
from rules_engine.language.declarations import Declarations
from rules_engine.language.diagnostics import Diagnostic, Severity
from rules_engine.language.loops import check_loop
from rules_engine.language.names import Names
from rules_engine.language.scenarios import check_tests
from rules_engine.language.source import Source, Span
from rules_engine.language.syntax import File


def check(
    files: Sequence[File], catalogue: Sequence[File], sources: Mapping[str, Source]
) -> tuple[program.Program | None, list[Diagnostic]]:
    """Settles names and types of a rule set, on top of the declarations that come with the package.

    `sources` maps the path of every file to its text. A loop with a mistake is left out of the program,
    everything else is still checked; no finding is the mere consequence of another. Findings come in
    order of path and place. Raises nothing for a user's mistake.
    """
    declarations = Declarations(files, catalogue, sources)
    names = declarations.names
    lost = {(file.path, broken) for file in files for broken in file.broken}
    by_path = {file.path: file for file in files}
    loops: list[program.Loop] = []
    allows: list[tuple[str, Span, str]] = []
    for item in declarations.loops():
        file = by_path.get(item.span.path)
        checked = check_loop(names, item, file.broken_within(item) if file else ())
        allows += [(item.name.text, item.span, allow.code) for allow in checked.annotations.allows]
        if checked.loop is not None:
            loops.append(checked.loop)
    tests = [item for file in files for item in file.items if isinstance(item, syntax.TestItem)]
    scenarios = check_tests(names, tests)
    findings, allowed = _without_allowed(names, allows)
    complete = not lost and not names.findings.error_count
    return _program(declarations, loops, scenarios, allowed, complete=complete), findings


def _program(
    declarations: Declarations,
    loops: list[program.Loop],
    scenarios: list[program.Scenario],
    allowed: frozenset[tuple[str, str]],
    *,
    complete: bool,
) -> program.Program:
    names = declarations.names
    return program.Program(
        types=names.types,
        events=names.events,
        actions=names.actions,
        knobs=names.knobs,
        lets=declarations.constants(),
        loops=tuple(sorted(loops, key=lambda loop: loop.name)),
        tests=tuple(scenarios),
        places=names.places,
        mentions={use: frozenset(found) for use, found in names.mentions.items()},
        allowed=allowed,
        complete=complete,
    )


def _without_allowed(
    names: Names, allows: list[tuple[str, Span, str]]
) -> tuple[list[Diagnostic], frozenset[tuple[str, str]]]:
    """The findings without the warnings that an `@allow` of their loop hides; errors cannot be hidden."""
    kept: list[Diagnostic] = []
    used: set[tuple[str, str]] = set()
    for finding in names.findings.all:
        hiding = [
            (loop, code)
            for loop, span, code in allows
            if code == finding.code.id
            and finding.severity is not Severity.ERROR
            and span.path == finding.span.path
            and span.start <= finding.span.start < span.end
        ]
        used.update(hiding)
        if not hiding:
            kept.append(finding)
    ordered = sorted(kept, key=lambda f: (f.span.path, f.span.start, f.span.end, f.code.id, f.message))
    return ordered, frozenset(used)
