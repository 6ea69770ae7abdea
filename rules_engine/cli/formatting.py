"""The command that lays rule files out: fmt."""

from __future__ import annotations

import difflib
import errno
import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rules_engine.cli.options import read_settings
from rules_engine.cli.output import CANNOT, FINDINGS, coloured_errors, error, note, say
from rules_engine.terminal_text import visible

if TYPE_CHECKING:
    from rules_engine.language.diagnostics import Diagnostic
    from rules_engine.language.source import Source

_STDIN = Path("-")


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(fmt)


@dataclass
class _Outcome:
    """What became of the files: their new bytes, and what stood in the way."""

    changed: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    unchanged: int = 0
    refused: int = 0


def fmt(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Files or folders; default: rules. `-`: standard input."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 if something would change.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Change nothing; show what would change.")] = False,
) -> None:
    """Bring rule files into the one layout. Comments stay; a file with mistakes of syntax is left alone."""
    from rules_engine.pipeline import read_files

    if paths == [_STDIN]:
        _filter(check=check, diff=diff)
        return
    data, unreadable = read_files(paths or read_settings().rules)
    outcome = _Outcome(refused=len(unreadable))
    for missing in unreadable:
        error(f"{missing.path}: {missing.message}", "give files or folders that hold .loop files")
    with _no_collector():
        for path, before in data.items():
            _format(path, before, outcome)
    for path, (before, after) in outcome.changed.items():
        if diff:
            _print_diff(path, before, after)
        elif check:
            say(f"would format {path}")
        elif _replaced(Path(path), after):
            say(f"formatted {path}")
        else:
            outcome.refused += 1
    _print_summary(outcome, only_told=check or diff)
    if outcome.refused:
        raise typer.Exit(CANNOT)
    if check and outcome.changed:
        raise typer.Exit(FINDINGS)


@contextmanager
def _no_collector() -> Iterator[None]:
    """Trees hold no cycles, and looking for some takes half of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _format(path: str, before: bytes, outcome: _Outcome) -> None:
    after = _formatted(path, before)
    if after is None:
        outcome.refused += 1
    elif after == before:
        outcome.unchanged += 1
    else:
        outcome.changed[path] = (before, after)


def _formatted(path: str, data: bytes) -> bytes | None:
    """The bytes of a file in the one layout; None, and said why, where it has none."""
    from rules_engine.language.formatting import CannotReproduce, format_source
    from rules_engine.language.parser import decode

    source, findings = decode(path, data)
    try:
        formatted = format_source(source)
    except CannotReproduce as problem:
        error(str(problem), "it was left as it is; please report it with the file")
        return None
    findings += formatted.findings
    if findings:
        _print_mistakes(source, findings)
        return None
    return formatted.text.encode()


def _print_mistakes(source: Source, findings: list[Diagnostic]) -> None:
    from rules_engine.cli import rendering

    note(
        rendering.as_text(findings, {source.path: source}, color=coloured_errors()).rstrip("\n"), styled=True
    )
    error(
        f"{source.path} was left as it is", "a file with mistakes of syntax has no layout: correct them first"
    )


def _filter(*, check: bool, diff: bool) -> None:
    """For editors: text in, text out."""
    before = sys.stdin.buffer.read()
    after = _formatted("-", before)
    if after is None:
        raise typer.Exit(CANNOT)
    if diff:
        _print_diff("-", before, after)
    elif not check:
        sys.stdout.write(after.decode())
    if check and after != before:
        raise typer.Exit(FINDINGS)


def _print_diff(path: str, before: bytes, after: bytes) -> None:
    for line in difflib.unified_diff(_lines(before), _lines(after), path, path, lineterm=""):
        say(line)


def _lines(data: bytes) -> list[str]:
    """The lines as `diff` shows them, which says where the last one has no end."""
    *lines, last = data.decode().split("\n")
    return [*lines, f"{last}\n\\ No newline at end of file"] if last else lines


def _print_summary(outcome: _Outcome, *, only_told: bool) -> None:
    changed = len(outcome.changed)
    parts = [
        f"{changed} file{'s' * (changed != 1)} {'would change' if only_told else 'formatted'}",
        f"{outcome.unchanged} already in the layout",
    ]
    if outcome.refused:
        parts.append(f"{outcome.refused} left alone")
    note(visible(", ".join(parts)))


def _replaced(path: Path, data: bytes) -> bool:
    """Write a file as a whole or not at all; whether it could be written.

    Its mode stays, and a link to it stays a link.
    """
    target = path.resolve()
    try:
        if not os.access(target, os.W_OK):  # a new file in its place would not ask
            raise PermissionError(errno.EACCES, "it may not be written", str(path))
        _replace(target, data)
    except OSError as problem:
        error(f"{path}: {problem.strerror or problem}", "it was left as it is")
        return False
    return True


def _replace(target: Path, data: bytes) -> None:
    status = target.stat()
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(OSError):  # only for those who may give files away
            os.chown(name, status.st_uid, status.st_gid)
        os.chmod(name, status.st_mode & 0o7777)  # noqa: PTH101 - after chown, which takes bits away
        os.replace(name, target)  # noqa: PTH105
    except BaseException:
        with suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        raise
