"""A16, lessons 5, 16, 40, 44: the delivery report, over all processes of a store."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rules_engine.config import settings
from rules_engine.events import event_router
from rules_engine.events.delivery import (
    MOST,
    ORPHAN_AFTER,
    PREFIX,
    SILENT_AFTER_MS,
    Wishes,
    delivery_report,
    empty_record,
)
from rules_engine.events.errors import MAX_REASON_CHARACTERS, reason_of
from rules_engine.events.event_router import (
    UnifiedEventRouter,
    UnknownEventType,
    publish,
    validate_event_wiring,
)
from rules_engine.events.expected import DAEMON_SUBSCRIPTIONS, missing, owners_of
from rules_engine.events.presence import KEPT_MS, KEPT_RECORDS
from rules_engine.store.port import StoreReadOnly


class SelfplayScheduler:
    def on_event(self, event: Any) -> None:
        pass


class Nightly(SelfplayScheduler):
    pass


def other(store: Any, **flags: Any) -> UnifiedEventRouter:
    """Stands for another process: it shares the log and nothing else."""
    return UnifiedEventRouter(store=store, config=settings(**flags))


def tell(router: UnifiedEventRouter) -> None:
    """Leave the record now; a real process does it within a second."""
    router.presence._write()


@pytest.fixture
def elsewhere(store: Any) -> Iterator[UnifiedEventRouter]:
    router = other(store)
    yield router
    router.close()


# ---- orphans and dead subscriptions ------------------------------------------------------------------


def test_lesson_40_an_event_is_an_orphan_from_the_fifth_on(router: UnifiedEventRouter) -> None:
    for n in range(ORPHAN_AFTER - 1):
        publish("MODEL_PROMOTED", {"n": n})
    assert router.delivery_report()["emitted_never_heard"] == []
    publish("MODEL_PROMOTED", {"n": "fifth"})
    assert router.delivery_report()["emitted_never_heard"] == ["MODEL_PROMOTED"]


def test_lesson_40_who_listens_in_another_process_is_a_listener(
    router: UnifiedEventRouter, elsewhere: UnifiedEventRouter
) -> None:
    for n in range(ORPHAN_AFTER):
        publish("MODEL_PROMOTED", {"n": n})
    elsewhere.subscribe("MODEL_PROMOTED", print)
    elsewhere.subscribe("HOST_ONLINE", print)
    assert router.delivery_report()["emitted_never_heard"] == ["MODEL_PROMOTED"]
    tell(elsewhere)
    report = router.delivery_report()
    assert report["emitted_never_heard"] == []
    assert report["heard_never_emitted"] == ["HOST_ONLINE"]
    assert sorted(process["listeners"] for process in report["processes"]) == [0, 2]


def test_lesson_05_a_subscription_to_what_nobody_emits_is_dead(router: UnifiedEventRouter) -> None:
    router.subscribe("training_threshold_reached", print)
    assert router.delivery_report()["heard_never_emitted"] == ["TRAINING_THRESHOLD_REACHED"]
    publish("TRAINING_THRESHOLD", {"config_key": "hex8_2p"})  # the spelling that never met the other
    assert router.delivery_report()["heard_never_emitted"] == []


def test_lesson_40_a_process_that_ended_or_fell_silent_listens_no_more(
    store: Any, clock: Any, router: UnifiedEventRouter, elsewhere: UnifiedEventRouter
) -> None:
    for n in range(ORPHAN_AFTER):
        publish("MODEL_PROMOTED", {"n": n})
    elsewhere.subscribe("MODEL_PROMOTED", print)
    tell(elsewhere)
    clock.ms += SILENT_AFTER_MS
    assert router.delivery_report()["emitted_never_heard"] == []
    clock.ms += 1
    assert router.delivery_report()["emitted_never_heard"] == ["MODEL_PROMOTED"]
    tell(elsewhere)
    assert router.delivery_report()["emitted_never_heard"] == []
    elsewhere.close()
    report = router.delivery_report()
    assert report["emitted_never_heard"] == ["MODEL_PROMOTED"]
    assert {process["state"] for process in report["processes"]} == {"own", "ended"}


def test_lesson_40_a_durable_name_hears_while_its_place_is_kept(
    store: Any, router: UnifiedEventRouter, elsewhere: UnifiedEventRouter
) -> None:
    for n in range(ORPHAN_AFTER):
        publish("MODEL_PROMOTED", {"n": n})
    elsewhere.subscribe("MODEL_PROMOTED", print, durable="evaluator")
    elsewhere.close()
    assert router.delivery_report()["emitted_never_heard"] == []
    store.forget_reader("evaluator")
    assert router.delivery_report()["emitted_never_heard"] == ["MODEL_PROMOTED"]


def test_lesson_40_orphans_that_are_meant_are_listed_apart(store: Any, router: UnifiedEventRouter) -> None:
    for n in range(ORPHAN_AFTER):
        publish("MODEL_PROMOTED", {"n": n})
        publish("TASK_COMPLETED", {"n": n})
    router.subscribe("HOST_ONLINE", print)
    tolerant = other(store, allowed_orphans=("task_*", "HOST_ONLINE"))
    tell(router)
    report = tolerant.delivery_report()
    assert report["emitted_never_heard"] == ["MODEL_PROMOTED"]
    assert report["heard_never_emitted"] == []
    assert report["allowed"] == ["TASK_COMPLETED", "HOST_ONLINE"]
    tolerant.close()


def test_who_hears_everything_is_named_and_leaves_no_orphans(router: UnifiedEventRouter) -> None:
    for n in range(ORPHAN_AFTER):
        publish("MODEL_PROMOTED", {"n": n})
    router.subscribe(None, print)
    report = router.delivery_report()
    assert report["emitted_never_heard"] == []
    assert report["hear_everything"] == ["builtins.print"]


# ---- what goes wrong ---------------------------------------------------------------------------------


def test_lesson_16_unfit_payloads_and_unknown_names_of_all_processes_are_added_up(
    store: Any, router: UnifiedEventRouter
) -> None:
    stranger = other(store)
    for one in (router, stranger):
        one.publish("EVALUATION_COMPLETED", {"elo": "high"}, dedup=False)
        for name in ("MODEL_PROMTED", "no_such"):
            with pytest.raises(UnknownEventType):
                one.publish(name, {})
    with pytest.raises(UnknownEventType):
        stranger.subscribe("no_such", print)
    stranger.close()
    report = router.delivery_report()
    assert report["unknown_names"] == [{"name": "no_such", "count": 3}, {"name": "MODEL_PROMTED", "count": 2}]
    counts = {(one["event"], one["finding"]): one["count"] for one in report["payload_findings"]}
    assert counts["EVALUATION_COMPLETED", "elo is str"] == 2
    issues = router.validate_event_flow()["issues"]
    assert "no_such is no event, 3 times" in issues
    assert "EVALUATION_COMPLETED: elo is str, 2 times" in issues


def test_slow_is_a_mean_above_a_second(store: Any) -> None:
    def record(mean_ms: float) -> dict[str, Any]:
        stats = {"handler": "a", "calls": 1, "errors": 0, "mean_ms": mean_ms}
        heard = {"handler": "a", "of": ["a"], "events": ["HOST_ONLINE"], "durable": None, "stats": stats}
        return empty_record("p", 0) | {"listeners": [heard]}

    for mean_ms, slow in ((1_000, 0), (1_000.1, 1)):
        store.put_fact(f"{PREFIX}1", record(mean_ms))
        assert len(delivery_report(store, Wishes())["slow"]) == slow


def test_failures_of_ended_processes_and_closed_subscriptions_stay_in_the_report(
    router: UnifiedEventRouter, elsewhere: UnifiedEventRouter
) -> None:
    listener = elsewhere.subscribe("MODEL_PROMOTED", lambda _: 1 / 0)
    elsewhere.publish("MODEL_PROMOTED", {})
    listener.close()
    elsewhere.subscribe("HOST_ONLINE", lambda _: 1 / 0)
    elsewhere.publish("HOST_ONLINE", {})
    elsewhere.close()
    errors = router.delivery_report()["errors"]
    assert [(one["errors"], one["last_error"]) for one in errors] == [
        (1, "ZeroDivisionError: division by zero")
    ] * 2


def test_an_errors_text_is_kept_in_a_form_that_can_be_stored_and_shown() -> None:
    assert reason_of(ValueError("\ud800 \x1b[31mred")) == "ValueError: \\ud800 \\u001b[31mred"
    assert len(reason_of(ValueError("x" * 1_000_000))) == len("ValueError: ") + MAX_REASON_CHARACTERS
    assert reason_of(KeyError()) == "KeyError: "


# ---- who must listen ---------------------------------------------------------------------------------


def test_lesson_44_a_daemon_that_is_half_wired_is_found(
    router: UnifiedEventRouter, caplog: pytest.LogCaptureFixture
) -> None:
    assert validate_event_wiring() == []  # a daemon that is not there at all is nobody's mistake
    scheduler = SelfplayScheduler()
    router.subscribe_many(["MODEL_PROMOTED", "ELO_VELOCITY_CHANGED"], scheduler.on_event)
    assert validate_event_wiring() == [{"listener": "SelfplayScheduler", "event": "CURRICULUM_ADVANCED"}]
    assert "SelfplayScheduler is expected to listen to CURRICULUM_ADVANCED" in caplog.text
    assert not router.validate_event_flow()["healthy"]
    router.subscribe("CURRICULUM_ADVANCED", scheduler.on_event)
    assert validate_event_wiring() == []


def test_lesson_44_a_listener_that_was_asked_for_is_missed_until_it_is_there_in_some_process(
    router: UnifiedEventRouter, elsewhere: UnifiedEventRouter
) -> None:
    router.expect("AutoSyncDaemon")
    router.expect("evaluator", ["training_complete"])
    wanted = [("AutoSyncDaemon", event) for event in sorted(DAEMON_SUBSCRIPTIONS["AutoSyncDaemon"])]
    wanted.append(("evaluator", "TRAINING_COMPLETED"))
    assert [(one["listener"], one["event"]) for one in router.validate_event_wiring()] == wanted
    elsewhere.subscribe("TRAINING_COMPLETED", print, durable="evaluator")
    tell(elsewhere)
    assert [(one["listener"], one["event"]) for one in router.validate_event_wiring()] == wanted[:-1]
    with pytest.raises(KeyError):
        router.expect("NobodyKnown")


def test_lesson_44_expectations_come_from_the_settings_too(store: Any) -> None:
    router = other(store, expected_listeners={"watcher": ("HOST_OFFLINE",)})
    assert router.validate_event_wiring() == [{"listener": "watcher", "event": "HOST_OFFLINE"}]
    router.close()


def test_a_handler_goes_by_its_classes_its_function_its_module_and_its_durable_name() -> None:
    bound = Nightly().on_event
    for callback in (bound, functools.partial(bound), functools.partial(functools.partial(bound))):
        assert {"Nightly", "SelfplayScheduler", "on_event", __name__} <= set(owners_of(callback))
    assert "evaluator" in owners_of(print, "evaluator")
    assert "print" in owners_of(print)


def test_the_declared_table_is_judged_by_what_each_name_hears() -> None:
    heard = {"ModelDistributionDaemon": ["MODEL_PROMOTED"], "mine": ["B"]}
    mine = {"listener": "mine", "event": "A"}
    assert missing({"mine": ["A", "B"]}, heard, ["ModelDistributionDaemon"]) == [
        {"listener": "ModelDistributionDaemon", "event": "MODEL_REGISTERED"},
        mine,
    ]
    # reached by a loop only: nobody has said that it is a daemon that listens
    assert missing({"mine": ["A", "B"]}, heard, []) == [mine]


def test_the_declared_table_is_that_of_the_specification() -> None:
    page = (Path(__file__).parent.parent / "data" / "specification.md").read_text().partition("## Daemons")[2]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", page.partition("## ")[0], re.MULTILINE)
    assert {name: tuple(re.findall(r"`(\w+)`", events)) for name, events in rows} == DAEMON_SUBSCRIPTIONS


# ---- bounds and records ------------------------------------------------------------------------------


def test_lesson_50_the_report_and_its_records_are_bounded(
    store: Any, clock: Any, router: UnifiedEventRouter
) -> None:
    names = [f"EVENT_{n}" for n in range(MOST + 50)]
    router.declare(names)
    for name in names:
        router.subscribe(name, print)
        with pytest.raises(UnknownEventType):
            publish(f"no_{name}" * 60, {})
    report = router.delivery_report()
    assert len(report["unknown_names"]) <= MOST
    assert len(report["heard_never_emitted"]) <= MOST
    tell(router)
    assert len(json.dumps(store.facts(PREFIX))) < 200_000

    for n in range(KEPT_RECORDS + 5):
        store.put_fact(f"{PREFIX}old{n}", empty_record("p", clock.ms - n))
    store.put_fact(f"{PREFIX}ancient", empty_record("p", clock.ms - KEPT_MS - 1))
    assert len(store.facts(PREFIX)) > KEPT_RECORDS
    stranger = other(store)
    stranger.subscribe("HOST_ONLINE", print)
    tell(stranger)
    kept = store.facts(PREFIX)
    assert len(kept) == KEPT_RECORDS
    assert stranger.presence.name in kept
    assert f"{PREFIX}ancient" not in kept
    stranger.close()


def test_a_record_is_kept_for_a_day(store: Any, clock: Any) -> None:
    store.put_fact(f"{PREFIX}old", empty_record("p", clock.ms - KEPT_MS))
    store.put_fact(f"{PREFIX}older", empty_record("p", clock.ms - KEPT_MS - 1))
    router = other(store)
    router.subscribe("HOST_ONLINE", print)
    tell(router)
    assert sorted(store.facts(PREFIX)) == sorted([f"{PREFIX}old", router.presence.name])
    router.close()


def test_a_process_without_anything_to_say_leaves_nothing(store: Any) -> None:
    quiet = other(store)
    quiet.publish("MODEL_PROMOTED", {"config_key": "a", "model_path": "m", "elo": 1.0})
    quiet.close()
    assert store.facts(PREFIX) == {}


def test_a_store_that_takes_no_record_harms_nobody(
    store: Any, router: UnifiedEventRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise StoreReadOnly("read-only")

    monkeypatch.setattr(store, "put_fact", refuse, raising=False)
    monkeypatch.setattr(store, "facts", refuse, raising=False)
    router.subscribe("HOST_ONLINE", print)
    tell(router)
    assert router.delivery_report()["heard_never_emitted"] == ["HOST_ONLINE"]


def test_the_report_is_a_function_of_the_module(router: UnifiedEventRouter) -> None:
    router.subscribe("HOST_ONLINE", print)
    report = event_router.delivery_report()
    assert report["heard_never_emitted"] == router.delivery_report()["heard_never_emitted"] == ["HOST_ONLINE"]
    assert json.loads(json.dumps(report)) == report


@pytest.mark.system
def test_processes_tell_each_other_who_listens(script: Any, tmp_path: Path) -> None:
    script("""
        from rules_engine.events.event_router import get_router, publish, UnknownEventType
        for n in range(5):
            publish("MODEL_PROMOTED", {"n": n})
        try:
            publish("MODEL_PROMTED", {})
        except UnknownEventType:
            pass
    """)
    done = script("""
        import subprocess, sys, time
        from rules_engine.events.event_router import get_router
        router = get_router()
        report = router.delivery_report()
        assert report["emitted_never_heard"] == ["MODEL_PROMOTED"], report
        assert report["unknown_names"] == [{"name": "MODEL_PROMTED", "count": 1}], report
        listens = "import sys; from rules_engine.events.event_router import get_router as router;"
        listens += "router().subscribe('MODEL_PROMOTED', print); sys.stdin.read()"
        listener = subprocess.Popen([sys.executable, "-c", listens], stdin=subprocess.PIPE)
        until = time.monotonic() + 20
        while router.delivery_report()["emitted_never_heard"] and time.monotonic() < until:
            time.sleep(0.05)
        assert router.delivery_report()["emitted_never_heard"] == []
        listener.communicate(b"")
        assert router.delivery_report()["emitted_never_heard"] == ["MODEL_PROMOTED"]
        print("told")
    """)
    assert done.stdout.split()[-1] == "told"
