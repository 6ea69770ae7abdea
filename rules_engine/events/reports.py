"""Statistics, health and delivery of a router as plain dicts."""

from __future__ import annotations

from typing import Any

from rules_engine.events.feed import Feed
from rules_engine.events.letters import LetterBox
from rules_engine.events.registry import Registry
from rules_engine.events.statistics import Statistics
from rules_engine.events.writer import Writer


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


def delivery(statistics: Statistics, registry: Registry) -> dict[str, Any]:
    """Who talks and is not heard, who listens and hears nothing, who is slow, who fails."""
    handlers = [listener.stats for listener in registry.listeners]
    return statistics.delivery_report(registry.heard(), [*handlers, *statistics.gone])


def event_flow(state: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    """Health and delivery as a list of issues."""
    issues = list(state["reasons"])
    issues += [f"{name} is emitted and never heard" for name in report["emitted_never_heard"]]
    issues += [f"{name} is heard and never emitted" for name in report["heard_never_emitted"]]
    issues += [f"{each['handler']} failed {each['errors']} times" for each in report["errors"]]
    return {"healthy": not issues, "issues": issues, "report": report}
