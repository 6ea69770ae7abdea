"""Text for a terminal: whatever came from outside shall be read there, and never obeyed.

Payloads, sources, names and arguments come from anybody. An escape sequence among them could clear the
screen, set the title or hide what stands beside it.
"""

from __future__ import annotations

import logging
import re
from typing import TextIO

#: Control characters but line end and tab, those that turn the direction of writing, and lone surrogates.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""The text with each such character written as `\u001b`, which inside JSON means the same as before."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class PlainLines(logging.Formatter):
    """Entries of `logging` with nothing in them that a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        """The line to write."""
        return visible(super().format(record))


def log_to(stream: TextIO, level: str, layout: str) -> None:
    """Send the entries of `logging` there, unless somebody has set that up already."""
    entries = logging.StreamHandler(stream)
    entries.setFormatter(PlainLines(layout))
    logging.basicConfig(handlers=[entries], level=level)
