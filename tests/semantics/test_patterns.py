"""Triggers of several events, of silence, of knobs; gathering (L10, L18 to L20, L27)."""

from __future__ import annotations

import pytest

from rules_engine.event import Kind

MINUTE = 60_000


def once(text: str, effect: str = "emit OUT { v: 1 }") -> str:
    return f'loop one "r" {text} {effect}'


# ---- L15, L18: sequences -------------------------------------------------------------------------


def test_l18_a_sequence_fires_at_its_last_event(run):
    found = run(once("on A then B within 1m"), (0, "A", {}), (10, "B", {}))
    assert found.when == [(10, "event")]
    assert found.firings[0].event_id == "e2"


def test_l18_the_order_matters(run):
    assert run(once("on A then B within 1m"), (0, "B", {}), (10, "A", {})).times == []


@pytest.mark.parametrize(("at", "fires"), [(MINUTE - 1, True), (MINUTE, False)])
def test_l18_within_runs_from_the_first_event(run, at, fires):
    text = once("on A then B then C within 1m")
    assert bool(run(text, (0, "A", {}), (MINUTE - 2, "B", {}), (at, "C", {})).times) is fires


def test_l18_a_completed_match_is_used_up(run):
    events = [(0, "A", {}), (1, "B", {}), (2, "B", {}), (3, "A", {}), (4, "B", {})]
    assert run(once("on A then B within 1m"), *events).times == [1, 4]


def test_l18_a_completed_match_is_used_up_whatever_when_says(run):
    events = [(0, "A", {}), (1, "B", {"x": 0}), (2, "B", {"x": 1}), (3, "A", {}), (4, "B", {"x": 1})]
    assert run(once("on A then B as b1 within 1m when b1.x > 0"), *events).times == [4]


def test_l18_a_new_a_restarts_a_match_that_ends_in_an_event(run):
    """The latest A counts: its fields are bound, and time runs from it."""
    text = once("on A as a then B within 1m", "emit OUT { v: a.x }")
    found = run(text, (0, "A", {"x": 1}), (MINUTE - 1, "A", {"x": 2}), (MINUTE + 5, "B", {}))
    assert [payload["v"] for payload in found.emitted] == [2.0]


def test_l18_and_takes_back_the_steps_taken(run):
    events = [(0, "A", {}), (1, "B", {}), (2, "A", {}), (3, "C", {}), (4, "B", {}), (5, "C", {})]
    assert run(once("on A then B then C within 1m"), *events).times == [5]


def test_l18_a_step_already_taken_is_not_replaced(run):
    text = once("on A then B as b1 then C within 1m", "emit OUT { v: b1.x }")
    found = run(text, (0, "A", {}), (1, "B", {"x": 1}), (2, "B", {"x": 2}), (3, "C", {}))
    assert found.emitted == [{"v": 1.0}]


def test_l18_each_step_needs_a_later_position(run):
    """One event takes one step, also where it fits two."""
    assert run(once("on A then A within 1m"), (0, "A", {}), (1, "A", {}), (2, "A", {})).times == [1]
    assert run(once("on A then A then A within 1m"), (0, "A", {}), (1, "A", {}), (1, "A", {})).times == [1]


def test_l18_a_no_in_the_middle_kills_the_match(run):
    text = once("on A then no B then C within 1m")
    assert run(text, (0, "A", {}), (1, "B", {}), (2, "C", {})).times == []
    assert run(text, (0, "B", {}), (1, "A", {}), (2, "C", {}), (3, "B", {})).times == [2]
    assert run(text, (0, "A", {}), (1, "B", {}), (2, "A", {}), (3, "C", {})).times == [3]


def test_l18_a_no_between_watches_only_its_own_stretch(run):
    text = once("on A then B then no C then A within 1m")
    assert run(text, (0, "A", {}), (1, "C", {}), (2, "B", {}), (3, "A", {})).times == [3]
    assert run(text, (0, "A", {}), (1, "B", {}), (2, "C", {}), (3, "A", {})).times == []


def test_l18_a_sequence_ending_in_no_fires_when_its_time_is_over(run):
    text = once("on A then no B within 1m", "emit OUT { v: x }")
    assert run(text, (0, "A", {"x": 3}), until=MINUTE - 1).times == []
    found = run(text, (0, "A", {"x": 3}), until=MINUTE)
    assert found.when == [(MINUTE, "timer")]
    assert found.firings[0].event_id == "e1"
    assert found.emitted == [{"v": 3.0}]


@pytest.mark.parametrize(("at", "fires"), [(MINUTE - 1, False), (MINUTE, True)])
def test_l18_what_must_not_come_is_late_at_the_very_end(run, at, fires):
    found = run(once("on A then no B within 1m"), (0, "A", {}), (at, "B", {}), until=2 * MINUTE)
    assert bool(found.times) is fires


def test_l18_one_that_ends_in_no_keeps_the_earliest(run):
    """Or a regular A would hide for ever that no B comes."""
    text = once("on A as a then no B within 1m", "emit OUT { v: a.x }")
    events = [(n * 30_000, "A", {"x": n}) for n in range(5)]
    assert [payload["v"] for payload in run(text, *events).emitted] == [0.0, 2.0]


def test_l18_one_that_ends_in_no_needs_its_other_steps(run):
    text = once("on A then B then no C within 1m")
    assert run(text, (0, "A", {}), until=2 * MINUTE).times == []
    assert run(text, (0, "A", {}), (MINUTE - 1, "B", {}), until=2 * MINUTE).times == [MINUTE]
    assert run(text, (0, "A", {}), (1, "C", {}), (2, "B", {}), until=2 * MINUTE).times == [MINUTE]
    assert run(text, (0, "A", {}), (1, "B", {}), (2, "C", {}), until=2 * MINUTE).times == []


def test_l18_per_key_one_match_is_open(run):
    text = once("on A then B within 1m per k", "emit OUT { k }")
    events = [(0, "A", {"k": "a"}), (1, "A", {"k": "b"}), (2, "B", {"k": "b"}), (3, "B", {"k": "c"})]
    assert run(text, *events, (4, "B", {"k": "a"})).emitted == [{"k": "b"}, {"k": "a"}]


def test_l18_filters_belong_to_their_steps(run):
    text = once("on A[x > 1] as a1 then A[x < 1] as b1 within 1m", "emit OUT { l: [a1.x, b1.x] }")
    events = [(n, "A", {"x": x}) for n, x in enumerate((0, 2, 1, 3, 0, 0))]
    assert [payload["l"] for payload in run(text, *events).emitted] == [[3.0, 0.0]]


def test_l18_windows_take_the_match_as_one_event(run):
    text = once(
        "on A as a1 then B as b1 within 1m", "emit OUT { v: sum(b1.x - a1.x over 1h), n: count(over 1h) }"
    )
    events = [(0, "A", {"x": 1}), (1, "B", {"x": 3}), (2, "A", {"x": 1}), (3, "B", {"x": 11})]
    assert run(text, *events).emitted == [{"v": 2.0, "n": 1}, {"v": 12.0, "n": 2}]


def test_l18_a_sequence_is_damped_like_any_trigger(run):
    events = [event for n in range(0, 40, 10) for event in ((n, "A", {}), (n + 1, "B", {}))]
    assert run(once("on A then B within 1m cooldown 20ms"), *events).times == [1, 21]


def test_l15_a_bare_name_in_a_sequence_must_mean_one_event(findings):
    declared = (
        'event P { k: str, p: float, both: float } from "t" '
        'event Q { k: str, q: float, both: float } from "t" '
    )
    sequence = 'loop one "r" on P as p1 then Q as q1 within 1h per k emit OUT { k, v: %s }'
    assert "RE111" in findings(declared + sequence % "both")
    assert findings(declared + sequence % "p1.both + p + q") == findings(declared + sequence % "q1.both")


def test_l15_after_no_there_is_nothing_to_name(findings):
    assert "RE113" in findings(once("on A then no B as b within 1m"))
    assert "RE113" in findings(once("on A then no B then no C within 1m"))
    assert "RE113" not in findings(once("on A then no B then C within 1m"))


def test_l15_the_absent_event_does_not_make_names_ambiguous(findings):
    assert "RE111" not in findings(once("on A then no B within 1m", "emit OUT { v: x }"))


def test_l31_failed_sees_the_whole_sequence(session):
    text = 'loop one "r" on A as a then B within 1m do H.act() failed { emit OUT { v: a.x } }'
    first = session(text, (0, "A", {"x": 7}), (1, "B", {"x": 1}))
    action = first.all("actions")[0]
    outcome = {
        "loop": "one",
        "key": [],
        "trigger": action.trigger,
        "position": action.position,
        "n": action.n,
    }
    found = session(text, (0, "A", {"x": 7}), (1, "B", {"x": 1}), (2, "outcome", outcome))
    assert [row.payload for row in found.all("emitted")] == [{"v": 7.0}]


# ---- L19: repetition -----------------------------------------------------------------------------


def test_l19_it_fires_on_the_nth_and_starts_again_from_zero(run):
    found = run(once("on 3 A within 1m"), *[(n, "A", {}) for n in range(8)])
    assert found.times == [2, 5]
    assert [firing.event_id for firing in found.firings] == ["e3", "e6"]


@pytest.mark.parametrize(("at", "fires"), [(MINUTE - 1, True), (MINUTE, False)])
def test_l19_at_exactly_d_the_first_is_over(run, at, fires):
    assert bool(run(once("on 2 A within 1m"), (0, "A", {}), (at, "A", {})).times) is fires


def test_l19_the_window_slides(run):
    events = [(0, "A", {}), (50_000, "A", {}), (70_000, "A", {}), (80_000, "A", {})]
    assert run(once("on 3 A within 1m"), *events).times == [80_000]


def test_l19_one_is_every_one(run):
    assert run(once("on 1 A within 1m"), (0, "A", {}), (1, "A", {})).times == [0, 1]


def test_l19_the_filter_counts(run):
    events = [(n, "A", {"x": n % 2}) for n in range(5)]
    assert run(once("on 2 A[x > 0] within 1m"), *events).times == [3]


def test_l19_windows_take_every_event(run):
    found = run(
        once("on 2 A within 1m", "emit OUT { v: avg(x over 1h) }"), (0, "A", {"x": 1}), (1, "A", {"x": 3})
    )
    assert found.emitted == [{"v": 2.0}]


def test_l19_the_nth_is_used_up_whatever_when_says(run):
    events = [(n, "A", {"x": n}) for n in range(4)]
    assert run(once("on 2 A within 1m when x > 1"), *events).times == [3]


# ---- L20: absence --------------------------------------------------------------------------------

DEAD = 'loop one "r" on no A within 1m per k emit OUT { k, v: 1 } cleared { emit OUT { k, v: 0 } }'


def test_l20_counting_starts_with_the_keys_first_event(run):
    assert run(DEAD, (0, "B", {"k": "a"}), until=9 * MINUTE).times == []
    assert run(DEAD, (0, "A", {"k": "a"}), until=MINUTE - 1).times == []
    found = run(DEAD, (0, "A", {"k": "a"}), until=MINUTE)
    assert found.when == [(MINUTE, "timer")]
    assert found.firings[0].event_id == "e1"


def test_l20_it_fires_once_per_silence_and_the_next_event_clears_it(run):
    found = run(DEAD, (0, "A", {"k": "a"}), (5 * MINUTE, "A", {"k": "a"}), until=9 * MINUTE)
    assert found.when == [(MINUTE, "timer"), (5 * MINUTE, "cleared"), (6 * MINUTE, "timer")]
    assert found.emitted == [{"k": "a", "v": 1.0}, {"k": "a", "v": 0.0}, {"k": "a", "v": 1.0}]


@pytest.mark.parametrize(("at", "fires"), [(MINUTE - 1, False), (MINUTE, True)])
def test_l20_an_event_in_time_starts_it_anew(run, at, fires):
    found = run(DEAD, (0, "A", {"k": "a"}), (at, "A", {"k": "a"}), until=at + MINUTE - 1)
    assert bool(found.times) is fires


def test_l20_without_a_key_counting_starts_at_load(run):
    """In a replay that is the time of the first row."""
    text = once("on no A within 1m")
    assert run(text, (0, "B", {}), until=MINUTE - 1).times == []
    found = run(text, (0, "B", {}), until=5 * MINUTE)
    assert found.when == [(MINUTE, "timer")]


def test_l20_then_its_fields_are_unknown(run, findings):
    text = once("on no A within 1m", "emit OUT { v: x ?? 5 }")
    assert run(text, (0, "B", {}), until=MINUTE).emitted == [{"v": 5.0}]
    strict = 'event P { p: float } from "t" event STRICT { v: float } '
    assert "RE204" in findings(strict + once("on no P within 1m", "emit STRICT { v: p }"))


def test_l20_when_is_read_once_the_silence_is_there(run):
    text = once("on no A within 1m when count(B over 5m) > 0")
    assert run(text, (0, "A", {}), until=9 * MINUTE).times == []
    assert run(text, (0, "A", {}), (1, "B", {}), until=9 * MINUTE).times == [MINUTE]


def test_l20_it_is_a_latch(run):
    text = 'loop one "r" on no A within 1m per k set rate = 5 while active'
    found = run(text, (0, "A", {"k": "a"}), (2 * MINUTE, "A", {"k": "a"}), (2 * MINUTE, "A", {"k": "a"}))
    assert found.sets == [("rate", 5.0, "a"), ("rate", 1.0, "a")]


@pytest.mark.parametrize("rest", ["when x > 1 until x < 1", "when x > 1 for 1m", "gather 1m"])
def test_l20_and_has_no_other_end(findings, rest):
    assert "RE113" in findings(once(f"on no A within 1m {rest}"))


def test_l20_a_suppressed_silence_is_not_made_up_for(run):
    events = [(0, "A", {"k": "a"}), (2 * MINUTE, "A", {"k": "a"})]
    text = 'loop one "r" on no A within 1m per k cooldown 10m emit OUT { k }'
    assert run(text, *events, until=20 * MINUTE).when == [(MINUTE, "timer"), (2 * MINUTE, "cleared")]


# ---- L27: changes of a knob ----------------------------------------------------------------------

KNOBS = 'loop set_it "r" on A per k set rate = x for 1m '


def test_l27_a_loop_hears_every_change_with_its_cause(run):
    text = KNOBS + 'loop watch "r" on change of rate per k emit OUT { k, l: [key, old, new, cause, depth] }'
    found = run(text, (0, "A", {"k": "a", "x": 5}), until=MINUTE).of("watch")
    assert found.times == [0, MINUTE]
    assert [payload["l"] for payload in found.emitted] == [
        ["a", 1.0, 5.0, "set_it", 1],
        ["a", 5.0, 1.0, "release", 1],
    ]


def test_l27_a_change_is_an_event_of_the_log(session):
    text = KNOBS + 'loop watch "r" on change of rate per k emit OUT { k }'
    logged = session(text, (0, "A", {"k": "a", "x": 5})).all("emitted")
    assert [(row.kind, row.type) for row in logged] == [
        (Kind.EMITTED, "change of rate"),
        (Kind.EMITTED, "OUT"),
    ]
    assert logged[1].cause == logged[0].id


def test_l27_a_set_that_changes_nothing_is_no_change(run):
    text = KNOBS + 'loop watch "r" on change of rate per k emit OUT { k }'
    assert run(text, (0, "A", {"k": "a", "x": 1})).of("watch").times == []


def test_l27_the_key_is_the_knobs(findings):
    assert "RE102" in findings('loop watch "r" on change of rate per config emit OUT { v: new }')


# ---- L10: gathering ------------------------------------------------------------------------------


def test_l10_it_fires_so_long_after_the_first(run):
    found = run(
        once("on A gather 10ms", "emit OUT { v: x }"), *[(n, "A", {"x": n}) for n in (0, 4, 9)], until=99
    )
    assert found.when == [(10, "timer")]
    assert found.emitted == [{"v": 9.0}]  # the latest event is bound (L6)
    assert found.firings[0].event_id == "e3"


def test_l10_an_event_at_the_very_end_is_the_first_of_the_next(run):
    assert run(once("on A gather 10ms"), (0, "A", {}), (10, "A", {}), until=99).times == [10, 20]


def test_l10_quiet_waits_for_a_pause(run):
    text = once("on A gather quiet 10ms")
    assert run(text, (0, "A", {}), (9, "A", {}), (18, "A", {}), until=99).times == [28]
    assert run(text, (0, "A", {}), (10, "A", {}), until=99).times == [10, 20]


def test_l10_both_whichever_is_first(run):
    text = once("on A gather 15ms quiet 10ms")
    assert run(text, (0, "A", {}), (9, "A", {}), until=99).times == [15]
    assert run(text, (0, "A", {}), until=99).times == [10]


def test_l10_at_n_it_fires_at_once(run):
    found = run(once("on A gather 10ms max 3"), *[(n, "A", {}) for n in range(4)], until=99)
    assert found.when == [(2, "event"), (13, "timer")]


def test_l10_it_takes_events_whose_when_is_true(run):
    text = once("on A when x > 0 gather 10ms", "emit OUT { v: sum(x), n: count() }")
    events = [(n, "A", {"x": x}) for n, x in enumerate((0, 1, 0, 2))]
    found = run(text, *events, until=99)
    assert found.times == [11]
    assert found.emitted == [{"v": 3.0, "n": 2}]


def test_l10_aggregates_without_a_span_range_over_the_events_of_the_firing(run):
    text = once(
        "on A gather 10ms", "emit OUT { l: [count(), sum(x), avg(x), min(x), max(x), first(x), last(x)] }"
    )
    events = [(0, "A", {"x": 1}), (1, "A", {"x": 5}), (20, "A", {"x": 7})]
    assert [payload["l"] for payload in run(text, *events, until=99).emitted] == [
        [2, 6.0, 3.0, 1.0, 5.0, 1.0, 5.0],
        [1, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0],
    ]


def test_l10_a_damped_batch_is_gone(run):
    text = once("on A gather 10ms cooldown 100ms", "emit OUT { n: count() }")
    found = run(text, (0, "A", {}), (50, "A", {}), (200, "A", {}), until=999)
    assert found.times == [10, 210]
    assert [payload["n"] for payload in found.emitted] == [1, 1]


def test_l10_per_key(run):
    text = once("on A per k gather 10ms", "emit OUT { k, n: count() }")
    found = run(text, (0, "A", {"k": "a"}), (5, "A", {"k": "b"}), (6, "A", {"k": "a"}), until=99)
    assert found.emitted == [{"k": "a", "n": 2}, {"k": "b", "n": 1}]


@pytest.mark.parametrize("rest", ["when x > 1 for 1m", "when x > 1 until x < 1"])
def test_l10_it_does_not_go_with_for_or_until(findings, rest):
    assert "RE113" in findings(once(f"on A {rest} gather 1m"))


def test_l10_what_is_gathered_does_not_depend_on_what_was(findings):
    assert "RE221" in findings(once("on A when count() < 3 gather 1m"))
    assert "RE221" not in findings(once("on A when count(over 1m) < 3 gather 1m", "emit OUT { n: count() }"))
    assert "RE221" in findings(once("on A gather 1m", "emit OUT { n: count(B) }"))


def test_l01_gathering_is_a_reason(session):
    found = session(once("on A gather 1m"), (0, "A", {}))
    assert [verdict.reason for verdict in found.all("verdicts")] == ["gather"]
