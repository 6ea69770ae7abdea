"""Where in the log a subscription begins that wants to hear the past."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from rules_engine.store.port import Store

Since = str | int | timedelta | datetime | None

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = re.compile(r"(\d+)(ms|[smhd])")


def position_of(since: Since, store: Store, head: int) -> int:
    """The position after which to begin: `head` for None, an int as it is, else by time.

    `ValueError` for a text that is no duration and for a datetime without a zone.
    """
    if since is None:
        return head
    if isinstance(since, bool):
        raise TypeError("since is a duration, a time or a position in the log")
    if isinstance(since, int):
        if since < 0:
            raise ValueError(f"a position in the log is 0 or more, not {since}")
        return min(since, head)
    if isinstance(since, datetime):
        if since.tzinfo is None:
            raise ValueError("since needs a time with a zone: datetime.now(UTC)")
        return store.seek(round(since.timestamp() * 1000))
    ms = round(since.total_seconds() * 1000) if isinstance(since, timedelta) else _duration_ms(since)
    return store.seek(store.now_ms() - ms)


def _duration_ms(text: object) -> int:
    if not isinstance(text, str):
        raise TypeError(f"since is a duration, a time or a position in the log, not {type(text).__name__}")
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise ValueError(f"{text!r} is no duration: write 30s, 10m or 1h30m")
    return sum(int(number) * _UNITS_MS[unit] for number, unit in parts)
