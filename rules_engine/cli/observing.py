"""Commands that only read: tail, firings, status, knobs. They need no daemon and make no database."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rules_engine.cli.options import (
    AsFormat,
    Db,
    Since,
    Until,
    moment_ms,
    nearest,
    open_existing,
    read_settings,
)
from rules_engine.cli.output import CommandError, Format, console, json_line, note, print_json, say

if TYPE_CHECKING:
    from rules_engine.engine.decision import Firing
    from rules_engine.event import Row
    from rules_engine.store.port import Store

_PAGE = 1_000
_FOLLOW_MS = 500


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(tail)
    app.command()(firings)
    app.command()(status)


# ---- tail ----------------------------------------------------------------------------------------


def tail(
    type: Annotated[
        str, typer.Option("--type", metavar="GLOB", help="Only events of these types: TRAINING_*.")
    ] = "*",
    since: Since = None,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    format: AsFormat = Format.text,
    db: Db = None,
) -> None:
    """Events of the log, oldest first."""
    store = open_existing(db)
    after = store.seek(moment_ms(since, "--since", store.now_ms()) or 0)
    pattern = type.upper()
    shown = 0
    try:
        while True:
            page = store.read(after, _PAGE)
            if page.gap is not None and after:
                note(f"the events {page.gap.first} to {page.gap.last} were pruned")
            for row in page.rows:
                if fnmatch.fnmatchcase(row.type.upper(), pattern):
                    say(_row_line(row, format))
                    shown += 1
            after = page.next
            if page.rows:
                continue
            if not follow:
                break
            _flush()
            store.wait(after, _FOLLOW_MS)
    except KeyboardInterrupt:
        if not follow:
            raise
    finally:
        store.close()
    if not shown and format is Format.text:
        note("no events")


def _flush() -> None:
    import sys

    sys.stdout.flush()


def _row_line(row: Row, format: Format) -> str:
    from rules_engine.tools.records import row_record, time_text

    if format is Format.json:
        return json_line(row_record(row))
    mark = "" if row.kind.word == "event" else f" ({row.kind.word})"
    source = f"  from {row.source}" if row.source else ""
    return f"{row.seq:>7}  {time_text(row.time_ms)}  {row.type}{mark}  {json_line(row.payload)}{source}"


# ---- firings -------------------------------------------------------------------------------------


def firings(
    loop: Annotated[str | None, typer.Argument(metavar="[LOOP]", help="Only this loop.")] = None,
    since: Since = None,
    until: Until = None,
    format: AsFormat = Format.text,
    db: Db = None,
) -> None:
    """Recorded decisions, oldest first."""
    from rules_engine.tools.records import firing_record

    store = open_existing(db)
    now_ms = store.now_ms()
    found = _firings(store, loop, moment_ms(since, "--since", now_ms), moment_ms(until, "--until", now_ms))
    if not found and loop is not None:
        _check_loop(store, loop)
    if format is Format.json:
        print_json({"version": 1, "firings": [{**firing_record(f.firing), "rules": f.rules} for f in found]})
        return
    for one in found:
        print_firing(one.firing)
    note(f"{len(found)} firing{'s' * (len(found) != 1)}")


def print_firing(firing: Firing) -> None:
    """A decision for people: what fired and why, then what it did."""
    from rules_engine.tools.records import firing_record

    say(_firing_line(firing_record(firing)))
    for effect in firing.effects:
        say(f"    {effect_text(effect)}")


def _firings(store: Store, loop: str | None, since_ms: int | None, until_ms: int | None) -> list[Any]:
    found: list[Any] = []
    after = (0, -1)
    while page := store.firings(loop, since_ms=since_ms, until_ms=until_ms, after=after, limit=_PAGE):
        found += page
        after = page[-1].firing.position, page[-1].firing.n
    return found


def _check_loop(store: Store, loop: str) -> None:
    from rules_engine.daemon import facts

    known = [one["loop"] for one in (store.fact(facts.RULES) or {"loops": []})["loops"]]
    if known and loop not in known:
        raise CommandError(f"there is no loop `{loop}`{nearest(loop, known)}")


def _firing_line(record: dict[str, Any]) -> str:
    key = f"[{'/'.join(map(str, record['key']))}]" if record["key"] else ""
    marks = "".join(f" {mark}" for mark in ("shadow", "incomplete") if record[mark])
    because = ", ".join(f"{text}: {json_line(value)}" for text, value in record["because"].items())
    reason = f"  because {because}" if because else ""
    return f"{record['time']}  {record['loop']}{key}  {record['cause']}{marks}{reason}"


def effect_text(effect: dict[str, Any]) -> str:
    """An effect of a firing in one line."""
    if effect["kind"] == "set":
        key = f"[{'/'.join(map(str, effect['key']))}]" if effect.get("key") else ""
        return f"set {effect['knob']}{key} = {json_line(effect['value'])}"
    if effect["kind"] == "do":
        arguments = ", ".join(f"{name}: {json_line(value)}" for name, value in effect["args"].items())
        return f"do {effect['action']}({arguments})"
    return f"emit {effect['event']} {json_line(effect['payload'])}"


# ---- status --------------------------------------------------------------------------------------


def status(format: AsFormat = Format.text, db: Db = None) -> None:
    """Daemon, rules with counts, readers, owed actions, dead letters, last reload and its errors."""
    from rules_engine.tools import status as statuses

    store = open_existing(db)
    document = statuses.status(store, read_settings(db=db))
    if format is Format.json:
        print_json(document)
        return
    from rules_engine.cli.status_page import print_status

    print_status(console(), document, Path(store.info().url))


# ---- knobs ---------------------------------------------------------------------------------------


def print_knobs(name: str | None, format: Format, db: Path | None) -> None:
    """All knobs, or one, with base and hold."""
    from rules_engine.tools.knobs import Knobs
    from rules_engine.tools.status import knob_records

    store = open_existing(db)
    knobs = Knobs(store=store)
    try:
        records = knob_records(knobs, name)
    except KeyError as error:
        raise CommandError(str(error.args[0])) from None
    if format is Format.json:
        print_json({"version": 1, "knobs": records})
        return
    if not records:
        never = "no daemon has loaded rules with knobs into this database yet"
        note(f"at default for every key: {name or ', '.join(knobs.names())}" if knobs.names() else never)
        return
    from rules_engine.cli.status_page import knob_table

    console().print(knob_table(records))
