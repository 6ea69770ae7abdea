"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rules_engine.cli.output import CommandError, Format

if TYPE_CHECKING:
    from rules_engine.config import Settings
    from rules_engine.store.port import Store

Paths = Annotated[
    list[Path] | None, typer.Argument(metavar="[PATH]...", help="Files or folders; default: rules.")
]
Db = Annotated[
    Path | None, typer.Option("--db", metavar="FILE", help="The database; default: .rules-engine/events.db.")
]
AsFormat = Annotated[Format, typer.Option("--format", help="For people, or one JSON document.")]
Rules = Annotated[
    list[Path] | None, typer.Option("--rules", metavar="PATH", help="Rule files or folders; default: rules.")
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="T", help="From this time on: 10m (ago), or 2026-01-05T08:00Z."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="T", help="Before this time; same forms.")]

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")


def duration_ms(text: str, option: str) -> int:
    """Milliseconds of `10m`, `1h30m`. `CommandError` for anything else."""
    compact = text.replace(" ", "")
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise CommandError(f"{option}: {text!r} is no duration", "write 30s, 10m, 1h30m, 7d")
    return round(sum(float(number) * _SECONDS[unit] for number, unit in parts) * 1_000)


def moment_ms(text: str | None, option: str, now_ms: int | None = None) -> int | None:
    """Milliseconds since the epoch of a time, or of a duration before now. None for None."""
    from rules_engine.tools.records import time_from

    if text is None:
        return None
    if _PART.match(text.replace(" ", "")):
        return (time.time_ns() // 1_000_000 if now_ms is None else now_ms) - duration_ms(text, option)
    try:
        return time_from(float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else text)
    except (ValueError, OverflowError):
        raise CommandError(
            f"{option}: {text!r} is no time", "write 10m (ago), 2026-01-05T08:00Z, or seconds since 1970"
        ) from None


def read_settings(**flags: object) -> Settings:
    """Flags over environment over rules-engine.toml over defaults; a flag left out is None."""
    from rules_engine.config import settings

    return settings(**flags)


def open_existing(db: Path | None) -> Store:
    """The database, which must be there: what only reads makes none."""
    from rules_engine import store

    chosen = read_settings(db=db)
    if not chosen.db.exists():
        raise CommandError(
            f"there is no database at {chosen.db}",
            "the first `rules-engine publish` or `rules-engine run` makes it; --db names another one",
        )
    return store.open(chosen.db, durability=chosen.durability, create=False)


def nearest(name: str, known: object) -> str:
    """` Did you mean ...?` for a name that does not exist; empty if nothing is near."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1, cutoff=0.6)  # type: ignore[call-overload]
    return f"; did you mean `{close[0]}`?" if close else ""
