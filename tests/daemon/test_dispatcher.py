"""The dispatcher over a store in memory: clocks stand still, handlers wait for events and never for time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from rules_engine.daemon.dispatcher import CANCEL_GRACE_MS, MAX_ABANDONED, Dispatcher, DispatchLimits
from rules_engine.daemon.handlers import ActionContext, GiveUp, collect
from rules_engine.daemon.performer import Performer
from rules_engine.engine.decision import OwedAction
from rules_engine.event import Kind
from rules_engine.events.handling import current_row
from rules_engine.store.port import Change

PATIENCE_S = 5


class Bench:
    """A store, a dispatcher, and two clocks: the store's and the steady one."""

    def __init__(self, store: Any, clock: Any) -> None:
        self.store, self.clock = store, clock
        self.steady_ms = 0.0
        self.lease = store.acquire("rules", "test", 60_000)
        store.reader("rules", start=0)
        self.dispatcher: Dispatcher = None  # type: ignore[assignment]
        self.performer = Performer()
        self.count = 0

    def serve(self, handlers: dict[str, Callable[..., Any]], **limits: Any) -> Dispatcher:
        self.dispatcher = Dispatcher(
            self.store,
            collect([handlers]),
            self.performer,
            worker="test",
            limits=DispatchLimits(**limits),
            clock=lambda: self.steady_ms,
        )
        return self.dispatcher

    def owe(self, *names: str, key: str = "a", retries: int = 0, **arguments: Any) -> None:
        actions = [self._action(name, key, retries, arguments) for name in names]
        at = next(r.position for r in self.store.readers())
        self.store.commit(self.lease, at, Change(at, self.clock(), "hash", actions=actions))

    def _action(self, name: str, key: str, retries: int, arguments: dict[str, Any]) -> OwedAction:
        self.count += 1
        bound = {
            "id": "event-1",
            "type": "READING",
            "payload": {"value": 12},
            "time_ms": 5,
            "chain": "root",
            "depth": 2,
        }
        return OwedAction(
            f"loop/{key}/7.{self.count}/0", f"{name.partition('.')[0]}/{key}", name, arguments, "loop",
            (key,), 7, self.count, self.clock(), retries, 10_000, 5_000, bound,
        )  # fmt: skip

    def pass_time(self, ms: int) -> None:
        self.clock.now_ms += ms
        self.steady_ms += ms

    def settle(self) -> None:
        """Turn until nothing runs."""
        for _ in range(100):
            self.dispatcher.turn()
            if not self.dispatcher.busy:
                return
            self.dispatcher.pause(PATIENCE_S * 1_000)
        pytest.fail("the dispatcher never comes to rest")

    @property
    def counts(self) -> tuple[int, int, int]:
        counts = self.store.action_counts()
        return counts.owed, counts.claimed, counts.dead


@pytest.fixture
def bench(store, clock):
    made = Bench(store, clock)
    yield made
    made.performer.close()


# ---- calling -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_handler_gets_arguments_and_context_and_the_action_is_done(bench, kind):
    seen: list[tuple[Any, ...]] = []

    def sync(sensor: str, context: ActionContext) -> None:
        seen.append((sensor, context, current_row.get()))

    async def asynchronous(sensor: str, context: ActionContext) -> None:
        sync(sensor, context)

    bench.serve({"Valve.close": sync if kind == "sync" else asynchronous})
    bench.owe("Valve.close", sensor="a")
    bench.settle()
    ((sensor, context, row),) = seen
    assert sensor == "a"
    assert (context.idempotency_key, context.loop, context.key) == ("loop/a/7.1/0", "loop", ("a",))
    assert (context.firing, context.attempt, context.event.payload) == ("7.1", 1, {"value": 12})
    assert (row.id, row.chain, row.depth) == ("event-1", "root", 2), "what it publishes names its cause"
    assert bench.counts == (0, 0, 0)


def test_what_a_knob_drives_comes_with_the_change_as_its_event(bench):
    seen: list[ActionContext] = []
    bench.serve({"Valve.set_gain": lambda gain, context: seen.append(context)})
    change = {"knob": "gain", "key": ["a"], "old": 1.0, "new": 0.5, "cause": "loop"}
    action = OwedAction(
        "gain/a/7.c0/drive",
        "Valve/a",
        "Valve.set_gain",
        {"gain": 0.5},
        "",
        ("a",),
        7,
        0,
        0,
        0,
        0,
        None,
        change,
    )
    bench.store.commit(bench.lease, 0, Change(0, 0, "hash", actions=[action]))
    bench.settle()
    assert (seen[0].event.type, seen[0].event.payload["new"], seen[0].loop) == ("change of gain", 0.5, "")


def test_actions_without_a_handler_here_wait(bench):
    bench.serve({"Valve.close": lambda: None})
    bench.owe("Pump.stop", "Valve.close")
    bench.settle()
    assert [action.action for action in bench.store.owed(10)] == ["Pump.stop"]


def test_one_lane_runs_in_order_and_one_at_a_time(bench):
    order: list[int] = []
    running = threading.Lock()

    def note(n: int) -> None:
        assert running.acquire(blocking=False), "two of one lane at once"
        order.append(n)
        running.release()

    bench.serve({"Valve.close": note})
    for n in range(20):
        bench.owe("Valve.close", n=n)
    bench.settle()
    assert order == list(range(20))


def test_lanes_do_not_wait_for_each_other(bench):
    met = threading.Barrier(2)
    bench.serve({"Valve.close": lambda: met.wait(PATIENCE_S)})
    bench.owe("Valve.close", key="a")
    bench.owe("Valve.close", key="b")
    bench.settle()
    assert bench.dispatcher.counts.done == 2


def test_no_more_than_so_many_run_at_once(bench):
    go = threading.Event()
    bench.serve({"Valve.close": lambda: go.wait(PATIENCE_S)}, max_running=2)
    for key in "abc":
        bench.owe("Valve.close", key=key)
    bench.dispatcher.turn()
    assert (bench.dispatcher.running, bench.counts) == (2, (1, 2, 0))
    go.set()
    bench.settle()
    assert bench.dispatcher.counts.done == 3


# ---- failing -------------------------------------------------------------------------------------


def failing(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def async_failing(error: BaseException) -> Callable[[], Any]:
    async def fail() -> None:
        raise error

    return fail


def test_a_failed_attempt_is_tried_again_when_it_is_due_and_not_before(bench):
    bench.serve({"Valve.close": failing(RuntimeError("stuck"))})
    bench.owe("Valve.close", retries=1)
    bench.settle()
    assert bench.dispatcher.counts.failed == 1
    bench.pass_time(9_999)
    bench.settle()
    assert (bench.dispatcher.counts.failed, bench.counts) == (1, (1, 0, 0))
    bench.pass_time(1)
    bench.settle()
    assert (bench.dispatcher.counts.failed, bench.counts) == (2, (0, 0, 1))


def test_what_is_given_up_leaves_a_letter_and_an_outcome(bench):
    bench.serve({"Valve.close": failing(RuntimeError("stuck"))})
    bench.owe("Valve.close")
    bench.settle()
    (letter,) = bench.store.letters(10)
    assert letter.reason.startswith("RuntimeError: stuck (")
    assert letter.attempts == 1
    assert [row.kind for row in bench.store.read(0, 10).rows] == [Kind.OUTCOME]


@pytest.mark.parametrize("make", [failing, async_failing])
def test_give_up_ends_the_retries(bench, make):
    bench.serve({"Valve.close": make(GiveUp("no such valve"))})
    bench.owe("Valve.close", retries=5)
    bench.settle()
    assert bench.store.letters(10)[0].reason == "no such valve"


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), RecursionError(), asyncio.CancelledError()]
)
@pytest.mark.parametrize("make", [failing, async_failing])
def test_nothing_a_handler_raises_ends_anything_but_its_attempt(bench, error, make):
    bench.serve({"Valve.close": make(error), "Valve.open": async_failing(RuntimeError("later"))})
    bench.owe("Valve.close", "Valve.open")
    bench.settle()
    assert bench.counts == (0, 0, 2)


def test_an_argument_that_the_handler_does_not_take_is_given_up_at_once(bench):
    bench.serve({"Valve.close": lambda sensor: None})
    bench.owe("Valve.close", retries=5, factor=1)
    bench.settle()
    assert "does not take `factor`" in bench.store.letters(10)[0].reason


# ---- hanging -------------------------------------------------------------------------------------


def test_a_sync_handler_past_its_time_is_abandoned_and_its_lane_goes_on(bench):
    hang = threading.Event()
    calls: list[int] = []

    def close(n: int) -> None:
        calls.append(n)
        if n == 0:
            hang.wait(PATIENCE_S)

    bench.serve({"Valve.close": close})
    bench.owe("Valve.close", n=0)
    bench.owe("Valve.close", n=1)
    bench.dispatcher.turn()
    bench.pass_time(4_999)
    bench.dispatcher.turn()
    assert bench.dispatcher.running == 1
    bench.pass_time(1)
    bench.settle()
    assert calls == [0, 1]
    assert bench.dispatcher.counts.abandoned == {"Valve": 1}
    assert bench.store.letters(10)[0].reason == "it took longer than 5 s"
    hang.set()


def test_an_async_handler_past_its_time_is_cancelled_and_counts_as_late(bench):
    started = threading.Event()

    async def close() -> None:
        started.set()
        await asyncio.Event().wait()

    bench.serve({"Valve.close": close})
    bench.owe("Valve.close")
    bench.dispatcher.turn()
    assert started.wait(PATIENCE_S)
    bench.pass_time(5_000)
    bench.settle()
    assert bench.store.letters(10)[0].reason == "it took longer than 5 s"
    assert not bench.dispatcher.counts.abandoned


def test_an_async_handler_that_blocks_its_loop_is_abandoned_and_harms_no_other_handler(bench):
    started, hang, done = threading.Event(), threading.Event(), threading.Event()

    async def block() -> None:
        started.set()
        hang.wait(PATIENCE_S)

    async def other() -> None:
        done.set()

    bench.serve({"Valve.close": block, "Pump.stop": other})
    bench.owe("Valve.close")
    bench.dispatcher.turn()
    assert started.wait(PATIENCE_S)
    bench.owe("Pump.stop")
    bench.dispatcher.turn()
    assert done.wait(PATIENCE_S)
    bench.pass_time(5_000)
    bench.dispatcher.turn()
    bench.pass_time(CANCEL_GRACE_MS)
    bench.settle()
    assert bench.dispatcher.counts.abandoned == {"Valve": 1}
    hang.set()


def test_too_many_abandoned_calls_close_a_handler_until_some_end(bench):
    hang = threading.Event()
    bench.serve({"Valve.close": lambda: hang.wait(PATIENCE_S), "Pump.stop": lambda: None})
    for n in range(MAX_ABANDONED):
        bench.owe("Valve.close", key=str(n))
    bench.dispatcher.turn()
    bench.pass_time(5_000)
    bench.settle()
    bench.owe("Valve.close", "Pump.stop", key="one more")
    bench.settle()
    assert [action.action for action in bench.store.owed(10)] == ["Valve.close"], "it waits; others do not"
    hang.set()
    for _ in range(100):
        bench.dispatcher.turn()
        if not bench.store.owed(10):
            break
        bench.dispatcher.pause(PATIENCE_S * 10)
    bench.settle()
    assert bench.store.owed(10) == []


# ---- claims --------------------------------------------------------------------------------------


def test_a_long_handler_keeps_its_claim(bench):
    go, calls = threading.Event(), []

    def close() -> None:
        calls.append(1)
        go.wait(PATIENCE_S)

    bench.serve({"Valve.close": close}, lease_ms=3_000)
    bench.owe("Valve.close")
    bench.dispatcher.turn()
    for _ in range(4):
        bench.pass_time(1_000)
        bench.dispatcher.turn()
    assert bench.store.claim(["Valve.close"], "another", 10, 1_000, bench.clock()) == []
    go.set()
    bench.settle()
    assert (calls, bench.dispatcher.counts.done) == ([1], 1)


def test_a_claim_that_was_lost_ends_nothing_in_the_store(bench):
    go = threading.Event()
    bench.serve({"Valve.close": lambda: go.wait(PATIENCE_S)}, lease_ms=3_000)
    bench.owe("Valve.close")
    bench.dispatcher.turn()
    bench.clock.now_ms += 3_000  # the lease runs out while this worker is frozen
    (other,) = bench.store.claim(["Valve.close"], "another", 10, 60_000, bench.clock())
    bench.steady_ms += 1_000
    bench.dispatcher.turn()
    go.set()
    bench.settle()
    assert bench.dispatcher.counts.late == 1
    assert bench.counts == (0, 1, 0), "it is the other worker's now"
    assert other.attempt == 2


def test_an_action_that_takes_its_workers_down_is_given_up_in_the_end(bench):
    bench.serve({"Valve.close": lambda: pytest.fail("it must not be called again")}, lease_ms=1_000)
    bench.owe("Valve.close")
    for _ in range(4):  # workers that claim it and die
        assert bench.store.claim(["Valve.close"], "doomed", 1, 1_000, bench.clock())
        bench.pass_time(1_000)
    bench.settle()
    assert "died" in bench.store.letters(10)[0].reason


def test_what_the_store_did_not_take_is_told_again(bench, monkeypatch):
    from rules_engine.store.port import StoreBusy

    calls: list[int] = []
    bench.serve({"Valve.close": lambda: calls.append(1)})
    bench.owe("Valve.close")
    real = bench.store.finish

    def busy(*_: Any) -> bool:
        raise StoreBusy("busy")

    monkeypatch.setattr(bench.store, "finish", busy)
    with pytest.raises(StoreBusy):
        bench.settle()
    monkeypatch.setattr(bench.store, "finish", real)
    bench.settle()
    assert (calls, bench.counts) == ([1], (0, 0, 0)), "performed once, settled later"


# ---- ending --------------------------------------------------------------------------------------


def test_draining_waits_for_what_runs_and_claims_nothing_more(bench):
    go, started = threading.Event(), threading.Event()

    def close() -> None:
        started.set()
        go.wait(PATIENCE_S)

    bench.serve({"Valve.close": close})
    bench.owe("Valve.close", "Valve.close")
    bench.dispatcher.turn()
    assert started.wait(PATIENCE_S)
    go.set()
    assert bench.dispatcher.drain(60_000)
    assert bench.counts == (1, 0, 0)


def test_what_does_not_end_is_handed_back_at_once(bench):
    hang = threading.Event()
    bench.serve({"Valve.close": lambda: hang.wait(PATIENCE_S)})
    bench.owe("Valve.close")
    bench.dispatcher.turn()
    assert not bench.dispatcher.drain(0)
    assert bench.counts == (1, 0, 0)
    assert bench.store.claim(["Valve.close"], "next", 1, 1_000, bench.clock()), (
        "due at once, no lease to wait for"
    )
    hang.set()
