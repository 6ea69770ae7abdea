"""Feedback loops as checked text: a language, a linter, and a daemon that loses nothing.

    rules = rules_engine.load("rules")            # findings in rules.diagnostics, never an exception
    async with Engine(rules="rules", db="events.db", handlers=[my_handlers]): ...
    Knobs("events.db").get("exploration", "hex8_2p")

The event system is in `rules_engine.events`. Names are imported when first used, so importing this package
costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rules_engine.daemon.handlers import ActionContext, GiveUp, action, handler
    from rules_engine.pipeline import RuleSet, load
    from rules_engine.wiring import Engine, Knobs, serve

__version__ = "0.1.0"

__all__ = [
    "ActionContext",
    "Engine",
    "GiveUp",
    "Knobs",
    "RuleSet",
    "__version__",
    "action",
    "handler",
    "load",
    "serve",
]

_HOMES = {
    "ActionContext": "daemon.handlers",
    "Engine": "wiring",
    "GiveUp": "daemon.handlers",
    "Knobs": "wiring",
    "RuleSet": "pipeline",
    "action": "daemon.handlers",
    "handler": "daemon.handlers",
    "load": "pipeline",
    "serve": "wiring",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
