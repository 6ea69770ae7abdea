"""What operators ask of the engine: how a request is written, and how its answer is kept.

A request lies in the store's inbox until the evaluator pins it to a place in the log, in the commit in
which it takes effect; what became of it is left as a fact for whoever asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rules_engine.store.port import Control

#: Kinds of request. `swap` is never asked for: the evaluator pins it when the rules were reloaded.
KNOB: Final = "knob"
OFF: Final = "off"
ON: Final = "on"
RELOAD: Final = "reload"
SWAP: Final = "swap"

#: So many answers are kept for those who asked.
_KEPT_ANSWERS = 200


def off(loop: str, reason: str, for_ms: int | None = None) -> Control:
    """Switch a loop off, for a while or until `on`."""
    return Control(OFF, {"loop": loop, "reason": reason, "for_ms": for_ms})


def on(loop: str) -> Control:
    """Switch a loop on again."""
    return Control(ON, {"loop": loop})


def set_knob(knob: str, key: tuple[Any, ...], value: Any, for_ms: int | None = None) -> Control:
    """Override a knob at a key, for a while or until it is next set."""
    return Control(KNOB, {"knob": knob, "key": list(key), "value": value, "for_ms": for_ms})


def reload() -> Control:
    """Read the rules again."""
    return Control(RELOAD, {})


def answered(kept: object, answers: Mapping[int, str | None]) -> dict[str, str | None]:
    """What became of the newest requests: id to refusal, None for granted."""
    known = dict(kept) if isinstance(kept, dict) else {}
    known |= {str(number): text for number, text in answers.items()}
    return dict(sorted(known.items(), key=lambda item: int(item[0]))[-_KEPT_ANSWERS:])
