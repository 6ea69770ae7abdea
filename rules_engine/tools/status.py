"""The state of everything as one document: what `status` prints, with or without a running daemon."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rules_engine.config import Settings
from rules_engine.daemon import facts
from rules_engine.events.delivery import Wishes, delivery_report
from rules_engine.store.port import Store
from rules_engine.tools.knobs import Knobs, knob_record
from rules_engine.tools.records import time_text

#: The role, and the reader, of the daemon.
RULES_ROLE = "rules"
#: So many owed actions and dead letters are looked at, the oldest and the newest.
_LOOKED_AT = 1_000


def status(store: Store, chosen: Settings) -> dict[str, Any]:
    """Daemon, rules, log, readers, delivery, actions, knobs, last reload, as JSON.

    The settings say which orphans are meant, and who must listen.
    """
    info = store.info()
    counts = store.action_counts()
    readers = [
        {"name": r.name, "position": r.position, "lag": max(0, info.head - r.position), "pinned": r.pinned}
        for r in store.readers()
    ]
    return {
        "version": 1,
        "daemon": _daemon(store),
        "rules": _rules(store),
        "log": {
            "head": info.head,
            "first": info.first,
            "time": time_text(info.time_ms) if info.head else None,
            "bytes": info.bytes,
            "durability": info.durability,
            "limits": list(info.limits),
        },
        "readers": readers,
        "delivery": delivery(store, chosen),
        "waiting": dict(Counter(action.action for action in store.owed(_LOOKED_AT))),
        "actions": {"owed": counts.owed, "claimed": counts.claimed, "dead": counts.dead},
        "knobs": knob_records(Knobs(store=store)),
        "dead_letters": len(store.letters(_LOOKED_AT)),
    }


def delivery(store: Store, chosen: Settings) -> dict[str, Any]:
    """Orphans, dead subscriptions, unknown names and more, over all processes."""
    return delivery_report(store, Wishes(chosen.allowed_orphans, chosen.expected_listeners))


def knob_records(knobs: Knobs, name: str | None = None) -> list[dict[str, Any]]:
    """All knobs, or one, in the shape of `knobs --format json`."""
    return [
        knob_record(one, None if one.until_ms is None else time_text(one.until_ms)) for one in knobs.all(name)
    ]


def _daemon(store: Store) -> dict[str, Any]:
    holder = store.holder(RULES_ROLE)
    running = holder is not None and holder.alive
    fact = store.fact(facts.DAEMON) or {}
    health = store.fact(facts.HEALTH) or {}
    document: dict[str, Any] = {"running": running, "pid": holder.pid if running and holder else None}
    if fact:
        document |= {
            "started": time_text(fact["started_ms"]),
            "rules": fact["rules"],
            "handlers": fact["handlers"],
        }
    if health:
        document["health"] = health
    return document


def _rules(store: Store) -> dict[str, Any]:
    fact = store.fact(facts.RULES) or {"hash": None, "loops": []}
    fired = store.firing_counts()
    switched_off = _switched_off(store)
    loops = []
    for loop in fact["loops"]:
        off = switched_off.get(loop["loop"])
        loops.append(
            {
                "loop": loop["loop"],
                "fired": fired.get(loop["loop"], 0),
                "state": "off" if off is not None else loop["mode"],
                "reason": (off or {}).get("reason") or loop["why"] or None,
                "until": (off or {}).get("until"),
                "path": loop["path"],
            }
        )
    return {"hash": fact["hash"], "loops": loops, "last_reload": _last_reload(store)}


def _switched_off(store: Store) -> dict[str, dict[str, Any]]:
    """Loops that an operator, or the breaker, switched off, with reason and end."""
    now_ms = store.now_ms()
    return {
        loop: {"reason": body["reason"], "until": None if body["until"] is None else time_text(body["until"])}
        for loop, body in (store.fact(facts.SWITCHED_OFF) or {}).items()
        if body["until"] is None or body["until"] > now_ms
    }


def _last_reload(store: Store) -> dict[str, Any] | None:
    fact = store.fact(facts.LAST_RELOAD)
    if fact is None:
        return None
    return {
        "time": time_text(fact["time_ms"]),
        **{k: v for k, v in fact.items() if k not in ("time_ms", "requests")},
    }
