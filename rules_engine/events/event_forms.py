"""The forms in which an event may be handed over: a type with a payload, or a whole record."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from enum import Enum, StrEnum
from functools import cache
from importlib import import_module
from typing import Any

from rules_engine.event import Event


class StageEvent(StrEnum):
    """The ends of pipeline stages."""

    SELFPLAY_COMPLETE = "selfplay_complete"
    CANONICAL_SELFPLAY_COMPLETE = "canonical_selfplay_complete"
    GPU_SELFPLAY_COMPLETE = "gpu_selfplay_complete"
    SYNC_COMPLETE = "sync_complete"
    PARITY_VALIDATION_COMPLETE = "parity_validation_complete"
    NPZ_EXPORT_STARTED = "npz_export_started"
    NPZ_EXPORT_COMPLETE = "npz_export_complete"
    TRAINING_COMPLETE = "training_complete"
    TRAINING_STARTED = "training_started"
    TRAINING_FAILED = "training_failed"
    EVALUATION_COMPLETE = "evaluation_complete"
    SHADOW_TOURNAMENT_COMPLETE = "shadow_tournament_complete"
    ELO_CALIBRATION_COMPLETE = "elo_calibration_complete"
    CMAES_COMPLETE = "cmaes_complete"
    PBT_COMPLETE = "pbt_complete"
    NAS_COMPLETE = "nas_complete"
    PROMOTION_COMPLETE = "promotion_complete"
    TIER_GATING_COMPLETE = "tier_gating_complete"
    ITERATION_COMPLETE = "iteration_complete"
    CLUSTER_SYNC_COMPLETE = "cluster_sync_complete"
    MODEL_SYNC_COMPLETE = "model_sync_complete"


#: Whether these mean MODEL_PROMOTED or PROMOTION_FAILED is said by the `promoted` of their payload.
DECIDED_BY_PROMOTED = frozenset({StageEvent.PROMOTION_COMPLETE, StageEvent.TIER_GATING_COMPLETE})
PROMOTION_OUTCOMES = ("MODEL_PROMOTED", "PROMOTION_FAILED")


@dataclass
class DataEvent:
    """One event of the data bus. `timestamp` in seconds since the epoch; it is the publisher's own."""

    event_type: Any
    payload: dict[str, Any] = field(default_factory=dict)
    timestamp: float = field(default_factory=time.time)
    source: str = ""

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        kind = self.event_type.value if isinstance(self.event_type, Enum) else self.event_type
        return {
            "event_type": kind,
            "payload": self.payload,
            "timestamp": self.timestamp,
            "source": self.source,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DataEvent:
        """The inverse of `to_dict`."""
        return cls(
            member(data["event_type"]), dict(data.get("payload") or {}),
            data.get("timestamp") or time.time(), data.get("source") or "",
        )  # fmt: skip


@dataclass
class StageCompletionResult:
    """What a finished pipeline stage reports."""

    event: StageEvent
    success: bool
    iteration: int
    timestamp: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    board_type: str = "square8"
    num_players: int = 2
    games_generated: int = 0
    model_path: str | None = None
    model_id: str | None = None
    train_loss: float | None = None
    val_loss: float | None = None
    win_rate: float | None = None
    elo_delta: float | None = None
    promoted: bool = False
    promotion_reason: str | None = None
    error: str | None = None
    error_details: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        return {**asdict(self), "event": StageEvent(self.event).value}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StageCompletionResult:
        """The inverse of `to_dict`; what else is in `data` is left out."""
        known = {name.name for name in fields(cls)}
        given = {key: value for key, value in data.items() if key in known and value is not None}
        return cls(**{**given, "event": StageEvent(given["event"])})


@dataclass(frozen=True, slots=True)
class Form:
    """What `publish` was given, in one shape; `type` is yet to be resolved."""

    type: Any
    payload: Mapping[str, Any]
    source: str
    event_id: str | None = None


def read_form(given: object, payload: object, source: str) -> Form:
    """One shape of all that may be published. `TypeError` for anything else."""
    if isinstance(given, Event | DataEvent | StageCompletionResult):
        if payload is not None:
            raise TypeError(f"a whole {type(given).__name__} has its payload already: publish it alone")
        if isinstance(given, Event):
            return Form(given.event_type, given["payload"], source or given.source, given.event_id)
        if isinstance(given, DataEvent):
            return Form(given.event_type, _mapping(given.payload), source or given.source)
        payload = {
            **given.to_dict(),
            "config_key": f"{given.board_type}_{given.num_players}p",
            **given.metadata,
        }
        return Form(stage_type(given.event, payload), payload, source)
    if not isinstance(given, str | Enum):
        raise TypeError(
            "publish takes an event type and a payload, or a whole Event, DataEvent or StageCompletionResult,"
            f" not {type(given).__name__}: {given!r:.80}"
        )
    mapping = _mapping(payload)
    return Form(stage_type(given, mapping) if isinstance(given, StageEvent) else given, mapping, source)


def stage_type(stage: StageEvent, payload: Mapping[str, Any]) -> str:
    """The event that a finished stage means. `ValueError` if its payload must say and does not."""
    if stage in DECIDED_BY_PROMOTED:
        promoted = payload.get("promoted")
        if not isinstance(promoted, bool):
            raise ValueError(
                f"{stage.name} means MODEL_PROMOTED or PROMOTION_FAILED: its payload needs `promoted`"
            )
        return PROMOTION_OUTCOMES[not promoted]
    return stage_types(stage)[0]


def stage_types(stage: StageEvent) -> tuple[str, ...]:
    """All events that a finished stage may mean; a stage without a data event is one of its own name."""
    if stage in DECIDED_BY_PROMOTED:
        return PROMOTION_OUTCOMES
    return (_stage_table()[stage.name],)


@cache
def _stage_table() -> dict[str, str]:
    tables = import_module("rules_engine.events.generated.aliases")
    to_data = {
        str(getattr(stage, "name", stage)).upper(): name for stage, name in tables.STAGE_TO_DATA.items()
    }
    return {
        stage.name: to_data.get(stage.name) or tables.ALIASES.get(stage.name) or stage.name
        for stage in StageEvent
        if stage not in DECIDED_BY_PROMOTED
    }


def member(spelling: str | Enum) -> Any:
    """The DataEventType of a spelling, or the spelling itself if there is none."""
    types = import_module("rules_engine.events.generated.event_types").DataEventType
    text = spelling.name if isinstance(spelling, Enum) else spelling
    return types.__members__.get(str(text).upper(), spelling)


def _mapping(payload: object) -> Mapping[str, Any]:
    if payload is None:
        return {}
    if isinstance(payload, Mapping):
        return payload
    if callable(dump := getattr(payload, "model_dump", None)):
        dumped: dict[str, Any] = dump()
        return dumped
    raise TypeError(f"a payload is a mapping or a pydantic model, not {type(payload).__name__}")
