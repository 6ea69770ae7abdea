"""Finds the files that travel with the package: the grammar, the rules, the reference pages."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """The path of a shipped file or folder, such as `grammar/loops.lark` or `rules`.

    In a wheel these lie under `rules_engine/_shipped`, in a checkout beside the package.
    """
    inside = _PACKAGE / "_shipped" / name
    return inside if inside.exists() else _PACKAGE.parent / name
