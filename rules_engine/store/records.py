"""How keys, firings and owed actions are written as JSON, the same in every store."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import orjson

from rules_engine.engine.decision import CellId, Firing, OwedAction
from rules_engine.engine.plan import Key
from rules_engine.event import Kind, Row
from rules_engine.store.port import NewEvent, NotStorable

#: What a row of kind TICK and one of kind OUTCOME are called in the log.
TICK_TYPE: Final = "tick"
OUTCOME_TYPE: Final = "outcome"
#: The kind of the dead letter of an action that was given up.
ACTION_LETTER: Final = "action"


def encode(value: Any) -> str:
    """JSON text of a plain value; what orjson refuses (wide integers, lone surrogates) json may still do."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))


def decode(text: str | bytes) -> Any:
    """The value of a JSON text written by `encode` or taken by `check_event`."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def encode_key(key: Key) -> str:
    """The text under which a key is stored."""
    return encode(list(key))


def decode_key(text: str) -> Key:
    """The key of a stored text."""
    return tuple(decode(text))


def check_event(event: NewEvent) -> None:
    """Refuse what could not be read back: `NotStorable` naming what is wrong with it."""
    for name in ("id", "type", "source", "cause", "chain"):
        text = getattr(event, name)
        if text is not None and not is_storable(text):
            raise NotStorable(f"the {name} of an event must be text without NUL, not {text!r:.80}")
    if not event.id or not event.type:
        raise NotStorable(f"an event needs an id and a type: {event!r:.200}")
    try:
        payload = decode(event.body)
    except (ValueError, RecursionError) as error:
        raise NotStorable(f"the payload of {event.type} {event.id} is not JSON: {error}") from None
    if not isinstance(payload, dict):
        raise NotStorable(f"the payload of {event.type} {event.id} must be a JSON object")


def is_storable(text: object) -> bool:
    """Text that SQLite's JSON functions hand through: whole Unicode characters, none of them NUL."""
    return isinstance(text, str) and "\0" not in text and is_unicode(text)


def is_unicode(text: str) -> bool:
    """Whether it is free of lone surrogates."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def firing_body(firing: Firing) -> str:
    """What of a firing has no column of its own."""
    return encode(
        [
            firing.event_id,
            firing.cause,
            list(firing.effects),
            firing.because,
            firing.incomplete,
            firing.shadow,
        ]
    )


def firing_of(loop: str, key: str, position: int, n: int, time_ms: int, body: str) -> Firing:
    """A firing from its columns."""
    event_id, cause, effects, because, incomplete, shadow = decode(body)
    return Firing(
        loop=loop,
        key=decode_key(key),
        position=position,
        n=n,
        event_id=event_id,
        cause=cause,
        time_ms=time_ms,
        effects=tuple(effects),
        because=because,
        incomplete=incomplete,
        shadow=shadow,
    )


def action_fields(action: OwedAction) -> dict[str, Any]:
    """An owed action as a JSON object, in the body of its row and of its dead letter."""
    return {
        "idempotency_key": action.idempotency_key,
        "lane": action.lane,
        "action": action.action,
        "arguments": action.arguments,
        "loop": action.loop,
        "key": list(action.key),
        "position": action.position,
        "n": action.n,
        "time_ms": action.time_ms,
        "retries": action.retries,
        "every_ms": action.every_ms,
        "timeout_ms": action.timeout_ms,
        "trigger": action.trigger,
    }


def action_of(fields: dict[str, Any]) -> OwedAction:
    """The owed action of such an object."""
    return OwedAction(**{**fields, "key": tuple(fields["key"])})


def outcome_event(action: OwedAction, error: str, letter_id: int) -> NewEvent:
    """The row that tells the loops of an action given up: the only way `failed { }` runs (R26)."""
    payload = {
        "loop": action.loop,
        "key": list(action.key),
        "position": action.position,
        "n": action.n,
        "action": action.action,
        "error": error,
        "trigger": action.trigger,
    }
    return NewEvent(
        id=f"{action.idempotency_key}!{letter_id}",
        type=OUTCOME_TYPE,
        body=encode(payload).encode(),
        source=action.action,
        kind=Kind.OUTCOME,
    )


def expiry_reason(behind: str | None) -> str:
    """Why an action that nobody claimed in time was given up; `behind`: the key of the head of its lane."""
    return "expired: nobody performed it in time" if behind is None else f"expired behind {behind}"


def tick_event(time_ms: int) -> NewEvent:
    """The row that lets the wall clock in (R9); there is at most one for an instant."""
    return NewEvent(f"{TICK_TYPE}/{time_ms}", TICK_TYPE, b"{}", kind=Kind.TICK)


def emitted_event(row: Row) -> NewEvent:
    """An emitted row as something to append; it bypasses the dedup window (R11)."""
    return NewEvent(
        id=row.id,
        type=row.type,
        body=encode(row.payload).encode(),
        source=row.source,
        kind=row.kind,
        cause=row.cause,
        chain=row.chain,
        depth=row.depth,
    )


def cell_columns(cells: Iterable[CellId]) -> list[list[str]]:
    """Scope, key and part of each cell, as columns."""
    return [[cell.scope, encode_key(cell.key), cell.part] for cell in cells]
