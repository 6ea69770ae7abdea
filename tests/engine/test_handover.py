"""What becomes of state when the rules change."""

from __future__ import annotations

import pytest

from rules_engine.engine import expressions as x
from rules_engine.engine.control import apply_control
from rules_engine.engine.handover import KEPT_MS, handover
from rules_engine.engine.plan import AfterPlan
from rules_engine.engine.state import State

START = 1_767_571_200_000
HOUR = 3_600_000


def swap(w, plan, at):
    """Put another plan in place, as the daemon would; what it did, and what it says."""
    old, state = w.plan, w.state
    decision, report = handover(old, plan, state, w.seq, START + at)
    again, _ = handover(None, plan, state, w.seq, START + at)
    assert again.cells == decision.cells, "what is known of the old set stands in the state"
    state.apply(decision)
    w.plan = plan
    return decision, report


def begin(build, world, *loops, **parts):
    w = world(build.plan())
    _, report = swap(w, build.plan(*loops, **parts), 0)
    assert report.added == tuple(sorted(loop.name for loop in loops))
    return w


def test_same_shape_is_kept_also_when_a_threshold_changes(build, world):
    w = begin(build, world, build.loop(when=build.above(1.0), hold_ms=100))
    w.send(0, 2.0)
    _, report = swap(w, build.plan(build.loop(when=build.above(1.5), hold_ms=100)), 50)
    assert (report.kept, report.rejudged, report.timers) == (("loop",), (), 1)
    assert w.tick(100)


@pytest.mark.parametrize(("hold", "due"), [(200, 200), (60, 60), (20, 50)])
def test_a_changed_for_is_judged_anew_against_the_kept_start(build, world, hold, due):
    w = begin(build, world, build.loop(when=build.above(1.0), hold_ms=100))
    w.send(0, 2.0)
    _, report = swap(w, build.plan(build.loop(when=build.above(1.0), hold_ms=hold)), 50)
    assert report.rejudged == ("loop",)
    assert w.state.next_due_ms == START + due
    (firing,) = w.tick(due)
    assert firing.time_ms == START + due


@pytest.mark.parametrize(("cooldown", "free"), [(300, 300), (50, 60)])
def test_a_changed_cooldown_too(build, world, cooldown, free):
    w = begin(build, world, build.loop(cooldown_ms=100))
    w.send(0, 1.0)
    swap(w, build.plan(build.loop(cooldown_ms=cooldown)), 60)
    if free > 60:
        assert not w.send(free - 1, 1.0)
    assert w.send(free, 1.0)


def test_other_shape_is_reset_and_lets_go_of_its_knobs(build, world):
    latch = {"when": build.below(1.0), "until": build.above(2.0), "effects": (build.set(0.5, hold="active"),)}
    w = begin(build, world, build.loop(**latch), knobs=[build.knob(drives="H.x")])
    w.send(0, 0.5)
    decision, report = swap(w, build.plan(build.loop(shape="t", **latch), knobs=w.plan.knobs.values()), 10)
    assert report.reset == ("loop",)
    assert [(c.cause, c.new) for c in decision.changes] == [("release", 1.0)]
    assert [a.action for a in decision.actions] == ["H.x"]
    assert w.state.get("loop:loop", ("a",)) is None
    assert w.send(20, 0.5)


def test_other_windows_are_another_shape(build, world):
    w = begin(build, world, build.loop(slots=(build.over(100),)))
    w.send(0, 1.0)
    _, report = swap(w, build.plan(build.loop(slots=(build.over(200),))), 10)
    assert report.reset == ("loop",)


def test_until_removed_ends_the_latch(build, world):
    w = begin(
        build, world, build.loop(when=build.below(1.0), until=build.above(2.0), after=(AfterPlan(99, ()),))
    )
    w.send(0, 0.5)
    _, report = swap(w, build.plan(build.loop(when=build.below(1.0))), 10)
    assert (report.rejudged, report.timers) == (("loop",), 0)
    assert w.send(11, 0.5)


@pytest.mark.parametrize(("away", "kept"), [(KEPT_MS - 1, True), (KEPT_MS, False)])
def test_removed_is_kept_a_day_in_case_it_comes_back(build, world, away, kept):
    loop = build.loop(when=build.above(1.0), hold_ms=100 * HOUR)
    w = begin(build, world, loop)
    w.send(0, 2.0)
    _, report = swap(w, build.plan(), 10)
    assert (report.removed, report.timers) == (("loop",), 0)
    w.tick(10 + away)
    assert bool(w.state.get("loop:loop", ("a",))) is kept
    _, report = swap(w, build.plan(loop), 10 + away)
    assert (report.kept, report.added) == ((("loop",), ()) if kept else ((), ("loop",)))
    assert w.state.next_due_ms == (START + 100 * HOUR if kept else None)
    _, report = swap(w, build.plan(), 20 + away)
    _, report = swap(w, build.plan(), 30 + away)
    assert report.removed == (), "announced once"


def test_removed_lets_go_of_its_knobs(build, world):
    latch = build.loop(
        when=build.below(1.0), until=build.above(2.0), effects=(build.set(0.5, hold="active"),)
    )
    w = begin(build, world, latch, knobs=[build.knob()])
    w.send(0, 0.5)
    swap(w, build.plan(knobs=[build.knob()]), 10)
    assert w.knob() == 1.0
    swap(w, build.plan(latch, knobs=[build.knob()]), 20)
    assert w.send(30, 0.5)
    assert w.knob() == 0.5


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_a_loop_taken_out_of_life_lets_go(build, world, mode):
    latch = {"when": build.below(1.0), "until": build.above(2.0), "effects": (build.set(0.5, hold="active"),)}
    w = begin(build, world, build.loop(**latch), knobs=[build.knob()])
    w.send(0, 0.5)
    swap(w, build.plan(build.loop(mode=mode, **latch), knobs=[build.knob()]), 10)
    assert w.knob() == 1.0


def test_switched_off_by_hand_stays_off(build, world):
    w = begin(build, world, build.loop())
    w.state.apply(apply_control(w.plan, w.state, "off", {"loop": "loop"}, 0, START))
    swap(w, build.plan(build.loop(shape="other")), 10)
    assert not w.send(20, 1.0)


def test_knobs_are_fitted_to_changed_ranges(build, world):
    setter = build.loop(effects=(build.set(x.field("v"), hold=HOUR),))
    w = begin(build, world, setter, knobs=[build.knob()])
    w.send(0, 8.0)
    decision, report = swap(w, build.plan(setter, knobs=[build.knob(high=5.0)]), 10)
    assert (w.knob(), report.knobs, len(decision.changes)) == (5.0, ("rate",), 1)
    w.tick(HOUR)
    assert w.knob() == 1.0
    _, report = swap(w, build.plan(setter, knobs=[build.knob(high=5.0)]), HOUR)
    assert report.knobs == ()


def test_a_knob_that_becomes_words_takes_its_default(build, world):
    setter = build.loop(effects=(build.set(x.field("v")),))
    w = begin(build, world, setter, knobs=[build.knob()])
    w.send(0, 8.0)
    swap(w, build.plan(setter, knobs=[build.knob(words=("off", "on"), default="off")]), 10)
    assert w.knob() == "off"


def test_a_changed_decay_takes_hold(build, world):
    setter = build.loop(effects=(build.set(x.field("v")),))
    w = begin(build, world, setter, knobs=[build.knob(default=0.0)])
    w.send(0, 8.0)
    swap(w, build.plan(setter, knobs=[build.knob(default=0.0, decay_ms=1_000)]), 1_000)
    assert w.knob() == 4.0
    w.tick(2_000)
    assert w.knob() == 2.0


def test_handover_of_nothing_to_the_same_is_quiet(build, world):
    plan = build.plan(build.loop(), knobs=[build.knob()])
    state = State()
    decision, _ = handover(None, plan, state, 0, START)
    state.apply(decision)
    decision, report = handover(plan, plan, state, 0, START + 5)
    assert report.kept == ("loop",)
    state.apply(decision)
    before = dict(state.cells())
    state.apply(handover(plan, plan, state, 0, START + 9)[0])
    assert dict(state.cells()) == before


@pytest.mark.parametrize(("at", "young"), [(99, True), (100, False)])
def test_l13_why_tells_the_age_of_windows_that_are_not_full(build, world, at, young):
    w = begin(build, world, build.loop(slots=(build.over(100),), when=build.above(9.0)))
    w.send(at, 1.0)
    assert ("windows remember since 2026-01-05T00:00:00.000Z" in w.last.verdicts[0].detail) is young
