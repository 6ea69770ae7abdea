"""What makes a loop rest between two firings, and how often it can fire at most."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from cronsim import CronSim, CronSimError

from rules_engine.language import program
from rules_engine.language.catalog import duration_text
from rules_engine.language.conditions import cases
from rules_engine.language.regions import Numbers
from rules_engine.language.traversal import roots, walk
from rules_engine.language.variables import Setting, key_of

#: A time from which the ticks of a cron are looked at: any would do.
SOME_MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rest:
    """At most `times` firings in `ms`: per key, or over all keys with `overall`."""

    times: int
    ms: int
    overall: bool = False

    @property
    def interval_ms(self) -> float:
        """The time between two firings, on average."""
        return self.ms / self.times

    def __str__(self) -> str:
        often = "once" if self.times == 1 else f"{self.times} times"
        return f"at most {often} in {duration_text(self.ms)}"


def pauses_ms(loop: program.Loop) -> int:
    """The least time between any two firings for one key, a cooldown with `unless` not counted."""
    found = [loop.hold_ms, 0 if loop.unless is not None else loop.cooldown_ms, trigger_pause_ms(loop)]
    if loop.limit == 1:
        found.append(loop.limit_ms)
    if loop.gather is not None and loop.gather.most is None:
        found.append(max(loop.gather.after_ms or 0, loop.gather.quiet_ms or 0))
    return max(found)


def trigger_pause_ms(loop: program.Loop) -> int:
    """The least time between two firings that the trigger itself leaves."""
    match loop.trigger:
        case program.Tick(period_ms=int() as period_ms):
            return period_ms
        case program.Tick(cron=str() as cron):
            return _cron_pause_ms(cron)
        case program.Absence(within_ms=within_ms):
            return within_ms
        case program.Sequence(steps=steps, within_ms=within_ms) if steps[-1].absent:
            return within_ms
    return 0


def _cron_pause_ms(cron: str) -> int:
    """The shortest time between two of the next ticks."""
    try:
        ticks = CronSim(cron, SOME_MONDAY)
        times = [next(ticks) for _ in range(50)]
    except (CronSimError, StopIteration):
        return 0
    return min(int((later - earlier).total_seconds() * 1000) for earlier, later in pairwise(times))


def rests(loop: program.Loop) -> list[Rest]:
    """Everything that bounds how often a loop fires."""
    found = [Rest(1, ms) for ms in (loop.cooldown_ms, loop.hold_ms, trigger_pause_ms(loop)) if ms]
    if loop.limit:
        found.append(Rest(loop.limit, loop.limit_ms, loop.limit_overall))
    if loop.gather is not None:
        waits = max(loop.gather.after_ms or 0, loop.gather.quiet_ms or 0)
        found.append(Rest(1, waits))
    counted = _counted(loop)
    return [*found, counted] if counted is not None else found


def _counted(loop: program.Loop) -> Rest | None:
    """`when count(over 1h) < 3`: the loop's own events end it until some have left the window."""
    ways = cases(loop.when, Setting(dict(loop.locals), owner=loop.name))
    most: list[Rest] = []
    own = [count for count in _counts(loop) if ways and all(count[0] in way for way in ways)]
    for key, window in own:
        regions = [way[key] for way in ways]
        highs = [part.high for region in regions if isinstance(region, Numbers) for part in region.intervals]
        if highs and all(high is not None for high in highs):
            times = max(int(high) for high in highs if high is not None)
            most.append(Rest(max(times, 1), window.ms))
    return max(most, key=lambda rest: rest.interval_ms, default=None)


def _counts(loop: program.Loop) -> list[tuple[object, program.OverTime]]:
    setting = Setting(dict(loop.locals), owner=loop.name)
    return [
        (key_of(part, setting), part.window)
        for root in roots(loop)
        for part in walk(root)
        if isinstance(part, program.Aggregate)
        and part.function == "count"
        and part.feed is None
        and part.sample is None
        and isinstance(part.window, program.OverTime)
    ]


def slowest(found: list[Rest]) -> Rest | None:
    """The one that bounds a cycle through all of them."""
    return max(found, key=lambda rest: rest.interval_ms, default=None)
