"""L1 to L9 and L33, L34: the order in a loop, holds, latches, damping."""

from __future__ import annotations

from typing import Any

import pytest

from rules_engine.engine import expressions as x
from rules_engine.engine.plan import AfterPlan, TriggerPlan, WindowPlan

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
START = 1_767_571_200_000


def causes(firings: Any) -> list[str]:
    return [firing.cause for firing in firings]


def sent_values(firings: Any) -> list[Any]:
    """The `v` that each firing emitted."""
    return [effect["payload"].get("v") for firing in firings for effect in firing.effects]


# ---- L1, L2 --------------------------------------------------------------------------------------


def test_l01_the_first_that_stops_it_is_the_reason(build, world):
    loop = build.loop(
        on=[TriggerPlan("E", x.compare("!=", x.field("v"), x.const(0)), None)],
        when=build.above(1.0),
        cooldown_ms=10,
        limit=2,
        limit_ms=1_000,
    )
    w = world(build.plan(loop))
    w.send(0, 0.0)
    assert w.reason() == "filter"
    w.send(0, None)
    assert w.reason() == "unknown"
    w.send(0, 1.0)
    assert w.reason() == "condition"
    w.send(0, 2.0)
    assert w.reason() == "fired"
    w.send(5, 2.0)
    assert w.reason() == "cooldown"
    w.send(10, 2.0)
    assert w.reason() == "fired"
    w.send(15, 2.0)
    assert w.reason() == "cooldown"
    w.send(20, 2.0)
    assert w.reason() == "limit"
    w.send(20, 2.0, k="")
    assert [v.reason for v in w.last.verdicts] == ["key"]


def test_l01_off_and_shadow_and_deadband_are_reasons(build, world):
    loops = [
        build.loop("dark", mode="off"),
        build.loop("dim", mode="shadow"),
        build.loop("still", effects=(build.set(1.0),)),
    ]
    w = world(build.plan(*loops, knobs=[build.knob(deadband=0.01)]))
    w.send(0, 1.0)
    assert [(v.loop, v.reason) for v in w.last.verdicts] == [
        ("dark", "off"), ("dim", "shadow"), ("still", "deadband"),
    ]  # fmt: skip


def test_l02_unknown_neither_starts_nor_breaks_a_hold(build, world):
    w = world(build.plan(build.loop(when=build.below(1.0), hold_ms=100)))
    w.send(0, None)
    assert not w.tick(100)
    w.send(200, 0.5)
    w.send(250, None)
    assert w.reason() == "unknown"
    assert causes(w.tick(300)) == ["timer"]


def test_l02_unknown_does_not_clear_a_latch(build, world):
    loop = build.loop(when=build.below(1.0), until=build.above(2.0), cleared=(build.emit(),))
    w = world(build.plan(loop))
    assert causes(w.send(0, 0.5)) == ["event"]
    assert not w.send(1, None)
    assert w.reason() == "unknown"
    assert causes(w.send(2, 3.0)) == ["cleared"]


def test_l02_a_window_skips_an_unknown_sample(build, world):
    loop = build.loop(
        slots=(build.over(100),), effects=(build.emit(v=x.window(0, "avg"), n=x.window(0, "count")),)
    )
    w = world(build.plan(loop))
    w.send(0, 2.0)
    w.send(1, None)
    (firing,) = w.send(2, 4.0)
    assert firing.effects[0]["payload"] == {"k": "a", "v": 3.0, "n": 2}


def test_l02_why_names_the_unknown_field(build, world):
    w = world(build.plan(build.loop(when=build.above(1.0), reads=(("v", x.field("v")),))))
    w.send(0, None)
    assert w.last.verdicts[0].detail == "unknown: v; v = ?"
    w.send(0, 0.5)
    assert w.last.verdicts[0].detail == "v = 0.5"


def test_why_tells_since_when_and_until_when(build, world):
    def detail(seconds, v):
        w.send(seconds * SECOND, v)
        return w.last.verdicts[0].detail

    w = world(
        build.plan(
            build.loop(
                when=build.above(1.0), hold_ms=10 * SECOND, until=build.below(1.0), until_hold_ms=SECOND
            )
        )
    )
    assert detail(1, 2.0) == "since 2026-01-05T00:00:01.000Z, due 2026-01-05T00:00:11.000Z"
    assert detail(12, 2.0) == "since 2026-01-05T00:00:11.000Z"
    assert detail(13, 0.0) == "leaving, due 2026-01-05T00:00:14.000Z"
    w = world(build.plan(build.loop(when=build.above(1.0), hold_ms=SECOND, cooldown_ms=MINUTE)))
    assert detail(0, 2.0)
    assert detail(2, 2.0) == "has fired or been damped in this stretch, since 2026-01-05T00:00:00.000Z"
    w = world(build.plan(build.loop(cooldown_ms=10 * SECOND, limit=1, limit_ms=MINUTE)))
    assert detail(0, 2.0) == "event"
    assert detail(1, 2.0) == "until 2026-01-05T00:00:10.000Z"
    assert detail(10, 2.0) == "1 firings since 2026-01-05T00:00:00.000Z"
    w = world(build.plan(build.loop("loop", on=[TriggerPlan("E", build.above(1.0), None)])))
    assert detail(0, None) == "unknown: v"
    assert w.reason() == "unknown"


# ---- L3 ------------------------------------------------------------------------------------------


def test_l03_without_for_it_fires_on_each_true_event(build, world):
    w = world(build.plan(build.loop(when=build.above(1.0))))
    assert len(w.send(0, 2.0)) == 1
    assert len(w.send(0, 2.0)) == 1
    assert not w.send(0, 1.0)


@pytest.mark.parametrize(("at", "fired"), [(99, False), (100, True), (101, True)])
def test_l03_with_for_it_fires_when_the_hold_is_over(build, world, at, fired):
    w = world(build.plan(build.loop(when=build.above(1.0), hold_ms=100)))
    assert not w.send(0, 2.0)
    firings = w.tick(at)
    assert bool(firings) is fired
    if fired:
        assert firings[0].time_ms == START + 100


def test_l03_an_event_at_the_due_time_comes_after_the_timer(build, world):
    w = world(build.plan(build.loop(when=build.above(1.0), hold_ms=100)))
    w.send(0, 2.0)
    assert causes(w.send(100, 0.5)) == ["timer"]


def test_l03_a_false_event_breaks_the_stretch(build, world):
    w = world(build.plan(build.loop(when=build.above(1.0), hold_ms=100)))
    w.send(0, 2.0)
    w.send(50, 1.0)
    w.send(60, 2.0)
    assert not w.tick(159)
    assert w.tick(160)


def test_l03_once_per_stretch_and_only_false_at_an_event_ends_it(build, world):
    w = world(build.plan(build.loop(when=build.above(1.0), hold_ms=100)))
    w.send(0, 2.0)
    assert w.tick(100)
    assert not w.send(150, 2.0)
    assert w.reason() == "hold"
    assert not w.send(250, None)
    assert not w.tick(1_000)
    w.send(1_000, 0.0)
    w.send(1_001, 2.0)
    assert w.tick(1_101)


def test_l03_the_condition_is_read_once_more_at_the_due_time(build, world):
    when = x.compare(">", x.knob_value("rate", [x.key_part(0)]), x.const(1.0))
    loops = [
        build.loop(when=when, hold_ms=100),
        build.loop("setter", on="F", effects=(build.set(x.field("v")),)),
    ]
    w = world(build.plan(*loops, knobs=[build.knob()]))
    w.send(0, 2.0, type="F")
    w.send(1, 0.0)
    w.send(50, 0.5, type="F")
    assert not w.tick(101), "false at the due time: no firing"
    w.send(102, 2.0, type="F")
    w.send(103, 0.0)
    assert w.tick(203)


def test_l03_unknown_at_the_due_time_lets_the_last_truth_stand(build, world):
    when = x.coalesce(x.compare(">", x.window(0, "avg"), x.const(1.0)), x.const(None))
    w = world(build.plan(build.loop(when=when, hold_ms=100, slots=(build.over(50),))))
    w.send(0, 2.0)
    assert w.tick(100), "the window is empty by then"


def test_l03_a_hold_that_completes_while_damped_has_spent_its_stretch(build, world):
    loop = build.loop(when=build.above(1.0), hold_ms=100, cooldown_ms=1_000)
    w = world(build.plan(loop))
    w.send(0, 2.0)
    assert w.tick(100)
    w.send(200, 0.0)
    w.send(300, 2.0)
    assert not w.tick(400)
    assert w.reason() == "cooldown"
    w.send(1_200, 2.0)
    assert not w.tick(1_500)
    w.send(1_500, 0.0)
    w.send(1_501, 2.0)
    assert w.tick(1_601)


# ---- L4 ------------------------------------------------------------------------------------------


def test_l04_a_latch_fires_on_entry_and_clears_on_exit(build, world):
    loop = build.loop(when=build.below(1.0), until=build.above(2.0), cleared=(build.emit(v=x.field("v")),))
    w = world(build.plan(loop))
    assert causes(w.send(0, 0.5)) == ["event"]
    assert not w.send(1, 0.5)
    assert w.reason() == "active"
    assert not w.send(2, 2.0)
    (firing,) = w.send(3, 2.5)
    assert (firing.cause, firing.effects[0]["payload"]["v"]) == ("cleared", 2.5)
    assert not w.send(4, 3.0), "inactive looks only at `when`"
    assert causes(w.send(5, 0.5)) == ["event"]


def test_l04_one_event_makes_at_most_one_change(build, world):
    loop = build.loop(when=build.above(1.0), until=build.above(1.0))
    w = world(build.plan(loop))
    assert [causes(w.send(n, 2.0)) for n in range(4)] == [["event"], ["cleared"], ["event"], ["cleared"]]


@pytest.mark.parametrize(("at", "cleared"), [(149, False), (150, True)])
def test_l04_until_for_wants_an_unbroken_stretch(build, world, at, cleared):
    loop = build.loop(when=build.below(1.0), until=build.above(2.0), until_hold_ms=50)
    w = world(build.plan(loop))
    w.send(0, 0.5)
    w.send(60, 3.0)
    w.send(80, 1.5)
    w.send(100, 3.0)
    w.send(120, None)
    assert bool(w.tick(at)) is cleared


def test_l04_hold_and_latch_together(build, world):
    loop = build.loop(when=build.below(1.0), hold_ms=100, until=build.above(2.0))
    w = world(build.plan(loop))
    w.send(0, 0.5)
    w.send(50, 3.0)
    assert not w.tick(100), "broken before it was entered"
    w.send(200, 0.5)
    assert causes(w.tick(300)) == ["timer"]
    assert causes(w.send(301, 3.0)) == ["cleared"]
    w.send(302, 0.5)
    assert not w.tick(401)
    assert w.tick(402), "after clearing a new stretch is needed"


# ---- L5 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "cleared"), [(1_099, False), (1_100, True)])
def test_l05_a_sample_that_leaves_a_window_clears_a_latch(build, world, at, cleared):
    count = x.window(0, "count")
    loop = build.loop(
        slots=(build.over(1_000),),
        when=x.compare(">=", count, x.const(2)),
        until=x.compare("<", count, x.const(2)),
        cleared=(build.emit(v=x.field("v")),),
    )
    w = world(build.plan(loop))
    w.send(0, 1.0)
    assert w.send(100, 2.0)
    assert not w.send(150, 3.0)
    firings = w.tick(at)
    assert sent_values(firings) == ([3.0] if cleared else []), "bound is the last trigger event"
    if cleared:
        assert firings[0].time_ms == START + 1_100
        assert firings[0].event_id == "id3"


@pytest.mark.parametrize("in_with", [False, True])
def test_l05_a_sample_that_leaves_a_window_breaks_a_hold(build, world, in_with):
    average = x.local("mean") if in_with else x.window(0, "avg")
    loop = build.loop(
        slots=(build.over(100),),
        locals=(("mean", x.window(0, "avg")),),
        when=x.compare(">", average, x.const(5.0)),
        hold_ms=150,
    )
    w = world(build.plan(loop))
    w.send(0, 20.0)
    w.send(50, 1.0)
    w.send(120, 20.0)
    # at 100 the first sample left and the mean was 1: the stretch broke, and began again at 120
    assert not w.tick(150)
    assert w.tick(270)


def leaving(build, world, until_hold_ms=0):
    """A latch that is left when the mean of the last 100 ms falls under 5."""
    average = x.window(0, "avg")
    loop = build.loop(
        slots=(build.over(100),),
        when=x.compare(">=", average, x.const(5.0)),
        until=x.compare("<", average, x.const(5.0)),
        until_hold_ms=until_hold_ms,
    )
    return world(build.plan(loop))


def test_l05_a_window_that_runs_empty_makes_unknown_and_does_not_clear(build, world):
    w = leaving(build, world)
    w.send(0, 9.0)
    assert not w.tick(1_000)
    assert causes(w.send(1_001, 1.0)) == ["cleared"]


def test_l05_a_sample_that_leaves_starts_and_breaks_the_hold_of_until(build, world):
    w = leaving(build, world, 60)
    w.send(0, 9.0)
    w.send(50, 3.0)
    assert not w.tick(110), "true since 100, when the 9 left"
    assert w.state.next_due_ms == START + 150
    w.send(120, 9.0)
    w.send(121, 1.0)
    assert not w.tick(149), "the 9 at 120 lifted the mean to 6, the 1 took it under 5 again"
    w = leaving(build, world, 200)
    for at, v in ((0, 9.0), (5, 0.0), (10, 0.0), (50, 9.0)):
        w.send(at, v)
    assert w.state.next_due_ms == START + 100
    assert not w.tick(1_000), "true since 5, but at 110 only the last 9 was left: broken"


def test_l05_the_first_sample_to_leave_any_of_the_windows_counts(build, world):
    def is_empty(slot):
        return x.compare("<", x.window(slot, "count"), x.const(1))

    loop = build.loop(slots=(build.over(300), build.over(100)), until=x.or_(is_empty(0), is_empty(1)))
    w = world(build.plan(loop))
    w.send(0, 1.0)
    (firing,) = w.tick(1_000)
    assert firing.time_ms == START + 100


def test_l02_unknown_lets_the_hold_of_until_stand(build, world):
    w = leaving(build, world, 200)
    w.send(0, 9.0)
    w.send(10, 0.0)
    assert not w.tick(209), "empty since 110"
    (firing,) = w.tick(210)
    assert (firing.cause, firing.time_ms) == ("cleared", START + 210)


def test_l01_a_firing_without_a_stopped_set_is_no_deadband(build, world):
    loops = [build.loop("none", effects=()), build.loop("some", effects=(build.set(1.0), build.emit()))]
    w = world(build.plan(*loops, knobs=[build.knob(deadband=0.1)]))
    w.send(0, 1.0)
    assert [v.reason for v in w.last.verdicts] == ["fired", "fired"]


def test_l05_no_evaluation_for_windows_that_the_condition_does_not_read(build, world):
    knob = x.knob_value("rate", [x.key_part(0)])
    loops = [
        build.loop(
            slots=(build.over(100),),
            when=x.compare(">", knob, x.const(0.5)),
            hold_ms=300,
            effects=(build.emit(v=x.window(0, "avg")),),
        ),
        build.loop("setter", on="F", effects=(build.set(x.field("v")),)),
    ]
    w = world(build.plan(*loops, knobs=[build.knob()]))
    w.send(0, 1.0)
    w.send(90, 0.0, type="F")
    w.tick(110)
    w.send(120, 1.0, type="F")
    assert w.tick(300), "the dip was at no event of this loop"


# ---- L6 ------------------------------------------------------------------------------------------


def test_l06_a_firing_binds_the_latest_true_event(build, world):
    loop = build.loop(when=build.above(1.0), hold_ms=100, effects=(build.emit(v=x.field("v")),))
    w = world(build.plan(loop))
    w.send(0, 2.0)
    w.send(50, 3.0)
    w.send(60, None)
    (firing,) = w.tick(100)
    assert sent_values([firing]) == [3.0]
    assert firing.event_id == "id2"


def test_l06_cleared_binds_the_event_that_cleared_also_after_its_hold(build, world):
    loop = build.loop(
        when=build.below(1.0), until=build.above(2.0), until_hold_ms=50, cleared=(build.emit(v=x.field("v")),)
    )
    w = world(build.plan(loop))
    w.send(0, 0.5)
    w.send(10, 3.0)
    w.send(20, 4.0)
    w.send(30, None)
    assert sent_values(w.tick(60)) == [4.0]


# ---- L7 ------------------------------------------------------------------------------------------


def test_l07_loops_see_the_state_before_the_event_and_their_own_sets(build, world):
    rate = x.knob_value("rate", [x.key_part(0)])
    loops = [
        build.loop("a", effects=(build.set(5.0), build.emit(v=rate))),
        build.loop("b", effects=(build.emit(v=rate),)),
    ]
    w = world(build.plan(*loops, knobs=[build.knob()]))
    firings = w.send(0, 1.0)
    assert [f.effects[-1]["payload"]["v"] for f in firings] == [5.0, 1.0]
    firings = w.send(1, 1.0)
    assert [f.effects[-1]["payload"]["v"] for f in firings] == [5.0, 5.0]


def test_l07_loops_run_in_order_of_name_and_timers_by_due_loop_key(build, world):
    loops = [
        build.loop(name, when=build.above(0.0), hold_ms=hold)
        for name, hold in (("b", 100), ("a", 100), ("c", 50))
    ]
    w = world(build.plan(*loops))
    w.send(0, 1.0, k="y")
    w.send(0, 1.0, k="x")
    firings = w.send(100, -1.0, k="x")
    assert [(f.loop, f.key[0]) for f in firings] == [
        ("c", "x"), ("c", "y"), ("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"),
    ]  # fmt: skip


def test_l07_a_with_is_evaluated_once_before_the_effects(build, world):
    rate = x.knob_value("rate", [x.key_part(0)])
    loop = build.loop(locals=(("old", rate),), effects=(build.set(5.0), build.emit(v=x.local("old"))))
    w = world(build.plan(loop, knobs=[build.knob()]))
    (firing,) = w.send(0, 1.0)
    assert firing.effects[-1]["payload"]["v"] == 1.0
    assert firing.because == {"old": 1.0}


# ---- L8, L9 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "fires"), [(99, False), (100, True), (101, True)])
def test_l08_at_exactly_d_the_cooldown_is_over(build, world, at, fires):
    w = world(build.plan(build.loop(cooldown_ms=100)))
    assert w.send(0, 1.0)
    assert bool(w.send(at, 1.0)) is fires


def test_l08_cooldowns_are_per_key(build, world):
    w = world(build.plan(build.loop(cooldown_ms=100)))
    assert w.send(0, 1.0, k="a")
    assert w.send(0, 1.0, k="b")


def test_l08_a_suppressed_event_does_not_prolong_it(build, world):
    w = world(build.plan(build.loop(cooldown_ms=100)))
    w.send(0, 1.0)
    w.send(50, 1.0)
    assert w.send(100, 1.0)


@pytest.mark.parametrize(("at", "fires"), [(149, False), (150, True)])
def test_l08_it_runs_from_clearing_too(build, world, at, fires):
    loop = build.loop(when=build.below(1.0), until=build.above(2.0), cooldown_ms=100)
    w = world(build.plan(loop))
    w.send(0, 0.5)
    assert causes(w.send(50, 3.0)) == ["cleared"], "an exit is never suppressed"
    assert bool(w.send(at, 0.5)) is fires


def test_l08_a_suppressed_entry_leaves_the_latch_inactive(build, world):
    loop = build.loop(when=build.below(1.0), until=build.above(2.0), cooldown_ms=100)
    w = world(build.plan(loop))
    w.send(0, 0.5)
    w.send(10, 3.0)
    assert not w.send(50, 0.5)
    assert not w.send(60, 3.0), "nothing to leave"
    assert not w.tick(110), "and nothing is made up later"
    assert w.send(111, 0.5)


def test_l08_unless_fires_through_and_restarts(build, world):
    loop = build.loop(cooldown_ms=100, unless=build.below(0.45))
    w = world(build.plan(loop))
    assert w.send(0, 1.0)
    assert not w.send(60, 0.45)
    assert w.send(60, 0.4)
    assert not w.send(120, 1.0)
    assert not w.send(120, None), "unknown is not true"
    assert not w.send(159, 1.0)
    assert w.send(160, 1.0)


@pytest.mark.parametrize(("at", "fires"), [(99, False), (100, True)])
def test_l09_the_limit_slides(build, world, at, fires):
    w = world(build.plan(build.loop(limit=2, limit_ms=100)))
    assert w.send(0, 1.0)
    assert w.send(50, 1.0)
    assert not w.send(60, 1.0)
    assert bool(w.send(at, 1.0)) is fires
    if fires:
        assert not w.send(149, 1.0)
        assert w.send(150, 1.0)


def test_l09_per_key_or_overall(build, world):
    w = world(
        build.plan(
            build.loop("each", limit=1, limit_ms=100),
            build.loop("all", limit=1, limit_ms=100, limit_overall=True),
        )
    )
    assert [f.loop for f in w.send(0, 1.0, k="a")] == ["all", "each"]
    assert [f.loop for f in w.send(99, 1.0, k="b")] == ["each"]
    assert [f.loop for f in w.send(100, 1.0, k="c")] == ["all", "each"]


def test_l09_only_firings_count_not_clearings(build, world):
    loop = build.loop(when=build.below(1.0), until=build.above(2.0), limit=2, limit_ms=100)
    w = world(build.plan(loop))
    assert [bool(w.send(n, v)) for n, v in enumerate([0.5, 3.0, 0.5, 3.0, 0.5])] == [
        True,
        True,
        True,
        True,
        False,
    ]


# ---- L33, L34 ------------------------------------------------------------------------------------


def test_l33_shadow_damps_as_if_live_and_does_nothing(build, world):
    rate = x.knob_value("rate", [x.key_part(0)])
    effects = (build.set(2.0, "*="), build.set(2.0, "*="), build.emit(v=rate), build.do())
    w = world(
        build.plan(
            build.loop(mode="shadow", cooldown_ms=100, effects=effects), knobs=[build.knob(drives="H.x")]
        )
    )
    (firing,) = w.send(0, 1.0)
    assert firing.shadow
    assert [e.get("value", e.get("payload", {}).get("v")) for e in firing.effects[:3]] == [2.0, 4.0, 4.0]
    assert [w.last.emitted, w.last.actions, w.last.changes] == [[], [], []]
    assert w.knob() == 1.0
    assert not w.send(99, 1.0)
    (firing,) = w.send(100, 1.0)
    assert firing.effects[0]["value"] == 2.0, "seen inside its own firing only"


@pytest.mark.parametrize(("at", "fired"), [(99, 0), (100, 1), (300, 2)])
def test_l34_after_runs_once_per_activation(build, world, at, fired):
    after = (AfterPlan(100, (build.emit(v=x.const(1.0)),)), AfterPlan(200, (build.emit(v=x.const(2.0)),)))
    loop = build.loop(when=build.below(1.0), until=build.above(2.0), after=after)
    w = world(build.plan(loop))
    w.send(0, 0.5)
    w.send(50, 0.4)
    firings = w.tick(at)
    assert causes(firings) == ["after"] * fired
    assert all(firing.event_id == "id1" for firing in firings)
    assert not w.tick(1_000) or fired < 2


def test_l34_after_is_dropped_on_exit(build, world):
    after = (AfterPlan(100, (build.emit(),)),)
    loop = build.loop(when=build.below(1.0), until=build.above(2.0), after=after)
    w = world(build.plan(loop))
    w.send(0, 0.5)
    w.send(99, 3.0)
    assert not w.tick(100)
    w.send(110, 0.5)
    assert not w.tick(209)
    assert causes(w.tick(210)) == ["after"]


def test_idle_cells_are_forgotten(build, world):
    loop = build.loop(cooldown_ms=100, limit=5, limit_ms=300, slots=(WindowPlan(None, "over", ms=200),))
    w = world(build.plan(loop))
    w.send(0, 1.0)
    w.send(50, 1.0)
    assert list(w.state.cells())
    assert w.state.next_due_ms is None, "forgetting asks for no tick"
    w.tick(299)
    assert list(w.state.cells())
    w.tick(10_000)
    w.tick(10_001)
    assert not list(w.state.cells())
