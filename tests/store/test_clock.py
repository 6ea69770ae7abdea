"""The log clock: through steps of the wall clock in either direction, and restarts of the machine."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules_engine.store.clock import MAX_AHEAD_AFTER_BOOT_MS, MAX_AHEAD_MS, LogClock, Reading

START = LogClock("boot", 1_000, 1_000_000, 1_000_000)


def reading(elapsed_ms: int, wall_ms: int, boot_id: str = "boot") -> Reading:
    return Reading(boot_id, 1_000 + elapsed_ms, wall_ms)


def test_it_begins_with_the_wall_clock_and_follows_it() -> None:
    clock = LogClock.starting(reading(0, 5))
    assert clock.log_ms == 5
    assert clock.advanced(reading(100, 105)).log_ms == 105
    assert clock.advanced(reading(100, 109)).log_ms == 109


@pytest.mark.parametrize(
    ("ahead_ms", "log_ms", "skew_ms"),
    [(MAX_AHEAD_MS, 1_000_010 + MAX_AHEAD_MS, 0), (MAX_AHEAD_MS + 1, 1_000_010, MAX_AHEAD_MS + 1)],
)
def test_it_jumps_ahead_by_an_hour_and_not_by_more(ahead_ms: int, log_ms: int, skew_ms: int) -> None:
    now = reading(10, 1_000_010 + ahead_ms)
    assert START.advanced(now).log_ms == log_ms
    assert START.skew_ms(now) == skew_ms


def test_a_refused_jump_stays_refused_and_the_clock_goes_on_by_itself() -> None:
    far = 10 * MAX_AHEAD_MS
    clock = START.advanced(reading(10, 1_000_010 + far))
    clock = clock.advanced(reading(70, 1_000_070 + far))
    assert clock.log_ms == 1_000_070
    assert clock.skew_ms(reading(70, 1_000_070 + far)) == far


def test_an_accepted_jump_is_followed_from_then_on() -> None:
    far = 10 * MAX_AHEAD_MS
    clock = START.accepted(reading(10, 1_000_010 + far))
    assert clock.log_ms == 1_000_010 + far
    assert clock.skew_ms(reading(20, 1_000_020 + far)) == 0
    assert clock.advanced(reading(20, 1_000_020 + far)).log_ms == 1_000_020 + far


def test_accepting_a_clock_that_is_behind_does_not_go_back() -> None:
    assert START.accepted(reading(10, 500)).log_ms >= START.log_ms


def test_a_wall_clock_that_stepped_back_is_met_at_half_speed() -> None:
    behind = 1_000
    clock = START.advanced(reading(500, 1_000_500 - behind))
    assert clock.log_ms == 1_000_250
    clock = clock.advanced(reading(1_999, 1_001_999 - behind))
    assert clock.log_ms == 1_000_999
    clock = clock.advanced(reading(2_000, 1_002_000 - behind))
    assert clock.log_ms == 1_001_000  # they have met
    assert clock.advanced(reading(2_100, 1_002_100 - behind)).log_ms == 1_001_100


def test_many_short_steps_at_half_speed_add_up() -> None:
    clock = START
    for elapsed in range(1, 101):
        clock = clock.advanced(reading(elapsed, 500_000 + elapsed))
    assert clock.log_ms == 1_000_050


def test_a_correction_after_hours_at_half_speed_is_no_wild_jump() -> None:
    hours = 5 * MAX_AHEAD_MS
    clock = START.advanced(reading(hours, 0))
    assert clock.log_ms == 1_000_000 + hours // 2
    corrected = reading(hours + 10, 1_000_010 + hours)
    assert clock.skew_ms(corrected) == 0
    assert clock.advanced(corrected).log_ms == 1_000_010 + hours


@pytest.mark.parametrize(
    ("ahead_ms", "is_followed"), [(MAX_AHEAD_AFTER_BOOT_MS, True), (MAX_AHEAD_AFTER_BOOT_MS + 1, False)]
)
def test_after_a_restart_of_the_machine_a_long_pause_is_believed(ahead_ms: int, is_followed: bool) -> None:
    now = reading(-900, 1_000_000 + ahead_ms, "next boot")
    assert START.advanced(now).log_ms == 1_000_000 + (ahead_ms if is_followed else 0)
    assert (START.skew_ms(now) == 0) is is_followed


def test_a_restart_with_the_clock_of_the_factory_goes_on_from_the_last_row() -> None:
    clock = START.advanced(reading(-900, 0, "next boot"))
    assert clock.log_ms == START.log_ms
    assert clock.advanced(reading(-800, 100, "next boot")).log_ms == START.log_ms + 50


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**12), st.sampled_from(["boot", "next"]))))
def test_it_never_goes_back(steps: list[tuple[int, int, str]]) -> None:
    clocks = [START]
    elapsed = 0
    for step, wall_ms, boot_id in steps:
        elapsed += step
        clocks.append(clocks[-1].advanced(reading(elapsed, wall_ms, boot_id)))
    assert all(a.log_ms <= b.log_ms for a, b in pairwise(clocks))
