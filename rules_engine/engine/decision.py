"""What the step decides, as data: everything one transaction of the store writes.

Times are integer milliseconds, payloads and arguments are plain JSON values.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from rules_engine.engine.plan import Key
from rules_engine.event import Row

#: What made a loop fire.
Cause = Literal["event", "timer", "cleared", "after", "failed"]
#: What stopped a loop (L1), the word that `why` and `because` use; "fired" when nothing did.
Reason = Literal[
    "fired", "filter", "condition", "unknown", "hold", "active", "gather",
    "cooldown", "limit", "deadband", "shadow", "off", "key",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class CellId:
    """A piece of state: `scope` is `loop:<name>` or `knob:<name>`.

    `part` is empty for the cell itself and `w<slot>.<n>` for chunk n of one of its windows.
    """

    scope: str
    key: Key
    part: str = ""


@dataclass(frozen=True, slots=True)
class Firing:
    """One decision to act. `position` and `n` make its id: row of the log, and count within it.

    `effects` are in the shape of `firings --format json`. `because` holds what the loop's condition
    read, by the text as written. `incomplete`: an effect lacked a required value (L30).
    """

    loop: str
    key: Key
    position: int
    n: int
    event_id: str
    cause: Cause
    time_ms: int
    effects: tuple[dict[str, Any], ...]
    because: dict[str, Any]
    incomplete: bool = False
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class OwedAction:
    """An action that somebody must perform. Equal `idempotency_key`s are one and the same action.

    `lane` orders actions: those of one lane run one at a time, in order (R24). `loop` is empty
    when a knob drives the action. `trigger` is the bound event, as given to `failed { }`.
    """

    idempotency_key: str
    lane: str
    action: str
    arguments: dict[str, Any]
    loop: str
    key: Key
    position: int
    n: int
    time_ms: int
    retries: int
    every_ms: int
    timeout_ms: int | None
    trigger: dict[str, Any]


@dataclass(frozen=True, slots=True)
class KnobChange:
    """A committed change of a knob. `cause`: the loop's name, or `release`, `decay`, `operator`."""

    knob: str
    key: Key
    old: Any
    new: Any
    cause: str
    time_ms: int


class Verdict:
    """Why a loop did or did not act on what it last saw, for this key.

    `detail` adds what the conditions read, by the text as written; it becomes text when somebody looks.
    """

    __slots__ = ("_detail", "key", "loop", "position", "reads", "reason", "time_ms")

    def __init__(
        self,
        loop: str,
        key: Key,
        position: int,
        time_ms: int,
        reason: Reason,
        detail: str = "",
        reads: tuple[tuple[str, Any], ...] = (),
    ) -> None:
        self.loop = loop
        self.key = key
        self.position = position
        self.time_ms = time_ms
        self.reason: Reason = reason
        self._detail = detail
        self.reads = reads

    @property
    def detail(self) -> str:
        """What there is to say besides the reason, then the values read: `a; loss = 0.5, streak(x) = 2`."""
        values = ", ".join(f"{text} = {_shown(value)}" for text, value in self.reads)
        return "; ".join(part for part in (self._detail, values) if part)

    def _as_tuple(self) -> tuple[Any, ...]:
        return self.loop, self.key, self.position, self.time_ms, self.reason, self.detail

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verdict) and self._as_tuple() == other._as_tuple()

    def __hash__(self) -> int:
        return hash(self._as_tuple())

    def __repr__(self) -> str:
        return f"Verdict{self._as_tuple()!r}"


def _shown(value: Any) -> str:
    return "?" if value is None else json.dumps(value, ensure_ascii=False, default=str)


@dataclass(frozen=True, slots=True)
class StepFailure:
    """A loop that raised on an event, which is our mistake: its change was dropped (R5)."""

    loop: str
    key: Key
    position: int
    error: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Undelivered:
    """An event that a loop emitted past a limit of the cascade (R11): a dead letter, with the way it came.

    `path` are the types from the root to this one.
    """

    type: str
    payload: dict[str, Any]
    loop: str
    key: Key
    position: int
    time_ms: int
    reason: Literal["depth", "count"]
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """A loop that the breaker switched off (R39), because of its firings at this key."""

    loop: str
    key: Key
    position: int
    time_ms: int
    reason: str


@dataclass(slots=True)
class Decision:
    """Everything that follows from one row. `cells` maps to None what is to be forgotten.

    `emitted` rows carry `seq` 0: the store gives them their place in the log.
    """

    cells: dict[CellId, Any] = field(default_factory=dict)
    firings: list[Firing] = field(default_factory=list)
    emitted: list[Row] = field(default_factory=list)
    actions: list[OwedAction] = field(default_factory=list)
    changes: list[KnobChange] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    failures: list[StepFailure] = field(default_factory=list)
    undelivered: list[Undelivered] = field(default_factory=list)
    switched_off: list[SwitchedOff] = field(default_factory=list)
