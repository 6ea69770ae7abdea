"""The evaluator over a store in memory and a clock that stands still: what is committed, and when."""

from __future__ import annotations

import json
from concurrent.futures import Future

import pytest

from rules_engine.daemon import control, facts
from rules_engine.daemon import evaluator as evaluator_module
from rules_engine.event import Kind
from rules_engine.store.port import Fenced, StoreBusy, StoreError


def position(store) -> int:
    return next(reader.position for reader in store.readers() if reader.name == "rules")


def test_what_follows_from_an_event_is_committed_at_once(store, engine, publish, fired):
    running = engine()
    publish(12)
    assert running.turn()
    assert fired() == [("high_closes", ("a",), "event")]
    assert [action.action for action in store.owed(10)] == ["Valve.set_gain", "Valve.close"]
    assert position(store) == store.info().head
    assert not running.turn()


def test_events_published_before_the_first_start_are_decided(store, engine, publish, settle):
    publish(12)
    settle(engine())
    assert len(store.firings()) == 1


def test_emitted_events_follow_in_the_log_and_are_not_decided_again(store, engine, publish, settle):
    running = engine()
    publish(150)
    settle(running)
    kinds = [(row.kind, row.type) for row in store.read(1, 10).rows]
    assert kinds == [(Kind.EVENT, "READING"), (Kind.EMITTED, "PRESSURE_ALARM")]
    assert position(store) == 3
    assert len(store.firings()) == 1


@pytest.mark.parametrize("size", [1, 2, 7, 256])
def test_the_size_of_a_batch_decides_nothing(store, engine, publish, size, settle, fired):
    running = engine(batch_rows=size)
    for sensor in "abc":
        publish(5, 11, 150, 3, sensor=sensor)
    settle(running)
    expected = [("high_closes", (s,), "event") for s in "abc" for _ in range(2)]
    assert fired() == expected


# ---- time ----------------------------------------------------------------------------------------


def test_a_timer_fires_by_a_tick_when_it_is_due_and_not_before(store, engine, publish, clock, settle, fired):
    running = engine()
    publish(12)
    settle(running)
    clock.now_ms += 59_999
    assert not running.turn()
    clock.now_ms += 1
    assert running.turn()
    assert fired()[-1] == ("long_high_alarms", ("a",), "timer")
    assert store.read(2, 1).rows[0].kind is Kind.TICK


def test_no_tick_is_written_while_nothing_is_due(store, engine, clock):
    running = engine()
    head = store.info().head
    clock.now_ms += 3_600_000
    assert not running.turn()
    assert store.info().head == head


# ---- restart -------------------------------------------------------------------------------------


def test_a_new_daemon_goes_on_where_the_old_one_was(store, engine, publish, clock, settle, fired):
    settle_one = engine()
    publish(12)
    settle(settle_one)
    clock.now_ms += 30_000
    running = engine()
    settle(running)
    assert len(store.firings()) == 1
    clock.now_ms += 30_000
    settle(running)
    assert fired()[-1] == ("long_high_alarms", ("a",), "timer")


def test_the_same_rules_make_no_swap(store, engine):
    engine()
    swaps = len(store.controls(0, 100))
    head = store.info().head
    engine()
    assert (len(store.controls(0, 100)), store.info().head) == (swaps, head)


def test_other_rules_are_swapped_in_at_a_place_in_the_log(store, engine, publish, settle, fired, rule_set):
    settle(engine())
    other = rule_set("value > 10\n", "value > 20\n")
    running = engine(other)
    swaps = [(c.after, c.body["hash"]) for c in store.controls(0, 100) if c.kind == control.SWAP]
    assert [digest for _, digest in swaps] == [rule_set().hash, other.hash]
    publish(12)
    settle(running)
    assert "high_closes" not in {loop for loop, _, _ in fired()}
    assert store.rules(other.hash) == {"rules/a.loop": other.texts["rules/a.loop"]}


def test_each_firing_names_the_rules_that_decided_it(store, engine, publish, settle, rule_set):
    running = engine()
    publish(12)
    settle(running)
    other = rule_set("value > 10\n", "value > 11\n")
    swapped = running.swap(other)
    settle(running)
    assert swapped.result(0)["kept"] == ["high_closes", "long_high_alarms"]
    publish(12)
    settle(running)
    assert [f.rules for f in store.firings()] == [rule_set().hash, other.hash]


# ---- taking over ---------------------------------------------------------------------------------


def test_a_daemon_that_lost_its_lease_commits_nothing(store, engine, publish, settle):
    old = engine()
    new = engine()
    publish(12)
    with pytest.raises(Fenced, match="taken over"):
        old.turn()
    settle(new)
    assert len(store.firings()) == 1


def test_a_position_moved_by_somebody_else_ends_it(store, engine, publish):
    running = engine()
    publish(12)
    store.ack("rules", position(store), position(store) + 1)
    with pytest.raises(Fenced, match="is not at"):
        running.turn()
    assert store.firings() == []


# ---- a store in trouble --------------------------------------------------------------------------


@pytest.mark.parametrize("error", [StoreBusy("busy"), StoreError("who knows"), OSError("disk")])
@pytest.mark.parametrize("stored", [False, True])
def test_after_a_commit_that_failed_memory_is_as_the_store(
    store, engine, publish, monkeypatch, error, stored, settle, fired
):
    running = engine()
    publish(12)
    real = store.commit

    def failing(*arguments):
        if stored and not isinstance(error, StoreBusy):  # busy: never written
            real(*arguments)
        raise error

    monkeypatch.setattr(store, "commit", failing)
    with pytest.raises(type(error)):
        running.turn()
    monkeypatch.setattr(store, "commit", real)
    settle(running)
    publish(12)
    settle(running)
    assert fired() == [("high_closes", ("a",), "event")] * 2
    gain = [action.arguments["gain"] for action in store.owed(10) if action.action == "Valve.set_gain"]
    assert gain == [0.75, 0.5]


# ---- poison --------------------------------------------------------------------------------------


def test_a_row_whose_step_raises_is_a_dead_letter_and_the_next_one_is_decided(
    store, engine, publish, monkeypatch, settle
):
    running = engine()
    real = evaluator_module.decide

    def poisoned(plan, state, row):
        if row.payload.get("value") == 13:
            raise ZeroDivisionError("boom")
        return real(plan, state, row)

    monkeypatch.setattr(evaluator_module, "decide", poisoned)
    publish(13, 12)
    settle(running)
    assert len(store.firings()) == 1
    (letter,) = store.letters(10)
    assert (letter.kind, letter.name, letter.reason) == ("event", "READING", "ZeroDivisionError: boom")
    assert letter.body["payload"]["value"] == 13
    assert "poisoned" in letter.body["traceback"]
    assert letter.body["rules"] == running.active_hash


def test_a_decision_that_is_no_json_costs_its_row_and_no_other(store, engine, publish, monkeypatch, settle):
    running = engine()
    real = evaluator_module.decide

    def poisoned(plan, state, row):
        decision = real(plan, state, row)
        if row.payload.get("value") == 13:
            for firing in decision.firings:
                firing.because["value"] = object()
        return decision

    monkeypatch.setattr(evaluator_module, "decide", poisoned)
    publish(12, 13, 14)
    settle(running)
    assert [f.firing.because["value"] for f in store.firings()] == [12, 14]
    assert [letter.kind for letter in store.letters(10)] == ["event"]
    assert position(store) == store.info().head


# ---- operators -----------------------------------------------------------------------------------


@pytest.fixture
def ask(store, settle):
    """Asks, lets the evaluator answer, and returns the refusal (None: granted)."""

    def ask(running, request) -> str | None:
        number = store.ask(request)
        settle(running)
        return store.fact(facts.ANSWERS)[str(number)]

    return ask


def test_a_loop_that_is_off_does_nothing_until_it_is_on(store, engine, publish, settle, ask):
    running = engine()
    assert ask(running, control.off("high_closes", "too noisy")) is None
    assert store.fact(facts.SWITCHED_OFF)["high_closes"]["reason"] == "too noisy"
    publish(12)
    settle(running)
    assert store.firings() == []
    assert ask(running, control.on("high_closes")) is None
    assert store.fact(facts.SWITCHED_OFF) == {}
    publish(12)
    settle(running)
    assert len(store.firings()) == 1


def test_off_for_a_while_ends_by_itself(store, engine, publish, clock, settle, fired, ask):
    running = engine()
    ask(running, control.off("high_closes", "for now", 60_000))
    clock.now_ms += 59_999
    publish(12)
    settle(running)
    assert store.firings() == []
    clock.now_ms += 1
    publish(12)
    settle(running)
    assert fired()[0] == ("high_closes", ("a",), "event")


def test_an_operator_sets_a_knob_and_what_it_drives_is_owed(store, engine, ask):
    running = engine()
    assert ask(running, control.set_knob("gain", ("a",), 0.5)) is None
    (owed,) = store.owed(10)
    assert (owed.action, owed.arguments, owed.loop) == ("Valve.set_gain", {"sensor": "a", "gain": 0.5}, "")


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (control.off("nope", "x"), "there is no loop `nope`"),
        (control.on("nope"), "there is no loop `nope`"),
        (control.set_knob("nope", ("a",), 1), "there is no knob `nope`"),
        (control.set_knob("gain", (), 1), "takes sensor"),
        (control.set_knob("gain", ("a",), 2.1), "lies in 0..2"),
        (control.set_knob("gain", ("a",), "much"), "lies in 0..2"),
        (control.Control("dance", {}), "no request of kind `dance`"),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_and_changes_nothing(store, engine, request_, told, ask):
    running = engine()
    before = len(store.controls(0, 100))
    assert told in ask(running, request_)
    assert store.asked() == []
    assert len(store.controls(0, 100)) == before


def test_requests_are_pinned_to_the_row_after_which_they_act(store, engine, publish, ask):
    running = engine(batch_rows=1)
    publish(12, 12)
    ask(running, control.off("high_closes", "stop"))
    pinned = [c for c in store.controls(0, 100) if c.kind == "off"]
    assert [c.after for c in pinned] == [2], "it acts at once, with a row still waiting"
    assert len(store.firings()) == 1


def test_a_request_at_the_head_gets_a_place_and_a_time_of_its_own(store, engine, clock, ask):
    running = engine()
    clock.now_ms += 5_000
    ask(running, control.off("high_closes", "stop"))
    (pinned,) = [c for c in store.controls(0, 100) if c.kind == "off"]
    assert pinned.time_ms == clock.now_ms
    assert store.read(pinned.after - 1, 1).rows[0].kind is Kind.TICK


def test_a_request_behind_a_few_waiting_rows_still_gets_the_present_time(store, engine, publish, clock, ask):
    running = engine()
    publish(12)
    clock.now_ms += 5_000
    ask(running, control.off("high_closes", "stop"))
    (pinned,) = [c for c in store.controls(0, 100) if c.kind == "off"]
    assert pinned.time_ms == clock.now_ms


def test_two_requests_at_one_place_are_numbered(store, engine, settle):
    running = engine()
    for loop in ("high_closes", "long_high_alarms"):
        store.ask(control.off(loop, "stop"))
    settle(running)
    pinned = [c for c in store.controls(0, 100) if c.kind == "off"]
    assert len({(c.after, c.n) for c in pinned}) == 2


def test_a_reload_request_is_answered_and_handed_on_with_its_number(store, engine, settle):
    running = engine()
    asked: list[int] = []
    running.on_reload_asked = asked.append
    number = store.ask(control.reload())
    settle(running)
    assert asked == [number]
    assert store.asked() == []


def test_answers_are_bounded():
    kept = None
    for number in range(1, 301):
        kept = control.answered(kept, {number: None})
    assert len(kept) == 200
    assert min(map(int, kept)) == 101
    assert json.loads(json.dumps(kept)) == kept


def test_a_swap_that_raises_is_told_to_whoever_asked_and_the_old_rules_go_on(
    store, engine, publish, monkeypatch, settle, rule_set
):
    running = engine()

    def failing(*_):
        raise RuntimeError("boom")

    monkeypatch.setattr(evaluator_module, "handover", failing)
    swapped: Future = running.swap(rule_set("value > 10\n", "value > 11\n"))
    settle(running)
    with pytest.raises(RuntimeError, match="boom"):
        swapped.result(0)
    publish(12)
    settle(running)
    assert len(store.firings()) == 1


# ---- ticks (L21) ---------------------------------------------------------------------------------

TICKS = """
event BEAT { n: int }
loop beats "Beat." on every 5s emit BEAT { n: count(over 1h) }
"""


def test_l21_over_an_empty_log_it_ticks_from_its_start_with_a_row_for_each(
    store, engine, clock, rule_set, settle
):
    running = engine(rule_set(text=TICKS))
    begin = clock.now_ms
    for _ in range(150):
        clock.now_ms += 100
        settle(running)
    assert [kept.firing.time_ms - begin for kept in store.firings()] == [5_000, 10_000, 15_000]
    ticks = [row.time_ms - begin for row in store.read(1, 100).rows if row.kind is Kind.TICK]
    assert ticks == [5_000, 10_000, 15_000]


@pytest.mark.parametrize(("away_ms", "ticks"), [(4_999, []), (5_000, [5_000]), (37_000, [35_000])])
def test_l21_what_it_missed_while_down_collapses_into_one(
    store, engine, clock, rule_set, settle, away_ms, ticks
):
    settle(engine(rule_set(text=TICKS)))
    begin = clock.now_ms
    clock.now_ms += away_ms
    settle(engine(rule_set(text=TICKS)))
    assert [kept.firing.time_ms - begin for kept in store.firings()] == ticks
    clock.now_ms = begin + 40_000
    settle(engine(rule_set(text=TICKS)))
    assert store.firings()[-1].firing.time_ms == begin + 40_000


def test_l21_a_loop_that_is_new_at_a_start_does_not_tick_for_the_time_before(
    store, engine, clock, rule_set, settle
):
    settle(engine())
    clock.now_ms += 3_600_000
    running = engine(rule_set(text=TICKS))
    settle(running)
    assert store.firings() == []
    clock.now_ms += 5_000
    settle(running)
    assert len(store.firings()) == 1


def test_l21_a_log_that_waits_is_for_new_ticks_too(store, engine, clock, rule_set, settle, publish):
    publish(1)
    begin = clock.now_ms
    clock.now_ms += 5_000
    publish(2)
    settle(engine(rule_set(text=TICKS)))
    assert [kept.firing.time_ms - begin for kept in store.firings()] == [5_000]
