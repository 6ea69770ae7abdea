"""Points at which a system test can kill the process, to see that nothing stored is lost.

`RULES_ENGINE_FAULT=committed:7` in the environment kills it at the seventh pass of `committed`.
Without that variable a point costs one comparison.
"""

from __future__ import annotations

import os
import signal
from typing import Final

#: Every point there is, in the order in which a write transaction passes them.
POINTS: Final = ("claimed", "finished", "locked", "begun", "inserted", "committed", "unlocked", "nudged")

_passes_left: dict[str, int] = {}


def arm(setting: str) -> None:
    """Take `point:n`, or several with commas between; `ValueError` for a point that does not exist."""
    for item in filter(None, setting.split(",")):
        point, _, count = item.partition(":")
        if point not in POINTS:
            raise ValueError(f"there is no fault point {point!r}; there are {', '.join(POINTS)}")
        _passes_left[point] = int(count or 1)


def fault(point: str) -> None:
    """Die here, as `kill -9` would have it, if this is the armed pass of `point`."""
    if not _passes_left or point not in _passes_left:
        return
    _passes_left[point] -= 1
    if _passes_left[point] == 0:
        os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.get("RULES_ENGINE_FAULT", ""))
