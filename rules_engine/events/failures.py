"""What is kept and said of a handler that failed."""

from __future__ import annotations

import logging

from rules_engine.events.errors import HandlerTimeout, reason_of
from rules_engine.events.feed import Item
from rules_engine.store.port import Letter

log = logging.getLogger("rules_engine.events")


def letter(name: str, item: Item, error: BaseException, attempts: int) -> Letter:
    """The dead letter of an event that a handler could not take."""
    row = item.row
    body = {"event_id": row.id, "event_type": row.type, "seq": row.seq, "payload": item.event()["payload"]}
    return Letter("handler", name, reason_of(error), attempts, body, row.time_ms)


def log_failure(name: str, item: Item, error: BaseException) -> None:
    """Say that a handler failed; with the way to its error, unless it was ended from outside."""
    own = isinstance(error, Exception) and not isinstance(error, HandlerTimeout)
    what = "" if own else f": {reason_of(error)}".rstrip(": ")
    log.error(
        "the handler %s failed on %s %s%s",
        name,
        item.row.type,
        item.row.id,
        what,
        exc_info=error if own else None,
    )
