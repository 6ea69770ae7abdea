"""State, its forks and its timers."""

from __future__ import annotations

import random

import pytest

from rules_engine.engine.decision import CellId, Decision
from rules_engine.engine.state import State
from rules_engine.engine.timers import FORGET, Frontier, entries_until, sortable, timer
from rules_engine.event import Kind

START = 1_767_571_200_000


def wishing(*timers):
    """A cell that wants to be looked at."""
    return {"T": [list(one) for one in timers]}


def decided(**cells):
    """A decision about cells of loop:x by key."""
    return Decision(cells={CellId("loop:x", (key,)): body for key, body in cells.items()})


def dues(state, limit):
    return [(entry[0], entry[3], entry[6]) for entry in state.due(limit)]


def test_due_is_in_order_and_live_only():
    state = State()
    state.apply(
        decided(b=wishing((20, "hold", 0), (30, "hold", 0)), a=wishing((20, "leave", 0), (20, "after", 1)))
    )
    assert dues(state, 19) == []
    expected = [(20, "after", ("a",)), (20, "leave", ("a",)), (20, "hold", ("b",))]
    assert dues(state, 29) == expected
    assert dues(state, 30) == [*expected, (30, "hold", ("b",))]
    state.apply(decided(a=None, b=wishing((30, "hold", 0))))
    assert dues(state, 100) == [(30, "hold", ("b",))]
    assert state.next_due_ms == 30


@pytest.mark.parametrize("forked", [False, True])
def test_next_due_ignores_forgetting_and_stale_timers(forked):
    state = State()
    state.apply(decided(a=wishing((5, FORGET, 0)), b=wishing((10, "hold", 0)), c=wishing((20, "hold", 0))))
    view = state.fork() if forked else state
    assert view.next_due_ms == 10
    assert (view.has_due(4), view.has_due(5)) == (False, True)
    state.apply(decided(a=None, b=None))
    view = state.fork() if forked else state
    assert view.next_due_ms == 20
    assert (view.has_due(19), view.has_due(20)) == (False, True)
    state.apply(decided(c=None))
    assert (state.fork() if forked else state).next_due_ms is None


def test_a_fork_sees_its_own_and_leaves_its_parent_alone():
    state = State()
    state.load([(CellId("loop:x", ("a",)), wishing((10, "hold", 0))), (CellId("knob:k", ("z",)), {"v": 1.0})])
    fork = state.fork()
    assert dues(fork, 10) == [(10, "hold", ("a",))]
    fork.apply(decided(a=None, b=wishing((12, "hold", 0), (14, FORGET, 0))))
    fork.apply(Decision(cells={CellId("knob:k", ("y",)): {"v": 2.0}, CellId("knob:k", ("z",)): None}))
    assert dues(fork, 20) == [(12, "hold", ("b",)), (14, FORGET, ("b",))]
    assert fork.next_due_ms == 12
    assert (fork.keys("knob:k"), state.keys("knob:k")) == ([("y",)], [("z",)])
    assert {cell.key for cell, _ in fork.cells()} == {("b",), ("y",)}
    assert [name[1] for name, _ in fork.in_scope("loop:x")] == [("b",)]
    assert dues(state, 20) == [(10, "hold", ("a",))]
    state.adopt(fork)
    assert dues(state, 20) == [(12, "hold", ("b",)), (14, FORGET, ("b",))]
    assert (state.keys("knob:k"), state.count("loop:x"), state.count("knob:k")) == ([("y",)], 1, 1)
    with pytest.raises(TypeError):
        fork.fork()


def test_a_frontier_walks_a_heap_in_order_without_touching_it():
    chance = random.Random(5)
    state = State()
    for n in range(200):
        state.apply(decided(**{f"k{n}": wishing((chance.randrange(50), "hold", 0))}))
    heap = list(state._timers)
    frontier, taken = Frontier(state._timers), []
    for limit in range(-1, 51, 3):
        assert frontier.head_ms() is None or frontier.head_ms() > limit - 3
        taken += frontier.take(limit)
        assert len(taken) == sum(entry[0] <= limit for entry in heap)
    assert taken == sorted(heap)
    assert frontier.head_ms() is None
    assert state._timers == heap
    assert sorted(entries_until(heap, 20)) == [entry for entry in taken if entry[0] <= 20]


def test_keys_of_all_kinds_sort():
    keys = [("b",), (10,), ("a", 1), (2,), (-3,), (True,), (1.5,)]
    assert sorted(keys, key=sortable)[-2:] == [("a", 1), ("b",)]
    assert [key for key in sorted(keys, key=sortable) if type(key[0]) is int] == [(-3,), (2,), (10,)]
    assert sorted([timer(1, "loop:x", key, "", "hold", 0) for key in keys])


def test_an_event_nobody_hears_lets_timers_fire(build, world):
    w = world(build.plan(build.loop(when=build.above(0.0), hold_ms=100)))
    w.send(0, 1.0)
    assert not w.row(Kind.EVENT, 99, "UNHEARD").firings
    assert w.row(Kind.EVENT, 100, "UNHEARD").firings
