"""Loops that run by the clock: `every`, `cron`, their keys, and what happens to missed ticks (L21)."""

from __future__ import annotations

import pytest

S, M, H, D = 1_000, 60_000, 3_600_000, 86_400_000

EVERY = 'loop one "r" on every 5m emit OUT { k: "tick" }'


def a(at, **fields):
    return (at, "A", {"k": "low"} | fields)


@pytest.mark.parametrize(
    ("begin", "until", "times"),
    [
        (0, 5 * M - 1, []),
        (0, 5 * M, [5 * M]),
        (0, 10 * M, [5 * M, 10 * M]),
        (5 * M - 1, 5 * M, [5 * M]),
        (5 * M, 10 * M - 1, []),
        (5 * M + 1, 10 * M, [10 * M]),
    ],
)
def test_l21_ticks_align_to_the_epoch_and_begin_after_load(run, begin, until, times):
    assert run(EVERY, (begin, "C", {}), until=until).when == [(at, "timer") for at in times]


def test_l21_a_period_that_does_not_divide_the_day_still_counts_from_the_epoch(run):
    found = run('loop one "r" on every 7h emit OUT { k: "" }', (0, "C", {}), until=20 * H)
    start = 1_767_571_200_000
    assert [(start + at) % (7 * H) for at in found.times] == [0, 0, 0]


@pytest.mark.parametrize(("until", "fired"), [(3 * H - 1, 0), (3 * H, 1), (27 * H - 1, 1), (27 * H, 2)])
def test_l21_cron_is_of_utc_unless_it_says_so(run, until, fired):
    assert (
        len(run('loop one "r" on cron "0 3 * * *" emit OUT { k: "" }', (0, "C", {}), until=until).firings)
        == fired
    )


def test_l21_cron_in_a_zone(run):
    text = 'loop one "r" on cron "0 3 * * 2" in "Europe/Berlin" emit OUT { k: "" }'
    assert run(text, (0, "C", {}), until=14 * D).times == [D + 2 * H, 8 * D + 2 * H]


def test_l21_a_replay_fires_each_at_its_own_time_and_sees_the_events_of_that_time(run):
    text = 'loop one "r" on every 5m emit OUT { n: count(A over 1h) }'
    found = run(text, a(0), a(7 * M), a(21 * M))
    assert found.when == [(at, "timer") for at in (5 * M, 10 * M, 15 * M, 20 * M)]
    assert [payload["n"] for payload in found.emitted] == [1, 2, 2, 2]


@pytest.mark.parametrize(
    ("rows", "times"),
    [
        ([(5 * M, "tick", {}), (10 * M, "tick", {})], [5 * M, 10 * M]),
        ([(5 * M + 3, "tick", {})], [5 * M]),
        ([(10 * M - 1, "tick", {})], [5 * M]),
        ([(10 * M, "tick", {})], [10 * M]),
        ([(23 * M, "A", {})], [20 * M]),
        ([(40 * D + M, "tick", {})], [40 * D]),
    ],
)
def test_l21_those_missed_while_down_collapse_into_one(session, rows, times):
    """Rows as a daemon sees them: where it ran there is one for each tick."""
    found = session(EVERY, (0, "C", {}), *rows)
    assert [firing.time_ms - 1_767_571_200_000 for firing in found.firings] == times


def test_l21_of_cron_too_however_long_it_was_down(session):
    text = 'loop one "r" on cron "*/5 3 * * *" emit OUT { k: "" }'
    found = session(text, (0, "C", {}), (400 * D + 2 * H, "tick", {}), (400 * D + 3 * H, "tick", {}))
    assert [firing.time_ms - 1_767_571_200_000 for firing in found.firings] == [
        399 * D + 3 * H + 55 * M,
        400 * D + 3 * H,
    ]


def test_l21_per_names_a_type_and_each_word_is_evaluated(run):
    text = 'loop one "r" on every 1h per level emit OUT { w: level, s: "at {level}" }'
    found = run(text, (0, "C", {}), until=H)
    assert [firing.key for firing in found.firings] == [("low",), ("mid",), ("high",)]
    assert found.emitted == [{"w": word, "s": f"at {word}"} for word in ("low", "mid", "high")]


def test_l21_two_types_make_pairs(run):
    text = 'type side = "l" | "r"\nloop one "r" on every 1h per level, side emit OUT { k: "{level}{side}" }'
    keys = [firing.key for firing in run(text, (0, "C", {}), until=H).firings]
    assert keys == [(level, side) for level in ("low", "mid", "high") for side in "lr"]


def test_l21_a_window_of_another_event_is_joined_on_the_word(run):
    text = """
event SEEN { level|k: level, x: float } from "a test"
loop one "r" on every 1h per level
  when avg(SEEN.x over 1h) > 2
  emit OUT { w: level, v: avg(SEEN.x over 1h) }
"""
    seen = [
        (M, "SEEN", {"k": "low", "x": 1}),
        (2 * M, "SEEN", {"k": "mid", "x": 3}),
        (3 * M, "SEEN", {"k": "?", "x": 9}),
    ]
    assert run(text, *seen, until=2 * H).emitted == [{"w": "mid", "v": 3.0}]


def test_l21_each_word_has_its_own_latch_and_cooldown(run):
    text = """
event SEEN { level|k: level, x: float } from "a test"
loop one "r" on every 1m per level
  when last(SEEN.x over 1h) > 2 for 2m
  until last(SEEN.x over 1h) < 1
  emit OUT { w: level }
  after 5m { emit OUT { s: "still {level}" } }
  cleared { emit OUT { s: "over {level}" } }
"""
    seen = [
        (S, "SEEN", {"k": "low", "x": 3}),
        (M + S, "SEEN", {"k": "mid", "x": 3}),
        (5 * M, "SEEN", {"k": "mid", "x": 0}),
    ]
    found = run(text, *seen, until=20 * M)
    assert found.when == [(3 * M, "timer"), (4 * M, "timer"), (6 * M, "cleared"), (8 * M, "after")]
    assert [p.get("w") or p["s"] for p in found.emitted] == ["low", "mid", "over mid", "still low"]


def test_l21_a_tick_comes_after_timers_and_before_events_of_its_time(run):
    text = """
loop holds "r" on A when x > 1 for 5m set rate["a"] = 5 for 5m
loop ticks "r" on every 5m emit OUT { l: [rate["a"], count(A over 1h)] }
"""
    found = run(text, (0, "A", {"x": 2}), (5 * M, "A", {"x": 2}), until=10 * M).of("ticks")
    assert [payload["l"] for payload in found.emitted] == [[5.0, 1], [1.0, 2]]


def test_l21_ticks_of_one_time_go_by_loop_and_see_what_was_done(run):
    text = """
loop b "r" on every 5m emit OUT { l: [rate["a"]] }
loop a "r" on every 5m set rate["a"] += 1
loop c "r" on OUT emit C { l }
"""
    assert run(text, (0, "B", {}), until=5 * M).of("c").emitted == [{"l": [2.0]}]


def test_l21_windows_and_streaks_take_ticks(run):
    text = (
        'loop one "r" on every 5m emit OUT { l: [count(over 10m), streak(rate["a"] > 0), prev(rate["a"])] }'
    )
    found = run(text, (0, "C", {}), until=15 * M)
    assert [payload["l"] for payload in found.emitted] == [[1, 1, None], [2, 2, 1.0], [2, 3, 1.0]]


def test_l21_during_tells_ticks_apart(run):
    text = 'loop one "r" on every 1h when during("* 9-10 * * *") emit OUT { k: "" }'
    assert run(text, (0, "C", {}), until=D).times == [9 * H, 10 * H]


def test_l01_a_loop_that_is_off_does_not_tick(run, session):
    assert run('@off("no") ' + EVERY, (0, "C", {}), until=H).firings == []


def test_l33_in_shadow_it_ticks_and_does_nothing(run):
    found = run("@shadow " + EVERY, (0, "C", {}), until=5 * M)
    assert [firing.shadow for firing in found.firings] == [True]


@pytest.mark.parametrize("on", ["every 1h", 'cron "0 * * * *"'])
def test_l21_a_key_is_a_closed_set_of_words(findings, on):
    assert "RE220" in findings(f'loop one "r" on {on} per k emit OUT {{ s: "" }}')
    assert "RE220" not in findings(f'loop one "r" on {on} per level emit OUT {{ s: "" }}')


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('rate["a"] > 1', set()),
        ('rate["a"] > 10', {"RE501"}),
        ('rate["a"] >= 0', {"RE502"}),
        ('during("* 9 * * *")', set()),
        ("count(A over 1h) >= 0", {"RE502"}),
    ],
)
def test_conditions_of_ticks_are_judged_like_those_of_events(findings, condition, expected):
    text = f'loop one "r" on every 1h when {condition} emit OUT {{ k: "" }}'
    assert {"RE501", "RE502"} & set(findings(text)) == expected


def test_l21_firings_of_ticks_without_a_row_have_numbers_of_their_own(run):
    text = """
knob dial in 0..100 = 0
loop beat "r" on every 1m emit OUT { v: 1 } set dial += 1
loop watch "r" on change of dial emit OUT { v: new }
"""
    found = run(text, (0, "A", {}), (5 * 60_000, "A", {})).firings
    assert len(found) == 10
    assert len({(firing.position, firing.n) for firing in found}) == 10
    assert len({firing.event_id for firing in found if firing.loop == "watch"}) == 5
