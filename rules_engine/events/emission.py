"""What the generated `emit_` functions share: keywords to a payload, and a plain answer to a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from rules_engine.events.event_router import get_router
from rules_engine.events.payload_check import EventSchema, schema_from
from rules_engine.events.publication import Publication

#: Stands for "not given"; so does None. Typed to fit every parameter.
ABSENT: Any = None


@dataclass(frozen=True, slots=True)
class Emitter:
    """Publishes the events of one generated package: of its `catalogue` module and its aliases."""

    catalogue: ModuleType
    aliases: Mapping[str, str]
    _schemas: dict[str, EventSchema] = field(default_factory=dict)

    def __call__(
        self, event: str, source: str, given: Mapping[str, Any], other: Mapping[str, Any]
    ) -> Publication:
        """Publish `event` with the known fields `given` and, by any of their spellings, `other`.

        `TypeError` for a field that the event does not declare or that is given twice, and for a required
        one that is missing: nothing is published then.
        """
        schema = self._schema(event)
        payload = {name: value for name, value in given.items() if value is not None}
        for spelling, value in other.items():
            name = schema.aliases.get(spelling, spelling)
            if name not in schema.fields:
                raise TypeError(self._no_such_field(event, spelling))
            if value is None:
                continue
            if name in payload:
                raise TypeError(
                    f"emit_{event.lower()}() got both {name!r} and {spelling!r}, which are one field"
                )
            payload[name] = value
        missing = sorted(name for name in schema.required if schema.lacks(name, payload))
        if missing:
            needed = " and ".join(repr(name) for name in missing)
            raise TypeError(f"emit_{event.lower()}() needs {needed}")
        if event not in get_router().vocabulary.names:
            self.declare()
        return get_router().publish(event, payload, source)

    def declare(self) -> None:
        """Make the package's events known to this process, so that `publish` takes them by name."""
        get_router().declare({name: self._schema(name) for name in self.catalogue.FIELDS}, self.aliases)

    def _schema(self, event: str) -> EventSchema:
        if (known := self._schemas.get(event)) is None:
            known = schema_from(self.catalogue, event)
            assert known is not None
            self._schemas[event] = known
        return known

    def _no_such_field(self, event: str, spelling: str) -> str:
        schema = self._schema(event)
        near = difflib.get_close_matches(spelling, [*schema.fields, *schema.aliases], n=1)
        hint = f": did you mean {near[0]!r}?" if near else "; publish() takes fields beyond the declared ones"
        return f"emit_{event.lower()}() got an unexpected keyword argument {spelling!r}{hint}"
