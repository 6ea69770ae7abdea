"""One function to emit each event, generated from the catalogue; each returns what `publish` returns."""

from __future__ import annotations

from rules_engine.events.generated import emitters as _emitters
from rules_engine.events.generated.emitters import *  # noqa: F403 - all of them

__all__ = [name for name in vars(_emitters) if name.startswith("emit_")]
