"""Statistics and health of a router as plain dicts."""

from __future__ import annotations

import logging
import time
from typing import Any

from rules_engine.events.delivery import Wishes, delivery_report
from rules_engine.events.feed import Feed
from rules_engine.events.lazy_store import LazyStore
from rules_engine.events.letters import LetterBox
from rules_engine.events.presence import Presence
from rules_engine.events.registry import Registry
from rules_engine.events.statistics import OTHERS, Statistics
from rules_engine.events.writer import Writer
from rules_engine.store.port import StoreError

log = logging.getLogger("rules_engine.events")


def stats(statistics: Statistics, registry: Registry, writer: Writer) -> dict[str, Any]:
    """Counters."""
    return {
        "published": dict(statistics.published),
        "seen": dict(statistics.seen),
        "events_published": statistics.published.total(),
        "duplicates": writer.duplicates,
        "subscriptions": len(registry.listeners),
        "handlers": [
            {**listener.stats.as_dict(), "pending": listener.pending, "durable": listener.durable}
            for listener in registry.listeners
        ],
        "spooled": len(writer.spool),
        "spooled_bytes": writer.spool.bytes,
        "store_failures": writer.failures,
        "refused": writer.refused,
    }


def health(writer: Writer, feed: Feed, letters: LetterBox) -> dict[str, Any]:
    """`healthy` or `degraded`, with the reasons."""
    reasons = []
    if writer.degraded:
        reasons.append(f"events cannot be stored ({len(writer.spool)} wait): {writer.last_error}")
    if feed.failing is not None:
        reasons.append(f"events of other processes cannot be read: {feed.failing}")
    if letters.lost:
        reasons.append(f"{letters.lost} dead letters were lost")
    return {"status": "degraded" if reasons else "healthy", "healthy": not reasons, "reasons": reasons}


def delivery(store: LazyStore, presence: Presence, statistics: Statistics, wishes: Wishes) -> dict[str, Any]:
    """The delivery report; of this process alone when the store cannot be read."""
    emitted = dict.fromkeys({*statistics.seen, *statistics.published} - {OTHERS}, 1)
    own = presence.name, presence.record(time.time_ns() // 1_000_000)
    if store.exists:
        try:
            return delivery_report(store(), wishes, own, emitted)
        except StoreError as error:
            log.warning("the delivery report leaves other processes out: %s", error)
    return delivery_report(None, wishes, own, emitted)


def event_flow(state: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    """Health and delivery as a list of issues."""
    issues = list(state["reasons"])
    issues += [f"{name} is emitted and never heard" for name in report["emitted_never_heard"]]
    issues += [f"{name} is heard and never emitted" for name in report["heard_never_emitted"]]
    issues += [
        f"{one['listener']} is expected to listen to {one['event']}" for one in report["missing_listeners"]
    ]
    issues += [f"{one['name']} is no event, {one['count']} times" for one in report["unknown_names"]]
    issues += [
        f"{one['event']}: {one['finding']}, {one['count']} times" for one in report["payload_findings"]
    ]
    issues += [f"{one['handler']} takes {one['mean_ms']:g} ms on average" for one in report["slow"]]
    issues += [f"{one['handler']} failed {one['errors']} times" for one in report["errors"]]
    return {"healthy": not issues, "issues": issues, "report": report}
