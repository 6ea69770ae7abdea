"""L15 to L22 as far as the engine decides them, L29 to L32, L41, and the cascade (R11, R39)."""

from __future__ import annotations

import pytest

from rules_engine.engine import expressions as x
from rules_engine.engine import values
from rules_engine.engine.plan import EventPlan, FieldPlan, SetPlan, TriggerPlan
from rules_engine.engine.state import State
from rules_engine.engine.step import decide
from rules_engine.event import Kind, Row

START = 1_767_571_200_000
V = x.field("v")


# ---- triggers, keys, fields ----------------------------------------------------------------------


def test_l15_or_reads_the_union_and_knows_which_came(build, world):
    on = [TriggerPlan("E", None, "e"), TriggerPlan("F", build.above(1.0), "f")]
    payload = {"v": x.field("v", "e"), "came": x.alias_known("f"), "both": x.field("v")}
    w = world(build.plan(build.loop(on=on, effects=(build.emit(**payload),))))
    (firing,) = w.send(0, 2.0)
    assert firing.effects[0]["payload"] == {"k": "a", "v": 2.0, "came": False, "both": 2.0}
    (firing,) = w.send(0, 2.0, type="F")
    assert firing.effects[0]["payload"] == {"k": "a", "came": True, "both": 2.0}
    assert not w.send(0, 1.0, type="F")


def test_l15_one_event_binds_the_first_trigger_it_passes(build, world):
    on = [TriggerPlan("E", build.above(5.0), "high"), TriggerPlan("E", None, "any")]
    w = world(build.plan(build.loop(on=on, effects=(build.emit(high=x.alias_known("high")),))))
    assert [w.send(0, v)[0].effects[0]["payload"]["high"] for v in (6.0, 5.0)] == [True, False]


def test_l17_undeclared_fields_are_never_read(build, world):
    w = world(build.plan(build.loop(effects=(build.emit(secret=x.field("secret")),))))
    (firing,) = w.send(0, 1.0, secret="x")
    assert firing.effects[0]["payload"] == {"k": "a"}


def test_l22_a_key_unknown_or_empty_is_not_seen_but_counted(build, world):
    loop = build.loop(cooldown_ms=100)
    w = world(build.plan(loop))
    for key in (None, "", 5, ["a"]):
        assert not w.send(0, 1.0, k=key)
        assert [(v.reason, v.key) for v in w.last.verdicts] == [("key", ())]
    assert not w.last.cells


def test_l22_one_unknown_part_is_enough(build, world):
    event = build.event("E", "k", "m")
    w = world(build.plan(build.loop(per=("k", "m")), events=[event]))
    assert not w.send(0, m=None)
    (firing,) = w.send(0, m="z")
    assert firing.key == ("a", "z")


def test_keys_are_bounded_and_refusals_counted(build, world):
    loop = build.loop(cooldown_ms=100, effects=(build.set(2.0, hold=1_000),))
    w = world(build.plan(loop, knobs=[build.knob(keys=(("a",), ("b",), ("c",)))]))
    w.runtime.max_keys = 2
    assert [len(w.send(0, 1.0, k=k)) for k in "abca"] == [1, 1, 0, 0]
    assert [v.reason for v in w.decisions[2].verdicts] == ["key"]
    assert w.last.verdicts[0].reason == "cooldown", "known keys go on"
    fork = w.state.fork()
    assert (fork.count("loop:loop"), fork.count("knob:rate")) == (2, 2)
    (firing,) = w.send(100, 1.0, k="a")
    assert not firing.incomplete
    w.tick(1_100)
    w.tick(10_000)
    assert w.state.count("loop:loop") == 0
    assert w.send(10_001, 1.0, k="c"), "what is forgotten makes room"


def test_l41_the_first_spelling_present_wins_and_a_bad_value_is_unknown(build, world):
    event = EventPlan(
        "E",
        (
            FieldPlan("k", ("k", "key"), values.accept_text),
            FieldPlan("v", ("v", "value"), values.accept_int(0, 10)),
            FieldPlan(
                "name", ("name",), values.accept_text, x.interpolate([x.field("k"), "-", V], strict=True)
            ),
        ),
    )
    w = world(build.plan(build.loop(effects=(build.emit(v=V, name=x.field("name")),)), events=[event]))

    def payload(**sent):
        (firing,) = w.row(Kind.EVENT, 0, "E", sent).firings
        return firing.effects[0]["payload"]

    assert payload(k="a", key="b", value=3) == {"k": "a", "v": 3, "name": "a-3"}
    assert payload(k=None, key="b", v=5.0, value=3) == {"k": "b", "v": 5, "name": "b-5"}
    assert payload(key="b", v=11, value=3) == {"k": "b"}
    assert payload(key="b", v=1, name="own") == {"k": "b", "v": 1, "name": "own"}


# ---- effects -------------------------------------------------------------------------------------


def test_l29_actions_carry_what_their_handler_needs(build, world):
    loop = build.loop(effects=(build.emit(), build.do("Big.act", v=V, retries=3, every_ms=30, timeout_ms=60)))
    w = world(build.plan(loop))
    w.send(0, 1.5, k="a/b")
    (action,) = w.last.actions
    assert action.idempotency_key == "loop/a%2Fb/1.0/1"
    assert action.lane == "Big/a%2Fb"
    assert (action.arguments, action.retries, action.every_ms, action.timeout_ms) == (
        {"k": "a/b", "v": 1.5}, 3, 30, 60,
    )  # fmt: skip
    assert action.trigger["payload"] == {"k": "a/b", "v": 1.5}


def test_l30_a_required_unknown_skips_the_effect_and_the_rest_goes_on(build, world):
    effects = (
        build.emit(k=V),
        build.do(v=V, required=("v",)),
        SetPlan("rate", (x.key_part(0),), "=", V, None, None),
        SetPlan("rate", (V,), "=", x.const(1.0), None, None),
        build.emit(v=V),
    )
    w = world(build.plan(build.loop(effects=effects), knobs=[build.knob()]))
    (firing,) = w.send(0, None)
    assert firing.incomplete
    assert firing.effects == ({"kind": "emit", "event": "OUT", "payload": {"k": "a"}},)


def test_l30_a_condition_that_is_not_true_skips_the_effect(build, world):
    loop = build.loop(effects=(build.emit(condition=build.above(1.0)), build.do(condition=build.below(9.0))))
    w = world(build.plan(loop))
    assert [[e["kind"] for e in f.effects] for v in (None, 1.0, 2.0) for f in w.send(0, v)] == [
        [],
        ["do"],
        ["emit", "do"],
    ]


def test_l32_emitted_events_have_a_source_a_cause_and_an_id_of_their_own(build, world):
    w = world(build.plan(build.loop(effects=(build.emit(), build.emit()))))
    w.send(0, 1.0)
    first, second = w.last.emitted
    assert (first.seq, first.kind, first.source, first.depth) == (0, Kind.EMITTED, "rules/loop", 1)
    assert first.cause == first.chain == "id1"
    assert first.id != second.id
    again = world(w.plan)
    again.send(0, 1.0)
    assert [row.id for row in again.last.emitted] == [first.id, second.id]


# ---- outcomes ------------------------------------------------------------------------------------


def outcome(w, action, at=0):
    payload = {
        "loop": action.loop, "key": list(action.key), "position": action.position, "n": action.n,
        "action": action.action, "error": "boom", "trigger": action.trigger,
    }  # fmt: skip
    return w.row(Kind.OUTCOME, at, "", payload)


def test_l31_failed_runs_once_per_firing_with_its_event(build, world):
    loop = build.loop(effects=(build.do("H.a"), build.do("H.b")), failed=(build.emit(v=V),))
    w = world(build.plan(loop))
    w.send(0, 1.5)
    first, second = w.last.actions
    (firing,) = outcome(w, first, 10).firings
    assert (firing.cause, firing.event_id, firing.position, firing.effects[0]["payload"]["v"]) == (
        "failed",
        "id1",
        2,
        1.5,
    )
    assert not outcome(w, second, 20).firings
    w.send(30, 1.5)
    assert outcome(w, w.last.actions[1], 40).firings, "another firing has its own"


def test_l31_what_failed_owes_is_a_last_resort(build, world):
    loop = build.loop(effects=(build.do(),), failed=(build.do("H.rescue", retries=3),))
    w = world(build.plan(loop))
    w.send(0, 1.0)
    (rescue,) = outcome(w, w.last.actions[0]).actions
    assert rescue.retries == 0
    assert not outcome(w, rescue).firings


def test_l31_nothing_runs_for_loops_that_are_gone_or_drives(build, world):
    w = world(build.plan(build.loop(effects=(build.do(),))))
    w.send(0, 1.0)
    assert not outcome(w, w.last.actions[0]).firings
    assert not w.row(Kind.OUTCOME, 0, "", {"loop": "", "key": ["a"], "trigger": {}}).firings


# ---- the cascade ---------------------------------------------------------------------------------


def test_r11_emitted_events_are_heard_in_the_same_step_first_in_first_out(build, world):
    loops = [
        build.loop("a", effects=(build.emit("F", v=x.const(1.0)), build.emit("F", v=x.const(2.0)))),
        build.loop("b", on="F", effects=(build.emit("OUT", v=V),)),
        build.loop("c", on="OUT", effects=()),
    ]
    w = world(build.plan(*loops))
    firings = w.send(0, 0.0)
    assert [f.loop for f in firings] == ["a", "b", "b", "c", "c"]
    assert [f.n for f in firings] == [0, 1, 2, 3, 4]
    assert {f.position for f in firings} == {1}
    assert [(r.type, r.depth) for r in w.last.emitted] == [("F", 1), ("F", 1), ("OUT", 2), ("OUT", 2)]
    assert w.last.emitted[2].cause == w.last.emitted[0].id
    assert not w.row(Kind.EMITTED, 0, "F", {"k": "a", "v": 1.0}).firings, "their rows are skipped"


def test_r11_depth_16_is_heard_and_17_is_not(build, world):
    w = world(build.plan(build.loop(effects=(build.emit("E", v=V),))))
    firings = w.send(0, 1.0)
    assert len(firings) == 17
    assert [row.depth for row in w.last.emitted] == list(range(1, 17))
    (letter,) = w.last.undelivered
    assert (letter.reason, letter.type, letter.path) == ("depth", "E", ("E",) * 18)


def test_r11_depth_counts_from_an_outside_event_that_has_one(build, world):
    w = world(build.plan(build.loop(effects=(build.emit("E", v=V),))))
    w.row(Kind.EVENT, 0, "E", {"k": "a"}, depth=15, chain="root")
    assert [(row.depth, row.chain) for row in w.last.emitted] == [(16, "root")]


def test_r11_a_root_has_at_most_1000_events(build, world):
    effects = tuple(build.emit("F") for _ in range(10))
    loops = [
        build.loop("a", effects=effects),
        build.loop("b", on="F", effects=tuple(build.emit("OUT") for _ in range(98))),
        build.loop("c", on="OUT", effects=(build.emit("MORE"),)),
    ]
    w = world(build.plan(*loops))
    w.runtime.firings_per_minute = 10_000
    w.send(0, 1.0)
    assert len(w.last.emitted) == 1_000
    assert {letter.reason for letter in w.last.undelivered} == {"count"}
    assert len(w.last.undelivered) == 970
    assert len(w.send(1, 1.0)) > 1, "the next root starts anew"


def test_r11_a_timer_is_a_root(build, world):
    slow = build.loop("slow", when=build.above(0.0), hold_ms=10, effects=(build.emit("F", v=V),))
    back = (build.emit("E", v=x.const(0.0)), build.emit("E", v=V))
    loops = [slow, build.loop("back", on="F", effects=back)]
    w = world(build.plan(*loops))
    w.send(0, 1.0)
    w.tick(1_000)
    assert len([f for f in w.last.firings if f.loop == "slow"]) == 100
    assert not w.last.undelivered


def test_r39_a_runaway_loop_is_switched_off(build, world):
    w = world(build.plan(build.loop()))
    allowed = w.runtime.firings_per_minute
    for n in range(allowed):
        assert w.send(n, 1.0)
    assert not w.last.switched_off
    assert w.send(allowed, 1.0)
    assert w.last.switched_off[0].loop == "loop"
    assert not w.send(allowed + 1, 1.0)
    assert w.reason() == "off"


@pytest.mark.parametrize(("at", "off"), [(59_999, True), (60_000, False)])
def test_r39_a_minute_is_a_minute(build, world, at, off):
    w = world(build.plan(build.loop()))
    w.runtime.firings_per_minute = 3
    for n in range(3):
        w.send(n, 1.0)
    w.send(at, 1.0)
    assert bool(w.last.switched_off) is off


def test_r39_damped_loops_keep_no_count(build, world):
    w = world(build.plan(build.loop(cooldown_ms=20_000)))
    w.runtime.firings_per_minute = 3
    w.send(0, 1.0)
    assert "b" not in w.state.get("loop:loop", ("a",))
    w = world(build.plan(build.loop(cooldown_ms=19_999)))
    w.runtime.firings_per_minute = 3
    w.send(0, 1.0)
    assert w.state.get("loop:loop", ("a",))["b"] == [START, 1]


def test_r39_switched_off_lets_go(build, world):
    latch = build.loop(
        when=build.above(0.0), until=build.below(0.0), effects=(build.set(5.0, hold="active"),)
    )
    w = world(build.plan(latch, knobs=[build.knob()]))
    w.runtime.firings_per_minute = 1
    w.send(0, 1.0, k="b")
    w.send(0, 1.0)
    w.send(1, -1.0)
    w.send(2, 1.0)
    assert w.last.switched_off
    assert (w.knob(), w.knob(k="b")) == (1.0, 1.0)
    assert w.state.next_due_ms is None


def test_r39_slower_loops_and_other_keys_are_left_alone(build, world):
    w = world(build.plan(build.loop()))
    for n in range(700):
        assert w.send(n * 100, 1.0)
        assert w.send(n * 100, 1.0, k=f"k{n}")


# ---- faults --------------------------------------------------------------------------------------


def explode(_frame):
    raise RuntimeError("ours")


def test_r05_a_loop_that_raises_loses_its_change_and_the_others_go_on(build, world):
    bad = build.loop(
        "bad", cooldown_ms=10, effects=(build.set(5.0), build.emit("F"), build.do(), build.emit(v=explode))
    )
    loops = [build.loop("a"), bad, build.loop("c", effects=(build.set(1.0, "+="),)), build.loop("f", on="F")]
    plan = build.plan(*loops, knobs=[build.knob()])
    state = State()
    decision = decide(plan, state, Row(1, START, Kind.EVENT, "id", "E", {"k": "x", "v": 1.0}))
    assert [(f.loop, f.n) for f in decision.firings] == [("a", 0), ("c", 1)]
    assert [(f.loop, f.key, f.error) for f in decision.failures] == [("bad", ("x",), "RuntimeError: ours")]
    assert "explode" in decision.failures[0].traceback
    assert [(c.cause, c.new) for c in decision.changes] == [("c", 2.0)]
    assert not decision.actions
    assert all(cell.scope != "loop:bad" for cell in decision.cells)


def test_r05_a_timer_that_raises_does_not_come_back(build, world):
    loop = build.loop(when=build.above(0.0), hold_ms=10, effects=(build.emit(v=explode),))
    plan, state = build.plan(loop), State()
    for seq, (kind, at) in enumerate([(Kind.EVENT, 0), (Kind.TICK, 10), (Kind.TICK, 20)], start=1):
        decision = decide(plan, state, Row(seq, START + at, kind, "id", "E", {"k": "x", "v": 1.0}))
        state.apply(decision)
        assert len(decision.failures) == (seq == 2)
    assert state.next_due_ms is None


def test_deciding_changes_nothing_by_itself(build, world):
    w = world(build.plan(build.loop(when=build.above(0.0), hold_ms=10)))
    w.send(0, 1.0)
    row = Row(9, START + 10, Kind.TICK, "t", "")
    assert decide(w.plan, w.state, row) == decide(w.plan, w.state, row)
    assert w.state.next_due_ms == START + 10


@pytest.mark.parametrize(
    "payload", [{}, {"k": {}}, {"k": "a", "v": float("nan")}, {"k": "a", "v": 10**30}, {"k": 1}]
)
def test_odd_payloads_are_no_failures(build, world, payload):
    loop = build.loop(when=build.above(0.0), slots=(build.over(100),), cooldown_ms=5)
    w = world(build.plan(loop))
    assert not w.row(Kind.EVENT, 0, "E", payload).firings
