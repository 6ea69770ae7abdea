"""What one evaluation of an expression sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol


class KnobReader(Protocol):
    """Where expressions read knobs from; unknown knobs and keys give None."""

    def value(self, knob: str, key: tuple[Any, ...]) -> Any:
        """The value in force at a key."""

    def all(self, knob: str) -> dict[str, Any]:
        """All keys (parts joined by `/`) with their values, in order of key."""


class SlotReader(Protocol):
    """What a loop remembers in its slots, as of an evaluation."""

    def read(self, slot: int, function: str, now_ms: int, quantile: float | None) -> Any:
        """The aggregate, `prev` or `streak`; None when there is nothing to tell."""


class Frame:
    """What one evaluation sees. Made by the step, reused for all loops that hear one event.

    `fields`: the bound event's declared fields, known ones only. `event`: its type. `alias`: the
    trigger it came by. `key`: the loop's key. `slots`: what the loop remembers, None without memory.
    `locals` is filled at first reading from `local_plans` (L7). `parts`: the events of a whole sequence by
    alias, None where one event is bound.
    """

    __slots__ = (
        "alias", "event", "fields", "key", "knobs", "local_plans", "locals", "now_ms", "parts", "slots",
    )  # fmt: skip

    def __init__(self, fields: Mapping[str, Any], event: str, now_ms: int, knobs: KnobReader) -> None:
        self.fields = fields
        self.event = event
        self.now_ms = now_ms
        self.knobs = knobs
        self.alias: str | None = None
        self.key: tuple[Any, ...] = ()
        self.slots: SlotReader | None = None
        self.locals: dict[str, Any] = {}
        self.local_plans: Mapping[str, Callable[[Frame], Any]] = {}
        self.parts: Mapping[str, Mapping[str, Any]] | None = None
