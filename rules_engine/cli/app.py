"""The command line as a whole."""

from __future__ import annotations

import io
from typing import Any

import typer

from rules_engine.cli import (
    authoring,
    dead_letters,
    formatting,
    observing,
    operating,
    replaying,
    starting,
    steering,
    testing,
)
from rules_engine.cli.output import CANNOT, guarded, note, say

#: A command line that is none; Typer has no name of its own for it.
_UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    name="rules-engine",
    help="Feedback loops as checked text: lint them, run them, ask them why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_COMMANDS = (
    starting,
    authoring,
    formatting,
    testing,
    operating,
    observing,
    replaying,
    steering,
    dead_letters,
)
for module in _COMMANDS:
    module.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        from rules_engine import __version__

        say(f"rules-engine {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Feedback loops as checked text: lint them, run them, ask them why."""
    del version


def run(arguments: list[str]) -> int:
    """Run a command line; the exit code."""
    return guarded(lambda: _invoke(arguments))


def _invoke(arguments: list[str]) -> None:
    command = typer.main.get_command(app)
    try:
        with command.make_context("rules-engine", arguments) as context:
            command.invoke(context)
    except typer.Exit as end:
        raise SystemExit(end.exit_code) from None
    except _UsageError as problem:
        text = io.StringIO()
        problem.show(text)
        note(text.getvalue().rstrip("\n"))  # what was typed is in it
        raise SystemExit(CANNOT) from None
