"""The breaker beside the depth limit: a loop that fires without end is switched off, loudly (R39).

The switch itself is a control pinned to a row, so a replay sees it in the same place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from rules_engine.engine.decision import Firing
from rules_engine.engine.plan import Key

_MINUTE_MS = 60_000
#: So many loops and keys are counted at once; the ones quiet for longest are forgotten first.
_COUNTED = 10_000


class Breaker:
    """Counts firings a minute of log time, per loop and key."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts: OrderedDict[tuple[str, Key], tuple[int, int]] = OrderedDict()

    def tripped(self, firings: Iterable[Firing]) -> list[str]:
        """Count these; the loops that fired more than the limit within a minute, each once."""
        over: dict[str, None] = {}
        for firing in firings:
            which = firing.loop, firing.key
            since_ms, count = self._counts.pop(which, (firing.time_ms, 0))
            if firing.time_ms - since_ms >= _MINUTE_MS:
                since_ms, count = firing.time_ms, 0
            self._counts[which] = since_ms, count + 1
            if count + 1 > self._limit:
                over[firing.loop] = None
        while len(self._counts) > _COUNTED:
            self._counts.popitem(last=False)
        return list(over)
