"""The delivery report: who is talked to and does not listen, who listens and is not talked to.

What was emitted stands in the log; who listens, and what went wrong there, each process leaves in the store.
Both are bounded, and so is the report.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from rules_engine.events.expected import Expected, missing
from rules_engine.store.port import Store

#: Facts that begin like this are records of processes.
PREFIX = "present:"
#: A process that has not told of itself for so long listens no more.
SILENT_AFTER_MS = 90_000
#: So many of the newest rows of the log are looked at.
ROWS = 50_000
#: An event nobody hears is reported from this many on: the first may come before its listener starts.
ORPHAN_AFTER = 5
#: A handler that takes longer on average than this is reported as slow.
SLOW_MEAN_MS = 1_000
#: So many entries each list of the report holds.
MOST = 200


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is meant: orphans that are no fault (names, with `*`), and listeners that must be there."""

    allowed: tuple[str, ...] = ()
    expected: Expected = field(default_factory=dict)

    def allows(self, name: str) -> bool:
        """Whether this event may go unheard, or never come."""
        return any(fnmatchcase(name, pattern.upper()) for pattern in self.allowed)


def empty_record(program: str, now_ms: int) -> dict[str, Any]:
    """The record of a process in which nobody listens and nothing went wrong."""
    return {
        "pid": os.getpid(),
        "program": program,
        "seen_ms": now_ms,
        "ended": False,
        "listeners": [],
        "gone": [],
        "expects": {},
        "unknown_names": {},
        "payload_findings": [],
        "slow_inline": [],
    }


def delivery_report(
    store: Store | None,
    wishes: Wishes,
    own: tuple[str, dict[str, Any]] | None = None,
    emitted: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The report over all processes of a store. `own`: the record of this process, fresher than the store's.

    `emitted`: counts to use beside those of the log. Raises `StoreError`.
    """
    counts = Counter(store.type_counts(ROWS) if store is not None else {})
    for name, count in (emitted or {}).items():
        counts[name] = max(counts[name], count)
    records = dict(store.facts(PREFIX)) if store is not None else {}
    if own is not None:
        records[own[0]] = own[1]
    readers = {reader.name for reader in store.readers()} if store is not None else set()
    now_ms = store.now_ms() if store is not None else 0
    states = {name: "own" if own and name == own[0] else _state(one, now_ms) for name, one in records.items()}
    listening = [
        listener
        for name, record in records.items()
        for listener in record["listeners"]
        if states[name] in ("own", "listening") or listener["durable"] in readers
    ]
    heard = {event for listener in listening for event in listener["events"] or ()}
    everything = sorted({listener["handler"] for listener in listening if listener["events"] is None})
    unheard = [
        name
        for name in sorted(counts)
        if counts[name] >= ORPHAN_AFTER and name not in heard and not everything
    ]
    silent = sorted(heard - counts.keys())
    return {
        "emitted_never_heard": [name for name in unheard if not wishes.allows(name)][:MOST],
        "heard_never_emitted": [name for name in silent if not wishes.allows(name)][:MOST],
        "allowed": [name for name in (*unheard, *silent) if wishes.allows(name)][:MOST],
        "hear_everything": everything[:MOST],
        "missing_listeners": _missing(wishes, records, listening)[:MOST],
        **_troubles(records.values()),
        "processes": [
            {
                "pid": record["pid"],
                "program": record["program"],
                "state": states[name],
                "listeners": len(record["listeners"]),
            }
            for name, record in records.items()
        ][:MOST],
    }


def _state(record: Mapping[str, Any], now_ms: int) -> str:
    if record["ended"]:
        return "ended"
    return "listening" if now_ms - record["seen_ms"] <= SILENT_AFTER_MS else "silent"


def _missing(
    wishes: Wishes, records: Mapping[str, Mapping[str, Any]], listening: Iterable[Mapping[str, Any]]
) -> list[dict[str, str]]:
    heard: dict[str, set[str]] = {}
    subscribed: set[str] = set()
    for listener in listening:
        for owner in listener["of"]:
            heard.setdefault(owner, set()).update(listener["events"] or ())
            if listener["stats"] is not None:  # a handler, not a reader such as the rules
                subscribed.add(owner)
    expected = {name: events for record in records.values() for name, events in record["expects"].items()}
    return missing({**expected, **wishes.expected}, heard, subscribed)


def _troubles(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What went wrong in handlers, names and payloads, the most frequent first."""
    unknown: Counter[str] = Counter()
    findings: Counter[tuple[str, str]] = Counter()
    handlers: list[dict[str, Any]] = []
    inline: list[dict[str, str]] = []
    for record in records:
        unknown.update(record["unknown_names"])
        for name, finding, count in record["payload_findings"]:
            findings[name, finding] += count
        handlers += [one["stats"] for one in record["listeners"] if one["stats"] is not None]
        handlers += record["gone"]
        inline += [{"handler": name, "stack": stack} for name, stack in record["slow_inline"]]
    return {
        "unknown_names": [{"name": name, "count": count} for name, count in unknown.most_common(MOST)],
        "payload_findings": [
            {"event": name, "finding": finding, "count": count}
            for (name, finding), count in findings.most_common(MOST)
        ],
        "slow": sorted(
            (one for one in handlers if one["mean_ms"] > SLOW_MEAN_MS), key=lambda one: -one["mean_ms"]
        )[:MOST],
        "slow_inline": inline[:MOST],
        "errors": sorted((one for one in handlers if one["errors"]), key=lambda one: -one["errors"])[:MOST],
    }
