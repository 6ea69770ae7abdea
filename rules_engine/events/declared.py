"""The user's own events as the daemon leaves them in the store: names, other spellings, payloads.

The catalogue travels in the package; what rule files declare beside it is known to other processes from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from rules_engine.events.payload_check import EventSchema, FieldSchema

#: The fact under which they lie in the store.
DECLARED_EVENTS = "declared_events"


class Declares(Protocol):
    """A router, as far as names are concerned."""

    def declare(
        self, events: Mapping[str, EventSchema | None], aliases: Mapping[str, str] | None = None
    ) -> None:
        """Add event types beside the shipped ones."""


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
            key=one.get("key"),
        )
        for name, one in declared.items()
    }
    router.declare(schemas, {alias: name for name, one in declared.items() for alias in one["aliases"]})
