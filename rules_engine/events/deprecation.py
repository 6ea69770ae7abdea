"""One DeprecationWarning for each legacy form, however often it is used."""

from __future__ import annotations

import sys
import warnings

_PACKAGE = __package__ or ""
_warned: set[str] = set()


def warn_once(old: str, new: str) -> None:
    """Say once in this process that `old` still works and what to write instead."""
    if old not in _warned:
        _warned.add(old)
        message = f"{old} still works; new code uses {new}"
        warnings.warn(message, DeprecationWarning, stacklevel=_callers_level())


def _callers_level() -> int:
    """How far up the program stands that called: whoever of us passed the call on is not to blame."""
    level, frame = 2, sys._getframe(2)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level


def forget_warnings() -> None:
    """Warn again; for tests."""
    _warned.clear()
