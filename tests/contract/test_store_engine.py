"""The engine's half of the contract: lease, commit, tick, operators, looking in."""

from __future__ import annotations

from typing import Any

import pytest

from rules_engine.engine.decision import Verdict
from rules_engine.event import Kind, Row
from rules_engine.store.port import Control, Fenced, Letter, PinnedControl

World = Any


def test_a_role_has_one_holder_until_its_lease_expires(world: World) -> None:
    store = world.store
    first = store.acquire("rules", "a", 1_000)
    assert first is not None
    assert store.acquire("rules", "b", 1_000) is None
    assert store.acquire("other", "b", 1_000) is not None
    info = store.holder("rules")
    assert (info.owner, info.alive) == ("a", True)
    world.advance(999)
    assert store.acquire("rules", "b", 1_000) is None
    world.advance(1)
    assert not store.holder("rules").alive
    second = store.acquire("rules", "b", 1_000)
    assert second.token > first.token
    assert store.holder("rules").owner == "b"


def test_a_renewed_lease_counts_from_its_renewal(world: World) -> None:
    lease = world.store.acquire("rules", "a", 1_000)
    world.advance(999)
    assert world.store.renew(lease, 1_000)
    world.advance(999)
    assert world.store.acquire("rules", "b", 1_000) is None


def test_an_expired_lease_that_nobody_took_can_be_renewed_and_a_lost_one_cannot(world: World) -> None:
    lease = world.store.acquire("rules", "a", 1_000)
    world.advance(5_000)
    assert world.store.renew(lease, 1_000)
    world.advance(1_000)
    assert world.store.acquire("rules", "b", 1_000) is not None
    assert not world.store.renew(lease, 1_000)


def test_a_released_role_is_free_and_its_token_still_grows(world: World) -> None:
    first = world.store.acquire("rules", "a", 1_000)
    world.store.release(first)
    assert world.store.holder("rules") is None
    second = world.store.acquire("rules", "b", 1_000)
    assert second.token > first.token
    world.store.release(first)  # lost long ago: nothing happens
    assert world.store.holder("rules").owner == "b"
    assert not world.store.renew(first, 1_000)


def test_a_commit_writes_all_of_a_change(world: World) -> None:
    world.append("e1")
    lease = world.lease()
    chunk = world.cell("loop:cooling", "hall", 3, part="w0.12")
    state, knob = world.cell("loop:cooling", "hall", 3), world.cell("knob:speed")
    seen = Verdict("cooling", ("hall", 3), 1, world.wall_ms, "hold", "for 5m")
    control = PinnedControl(1, 0, world.wall_ms, "off", {"loop": "x"})
    number = world.store.ask(Control("off", {"loop": "x"}))
    left = world.store.ask(Control("on", {"loop": "y"}))
    world.store.commit(
        lease,
        0,
        world.change(
            1,
            cells={state: {"since": 5, "x": None}, chunk: [1, 2.5], knob: 0.25},
            firings=[world.firing(1), world.firing(1, n=1)],
            emitted=[world.emitted("x"), world.emitted("y", "WARMED")],
            actions=[world.action("cooling/hall/1.0/0")],
            verdicts=[seen],
            letters=[Letter("step", "cooling", "it broke", 1, {"trace": "..."}, world.wall_ms)],
            controls=[control],
            answered=[number],
        ),
    )
    store = world.store
    assert store.reader("rules") == 1
    assert world.cells() == {knob: 0.25, state: {"since": 5, "x": None}, chunk: [1, 2.5]}
    assert [(f.firing, f.rules) for f in store.firings()] == [
        (world.firing(1), "hash"),
        (world.firing(1, n=1), "hash"),
    ]
    assert store.firing_counts() == {"cooling": 2}
    emitted = {"kind": Kind.EMITTED, "payload": {"by": 2.5}, "source": "rules", "cause": "e1"}
    assert store.read(1, 10).rows == (
        Row(2, world.wall_ms, id="x", type="COOLED", chain="e0", depth=3, **emitted),
        Row(3, world.wall_ms, id="y", type="WARMED", chain="e0", depth=3, **emitted),
    )
    assert store.owed(10) == [world.action("cooling/hall/1.0/0")]
    assert store.verdict("cooling", ("hall", 3)) == seen
    assert [(x.kind, x.name, x.reason, x.attempts, x.body) for x in store.letters(10)] == [
        ("step", "cooling", "it broke", 1, {"trace": "..."})
    ]
    assert store.controls(0, 10) == [control]
    assert store.asked() == [Control("on", {"loop": "y"}, left)]


def test_a_commit_replaces_and_forgets_cells(world: World) -> None:
    world.append("a", "b")
    lease = world.lease()
    one, two = world.cell("loop:a", "k"), world.cell("loop:a", "k", part="w0.1")
    world.store.commit(lease, 0, world.change(1, cells={one: 1, two: 2}))
    world.store.commit(lease, 1, world.change(2, cells={one: {"new": True}, two: None}))
    assert world.cells() == {one: {"new": True}}
    world.store.commit(lease, 2, world.change(2, cells={two: None, one: None}))
    assert world.cells() == {}


def test_cells_come_in_order_and_by_prefix(world: World) -> None:
    names = [world.cell("knob:a", "k"), world.cell("loop:a", 1), world.cell("loop:a", 1, part="w0.0")]
    names.append(world.cell("loop:b_"))
    world.commit(cells=dict.fromkeys(reversed(names), 0))
    assert [name for name, _ in world.store.load()] == names
    assert [name for name, _ in world.store.load("loop:a")] == names[1:3]
    assert [name for name, _ in world.store.load("loop:b%")] == []


def test_keys_keep_their_types(world: World) -> None:
    keys = [("1",), (1,), (True,), (None,), (1.5,), ("é😀\0", 'a"b'), ()]
    world.commit(cells={world.cell(f"loop:{n}", *key): n for n, key in enumerate(keys)})
    found = [name.key for name in world.cells()]
    assert [[(type(part), part) for part in key] for key in found] == [
        [(type(part), part) for part in key] for key in keys
    ]


def test_a_commit_is_refused_when_the_position_is_not_where_it_was_left(world: World) -> None:
    world.append("a", "b")
    lease = world.lease()
    world.store.commit(lease, 0, world.change(1))
    with pytest.raises(Fenced, match="not at 0"):
        world.store.commit(lease, 0, world.change(2, cells={world.cell("loop:a"): 1}))
    with pytest.raises(Fenced, match="not at 2"):
        world.store.commit(lease, 2, world.change(2, cells={world.cell("loop:a"): 1}))
    assert (world.cells(), world.store.reader("rules")) == ({}, 1)


def test_a_commit_is_refused_when_the_lease_was_lost_and_not_when_it_only_expired(world: World) -> None:
    world.append("a", "b")
    old = world.lease()
    world.advance(60_000)
    world.store.commit(old, 0, world.change(1))
    new = world.store.acquire("rules", "other", 1_000)
    everything = world.change(2, cells={world.cell("loop:a"): 1}, emitted=[world.emitted("x")])
    with pytest.raises(Fenced, match="taken over"):
        world.store.commit(old, 1, everything)
    assert (world.cells(), world.store.reader("rules"), world.store.info().head) == ({}, 1, 2)
    world.store.commit(new, 1, everything)
    world.store.release(new)
    with pytest.raises(Fenced):
        world.store.commit(new, 2, world.change(2))


def test_a_role_without_a_reader_cannot_commit(world: World) -> None:
    lease = world.store.acquire("nobody", "a", 1_000)
    with pytest.raises(Fenced):
        world.store.commit(lease, 0, world.change(0))


def test_a_tick_is_appended_when_the_clock_has_reached_it_and_no_row_has(world: World) -> None:
    world.append("a")
    lease = world.lease()
    start = world.wall_ms
    assert world.store.tick(lease, start) is None  # row `a` has that time
    assert world.store.tick(lease, start + 10) is None
    world.advance(9)
    assert world.store.tick(lease, start + 10) is None
    world.advance(1)
    assert world.store.tick(lease, start + 10) == 2
    assert world.store.tick(lease, start + 10) is None
    row = world.store.read(1, 1).rows[0]
    assert (row.kind, row.time_ms, row.payload) == (Kind.TICK, start + 10, {})


def test_a_tick_may_be_the_first_row(world: World) -> None:
    assert world.store.tick(world.lease(), world.wall_ms) == 1


def test_a_tick_needs_the_lease(world: World) -> None:
    old = world.lease()
    world.advance(60_000)
    world.store.acquire("rules", "other", 1_000)
    for time_ms in (world.wall_ms, world.wall_ms + 1):
        with pytest.raises(Fenced):
            world.store.tick(old, time_ms)


# ---- operators ----


def test_requests_are_kept_in_order_until_they_are_answered(world: World) -> None:
    first = world.store.ask(Control("knob", {"name": "speed", "value": 1.5}))
    second = world.store.ask(Control("reload", {}))
    assert first != second
    assert world.store.asked() == [
        Control("knob", {"name": "speed", "value": 1.5}, first),
        Control("reload", {}, second),
    ]
    world.commit(answered=[first])
    assert [control.id for control in world.store.asked()] == [second]


def test_pinned_controls_come_in_order_from_a_position_on(world: World) -> None:
    pinned = [PinnedControl(after, n, 5, "on", {"n": n}) for after, n in ((1, 0), (2, 0), (2, 1), (10, 0))]
    world.commit(controls=pinned[2:])
    world.commit(controls=pinned[:2])
    assert world.store.controls(0, 10) == pinned
    assert world.store.controls(2, 10) == pinned[1:]
    assert world.store.controls(3, 10) == pinned[3:]
    assert world.store.controls(0, 2) == pinned[:2]


# ---- looking in ----


def test_rule_texts_are_kept_under_their_hash(world: World) -> None:
    texts = {"rules/a.loop": 'loop a "ü"\n', "rules/b.loop": ""}
    world.store.keep_rules("h1", texts)
    world.store.keep_rules("h1", texts)
    assert (world.store.rules("h1"), world.store.rules("h2")) == (texts, None)


def test_firings_are_found_by_loop_time_and_id(world: World) -> None:
    start = world.wall_ms
    all_of_them = [
        world.firing(1, 0, "a", start),
        world.firing(1, 1, "b", start),
        world.firing(2, 0, "a", start + 10),
        world.firing(10, 0, "b", start + 20),
    ]
    world.commit(firings=all_of_them[2:])
    world.commit(firings=all_of_them[:2])

    def found(*args: Any, **kwargs: Any) -> list[int]:
        return [all_of_them.index(record.firing) for record in world.store.firings(*args, **kwargs)]

    assert found() == [0, 1, 2, 3]
    assert found("a") == [0, 2]
    assert found("nobody") == []
    assert found(since_ms=start + 10) == [2, 3]
    assert found(since_ms=start + 11) == [3]
    assert found(until_ms=start + 20) == [0, 1, 2]
    assert found(until_ms=start + 21) == [0, 1, 2, 3]
    assert found(after=(1, 0)) == [1, 2, 3]
    assert found("b", after=(1, 1)) == [3]
    assert found(limit=2) == [0, 1]


def test_only_the_last_verdict_of_a_loop_and_key_is_kept(world: World) -> None:
    world.commit(verdicts=[Verdict("a", (1,), 1, 5, "filter"), Verdict("a", (2,), 1, 5, "cooldown")])
    world.commit(verdicts=[Verdict("a", (1,), 2, 6, "fired", "so")])
    assert world.store.verdict("a", (1,)) == Verdict("a", (1,), 2, 6, "fired", "so")
    assert world.store.verdict("a", (2,)).reason == "cooldown"
    assert world.store.verdict("a", ("1",)) is None
    assert world.store.verdict("b", (1,)) is None


def test_facts_are_replaced(world: World) -> None:
    world.store.put_fact("reload", {"ok": False})
    world.store.put_fact("reload", {"ok": True, "at": [1]})
    assert world.store.fact("reload") == {"ok": True, "at": [1]}
    assert world.store.fact("other") is None


def test_facts_are_found_by_prefix_and_forgotten(world: World) -> None:
    for name in ("present:b", "present:a", "presents", "other"):
        world.store.put_fact(name, {"name": name})
    assert list(world.store.facts("present:").items()) == [
        ("present:a", {"name": "present:a"}),
        ("present:b", {"name": "present:b"}),
    ]
    assert world.store.facts("nothing") == {}
    world.store.put_fact("present:a", None)
    assert list(world.store.facts("present:")) == ["present:b"]
    assert world.store.fact("present:a") is None


def test_info_tells_where_the_log_is(world: World) -> None:
    world.append("a", "b")
    info = world.store.info()
    assert (info.first, info.head, info.time_ms, info.limits) == (1, 2, world.wall_ms, ())
    assert info.bytes > 0
    assert info.log_id == world.store.info().log_id != ""
