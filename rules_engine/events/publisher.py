"""The way in: from the arguments of `publish` to a publication that is handed over."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rules_engine.config import Settings
from rules_engine.events.checked_text import checked_text
from rules_engine.events.deprecation import warn_once
from rules_engine.events.encoding import encode
from rules_engine.events.event_forms import read_form
from rules_engine.events.handler_call import running_loop
from rules_engine.events.handling import ChainBreaker, current_row
from rules_engine.events.loop_tasks import Keepers
from rules_engine.events.name_resolution import Vocabulary
from rules_engine.events.payload_check import EventSchema, PayloadChecker, digest
from rules_engine.events.publication import Publication
from rules_engine.events.registry import Registry
from rules_engine.events.statistics import Statistics
from rules_engine.events.writer import Writer
from rules_engine.store.port import NewEvent

log = logging.getLogger("rules_engine.events")

MAX_SOURCE_LENGTH = 1_000


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """What may be said beside type, payload and source; see `UnifiedEventRouter.publish`."""

    event_id: str | None = None
    dedup: bool = True
    allow_unknown: bool = False
    retry: bool = True


_PLAIN = PublishOptions()
_OPTIONS = frozenset(PublishOptions.__slots__)
_EVERYBODY = "publish(), which always reaches everybody"
#: Keywords of older forms that mean nothing any more, with what is written instead.
_LEGACY = {
    "route_to_data_bus": _EVERYBODY,
    "route_to_stage_bus": _EVERYBODY,
    "route_to_cross_process": _EVERYBODY,
    "bridge_cross_process": _EVERYBODY,
    "max_retries": "publish(), which waits its turn and keeps what cannot be stored yet",
}


def options_from(given: dict[str, Any]) -> PublishOptions:
    """Keywords as they were given to `publish`. `TypeError` for one that there never was."""
    for name in given.keys() - _OPTIONS:
        if name not in _LEGACY:
            raise TypeError(f"publish() has no keyword {name!r}; it takes {', '.join(sorted(_OPTIONS))}")
        warn_once(f"publish({name}=...)", _LEGACY[name])
    return PublishOptions(**{name: value for name, value in given.items() if name in _OPTIONS})


@dataclass(slots=True)
class Publisher:
    """Resolves, encodes and checks at the call, then hands over to the writer."""

    settings: Settings
    vocabulary: Vocabulary
    schema_of: Callable[[str], EventSchema | None]
    writer: Writer
    registry: Registry
    statistics: Statistics
    _keepers: Keepers = field(default_factory=Keepers)
    _chains: ChainBreaker = field(default_factory=ChainBreaker)
    _checker: PayloadChecker = field(init=False)

    def __post_init__(self) -> None:
        self._checker = PayloadChecker(
            self.schema_of, self.settings.payload_check, self.statistics.note_finding
        )

    def publish(
        self, given: object, payload: object = None, source: str = "", options: PublishOptions = _PLAIN
    ) -> Publication:
        """See `UnifiedEventRouter.publish`."""
        form = read_form(given, payload, source)
        name = self.vocabulary.resolve(form.type, allow_unknown=options.allow_unknown)
        body = encode(form.payload)
        self._checker.check(name, form.payload, body)
        event_id = form.event_id if options.event_id is None else options.event_id
        new = self._new_event(name, body, form.source, event_id, dedup=options.dedup)
        publication = Publication(new, self.writer, running_loop())
        publication.wanted = not options.retry
        self._hand_over(publication)
        return publication

    def _new_event(
        self, name: str, body: bytes, source: str, event_id: str | None, *, dedup: bool
    ) -> NewEvent:
        if event_id is not None:
            checked_text("event_id", event_id)
        if source != "":
            checked_text("source", source, MAX_SOURCE_LENGTH)
        schema = self.schema_of(name)
        window_ms = schema.dedup_ms if schema is not None else None
        if window_ms is None:
            window_ms = round(self.settings.dedup_window_secs * 1000)
        known_by = None
        if dedup and window_ms > 0:
            known_by = digest(name, body, schema.aliases if schema is not None else {})
        row = current_row.get()
        cause = chain = None
        if row is not None:
            cause, chain = row.id, row.chain or row.id
            self._chains.count(chain, time.monotonic())
        return NewEvent(
            id=event_id or _new_id(), type=name, body=body, source=source, dedup=known_by,
            dedup_window_ms=window_ms if known_by is not None else 0,
            cause=cause, chain=chain, depth=row.depth + 1 if row is not None else 0,
        )  # fmt: skip

    def _hand_over(self, publication: Publication) -> None:
        name = publication.new.type
        self.writer.submit(publication)
        self.statistics.count_published(name)
        log.debug(
            "%s %s is published by %s", name, publication.event_id, publication.new.source or "somebody"
        )
        if not self.registry.is_heard(name):
            self.statistics.count_unheard(name)
        if publication.loop is not None:
            if not self.writer.degraded and any(other.handler.on_loop for other in self.registry.of(name)):
                self._keepers.keep(publication)
            self.writer.send_soon()
        else:
            self.writer.send_now(publication)
            if current_row.get() is None:
                publication.wait_for_local_handlers()


def _new_id() -> str:
    """A new event id: ordered by time, which keeps the store's index of ids local."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"
