"""What every command shares: exit codes, errors with what to do next, JSON and human output.

Standard output carries the answer and nothing else; errors, hints and progress go to standard error.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, TextIO

from rules_engine.terminal_text import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: Fine; findings or failures; cannot do what was asked.
FINE, FINDINGS, CANNOT = 0, 1, 2
_LEAST_WIDTH = 20
#: What writing to standard output may meet: a full disk, a failing one, a file at its greatest size.
_OUTPUT_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG}


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
    from rules_engine.cli.plain_console import PlainConsole

    made = PlainConsole(
        stderr=error, highlight=False, soft_wrap=not sys.stdout.isatty(), emoji=False, markup=False
    )
    made.width = max(made.width, _LEAST_WIDTH)  # COLUMNS may be 0, and nothing would be shown
    return made


def table(title: str, *columns: str, right: Iterable[str] = (), whole: Iterable[str] = ()) -> Table:
    """A plain table; the columns in `right` hold numbers, those in `whole` are never broken into lines."""
    from rich import box
    from rich.table import Table

    made = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    numbers, unbroken = set(right), set(whole)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in numbers else "left"
        made.add_column(column, justify=justify, overflow="fold", no_wrap=column in unbroken)
    return made


def say(text: str = "", *, styled: bool = False) -> None:
    """One line, or several, of the answer. `styled`: it has colours of ours, and nothing else to fear."""
    sys.stdout.write((text if styled else visible(text)) + "\n")


def note(text: str, *, styled: bool = False) -> None:
    """A line beside the answer, for people."""
    _complain((text if styled else visible(text)) + "\n")


def print_json(document: Any) -> None:
    """The one JSON document of a command."""
    import orjson

    say(orjson.dumps(document, option=orjson.OPT_INDENT_2, default=str).decode())


def json_line(record: Any) -> str:
    """A record as one line of JSON Lines."""
    import orjson

    return orjson.dumps(record, default=str).decode()


def error(message: str, hint: str = "") -> None:
    """An error on standard error: what is wrong, and what to do next."""
    red, bold, off = ("\033[1;31m", "\033[1m", "\033[0m") if _colours(sys.stderr) else ("", "", "")
    _complain(f"{red}error{off}{bold}:{off} {visible(message)}\n")
    if hint:
        _complain(f"  {visible(hint)}\n")


def _complain(text: str) -> None:
    """Write to standard error, if that is possible: a full disk there must not change how a command ends."""
    with suppress(OSError):
        sys.stderr.write(text)


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
    _have_streams()
    try:
        code = _outcome(command)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, less) has seen enough
        code = FINE
    except OSError as problem:
        code = _expected(problem)
    for stream in (sys.stdout, sys.stderr):
        _let_go(stream)
    return code


def _let_go(stream: TextIO) -> None:
    """Write what is buffered, or let it go nowhere: Python would complain when it closes the stream."""
    try:
        stream.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _outcome(command: Callable[[], Any]) -> int:
    try:
        command()
    except SystemExit as end:
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


def _have_streams() -> None:
    """Standard streams that can be used, whatever the caller closed and whatever the locale.

    A closed one would also leave its number to the next file: what a handler prints would go there.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        stream = getattr(sys, name)
        if stream is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
        elif mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


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
        error(f"{os.fsdecode(problem.filename)}: {problem.strerror or problem}")
        return CANNOT
    if isinstance(problem, OSError) and problem.errno in _OUTPUT_ERRORS:
        error(f"the output cannot be written: {problem.strerror}", "make room, or send it elsewhere")
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
