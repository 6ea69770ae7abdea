"""Promise 5 at the door: whatever is handed over is taken, or refused by an error that says what to do.

What is refused must leave nothing behind: no row, no event in the spool, no reader that cannot go on.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rules_engine.events import leftovers
from rules_engine.events.cross_process_events import (
    CrossProcessEventQueue,
    ack_event,
    get_event_queue,
    poll_events,
    push_event,
    subscribe_process,
)
from rules_engine.events.errors import PayloadNotEncodable, UnknownEventType
from rules_engine.events.event_router import UnifiedEventRouter, publish
from rules_engine.store.port import NewEvent, NotStorable, StoreError


class Key(enum.StrEnum):
    ELO = "elo"


class OldKey(str, enum.Enum):  # noqa: UP042 - as people wrote them before StrEnum
    ELO = "elo"


class Word(str):
    __slots__ = ()


class Silent:
    """An object that is asked for its content and fails."""

    def model_dump(self) -> dict[str, Any]:
        raise RuntimeError("the database is closed")


class Sly(dict[str, Any]):
    """A dict whose methods cannot be trusted."""

    def items(self) -> Any:
        raise RuntimeError("no")

    values = items


@dataclasses.dataclass
class Ring:
    next: Any = None


def ring() -> Ring:
    one = Ring()
    one.next = one
    return one


# ---- payloads --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [{Key.ELO: 1}, {OldKey.ELO: 1}, {Word("elo"): 1}, Sly(elo=1)],
    ids=["StrEnum", "str and Enum", "subclass of str", "subclass of dict"],
)
def test_keys_that_are_text_in_disguise_are_text(payload: dict[str, Any], store: Any) -> None:
    publish("HOST_ONLINE", {"in": [payload]})
    publish("HOST_ONLINE", payload)
    assert [row.payload for row in store.read(0, 10).rows] == [{"in": [{"elo": 1}]}, {"elo": 1}]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"a": Silent()}, r"payload\.a: the Silent does not give its content: .*database is closed"),
        ({"a": [{"\ud800": 1}]}, r"payload\.a\[0\]: the key '\\ud800' holds a lone surrogate"),
        ({"a": {None: 1}}, r"payload\.a: the key None is no text"),
        ({"a": {(1, 2): 1}}, r"payload\.a: the key \(1, 2\) is no text"),
        ({Key.ELO: {3: 1}}, r"payload\.elo: the key 3 is no text"),
        ({"a": Path("\udcff")}, r"payload\.a: the text holds a lone surrogate"),
        ({"a": (n for n in range(3))}, r"payload\.a: an object of type generator has no JSON form"),
        ({"a": ring()}, "254 levels"),
        ({"a": 1j}, r"payload\.a: an object of type complex"),
    ],
)
def test_what_has_no_json_form_is_named_with_its_place(
    payload: dict[str, Any], message: str, store: Any
) -> None:
    with pytest.raises(PayloadNotEncodable, match=message):
        publish("HOST_ONLINE", payload)
    assert store.read(0, 10).rows == ()


# ---- what travels beside the payload ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"source": "a\0b"}, ValueError, "source is a text without NUL"),
        ({"source": "\ud800"}, ValueError, "source is a text without NUL and lone surrogates"),
        ({"source": "x" * 1_001}, ValueError, "source is a text of 1 to 1,000 characters, not 1,001"),
        ({"source": None}, TypeError, "source is a text, not NoneType"),
        ({"event_id": "a\0"}, ValueError, "event_id is a text without NUL"),
        ({"event_id": "\udfff"}, ValueError, "event_id is a text without NUL"),
        ({"event_id": ""}, ValueError, "event_id is a text of 1 to 200 characters, not 0"),
        ({"event_id": "x" * 201}, ValueError, "event_id is a text of 1 to 200"),
        ({"event_id": 7}, TypeError, "event_id is a text, not int"),
    ],
)
def test_a_bad_id_or_source_is_refused_at_the_call(
    options: dict[str, Any], error: type[Exception], message: str, router: UnifiedEventRouter, store: Any
) -> None:
    with pytest.raises(error, match=message):
        publish("HOST_ONLINE", {}, **options)
    assert publish("HOST_ONLINE", {}, "x" * 1_000, event_id="y" * 200).stored
    assert router.get_stats()["spooled"] == 0


@pytest.mark.parametrize("name", ["\ud800", "a\0b", "x" * 100_000, "", " ", "two words"])
def test_a_bad_name_is_refused_in_a_message_that_can_be_read(name: str, store: Any) -> None:
    with pytest.raises(UnknownEventType) as refused:
        publish(name, {})
    assert len(str(refused.value)) < 400
    if not name.isalnum():
        with pytest.raises(UnknownEventType, match="cannot be the name of an event"):
            publish(name, {}, allow_unknown=True)
    assert store.read(0, 10).rows == ()


def test_an_event_that_is_malformed_all_the_same_holds_up_nobody(
    store: Any, router: UnifiedEventRouter
) -> None:
    """A refusal of one event is no outage: retried for ever, it would be the end of all publishing."""
    real = store.inner.append

    def picky(events: Any) -> Any:
        for event in events:
            if b"poison" in event.body:
                raise NotStorable("the id of an event must be text")
        return real(events)

    store.error = StoreError("wait")
    publications = [publish("HOST_ONLINE", {"n": n}) for n in (1, "poison", 2)]
    store.inner.append = picky
    store.error = None
    assert all(publication.durable.wait(5) for publication in publications)
    assert [row.payload["n"] for row in store.read(0, 10).rows] == [1, 2]
    assert router.get_stats()["refused"] == 1
    assert router.get_health_status()["healthy"]
    with pytest.raises(NotStorable, match="the id of an event"):
        publications[1].result()


def test_a_bad_line_that_was_left_behind_holds_up_nobody(tmp_path: Path) -> None:
    path = leftovers.leave_behind([NewEvent("good", "HOST_ONLINE", b"{}")], tmp_path)
    with path.open("ab") as file:
        file.write(path.read_bytes().replace(b'"good"', b'"a\\u0000b"'))
        file.write(path.read_bytes().replace(b'"HOST_ONLINE"', b"7"))
        file.write(path.read_bytes().replace(b'"payload":{}', b'"payload":[1]'))
    taken: list[NewEvent] = []
    assert leftovers.take_up(tmp_path, taken.extend) == (1, 3)
    assert [event.id for event in taken] == ["good"]
    assert len((tmp_path / path.name).with_suffix(".bad").read_bytes().splitlines()) == 3


# ---- readers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda q: q.poll(since_id=-1), ValueError, "a position in the log is an int from 0 on, not -1"),
        (lambda q: q.poll(since_id="3"), ValueError, "not '3'"),
        (lambda q: q.poll(since_id=True), ValueError, "not True"),
        (lambda q: q.poll(since_id=2), StoreError, "position 2 is beyond the end of the log, which is 1"),
        (lambda q: q.poll(since_id=10**30), StoreError, "beyond the end of the log"),
        (lambda q: q.poll(event_types="HOST_ONLINE"), TypeError, r"write \['HOST_ONLINE'\]"),
        (lambda q: q.poll(event_types=["HOST_ONLIN"]), UnknownEventType, "did you mean HOST_ONLINE"),
        (lambda q: q.poll(""), ValueError, "a reader's id is a text of 1 to 200"),
        (lambda q: q.poll(7), TypeError, "a reader's id is a text, not int"),
        (lambda q: q.poll("\ud800"), ValueError, "a reader's id is a text without NUL"),
        (lambda q: q.ack("r", 2), ValueError, "position 2 is beyond the end of the log, which is 1"),
        (lambda q: q.ack("r", 10**30), ValueError, "beyond the end of the log"),
        (lambda q: q.ack("r", "1"), ValueError, "a position in the log is an int"),
        (lambda q: q.ack("\0", 1), ValueError, "a reader's id is a text without NUL"),
        (lambda q: q.ack_batch("r", [1, 2]), ValueError, "beyond the end"),
        (lambda q: q.subscribe("x" * 201), ValueError, "a reader's name is a text of 1 to 200"),
        (lambda q: q.subscribe(None), TypeError, "a reader's name is a text"),
        (lambda q: q.subscribe("r", "HOST_ONLINE"), TypeError, "list of types"),
        (lambda q: q.router.subscribe(None, print, durable="\ud800"), ValueError, "durable is a text"),
        (lambda q: q.router.subscribe(None, print, durable=""), ValueError, "durable is a text of 1"),
        (lambda q: q.router.subscribe(None, print, durable=3), TypeError, "durable is a text, not int"),
    ],
)
@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_reader_cannot_be_led_astray(
    call: Callable[[Any], object], error: type[Exception], message: str, kind: str, tmp_path: Path
) -> None:
    queue = get_event_queue(None if kind == "memory" else tmp_path / "events.db")
    assert queue.subscribe("r", stable=True) == "r"
    assert queue.publish("HOST_ONLINE", {"n": 1}) == 1
    with pytest.raises(error, match=message):
        call(queue)
    assert [event.payload for event in queue.poll("r")] == [{"n": 1}]  # it goes on where it was
    assert queue.ack("r", 1)
    assert queue.publish("HOST_ONLINE", {"n": 2}) == 2
    assert [event.event_id for event in queue.poll("r")] == [2]


def test_the_functions_refuse_alike() -> None:
    reader = subscribe_process("me")
    push_event("HOST_ONLINE", {})
    with pytest.raises(ValueError, match="beyond the end"):
        ack_event(reader, 99)
    with pytest.raises(TypeError, match="list of types"):
        poll_events(event_types="HOST_ONLINE")
    assert isinstance(get_event_queue(), CrossProcessEventQueue)
    assert ack_event(reader, 1)
