"""L11 to L14 and L48: windows, previous values, streaks; chunks against a plain list of samples."""

from __future__ import annotations

import math
import statistics
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules_engine.engine import expressions as x
from rules_engine.engine.decision import CellId
from rules_engine.engine.plan import FeedPlan, PrevPlan, StreakPlan, TriggerPlan, WindowPlan
from rules_engine.engine.windows import CHUNK, MAX_SAMPLES, Memory, slot_kind

START = 1_767_571_200_000
V = x.field("v")


def looking(build, world, *slots, reads=None, **loop):
    """A world whose loop emits what its slots tell: `reads` are (slot, function) by field name."""
    payload = {
        name: x.window(slot, function) for name, (slot, function) in (reads or {"v": (0, "avg")}).items()
    }
    return world(build.plan(build.loop(slots=slots, effects=(build.emit(**payload),), **loop)))


def told(firings):
    """The payloads emitted, without the key."""
    return [{n: v for n, v in f.effects[0]["payload"].items() if n != "k"} for f in firings if f.effects]


# ---- L11 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "count"), [(99, 2), (100, 1), (101, 1)])
def test_l11_a_window_covers_now_minus_d_exclusive_to_now(build, world, at, count):
    w = looking(build, world, build.over(100), reads={"n": (0, "count")})
    w.send(0, 1.0)
    assert told(w.send(at, 1.0)) == [{"n": count}]


def test_l11_the_current_event_is_in_before_when(build, world):
    loop = build.loop(slots=(build.over(100),), when=x.compare(">=", x.window(0, "count"), x.const(2)))
    w = world(build.plan(loop))
    assert not w.send(0, 1.0)
    assert w.send(0, 1.0)


def test_l11_windows_take_events_while_damped_or_latched_but_not_past_the_filter(build, world):
    w = looking(
        build, world, build.over(1_000), reads={"n": (0, "count")}, cooldown_ms=100,
        on=[TriggerPlan("E", build.above(0.0), None)],
    )  # fmt: skip
    w.send(0, 1.0)
    w.send(50, 1.0)
    w.send(60, -1.0)
    assert told(w.send(100, 1.0)) == [{"n": 3}]
    latch = looking(
        build, world, build.over(1_000), reads={"n": (0, "count")},
        when=build.below(1.0), until=x.compare(">=", x.window(0, "count"), x.const(3)),
    )  # fmt: skip
    assert [len(latch.send(n, 0.5)) for n in range(3)] == [1, 0, 1]


def test_l11_windows_are_per_key(build, world):
    w = looking(build, world, build.over(100))
    w.send(0, 1.0, k="a")
    assert told(w.send(0, 5.0, k="b")) == [{"v": 5.0}]


# ---- L12 -----------------------------------------------------------------------------------------


def test_l12_prev_is_the_previous_known_value(build, world):
    w = looking(build, world, PrevPlan(V), reads={"p": (0, "prev")})
    assert told([f for v in (1.0, 2.0, None, 3.0) for f in w.send(0, v)]) == [
        {},
        {"p": 1.0},
        {"p": 2.0},
        {"p": 2.0},
    ]


def test_l12_streak_counts_the_current_one_and_unknown_leaves_it(build, world):
    w = looking(build, world, StreakPlan(build.above(1.0)), reads={"s": (0, "streak")})
    values = [t["s"] for v in (2.0, 2.0, None, 2.0, 1.0, 2.0) for t in told(w.send(0, v))]
    assert values == [1, 2, 2, 3, 0, 1]


def test_l13_a_window_inside_streak(build, world):
    condition = x.compare(">", x.window(0, "avg"), x.const(1.0))
    w = looking(build, world, build.over(10), StreakPlan(condition), reads={"s": (1, "streak")})
    assert [told(w.send(n * 5, v))[0]["s"] for n, v in enumerate((2.0, 2.0, 0.0, 4.0))] == [1, 2, 0, 1]


def test_l12_none_is_unknown_but_count(build, world):
    functions = ("count", "sum", "avg", "min", "max", "first", "last", "stddev", "slope", "distinct")
    w = looking(build, world, build.over(10), reads={name: (0, name) for name in functions})
    assert told(w.send(0, None)) == [{"count": 0}]
    (answer,) = told(w.send(1, 2.0))
    assert list(answer.values()) == [1, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.0, 1], "only the slope is unknown"


def test_l12_last_n_counts_known_samples(build, world):
    w = looking(build, world, WindowPlan(V, "last", count=3), reads={"n": (0, "count"), "s": (0, "sum")})
    answers = [told(w.send(n, v))[0] for n, v in enumerate((1.0, None, 2.0, 4.0, 8.0))]
    assert answers[-2:] == [{"n": 3, "s": 7.0}, {"n": 3, "s": 14.0}]


def memory(plan):
    """The memory of one window, with its chunks kept in a dict."""
    kept = {}
    made = Memory((slot_kind(0, plan),), None, kept.get)
    made.writes = kept
    return made


def filled(plan, samples):
    made = memory(plan)
    for at, value in samples:
        made.kinds[0].add(made, at, value)
    return made


def test_l12_definitions():
    samples = [(0, 1.0), (10, 4.0), (30, 2.0), (40, 2.0)]
    over = filled(WindowPlan(V, "over", ms=100), samples)
    last = filled(WindowPlan(V, "last", count=10), samples)
    values = [v for _, v in samples]
    assert over.read(0, "stddev", 40, None) == pytest.approx(statistics.pstdev(values))
    slope = statistics.linear_regression([t for t, _ in samples], values).slope
    assert over.read(0, "slope", 40, None) == pytest.approx(slope * 100)
    assert last.read(0, "slope", 40, None) == pytest.approx(
        statistics.linear_regression(range(4), values).slope
    )
    assert over.read(0, "distinct", 40, None) == 3
    assert over.read(0, "quantile", 40, 0.5) == 2.0
    assert over.read(0, "quantile", 40, 0.9) == pytest.approx(2.0 + 0.7 * 2.0)
    assert over.read(0, "quantile", 40, 0.0) == 1.0
    assert over.read(0, "quantile", 40, 1.0) == 4.0


NUMBERS = st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 1_000), NUMBERS), min_size=2, max_size=600),
    st.floats(0, 1) | st.sampled_from([0.0, 0.5, 0.95, 1.0]),
)
def test_l12_statistics_agree_with_the_libraries(steps, share):
    times = list(accumulate(gap for gap, _ in steps))
    numbers = [value for _, value in steps]
    made = filled(WindowPlan(V, "over", ms=10**6), list(zip(times, numbers, strict=True)))
    scale = max(1.0, *map(abs, numbers)) * 1e-9
    expected = {
        "stddev": statistics.pstdev(numbers),
        "slope": statistics.linear_regression(times, numbers).slope * 10**6,
        "quantile": float(np.quantile(numbers, share)),
    }
    found = {name: made.read(0, name, times[-1], share) for name in expected}
    assert found["stddev"] == pytest.approx(expected["stddev"], abs=scale)
    assert found["quantile"] == pytest.approx(expected["quantile"], abs=scale)
    assert found["slope"] == pytest.approx(expected["slope"], rel=1e-9, abs=scale * 10**6)


def test_l12_a_quantile_of_huge_numbers_is_one_of_them():
    made = filled(WindowPlan(V, "over", ms=100), [(0, -1.7e308), (1, 1.7e308)])
    assert [made.read(0, "quantile", 1, share) for share in (0.0, 0.5, 1.0)] == [-1.7e308, 0.0, 1.7e308]


def test_l12_ewma_halves_each_d():
    made = filled(
        WindowPlan(V, "over", ms=100, needs=frozenset({"ewma"})), [(0, 1.0), (100, 3.0), (200, 5.0)]
    )
    expected = (0.25 * 1 + 0.5 * 3 + 5) / 1.75
    assert made.read(0, "ewma", 200, None) == round(expected, 9)


def test_l12_slope_of_one_sample_or_one_moment_is_unknown():
    assert filled(WindowPlan(V, "over", ms=100), [(0, 1.0)]).read(0, "slope", 0, None) is None
    assert filled(WindowPlan(V, "over", ms=100), [(0, 1.0), (0, 2.0)]).read(0, "slope", 0, None) is None


def test_l12_distinct_and_ends_take_any_value_and_sums_only_numbers():
    made = filled(WindowPlan(V, "over", ms=100), [(0, "a"), (1, True), (2, 1), (3, 1.0), (4, [1]), (5, "a")])
    assert made.read(0, "distinct", 5, None) == 4
    assert (made.read(0, "first", 5, None), made.read(0, "last", 5, None)) == ("a", "a")
    assert made.read(0, "sum", 5, None) is None
    assert made.read(0, "stddev", 5, None) is None


# ---- fed from aside, since -----------------------------------------------------------------------


def feed(event="F", test=None):
    return FeedPlan(event, test, x.key_of(x.field("k")))


def test_windows_fed_by_another_event(build, world):
    slot = WindowPlan(V, "over", ms=100, feed=feed(test=build.above(0.0)))
    w = looking(build, world, slot, reads={"last": (0, "last"), "n": (0, "count")})
    assert told(w.send(0, 9.0)) == [{"n": 0}]
    w.send(1, 5.0, type="F")
    w.send(2, -5.0, type="F")
    w.send(3, None, type="F")
    w.send(4, 7.0, k="b", type="F")
    assert not w.send(5, 6.0, k="", type="F")
    assert told(w.send(100, 9.0)) == [{"last": 5.0, "n": 1}]
    assert told(w.send(101, 9.0)) == [{"n": 0}]


def test_a_loop_can_be_fed_by_its_own_trigger(build, world):
    slot = WindowPlan(V, "over", ms=100, feed=feed("E"))
    w = looking(build, world, slot, reads={"n": (0, "count")})
    assert [told(w.send(n, 1.0))[0]["n"] for n in range(3)] == [1, 2, 3]


def test_l14_since_leaves_its_event_out(build, world):
    slot = WindowPlan(None, "event", since=feed("F", build.above(1.0)))
    on = [TriggerPlan("E", None, None), TriggerPlan("F", None, None)]
    w = looking(build, world, slot, reads={"n": (0, "count")}, on=on)
    sent = [("E", 0.0), ("E", 0.0), ("F", 2.0), ("E", 0.0), ("F", 1.0), ("E", 0.0)]
    assert [told(w.send(n, v, type=event))[0]["n"] for n, (event, v) in enumerate(sent)] == [1, 2, 0, 1, 2, 3]


@pytest.mark.parametrize("needs", [frozenset({"count", "sum"}), frozenset({"count", "sum", "stddev"})])
def test_since_fired_and_cleared(build, world, needs):
    slots = (WindowPlan(V, "fired", needs=needs), WindowPlan(V, "cleared", needs=needs))
    w = looking(
        build, world, *slots, reads={"f": (0, "sum"), "c": (1, "count")},
        when=build.below(1.0), until=build.above(2.0),
        cleared=(build.emit(f=x.window(0, "sum"), c=x.window(1, "count")),),
    )  # fmt: skip
    answers = [told(w.send(n, v)) for n, v in enumerate((1.5, 0.5, 1.5, 3.0, 0.25))]
    assert answers == [[], [{"f": 2.0, "c": 2}], [], [{"f": 4.5, "c": 4}], [{"f": 4.75, "c": 1}]]


def test_since_windows_stay_small(build, world):
    functions = ("count", "sum", "avg", "min", "max", "first", "last")
    slot = WindowPlan(V, "fired", needs=frozenset(functions))
    loop = build.loop(
        slots=(slot,),
        when=build.above(998.0),
        effects=(build.emit(**{name: x.window(0, name) for name in functions}),),
    )
    w = world(build.plan(loop))
    (answer,) = told([f for n in range(1_000) for f in w.send(n, float(n))])
    assert list(answer.values()) == [1_000, 499_500.0, 499.5, 0.0, 999.0, 0.0, 999.0]
    w.send(1_001, 1.0)
    assert w.state.get("loop:loop", ("a",))["w"] == [[1, 1.0, 1.0, 1.0, 1.0, 1.0]]


# ---- chunks, L48 ---------------------------------------------------------------------------------


def alive(samples, now, ms=None, count=None):
    kept = [(t, v) for t, v in samples if ms is None or t > now - ms]
    return [v for _, v in kept][-(min(count or MAX_SAMPLES, MAX_SAMPLES)) :]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.floats(-1e6, 1e6)), max_size=1_200),
    st.sampled_from([("over", 100, 0), ("over", 700, 0), ("last", 0, 3), ("last", 0, 300), ("last", 0, 256)]),
)
def test_chunks_tell_what_a_list_of_samples_tells(steps, span):
    kind, ms, count = span
    plan = WindowPlan(V, kind, ms=ms, count=count)
    made, samples, now = memory(plan), [], 0
    for index, (gap, value) in enumerate(steps):
        now += gap
        samples.append((now, value))
        made.kinds[0].add(made, now, value)
        if index % 37 and index + 1 != len(steps):
            continue
        inside = alive(samples, now, ms or None, count or None)
        assert made.read(0, "count", now, None) == len(inside)
        assert made.read(0, "sum", now, None) == pytest.approx(math.fsum(inside), abs=1e-6)
        assert made.read(0, "min", now, None) == min(inside)
        assert made.read(0, "max", now, None) == max(inside)
        assert (made.read(0, "first", now, None), made.read(0, "last", now, None)) == (inside[0], inside[-1])
        later = now + 50
        assert made.read(0, "count", later, None) == len(alive(samples, later, ms or None, count or None))
        assert not made.kinds[0].truncated(made, now)
    chunks = [body for body in made.writes.values() if body is not None]
    assert len(chunks) <= len(alive(samples, now, ms or None, count or None)) // CHUNK + 1


@pytest.mark.parametrize("count", [MAX_SAMPLES - 1, MAX_SAMPLES, MAX_SAMPLES + 1, MAX_SAMPLES + 600])
def test_l48_at_most_10000_samples_and_marked(count):
    plan = WindowPlan(V, "over", ms=10**9)
    made = filled(plan, [(n, n) for n in range(count)])
    assert made.read(0, "count", count, None) == min(count, MAX_SAMPLES)
    assert made.read(0, "first", count, None) == max(0, count - MAX_SAMPLES)
    assert made.read(0, "sum", count, None) == sum(range(max(0, count - MAX_SAMPLES), count))
    assert made.kinds[0].truncated(made, count) is (count > MAX_SAMPLES)


def test_l48_the_mark_goes_when_the_lost_samples_would_have_left():
    plan = WindowPlan(V, "over", ms=20_000)
    made = filled(plan, [(n, n) for n in range(MAX_SAMPLES + 300)])
    lost = 299
    assert made.kinds[0].truncated(made, lost + 20_000 - 1)
    assert not made.kinds[0].truncated(made, lost + 20_000)


@pytest.mark.parametrize(
    ("span", "bound", "count", "truncated"),
    [
        ("last", MAX_SAMPLES, MAX_SAMPLES + 1, False),
        ("last", MAX_SAMPLES + 1, MAX_SAMPLES, False),
        ("last", MAX_SAMPLES + 1, MAX_SAMPLES + 1, True),
        ("fired", 0, MAX_SAMPLES, False),
        ("fired", 0, MAX_SAMPLES + 1, True),
        ("fired", 0, MAX_SAMPLES + 300, True),
    ],
)
def test_l48_windows_without_an_end_in_time(span, bound, count, truncated):
    made = filled(
        WindowPlan(V, span, count=bound, needs=frozenset({"stddev"})), [(n, n) for n in range(count)]
    )
    assert made.read(0, "count", count, None) == min(count, MAX_SAMPLES)
    assert made.kinds[0].truncated(made, count) is truncated


def test_l48_the_mark_of_a_whole_chunk_lost():
    made = filled(WindowPlan(V, "over", ms=20_000), [(n, n) for n in range(MAX_SAMPLES + CHUNK)])
    assert made.writes["w0.0"] is None
    assert made.kinds[0].truncated(made, CHUNK - 1 + 20_000 - 1)
    assert not made.kinds[0].truncated(made, CHUNK - 1 + 20_000)


def test_l48_because_says_that_a_value_is_truncated(build, world):
    count = x.window(0, "count")
    loop = build.loop(
        slots=(WindowPlan(None, "over", ms=10**9),), when=x.compare(">=", count, x.const(MAX_SAMPLES)),
        reads=(("count(over 11d)", count),), cooldown_ms=1,
    )  # fmt: skip
    w = world(build.plan(loop))
    for n in range(MAX_SAMPLES - 1):
        w.send(n, 1.0)
    (firing,) = w.send(MAX_SAMPLES, 1.0)
    assert firing.because == {"count(over 11d)": MAX_SAMPLES}
    (firing,) = w.send(MAX_SAMPLES + 1, 1.0)
    assert firing.because == {"count(over 11d)": MAX_SAMPLES, "truncated": ["count(over 11d)"]}


def test_r30_full_chunks_are_written_once_and_deleted_when_they_leave(build, world):
    w = looking(build, world, build.over(CHUNK * 2), when=build.above(9.0))
    written = []
    for n in range(CHUNK * 5):
        w.send(n, 1.0)
        written += [
            (cell.part, body is None) for cell, body in w.last.cells.items() if cell.part.startswith("w")
        ]
    sealed = [("w0.0", False), ("w0.1", False)]
    for n in (2, 3, 4):
        sealed += [(f"w0.{n - 2}", True), (f"w0.{n}", False)]
    assert written == sealed
    w.tick(CHUNK * 5 + 10**6)
    w.tick(CHUNK * 5 + 10**6 + 1)
    assert not list(w.state.cells())


def test_l05_a_sample_leaves_a_full_chunk_too(build, world):
    count = x.window(0, "count")
    loop = build.loop(
        slots=(WindowPlan(None, "over", ms=1_000),),
        when=x.compare(">=", count, x.const(300)),
        until=x.compare("<", count, x.const(300)),
    )
    w = world(build.plan(loop))
    for n in range(300):
        w.send(n, 1.0)
    assert w.last.firings
    assert w.state.next_due_ms == START + 1_000
    (firing,) = w.tick(1_000)
    assert (firing.cause, firing.time_ms) == ("cleared", START + 1_000)
    assert CellId("loop:loop", ("a",), "") in w.last.cells
