"""The daemon's log: one line an entry on standard error, readable by people and by `key=value` parsers."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

from rules_engine.terminal_text import log_to, visible

if TYPE_CHECKING:
    from collections.abc import MutableMapping

#: The same layout for entries that come by way of the standard library.
_PLAIN = "%(asctime)s [%(levelname)-9s] %(message)s logger=%(name)s"

log: Any = structlog.get_logger("rules_engine")


def set_up_logging(level: str, *, colour: bool | None = None) -> None:
    """Send entries of at least `level` ("INFO", ...) to standard error, those of `logging` too.

    `colour` None: when it is a terminal.
    """
    if colour is None:
        colour = sys.stderr.isatty()
    log_to(sys.stderr, level, _PLAIN)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # each change is told by what it led to
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S.%f" if colour else "iso", utc=not colour),
            _one_line,
            structlog.dev.ConsoleRenderer(colors=colour, pad_event_to=0, sort_keys=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _one_line(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A line break in a value would make two lines of one entry, an escape sequence whatever it likes."""
    for name, value in entry.items():
        if isinstance(value, str):
            entry[name] = visible(value.replace("\n", " | "))
    return entry
