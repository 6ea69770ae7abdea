"""What every command shares: exit codes, errors with what to do next, JSON and human output.

Standard output carries the answer and nothing else; errors, hints and progress go to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: Fine; findings or failures; cannot do what was asked.
FINE, FINDINGS, CANNOT = 0, 1, 2


class Format(StrEnum):
    """For people, or one JSON document."""

    text = "text"
    json = "json"


class CommandError(Exception):
    """Ends the command with a message and an exit code; `hint` says what to do next."""

    def __init__(self, message: str, hint: str = "", code: int = CANNOT) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


def console(*, error: bool = False) -> Console:
    """A rich console on standard output, or error; colour only on a terminal."""
    from rich.console import Console

    return Console(
        stderr=error, highlight=False, soft_wrap=not sys.stdout.isatty(), emoji=False, markup=False
    )


def table(title: str, *columns: str, right: Iterable[str] = ()) -> Table:
    """A plain table; the columns in `right` hold numbers."""
    from rich import box
    from rich.table import Table

    made = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    numbers = set(right)
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return made


def say(text: str = "") -> None:
    """One line, or several, of the answer."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """A line beside the answer, for people."""
    sys.stderr.write(text + "\n")


def print_json(document: Any) -> None:
    """The one JSON document of a command."""
    import orjson

    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2, default=str).decode() + "\n")


def json_line(record: Any) -> str:
    """A record as one line of JSON Lines."""
    import orjson

    return orjson.dumps(record, default=str).decode()


def error(message: str, hint: str = "") -> None:
    """An error on standard error: what is wrong, and what to do next."""
    red, bold, off = ("\033[1;31m", "\033[1m", "\033[0m") if _colours(sys.stderr) else ("", "", "")
    sys.stderr.write(f"{red}error{off}{bold}:{off} {message}\n")
    if hint:
        sys.stderr.write(f"  {hint}\n")


def _colours(stream: Any) -> bool:
    return bool(stream.isatty()) and "NO_COLOR" not in os.environ


def coloured() -> bool:
    """Whether standard output takes colour."""
    return _colours(sys.stdout)


def coloured_errors() -> bool:
    """Whether standard error takes colour."""
    return _colours(sys.stderr)


def guarded(command: Callable[[], Any]) -> int:
    """Run a whole command line and return its exit code; whatever goes wrong becomes a message."""
    try:
        code = _outcome(command)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Python would complain again when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FINE
    return code


def _outcome(command: Callable[[], Any]) -> int:
    try:
        command()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # typer makes an exit code of it
            raise end.__context__ from None
        return _code(end)
    except CommandError as problem:
        error(str(problem), problem.hint)
        return problem.code
    except KeyboardInterrupt:
        note("interrupted")
        return CANNOT
    except BrokenPipeError:
        raise
    except Exception as problem:  # noqa: BLE001 - no traceback reaches a user
        return _expected(problem)
    return FINE


def _code(end: SystemExit) -> int:
    if end.code is None:
        return FINE
    if isinstance(end.code, int):
        return end.code
    error(str(end.code))
    return CANNOT


def _expected(problem: Exception) -> int:
    """Errors that other parts raise with a message for the user; anything else is our mistake."""
    from rules_engine.config import SettingsError
    from rules_engine.daemon.handlers import HandlersError
    from rules_engine.events.errors import Backpressure, PayloadNotEncodable, PayloadRefused, UnknownEventType
    from rules_engine.store.port import StoreError

    told = (SettingsError, HandlersError, StoreError, UnknownEventType)
    if isinstance(problem, (*told, Backpressure, PayloadNotEncodable, PayloadRefused)):
        error(str(problem))
        return CANNOT
    if isinstance(problem, OSError) and problem.filename is not None:
        error(f"{problem.filename}: {problem.strerror or problem}")
        return CANNOT
    if os.environ.get("RULES_ENGINE_DEBUG"):
        raise problem
    last = problem.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = f" at {os.path.basename(last.tb_frame.f_code.co_filename)}:{last.tb_lineno}" if last else ""  # noqa: PTH119
    error(
        f"this is a mistake in rules-engine: {type(problem).__name__}: {problem}{place}",
        "please report it; with RULES_ENGINE_DEBUG=1 the same command shows where it comes from",
    )
    return CANNOT
