"""The contract of owed actions: lanes, claims, dead letters; and of housekeeping."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rules_engine.event import Kind
from rules_engine.store.port import ActionCounts, Claim, Dead, Done, Letter, Limits, Retry, StoreError

World = Any


def claim(world: World, limit: int = 10, actions: Any = None) -> list[Claim]:
    return world.store.claim(actions, "worker", limit, 1_000, world.wall_ms)


def keys(claims: list[Claim]) -> list[str]:
    return [claim.action.idempotency_key for claim in claims]


def test_only_heads_of_lanes_are_claimed_oldest_first(world: World) -> None:
    world.owe(world.action("b1", "b"), world.action("a1", "a"), world.action("a2", "a"))
    world.owe(world.action("c1", "c"))
    assert keys(claim(world, 2)) == ["b1", "a1"]
    assert keys(claim(world)) == ["c1"]
    assert claim(world) == []
    assert world.store.action_counts() == ActionCounts(owed=1, claimed=3, dead=0)
    assert [action.idempotency_key for action in world.store.owed(10)] == ["a2"]


def test_a_claim_carries_the_action_as_it_was_owed(world: World) -> None:
    action = world.action("a")
    world.owe(action)
    [taken] = claim(world)
    assert (taken.action, taken.attempt, taken.until_ms) == (action, 1, world.wall_ms + 1_000)


def test_only_the_actions_asked_for_are_claimed(world: World) -> None:
    world.owe(world.action("a", "1", "Pump.start"), world.action("b", "2", "Valve.open"))
    assert keys(claim(world, actions=["Valve.open", "Other"])) == ["b"]
    assert claim(world, actions=[]) == []
    assert claim(world, limit=0) == []
    assert keys(claim(world)) == ["a"]


def test_equal_idempotency_keys_are_one_action(world: World) -> None:
    world.owe(world.action("a"), world.action("a"))
    world.owe(world.action("a", lane="other"))
    assert keys(claim(world)) == ["a"]
    assert world.store.action_counts().owed == 0


def test_done_makes_the_next_of_the_lane_its_head(world: World) -> None:
    world.owe(world.action("a1"), world.action("a2"))
    [first] = claim(world)
    assert world.store.finish(first, Done(), world.wall_ms)
    assert keys(claim(world)) == ["a2"]
    assert not world.store.finish(first, Done(), world.wall_ms)


def test_a_claim_is_exclusive_until_its_lease_ends(world: World) -> None:
    world.owe(world.action("a"))
    [late] = claim(world)
    world.advance(999)
    assert claim(world) == []
    world.advance(1)
    [second] = claim(world)
    assert (second.id, second.attempt) == (late.id, 2)
    assert second.number > late.number
    for result in (Done(), Retry(0, "no"), Dead("no")):
        assert not world.store.finish(late, result, world.wall_ms)
    assert world.store.action_counts() == ActionCounts(0, 1, 0)
    assert world.store.finish(second, Done(), world.wall_ms)


def test_a_late_worker_may_finish_what_nobody_took_meanwhile(world: World) -> None:
    world.owe(world.action("a"))
    [late] = claim(world)
    world.advance(5_000)
    assert world.store.finish(late, Done(), world.wall_ms)
    assert world.store.action_counts() == ActionCounts(0, 0, 0)


def test_an_extended_claim_lasts_longer_and_a_lost_one_is_told(world: World) -> None:
    world.owe(world.action("a", "1"), world.action("b", "2"))
    first, second = claim(world)
    world.advance(1_000)
    [again] = world.store.claim(None, "other", 1, 5_000, world.wall_ms)
    assert again.id == first.id
    assert world.store.extend([first, second], 2_000, world.wall_ms) == {first.id}
    world.advance(1_999)
    assert claim(world) == []
    world.advance(1)
    assert keys(claim(world)) == ["b"]
    assert world.store.extend([], 1_000, world.wall_ms) == set()
    assert world.store.finish(again, Done(), world.wall_ms)
    assert world.store.extend([again], 1_000, world.wall_ms) == {again.id}


def test_a_retry_is_due_at_its_time_and_blocks_its_lane_only(world: World) -> None:
    world.owe(world.action("a1", "a"), world.action("a2", "a"), world.action("b1", "b"))
    first, _ = claim(world)
    assert world.store.finish(first, Retry(world.wall_ms + 500, "not now"), world.wall_ms)
    assert world.store.action_counts() == ActionCounts(owed=2, claimed=1, dead=0)
    assert not world.store.finish(first, Done(), world.wall_ms)
    world.advance(499)
    assert claim(world) == []
    world.advance(1)
    [again] = claim(world)
    assert (again.action.idempotency_key, again.attempt) == ("a1", 2)


def test_giving_up_leaves_a_letter_and_an_outcome_row_and_frees_the_lane(world: World) -> None:
    world.owe(world.action("a1"), world.action("a2"))
    [first] = claim(world)
    assert world.store.finish(first, Dead("pump is gone"), world.wall_ms)
    [letter] = world.store.letters(10)
    assert (letter.kind, letter.name, letter.reason, letter.attempts) == (
        "action",
        "Pump.start",
        "pump is gone",
        1,
    )
    assert letter.body["arguments"] == {"level": 0.5}
    [row] = world.store.read(0, 10).rows
    assert (row.kind, row.time_ms) == (Kind.OUTCOME, world.wall_ms)
    assert row.payload == {
        "loop": "cooling",
        "key": ["hall", 3],
        "position": 1,
        "n": 0,
        "action": "Pump.start",
        "error": "pump is gone",
        "trigger": {"event_type": "HOT", "temperature": 90},
    }
    assert world.store.action_counts() == ActionCounts(owed=1, claimed=0, dead=1)
    assert keys(claim(world)) == ["a2"]


def test_a_dead_action_can_be_retried_at_the_end_of_its_lane(world: World) -> None:
    world.owe(world.action("a1"), world.action("a2"))
    [first] = claim(world)
    world.store.finish(first, Dead("no"), world.wall_ms)
    [letter] = world.store.letters(1)
    assert world.store.settle(letter.id, retry=True, now_ms=world.wall_ms)
    assert not world.store.settle(letter.id, retry=True, now_ms=world.wall_ms)
    assert [a.idempotency_key for a in world.store.owed(10)] == ["a2", "a1"]
    [second] = claim(world)
    world.store.finish(second, Done(), world.wall_ms)
    [again] = claim(world)
    assert (again.action, again.attempt) == (first.action, 1)
    assert not world.store.finish(first, Done(), world.wall_ms)
    world.store.finish(again, Dead("no"), world.wall_ms)  # and dies again, with a row of its own
    assert len({row.id for row in world.store.read(0, 10).rows}) == 2


def test_letters_are_dropped_and_other_kinds_are_not_retried(world: World) -> None:
    world.store.bury(
        [Letter("step", "loop", "broke", 1, {"a": [1]}, 5), Letter("event", "T", "deep", 0, {}, 6)]
    )
    newest, oldest = world.store.letters(10)
    assert (newest.kind, oldest.kind, oldest.body, oldest.time_ms) == ("event", "step", {"a": [1]}, 5)
    assert world.store.letters(1) == [newest]
    with pytest.raises(StoreError, match="only an action can be retried"):
        world.store.settle(oldest.id, retry=True, now_ms=0)
    assert world.store.settle(oldest.id, retry=False, now_ms=0)
    assert not world.store.settle(oldest.id, retry=False, now_ms=0)
    assert world.store.letters(10) == [newest]
    assert world.store.action_counts().dead == 0


# ---- housekeeping ----

NOTHING = Limits(None, None, None, None, None, None)


def test_without_limits_nothing_goes(world: World) -> None:
    world.append("a", "b")
    world.commit(firings=[world.firing(1)], actions=[world.action("a")])
    world.advance(10**12)
    assert world.store.prune(NOTHING, 100) == 0


def test_rows_go_by_age_but_never_the_newest(world: World) -> None:
    limits = replace(NOTHING, log_age_ms=1_000)
    world.append("a", "b")
    world.advance(500)
    world.append("c")
    world.advance(499)
    assert world.store.prune(limits, 100) == 0
    world.advance(1)
    assert world.store.prune(limits, 100) == 2
    world.advance(10_000)
    assert world.store.prune(limits, 100) == 0
    assert world.types() == ["T"]
    assert world.append("d") == [4]


def test_rows_go_by_number_never_past_a_pinned_reader(world: World) -> None:
    world.append(*"abcdef")
    world.store.reader("loose", pinned=False, start=0)
    world.store.reader("slow", start=2)
    limits = replace(NOTHING, log_rows=3)
    assert world.store.prune(limits, 100) == 2
    world.store.ack("slow", 2, 6)
    assert world.store.prune(limits, 100) == 1
    assert world.store.read(0, 1).rows[0].seq == 4


def test_a_budget_is_kept_and_filled(world: World) -> None:
    world.append(*"abcdef")
    world.commit(firings=[world.firing(n) for n in range(1, 7)])
    limits = replace(NOTHING, log_rows=1, firings_per_loop=1)
    assert [world.store.prune(limits, 4) for _ in range(4)] == [4, 4, 2, 0]
    assert world.store.info().first == 6
    assert [record.firing.position for record in world.store.firings()] == [6]


def test_firings_go_by_age_and_by_number_but_stay_counted(world: World) -> None:
    world.commit(firings=[world.firing(n, loop=loop) for n, loop in enumerate("aaabbb")])
    assert world.store.prune(replace(NOTHING, firings_per_loop=2), 100) == 2
    assert [record.firing.position for record in world.store.firings()] == [1, 2, 4, 5]
    world.advance(1_000)
    world.commit(firings=[world.firing(9, loop="a")])
    assert world.store.prune(replace(NOTHING, firing_age_ms=1_001), 100) == 0
    assert world.store.prune(replace(NOTHING, firing_age_ms=1_000), 100) == 4
    assert [record.firing.position for record in world.store.firings()] == [9]
    assert world.store.firing_counts() == {"a": 4, "b": 3}


def test_the_newest_letters_stay(world: World) -> None:
    world.store.bury([Letter("step", str(n), "broke", 1, {}, n) for n in range(5)])
    assert world.store.prune(replace(NOTHING, letters=2), 100) == 3
    assert [letter.name for letter in world.store.letters(10)] == ["4", "3"]


def test_actions_that_nobody_claims_in_time_are_given_up(world: World) -> None:
    limits = replace(NOTHING, action_age_ms=1_000)
    world.owe(
        world.action("a1", "a"), world.action("a2", "a"), world.action("b1", "b"), world.action("b2", "b")
    )
    first, _ = claim(world)
    world.store.finish(first, Retry(world.wall_ms, "no"), world.wall_ms)
    world.advance(999)
    assert world.store.prune(limits, 100) == 0
    world.advance(1)
    assert world.store.prune(limits, 100) == 3
    reasons = {letter.body["idempotency_key"]: letter.reason for letter in world.store.letters(10)}
    assert reasons["a1"].startswith("expired: nobody")
    assert reasons["a2"].startswith("expired: nobody")  # its head went a moment before
    assert reasons["b2"] == "expired behind b1"
    assert [row.kind for row in world.store.read(0, 10).rows] == [Kind.OUTCOME] * 3
    assert world.store.action_counts() == ActionCounts(0, 1, 3)
