"""Commands for those who write rules: lint, events, codegen, explain, demo."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rules_engine.cli.options import AsFormat, Paths, Rules, nearest, read_settings
from rules_engine.cli.output import (
    CANNOT,
    FINDINGS,
    CommandError,
    Format,
    coloured,
    coloured_errors,
    console,
    error,
    json_line,
    note,
    print_json,
    say,
    table,
)

if TYPE_CHECKING:
    from rules_engine.language.diagnostics import Diagnostic
    from rules_engine.pipeline import RuleSet


class LintFormat(StrEnum):
    """How findings are printed."""

    text = "text"
    json = "json"
    sarif = "sarif"
    github = "github"


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(lint)
    app.command()(events)
    app.command()(codegen)
    app.command()(explain)
    app.command()(demo)


def lint(
    paths: Paths = None,
    format: Annotated[
        LintFormat, typer.Option("--format", help="How findings are printed.")
    ] = LintFormat.text,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail too.")] = False,
    handlers: Annotated[
        list[str] | None,
        typer.Option("--handlers", metavar="MODULE", help="Check that these handlers perform the actions."),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline", metavar="FILE", help="Leave out the findings noted there; made if it is not there."
        ),
    ] = None,
) -> None:
    """All findings of all files. Errors give exit code 1."""
    from rules_engine.language.diagnostics import Severity

    rules = _load(paths)
    findings = list(rules.diagnostics)
    if handlers:
        from rules_engine.daemon.handler_modules import load_module

        findings += handler_findings(rules, [load_module(module) for module in handlers])
    if baseline is not None:
        findings = _without_known(findings, baseline)
    _print_findings(rules, findings, format)
    for unreadable in rules.unreadable:
        error(f"{unreadable.path}: {unreadable.message}", "give files or folders that hold .loop files")
    if rules.unreadable:
        raise typer.Exit(CANNOT)
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    if any(finding.severity in failing for finding in findings):
        raise typer.Exit(FINDINGS)


def _load(paths: list[Path] | None) -> RuleSet:
    from rules_engine.pipeline import load

    return load(*(paths or read_settings().rules))


def _print_findings(rules: RuleSet, findings: list[Diagnostic], format: LintFormat) -> None:
    from rules_engine.cli import rendering

    if format is LintFormat.json:
        loops = len(rules.program.loops) if rules.program else 0
        print_json(rendering.as_json(findings, rules.sources, files=rules.file_count, loops=loops))
    elif format is LintFormat.sarif:
        print_json(rendering.as_sarif(findings, rules.sources))
    elif format is LintFormat.github:
        say(rendering.as_github(findings, rules.sources).rstrip("\n"))
    else:
        if rules.unreadable and not findings:
            return  # nothing was found because nothing was read
        say(rendering.as_text(findings, rules.sources, color=coloured()).rstrip("\n"), styled=True)
        if rules.program is not None:
            files, loops = rules.file_count, len(rules.program.loops)
            note(f"{files} file{'s' * (files != 1)}, {loops} loop{'s' * (loops != 1)}")


def print_errors(rules: RuleSet) -> None:
    """The errors that keep rules from running, on standard error."""
    from rules_engine.cli import rendering
    from rules_engine.language.diagnostics import Severity

    errors = [finding for finding in rules.diagnostics if finding.severity is Severity.ERROR]
    if errors:
        note(rendering.as_text(errors, rules.sources, color=coloured_errors()).rstrip("\n"), styled=True)
    for unreadable in rules.unreadable:
        error(f"{unreadable.path}: {unreadable.message}", "give files or folders that hold .loop files")


def _without_known(findings: list[Diagnostic], baseline: Path) -> list[Diagnostic]:
    """Findings that a baseline does not hold; without the file, all become known.

    Lines may move: a finding is known by code, file and message.
    """
    import json

    marks = [f"{finding.code.id} {finding.span.path} {finding.message}" for finding in findings]
    if not baseline.exists():
        baseline.write_text(json.dumps({"version": 1, "known": sorted(set(marks))}, indent=1) + "\n")
        note(f"{baseline} written: {len(set(marks))} findings are known from now on")
        return []
    try:
        known = set(json.loads(baseline.read_bytes())["known"])
    except (ValueError, KeyError, TypeError):
        raise CommandError(f"{baseline} is no baseline", "delete it, and lint writes a new one") from None
    return [finding for finding, mark in zip(findings, marks, strict=True) if mark not in known]


def handler_findings(rules: RuleSet, modules: list[Any]) -> list[Diagnostic]:
    """Actions that no handler of the modules performs, and handlers that do not fit their action."""
    from rules_engine.checks import handlers
    from rules_engine.daemon.handlers import collect

    if rules.program is None:
        return []
    found = collect(modules)
    return handlers.handler_findings(rules.program, {name: one.mismatch for name, one in found.items()})


def events(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One event, in any spelling.")] = None,
    rules: Rules = None,
    format: AsFormat = Format.text,
) -> None:
    """The catalogue of events, with the user's own where rules are given; or one event with its fields."""
    from rules_engine import pipeline

    loaded = pipeline.load(*rules) if rules else pipeline.check_texts({})
    if loaded.unreadable:
        raise CommandError(f"{loaded.unreadable[0].path}: {loaded.unreadable[0].message}")
    if loaded.program is None:
        raise CommandError("the rules have errors", "see them with `rules-engine lint`", FINDINGS)
    declared = loaded.program.events
    if name is None:
        _print_events(list(declared.values()), format)
        return
    spellings = {other.upper(): event.name for event in declared.values() for other in event.aliases}
    spellings |= {event: event for event in declared}
    wanted = spellings.get(name.upper())
    if wanted is None:
        raise CommandError(
            f"there is no event `{name}`{nearest(name.upper(), spellings)}",
            "`rules-engine events` lists all"
            + ("" if rules else ", with those of your own by `--rules rules`"),
        )
    record = _event_record(declared[wanted])
    if format is Format.json:
        print_json({"version": 1, "event": record})
    else:
        _print_event(record)


def _event_record(event: Any) -> dict[str, Any]:
    return {
        "event": event.name,
        "aliases": list(event.aliases),
        "open": event.open,
        "dedup_ms": event.dedup_ms,
        "key": event.key,
        "producer": event.producer,
        "documentation": event.documentation,
        "shipped": event.from_catalogue,
        "fields": [
            {
                "field": field.name,
                "spellings": list(field.spellings),
                "type": str(field.type),
                "words": list(field.type.words),
                "optional": field.type.optional,
                "derived": field.derived is not None,
            }
            for field in event.fields.values()
        ],
    }


def _print_events(events: list[Any], format: Format) -> None:
    if format is Format.json:
        print_json({"version": 1, "events": [_event_record(event) for event in events]})
        return
    made = table("", "event", "fields", "by")
    for event in sorted(events, key=lambda e: e.name):
        made.add_row(event.name, ", ".join(event.fields) or "-", event.producer or "")
    console().print(made)
    note(f"{len(events)} events; `rules-engine events NAME` shows one")


def _print_event(record: dict[str, Any]) -> None:
    also = ", ".join(f'"{alias}"' for alias in record["aliases"])
    say(record["event"] + (f" (also {also})" if also else ""))
    if record["documentation"]:
        say(f"  {record['documentation']}")
    made = table("", "field", "type", "also written", "")
    for field in record["fields"]:
        also = ", ".join(field["spellings"][1:])
        made.add_row(field["field"], field["type"], also, "derived" if field["derived"] else "")
    console().print(made)
    for name, words in _named_words(record).items():
        say(f"{name}: {' | '.join(json_line(word) for word in words)}")
    if record["open"]:
        say("producers may send more fields")
    if record["key"]:
        say(f"key: {record['key']}")


def _named_words(record: dict[str, Any]) -> dict[str, list[str]]:
    """The words behind each type that the fields call by a name."""
    types = ((field["type"].removesuffix("?"), field["words"]) for field in record["fields"])
    return {name: words for name, words in types if words and name.isidentifier()}


def codegen(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 if something is stale.")
    ] = False,
    rules: Rules = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="With --rules: where the Python goes.")
    ] = None,
) -> None:
    """Generate Python (event types, payload models, emit functions) from declared events.

    Without --rules that of the shipped catalogue, in a checkout; with --rules and --out of your own events.
    """
    from rules_engine.tools import codegen as generator

    if (rules is None) != (out is None):
        raise CommandError(
            "--rules and --out go together", "rules-engine codegen --rules my_rules --out my_events"
        )
    try:
        stale = generator.write(check=check, rules=rules or (), out=out)
    except generator.CannotGenerate as problem:
        raise CommandError(str(problem)) from None
    if check and stale:
        raise CommandError(
            f"stale: {', '.join(str(path) for path in stale)}", "run `rules-engine codegen`", FINDINGS
        )
    say("all generated files are up to date" if not stale else "\n".join(f"wrote {path}" for path in stale))


def explain(
    code: Annotated[
        str, typer.Argument(metavar="CODE", help="The code of a finding, such as RE101, or its name.")
    ],
) -> None:
    """The page of a finding: what is wrong, an example, and what to write instead."""
    from rules_engine.shipped import shipped

    pages = shipped("docs/reference/codes")
    known = {page.stem for page in pages.glob("RE*.md")}
    names = {_code_name(pages / f"{page}.md"): page for page in known}
    wanted = names.get(code.lower(), code.upper())
    if wanted not in known:
        candidates = names if "-" in code else known
        asked = code.lower() if "-" in code else wanted
        raise CommandError(
            f"there is no finding {code}{nearest(asked, candidates)}", "`rules-engine lint` names the codes"
        )
    text = (pages / f"{wanted}.md").read_text(encoding="utf-8")
    if coloured():
        from rich.markdown import Markdown

        console().print(Markdown(text))
    else:
        say(text.rstrip("\n"))


def _code_name(page: Path) -> str:
    """The name of a finding, which stands behind its code in the heading of its page."""
    with page.open(encoding="utf-8") as lines:
        return lines.readline().split()[-1]


def demo(
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.05, metavar="N", help="How long it runs.")
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="The same seed plays the same games.")] = 1,
    fault: Annotated[
        str | None, typer.Option("--fault", help="What goes wrong half way: regression, bad-data or stall.")
    ] = None,
    rules: Annotated[bool, typer.Option("--rules/--no-rules", help="With the rules, or left alone.")] = True,
    folder: Annotated[Path, typer.Option("--folder", metavar="DIR", help="Where it keeps its files.")] = Path(
        ".demo"
    ),
) -> None:
    """A small self-play pipeline, live, steered by the shipped rules."""
    from rules_engine.demo.settings import FAULTS

    if fault is not None and fault not in FAULTS:
        raise CommandError(f"--fault: there is no fault `{fault}`", f"there are {', '.join(FAULTS)}")
    from rules_engine.demo.session import run_demo

    raise typer.Exit(run_demo(minutes=minutes, seed=seed, fault=fault, rules=rules, folder=folder))
