"""The engine inside another program, workers beside it, and knobs read from anywhere."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest

import rules_engine
from rules_engine import ActionContext, Engine, Knobs, action, handler, serve
from rules_engine import store as stores
from rules_engine.daemon.handlers import HandlersError
from rules_engine.daemon.service import DaemonRunning, RulesRefused
from rules_engine.store.port import NewEvent, StoreError

PATIENCE_S = 15


@pytest.fixture
def folder(tmp_path, rule_set) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.loop").write_text(rule_set().texts["rules/a.loop"])
    return tmp_path


def publish(store, *values: float, sensor: str = "a") -> None:
    count = store.info().head
    bodies = [json.dumps({"sensor": sensor, "value": value}).encode() for value in values]
    store.append([NewEvent(f"{sensor}-{count + n}", "READING", body) for n, body in enumerate(bodies)])


@handler
class Valve:
    """Handlers of both kinds, which say on which thread they were called."""

    def __init__(self) -> None:
        self.closed: asyncio.Queue[tuple[str, threading.Thread]] = asyncio.Queue()
        self.gains: list[tuple[float, threading.Thread]] = []

    async def close(self, sensor: str, reason: str, context: ActionContext) -> None:
        assert context.event["type"] == "READING"
        await self.closed.put((sensor, threading.current_thread()))

    def set_gain(self, sensor: str, gain: float) -> None:
        self.gains.append((gain, threading.current_thread()))


async def test_an_engine_decides_and_performs_on_the_loop_of_its_program(folder):
    valve = Valve()
    async with Engine(
        rules=folder / "rules", db=folder / "events.db", handlers=[valve], watch=False
    ) as engine:
        publish(engine.store, 12)
        sensor, thread = await asyncio.wait_for(valve.closed.get(), PATIENCE_S)
        assert (sensor, thread) == ("a", threading.current_thread())
        ((gain, other),) = valve.gains
        assert gain == 0.75
        assert other is not thread
        assert engine.knobs.get("gain", "a") == 0.75
        assert engine.health()["ok"]
    assert Knobs(folder / "events.db").get("gain", "a") == 0.75


async def test_rules_with_errors_are_refused_with_their_findings(folder):
    (folder / "rules" / "a.loop").write_text("loop broken\n  on NOPE\n")
    with pytest.raises(RulesRefused) as refused:
        async with Engine(rules=folder / "rules", db=folder / "events.db"):
            pytest.fail("it must not run")
    assert refused.value.rules.diagnostics


async def test_a_second_engine_over_one_database_is_refused(folder):
    async with Engine(rules=folder / "rules", db=folder / "events.db", watch=False):
        with pytest.raises(DaemonRunning, match="pid"):
            async with Engine(rules=folder / "rules", db=folder / "events.db"):
                pytest.fail("it must not run")
    async with Engine(rules=folder / "rules", db=folder / "events.db", watch=False):
        pass


async def test_handlers_that_do_not_fit_are_refused(folder):
    @action("Valve.close")
    def close(sensor: str) -> None: ...

    with pytest.raises(HandlersError, match="does not take `reason`"):
        async with Engine(rules=folder / "rules", db=folder / "events.db", handlers=[close]):
            pytest.fail("it must not run")


async def test_a_body_that_raises_still_ends_the_engine(folder):
    with pytest.raises(KeyError):
        async with Engine(rules=folder / "rules", db=folder / "events.db", watch=False):
            raise KeyError
    assert not any(thread.name.startswith("rules-engine ") for thread in threading.enumerate())


async def test_serving_performs_what_a_daemon_elsewhere_owes_until_it_is_cancelled(folder):
    valve = Valve()
    async with Engine(rules=folder / "rules", db=folder / "events.db", watch=False) as engine:
        serving = asyncio.create_task(serve([valve], db=folder / "events.db"))
        publish(engine.store, 12)
        sensor, thread = await asyncio.wait_for(valve.closed.get(), PATIENCE_S)
        assert (sensor, thread) == ("a", threading.current_thread())
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(serving, PATIENCE_S)
    assert not any(thread.name.startswith("rules-engine ") for thread in threading.enumerate())


async def test_serving_nothing_is_an_error(folder):
    with pytest.raises(HandlersError):
        await serve([object()], db=folder / "events.db")


# ---- knobs ---------------------------------------------------------------------------------------


@pytest.fixture
def decided(folder):
    """A database in which a daemon has run: `gain` at `a` was lowered."""
    from rules_engine.config import settings
    from rules_engine.wiring import make_service

    chosen = settings(db=folder / "events.db", rules=(folder / "rules",))
    store = stores.open(chosen.db)
    publish(store, 12)
    service = make_service(chosen, store)
    service.prepare()
    service.drain()
    service.stop()
    yield chosen.db
    store.close()


def test_a_knob_is_read_without_a_daemon(decided):
    with Knobs(decided) as knobs:
        assert knobs.get("gain", "a") == 0.75
        assert knobs.get("gain", "never set") == 1.0
        (reading,) = knobs.all()
        assert (reading.knob, reading.key, reading.value, reading.hold) == ("gain", ("a",), 0.75, None)
        assert knobs.names() == ["gain"]


def test_a_knob_or_key_that_is_not_there_is_named(decided):
    with Knobs(decided) as knobs:
        with pytest.raises(KeyError, match="did you mean 'gain'"):
            knobs.get("gian", "a")
        with pytest.raises(KeyError, match="takes a key of sensor"):
            knobs.get("gain")


def test_knobs_make_no_database(folder):
    with Knobs(folder / "nowhere.db") as knobs, pytest.raises(StoreError, match=r"nowhere\.db"):
        knobs.get("gain", "a")
    assert not (folder / "nowhere.db").exists()


def test_holds_and_decay_go_on_by_the_log_clock_while_no_daemon_runs(store, engine, rule_set, settle, clock):
    from rules_engine.daemon import control, facts

    rules = rule_set("= 1.0 drives", "= 1.0 decay 1h drives")
    running = engine(rules)
    store.put_fact(facts.RULES, facts.rules_fact(rules, clock.now_ms))
    store.ask(control.set_knob("gain", ("a",), 2.0))
    settle(running)
    store.ask(control.set_knob("gain", ("a",), 0.5, 3_600_000))
    settle(running)
    knobs = Knobs(store=store)
    clock.now_ms += 3_599_999
    assert (knobs.get("gain", "a"), knobs.read("gain", "a").hold) == (0.5, "for")
    clock.now_ms += 1
    assert (knobs.get("gain", "a"), knobs.read("gain", "a").hold) == (1.5, None), (
        "half the way back after 1 h"
    )
    clock.now_ms += 3_600_000
    assert knobs.get("gain", "a") == 1.25
    settle(running)
    clock.now_ms += 1
    assert knobs.get("gain", "a") == 1.25, "a daemon comes to the same"


# ---- the package ---------------------------------------------------------------------------------


def test_the_public_names_are_there():
    for name in rules_engine.__all__:
        assert getattr(rules_engine, name) is not None
    assert set(rules_engine.__all__) <= set(dir(rules_engine))
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        rules_engine.nope  # noqa: B018
