"""The command that begins: init."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from rules_engine.cli.output import CommandError, note, say


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(init)


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where; made if it is missing. Default: here.")
    ] = Path(),
) -> None:
    """Write a first rule set: a loop with its knob, its tests and a handler. Overwrites nothing."""
    from rules_engine.tools import starter

    if folder.exists() and not folder.is_dir():
        raise CommandError(f"{folder} is a file", "name a folder, or a new one")
    try:
        written = starter.write(folder)
    except starter.AlreadyThere as there:
        raise CommandError(
            str(there), "nothing was written; name another folder: rules-engine init my_rules"
        ) from None
    for path in written:
        say(f"wrote {folder / path}")
    steps = [
        ("rules-engine lint", "what is wrong with the rules: nothing"),
        ("rules-engine test", "their tests, on a virtual clock"),
        (
            f"rules-engine run --handlers {starter.HANDLERS_FILE.stem}",
            "the daemon: it stays, and reloads what you save",
        ),
        (f"rules-engine publish {starter.EVENT}", "from another terminal; the third one moves the knob"),
        ("rules-engine firings", "what was decided, and why"),
    ]
    note("\nnext:")
    if folder != Path():
        note(f"  cd {shlex.quote(str(folder))}")
    width = max(len(step) for step, _ in steps)
    for step, what in steps:
        note(f"  {step.ljust(width)}  # {what}")
