"""Calendar times: five-field cron expressions in a time zone.

The one place that knows cronsim and the zone database. Zones are read from the `tzdata` package rather than
from the machine, so that a replay elsewhere, with the same version installed, decides the same; only where
a distribution leaves the package out they are the machine's.

A time that the clock skips in spring comes at the first minute after the gap, one that it repeats in
autumn comes once; expressions with `*` in the minute or the hour go by the time that passes, as with
Debian's cron.
"""

from __future__ import annotations

from datetime import UTC as UTC_ZONE
from datetime import datetime, tzinfo
from functools import cache, lru_cache
from importlib.resources import files
from importlib.util import find_spec
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

UTC = "UTC"
#: The fields of an expression in order, by the names that cronsim complains of them.
FIELDS = ("minute", "hour", "day-of-month", "month", "day-of-week")
#: What each may hold.
RANGES = (
    "0 to 59",
    "0 to 23",
    "1 to 31, or L for the last one",
    "1 to 12, or JAN to DEC",
    "0 to 7, or SUN to SAT",
)
_LONGEST = 200
_PACKAGE = files("tzdata") if find_spec("tzdata") else None


class BadCron(ValueError):
    """An expression that is none. `field` says which part of it is wrong, None for the whole."""

    def __init__(self, field: int | None, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class Cron:
    """An expression in a zone. Equal texts are equal."""

    def __init__(self, text: str, zone: str = UTC) -> None:
        """Raises `BadCron`, and `KeyError` for a zone that there is not."""
        self.text, self.zone = text, zone
        self._zone = _zone(zone)
        _check(text)
        self._fields = CronSim(text, datetime(2026, 1, 1, tzinfo=UTC_ZONE))
        if self.next_after(0) is None:
            raise BadCron(None, "this never comes")

    def matches(self, ms: int) -> bool | None:
        """Whether the minute of an instant is one of those; None beyond the years that dates can tell."""
        local = self._local(ms)
        if local is None:
            return None
        fields = self._fields
        return (
            local.minute in fields.minutes
            and local.hour in fields.hours
            and local.month in fields.months
            and fields.match_day(local.date())
        )

    def next_after(self, ms: int) -> int | None:
        """The first instant later than `ms`; None where no more come."""
        start = self._local(ms)
        try:
            for found in CronSim(self.text, start) if start is not None else ():
                at_ms = int(found.timestamp()) * 1000
                if at_ms > ms:  # in a repeated hour it may begin with the first of the two
                    return at_ms
        except (OverflowError, ValueError):
            return None
        return None

    def last_until(self, ms: int) -> int | None:
        """The latest instant at or before `ms`; None where none came since the epoch."""
        span_ms = 3_600_000
        while (found := self.next_after(max(ms - span_ms, -1))) is None or found > ms:
            if span_ms > ms:
                return None
            span_ms *= 2
        while (following := self.next_after(found)) is not None and following <= ms:
            found = following
        return found

    def _local(self, ms: int) -> datetime | None:
        try:
            return datetime.fromtimestamp(ms // 1000, self._zone)
        except (OverflowError, ValueError, OSError):
            return None


@lru_cache(maxsize=256)
def cron(text: str, zone: str = UTC) -> Cron:
    """The expression, read once. Raises as `Cron` does."""
    return Cron(text, zone)


@cache
def zones() -> frozenset[str]:
    """The names of all time zones."""
    if _PACKAGE is None:
        return frozenset(available_timezones())
    return frozenset((_PACKAGE / "zones").read_text(encoding="utf-8").split())


@cache
def _zone(name: str) -> tzinfo:
    if name == UTC:
        return UTC_ZONE
    if name not in zones():
        raise KeyError(name)
    if _PACKAGE is None:
        return ZoneInfo(name)
    with _PACKAGE.joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def _check(text: str) -> None:
    """Raises `BadCron` with the reason, as somebody would want to hear it."""
    parts = text.split()
    if len(parts) != len(FIELDS):
        raise BadCron(None, f"it has {len(parts)} field{'s' * (len(parts) != 1)} instead of five")
    for place, part in enumerate(parts):
        alone = ["*"] * len(FIELDS)
        alone[place] = part
        if len(part) > _LONGEST or not _is_sound(" ".join(alone)):
            raise BadCron(place, f"`{part}` is no {FIELDS[place]}: {RANGES[place]}")
    if not _is_sound(text):
        raise BadCron(2, f"no such month has a day {parts[2]}")


def _is_sound(text: str) -> bool:
    try:
        CronSim(text, datetime(2026, 1, 1, tzinfo=UTC_ZONE))
    except CronSimError:
        return False
    return True
