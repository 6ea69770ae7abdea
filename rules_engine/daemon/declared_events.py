"""The user's own events, as other processes need them: to accept their names and check their payloads.

The catalogue travels in the package; what rule files declare beside it is left in the store by the daemon.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from rules_engine.events.payload_check import EventSchema, FieldSchema
from rules_engine.language.program import EventDecl, Program

#: The fact under which they lie in the store.
DECLARED_EVENTS = "declared_events"


class Declares(Protocol):
    """A router, as far as names are concerned."""

    def declare(
        self, events: Mapping[str, EventSchema | None], aliases: Mapping[str, str] | None = None
    ) -> None:
        """Add event types beside the shipped ones."""


def declared_events(program: Program) -> dict[str, dict[str, Any]]:
    """The events that the rule files declare: name to aliases and schema, as JSON."""
    return {event.name: _record(event) for event in program.events.values() if not event.from_catalogue}


def _record(event: EventDecl) -> dict[str, Any]:
    return {
        "aliases": list(event.aliases),
        "dedup_ms": event.dedup_ms,
        "required": sorted(
            f.name for f in event.fields.values() if not f.type.optional and f.derived is None
        ),
        "spellings": {other: f.name for f in event.fields.values() for other in f.spellings[1:]},
        "fields": {
            field.name: {
                "base": str(field.type.base),
                "words": list(field.type.words),
                "low": field.type.low,
                "high": field.type.high,
            }
            for field in event.fields.values()
        },
    }


def declare_on(router: Declares, declared: Mapping[str, Mapping[str, Any]]) -> None:
    """Let a router accept these events.

    Raises `ValueError` if one of them means another event already.
    """
    schemas = {
        name: EventSchema(
            fields={f: FieldSchema(**{**d, "words": tuple(d["words"])}) for f, d in one["fields"].items()},
            required=frozenset(one["required"]),
            aliases=one["spellings"],
            dedup_ms=one["dedup_ms"],
        )
        for name, one in declared.items()
    }
    router.declare(schemas, {alias: name for name, one in declared.items() for alias in one["aliases"]})
