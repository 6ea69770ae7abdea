"""One DeprecationWarning for each legacy form, however often it is used."""

from __future__ import annotations

import warnings

_warned: set[str] = set()


def warn_once(old: str, new: str) -> None:
    """Say once in this process that `old` still works and what to write instead."""
    if old not in _warned:
        _warned.add(old)
        warnings.warn(f"{old} still works; new code uses {new}", DeprecationWarning, stacklevel=3)


def forget_warnings() -> None:
    """Warn again; for tests."""
    _warned.clear()
