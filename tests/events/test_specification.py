"""The event system's specification, held against the package: its code runs as printed, its tables hold.

Code and tables lie in `tests/data/specification.md`, with the package's name as printed there.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from rules_engine.config import SettingsError, settings
from rules_engine.engine.plan import DoPlan, SetPlan
from rules_engine.events import data_events, stage_events
from rules_engine.events.cross_process_events import poll_events, push_event
from rules_engine.events.data_events import DataEventType
from rules_engine.events.event_router import (
    Event,
    StageCompletionResult,
    StageEvent,
    UnifiedEventRouter,
    get_router,
    publish,
)
from rules_engine.pipeline import load

RULES = Path(__file__).resolve().parents[2] / "rules"
SPECIFICATION = (Path(__file__).parent.parent / "data" / "specification.md").read_text(encoding="utf-8")


@cache
def section(title: str) -> str:
    """What stands under a heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", SPECIFICATION, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def code(title: str) -> CodeType:
    """The code block under a heading, with the package as it is called here."""
    found = re.search(r"^```python\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)
    assert found, title
    block = found[1].replace("app.coordination", "rules_engine.events")
    block = block.replace("app.distributed", "rules_engine.events")
    return compile(block, title, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def table(title: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head and without code marks."""
    rows = [line.strip("|").split("|") for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in row] for row in rows[2:]]


async def run(title: str, **names: Any) -> dict[str, Any]:
    space = {"DataEventType": DataEventType, **names}
    result = eval(code(title), space)
    if inspect.isawaitable(result):
        await result
    return space


def seen(router: UnifiedEventRouter) -> list[tuple[str, dict[str, Any], str]]:
    return [(event.type, event.payload, event.source) for event in router.get_history()]


# ---- code --------------------------------------------------------------------------------------------


async def test_publishing_events(router: UnifiedEventRouter) -> None:
    await run("Publish")
    assert seen(router) == [
        ("TRAINING_COMPLETED", {"config_key": "hex8_2p", "success": True, "epoch": 50}, "training_daemon"),
        ("MODEL_PROMOTED", {"model_path": "models/hex8_2p.pth", "elo": 1850}, "promotion_controller"),
    ]


async def test_subscribing_to_events(caplog: pytest.LogCaptureFixture) -> None:
    models: list[tuple[str, dict[str, Any]]] = []

    async def on_model_event(event: dict[str, Any]) -> None:
        models.append((event["event_type"], event["payload"]))

    await run("Subscribe", logger=logging.getLogger("app"), on_model_event=on_model_event)
    with caplog.at_level(logging.INFO, "app"):
        await publish(DataEventType.TRAINING_COMPLETED, {"config_key": "hex8_2p"})
        await publish(DataEventType.MODEL_PROMOTED, {"elo": 1850})
        await publish(DataEventType.EVALUATION_COMPLETED, {"elo": 1860})
        await publish(DataEventType.MODEL_REGISTERED, {"elo": 1870})  # nobody asked for it
    assert "Training completed for hex8_2p" in caplog.messages
    assert models == [("MODEL_PROMOTED", {"elo": 1850}), ("EVALUATION_COMPLETED", {"elo": 1860})]


@pytest.mark.parametrize("inside_a_loop", [False, True])
async def test_emit_functions(router: UnifiedEventRouter, inside_a_loop: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "never awaited" would be one
        if inside_a_loop:
            await run("Emit functions")
        else:
            await asyncio.to_thread(exec, code("Emit functions"), {})
    assert await asyncio.to_thread(router.flush)
    assert [(name, payload) for name, payload, _ in seen(router)] == [
        ("TRAINING_COMPLETED", {"config_key": "hex8_2p", "success": True}),
        ("MODEL_PROMOTED", {"model_path": "models/hex8_2p.pth", "elo": 1850}),
        ("QUALITY_DEGRADED", {"config_key": "hex8_2p", "quality_drop_percent": 25}),
    ]


def test_cross_process_events() -> None:
    seen_before = push_event("HOST_ONLINE", {"host": "a"}, "p2p")
    processed: list[Any] = []
    exec(code("Across processes"), {"last_seen_id": seen_before, "process_event": processed.append})
    (event,) = processed
    assert event.event_id == seen_before + 1
    assert event.event_type == DataEventType.TRAINING_COMPLETED
    assert event.payload == {"config_key": "hex8_2p"}
    assert event.source == "training_worker_1"
    assert event.hostname
    assert event.created_at == 1_700_000_000.0


async def test_event_deduplication(router: UnifiedEventRouter, clock: Any) -> None:
    heard: list[str] = []
    router.subscribe(DataEventType.MODEL_PROMOTED, lambda event: heard.append(event["payload"]["model"]))
    await run("Repeats", publish=publish)
    assert heard == ["foo", "bar"]
    clock.ms += 59_999
    await run("Repeats", publish=publish)
    assert heard == ["foo", "bar"]
    clock.ms += 1
    await run("Repeats", publish=publish)
    assert heard == ["foo", "bar"] * 2


async def test_daemon_wiring() -> None:
    space = await run("A daemon", get_router=get_router)
    heard: list[str] = []

    class Wired(space["MyDaemon"]):  # type: ignore[misc,name-defined]
        async def _on_training_completed(self, event: dict[str, Any]) -> None:
            heard.append(event["payload"]["config_key"])

        async def _on_host_offline(self, event: dict[str, Any]) -> None:
            heard.append(event["payload"]["host"])

    Wired()
    await publish(DataEventType.TRAINING_COMPLETED, {"config_key": "hex8_2p"})
    await publish(DataEventType.HOST_OFFLINE, {"host": "a"})
    assert heard == ["hex8_2p", "a"]


async def test_migration_from_legacy_systems(router: UnifiedEventRouter) -> None:
    heard: list[str] = []
    router.subscribe("TRAINING_COMPLETED", lambda event: heard.append(event.payload["config_key"]))
    with pytest.warns(DeprecationWarning, match="EventBus") as caught:
        await run("Old and new", payload={"config_key": "hex8_2p"})
    assert len(caught) == 1
    assert await asyncio.to_thread(router.flush)
    # the second is the first again, within the window
    assert seen(router) == [("TRAINING_COMPLETED", {"config_key": "hex8_2p"}, "")]
    assert heard == ["hex8_2p"]


# ---- components and files ----------------------------------------------------------------------------


@pytest.mark.parametrize(("component", "file", "kept_in"), table("Components"))
def test_each_component_lies_in_its_file_and_is_kept_where_it_says(
    component: str, file: str, kept_in: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = getattr(importlib.import_module(f"rules_engine.events.{file.removesuffix('.py')}"), component)
    if kept_in == "SQLite":
        queue = made(tmp_path / "queue.db")
        queue.publish("MODEL_PROMOTED", {})
        queue.close()
        assert (tmp_path / "queue.db").read_bytes().startswith(b"SQLite format 3\0")
        return
    if component == "EventRouter":
        router = made("memory:")
        router.publish("MODEL_PROMOTED", {})
        assert [event.type for event in router.get_history()] == ["MODEL_PROMOTED"]
        router.close()
    else:
        with pytest.warns(DeprecationWarning, match=component):
            made()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", [row[0] for row in table("Files")])
def test_each_file_is_there_under_its_name(path: str) -> None:
    module = importlib.import_module(f"rules_engine.events.{Path(path).stem}")
    assert Path(inspect.getfile(module)).name == Path(path).name
    assert module.__doc__


# ---- event types -------------------------------------------------------------------------------------


def names_in(text: str) -> list[str]:
    return re.findall(r"`(\w+)`", text)


def test_there_are_252_event_types() -> None:
    (number,) = re.findall(r"number: (\d+)", section("Event types"))
    assert len(DataEventType) == len({member.value for member in DataEventType}) == int(number)


@pytest.mark.parametrize(
    ("group", "names"),
    [(group, names_in(rest)) for group, rest in re.findall(r"- (\w+): (`.*)", section("Event types"))],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_each_group_of_events_can_be_published_and_heard(
    group: str, names: list[str], router: UnifiedEventRouter
) -> None:
    heard: list[str] = []
    router.subscribe_many([DataEventType[name] for name in names], lambda event: heard.append(event.type))
    for name in names:
        await publish(DataEventType[name], {"group": group})
    assert heard == names
    assert len(heard) >= 3


def test_every_event_that_the_specification_names_exists() -> None:
    named = {*names_in(section("Feedback loops")), *names_in(section("Daemons"))}
    named |= set(re.findall(r"\b[A-Z_]{5,}\b", section("Flow")))
    named |= set(re.findall(r"DataEventType\.(\w+)", SPECIFICATION))
    named = {name for name in named if name.isupper()}
    assert len(named) == 23
    assert named - set(DataEventType.__members__) == set()


@pytest.mark.parametrize(("stage", "value", "events"), table("Stages"))
@pytest.mark.parametrize("promoted", [True, False])
async def test_the_end_of_each_stage_arrives_as_the_event_that_it_means(
    stage: str, value: str, events: str, promoted: bool, router: UnifiedEventRouter
) -> None:
    heard: list[tuple[str, str]] = []
    router.subscribe(StageEvent[stage], lambda event: heard.append((event.type, event.payload["event"])))
    success, _, failure = events.partition(" or ")
    router.subscribe(success, lambda event: heard.append((event.type, "by name")))
    await publish(StageCompletionResult(StageEvent(value), True, 1, promoted=promoted))
    if promoted or not failure:
        assert sorted(heard) == [(success, "by name"), (success, value)]
    else:
        assert heard == [(failure, value)]


def test_there_are_no_further_stages() -> None:
    assert {row[0]: row[1] for row in table("Stages")} == {stage.name: stage.value for stage in StageEvent}


# ---- the flow of the training pipeline ---------------------------------------------------------------


def flow() -> Iterator[tuple[str, list[str]]]:
    for line in section("Flow").splitlines():
        before, arrow, after = line.partition(" -> ")
        if arrow:
            yield before, after.split(" | ")


@pytest.mark.parametrize(
    ("fails", "ends"),
    [
        ("", ["DATA_SYNC_COMPLETED", "MODEL_DISTRIBUTED"]),
        ("promotion", ["DATA_SYNC_COMPLETED", "PROMOTION_FAILED"]),
        ("training", ["DATA_SYNC_COMPLETED", "TRAINING_FAILED"]),
    ],
)
async def test_the_pipeline_flows_from_handler_to_handler(
    fails: str, ends: list[str], router: UnifiedEventRouter
) -> None:
    """Each handler publishes what follows; every event arrives once, with its cause and its chain."""
    heard: list[Event] = []
    finished = asyncio.Event()

    async def follow(event: Event) -> None:
        heard.append(event)
        for before, choices in flow():
            if event.type == before:
                chosen = [name for name in choices if "FAILED" in name and fails and fails in name.lower()]
                await publish((chosen or choices)[0], {"config_key": "hex8_2p"}, source=f"after_{before}")
        if {each.type for each in heard} >= set(ends):
            finished.set()

    router.subscribe_many(sorted({name for before, after in flow() for name in (before, *after)}), follow)
    await publish(DataEventType.SELFPLAY_COMPLETED, {"config_key": "hex8_2p"})
    await asyncio.wait_for(finished.wait(), 10)

    steps = {before: after for before, after in flow() if len(after) == 1}
    places = {event.type: event for event in heard}
    assert len(places) == len(heard)
    assert places.keys() >= {"SELFPLAY_COMPLETED", "GAMES_GENERATED", "NPZ_EXPORTED", *ends}
    assert not places.keys() & ({"MODEL_PROMOTED", "PROMOTION_FAILED", "TRAINING_FAILED"} - {*ends, *steps})
    root = places["SELFPLAY_COMPLETED"]
    for event in heard:
        if event is not root:
            before = places[event.source.removeprefix("after_")]
            assert (event.cause, event.chain, event.depth) == (
                before.event_id,
                root.event_id,
                before.depth + 1,
            )
            assert event.seq > before.seq


# ---- environment -------------------------------------------------------------------------------------

SETTINGS = {
    "RINGRIFT_EVENT_LOG_LEVEL": "event_log_level",
    "RINGRIFT_EVENT_DEDUP_WINDOW_SECS": "dedup_window_secs",
    "COORDINATOR_CROSS_PROCESS_POLL_INTERVAL": "poll_interval_secs",
}


@pytest.mark.parametrize(("variable", "default"), table("Environment"))
def test_each_variable_has_its_default(
    variable: str, default: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(variable, raising=False)
    value = getattr(settings(), SETTINGS[variable])
    assert value == type(value)(default)
    monkeypatch.setenv(variable, "ERROR" if default == "INFO" else "7.5")
    assert getattr(settings(), SETTINGS[variable]) == ("ERROR" if default == "INFO" else 7.5)
    monkeypatch.setenv(variable, "-1")
    with pytest.raises(SettingsError, match=variable):
        settings()


def fresh(store: Any) -> UnifiedEventRouter:
    """A router that reads the environment anew."""
    return UnifiedEventRouter(store=store)


@pytest.mark.parametrize(
    ("level", "told"),
    [("DEBUG", {"debug", "info", "warning"}), ("INFO", {"info", "warning"}), ("WARNING", {"warning"}),
     ("ERROR", set())],
)  # fmt: skip
def test_the_log_level_says_how_much_is_told_of_events(
    level: str, told: set[str], store: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RINGRIFT_EVENT_LOG_LEVEL", level)
    router = fresh(store)
    router.subscribe("HOST_ONLINE", print)
    router.publish("MODEL_PROMOTED", {"elo": "high"})
    lines = {
        "debug": "MODEL_PROMOTED [0-9a-f]+ is published",
        "info": "print listens to HOST_ONLINE",
        "warning": "the field elo is str, declared float",
    }
    assert {what for what, line in lines.items() if re.search(line, caplog.text)} == told
    router.close()


@pytest.mark.parametrize(("seconds", "at_ms", "stored"), [("2", 1_999, 1), ("2", 2_000, 2), ("0", 0, 2)])
def test_the_dedup_window_is_as_long_as_it_says(
    seconds: str, at_ms: int, stored: int, store: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGRIFT_EVENT_DEDUP_WINDOW_SECS", seconds)
    router = fresh(store)
    router.publish("MODEL_PROMOTED", {"model": "foo"})
    clock.ms += at_ms
    router.publish("MODEL_PROMOTED", {"model": "foo"})
    assert store.info().head == stored
    router.close()


@pytest.mark.parametrize(("seconds", "waits_ms"), [("0.125", 125), ("0.5", 500), ("5", 500)])
def test_the_log_is_looked_at_for_other_processes_at_least_so_often(
    seconds: str, waits_ms: int, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a second is the longest anybody waits, whatever is set: a reader has to notice its end."""
    waited: list[int] = []
    looked = threading.Event()

    def wait(after: int, timeout_ms: int) -> None:
        waited.append(timeout_ms)
        looked.set()
        store.inner.wait(after, min(timeout_ms, 10))

    store.wait = wait
    monkeypatch.setenv("COORDINATOR_CROSS_PROCESS_POLL_INTERVAL", seconds)
    router = fresh(store)
    router.subscribe("MODEL_PROMOTED", print)
    assert looked.wait(10)
    router.close()
    assert set(waited) == {waits_ms}


# ---- daemons -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("daemon", "events"), table("Daemons"))
async def test_each_daemon_hears_the_events_it_subscribes_to(
    daemon: str, events: str, router: UnifiedEventRouter
) -> None:
    heard: list[str] = []

    async def on_event(_: Any, event: Event) -> None:
        heard.append(event.type)

    made = type(daemon, (), {"on_event": on_event})()
    names = events.split(", ")
    router.subscribe_many(names, made.on_event)
    for name in names:
        await publish(name, {"host": "a"})
    assert heard == names


@pytest.mark.parametrize(("number", "trigger", "handler"), table("Feedback loops"))
def test_each_listed_loop_ships_with_its_trigger_and_its_handler(
    number: str, trigger: str, handler: str
) -> None:
    plan = load(RULES).plan
    assert plan is not None
    reached: set[str] = set()
    for loop in plan.by_event[trigger]:
        for effect in (*loop.effects, *loop.cleared):
            if isinstance(effect, DoPlan):
                reached.add(effect.action.partition(".")[0])
            elif isinstance(effect, SetPlan):
                reached.add((plan.knobs[effect.knob].drives or "").partition(".")[0])
    assert handler in reached, f"loop {number}"


# ---- best practices ----------------------------------------------------------------------------------


async def test_practice_1_whatever_is_published_reaches_every_kind_of_listener(
    router: UnifiedEventRouter,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        buses = data_events.get_event_bus(), stage_events.get_event_bus()
    heard: list[str] = []
    router.subscribe("TRAINING_COMPLETED", lambda event: heard.append(type(event).__name__))
    buses[0].subscribe("TRAINING_COMPLETED", lambda event: heard.append(type(event).__name__))
    buses[1].subscribe(StageEvent.TRAINING_COMPLETE, lambda result: heard.append(type(result).__name__))
    await publish(StageCompletionResult(StageEvent.TRAINING_COMPLETE, True, 1), source="trainer")
    assert sorted(heard) == ["DataEvent", "Event", "StageCompletionResult"]
    assert [event.event_type for event in poll_events(since_id=0)] == ["TRAINING_COMPLETED"]


async def test_practice_2_the_source_is_seen_wherever_the_event_is(router: UnifiedEventRouter) -> None:
    heard: list[str] = []
    router.subscribe("HOST_ONLINE", lambda event: heard.append(event.source))
    await publish("HOST_ONLINE", {"host": "a"}, source="p2p")
    assert [*heard, poll_events(since_id=0)[0].source, router.get_history()[0].source] == ["p2p"] * 3


async def test_practice_3_the_router_catches_what_a_handler_raises(
    router: UnifiedEventRouter, store: Any, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []
    router.subscribe("HOST_ONLINE", lambda _: 1 / 0)
    router.subscribe("HOST_ONLINE", lambda event: heard.append(event.seq))
    await publish("HOST_ONLINE", {"host": "a"})
    await asyncio.to_thread(router.flush)
    assert heard == [1]
    assert "ZeroDivisionError" in caplog.text
    assert [letter.reason for letter in store.letters(10)] == ["ZeroDivisionError: division by zero"]


async def test_practice_4_a_synchronous_handler_keeps_off_the_loop(router: UnifiedEventRouter) -> None:
    where: dict[str, int] = {}

    async def on_loop(_: Event) -> None:
        where["async"] = threading.get_ident()

    router.subscribe("HOST_ONLINE", on_loop)
    router.subscribe("HOST_ONLINE", lambda _: where.setdefault("sync", threading.get_ident()))
    await publish("HOST_ONLINE", {"host": "a"})
    assert where["async"] == threading.get_ident() != where["sync"]


async def test_practice_5_what_a_handler_emits_waits_until_it_has_ended(router: UnifiedEventRouter) -> None:
    steps: list[str] = []
    finished = asyncio.Event()

    async def on_event(event: Event) -> None:
        steps.append(f"begin {event.type}")
        if event.type == "HOST_ONLINE":
            await publish("HOST_OFFLINE", {"host": "a"})
        steps.append(f"end {event.type}")
        if len(steps) == 4:
            finished.set()

    router.subscribe_many(["HOST_ONLINE", "HOST_OFFLINE"], on_event)
    await publish("HOST_ONLINE", {"host": "a"})
    await asyncio.wait_for(finished.wait(), 10)
    assert steps == ["begin HOST_ONLINE", "end HOST_ONLINE", "begin HOST_OFFLINE", "end HOST_OFFLINE"]
