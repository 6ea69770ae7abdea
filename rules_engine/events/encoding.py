"""A payload as canonical JSON bytes: the same content gives the same bytes, and nothing is lost unsaid.

Beside JSON's own types these are understood: Path (as text), Enum (its value; an event type: its
canonical name), date and time, UUID, set (as a sorted list), dataclasses, pydantic models, mappings, and
numpy scalars and arrays.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time
from pathlib import PurePath
from typing import Any
from uuid import UUID

import orjson

from rules_engine.events.errors import PayloadNotEncodable
from rules_engine.store.records import is_unicode

#: An event says what happened and where the data lies; the data itself belongs in a file.
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
_NATIVE = (str, int, bool, type(None), datetime, date, time, UUID)


def encode(payload: Mapping[str, Any]) -> bytes:
    """The payload as canonical JSON.

    Raises `PayloadNotEncodable` for NaN and infinities, keys that are no text, integers beyond 64 bit,
    bytes, cycles, over 254 levels, lone surrogates, objects of unknown kind, and over 4 MiB.
    """
    try:
        body = orjson.dumps(payload, default=_plain, option=_OPTIONS)
    except Exception as error:  # noqa: BLE001 - objects of the user's are asked for their content
        if (with_plain_keys := _with_plain_keys(payload, error)) is not None:
            return encode(with_plain_keys)
        raise PayloadNotEncodable(_reason(payload, error)) from None
    if len(body) > MAX_PAYLOAD_BYTES:
        raise PayloadNotEncodable(
            f"the payload is {len(body):,} bytes as JSON, at most {MAX_PAYLOAD_BYTES:,} are allowed:"
            " store the data in a file and publish its path"
        )
    # orjson writes NaN and infinities as null; where there is no null, there was none of them.
    if b"null" in body and (where := _find_not_finite(payload, "payload")):
        raise PayloadNotEncodable(
            f"{where}: JSON has no NaN and no infinity: leave the field out or send None"
        )
    return body


def decode(body: bytes) -> dict[str, Any]:
    """A fresh copy of the payload these bytes hold."""
    decoded: dict[str, Any] = orjson.loads(body)
    return decoded


def _plain(value: Any) -> Any:
    """A JSON value for an object orjson does not know; `TypeError` for one that has none."""
    plain = _convert(value)
    if where := _find_not_finite(plain, type(value).__name__):
        raise TypeError(where)
    return plain


def _convert(value: Any) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, AbstractSet):
        return sorted(value, key=lambda item: orjson.dumps(item, default=_plain, option=_OPTIONS))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if callable(dump := getattr(value, "model_dump", None)):
        return dump()
    # numpy and its likes, without importing them: scalars have item(), arrays tolist()
    if hasattr(value, "dtype") and callable(tolist := getattr(value, "tolist", None)):
        return tolist()
    raise TypeError(type(value).__name__)


def _find_not_finite(value: Any, where: str) -> str | None:
    """Where in a value the first NaN or infinity lies."""
    if isinstance(value, float):
        return None if math.isfinite(value) else where
    if isinstance(value, dict):
        pairs: Iterator[tuple[str, Any]] = ((f"{where}.{key}", item) for key, item in value.items())
    elif isinstance(value, list | tuple):
        pairs = ((f"{where}[{n}]", item) for n, item in enumerate(value))
    elif isinstance(value, enum.Enum):
        pairs = iter([(where, value.value)])
    else:
        return None
    return next((found for at, item in pairs if (found := _find_not_finite(item, at))), None)


def _with_plain_keys(payload: Mapping[str, Any], error: Exception) -> dict[str, Any] | None:
    """The payload with members of string enums as keys replaced by their text, which orjson wants."""
    if "key must be str" not in str(error):
        return None
    try:
        plain = _plain_keys(payload)
    except (RecursionError, TypeError):
        return None
    return plain if isinstance(plain, dict) else None


def _plain_keys(value: Any) -> Any:
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError
        return {
            str.__str__(key.value if isinstance(key, enum.Enum) else key): _plain_keys(item)
            for key, item in value.items()
        }
    return [_plain_keys(item) for item in value] if isinstance(value, list | tuple) else value


def _reason(payload: Mapping[str, Any], error: Exception) -> str:
    # orjson wraps what an object of the user's raises when it is asked for its content
    why = error.__cause__ or error
    try:
        found = _find_fault(payload, "payload", 0)
    except Exception:  # noqa: BLE001 - likewise
        found = None
    return found or f"the payload cannot be written as JSON: {type(why).__name__}: {why}"


def _find_fault(value: Any, where: str, depth: int) -> str | None:  # noqa: C901 - one line per kind of fault
    """Where in a value lies what orjson refused, and why."""
    if depth > 254:
        return f"{where[:80]}...: nested over 254 levels deep, or containing itself"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{where}: bytes are no JSON: send text, or the path of a file"
    if isinstance(value, str):
        return None if is_unicode(value) else f"{where}: the text holds a lone surrogate, no valid Unicode"
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return f"{where}: an integer that does not fit into 64 bit: send it as text"
    if isinstance(value, _NATIVE):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{where}: JSON has no NaN and no infinity"
    if isinstance(value, enum.Enum):
        return _find_fault(value.value, where, depth + 1)
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                return f"{where}: the key {key!r} is no text: JSON objects have text keys only"
            if not is_unicode(key):
                return f"{where}: the key {key!r:.80} holds a lone surrogate and is no valid Unicode"
            if found := _find_fault(item, f"{where}.{key}", depth + 1):
                return found
        return None
    if isinstance(value, list | tuple):
        for n, item in enumerate(value):
            if found := _find_fault(item, f"{where}[{n}]", depth + 1):
                return found
        return None
    try:
        return _find_fault(_convert(value), where, depth + 1)
    except (TypeError, RecursionError, orjson.JSONEncodeError):
        return f"{where}: an object of type {type(value).__name__} has no JSON form"
    except Exception as error:  # noqa: BLE001 - the object's own
        return f"{where}: the {type(value).__name__} does not give its content: {error!r:.200}"
