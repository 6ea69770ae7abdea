"""Calendar times: what an expression means in a zone, on both sides of every edge."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rules_engine.cron import BadCron, Cron, cron, zones

MINUTE_MS = 60_000


def ms(text: str, zone: str = "UTC", fold: int = 0) -> int:
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return round(local.timestamp() * 1000)


def comes(calendar: Cron, after: int, count: int) -> list[str]:
    found = []
    for _ in range(count):
        after = calendar.next_after(after)
        found.append(datetime.fromtimestamp(after / 1000, ZoneInfo(calendar.zone)).isoformat())
    return found


@pytest.mark.parametrize("late", [0, 1, 59_999])
def test_the_next_one_is_later_by_a_millisecond_at_least(late):
    nightly = cron("0 3 * * *")
    three = ms("2026-01-05T03:00")
    assert nightly.next_after(three - 1) == three
    assert nightly.next_after(three + late) == three + 24 * 60 * MINUTE_MS


def test_a_skipped_time_comes_at_the_end_of_the_gap_and_then_as_ever():
    found = comes(cron("30 2 * * *", "Europe/Berlin"), ms("2026-03-28T12:00"), 2)
    assert found == ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]


def test_a_repeated_time_comes_once_wherever_one_looks_from():
    nightly = cron("30 2 * * *", "Europe/Berlin")
    first = ms("2026-10-25T02:30", "Europe/Berlin")
    second = ms("2026-10-25T02:30", "Europe/Berlin", fold=1)
    next_day = ms("2026-10-26T02:30", "Europe/Berlin")
    assert nightly.next_after(first - 1) == first
    assert nightly.next_after(first) == nightly.next_after(second - 1) == next_day
    assert nightly.next_after(second) == next_day


def test_with_a_star_it_goes_by_the_time_that_passes():
    quarter = cron("*/30 * * * *", "Europe/Berlin")
    spring = comes(quarter, ms("2026-03-29T01:30", "Europe/Berlin"), 2)
    assert spring == ["2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"]
    autumn = ms("2026-10-25T02:00", "Europe/Berlin")
    assert [quarter.next_after(autumn + n * 30 * MINUTE_MS) - autumn for n in range(4)] == [
        (n + 1) * 30 * MINUTE_MS for n in range(4)
    ]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", None), ("* * * *", None), ("* * * * * *", None), ("0 0 29 2 0 2026", None),
        ("60 * * * *", 0), ("* 24 * * *", 1), ("* * 0 * *", 2), ("* * 32 * *", 2), ("* * * 13 *", 3),
        ("* * * * 8", 4), ("* * 30 2 *", 2), ("*/0 * * * *", 0), ("5-1 * * * *", 0), (", * * * *", 0),
        ("² * * * *", 0), ("9" * 5_000 + " * * * *", 0), ("* * * * MON#6", 4),
    ],
)  # fmt: skip
def test_what_is_no_expression_and_which_field(text, field):
    with pytest.raises(BadCron) as bad:
        Cron(text)
    assert bad.value.field == field


@pytest.mark.parametrize(
    "text", ["59 23 31 12 7", "* * 29 2 *", "* * L * *", "0 0 * * MON#5", "0,30 8-17 * jan-mar mon-fri"]
)
def test_what_is_one(text):
    assert Cron(text).next_after(0) is not None


def test_an_unknown_zone_is_a_key_error_and_no_way_to_a_file():
    for name in ("Berlin", "europe/berlin", "../zones", "/etc/passwd", "", "Europe"):
        with pytest.raises(KeyError):
            Cron("* * * * *", name)
    assert "Europe/Berlin" in zones()


def test_every_zone_can_be_read():
    assert all(Cron("0 3 * * *", name).next_after(0) for name in zones())


def test_beyond_the_years_of_dates_nothing_comes():
    assert cron("* * * * *").next_after(10**18) is None
    assert cron("* * * * *").matches(10**18) is None


@given(st.text(max_size=30) | st.text("0123456789*,-/#LWMON ", max_size=30))
@example("L/2 * L/2 * 5L/2")
def test_any_text_is_an_expression_or_none(text):
    with suppress(BadCron):
        assert Cron(text).next_after(0) is not None


@given(
    st.integers(0, 4_000_000_000_000),
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]),
    st.sampled_from(
        ["*/7 * * * *", "5 * * * *", "* 2,3 * * *", "30 2 * * *", "0 */5 1-7 * 1", "15,45 1-3 * 3,4,10 *"]
    ),
)
def test_it_moves_on_and_comes_where_it_matches_but_for_gaps(start, zone, text):
    calendar = cron(text, zone)
    found = calendar.next_after(start)
    assert found > start
    assert found % MINUTE_MS == 0
    earlier = calendar.next_after(found - 1)
    assert earlier == found
    if "*" in " ".join(text.split()[:2]):
        assert calendar.matches(found)
        assert not any(
            calendar.matches(t)
            for t in range(max(start // MINUTE_MS + 1, found // MINUTE_MS - 90) * MINUTE_MS, found, MINUTE_MS)
        )
