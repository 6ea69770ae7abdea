"""The command `replay`: the rules over recorded events, nothing performed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rules_engine.cli.authoring import print_errors
from rules_engine.cli.observing import print_firing
from rules_engine.cli.options import (
    AsFormat,
    Db,
    Rules,
    Since,
    Until,
    moment_ms,
    open_existing,
    read_settings,
)
from rules_engine.cli.output import FINDINGS, CommandError, Format, note, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rules_engine.engine.decision import Firing
    from rules_engine.event import Row
    from rules_engine.language.program import Program

#: More operators' requests than this in one log are not looked at.
_CONTROLS = 1_000_000


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(replay)


def replay(
    rules: Rules = None,
    since: Since = None,
    until: Until = None,
    file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="JSON Lines, as `tail --format json` writes them."),
    ] = None,
    format: AsFormat = Format.text,
    db: Db = None,
) -> None:
    """What the rules decide over recorded events: of a file, or of the database. Nothing is performed."""
    from rules_engine.pipeline import load
    from rules_engine.tools.records import time_text
    from rules_engine.tools.replay import replay as replayed

    rule_set = load(*(rules or read_settings().rules))
    if rule_set.plan is None or rule_set.program is None:
        print_errors(rule_set)
        raise typer.Exit(2 if rule_set.unreadable else FINDINGS)
    since_ms, until_ms = moment_ms(since, "--since"), moment_ms(until, "--until")
    recorded, controls = _recording(file, db, rule_set.program)
    seen = _Seen(_before(recorded, until_ms))
    firings = [
        firing
        for firing in replayed(rule_set.plan, seen, controls=controls, until_ms=until_ms)
        if (since_ms is None or firing.time_ms >= since_ms)
        and (until_ms is None or firing.time_ms <= until_ms)
    ]
    if format is Format.json:
        print_json(_document(seen, firings, rule_set.hash))
        return
    for firing in firings:
        print_firing(firing)
    span = f", {time_text(seen.first_ms)} to {time_text(seen.last_ms)}" if seen.events else ""
    note(
        f"{seen.events} event{'s' * (seen.events != 1)}, {len(firings)} firing{'s' * (len(firings) != 1)}"
        + span
    )


def _recording(file: Path | None, db: Path | None, program: Program) -> tuple[Iterator[Row], list[Any]]:
    from rules_engine.tools.replay import rows_of

    if file is not None:
        return _lines(file, _spellings(program)), []
    store = open_existing(db)
    return rows_of(store), store.controls(0, _CONTROLS)


def _lines(file: Path, names: Mapping[str, str]) -> Iterator[Row]:
    from rules_engine.tools.records import BadRecord, rows_from_lines

    try:
        with file.open("rb") as lines:
            yield from rows_from_lines(lines, names)
    except BadRecord as error:
        raise CommandError(
            f"{file}: {error}", "each line is an event as `tail --format json` writes it"
        ) from None
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}", "give a file of JSON Lines") from None


def _spellings(program: Program) -> dict[str, str]:
    """Every spelling of an event, in upper case, to its name (A13)."""
    names = {alias.upper(): event.name for event in program.events.values() for alias in event.aliases}
    return names | {name.upper(): name for name in program.events}


def _before(rows: Iterable[Row], until_ms: int | None) -> Iterator[Row]:
    for row in rows:
        if until_ms is not None and row.time_ms > until_ms:
            return
        yield row


class _Seen:
    """Passes rows on and counts what the document says of them."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows
        self.events = 0
        self.first_ms = self.last_ms = 0

    def __iter__(self) -> Iterator[Row]:
        from rules_engine.event import Kind

        for row in self._rows:
            self.first_ms = self.first_ms or row.time_ms
            self.last_ms = row.time_ms
            self.events += row.kind is Kind.EVENT
            yield row


def _document(seen: _Seen, firings: list[Firing], rules: str) -> dict[str, Any]:
    """In the very shape of `firings --format json`, so that the two can be compared as they are."""
    from rules_engine.tools.records import firing_record, time_text

    return {
        "version": 1,
        "events": seen.events,
        "from": time_text(seen.first_ms) if seen.last_ms else None,
        "until": time_text(seen.last_ms) if seen.last_ms else None,
        "firings": [{**firing_record(firing), "rules": rules} for firing in firings],
        "added": [],
        "removed": [],
    }
