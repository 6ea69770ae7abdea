"""`dead-letters`: what was given up, to be looked at, tried again or dropped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rules_engine.cli.options import AsFormat, Db, open_existing
from rules_engine.cli.output import CommandError, Format, console, json_line, note, print_json, say, table

if TYPE_CHECKING:
    from rules_engine.store.port import Letter, Store

_LETTERS = 10_000
_GREATEST_ID = 2**63 - 1

dead_letters = typer.Typer(help="Actions, events and steps that were given up.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.add_typer(dead_letters, name="dead-letters")


Id = Annotated[int, typer.Argument(metavar="ID", help="The number that `list` shows.")]


@dead_letters.command("list")
def list_letters(
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, newest first.")] = 100,
    format: AsFormat = Format.text,
    db: Db = None,
) -> None:
    """Dead letters, newest first."""
    letters = open_existing(db).letters(limit)
    if format is Format.json:
        print_json({"version": 1, "letters": [_letter_record(letter) for letter in letters]})
        return
    if not letters:
        note("no dead letters")
        return
    from rules_engine.tools.records import time_text

    made = table("", "id", "time", "kind", "name", "tries", "reason", right=("id", "tries"), whole=("time",))
    for letter in letters:
        tries = str(letter.attempts)
        made.add_row(
            str(letter.id), time_text(letter.time_ms), letter.kind, letter.name, tries, letter.reason
        )
    console().print(made)


@dead_letters.command("show")
def show_letter(number: Id, format: AsFormat = Format.text, db: Db = None) -> None:
    """All there is about one."""
    record = _letter_record(_letter(open_existing(db), number))
    if format is Format.json:
        print_json({"version": 1, "letter": record})
        return
    body = record.pop("body")
    for name, value in (record | body).items():
        text = value if isinstance(value, str) else json_line(value)
        say(f"{name + ':':<17} {text}" if "\n" not in text else f"{name}:\n{text.rstrip()}")


@dead_letters.command("retry")
def retry_letter(
    numbers: Annotated[list[int] | None, typer.Argument(metavar="ID...", max=_GREATEST_ID)] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every action among them.")] = False,
    db: Db = None,
) -> None:
    """Let an action be tried again: it goes to the end of its lane."""
    _settle(db, numbers, all_, retry=True)


@dead_letters.command("drop")
def drop_letter(
    numbers: Annotated[list[int] | None, typer.Argument(metavar="ID...", max=_GREATEST_ID)] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every one.")] = False,
    db: Db = None,
) -> None:
    """Forget it."""
    _settle(db, numbers, all_, retry=False)


def _settle(db: Path | None, numbers: list[int] | None, all_: bool, *, retry: bool) -> None:
    store = open_existing(db)
    if bool(numbers) == all_:
        raise CommandError("say which: give ids, or --all", "`rules-engine dead-letters list` shows them")
    there = {one.id: one.kind for one in store.letters(_LETTERS)}
    chosen = numbers or [number for number, kind in there.items() if not retry or kind == "action"]
    for number in chosen:
        if number not in there and len(there) < _LETTERS:  # before any of them is settled
            raise CommandError(
                f"there is no dead letter {number}", "`rules-engine dead-letters list` shows them"
            )
    for number in chosen:
        if not store.settle(number, retry=retry, now_ms=store.now_ms()):
            raise CommandError(
                f"there is no dead letter {number}", "`rules-engine dead-letters list` shows them"
            )
    done = "to be tried again" if retry else "dropped"
    say(f"{len(chosen)} dead letter{'s' * (len(chosen) != 1)} {done}")


def _letter(store: Store, number: int) -> Letter:
    for letter in store.letters(_LETTERS):
        if letter.id == number:
            return letter
    raise CommandError(f"there is no dead letter {number}", "`rules-engine dead-letters list` shows them")


def _letter_record(letter: Letter) -> dict[str, Any]:
    from rules_engine.tools.records import time_text

    return {
        "id": letter.id,
        "time": time_text(letter.time_ms),
        "kind": letter.kind,
        "name": letter.name,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "body": letter.body,
    }
