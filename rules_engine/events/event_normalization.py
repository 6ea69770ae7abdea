"""Names of events in their one canonical form, upper case, as they lie in the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from rules_engine.events.event_forms import StageEvent, stage_types
from rules_engine.events.lifecycle import get_router
from rules_engine.events.name_resolution import shipped_vocabulary

__all__ = [
    "audit_event_usage",
    "get_variants",
    "is_canonical",
    "normalize_event_type",
    "validate_event_names",
]


def normalize_event_type(event_type: object) -> str:
    """The canonical name of a member, name, value or alias in any case; unknown text comes back unchanged.

    A stage that means one of two events comes back under its own name. `publish` is stricter: there, unknown
    is an error.
    """
    if isinstance(event_type, StageEvent):
        names = stage_types(event_type)
        return names[0] if len(names) == 1 else event_type.name
    if isinstance(event_type, str) and get_router().vocabulary.find(event_type) is None:
        return event_type
    return get_router().resolve(event_type)


def is_canonical(event_type: str) -> bool:
    """Whether a text is a canonical name."""
    return event_type in get_router().vocabulary.names


def get_variants(canonical_event: str) -> list[str]:
    """All spellings of an event, its canonical name first."""
    return get_router().vocabulary.variants(canonical_event)


def validate_event_names() -> list[str]:
    """What is wrong with the shipped tables of names; empty if nothing is."""
    names, aliases = shipped_vocabulary()
    found = [
        f"{alias} is an alias of {name}, which does not exist"
        for alias, name in aliases.items()
        if name not in names
    ]
    found += [f"{alias} is an event and an alias" for alias in aliases if alias in names]
    found += [f"{alias} is not written in upper case" for alias in aliases if alias != alias.upper()]
    return found


def audit_event_usage(event_history: Iterable[str]) -> dict[str, Any]:
    """Of a list of names as used somewhere: how many are canonical, which variants occur, what to change."""
    counts = Counter(event_history)
    total = counts.total()
    canonical = sum(count for name, count in counts.items() if is_canonical(name))
    variants = {name: count for name, count in counts.items() if not is_canonical(name)}
    advice = []
    for name in sorted(variants):
        meant = normalize_event_type(name)
        known = is_canonical(meant)
        advice.append(f"write {meant} instead of {name}" if known else f"{name} is no event")
    return {
        "total_events": total,
        "canonical_count": canonical,
        "canonical_share": canonical / total if total else 1.0,
        "variants": variants,
        "recommendations": advice,
    }
