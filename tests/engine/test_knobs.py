"""L23 to L29: keys, limits, holds, decay, two loops on one knob, drives."""

from __future__ import annotations

import pytest

from rules_engine.engine import expressions as x
from rules_engine.engine import knobs
from rules_engine.engine.control import ControlRefused, apply_control
from rules_engine.engine.plan import StepPlan

MINUTE, HOUR = 60_000, 3_600_000
START = 1_767_571_200_000
V = x.field("v")


def setter(build, world, op="=", hold=None, **knob):
    """A world with one loop that sets `rate` from `v`."""
    return world(build.plan(build.loop(effects=(build.set(V, op, hold=hold),)), knobs=[build.knob(**knob)]))


# ---- L23 -----------------------------------------------------------------------------------------


def test_l23_a_key_of_its_own_and_all_keys(build, world):
    loops = [
        build.loop(
            "all",
            on="F",
            effects=(build.set(2.0, "*=", key=None), build.emit(v=x.call("sum", [x.knob_map("rate")]))),
        ),
        build.loop("one", effects=(build.set(V),)),
    ]
    w = world(build.plan(*loops, knobs=[build.knob()]))
    w.send(0, 4.0, k="b")
    w.send(0, 3.0, k="a")
    (firing,) = w.send(1, None, type="F")
    assert [e.get("key", e.get("payload")) for e in firing.effects] == [["a"], ["b"], {"k": "a", "v": 14.0}]
    assert (w.knob(k="a"), w.knob(k="b"), w.knob(k="c")) == (6.0, 8.0, 1.0)


def test_l23_all_keys_of_a_closed_set(build, world):
    keys = (("x",), ("y",))
    w = world(build.plan(build.loop(effects=(build.set(V, key=None),)), knobs=[build.knob(keys=keys)]))
    (firing,) = w.send(0, 2.0)
    assert [e["key"] for e in firing.effects] == [["x"], ["y"]]


def test_l23_a_key_outside_the_closed_set_is_skipped(build, world):
    w = setter(build, world, keys=(("x",),))
    (firing,) = w.send(0, 2.0)
    assert firing.incomplete
    assert not firing.effects


# ---- L24 -----------------------------------------------------------------------------------------


def test_l24_the_range_holds_whatever_is_asked(build, world):
    w = setter(build, world, low=0.5, high=2.0)
    w.send(0, 99.0)
    assert w.knob() == 2.0
    w.send(0, -99.0)
    assert w.knob() == 0.5


def test_l24_rounded_to_nine_decimals_inside_the_range(build, world):
    w = setter(build, world, high=2 / 3)
    w.send(0, 1 / 3)
    assert w.knob() == 0.333333333
    w.send(0, 1.0)
    assert w.knob() == 2 / 3


@pytest.mark.parametrize(("value", "made"), [(1.009, False), (1.01, True), (0.99, True), (0.991, False)])
def test_l24_a_change_equal_to_the_deadband_is_made(build, world, value, made):
    w = setter(build, world, deadband=0.01)
    (firing,) = w.send(0, value)
    assert bool(firing.effects) is made
    assert w.knob() == (value if made else 1.0)
    assert w.reason() == ("fired" if made else "deadband")


def test_l24_deadband_equality_survives_floating_point(build, world):
    w = setter(build, world, deadband=0.01, default=0.57)
    w.send(0, 0.56)
    assert w.knob() == 0.56


@pytest.mark.parametrize(("at", "reached"), [(HOUR - 1, 1.5), (HOUR, 2.0), (HOUR + 1, 2.0)])
def test_l24_a_step_limits_largest_minus_smallest_over_d(build, world, at, reached):
    w = setter(build, world, steps=(StepPlan("up", 0.5, HOUR),))
    w.send(0, 9.0)
    assert w.knob() == 1.5, "what the step cuts off is dropped"
    w.send(at, 9.0)
    assert w.knob() == reached


def test_l24_small_steps_add_up(build, world):
    w = setter(build, world, "+=", steps=(StepPlan("up", 0.5, HOUR),))
    for minute in range(10):
        w.send(minute * MINUTE, 0.125)
    assert w.knob() == 1.5
    w.send(HOUR, 0.25)
    assert w.knob() == 1.625, "1.0 left the hour, 1.125 came into force a minute later and stays in it"


def test_l24_a_step_up_does_not_bind_downwards(build, world):
    w = setter(build, world, steps=(StepPlan("up", 0.5, HOUR),))
    w.send(0, 0.0)
    assert w.knob() == 0.0
    w.send(1, 1.0)
    assert w.knob() == 0.5


def test_l24_a_step_down_and_both(build, world):
    w = setter(build, world, steps=(StepPlan("both", 0.5, HOUR),), default=5.0)
    w.send(0, 0.0)
    assert w.knob() == 4.5
    w.send(1, 9.0)
    assert w.knob() == 5.0
    w = setter(build, world, steps=(StepPlan("down", 0.5, HOUR),), default=5.0)
    w.send(0, 0.0)
    w.send(1, 9.0)
    assert w.knob() == 9.0
    w.send(2, 0.0)
    assert w.knob() == 8.5


def test_l24_release_and_the_operator_are_not_bound_by_step_or_deadband(build, world):
    w = setter(build, world, hold=100, steps=(StepPlan("both", 0.5, HOUR),), deadband=0.1)
    w.send(0, 9.0)
    assert w.knob() == 1.5
    decision = apply_control(
        w.plan, w.state, "knob", {"knob": "rate", "key": ["a"], "value": 9.0}, w.seq, START
    )
    w.state.apply(decision)
    assert (w.knob(), decision.changes[0].cause) == (9.0, "operator")
    decision = apply_control(
        w.plan, w.state, "knob", {"knob": "rate", "key": ["a"], "value": 9.05}, w.seq, START
    )
    w.state.apply(decision)
    assert w.knob() == 9.05
    w.send(1, 0.0)
    assert w.knob() == 8.55, "no lower than a step below the largest value of the hour"


def test_l24_history_stays_small_and_never_limits_less(build, world):
    w = setter(build, world, steps=(StepPlan("both", 1.0, HOUR),))
    for n in range(600):
        w.send(n, 1.0 + (n % 2) / 4)
    assert len(w.state.get("knob:rate", ("a",))["s"]) == 256
    w.send(600, 9.0)
    assert w.knob() == 2.0


@pytest.mark.parametrize(("at", "kept"), [(HOUR, True), (HOUR + 1, False)])
def test_l24_history_is_forgotten_when_no_step_looks_back_that_far(build, world, at, kept):
    w = setter(build, world, steps=(StepPlan("up", 0.5, HOUR), StepPlan("down", 9.0, MINUTE)), keys=(("a",),))
    w.send(0, 1.5)
    w.send(1, 1.0)
    w.tick(at)
    assert bool(list(w.state.cells())) is kept


def test_l24_words(build, world):
    loop = build.loop(effects=(build.set(x.field("w")),))
    event = build.event("E", "k", "w")
    knob = build.knob(words=("paused", "reduced", "normal"), default="normal")
    w = world(build.plan(loop, events=[event], knobs=[knob]))
    w.send(0, w="paused")
    assert w.knob() == "paused"
    (firing,) = w.send(0, w="faster")
    assert firing.incomplete
    (firing,) = w.send(0, w="paused")
    assert (firing.effects, firing.incomplete, w.reason()) == ((), False, "deadband")


# ---- L25 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "value"), [(99, 5.0), (100, 1.0)])
def test_l25_a_hold_for_d_goes_back_to_the_base(build, world, at, value):
    w = setter(build, world, hold=100)
    w.send(0, 5.0)
    w.tick(at)
    assert w.knob() == value
    if at == 100:
        (change,) = w.last.changes
        assert (change.cause, change.old, change.new, change.time_ms) == ("release", 5.0, 1.0, START + 100)


def test_l25_a_later_hold_replaces_it_also_with_the_same_value(build, world):
    w = setter(build, world, hold=100, deadband=0.1)
    w.send(0, 5.0)
    w.send(50, 5.0)
    w.tick(149)
    assert w.knob() == 5.0
    w.tick(150)
    assert w.knob() == 1.0


def test_l25_a_plain_set_ends_the_hold_and_becomes_the_base(build, world):
    loops = [
        build.loop("hold", effects=(build.set(V, hold=100),)),
        build.loop("plain", on="F", effects=(build.set(V),)),
    ]
    w = world(build.plan(*loops, knobs=[build.knob(deadband=0.1)]))
    w.send(0, 5.0)
    w.send(50, 5.0, type="F")
    w.tick(1_000)
    assert w.knob() == 5.0
    assert w.state.get("knob:rate", ("a",))["b"] == 5.0


def test_l25_while_active_goes_back_when_the_latch_is_left(build, world):
    loop = build.loop(
        when=build.below(1.0), until=build.above(2.0), effects=(build.set(0.5, hold="active"),),
        cleared=(build.emit(v=x.knob_value("rate", [x.key_part(0)])),),
    )  # fmt: skip
    w = world(build.plan(loop, knobs=[build.knob()]))
    w.send(0, 0.5)
    w.tick(HOUR)
    assert w.knob() == 0.5
    (firing,) = w.send(HOUR, 3.0)
    assert w.knob() == 1.0
    assert firing.effects[0] == {"kind": "set", "knob": "rate", "key": ["a"], "value": 1.0}
    assert w.last.changes[0].cause == "release"


def test_l25_clearing_leaves_a_hold_of_somebody_else(build, world):
    loops = [
        build.loop(
            "latch", when=build.below(1.0), until=build.above(2.0), effects=(build.set(0.5, hold="active"),)
        ),
        build.loop("other", on="F", effects=(build.set(V, hold=1_000),)),
    ]
    w = world(build.plan(*loops, knobs=[build.knob()]))
    w.send(0, 0.5)
    w.send(10, 7.0, type="F")
    w.send(20, 3.0)
    assert w.knob() == 7.0
    w.tick(1_010)
    assert w.knob() == 1.0


def test_l25_clearing_leaves_the_hold_of_another_latch_or_key(build, world):
    def latch(name, on, value):
        effects = (build.set(value, hold="active", key=(x.const("shared"),)),)
        return build.loop(name, on=on, when=build.below(1.0), until=build.above(2.0), effects=effects)

    w = world(build.plan(latch("one", "E", 0.5), latch("two", "F", 0.25), knobs=[build.knob()]))
    w.send(0, 0.0)
    w.send(1, 0.0, type="F")
    w.send(2, 3.0)
    assert w.knob(k="shared") == 0.25
    w.send(3, 3.0, type="F")
    assert w.knob(k="shared") == 1.0
    w.send(4, 0.0, k="a")
    w.send(5, 0.0, k="b")
    w.send(6, 3.0, k="a")
    assert w.knob(k="shared") == 0.5
    w.send(7, 3.0, k="b")
    assert w.knob(k="shared") == 1.0


def test_l25_without_decay_the_base_stays(build, world):
    loops = [
        build.loop("hold", effects=(build.set(V, hold=HOUR),)),
        build.loop("plain", on="F", effects=(build.set(V),)),
    ]
    w = world(build.plan(*loops, knobs=[build.knob()]))
    w.send(0, 8.0, type="F")
    w.send(0, 2.0)
    w.tick(HOUR)
    assert w.knob() == 8.0
    assert knobs.knob_state(w.plan.knobs["rate"], w.state.get("knob:rate", ("a",)), START + HOUR).base == 8.0


def test_l25_the_base_decays_under_the_hold(build, world):
    loops = [
        build.loop("hold", effects=(build.set(V, hold=HOUR),)),
        build.loop("plain", on="F", effects=(build.set(V),)),
    ]
    w = world(build.plan(*loops, knobs=[build.knob(default=0.0, decay_ms=HOUR)]))
    w.send(0, 8.0, type="F")
    w.send(0, 2.0)
    w.tick(HOUR - 1)
    assert w.knob() == 2.0
    w.tick(HOUR)
    assert w.knob() == 4.0
    assert [c.cause for c in w.last.changes] == ["release"]
    w.tick(2 * HOUR)
    assert w.knob() == 2.0


# ---- L26 -----------------------------------------------------------------------------------------


def test_l26_decay_is_stepwise_by_a_constant_factor(build, world):
    w = setter(build, world, default=0.0, decay_ms=1_000)
    w.send(0, 8.0)
    w.tick(99)
    assert w.knob() == 8.0
    w.tick(100)
    assert w.knob() == round(8.0 * 2**-0.1, 9)
    assert w.last.changes[0].cause == "decay"
    w.tick(199)
    assert w.knob() == round(8.0 * 2**-0.1, 9)
    w.tick(1_000)
    assert w.knob() == 4.0
    assert len(w.last.changes) == 9


def test_l26_steps_fall_on_the_next_whole_millisecond(build, world):
    w = setter(build, world, default=0.0, decay_ms=15)
    w.send(0, 8.0)
    w.tick(1)
    assert w.knob() == 8.0
    w.tick(2)
    assert w.knob() == round(8.0 * 2**-0.1, 9)
    w.tick(15)
    assert w.knob() == 4.0


@pytest.mark.parametrize(("deadband", "snaps"), [(4.0, True), (3.999, False)])
def test_l26_within_the_deadband_it_snaps(build, world, deadband, snaps):
    w = setter(build, world, default=0.0, decay_ms=1_000, deadband=deadband)
    w.send(0, 8.0)
    w.tick(999)
    assert w.knob() > 4.0
    w.tick(1_000)
    assert w.knob() == (0.0 if snaps else 4.0)


def test_l26_decay_ends_and_forgets(build, world):
    w = setter(build, world, default=1.0, decay_ms=1_000, per=("k",), keys=(("a",),))
    w.send(0, 8.0)
    w.tick(100_000)
    assert w.knob() == 1.0
    assert w.state.next_due_ms is None
    assert not list(w.state.cells())


def test_l26_decay_counts_from_the_last_set(build, world):
    w = setter(build, world, default=0.0, decay_ms=1_000)
    w.send(0, 8.0)
    w.send(50, 8.0)
    w.tick(149)
    assert w.knob() == 8.0
    w.tick(150)
    assert w.knob() < 8.0


# ---- L27, L28, L29 -------------------------------------------------------------------------------


def test_l27_change_of_is_heard_for_every_cause(build, world):
    parts = ("old", "new", "cause", "depth")
    heard = build.event("change of rate", "k", "cause", old=float, new=float, depth=int)
    loops = [
        build.loop("set", effects=(build.set(V, hold=100),)),
        build.loop(
            "watch", on="change of rate",
            effects=(build.emit("SEEN", **{part: x.field(part) for part in parts}),),
        ),
    ]  # fmt: skip
    w = world(build.plan(*loops, events=[heard], knobs=[build.knob()]))
    w.send(0, 5.0)
    logged, seen = w.last.emitted
    assert (seen.type, seen.payload) == (
        "SEEN",
        {"old": 1.0, "new": 5.0, "cause": "set", "depth": 1, "k": "a"},
    )
    assert (logged.type, logged.source, logged.depth) == ("change of rate", "knob/rate", 1)
    assert logged.payload == {"key": "a", "k": "a", "old": 1.0, "new": 5.0, "cause": "set", "depth": 1}
    assert seen.cause == logged.id
    w.tick(100)
    assert [row.payload["cause"] for row in w.last.emitted] == ["release", "release"]


def test_l28_operands_read_before_and_operations_apply_to_the_live_value(build, world):
    rate = x.knob_value("rate", [x.key_part(0)])
    loops = [
        build.loop("a", effects=(build.set(2.0, "*="),)),
        build.loop("b", effects=(build.set(rate, "+="),)),
    ]
    w = world(build.plan(*loops, knobs=[build.knob(default=3.0)]))
    w.send(0, 1.0)
    assert w.knob() == 9.0, "doubled to 6, then plus the 3 from before"
    assert [(c.old, c.new, c.cause) for c in w.last.changes] == [(3.0, 6.0, "a"), (6.0, 9.0, "b")]


def test_l29_drives_owes_one_action_a_committed_change(build, world):
    w = setter(build, world, hold=100, drives="Driver.put", drive_parameters=("config", "value"))
    w.send(0, 5.0)
    (action,) = w.last.actions
    assert (action.action, action.arguments, action.loop, action.lane) == (
        "Driver.put", {"config": "a", "value": 5.0}, "", "Driver/a",
    )  # fmt: skip
    w.send(1, 5.0)
    assert not w.last.actions
    w.tick(101)
    assert [a.arguments["value"] for a in w.last.actions] == [1.0]
    assert action.idempotency_key != w.last.actions[0].idempotency_key


def test_l29_a_firing_whose_effects_come_to_nothing_is_a_firing(build, world):
    loop = build.loop(effects=(build.set(1.0),), cooldown_ms=100)
    w = world(build.plan(loop, knobs=[build.knob()]))
    (firing,) = w.send(0, 1.0)
    assert firing.effects == ()
    assert not w.send(99, 1.0)


def test_knob_state_is_what_others_see(build, world):
    w = setter(build, world, hold=100)
    plan = w.plan.knobs["rate"]
    assert knobs.knob_state(plan, None, START) == knobs.KnobState(1.0, 1.0, None, None)
    w.send(0, 5.0)
    assert knobs.knob_state(plan, w.state.get("knob:rate", ("a",)), START) == knobs.KnobState(
        5.0, 1.0, "for", START + 100
    )


# ---- the operator --------------------------------------------------------------------------------


def ask(w, at=0, **body):
    decision = apply_control(w.plan, w.state, "knob", body, w.seq, START + at)
    w.state.apply(decision)
    return decision


def test_operator_sets_for_a_while(build, world):
    w = setter(build, world)
    ask(w, knob="rate", key=["a"], value=7, for_ms=100)
    assert w.knob() == 7.0
    assert w.state.next_due_ms == START + 100
    w.tick(100)
    assert w.knob() == 1.0


@pytest.mark.parametrize("value", [0, 10.0, 0.1234567891])
def test_operator_may_use_the_whole_range(build, world, value):
    w = setter(build, world)
    ask(w, knob="rate", key=["a"], value=value)
    assert w.knob() == round(value, 9)


@pytest.mark.parametrize(
    "body",
    [
        {"knob": "none", "key": ["a"], "value": 1},
        {"knob": "rate", "key": [], "value": 1},
        {"knob": "rate", "key": [""], "value": 1},
        {"knob": "rate", "value": 1},
        {"knob": "rate", "key": ["a"], "value": 11},
        {"knob": "rate", "key": ["a"], "value": True},
        {"knob": "rate", "key": ["a"], "value": None},
        {"knob": "rate", "key": ["a"], "value": 1, "for_ms": 0},
    ],
)
def test_operator_is_refused_with_a_reason(build, world, body):
    w = setter(build, world)
    with pytest.raises(ControlRefused):
        apply_control(w.plan, w.state, "knob", body, 0, START)


def test_off_ends_latches_releases_knobs_and_hears_nothing(build, world):
    loop = build.loop(when=build.below(1.0), until=build.above(2.0), effects=(build.set(0.5, hold="active"),))
    w = world(build.plan(loop, knobs=[build.knob()]))
    w.send(0, 0.5)
    decision = apply_control(
        w.plan, w.state, "off", {"loop": "loop", "reason": "test", "for_ms": 100}, 1, START
    )
    w.state.apply(decision)
    assert (w.knob(), decision.firings) == (1.0, [])
    assert not w.send(99, 0.5)
    assert (w.reason(), w.last.verdicts[0].detail) == ("off", "test")
    assert w.send(100, 0.5)
    w.state.apply(apply_control(w.plan, w.state, "off", {"loop": "loop"}, 2, START))
    assert not w.send(200, 0.5)
    w.state.apply(apply_control(w.plan, w.state, "on", {"loop": "loop"}, 2, START))
    assert w.send(300, 0.5)


def test_off_stops_what_is_pending(build, world):
    w = world(build.plan(build.loop(when=build.above(0.0), hold_ms=100)))
    w.send(0, 1.0)
    w.state.apply(apply_control(w.plan, w.state, "off", {"loop": "loop"}, 1, START))
    assert w.state.next_due_ms is None
    assert not w.tick(100)
