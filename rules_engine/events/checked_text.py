"""Short texts that travel beside the payload: ids, sources, names of readers."""

from __future__ import annotations

from rules_engine.store.records import is_storable

MAX_LENGTH = 200


def checked_text(what: str, given: object, longest: int = MAX_LENGTH) -> str:
    """The text as it is. `TypeError` if it is none, `ValueError` if it cannot be kept in the store."""
    if not isinstance(given, str):
        raise TypeError(f"{what} is a text, not {type(given).__name__}: {given!r:.80}")
    if not 0 < len(given) <= longest:
        raise ValueError(f"{what} is a text of 1 to {longest:,} characters, not {len(given):,}")
    if not is_storable(given):
        raise ValueError(f"{what} is a text without NUL and lone surrogates, not {given!r:.80}")
    return given
