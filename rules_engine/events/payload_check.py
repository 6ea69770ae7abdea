"""A payload against what its event declares, and the digest by which repeats are known (A12, A14).

`warn` publishes, counts, and logs each finding once; `strict` refuses at the call; `off` looks at nothing.
Missing and null are the same; a field's other spellings stand for it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Literal

import orjson

from rules_engine.events.encoding import decode
from rules_engine.events.errors import PayloadRefused

log = logging.getLogger("rules_engine.events")

Mode = Literal["warn", "strict", "off"]

_JSON_TYPES = (str, int, float, bool, list, dict, type(None))
_FITS: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool))
        or (isinstance(value, float) and value.is_integer())
    ),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "duration": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "map": lambda value: isinstance(value, dict),
    "any": lambda _: True,
}


@dataclass(frozen=True, slots=True)
class FieldSchema:
    """What a field may hold: a base type; a closed set of words; inclusive bounds."""

    base: str = "any"
    words: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def complaint(self, value: Any) -> str | None:
        """Why a value does not fit, None if it does."""
        if not _FITS[self.base](value):
            return f"is {type(value).__name__}, declared {self.base}"
        if self.words and value not in self.words:
            return f"is {value!r:.40}, declared " + " | ".join(self.words)
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            return f"is {value}, declared within {self.low}..{self.high}"
        return None


@dataclass(frozen=True, slots=True)
class EventSchema:
    """What an event declares. `dedup_ms`: None the default window, 0 off.

    `derived` names, for each field that is made of others when absent, those others. `key` is the field by
    which events belong together: an empty text there belongs to nobody.
    """

    fields: Mapping[str, FieldSchema] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    dedup_ms: int | None = None
    derived: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    key: str | None = None

    def lacks(self, name: str, folded: Mapping[str, Any]) -> bool:
        """Whether a field is missing in a folded payload, and cannot be derived from what is there."""
        if folded.get(name) is not None:
            return False
        sources = self.derived.get(name)
        return not sources or any(folded.get(source) is None for source in sources)

    def findings(self, payload: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What does not fit: pairs of field and complaint."""
        folded = fold(payload, self.aliases)
        found = [
            (name, "is required and missing") for name in sorted(self.required) if self.lacks(name, folded)
        ]
        if self.key is not None and folded.get(self.key) == "":
            found.append((self.key, "is the key and empty"))
        for name, value in folded.items():
            declared = self.fields.get(name)
            if value is not None and declared is not None and (complaint := declared.complaint(value)):
                found.append((name, complaint))
        return found


class PayloadChecker:
    """Looks at payloads in one of three ways. `note(event, finding)` counts, and says whether it is new."""

    def __init__(
        self, schemas: Callable[[str], EventSchema | None], mode: Mode, note: Callable[[str, str], bool]
    ) -> None:
        self.mode = mode
        self._schemas = schemas
        self._note = note

    def check(self, name: str, payload: Mapping[str, Any], body: bytes) -> None:
        """Raises `PayloadRefused` in strict mode. `body` is the payload's encoding."""
        if self.mode == "off" or (schema := self._schemas(name)) is None:
            return
        if type(payload) is not dict or any(type(value) not in _JSON_TYPES for value in payload.values()):
            payload = decode(body)  # paths, enums, numpy scalars: judge what they become
        findings = schema.findings(payload)
        if not findings:
            return
        if self.mode == "strict":
            listed = "; ".join(f"{field} {complaint}" for field, complaint in findings[:5])
            raise PayloadRefused(f"{name} was not published: {listed}")
        for field_name, complaint in findings:
            if self._note(name, f"{field_name} {complaint.partition(',')[0]}"):
                log.warning("%s: the field %s %s", name, field_name, complaint)


def digest(name: str, body: bytes, aliases: Mapping[str, str]) -> bytes:
    """SHA-256 of an event's canonical type and payload: equal content gives equal digests.

    Aliases are folded, missing and null are the same, and so are 1 and 1.0.
    """
    if aliases or b"null" in body or b"." in body:
        payload = fold(decode(body), aliases)
        body = orjson.dumps(_canonical(payload), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(name.encode() + b"\0" + body).digest()


def fold(payload: Mapping[str, Any], aliases: Mapping[str, str]) -> Mapping[str, Any]:
    """The payload under declared field names; a declared name wins over its alias."""
    if not aliases or aliases.keys().isdisjoint(payload):
        return payload
    folded = {name: value for name, value in payload.items() if name not in aliases}
    for alias, name in aliases.items():
        if folded.get(name) is None and payload.get(alias) is not None:
            folded[name] = payload[alias]
    return folded


def _canonical(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return value


def schema_from(tables: ModuleType, name: str) -> EventSchema | None:
    """What a generated `catalogue` module declares for an event, None if it does not know it."""
    fields = tables.FIELDS.get(name)
    if fields is None:
        return None
    words, ranges = tables.WORDS.get(name, {}), tables.RANGES.get(name, {})
    return EventSchema(
        fields={
            key: FieldSchema(base, tuple(words.get(key, ())), *ranges.get(key, (None, None)))
            for key, base in fields.items()
        },
        required=frozenset(tables.REQUIRED.get(name, ())),
        aliases=tables.FIELD_ALIASES.get(name, {}),
        dedup_ms=tables.DEDUP_MS.get(name),
        derived=tables.DERIVED_FROM.get(name, {}),
        key=tables.KEYS.get(name),
    )


@cache
def shipped_catalogue() -> ModuleType:
    """The generated tables of the shipped events.

    A router asks for them when it is made: an import in the middle of publishing would hold the import lock
    in one thread while another one forks, and the child would wait for it for ever.
    """
    return import_module("rules_engine.events.generated.catalogue")


@cache
def shipped_schema(name: str) -> EventSchema | None:
    """What the shipped catalogue declares for an event, None if it declares nothing."""
    return schema_from(shipped_catalogue(), name)
