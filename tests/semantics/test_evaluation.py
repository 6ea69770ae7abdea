"""When a loop fires: the order of clauses, holds, latches, cooldown and limit (L1 to L9)."""

from __future__ import annotations

import pytest


def a(at, **fields):
    return (at, "A", {"k": "a"} | fields)


S, M, H = 1_000, 60_000, 3_600_000
HOLD = 'loop one "r" on A per k when x > 1 for 10s emit OUT { k, x }'
LATCH = (
    'loop one "r" on A per k when x > 1 until x < 0 emit OUT { k, x } cleared { emit OUT { k: "over", x } }'
)


# ---- L1: order -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clauses", "events", "reason"),
    [
        ("on A[x > 5] per k when x > 9", [{"x": 1}], "filter"),
        ("on A[x > 5] per k when x > 9", [{}], "unknown"),
        ("on A[x > 5] per k when x > 9", [{"x": 6}], "condition"),
        ("on A per k when n > 9", [{"x": 6}], "unknown"),
        ("on A per k when x > 1 for 1m cooldown 1h", [{"x": 6}], "hold"),
        ("on A per k when x > 1 until x < 0 cooldown 1h", [{"x": 6}, {"x": 6}], "active"),
        ("on A per k when x > 1 cooldown 1h limit 1 per 1h", [{"x": 6}, {"x": 6}], "cooldown"),
        ("on A per k when x > 1 cooldown 1ms limit 1 per 1h", [{"x": 6}, {"x": 6}], "limit"),
        ("on A per k when x > 1", [{"x": 6, "k": ""}], "key"),
        ("on A per k", [{"x": 6}], "fired"),
    ],
)
def test_l01_the_first_clause_that_stops_it_is_the_reason(session, clauses, events, reason):
    found = session(f'loop one "r" {clauses} emit OUT {{ k }}', *[a(n, **e) for n, e in enumerate(events)])
    assert found.all("verdicts")[-1].reason == reason


@pytest.mark.parametrize(
    ("before", "effect", "reason"),
    [
        ("", "set level_of = 1.004", "deadband"),
        ("", "set level_of = 1.5", "fired"),
        ("@shadow", "set level_of = 1.5", "shadow"),
        ('@off("not now")', "set level_of = 1.5", "off"),
    ],
)
def test_l01_reasons_that_come_with_the_effects(session, before, effect, reason):
    text = f'knob level_of in 0..2 = 1 deadband 0.01 {before} loop one "r" on A {effect}'
    assert session(text, a(0)).all("verdicts")[-1].reason == reason


def test_l01_a_filtered_event_does_not_enter_the_windows(run):
    text = 'loop one "r" on A[x > 1] per k emit OUT { n: count(over 1h), v: prev(x) }'
    assert run(text, a(0, x=2), a(1, x=0), a(2), a(3, x=5)).emitted == [{"n": 1}, {"n": 2, "v": 2.0}]


# ---- L2: unknown ---------------------------------------------------------------------------------


def test_l02_unknown_does_not_break_a_stretch(run):
    assert run(HOLD, a(0, x=2), a(5 * S), a(9 * S), until=20 * S).when == [(10 * S, "timer")]


def test_l02_unknown_does_not_start_a_stretch(run):
    assert run(HOLD, a(0), a(5 * S, x=2), until=20 * S).when == [(15 * S, "timer")]


def test_l02_unknown_neither_enters_nor_leaves_a_latch(run):
    assert run(LATCH, a(0), a(1, x=2), a(2), a(3, x=-1)).when == [(1, "event"), (3, "cleared")]


def test_l02_unknown_does_not_pass_a_cooldown_or_start_one(run):
    text = 'loop one "r" on A per k when x > 1 cooldown 1h unless n > 5 emit OUT { k }'
    assert run(text, a(0), a(1, x=2), a(2, x=2), a(3, x=2, n=6)).times == [1, 3]


def test_l02_unknown_keeps_an_effect_from_happening(run):
    assert (
        run('loop one "r" on A emit OUT { k } if x > 1', a(0), a(1, x=1), a(2, x=2)).firings[0].effects == ()
    )


def test_l02_windows_and_streaks_skip_an_unknown_sample(run):
    text = """
loop one "r" on A per k
  with all = count(over 1h)
  emit OUT { l: [all, count(x over 1h), avg(x over 1h), prev(x), streak(x > 1), last(x over last 5)] }
"""
    found = run(text, a(0, x=2), a(1), a(2, x=4), a(3), a(4, x=0), a(5))
    assert [e["l"] for e in found.emitted] == [
        [1, 1, 2.0, None, 1, 2.0],
        [2, 1, 2.0, 2.0, 1, 2.0],
        [3, 2, 3.0, 2.0, 2, 4.0],
        [4, 2, 3.0, 4.0, 2, 4.0],
        [5, 3, 2.0, 4.0, 0, 0.0],
        [6, 3, 2.0, 0.0, 0, 0.0],
    ]


def test_l02_why_names_the_field(session):
    found = session('loop one "r" on A per k when x > 1 and n > 1 emit OUT { k }', a(0, x=2))
    assert "unknown: n" in found.all("verdicts")[-1].detail


# ---- L3: when and for ----------------------------------------------------------------------------


def test_l03_without_for_it_fires_on_each_event_where_it_is_true(run):
    text = 'loop one "r" on A per k when x > 1 emit OUT { k }'
    assert run(text, a(0, x=2), a(1, x=1), a(2, x=1.001), a(2, x=9)).times == [0, 2, 2]


@pytest.mark.parametrize(("until", "fired"), [(10 * S - 1, []), (10 * S, [10 * S])])
def test_l03_for_is_over_at_exactly_its_end(run, until, fired):
    assert run(HOLD, a(0, x=2), until=until).times == fired


@pytest.mark.parametrize(("at", "fired"), [(10 * S - 1, []), (10 * S, [10 * S])])
def test_l03_an_event_at_the_due_time_comes_after_the_hold(run, at, fired):
    found = run(HOLD, a(0, x=2), a(at, x=0), until=H)
    assert found.times == fired
    assert [e["x"] for e in found.emitted] == [2.0] * len(fired)


def test_l03_once_per_unbroken_stretch(run):
    events = [a(0, x=2), a(11 * S, x=3), a(30 * S, x=0), a(31 * S, x=2)]
    assert run(HOLD, *events, until=H).times == [10 * S, 41 * S]


def test_l03_only_a_false_evaluation_at_an_event_ends_a_stretch_that_has_fired(run):
    text = 'loop one "r" on A per k when count(over 20s) >= 1 for 10s emit OUT { k }'
    # at 20 s the sample has left and the condition would be false, but no event says so
    assert run(text, a(0), a(25 * S), until=H).times == [10 * S]


def test_l03_the_condition_is_evaluated_once_more_when_due(run):
    text = 'loop one "r" on A per k when x > 1 and count(B over 1h) == 0 for 10s emit OUT { k }'
    assert run(text, a(0, x=2), (5 * S, "B", {"k": "a"}), until=H).times == []
    assert run(text, a(0, x=2), (5 * S, "B", {"k": "other"}), until=H).times == [10 * S]


def test_l03_unknown_when_due_leaves_the_last_truth(run):
    text = 'loop one "r" on A per k when last(B.x over 7s) ?? n > 1 for 10s emit OUT { k }'
    # B's sample has left after 7 s; what was true then stands, though a leaving sample is looked at too
    assert run(text, (0, "B", {"k": "a", "x": 2}), a(1), until=H).times == [1 + 10 * S]


def test_l03_a_hold_that_completes_while_damped_has_spent_its_stretch(run):
    text = 'loop one "r" on A per k when x > 1 for 10s cooldown 1m emit OUT { k }'
    events = [a(0, x=2), a(11 * S, x=0), a(12 * S, x=2), a(H, x=2), a(H + 1, x=0), a(H + 2, x=2)]
    assert run(text, *events, until=2 * H).times == [10 * S, H + 2 + 10 * S]


# ---- L4: until -----------------------------------------------------------------------------------


def test_l04_a_latch_fires_on_entry_is_silent_and_clears(run):
    found = run(LATCH, a(0, x=2), a(1, x=2), a(2, x=0), a(3, x=-1), a(4, x=-1), a(5, x=2))
    assert found.when == [(0, "event"), (3, "cleared"), (5, "event")]


def test_l04_one_event_makes_at_most_one_change(run):
    text = 'loop one "r" on A per k when x > 1 until x > 0 emit OUT { k } cleared { emit OUT { k } }'
    found = run(text, *[a(n, x=2) for n in range(4)])
    assert found.when == [(0, "event"), (1, "cleared"), (2, "event"), (3, "cleared")]


@pytest.mark.parametrize(("end", "cleared"), [(5 * S - 1, []), (5 * S, [10 + 5 * S])])
def test_l04_until_may_have_a_hold(run, end, cleared):
    text = 'loop one "r" on A per k when x > 1 until x < 0 for 5s emit OUT { k } cleared { emit OUT { k } }'
    assert run(text, a(0, x=2), a(10, x=-1), until=10 + end).times[1:] == cleared


def test_l04_a_false_evaluation_breaks_the_hold_of_until_and_unknown_does_not(run):
    text = 'loop one "r" on A per k when x > 1 until x < 0 for 5s emit OUT { k } cleared { emit OUT { x } }'
    found = run(text, a(0, x=2), a(S, x=-1), a(2 * S, x=0), a(3 * S, x=-2), a(4 * S), until=H)
    assert (found.times, found.emitted[-1]) == ([0, 8 * S], {"x": -2.0})


def test_l04_for_and_until_make_a_latch_entered_by_a_hold(run):
    text = 'loop one "r" on A per k when x > 1 for 10s until x < 0 emit OUT { k } cleared { emit OUT { k } }'
    events = [a(0, x=2), a(12 * S, x=0.5), a(13 * S, x=-1), a(14 * S, x=2), a(15 * S, x=0)]
    assert run(text, *events, until=H).when == [(10 * S, "timer"), (13 * S, "cleared")]


def test_l04_inactive_looks_only_at_when(run):
    text = 'loop one "r" on A per k when x > 1 until x > 5 emit OUT { k } cleared { emit OUT { k } }'
    assert run(text, a(0, x=9)).when == [(0, "event")]


# ---- L5: leaving samples ---------------------------------------------------------------------------


def test_l05_a_sample_that_leaves_can_clear_a_latch(run):
    text = """
loop one "r" on A per k when count(over 10s) >= 3 until count(over 10s) < 2
  emit OUT { k, x } cleared { emit OUT { k, x } }
"""
    found = run(text, a(0, x=1), a(S, x=2), a(2 * S, x=3), until=H)
    # at 10 s there are two left, at 11 s one
    assert found.when == [(2 * S, "event"), (11 * S, "cleared")]
    assert [e["x"] for e in found.emitted] == [3.0, 3.0]


def test_l05_a_sample_that_leaves_can_break_a_stretch(run):
    text = 'loop one "r" on A per k when count(over 5s) >= 2 for 5s emit OUT { k }'
    assert run(text, a(0), a(S), until=H).times == []
    assert run(text, a(0), a(S), a(4 * S), a(5 * S), until=H).times == [6 * S]


def test_l05_also_a_sample_of_another_event(run):
    text = """
loop one "r" on A per k when x > 1 until count(B over 10s) == 0 emit OUT { k } cleared { emit OUT { x } }
"""
    b = (S, "B", {"k": "a"})
    assert run(text, b, a(2 * S, x=2), a(3 * S, x=0), until=H).when == [(2 * S, "event"), (11 * S, "cleared")]
    again = (5 * S, "B", {"k": "a"})
    assert run(text, b, a(2 * S, x=2), again, until=H).times == [2 * S, 15 * S]


def test_l05_also_through_a_with(run):
    text = """
loop one "r" on A per k with recent = count(over 10s) with few = recent < 1
  when x > 1 until few emit OUT { k } cleared { emit OUT { k } }
"""
    assert run(text, a(0, x=2), until=H).when == [(0, "event"), (10 * S, "cleared")]


def test_l05_a_leaving_sample_starts_the_hold_of_until(run):
    text = """
loop one "r" on A per k when x > 1 until count(over 10s) == 0 for 5s emit OUT { k } cleared { emit OUT { k } }
"""
    assert run(text, a(0, x=2), until=H).times == [0, 15 * S]
    assert run(text, a(0, x=2), a(12 * S, x=2), until=H).times == [0, 27 * S]


def test_l05_a_leaving_sample_enters_nothing(run):
    assert run('loop one "r" on A per k when count(over 10s) < 1 emit OUT { k }', a(0), until=H).times == []


# ---- L6: what is bound ---------------------------------------------------------------------------


def test_l06_a_hold_binds_the_latest_event_that_was_true(run):
    found = run(HOLD, a(0, x=2), a(3 * S, x=7), a(4 * S), until=H)
    assert found.emitted == [{"k": "a", "x": 7.0}]
    assert found.firings[0].event_id == "e2"


def test_l06_cleared_binds_the_event_that_cleared(run):
    found = run(LATCH, a(0, x=2), a(1, x=1), a(2, x=-4))
    assert (found.emitted[-1], found.firings[-1].event_id) == ({"k": "over", "x": -4.0}, "e3")


# ---- L7: what is seen ------------------------------------------------------------------------------


def test_l07_all_loops_see_the_state_from_before_the_event(run):
    text = """
loop a_first "r" on A per k set rate = 5 emit OUT { v: rate }
loop b_second "r" on A per k emit OUT { v: rate }
"""
    found = run(text, a(0), a(1))
    assert [e["v"] for e in found.of("a_first").emitted] == [5.0, 5.0]
    assert [e["v"] for e in found.of("b_second").emitted] == [1.0, 5.0]
    assert [firing.loop for firing in found.firings] == ["a_first", "b_second"] * 2


def test_l07_effects_see_earlier_sets_of_their_own_loop_and_conditions_too(run):
    text = """
loop one "r" on A per k
  set rate = 3
  emit OUT { v: rate } if rate == 3
  set rate += 1
  do H.act(k, rate)
  set rate = 2 * rate
  emit OUT { v: rate }
"""
    found = run(text, a(0))
    assert [e["v"] for e in found.emitted] == [3.0, 8.0]
    assert found.done == [("H.act", {"k": "a", "v": 4.0})]
    assert found.sets == [("rate", 3.0, "a"), ("rate", 4.0, "a"), ("rate", 8.0, "a")]


def test_l07_a_with_is_evaluated_once_before_the_effects(run):
    text = (
        'loop one "r" on A per k with was = rate set rate = 3 emit OUT { l: [was, rate] } set rate = was + 1'
    )
    found = run(text, a(0))
    assert (found.emitted, found.sets[-1]) == ([{"l": [1.0, 3.0]}], ("rate", 2.0, "a"))


def test_l07_a_with_may_read_a_later_one(run):
    text = 'loop one "r" on A with z = y + 1 with y = x * 2 emit OUT { l: [z, y] }'
    assert run(text, a(0, x=2)).emitted == [{"l": [5.0, 4.0]}]


def test_l07_timers_of_one_time_go_by_loop_then_key(run):
    text = """
loop b_second "r" on A per k when x > 1 for 10s emit OUT { k }
loop a_first "r" on A per k when x > 1 for 5s emit OUT { k }
"""
    events = [(0, "A", {"k": "z", "x": 2}), a(0, x=2), (5 * S, "A", {"k": "m", "x": 2})]
    found = run(text, *events, until=10 * S)
    assert [(f.loop, f.key[0], f.time_ms % M) for f in found.firings] == [
        ("a_first", "a", 5 * S),
        ("a_first", "z", 5 * S),
        ("a_first", "m", 10 * S),
        ("b_second", "a", 10 * S),
        ("b_second", "z", 10 * S),
    ]


def test_l07_each_timer_sees_what_the_one_before_has_set(run):
    text = """
loop a_first "r" on A per k when x > 1 for 5s set rate += 1
loop b_second "r" on A per k when x > 1 for 5s emit OUT { v: rate }
"""
    assert run(text, a(0, x=2), until=H).emitted == [{"v": 2.0}]


# ---- L8, L9: cooldown and limit --------------------------------------------------------------------


@pytest.mark.parametrize(("at", "fired"), [(M - 1, [0]), (M, [0, M])])
def test_l08_a_cooldown_is_over_at_exactly_its_end(run, at, fired):
    assert run('loop one "r" on A per k cooldown 1m emit OUT { k }', a(0), a(at)).times == fired


def test_l08_what_was_suppressed_is_not_made_up(run):
    text = 'loop one "r" on A per k cooldown 1m emit OUT { k }'
    assert run(text, a(0), a(50 * S), until=H).times == [0]


def test_l08_a_cooldown_is_per_key(run):
    text = 'loop one "r" on A per k cooldown 1m emit OUT { k }'
    assert run(text, a(0), (1, "A", {"k": "b"}), a(2)).times == [0, 1]


def test_l08_unless_is_read_on_the_suppressed_event_and_restarts_it(run):
    text = 'loop one "r" on A per k cooldown 1m unless x > 5 emit OUT { k }'
    events = [
        a(0, x=9),
        a(30 * S, x=5),
        a(40 * S, x=6),
        a(M, x=0),
        a(M + 40 * S - 1, x=0),
        a(M + 40 * S, x=0),
    ]
    assert run(text, *events).times == [0, 40 * S, M + 40 * S]


@pytest.mark.parametrize(("at", "entered"), [(M + 9, False), (M + 10, True)])
def test_l08_it_runs_from_clearing_and_an_exit_is_never_suppressed(run, at, entered):
    text = (
        'loop one "r" on A per k when x > 1 until x < 0 cooldown 1m emit OUT { k } cleared { emit OUT { k } }'
    )
    found = run(text, a(0, x=2), a(10, x=-1), a(11, x=2), a(12, x=-1), a(at, x=2))
    assert found.when == [(0, "event"), (10, "cleared")] + [(at, "event")] * entered


@pytest.mark.parametrize(("at", "fired"), [(M - 1, [0, 1]), (M, [0, 1, M]), (M + 1, [0, 1, M + 1])])
def test_l09_a_limit_slides(run, at, fired):
    assert (
        run('loop one "r" on A per k limit 2 per 1m emit OUT { k }', a(0), a(1), a(2), a(at)).times == fired
    )


def test_l09_it_is_per_key_or_over_all(run):
    events = [(n, "A", {"k": k}) for n, k in enumerate("abab")]
    assert run('loop one "r" on A per k limit 1 per 1m emit OUT { k }', *events).times == [0, 1]
    late = (M, "A", {"k": "c"})
    assert run('loop one "r" on A per k limit 1 per 1m overall emit OUT { k }', *events, late).times == [0, M]


def test_l09_it_counts_firings_not_clearings_or_what_was_damped(run):
    text = """
loop one "r" on A per k when x > 1 until x < 0 cooldown 1s limit 2 per 1m
  emit OUT { k } cleared { emit OUT { k } }
"""
    events = [a(n * S, x=x) for n, x in enumerate([2, -1, 2, -1, 2, -1])]
    assert run(text, *events).when == [(0, "event"), (S, "cleared"), (2 * S, "event"), (3 * S, "cleared")]


def test_l33_shadow_is_damped_as_if_live_and_does_nothing(session):
    text = """
@shadow loop a_shadow "r" on A per k cooldown 1m set rate = 5 emit B { k, x: rate } do H.act(k)
loop b_live "r" on A per k emit OUT { v: rate }
loop c_heard "r" on B emit OUT { s: "heard" }
"""
    found = session(text, a(0), a(1), a(M))
    shadow = [firing for firing in found.firings if firing.loop == "a_shadow"]
    assert [(f.shadow, [e["kind"] for e in f.effects]) for f in shadow] == [(True, ["set", "emit", "do"])] * 2
    assert shadow[0].effects[1]["payload"] == {"k": "a", "x": 5.0}
    assert [f.effects[0]["payload"] for f in found.firings if f.loop == "b_live"] == [{"v": 1.0}] * 3
    assert not [f for f in found.firings if f.loop == "c_heard"]
    assert (found.all("actions"), found.all("changes")) == ([], [])
    assert [row.type for row in found.all("emitted")] == ["OUT"] * 3


def test_l33_shadow_sees_its_own_sets_in_its_own_firing_only(run):
    text = '@shadow loop one "r" on A per k set rate += 1 set rate += 1 emit OUT { v: rate }'
    assert run(text, a(0), a(1)).emitted == [{"v": 3.0}, {"v": 3.0}]


# ---- L34 -------------------------------------------------------------------------------------------

REMINDS = """
loop one "r" on A per k
  when x > 1
  until x < 0
  emit OUT { s: "in" }
  after 10s { emit OUT { s: "ten" } }
  after 20s { emit OUT { s: "twenty" } }
  cleared { emit OUT { s: "out" } }
"""


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (9_999, ["in", "out"]),
        (10_000, ["in", "ten", "out"]),
        (19_999, ["in", "ten", "out"]),
        (20_000, ["in", "ten", "twenty", "out"]),
        (90_000, ["in", "ten", "twenty", "out"]),
    ],
)
def test_l34_after_runs_once_per_activation_and_is_dropped_on_exit(run, left, said):
    found = run(REMINDS, (0, "A", {"k": "a", "x": 2}), (left, "A", {"k": "a", "x": -1}), until=200_000)
    assert [payload["s"] for payload in found.emitted] == said


def test_l34_each_activation_begins_anew_and_at_its_own_time(run):
    rows = [(at, "A", {"k": "a", "x": x}) for at, x in ((0, 2), (5_000, 2), (12_000, -1), (30_000, 2))]
    assert run(REMINDS, *rows, until=40_000).when == [
        (0, "event"), (10_000, "after"), (12_000, "cleared"), (30_000, "event"), (40_000, "after"),
    ]  # fmt: skip


def test_l34_it_belongs_to_a_latch(findings):
    text = 'loop one "r" on A per k when x > 1 %s emit OUT { k } after 1m { emit OUT { k } }'
    assert "RE113" in findings(text % "")
    assert "RE113" in findings(text % "for 5m")
    assert "RE113" not in findings(text % "until x < 0")


# ---- during ----------------------------------------------------------------------------------------

HOURS = 'loop one "r" on A when during("* 9-16 * * 1-5", "Europe/Berlin") emit OUT { k }'


@pytest.mark.parametrize(
    ("at", "fired"),
    [
        (7 * 3_600_000 + 59 * 60_000, False),  # Monday 08:59 in Berlin
        (8 * 3_600_000, True),
        (16 * 3_600_000 - 1, True),
        (16 * 3_600_000, False),
        ((5 * 24 + 12) * 3_600_000, False),  # Saturday at noon
    ],
)
def test_during_is_of_the_evaluations_time_in_its_zone(run, at, fired):
    assert bool(run(HOURS, (at, "A", {})).firings) is fired


def test_during_is_read_again_when_a_hold_is_over(run):
    text = 'loop one "r" on A when during("0-29 * * * *") for 10m emit OUT { k }'
    ten, thirty = 600_000, 1_800_000
    assert run(text, (ten, "A", {}), until=7_200_000).times == [2 * ten]
    assert run(text, (thirty - ten, "A", {}), until=7_200_000).times == []
