"""What a firing does: emit, do, failed, cascades, identity of what it owes (L29 to L32, R10, R11)."""

from __future__ import annotations

import dataclasses

import pytest


def a(at, **fields):
    return (at, "A", {"k": "a"} | fields)


S, M, H = 1_000, 60_000, 3_600_000


def outcome(action, at=0):
    """The row that a store appends when an action is given up."""
    named = ("loop", "action", "position", "n", "trigger")
    payload = {name: getattr(action, name) for name in named} | {"key": list(action.key), "error": "no"}
    return (at, "outcome", payload)


# ---- L29, L30 --------------------------------------------------------------------------------------


def test_l29_a_firing_whose_effects_come_to_nothing_is_a_firing(run):
    text = 'loop one "r" on A per k cooldown 1m set rate = 1 emit OUT { k } if x > 1'
    found = run(text, a(0), a(M - 1), a(M))
    assert [(firing.effects, firing.incomplete) for firing in found.firings] == [((), False)] * 2


def test_l29_a_driven_action_gets_key_and_value_by_position(session):
    text = """
action Dial.turn(who: str, number: int, to: float, why: str?)
knob dial per k, n in 0..10 = 1 step 3 per 1m drives Dial.turn
loop one "r" on A per k, n set dial = x for 10s
"""
    found = session(text, a(0, n=7, x=9), a(1, n=7, x=9), (H, "tick", {}))
    assert [(o.action, o.arguments, o.loop, o.lane) for o in found.all("actions")] == [
        ("Dial.turn", {"who": "a", "number": 7, "to": 4.0}, "", "Dial/a,7"),
        ("Dial.turn", {"who": "a", "number": 7, "to": 1.0}, "", "Dial/a,7"),
    ]


STRICT = """
event NEEDS { v: float, w: float? }
action Needs.it(v: float, w: float?)
"""


@pytest.mark.parametrize(
    ("fields", "kinds", "incomplete"),
    [
        ({"x": 1, "n": 2}, ["emit", "do", "emit"], False),
        ({"x": 1}, ["emit", "do", "emit"], False),
        ({"n": 2}, ["emit"], True),
    ],
)
def test_l30_a_required_value_that_is_unknown_skips_its_effect_alone(run, fields, kinds, incomplete):
    text = STRICT + 'loop one "r" on A emit NEEDS { v: x, w: n } do Needs.it(x, n) emit OUT { k }'
    found = run(text, a(0, **fields))
    assert [e["kind"] for e in found.effects] == kinds
    assert found.firings[0].incomplete is incomplete
    if not incomplete:
        given = {"v": 1.0} | ({"w": 2} if "n" in fields else {})
        assert (found.emitted[0], found.done[0][1]) == (given, given)


def test_l30_an_effect_kept_back_by_its_condition_leaves_nothing_incomplete(run):
    text = STRICT + 'loop one "r" on A emit NEEDS { v: x } if n > 1'
    assert run(text, a(0)).firings[0].incomplete is False
    assert run(text, a(0, n=2)).firings[0].incomplete is True


# ---- L31: failed -----------------------------------------------------------------------------------

FAILING = """
loop one "r" on A as e per k
  with twice = x * 2
  do H.act(k, x) retry 3 every 30s timeout 1m
  do H.act(k, twice)
  failed { emit OUT { s: "{k} {e.x} {twice}" } do H.rescue(k) set rate = 7 }
"""


def test_l31_failed_runs_once_a_firing_with_the_event_it_was_bound_to(session):
    found = session(FAILING, a(0, x=2), a(1, x=3))
    first, second, third, _ = found.all("actions")
    assert (first.retries, first.every_ms, first.timeout_ms, second.retries) == (3, 30 * S, M, 0)
    rows = [a(0, x=2), a(1, x=3), outcome(second, 5), outcome(first, 6), outcome(third, 7)]
    again = session(FAILING, *rows)
    failed = [firing for firing in again.firings if firing.cause == "failed"]
    assert [f.effects[0]["payload"]["s"] for f in failed] == ["a 2 4", "a 3 6"]
    assert [f.position for f in failed] == [3, 5]
    assert [c.new for c in again.all("changes")] == [7.0]


def test_l31_what_fails_within_failed_ends_there(session):
    text = 'loop one "r" on A per k do H.act(k, x) failed { do H.rescue(k) retry 5 every 1m emit OUT { k } }'
    events = [a(0, x=1)]
    act = session(text, *events).all("actions")[0]
    events.append(outcome(act, 1))
    rescue = session(text, *events).all("actions")[1]
    assert (rescue.action, rescue.retries) == ("H.rescue", 0)
    events.append(outcome(rescue, 2))
    assert [f.cause for f in session(text, *events).firings] == ["event", "failed"]


@pytest.mark.parametrize(
    "change", [{"loop": "gone"}, {"loop": ""}, {"loop": []}, {"key": [["a"]]}, {"trigger": None}]
)
def test_l31_an_outcome_of_nobody_does_nothing(session, change):
    act = session(FAILING, a(0, x=2)).all("actions")[0]
    _, _, payload = outcome(act)
    found = session(FAILING, a(0, x=2), (1, "outcome", payload | change))
    assert [f.cause for f in found.firings] == ["event"]


def test_l31_a_knob_is_not_held_for_a_latch_that_is_over_when_the_action_fails(session):
    text = """
loop one "r" on A per k when x > 1 until x < 0 do H.act(k, x) failed { set rate = 7 while active }
"""
    act = session(text, a(0, x=2)).all("actions")[0]
    during = session(text, a(0, x=2), outcome(act, 1), a(2, x=-1))
    assert [(c.new, c.cause) for c in during.all("changes")] == [(7.0, "one"), (1.0, "release")]
    late = session(text, a(0, x=2), a(1, x=-1), outcome(act, 2), (H, "tick", {}))
    assert late.all("changes") == []


# ---- L32 and the cascade ---------------------------------------------------------------------------


def test_l32_emitted_events_name_their_loop_and_their_cause(session):
    text = 'loop one "r" on A emit B { k, x } emit B { k, x } loop two "r" on B emit C { k }'
    found = session(text, a(0, x=1))
    rows = found.all("emitted")
    assert [(r.type, r.source, r.depth, r.cause, r.chain) for r in rows] == [
        ("B", "rules/one", 1, "e1", "e1"),
        ("B", "rules/one", 1, "e1", "e1"),
        ("C", "rules/two", 2, rows[0].id, "e1"),
        ("C", "rules/two", 2, rows[1].id, "e1"),
    ]
    assert len({row.id for row in rows}) == 4


def test_r11_first_in_first_out(run):
    text = """
loop a "r" on A emit B { s: "1" } emit C { s: "2" }
loop b "r" on B emit OUT { s: "b{s}" } emit C { s: "{s}3" }
loop c "r" on C emit OUT { s: "c{s}" }
loop z "r" on A emit C { s: "4" }
"""
    found = run(text, a(0))
    assert [(f.loop, f.effects[0]["payload"]["s"]) for f in found.firings] == [
        ("a", "1"), ("z", "4"), ("b", "b1"), ("c", "c2"), ("c", "c4"), ("c", "c13"),
    ]  # fmt: skip


def test_r11_each_event_of_a_cascade_sees_the_state_from_before_it(run):
    text = """
loop a "r" on A per k set rate = 5 emit B { k, x: rate } set rate = 6 emit B { k, x: rate }
loop b "r" on B per k set rate += 1 emit OUT { l: [x, rate] }
loop c "r" on B per k emit OUT { l: [x, rate] }
"""
    found = run(text, a(0))
    assert [e["l"] for e in found.of("b").emitted] == [[5.0, 7.0], [6.0, 8.0]]
    assert [e["l"] for e in found.of("c").emitted] == [[5.0, 6.0], [6.0, 7.0]]


@pytest.mark.parametrize(("hops", "heard"), [(16, 16), (17, 16)])
def test_r11_depth_sixteen_is_heard_and_seventeen_is_not(session, hops, heard):
    events = "".join(f'event E{n} {{ k: str }} from "a test"\n' for n in range(hops + 1))
    loops = "".join(f'loop l{n:02} "r" on E{n} emit E{n + 1} {{ k }}\n' for n in range(hops))
    last = f'loop last "r" on E{hops} emit OUT {{ k }}\n' if hops == heard else ""
    found = session(events + loops + last, (0, "E0", {"k": "a"}))
    depths = [row.depth for row in found.all("emitted") if row.type.startswith("E")]
    assert depths == list(range(1, heard + 1))
    assert [(one.type, one.reason, len(one.path)) for one in found.all("undelivered")] == (
        [("OUT", "depth", 18)] if hops == 16 else [("E17", "depth", 18)]
    )


def test_r11_a_loop_may_emit_its_own_trigger_as_long_as_it_ends(run):
    text = '@allow("RE301", "it counts down") loop one "r" on A when n > 0 emit A { k, n: n - 1 }'
    found = run(text, a(0, n=3))
    assert [e["n"] for e in found.emitted] == [2, 1, 0]


def test_windows_and_latches_see_emitted_events_in_their_order(run):
    text = """
loop a "r" on A per k emit B { k, x: 2 } emit B { k, x: -1 } emit B { k, x: 3 }
loop b "r" on B per k when x > 1 until x < 0 emit OUT { n: count(over 1h) } cleared { emit OUT { n: 0 } }
"""
    assert run(text, a(0)).of("b").emitted == [{"n": 1}, {"n": 0}, {"n": 3}]


# ---- identity --------------------------------------------------------------------------------------

BUSY = """
action Dial.turn(k: str, v: float)
knob dial per k in 0..10 = 1 decay 20s drives Dial.turn
loop a "r" on A per k set dial += 1 do H.act(k, x) do H.act(k, x) emit B { k, x } failed { do H.rescue(k) }
loop b "r" on B per k when x > 1 until x < 0
  set dial = 5 while active do H.act(k, x) cleared { do H.act(k, x) }
loop c "r" on A per k when x > 0 for 7s do H.act(k, x) set dial[*] *= 1.1 for 5s
"""


def test_no_two_things_owed_have_one_identity(session):
    rows = [
        (n * 3 * S, "A", {"k": ("a", "b", "a/b", "a%2Fb", "a,b", "")[n * 7 % 6], "x": float(n * 5 % 7 - 2)})
        for n in range(300)
    ]
    found = session(BUSY, *rows)
    owed = found.all("actions")
    late = [outcome(action, rows[-1][0] + n) for n, action in enumerate(owed) if action.loop][:200]
    owed = session(BUSY, *rows, *late).all("actions")
    assert len(owed) > 1_000
    assert len({action.idempotency_key for action in owed}) == len(owed)
    emitted = session(BUSY, *rows, *late).all("emitted")
    assert len({row.id for row in emitted}) == len(emitted)
    assert not {dataclasses.astuple(row)[3] for row in emitted} & {f"e{n}" for n in range(600)}


def test_keys_that_print_alike_are_apart(session):
    text = 'loop one "r" on A per k, s do H.act(k, x)'
    rows = [(0, "A", {"k": k, "s": s}) for k, s in (("a,b", "c"), ("a", "b,c"), ("a/b", "c"), ("a%2Cb", "c"))]
    lanes = [action.lane for action in session(text, *rows).all("actions")]
    assert len(set(lanes)) == 4
