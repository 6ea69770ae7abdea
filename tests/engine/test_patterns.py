"""Matches in the making, by themselves and in a loop's cell."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules_engine.engine.control import apply_control
from rules_engine.engine.handover import handover
from rules_engine.engine.patterns import advance, awaits_silence, bound_of, fields_of, repeated
from rules_engine.engine.plan import (
    AbsencePlan,
    GatherPlan,
    RepeatPlan,
    SequencePlan,
    TriggerPlan,
)

START = 1_767_571_200_000
AB = SequencePlan(("a", "b"), (False, False), 100)
A_NO_B = SequencePlan(("a", None), (False, True), 100)


def bound(name: str, **payload) -> dict:
    return {"id": name, "type": name.upper(), "alias": None, "payload": payload}


def walk(plan: SequencePlan, *events: tuple[int, set[int]]) -> list[int]:
    """The times at which events complete a match."""
    match, found = None, []
    for at, passed in events:
        match, complete = advance(plan, match, passed, bound(f"e{at}"), at)
        found += [at] if complete else []
    return found


@pytest.mark.parametrize(("at", "complete"), [(99, [99]), (100, [])])
def test_a_match_is_over_at_exactly_within(at, complete):
    assert walk(AB, (0, {0}), (at, {1})) == complete


def test_an_event_that_fits_two_steps_takes_the_next_one():
    assert walk(AB, (0, {0, 1}), (1, {0, 1}), (2, {0, 1}), (3, {0, 1})) == [1, 3]


def test_an_event_that_fits_no_step_changes_nothing():
    match, _ = advance(AB, None, {0}, bound("one"), 0)
    assert advance(AB, match, set(), bound("other"), 1) == (match, None)


def test_the_state_is_not_changed_in_place():
    plan = SequencePlan((None,) * 3, (False,) * 3, 100)
    first, _ = advance(plan, None, {0}, bound("one"), 0)
    before = {**first, "b": list(first["b"])}
    advance(plan, first, {1}, bound("two"), 1)
    assert first == before


def test_what_must_not_come_is_awaited_only_behind_all_other_steps():
    plan = SequencePlan((None, None, None), (False, False, True), 100)
    match, _ = advance(plan, None, {0}, bound("a"), 0)
    assert not awaits_silence(plan, match)
    match, _ = advance(plan, match, {2}, bound("c"), 1)
    match, _ = advance(plan, match, {1}, bound("b"), 2)
    assert awaits_silence(plan, match)
    assert advance(plan, match, {2}, bound("c"), 3) == (None, None)
    assert not awaits_silence(AB, {"t": 0, "n": 0, "b": []})


def test_the_event_that_kills_a_match_may_begin_another():
    match, _ = advance(A_NO_B, None, {0}, bound("one"), 0)
    match, _ = advance(A_NO_B, match, {0, 1}, bound("two"), 5)
    assert (match["t"], match["b"][0]["id"]) == (5, "two")


def test_a_match_binds_its_last_event_and_shows_all():
    match = {"t": 0, "n": 1, "b": [bound("one", x=1, only=2), bound("two", x=3)]}
    whole = bound_of(AB, match)
    assert whole["id"] == "two"
    assert fields_of(whole) == ({"x": 3, "only": 2}, {"a": {"x": 1, "only": 2}, "b": {"x": 3}})
    assert fields_of(bound("one", x=1)) == ({"x": 1}, None)


@given(st.lists(st.integers(0, 60), max_size=12), st.integers(1, 4), st.integers(1, 50))
@settings(deadline=None)
def test_a_repetition_counts_what_lies_within(gaps, count, within):
    """Against its definition: the nth of those since the last firing that are younger than `within`."""
    times, open_, fired = list(itertools.accumulate(gaps)), [], []
    since = 0
    for index, now in enumerate(times):
        open_, complete = repeated(RepeatPlan(count, within), open_, now)
        expected = sum(now - time < within for time in times[since : index + 1]) >= count
        assert complete is expected
        if complete:
            fired.append(now)
            since = index + 1
    assert len(open_) < count


# ---- in a loop's cell ------------------------------------------------------------------------------


def sequence(build, plan, *events, **parts):
    triggers = [TriggerPlan(event, None, plan.aliases[n], n) for n, event in enumerate(events)]
    return build.loop(on=triggers, pattern=plan, **parts)


def of(build, *names):
    return [build.number(name) for name in names]


def swap(w, plan, at):
    decision, report = handover(w.plan, plan, w.state, w.seq, START + at)
    w.state.apply(decision)
    w.plan = plan
    return report


def test_a_match_is_forgotten_when_its_time_is_over(build, world):
    w = world(build.plan(sequence(build, AB, "A", "B"), events=of(build, "A", "B")))
    w.send(0, 1.0, type="A")
    w.tick(99)
    assert w.state.get("loop:loop", ("a",))
    w.tick(100)
    assert w.state.get("loop:loop", ("a",)) is None


def test_a_match_survives_a_restart(build, world):
    w = world(build.plan(sequence(build, A_NO_B, "A", "B"), events=of(build, "A", "B")))
    w.send(0, 1.0, type="A")
    w.reload_state()
    (firing,) = w.tick(500)
    assert (firing.time_ms, firing.cause) == (START + 100, "timer")


def silence(build, **parts):
    return build.loop(pattern=AbsencePlan(100), **parts)


def test_a_silence_is_counted_from_load_without_a_key(build, world):
    w = world(build.plan())
    assert swap(w, build.plan(silence(build, per=())), 50).timers == 1
    assert [firing.time_ms for firing in w.tick(1_000)] == [START + 150]


def test_a_kept_loop_goes_on_counting(build, world):
    w = world(build.plan())
    swap(w, build.plan(silence(build, per=())), 0)
    swap(w, build.plan(silence(build, per=(), cooldown_ms=5)), 60)
    assert w.state.next_due_ms == START + 100


def test_what_came_while_a_loop_was_away_it_has_not_heard(build, world):
    w = world(build.plan())
    swap(w, build.plan(silence(build, per=())), 0)
    swap(w, build.plan(), 10)
    assert w.state.next_due_ms is None
    swap(w, build.plan(silence(build, per=())), 500)
    assert w.state.next_due_ms == START + 600


def test_a_loop_that_is_off_counts_no_silence(build, world):
    w = world(build.plan())
    swap(w, build.plan(silence(build, per=())), 0)
    w.state.apply(apply_control(w.plan, w.state, "off", {"loop": "loop"}, w.seq, START + 50))
    assert w.tick(300) == []
    w.state.apply(apply_control(w.plan, w.state, "on", {"loop": "loop"}, w.seq, START + 310))
    (firing,) = w.tick(1_000)
    assert START + 310 < firing.time_ms <= START + 410


def test_a_batch_is_dropped_with_the_clause(build, world):
    w = world(build.plan())
    swap(w, build.plan(build.loop(gather=GatherPlan(100, None, None))), 0)
    w.send(1, 1.0)
    assert w.state.next_due_ms == START + 101
    report = swap(w, build.plan(build.loop()), 2)
    assert (report.rejudged, report.timers) == (("loop",), 0)


def test_a_batch_is_judged_anew_by_a_changed_clause(build, world):
    w = world(build.plan())
    swap(w, build.plan(build.loop(gather=GatherPlan(100, None, None))), 0)
    w.send(1, 1.0)
    swap(w, build.plan(build.loop(gather=GatherPlan(None, 30, None))), 2)
    assert w.state.next_due_ms == START + 31


def test_only_so_many_without_a_time_waits_for_them(build, world):
    w = world(build.plan(build.loop(gather=GatherPlan(None, None, 2))))
    assert w.send(0, 1.0) == []
    assert w.tick(10**9) == []
    assert w.send(10**9 + 1, 1.0)
