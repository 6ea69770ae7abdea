"""A12 to A14: what counts as the same event, as a known name, and as a fitting payload."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import pickle
from enum import Enum
from typing import Any

import pytest

from rules_engine.config import settings
from rules_engine.events import cross_process_events
from rules_engine.events.data_events import DataEventType
from rules_engine.events.event_normalization import (
    audit_event_usage,
    get_variants,
    is_canonical,
    normalize_event_type,
    validate_event_names,
)
from rules_engine.events.event_router import (
    EventSchema,
    FieldSchema,
    PayloadRefused,
    StageEvent,
    UnifiedEventRouter,
    UnknownEventType,
    publish,
)
from rules_engine.events.name_resolution import shipped_vocabulary
from rules_engine.events.payload_check import digest, fold

# ---- A12: the same event ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("later_ms", "is_stored"), [(0, False), (59_999, False), (60_000, True), (60_001, True)]
)
def test_a12_the_window_ends_at_exactly_sixty_seconds(later_ms: int, is_stored: bool, clock: Any) -> None:
    publish("MODEL_PROMOTED", {"model": "foo"})
    clock.ms += later_ms
    assert publish("MODEL_PROMOTED", {"model": "foo"}).stored is is_stored


def test_a12_a_repeat_does_not_prolong_the_window(clock: Any) -> None:
    outcomes = []
    for _ in range(5):
        outcomes.append(publish("MODEL_PROMOTED", {"model": "foo"}).stored)
        clock.ms += 30_000
    assert outcomes == [True, False, True, False, True]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": {"b": 2.0}}, {"a": {"b": 2}}),
        ({"a": 0}, {"a": -0.0}),
        ({"a": 1}, {"a": 1, "b": None}),
        ({"config_key": "x"}, {"config": "x"}),
        ({"a": (1, 2)}, {"a": [1, 2]}),
    ],
)
def test_a12_equal_content_is_the_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    original = publish("TRAINING_COMPLETED", first, "one")
    repeat = publish("training_complete", second, "another")
    assert repeat.duplicate_of == original.event_id


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": "1"}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": 0.1}, {"a": 0.10000000000000002}),
        ({"a": 2**53}, {"a": 2**53 + 1}),
        ({}, {"a": 0}),
    ],
)
def test_a12_other_content_is_not(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert publish("TRAINING_COMPLETED", first).stored
    assert publish("TRAINING_COMPLETED", second).stored


def test_a12_the_type_counts_too() -> None:
    assert publish("TRAINING_COMPLETED", {"a": 1}).stored
    assert publish("TRAINING_FAILED", {"a": 1}).stored


def test_a12_the_event_id_counts_whatever_the_content_and_time(clock: Any) -> None:
    publish("MODEL_PROMOTED", {"n": 1}, event_id="mine")
    assert publish("MODEL_PROMOTED", {"n": 2}, event_id="mine").duplicate_of == "mine"
    assert publish("HOST_ONLINE", {}, event_id="mine").duplicate_of == "mine"


def test_a12_dedup_can_be_left_out_per_call_and_per_type(router: UnifiedEventRouter, clock: Any) -> None:
    router.declare({"BEAT": EventSchema(dedup_ms=0), "SLOW": EventSchema(dedup_ms=120_000)})
    assert [publish("BEAT", {}).stored for _ in range(2)] == [True, True]
    assert [publish("MODEL_PROMOTED", {}, dedup=False).stored for _ in range(2)] == [True, True]
    publish("SLOW", {})
    clock.ms += 119_999
    assert not publish("SLOW", {}).stored
    clock.ms += 1
    assert publish("SLOW", {}).stored


async def test_a12_repeats_published_at_the_same_time_are_delivered_once(router: UnifiedEventRouter) -> None:
    heard: list[str] = []
    router.subscribe("MODEL_PROMOTED", lambda event: heard.append(event.event_id))
    publications = [publish("MODEL_PROMOTED", {"model": "foo"}) for _ in range(50)]
    await asyncio.gather(*publications)
    assert [publication.stored for publication in publications] == [True] + [False] * 49
    assert heard == [publications[0].event_id]
    assert router.get_stats()["duplicates"] == 49


def test_a12_the_digest_is_the_sha256_of_type_and_payload() -> None:
    """The same in every process and version: it lies in the database."""
    assert digest("A", b'{"x":1}', {}) == hashlib.sha256(b'A\0{"x":1}').digest()


def test_a12_a_declared_field_wins_over_its_alias() -> None:
    aliases = {"config": "config_key"}
    assert fold({"config": "old", "config_key": "new"}, aliases) == {"config_key": "new"}
    assert fold({"config": "old", "config_key": None}, aliases) == {"config_key": "old"}
    assert fold({"other": 1}, aliases) == {"other": 1}


# ---- A13: names ------------------------------------------------------------------------------------


class Foreign(Enum):
    MODEL_PROMOTED = 1
    CUSTOM = "model_promoted"


@pytest.mark.parametrize(
    "spelling",
    [
        DataEventType.DATA_SYNC_COMPLETED, "DATA_SYNC_COMPLETED", "data_sync_completed",
        "Data_Sync_Completed",
        " data_sync_completed ", "DATA_SYNC_COMPLETE", "sync_complete", "cluster_sync_completed",
        StageEvent.SYNC_COMPLETE,
    ],
)  # fmt: skip
def test_a13_all_spellings_meet(spelling: Any, router: UnifiedEventRouter, store: Any) -> None:
    heard: list[str] = []
    router.subscribe(spelling, lambda event: heard.append(event.type))
    publish("DATA_SYNC_COMPLETED", {"n": 1})
    publish(spelling, {"n": 2})
    assert heard == ["DATA_SYNC_COMPLETED"] * 2
    assert [row.type for row in store.read(0, 10).rows] == ["DATA_SYNC_COMPLETED"] * 2
    assert len(router.get_history(spelling)) == 2
    assert router.has_subscribers(spelling)


def test_a13_every_member_is_reached_by_name_value_and_any_case(router: UnifiedEventRouter) -> None:
    for member in DataEventType:
        for spelling in (member, member.name, member.value, member.name.title(), f" {member.value}\n"):
            assert router.resolve(spelling) == member.name


async def test_lesson_01_an_event_type_equals_its_member_however_it_is_read(
    router: UnifiedEventRouter, store: Any
) -> None:
    heard: list[Any] = []
    router.subscribe(DataEventType.MODEL_PROMOTED, heard.append)
    await publish("model_promoted", {"n": 1})
    (event,) = heard
    member, other = DataEventType.MODEL_PROMOTED, DataEventType.MODEL_REGISTERED
    queued = cross_process_events.poll_events(since_id=0)[0].event_type
    for read in (event["event_type"], event["type"], event.event_type, event.get("type"), queued):
        assert (read == member, member == read, read != member) == (True, True, False)
        assert (read == other, other == read, read != other) == (False, False, True)
        assert {member: "mine", other: "other"}[read] == {read: "mine"}[member] == "mine"
        assert read in {member, other}
        assert read == "MODEL_PROMOTED"
        assert type(read) is str
    assert json.dumps({"type": event.type}) == json.dumps({"type": member}) == '{"type": "MODEL_PROMOTED"}'
    assert store.read(0, 1).rows[0].type == member


def test_lesson_01_members_keep_their_name_and_value_and_survive_copies() -> None:
    for member in DataEventType:
        assert (str(member), f"{member}", member.value) == (member.name, member.name, member.name.lower())
        assert DataEventType(member.value) is DataEventType(member.name) is copy.deepcopy(member) is member
        assert pickle.loads(pickle.dumps(member)) is member


def test_a13_every_alias_leads_to_a_member_and_none_is_one() -> None:
    names, aliases = shipped_vocabulary()
    assert validate_event_names() == []
    assert all(name in names for name in aliases.values())


def test_a13_no_alias_crosses_outcomes() -> None:
    outcomes = ("COMPLETE", "FAIL", "START", "PROMOTED", "CANCEL")
    for alias, name in shipped_vocabulary()[1].items():
        mine = {word for word in outcomes if word in alias.upper()}
        theirs = {word for word in outcomes if word in name}
        assert not mine or not theirs or mine == theirs, (alias, name)
    assert normalize_event_type("PROMOTION_COMPLETE") == "PROMOTION_COMPLETE"  # means nothing by itself


def test_a13_enums_of_others_are_read_by_name_and_value(router: UnifiedEventRouter) -> None:
    assert router.resolve(Foreign.MODEL_PROMOTED) == "MODEL_PROMOTED"
    assert router.resolve(Foreign.CUSTOM) == "MODEL_PROMOTED"


@pytest.mark.parametrize("call", ["publish", "subscribe", "unsubscribe", "history"])
def test_a13_unknown_names_are_errors_everywhere(call: str, router: UnifiedEventRouter) -> None:
    calls: dict[str, Any] = {
        "publish": lambda: router.publish("TRAINING_COMPLETD"),
        "subscribe": lambda: router.subscribe("TRAINING_COMPLETD", print),
        "unsubscribe": lambda: router.unsubscribe("TRAINING_COMPLETD", print),
        "history": lambda: router.get_history("TRAINING_COMPLETD"),
    }
    with pytest.raises(UnknownEventType, match="TRAINING_COMPLETED"):
        calls[call]()


def test_a13_a_name_like_nothing_gets_no_false_hint(router: UnifiedEventRouter) -> None:
    with pytest.raises(UnknownEventType) as caught:
        publish("zzzzqqqq")
    assert "did you mean" not in str(caught.value)


def test_a13_open_names_are_an_explicit_choice(store: Any) -> None:
    publish("anything_goes", {"a": 1}, allow_unknown=True)
    assert store.read(0, 1).rows[0].type == "ANYTHING_GOES"
    publish("training_complete", {"a": 1}, allow_unknown=True)
    assert store.read(1, 1).rows[0].type == "TRAINING_COMPLETED"
    for bad in ("", "two words", "a\nb", "x{}"):
        with pytest.raises(UnknownEventType, match="cannot be the name"):
            publish(bad, allow_unknown=True)


def test_a13_own_events_are_declared(router: UnifiedEventRouter, store: Any) -> None:
    router.declare(["my_event", "OTHER"], {"my_evt": "MY_EVENT"})
    publish("My_Evt", {})
    assert store.read(0, 1).rows[0].type == "MY_EVENT"
    with pytest.raises(ValueError, match="spelling of"):
        router.declare(["SYNC_COMPLETE"])
    with pytest.raises(ValueError, match="no such event"):
        router.declare([], {"X": "NOWHERE"})
    with pytest.raises(ValueError, match="another event"):
        router.declare([], {"MODEL_PROMOTED": "MY_EVENT"})
    router.declare(["MODEL_PROMOTED"])  # there already: nothing happens


def test_a13_a_stage_of_two_outcomes_listens_to_both(router: UnifiedEventRouter) -> None:
    heard: list[str] = []
    router.subscribe(StageEvent.PROMOTION_COMPLETE, lambda event: heard.append(event.type))
    publish("MODEL_PROMOTED")
    publish("PROMOTION_FAILED")
    assert heard == ["MODEL_PROMOTED", "PROMOTION_FAILED"]


def test_a13_normalization_functions() -> None:
    assert normalize_event_type(DataEventType.ERROR) == "ERROR"
    assert normalize_event_type(StageEvent.TRAINING_COMPLETE) == "TRAINING_COMPLETED"
    assert normalize_event_type("no_such") == "no_such"
    assert is_canonical("ERROR")
    assert not is_canonical("error")
    assert get_variants("data_sync_completed")[0] == "DATA_SYNC_COMPLETED"
    assert "SYNC_COMPLETE" in get_variants("DATA_SYNC_COMPLETED")
    report = audit_event_usage(["ERROR", "error", "error", "nonsense"])
    assert (report["total_events"], report["canonical_count"], report["canonical_share"]) == (4, 1, 0.25)
    assert report["variants"] == {"error": 2, "nonsense": 1}
    assert report["recommendations"] == ["write ERROR instead of error", "nonsense is no event"]


# ---- A14: payloads ---------------------------------------------------------------------------------

SCHEMA = EventSchema(
    fields={
        "config_key": FieldSchema("str"),
        "count": FieldSchema("int", low=0, high=10),
        "share": FieldSchema("float"),
        "flag": FieldSchema("bool"),
        "level": FieldSchema("str", words=("low", "high")),
        "items": FieldSchema("list"),
        "table": FieldSchema("map"),
        "age": FieldSchema("duration"),
    },
    required=frozenset({"config_key"}),
    aliases={"config": "config_key"},
)


@pytest.mark.parametrize(
    "payload",
    [
        {"config_key": "x"},
        {"config": "x"},
        {
            "config_key": "x",
            "count": 0,
            "share": 1,
            "flag": False,
            "level": "low",
            "items": [],
            "table": {},
            "age": 3,
        },
        {"config_key": "x", "count": 10, "share": 0.5, "age": 0.5},
        {"config_key": "x", "count": None, "undeclared": object},
    ],
)
def test_a14_what_fits_has_no_findings(payload: dict[str, Any]) -> None:
    assert SCHEMA.findings(payload) == []


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({}, "config_key"),
        ({"config_key": None}, "config_key"),
        ({"config_key": 7}, "config_key"),
        ({"config_key": "x", "count": -1}, "count"),
        ({"config_key": "x", "count": 11}, "count"),
        ({"config_key": "x", "count": 1.5}, "count"),
        ({"config_key": "x", "count": True}, "count"),
        ({"config_key": "x", "share": True}, "share"),
        ({"config_key": "x", "share": "0.5"}, "share"),
        ({"config_key": "x", "flag": 1}, "flag"),
        ({"config_key": "x", "level": "medium"}, "level"),
        ({"config_key": "x", "items": {}}, "items"),
        ({"config_key": "x", "table": []}, "table"),
        ({"config_key": "x", "age": "3s"}, "age"),
    ],
)
def test_a14_what_does_not_fit_is_found(payload: dict[str, Any], field: str) -> None:
    assert [name for name, _ in SCHEMA.findings(payload)] == [field]


def test_a14_warn_publishes_counts_and_logs_once(
    router: UnifiedEventRouter, store: Any, caplog: pytest.LogCaptureFixture
) -> None:
    router.declare({"MINE": SCHEMA})
    for n in range(3):
        assert publish("MINE", {"config_key": n}).stored
    assert len([record for record in caplog.records if "config_key" in record.message]) == 1
    (finding,) = router.delivery_report()["payload_findings"]
    assert (finding["event"], finding["count"]) == ("MINE", 3)
    assert "config_key" in finding["finding"]


def test_a14_strict_refuses_at_the_call(store: Any) -> None:
    strict = UnifiedEventRouter(store=store, config=settings(payload_check="strict"))
    strict.declare({"MINE": SCHEMA})
    with pytest.raises(PayloadRefused, match=r"MINE was not published: config_key is int, declared str"):
        strict.publish("MINE", {"config_key": 7})
    with pytest.raises(PayloadRefused, match="config_key is required and missing"):
        strict.publish("MINE", {})
    assert strict.publish("MINE", {"config": "x"}).stored
    strict.close()


def test_a14_off_looks_at_nothing(store: Any) -> None:
    off = UnifiedEventRouter(store=store, config=settings(payload_check="off"))
    off.declare({"MINE": SCHEMA})
    assert off.publish("MINE", {}).stored
    assert off.delivery_report()["payload_findings"] == []
    off.close()


def test_a14_objects_are_judged_as_what_they_become(store: Any) -> None:
    from pathlib import Path

    import numpy as np

    strict = UnifiedEventRouter(store=store, config=settings(payload_check="strict"))
    strict.declare({"MINE": SCHEMA})
    payload = {"config_key": Path("x"), "count": np.int64(3), "items": (1, 2), "level": Foreign.CUSTOM}
    with pytest.raises(PayloadRefused, match="level is 'model_promoted'"):
        strict.publish("MINE", payload)
    assert strict.publish("MINE", {**payload, "level": "high"}).stored
    strict.close()


# ---- names that the rules declare ------------------------------------------------------------------


def left_by_the_daemon(store: Any, *names: str) -> None:
    event = {"aliases": ["READ"], "dedup_ms": 0, "required": ["n"], "spellings": {},
             "fields": {"n": {"base": "int", "words": [], "low": None, "high": None}}}  # fmt: skip
    store.put_fact(
        "declared_events", {name: event if name == "READING" else {**event, "aliases": []} for name in names}
    )


def test_a_name_that_rules_declare_is_known_as_soon_as_the_daemon_has_left_it(
    store: Any, router: Any
) -> None:
    with pytest.raises(UnknownEventType):
        router.publish("READING", {"n": 1})
    left_by_the_daemon(store, "READING")
    assert router.publish("read", {"n": 1}).new.type == "READING"
    assert not router.publish("READING", {"n": 1}).duplicate_of, "the declaration says dedup off"
    assert router.schema_of("READING").required == {"n"}
    left_by_the_daemon(store, "READING", "LATER")
    router.subscribe("later", lambda event: None)
    with pytest.raises(UnknownEventType):
        router.subscribe("NEVER", lambda event: None)


def test_asking_for_an_unknown_name_makes_no_database(tmp_path: Any) -> None:
    router = UnifiedEventRouter(tmp_path / "new" / "events.db")
    with pytest.raises(UnknownEventType):
        router.publish("READING", {"n": 1})
    router.close()
    assert not (tmp_path / "new").exists()


def test_declared_names_that_make_no_sense_here_are_left_alone(store: Any, router: Any, caplog: Any) -> None:
    store.put_fact("declared_events", {"READING": {"aliases": ["MODEL_PROMOTED"], "dedup_ms": None,
                   "required": [], "spellings": {}, "fields": {}}})  # fmt: skip
    with pytest.raises(UnknownEventType):
        router.publish("READING", {"n": 1})
    assert "cannot be taken over" in caplog.text
