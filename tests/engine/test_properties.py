"""Promises over all histories: batches, restarts and dropped work never show (L50, R1, R2, R10)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rules_engine.engine import expressions as x
from rules_engine.engine.decision import CellId
from rules_engine.engine.plan import (
    AfterPlan,
    FeedPlan,
    PrevPlan,
    StepPlan,
    StreakPlan,
    TriggerPlan,
    WindowPlan,
)
from rules_engine.engine.state import State
from rules_engine.engine.step import decide
from rules_engine.event import Kind, Row

START = 1_767_571_200_000
V = x.field("v")
LOW, HIGH = 0.5, 4.0

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["E", "E", "F", "G", "tick", "outcome"]),
        st.integers(0, 60),
        st.sampled_from(["a", "b", ""]),
        st.sampled_from([None, 0.0, 1.0, 2.0, 3.0, 5.0]),
    ),
    max_size=40,
)


def busy_plan(build):
    """A bit of everything."""
    rate = x.knob_value("rate", [x.key_part(0)])
    average = x.window(0, "avg")
    feed = FeedPlan("F", None, x.key_of(x.field("k")))
    loops = [
        build.loop(
            "hold", when=build.above(1.0), hold_ms=50, cooldown_ms=30, unless=build.above(4.0),
            effects=(build.set(0.5, "+="), build.emit("F", v=V), build.do("H.a"), build.do("H.b")),
            failed=(build.emit("OUT", v=V), build.do("H.rescue")),
        ),
        build.loop(
            "latch", slots=(build.over(100), PrevPlan(V), StreakPlan(build.above(0.5))),
            when=x.compare(">", average, x.const(1.5)), until=x.compare("<", average, x.const(1.5)),
            until_hold_ms=20, effects=(build.set(3.0, hold="active"),),
            cleared=(build.emit("G", v=x.const(1.0)),),
            after=(AfterPlan(40, (build.set(2.0, "*="), build.emit("E", v=x.const(0.0)))),),
        ),
        build.loop(
            "mixed", on=[TriggerPlan("F", build.above(0.0), "f"), TriggerPlan("G", None, None)],
            slots=(
                WindowPlan(V, "last", count=3), WindowPlan(None, "event", since=feed),
                WindowPlan(V, "fired", feed=feed),
            ),
            when=x.or_(x.compare(">", x.window(1, "count"), x.const(1)), x.alias_known("f")),
            limit=3, limit_ms=90, limit_overall=True,
            effects=(
                build.set(x.window(0, "max"), hold=45), build.set(0.9, "*=", key=None),
                build.emit("OUT", v=rate),
            ),
        ),
        build.loop("quiet", on="OUT", mode="shadow", cooldown_ms=70, effects=(build.set(1.0, "-="),)),
    ]  # fmt: skip
    knob = build.knob(
        low=LOW, high=HIGH, deadband=0.05, decay_ms=200, drives="D.put", drive_parameters=("k", "x"),
        steps=(StepPlan("up", 1.0, 80),),
    )  # fmt: skip
    return build.plan(*loops, events=[build.number("G")], knobs=[knob])


def rows_of(steps):
    at, rows = 0, []
    for seq, (what, gap, key, value) in enumerate(steps, start=1):
        at += gap
        payload, kind = {"k": key, "v": value}, Kind.EVENT
        if what == "tick":
            kind = Kind.TICK
        elif what == "outcome":
            trigger = {"id": "t", "type": "E", "alias": None, "payload": payload, "chain": "t", "depth": 0}
            payload = {"loop": "hold", "key": [key], "position": seq // 3, "n": 0, "trigger": trigger}
            kind = Kind.OUTCOME
        rows.append(Row(seq, START + at, kind, f"id{seq}", what, payload))
    return rows


def plain(plan, rows):
    state, decisions = State(), []
    for row in rows:
        decisions.append(decide(plan, state, row))
        state.apply(decisions[-1])
    return state, decisions


def through_json(state):
    kept = json.loads(json.dumps([[c.scope, list(c.key), c.part, body] for c, body in state.cells()]))
    fresh = State()
    fresh.load((CellId(scope, tuple(key), part), body) for scope, key, part, body in reversed(kept))
    return fresh


@settings(max_examples=60, deadline=None)
@given(
    steps=STEPS, cuts=st.lists(st.integers(1, 7), min_size=1, max_size=10), drop=st.sets(st.integers(0, 9))
)
def test_l50_batches_restarts_and_dropped_forks_decide_the_same(build, steps, cuts, drop):
    plan, rows = busy_plan(build), rows_of(steps)
    expected_state, expected = plain(plan, rows)
    assert not [f for d in expected for f in d.failures]
    state, decisions, batch = State(), [], 0
    while len(decisions) < len(rows):
        size = cuts[batch % len(cuts)]
        todo = rows[len(decisions) : len(decisions) + size]
        for attempt in (0, 1):
            fork, made = state.fork(), []
            for row in todo:
                made.append(decide(plan, fork, row))
                fork.apply(made[-1])
            if attempt == 0 and batch not in drop:
                break
        if batch % 2:
            state.adopt(fork)
        else:
            for decision in made:
                state.apply(decision)
        if batch % 3 == 0:
            state = through_json(state)
        decisions += made
        batch += 1
    assert decisions == expected
    assert dict(state.cells()) == dict(expected_state.cells())
    assert state.next_due_ms == expected_state.next_due_ms


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_promises_of_every_decision(build, steps):
    plan, rows = busy_plan(build), rows_of(steps)
    state, decisions = plain(plan, rows)
    keys, ids, last_ms = set(), set(), 0
    for row, decision in zip(rows, decisions, strict=True):
        for change in decision.changes:
            assert LOW <= change.new <= HIGH
            assert change.new == round(change.new, 9) != change.old
        for number, firing in enumerate(decision.firings):
            assert (firing.position, firing.n) == (row.seq, number)
            assert last_ms <= firing.time_ms <= row.time_ms
            last_ms = firing.time_ms
        for action in decision.actions:
            assert action.idempotency_key not in keys
            keys.add(action.idempotency_key)
        for emitted in decision.emitted:
            assert emitted.id not in ids
            assert emitted.kind is Kind.EMITTED
            ids.add(emitted.id)
        assert len({(v.loop, v.key) for v in decision.verdicts}) == len(decision.verdicts)
        json.dumps(list(decision.cells.values()), allow_nan=False)
        assert len(decision.actions) >= len(decision.changes)
    for due_ms in [state.next_due_ms] if rows and state.next_due_ms else []:
        assert due_ms > rows[-1].time_ms


@settings(max_examples=40, deadline=None)
@given(keys=st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["a", "b"])), max_size=30))
def test_l02_an_unknown_never_fires_anything(build, keys):
    loops = [
        build.loop("plain", when=build.above(1.0)),
        build.loop("hold", when=x.not_(build.above(1.0)), hold_ms=5),
        build.loop("window", slots=(build.over(50),), when=x.compare("!=", x.window(0, "avg"), x.const(1.0))),
        build.loop("filter", on=[TriggerPlan("E", build.below(1.0), None)]),
    ]
    steps = [("E", gap, key, None) for gap, key in keys]
    state, decisions = plain(build.plan(*loops), rows_of(steps))
    assert not [f for d in decisions for f in d.firings]
    assert not list(state.cells())


@settings(max_examples=20, deadline=None)
@given(steps=STEPS)
def test_all_is_forgotten_in_the_end(build, steps):
    """What has a horizon goes; what stays is what can still matter."""
    plan = busy_plan(build)
    rows = rows_of(steps)
    end = (rows[-1].time_ms if rows else START) + 10**9
    state, _ = plain(plan, [*rows, Row(900, end, Kind.TICK, "t", ""), Row(901, end + 10, Kind.TICK, "u", "")])
    for cell, body in state.cells():
        if cell.scope == "loop:hold" and cell.part == "":
            assert "s" in body, "a stretch that is still open"
        assert cell.scope != "loop:quiet"
    assert state.next_due_ms is None or state.next_due_ms > end


def test_l50_no_hash_seed_shows():
    """The same history in processes of different hash seeds."""
    here = Path(__file__).parent
    code = (
        f"import sys; sys.path[:0] = [{str(here)!r}, {str(here.parent.parent)!r}]\n"
        "from conftest import Build\nimport test_properties as t\n"
        "steps = [('EFG'[n % 3], n * 7 % 50, 'ab'[n % 2], float(n * 3 % 6)) for n in range(120)]\n"
        "state, made = t.plain(t.busy_plan(Build), t.rows_of(steps))\n"
        "print(made, sorted(map(repr, state.cells())))\n"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1", "77")
    ]
    assert outputs[0] == outputs[1] == outputs[2]
    assert len(outputs[0]) > 10_000
