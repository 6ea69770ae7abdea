"""The command line as a whole."""

from __future__ import annotations

import typer

from rules_engine.cli import authoring, dead_letters, observing, operating, replaying, steering
from rules_engine.cli.output import guarded, say

app = typer.Typer(
    name="rules-engine",
    help="Feedback loops as checked text: lint them, run them, ask them why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for module in (authoring, operating, observing, replaying, steering, dead_letters):
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
    result = app(args=arguments, prog_name="rules-engine", standalone_mode=True)
    del result
