"""Who is meant to listen to what: a declared table, held against the subscriptions that are really there.

A daemon wired in one place and forgotten in another is found this way, and not by the events it misses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: Who is meant to hear which events: the name of a class, a durable name or a module, with event names.
Expected = Mapping[str, Iterable[str]]

#: The daemons of a training pipeline. One of these is held to its row from its first subscription on; the
#: whole row is expected once a program asks for it with `router.expect`.
DAEMON_SUBSCRIPTIONS: dict[str, tuple[str, ...]] = {
    "FeedbackLoopController": ("TRAINING_LOSS_TREND", "TRAINING_LOSS_ANOMALY", "QUALITY_DEGRADED"),
    "SelfplayScheduler": ("MODEL_PROMOTED", "ELO_VELOCITY_CHANGED", "CURRICULUM_ADVANCED"),
    "AutoSyncDaemon": ("GAMES_GENERATED", "NPZ_EXPORTED", "DATA_SYNC_FAILED"),
    "ModelDistributionDaemon": ("MODEL_PROMOTED", "MODEL_REGISTERED"),
    "OrphanDetectionDaemon": ("DATABASE_CREATED", "SYNC_COMPLETED"),
}


def owners_of(callback: object, durable: str | None = None) -> list[str]:
    """The names by which a handler may be expected: its classes, parts of its own name, its durable name."""
    while (inner := getattr(callback, "func", None)) is not None:
        callback = inner
    named = [*getattr(callback, "__qualname__", "").split("."), getattr(callback, "__module__", None) or ""]
    owner = getattr(callback, "__self__", callback)
    kinds = owner.__mro__ if isinstance(owner, type) else type(owner).__mro__
    named += [kind.__name__ for kind in kinds if kind.__module__ != "builtins"]
    return list(dict.fromkeys(name for name in (*named, durable) if name))


def missing(
    expected: Expected, heard: Mapping[str, Iterable[str]], subscribed: Iterable[str]
) -> list[dict[str, str]]:
    """What is expected and not there.

    `heard`: the events that reach each name, be it by way of a loop; `subscribed`: the names that listen by
    themselves, and are held to their row of the table.
    """
    half_wired = {name: DAEMON_SUBSCRIPTIONS[name] for name in subscribed if name in DAEMON_SUBSCRIPTIONS}
    return [
        {"listener": name, "event": event}
        for name, events in sorted({**half_wired, **expected}.items())
        for event in events
        if event not in set(heard.get(name, ()))
    ]
