"""L21 in the engine: periods, the tick's cell, and what a handover makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules_engine.cron import cron
from rules_engine.engine.decision import CellId
from rules_engine.engine.handover import handover
from rules_engine.engine.plan import TickPlan
from rules_engine.engine.state import State
from rules_engine.engine.ticks import missed
from rules_engine.event import Kind, Row

START, MINUTE, HOUR = 1_767_571_200_000, 60_000, 3_600_000
EVERY = TickPlan(keys=(("a",), ("b",)), period_ms=MINUTE)


def swap(w, plan, at, **more):
    decision, report = handover(w.plan, plan, w.state, w.seq, START + at, **more)
    w.state.apply(decision)
    w.plan = plan
    return report


def ticking(build, tick=EVERY, **parts):
    return build.loop(**{"on": (), "tick": tick, "effects": (build.emit(),), **parts})


@pytest.fixture
def loaded(build, world):
    """A world with one loop that ticks each minute for `a` and `b`, loaded at the start."""
    w = world(build.plan())
    swap(w, build.plan(ticking(build)), 0)
    return w


def due(w):
    return None if w.state.next_due_ms is None else w.state.next_due_ms - START


def keys(firings):
    return [(f.time_ms - START, *f.key) for f in firings]


@given(st.integers(0, 10**13), st.integers(1, 10**9))
def test_l21_periods_are_counted_from_the_epoch(ms, period_ms):
    plan = TickPlan(((),), period_ms=period_ms)
    after, until = plan.next_after(ms), plan.last_until(ms)
    assert after % period_ms == until % period_ms == 0
    assert until <= ms < after == until + period_ms


@given(
    st.integers(10**12, 2 * 10**12), st.sampled_from(["* * * * *", "*/5 3 * * *", "0 0 29 2 *", "1 0 1 1 *"])
)
def test_l21_the_latest_instant_is_the_one_before_the_next(ms, text):
    plan = TickPlan(((),), calendar=cron(text, "Europe/Berlin"))
    until = plan.last_until(ms)
    assert until <= ms < plan.next_after(until)


def test_l21_before_the_first_instant_there_is_none():
    assert cron("0 0 29 2 *").last_until(0) is None


def test_l21_each_key_at_each_instant_and_never_twice(loaded):
    assert loaded.tick(MINUTE - 1) == []
    assert keys(loaded.tick(MINUTE)) == [(MINUTE, "a"), (MINUTE, "b")]
    assert loaded.tick(MINUTE) == loaded.tick(2 * MINUTE - 1) == []
    assert keys(loaded.tick(2 * MINUTE)) == [(2 * MINUTE, "a"), (2 * MINUTE, "b")]


def test_l21_missed_ones_collapse_also_over_a_restart(loaded):
    loaded.tick(MINUTE)
    loaded.reload_state()
    assert keys(loaded.tick(HOUR + 1)) == [(HOUR, "a"), (HOUR, "b")]
    assert due(loaded) == HOUR + MINUTE


def test_l21_a_replay_asks_for_the_rows_of_those_missed(loaded):
    late = Row(7, START + 3 * MINUTE, Kind.EVENT, "x", "E", {})
    times = []
    for row in missed(loaded.plan, loaded.state, late):
        times.append(row.time_ms - START)
        loaded.tick(times[-1])
    assert times == [MINUTE, 2 * MINUTE]  # the third is left for the row itself
    assert due(loaded) == 3 * MINUTE


def test_one_keys_fault_is_no_other_keys(build, world):
    def broken(frame):
        if frame.key == ("a",):
            raise RuntimeError("ours")
        return True

    broken.reads = ()
    w = world(build.plan())
    swap(w, build.plan(ticking(build, when=broken)), 0)
    row = Row(1, START + MINUTE, Kind.TICK, "t", "")
    from rules_engine.engine.step import decide

    decision = decide(w.plan, w.state, row)
    assert [failure.key for failure in decision.failures] == [("a",)]
    assert keys(decision.firings) == [(MINUTE, "b")]
    w.state.apply(decision)
    assert due(w) == 2 * MINUTE


# ---- handover ------------------------------------------------------------------------------------


def test_a_kept_loop_ticks_on_and_makes_up_for_what_it_missed(loaded, build):
    report = swap(loaded, build.plan(ticking(build, cooldown_ms=1)), 5 * MINUTE)
    assert report.rejudged == ("loop",)
    assert keys(loaded.tick(5 * MINUTE + 1)) == [(5 * MINUTE, "a"), (5 * MINUTE, "b")]


@pytest.mark.parametrize(("load_ms", "first"), [(None, 6 * MINUTE), (START + HOUR, HOUR + MINUTE)])
def test_a_new_or_changed_loop_begins_at_its_load(loaded, build, load_ms, first):
    report = swap(loaded, build.plan(ticking(build, shape="other")), 5 * MINUTE, load_ms=load_ms)
    assert report.reset == ("loop",)
    assert due(loaded) == first


def test_a_removed_loop_ticks_no_more_and_one_that_comes_back_begins_anew(loaded, build):
    before = loaded.plan
    assert swap(loaded, build.plan(), 0).removed == ("loop",)
    assert due(loaded) is None
    assert not [cell for cell, _ in loaded.state.cells() if cell.scope.startswith("tick:")]
    swap(loaded, before, HOUR)
    assert due(loaded) == HOUR + MINUTE


def test_a_loop_that_hears_events_from_now_on_ticks_no_more(loaded, build):
    swap(loaded, build.plan(build.loop(shape="other")), 0)
    assert due(loaded) is None


def test_a_loop_that_is_off_does_not_tick_until_it_is_on(loaded, build):
    swap(loaded, build.plan(ticking(build, mode="off")), 0)
    assert due(loaded) is None
    swap(loaded, build.plan(ticking(build)), HOUR)
    assert due(loaded) == HOUR + MINUTE


def test_words_gained_tick_too_and_lost_ones_leave_nothing(build, world):
    def plan(*words):
        tick = TickPlan(tuple((word,) for word in words), period_ms=MINUTE)
        loop = ticking(
            build, tick, cooldown_ms=HOUR, effects=(build.set(2.0, hold="active"),), until=build.above(1)
        )
        return build.plan(loop, knobs=(build.knob(),))

    w = world(build.plan())
    swap(w, plan("a", "b"), 0)
    w.tick(MINUTE)
    assert (w.knob(k="a"), w.knob(k="b")) == (2.0, 2.0)
    swap(w, plan("b", "c"), MINUTE)
    assert (w.knob(k="a"), w.knob(k="b")) == (1.0, 2.0)
    assert w.state.get("loop:loop", ("a",)) is None
    assert keys(w.tick(2 * MINUTE)) == [(2 * MINUTE, "c")]  # `b` is in its latch


def test_ticks_may_be_loaded_in_any_order():
    state = State()
    cell = {"T": [[START, "tick", 0]]}
    state.load([(CellId("tick:loop", ()), cell)])
    assert state.next_due_ms == START
