"""A second chance for dead letters: the event goes to the handler that failed on it, and to nobody else."""

from __future__ import annotations

from rules_engine.event import Kind, Row
from rules_engine.events.failures import letter as letter_of
from rules_engine.events.feed import Item
from rules_engine.events.registry import Listener, Registry
from rules_engine.store.port import Letter, Store

#: After so many attempts in all a letter is left for people to look at.
MAX_ATTEMPTS = 10
#: So many letters are looked through.
_LOOKED_AT = 1_000


def redeliver(store: Store, registry: Registry, limit: int) -> dict[str, int]:
    """Call handlers of this process again for up to `limit` of their letters, the newest first.

    A letter goes when its handler succeeds; a failure leaves one with a further attempt counted.
    """
    counts = {"retried": 0, "delivered": 0, "failed": 0}
    by_name: dict[str, Listener] = {listener.stats.name: listener for listener in registry.listeners}
    for letter in store.letters(_LOOKED_AT):
        listener = by_name.get(letter.name)
        if letter.kind != "handler" or listener is None or letter.attempts >= MAX_ATTEMPTS:
            continue
        if counts["retried"] == limit:
            break
        counts["retried"] += 1
        item = _item(store, letter)
        error = listener.handler.call_in_thread(item)
        listener.stats.add(0.0, error)
        counts["failed" if error else "delivered"] += 1
        if error is not None:
            store.bury([letter_of(letter.name, item, error, letter.attempts + 1)])
        store.settle(letter.id, retry=False, now_ms=store.now_ms())
    return counts


def _item(store: Store, letter: Letter) -> Item:
    """The event as it lies in the log, or as the letter has kept it when the log has it no more."""
    body = letter.body
    rows = store.read(body["seq"] - 1, 1).rows
    if rows and rows[0].id == body["event_id"]:
        return Item(rows[0], None, None, rows[0].payload)
    kept = Row(body["seq"], letter.time_ms, Kind.EVENT, body["event_id"], body["event_type"])
    return Item(kept, None, None, body["payload"])
