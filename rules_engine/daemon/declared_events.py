"""What the daemon leaves in the store about the user's own events; `events.declared` reads it."""

from __future__ import annotations

from typing import Any

from rules_engine.language.program import EventDecl, Program


def declared_events(program: Program) -> dict[str, dict[str, Any]]:
    """The events that the rule files declare: name to aliases and schema, as JSON."""
    return {event.name: _record(event) for event in program.events.values() if not event.from_catalogue}


def _record(event: EventDecl) -> dict[str, Any]:
    return {
        "aliases": list(event.aliases),
        "dedup_ms": event.dedup_ms,
        "key": event.key,
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
