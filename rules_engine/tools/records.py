"""Rows of the log and firings as JSON: one home for the shapes that `tail`, `firings` and `replay` print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from rules_engine.engine.decision import Firing
from rules_engine.event import Kind, Row

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND = 253_402_300_799


class BadRecord(ValueError):
    """A line that is not an event; the message names the line and what is wrong with it."""


def time_text(time_ms: int) -> str:
    """`2026-01-01T00:00:00.000Z` for milliseconds since the epoch."""
    return (
        (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def time_from(value: object) -> int:
    """Milliseconds since the epoch from ISO 8601 text (UTC unless it says otherwise) or seconds.

    Raises ValueError for anything else.
    """
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value <= _LAST_SECOND:
            raise ValueError(f"{value!r} seconds since 1970 is no time before the year 10000")
        return round(value * 1000)
    raise ValueError(f"a time is ISO 8601 text or seconds since 1970, not {value!r}")


def firing_record(firing: Firing) -> dict[str, Any]:
    """A firing in the shape of `firings --format json` and `replay --format json`."""
    return {
        "loop": firing.loop,
        "key": list(firing.key),
        "event_id": firing.event_id,
        "cause": firing.cause,
        "time": time_text(firing.time_ms),
        "effects": list(firing.effects),
        "because": firing.because,
        "position": firing.position,
        "n": firing.n,
        "incomplete": firing.incomplete,
        "shadow": firing.shadow,
    }


def row_record(row: Row) -> dict[str, Any]:
    """A row of the log in the shape of `tail --format json`, which `replay --from` reads back."""
    record: dict[str, Any] = {
        "seq": row.seq,
        "id": row.id,
        "type": row.type,
        "payload": row.payload,
        "source": row.source,
        "time": time_text(row.time_ms),
        "kind": row.kind.word,
    }
    if row.cause is not None:
        record |= {"cause": row.cause, "chain": row.chain, "depth": row.depth}
    return record


def rows_from_lines(lines: Iterable[bytes], names: Mapping[str, str]) -> Iterator[Row]:
    """The rows written in JSON Lines, in the order of the lines.

    `names` maps upper-case spellings of events to their names; other types are kept as they are: no
    loop hears them. A line without `seq` gets the next number, one without `id` one made of
    its number; a time that falls back is that of the line before, as a log's time never falls.
    Raises `BadRecord` for a line that is not an event.
    """
    seq = time_ms = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BadRecord(f"line {number} is not JSON: {error}") from None
        row = _row(record, number, names, seq, time_ms)
        seq, time_ms = row.seq, row.time_ms
        yield row


def _row(record: object, number: int, names: Mapping[str, str], last_seq: int, last_ms: int) -> Row:
    if not isinstance(record, dict) or not isinstance(record.get("type"), str):
        raise BadRecord(f'line {number} is not an event: it needs a "type" and a "time"')
    payload = record.get("payload", {})
    if not isinstance(payload, dict):
        raise BadRecord(f'line {number}: "payload" is an object, not {type(payload).__name__}')
    try:
        time_ms = max(last_ms, time_from(record.get("time", last_ms / 1000)))
        kind = Kind[str(record.get("kind", "event")).upper()]
        seq, depth = int(record.get("seq") or last_seq + 1), int(record.get("depth") or 0)
    except KeyError:
        raise BadRecord(f'line {number}: "kind" is event, emitted, tick or outcome') from None
    except (ValueError, TypeError, OverflowError) as error:
        raise BadRecord(f"line {number}: {error}") from None
    return Row(
        seq=max(seq, last_seq + 1),
        time_ms=time_ms,
        kind=kind,
        id=str(record.get("id") or f"line-{number}"),
        type=names.get(record["type"].upper(), record["type"]),
        payload=payload,
        source=str(record.get("source") or ""),
        cause=record.get("cause"),
        chain=record.get("chain"),
        depth=depth,
    )
