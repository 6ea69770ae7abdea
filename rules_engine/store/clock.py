"""The log clock (R14): never goes back, never freezes, never follows a wild jump by itself.

`LogClock` is pure: readings of the machine's clocks come in, its next state goes out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

#: The wall clock may be this far ahead of what is expected; beyond that the operator must accept it.
MAX_AHEAD_MS: Final = 3_600_000
#: The same for the first reading after a restart of the machine, which may have been off for long.
MAX_AHEAD_AFTER_BOOT_MS: Final = 366 * 24 * 3_600_000


def wall_ms() -> int:
    """The wall clock, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """The machine's clocks at one instant: milliseconds since its boot, and since the epoch."""

    boot_id: str
    boot_ms: int
    wall_ms: int


@dataclass(frozen=True, slots=True)
class LogClock:
    """The log clock as stored with the last row.

    `log_ms` is that row's time. `true_ms` ran at full speed all along, while `log_ms` may have been
    slowed down to let the wall clock catch up; jumps are judged against it.
    """

    boot_id: str
    boot_ms: int
    log_ms: int
    true_ms: int

    @classmethod
    def starting(cls, reading: Reading) -> LogClock:
        """The clock of an empty log."""
        return cls(reading.boot_id, reading.boot_ms, reading.wall_ms, reading.wall_ms)

    def skew_ms(self, reading: Reading) -> int:
        """How far the wall clock is ahead of what is expected, if it is too far to be followed; else 0."""
        ahead = reading.wall_ms - self.true_ms - self._elapsed_ms(reading)
        limit = MAX_AHEAD_MS if reading.boot_id == self.boot_id else MAX_AHEAD_AFTER_BOOT_MS
        return ahead if ahead > limit else 0

    def _elapsed_ms(self, reading: Reading) -> int:
        return max(0, reading.boot_ms - self.boot_ms) if reading.boot_id == self.boot_id else 0

    def advanced(self, reading: Reading) -> LogClock:
        """The clock at that reading; its `log_ms` is the time of a row appended then."""
        elapsed = self._elapsed_ms(reading)
        full_speed = self.log_ms + elapsed
        if self.skew_ms(reading):
            return LogClock(reading.boot_id, reading.boot_ms, full_speed, self.true_ms + elapsed)
        # With the wall clock behind, half speed until they meet.
        half_speed = self.log_ms + elapsed // 2
        if reading.wall_ms >= half_speed:
            return LogClock(reading.boot_id, reading.boot_ms, reading.wall_ms, reading.wall_ms)
        # An odd millisecond stays on account: many short steps must add up to one long step.
        odd = elapsed % 2
        return LogClock(reading.boot_id, reading.boot_ms - odd, half_speed, self.true_ms + elapsed - odd)

    def accepted(self, reading: Reading) -> LogClock:
        """The clock after the operator said that the wall clock is right, however far ahead."""
        log_ms = max(self.advanced(reading).log_ms, reading.wall_ms)
        return LogClock(reading.boot_id, reading.boot_ms, log_ms, log_ms)
