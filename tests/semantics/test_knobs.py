"""Knobs as texts declare and turn them: range, step, deadband, holds, decay, keys (L23 to L28)."""

from __future__ import annotations

import pytest

S, M, H = 1_000, 60_000, 3_600_000


def a(at, **fields):
    return (at, "A", {"k": "a"} | fields)


def b(at, **fields):
    return (at, "B", {"k": "a"} | fields)


def knob(options, domain="in 0..10 = 1"):
    return f'knob dial {domain} {options} loop one "r" on A set dial = x'


def dial(run, text, *rows, until=None):
    """(milliseconds, value) of each set."""
    found = run(text, *rows, until=until)
    return [
        (time, effect["value"])
        for firing, time in zip(found.firings, found.times, strict=True)
        for effect in firing.effects
        if effect["kind"] == "set"
    ]


def changes(found, start=1_767_571_200_000):
    return [(c.time_ms - start, c.new, c.cause) for c in found.all("changes")]


@pytest.mark.parametrize(("x", "value"), [(11, 10.0), (10, 10.0), (-1, 0.0), (0, 0.0), (1e300, 10.0)])
def test_l24_no_loop_leaves_the_range(run, x, value):
    assert dial(run, knob(""), a(0, x=x)) == [(0, value)]


@pytest.mark.parametrize(("x", "made"), [(1.01, True), (1.0099, False), (0.99, True), (0.9901, False)])
def test_l24_a_change_equal_to_the_deadband_is_made(run, x, made):
    assert dial(run, knob("deadband 0.01"), a(0, x=x)) == [(0, x)] * made


def test_l24_values_have_nine_decimals(run):
    assert dial(run, knob(""), a(0, x=1 / 3)) == [(0, 0.333333333)]


def test_l24_a_step_bounds_the_span_of_values_in_its_time(run):
    text = knob("step 1 per 1m")
    rows = [a(0, x=1.6), a(S, x=5), a(2 * S, x=0.2), a(M - 1, x=5), a(M, x=5), a(M + S, x=0)]
    # the 1 from before leaves at one minute, but it was 1 at two seconds again
    assert dial(run, text, *rows) == [(0, 1.6), (S, 2.0), (2 * S, 1.0), (M - 1, 2.0), (M + S, 1.0)]


def test_l24_what_a_step_cuts_off_is_dropped(run):
    assert dial(run, knob("step 1 per 1m"), a(0, x=5), a(M, x=5), until=H) == [(0, 2.0), (M, 3.0)]
    assert dial(run, knob("step 1 per 1m"), a(0, x=5), until=H) == [(0, 2.0)]


@pytest.mark.parametrize(("at", "value"), [(M - 1, None), (M, 3.0)])
def test_l24_a_step_is_over_at_exactly_its_time(run, at, value):
    assert dial(run, knob("step 1 per 1m"), a(0, x=2), a(at, x=9))[1:] == (
        [] if value is None else [(at, value)]
    )


@pytest.mark.parametrize(("at", "value"), [(M - 1, None), (M, 3.0)])
def test_l24_each_step_looks_back_over_its_own_time(run, at, value):
    text = knob("step up 1 per 1m step down 9 per 1h")
    assert dial(run, text, a(0, x=2), a(at, x=9))[1:] == ([] if value is None else [(at, value)])


def test_l24_a_step_up_leaves_the_way_down_free_and_the_reverse(run):
    up = dial(run, knob("step up 1 per 1m", "in 0..10 = 5"), a(0, x=0), a(1, x=9))
    assert up == [(0, 0.0), (1, 1.0)]
    down = dial(run, knob("step down 1 per 1m", "in 0..10 = 5"), a(0, x=9), a(1, x=0))
    assert down == [(0, 9.0), (1, 8.0)]
    both = dial(run, knob("step up 1 per 1m step down 2 per 1m", "in 0..10 = 5"), a(0, x=9), a(1, x=0))
    assert both == [(0, 6.0), (1, 4.0)]


HOLDS = """
knob dial in 0..10 = 1 %s
loop one "r" on A[n == 1] set dial = x for 10s
loop two "r" on A[n == 2] set dial = x
loop latch "r" on A[n == 3] when x > 0 until x < 0 set dial = x while active
loop latch_b "r" on A[n == 4] when x > 0 until x < 0 set dial = x while active
"""


@pytest.mark.parametrize(("until", "values"), [(10 * S - 1, [3.0]), (10 * S, [3.0, 1.0])])
def test_l25_a_hold_goes_back_to_the_base(session, until, values):
    found = session(HOLDS % "", a(0, n=1, x=3), (until, "tick", {}))
    assert [change[1] for change in changes(found)] == values


def test_l25_an_event_at_the_end_of_a_hold_sees_it_released(run):
    text = HOLDS % "" + 'loop z "r" on B emit OUT { v: dial }'
    assert run(text, a(0, n=1, x=3), b(10 * S - 1), b(10 * S)).emitted == [{"v": 3.0}, {"v": 1.0}]


def test_l25_a_later_hold_replaces_it(session):
    found = session(HOLDS % "", a(0, n=1, x=3), a(5 * S, n=1, x=4), (H, "tick", {}))
    assert changes(found) == [(0, 3.0, "one"), (5 * S, 4.0, "one"), (15 * S, 1.0, "release")]


def test_l25_a_plain_set_ends_it_and_becomes_the_base(session):
    found = session(HOLDS % "", a(0, n=1, x=3), a(5 * S, n=2, x=4), a(6 * S, n=1, x=5), (H, "tick", {}))
    assert [c[:2] for c in changes(found)] == [(0, 3.0), (5 * S, 4.0), (6 * S, 5.0), (16 * S, 4.0)]


def test_l25_while_active_ends_with_the_latch(run):
    found = run(HOLDS % "", a(0, n=2, x=4), a(1, n=3, x=7), a(2, n=3, x=8), a(3, n=3, x=-1), until=H)
    assert found.sets == [("dial", 4.0), ("dial", 7.0), ("dial", 4.0)]
    assert found.when[-1] == (3, "cleared")


def test_l25_of_two_latches_the_later_holds(session):
    rows = [a(0, n=3, x=7), a(1, n=4, x=8), a(2, n=3, x=-1), a(3, n=4, x=-1)]
    assert [c[:2] for c in changes(session(HOLDS % "", *rows))] == [(0, 7.0), (1, 8.0), (3, 1.0)]
    rows = [a(0, n=3, x=7), a(1, n=4, x=8), a(2, n=4, x=-1), a(3, n=3, x=-1)]
    assert [c[:2] for c in changes(session(HOLDS % "", *rows))] == [(0, 7.0), (1, 8.0), (2, 1.0)]


def test_l25_a_hold_for_a_time_outlives_the_latch_it_replaced(session):
    rows = [a(0, n=3, x=7), a(S, n=1, x=8), a(2 * S, n=3, x=-1), (H, "tick", {})]
    assert [c[:2] for c in changes(session(HOLDS % "", *rows))] == [(0, 7.0), (S, 8.0), (11 * S, 1.0)]


def test_l25_cleared_sees_the_knob_released(run):
    text = """
loop one "r" on A per k when x > 1 until x < 0 set rate = 5 while active
  cleared { emit OUT { v: rate } set rate += 1 emit OUT { v: rate } }
"""
    found = run(text, a(0, x=2), a(1, x=-1))
    assert (found.sets, found.emitted) == (
        [("rate", 5.0, "a"), ("rate", 1.0, "a"), ("rate", 2.0, "a")],
        [{"v": 1.0}, {"v": 2.0}],
    )


def test_l25_the_base_decays_under_a_hold(session):
    text = HOLDS % "decay 20s"
    found = session(text, a(0, n=2, x=9), a(0, n=1, x=3), (10 * S, "tick", {}))
    assert changes(found) == [
        (0, 9.0, "two"),
        (0, 3.0, "one"),
        (10 * S, round(1 + 8 * 2**-0.5, 9), "release"),
    ]


def test_l26_decay_goes_in_tenths_of_the_half_life(session):
    text = 'knob dial in 0..10 = 1 decay 10s loop one "r" on A set dial = x'
    found = session(text, a(0, x=9), (10 * S, "tick", {}))
    assert changes(found)[1:] == [(n * S, round(1 + 8 * 2 ** (-n / 10), 9), "decay") for n in range(1, 11)]
    assert changes(found)[-1][1] == 5.0


def test_l26_within_the_deadband_it_snaps(session):
    text = 'knob dial in 0..10 = 1 decay 10s deadband 0.5 loop one "r" on A set dial = x'
    found = session(text, a(0, x=2), (H, "tick", {}))
    assert changes(found)[-1] == (10 * S, 1.0, "decay")
    assert len(changes(found)) == 11


def test_l26_decay_counts_from_the_last_set(session):
    text = 'knob dial in 0..10 = 1 decay 10s loop one "r" on A set dial = x'
    found = session(text, a(0, x=9), a(500, x=9), (1_499, "tick", {}), (1_500, "tick", {}))
    assert [c[0] for c in changes(found)] == [0, 1_500]


def test_l24_release_and_decay_are_not_bound_by_step(session):
    text = """
knob dial in 0..10 = 1 step 2 per 1h decay 10s
loop one "r" on A[n == 1] set dial = x for 5s
loop two "r" on A[n == 2] set dial = x
"""
    found = session(text, a(0, n=2, x=3), a(0, n=1, x=2), (5 * S, "tick", {}), (6 * S, "tick", {}))
    assert [c[:2] for c in changes(found) if c[2] == "release"] == [(5 * S, round(1 + 2 * 2**-0.5, 9))]
    assert len(changes(found)) == 4


@pytest.mark.parametrize(
    ("op", "x", "value"), [("+=", 2, 6.0), ("-=", 1, 3.0), ("*=", 2, 8.0), ("=", 2, 2.0)]
)
def test_l23_the_loops_key_is_the_knobs(run, op, x, value):
    text = f'loop one "r" on A per k set rate {op} x loop zero "r" on B per k set rate = 4'
    assert run(text, b(0), a(1, x=x)).sets[-1] == ("rate", value, "a")


def test_l23_another_key_is_named(run):
    text = """
loop one "r" on A per k
  set rate[s] = 3
  set rate["fixed"] = rate + 1
  emit OUT { l: [rate, rate[s], rate["fixed"]] }
"""
    found = run(text, a(0, s="z"), a(1, s="a"), a(2))
    # the last two set `fixed` to what it is; the last one has no s
    assert found.sets == [
        ("rate", 3.0, "z"),
        ("rate", 2.0, "fixed"),
        ("rate", 3.0, "a"),
        ("rate", 4.0, "fixed"),
    ]
    assert [e["l"] for e in found.emitted] == [[1.0, 3.0, 2.0], [3.0, 3.0, 4.0], [3.0, None, 4.0]]
    assert [firing.incomplete for firing in found.firings] == [False, False, True]


def test_l23_all_keys_are_those_seen_or_of_the_closed_words(run):
    text = """
type config = "p" | "q"
knob open per k in 0..10 = 1
knob closed per config in 0..10 = 1
loop one "r" on A per k set open = 2
loop two "r" on B
  set open[*] *= 2
  set closed[*] += 1
  emit OUT { m: open[*], l: [sum(open[*]), max(closed[*])] }
"""
    found = run(text, b(0), a(1), (2, "A", {"k": "z"}), b(3))
    assert found.of("two").sets == [
        ("closed", 2.0, "p"), ("closed", 2.0, "q"),
        ("open", 4.0, "a"), ("open", 4.0, "z"), ("closed", 3.0, "p"), ("closed", 3.0, "q"),
    ]  # fmt: skip
    assert found.of("two").emitted == [
        {"m": {}, "l": [None, 2.0]},
        {"m": {"a": 4.0, "z": 4.0}, "l": [8.0, 3.0]},
    ]


def test_l23_a_knob_of_several_keys(run):
    text = """
knob grid per k, n in 0..10 = 1
loop one "r" on A per k, n set grid += x
loop two "r" on A per n, k set grid += x emit OUT { v: grid }
loop three "r" on B emit OUT { m: grid[*], v: avg(grid[*]) }
"""
    found = run(text, a(0, n=1, x=1), a(1, n=2, x=3), b(2))
    assert found.of("two").sets == [("grid", 3.0, "a", 1), ("grid", 7.0, "a", 2)]
    assert found.of("three").emitted == [{"m": {"a/1": 3.0, "a/2": 7.0}, "v": 5.0}]


def test_l23_a_knob_without_a_key_is_one(run):
    text = 'knob dial in 0..10 = 1 loop one "r" on A per k set dial += 1'
    assert run(text, a(0), (1, "A", {"k": "z"})).sets == [("dial", 2.0), ("dial", 3.0)]


def test_l28_operations_apply_to_the_live_value_and_operands_to_the_one_before(run):
    text = """
loop a "r" on A per k set rate += 2
loop b "r" on A per k set rate *= rate + 1
loop c "r" on A per k set rate = rate + 0.5
loop d "r" on A per k set rate -= 1 emit OUT { v: rate }
"""
    # before: 1; a: 3; b: 3 * (1 + 1) = 6; c: 1 + 0.5; d: 1.5 - 1
    assert run(text, a(0)).sets == [("rate", v, "a") for v in (3.0, 6.0, 1.5, 0.5)]
    assert run(text, a(0)).emitted == [{"v": 0.5}]


def test_l24_words_have_no_step_and_a_word_that_is_unknown_is_not_set(run):
    text = """
loop one "r" on A set mode = match { x > 1: "paused", else: "reduced" } for 10s
loop two "r" on B set mode = "reduced"
"""
    found = run(text, a(0, x=2), a(1, x=2), a(2), a(3, x=0), b(4), a(5, x=2))
    assert found.sets == [("mode", "paused"), ("mode", "reduced"), ("mode", "paused")]
    assert [firing.incomplete for firing in found.firings] == [False, False, True, False, False, False]


def test_a_number_from_a_map_that_is_none_is_not_set(run):
    for wrong in ("high", True, None, [1]):
        found = run('loop one "r" on A per k set rate = m.v', a(0, m={"v": wrong}))
        assert (found.sets, found.firings[0].incomplete) == ([], True), wrong
