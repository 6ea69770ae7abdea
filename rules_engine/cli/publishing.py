"""How `publish` reads its fields and its stream, and hands events to the router."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rules_engine.cli.output import CommandError, error, note
from rules_engine.terminal_text import log_to

if TYPE_CHECKING:
    from rules_engine.config import Settings
    from rules_engine.events.publication import Publication
    from rules_engine.events.router import UnifiedEventRouter

#: So many events wait for the disk together.
_TOGETHER = 500
_MAX_COMPLAINTS = 20


class BadLine(ValueError):
    """A line that is no event."""


def make_router(chosen: Settings, rules: list[Path] | None) -> UnifiedEventRouter:
    """A router that knows the user's events: those of `rules`, and those the daemon left in the database."""
    from rules_engine import store as stores
    from rules_engine.events.declared import declare_on
    from rules_engine.events.router import UnifiedEventRouter

    if str(chosen.db) == stores.MEMORY:
        raise CommandError("a database in memory ends with this command", "name a file with --db")
    log_to(sys.stderr, chosen.event_log_level, "%(levelname)s: %(message)s")
    router = UnifiedEventRouter(chosen.db, config=chosen)
    try:
        declare_on(router, _declared_in(rules) if rules else {})
    except ValueError as problem:
        raise CommandError(str(problem), "rename the event in your rules") from None
    return router


def _declared_in(rules: list[Path]) -> dict[str, dict[str, Any]]:
    from rules_engine.daemon.declared_events import declared_events
    from rules_engine.pipeline import load

    loaded = load(*rules)
    if loaded.unreadable:
        raise CommandError(f"{loaded.unreadable[0].path}: {loaded.unreadable[0].message}")
    if loaded.program is None:
        raise CommandError("the rules given with --rules have errors", "`rules-engine lint` shows them")
    return declared_events(loaded.program)


def payload_of(fields: list[str]) -> dict[str, Any]:
    """`FIELD=VALUE` words as a payload."""
    payload: dict[str, Any] = {}
    for word in fields:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise CommandError(
                f"{word!r} is no FIELD=VALUE", "rules-engine publish MODEL_PROMOTED config_key=hex8_2p"
            )
        if name in payload:
            raise CommandError(f"the field {name} is given twice")
        payload[name] = _value(text)
    return payload


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return text
    except RecursionError:
        raise CommandError(
            f"{text:.20}... is nested too deeply", "store the data in a file and publish its path"
        ) from None


def _no_constant(text: str) -> Any:
    raise ValueError(text)  # NaN and Infinity are no JSON: they stay text


def publish_one(router: UnifiedEventRouter, type: str, payload: dict[str, Any], source: str) -> str:
    """Publish, wait until it is stored, and say where."""
    publication = router.publish(type, payload, source, retry=False)
    publication.result()
    return _told(publication)


def _told(publication: Publication) -> str:
    name = publication.new.type
    if publication.duplicate_of is not None:
        return f"{name} is a duplicate of {publication.duplicate_of}: not stored again"
    return f"{name} stored at {publication.seq}, id {publication.event_id}"


def publish_stream(router: UnifiedEventRouter, file: str, source: str) -> tuple[int, int]:
    """Publish each line of a file, or of standard input; how many, and how many lines were refused.

    A bad line is named and left out; those before and after it are stored.
    """
    with _opened(file) as stream:
        return asyncio.run(_publish_lines(router, stream, source))


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    with Path(file).open("rb") as stream:
        yield stream


async def _publish_lines(router: UnifiedEventRouter, stream: BinaryIO, source: str) -> tuple[int, int]:
    from rules_engine.events.errors import PayloadNotEncodable, PayloadRefused, UnknownEventType

    published = bad = skipped = 0
    waiting: list[Publication] = []
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            event = _event_of(line)
            if event is None:
                skipped += 1
                continue
            name, payload, from_, event_id = event
            options = {} if event_id is None else {"event_id": event_id}
            waiting.append(router.publish(name, payload, from_ or source, **options))
        except (BadLine, PayloadNotEncodable, PayloadRefused, UnknownEventType, ValueError) as problem:
            bad += 1
            if bad <= _MAX_COMPLAINTS:
                error(f"line {number}: {problem}")
            continue
        if len(waiting) >= _TOGETHER:
            published += await _stored(waiting)
    published += await _stored(waiting)
    if bad > _MAX_COMPLAINTS:
        note(f"and {bad - _MAX_COMPLAINTS} more lines")
    if skipped:
        note(f"{skipped} ticks, outcomes and emitted events left out: the rules make them anew")
    return published, bad


async def _stored(waiting: list[Publication]) -> int:
    count = len(waiting)
    for publication in waiting:
        await publication
    waiting.clear()
    return count


def _event_of(line: bytes) -> tuple[str, dict[str, Any], str, str | None] | None:
    """Type, payload, source and id of a line; None for a row that only the rules make. Raises `BadLine`."""
    try:
        record = json.loads(line)
    except RecursionError:
        raise BadLine("it is nested too deeply: store the data in a file and publish its path") from None
    except ValueError as problem:
        raise BadLine(f"it is not JSON: {problem}") from None
    if not isinstance(record, dict) or not isinstance(record.get("type"), str):
        raise BadLine('it is no event: it needs a "type"')
    cloud = "specversion" in record
    if record.get("kind", "event") != "event" and not cloud:
        return None
    payload = _cloud_data(record) if cloud else record.get("payload", {})
    if payload is None:
        payload = {}
    if not isinstance(payload, dict):
        raise BadLine(f"{'data' if cloud else 'payload'} is an object, not {type(payload).__name__}")
    source, number = record.get("source", ""), record.get("id")
    if not isinstance(source, str):
        raise BadLine('"source" is a text')
    if number is not None and not isinstance(number, str):
        raise BadLine('"id" is a text')
    return record["type"], payload, source, f"{source}#{number}" if cloud and number else number


def _cloud_data(record: dict[str, Any]) -> Any:
    """The payload of a CloudEvent; its id is unique together with its source only."""
    if record["specversion"] != "1.0":
        raise BadLine(f"CloudEvents {record['specversion']} is not known; 1.0 is")
    missing = [name for name in ("id", "source") if not isinstance(record.get(name), str) or not record[name]]
    if missing:
        raise BadLine(f'a CloudEvent needs "{missing[0]}"')
    if "data_base64" in record or "json" not in record.get("datacontenttype", "application/json"):
        raise BadLine("only JSON data is read")
    return record.get("data", {})
