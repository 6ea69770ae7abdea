"""Watches a run through its database: what the pipeline told, which loops fired, where the knobs are."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from rules_engine import store as stores
from rules_engine.engine.decision import Firing
from rules_engine.event import Kind, Row
from rules_engine.store.port import Store, StoreError

#: The package's public names, as any program outside gets them: they are put together above this folder.
_api: Any = import_module("rules_engine")

_PAGE = 1_000
_REMEMBERED = 10_000  #: events whose type is still known when a firing names them


@dataclass
class ConfigRecord:
    """What the events said of one configuration."""

    elos: list[float] = field(default_factory=list)
    velocity: float = 0.0
    quality: float | None = None
    loss_trend: str = ""
    games: int = 0
    promotions: int = 0
    rollbacks: int = 0

    def take(self, event: str, payload: dict[str, Any]) -> None:
        """Take an event in."""
        match event:
            case "ELO_UPDATED":
                self.elos.append(payload["new_elo"])
            case "ELO_VELOCITY_CHANGED":
                self.velocity = payload["velocity"]
            case "QUALITY_SCORE_UPDATED":
                self.quality = payload["quality_score"]
            case "TRAINING_LOSS_TREND":
                self.loss_trend = payload["trend"]
            case "SELFPLAY_COMPLETED":
                self.games = payload["total_games"]
            case "MODEL_PROMOTED":
                self.promotions += 1
            case "TRAINING_ROLLBACK_COMPLETED":
                self.rollbacks += 1


@dataclass
class KnobRecord:
    """The course of one knob at one key.

    `last` is what a loop set; `now` is the value in force, which a hold that ended or decay may have moved.
    """

    first: Any
    low: Any
    high: Any
    last: Any
    now: Any
    moves: int = 0
    loops: Counter[str] = field(default_factory=Counter)


@dataclass
class LoopRecord:
    """The firings of one loop.

    `first` and `last` are of those that set a knob or asked for an action, if there are any, else of
    those that had any effect.
    """

    count: int = 0
    acted: int = 0  #: firings that had any effect
    keys: Counter[str] = field(default_factory=Counter)
    first: Firing | None = None
    last: Firing | None = None
    effects: Counter[str] = field(default_factory=Counter)

    def add(self, firing: Firing) -> None:
        """Take a firing in."""
        self.count += 1
        self.keys[" ".join(map(str, firing.key)) or "all"] += 1
        if not firing.effects:
            return
        self.acted += 1
        if self.first is None or (_is_strong(firing) and not _is_strong(self.first)):
            self.first = self.last = firing
        elif _is_strong(firing) or not _is_strong(self.first):
            self.last = firing
        for effect in firing.effects:
            self.effects[effect_name(effect)] += 1


def _milestone(event: str, payload: dict[str, Any]) -> str | None:
    """A sentence for an event that a run is remembered by."""
    match event:
        case "REGRESSION_DETECTED" if payload["severity"] in ("severe", "critical"):
            return f"{payload['severity']} regression: {payload['elo_drop']:.0f} points lost"
        case "TRAINING_ROLLBACK_COMPLETED":
            return f"rolled back to {Path(payload['checkpoint_path']).name}"
        case "QUALITY_DEGRADED":
            return f"games are poor: quality {payload['quality_score']:.2f}"
        case "HIGH_QUALITY_DATA_AVAILABLE":
            return f"games are good again: quality {payload['quality_score']:.2f}"
        case "PLATEAU_DETECTED":
            return "the rating stands still"
    return None


def number(value: Any) -> str:
    """A value for people: floats with two digits, whole ones without, `true` as the language has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return "unknown" if value is None else str(value)


def _is_strong(firing: Firing) -> bool:
    return any(effect["kind"] in ("set", "do") for effect in firing.effects)


def effect_name(effect: dict[str, Any]) -> str:
    """`set exploration`, `do RollbackManager.roll_back`, `emit EXPLORATION_BOOST`."""
    kind = effect["kind"]
    return f"{kind} {effect[{'set': 'knob', 'do': 'action', 'emit': 'event'}[kind]]}"


class Observer:
    """Reads what is new at each `refresh`; takes part in nothing.

    `defaults` are the knobs' values before anything has set them.
    """

    def __init__(self, db: Path, configs: tuple[str, ...], defaults: Mapping[str, float | str]) -> None:
        self.db = db
        self.defaults = defaults
        self.configs = {key: ConfigRecord() for key in configs}
        self.loops: dict[str, LoopRecord] = {}
        self.knobs: dict[tuple[str, str], KnobRecord] = {}
        self.recent: deque[Firing] = deque(maxlen=200)
        self.milestones: list[tuple[int, str]] = []  #: (time in ms, sentence)
        self.events = 0
        self.began_ms: int | None = None
        self._types: dict[str, str] = {}
        self._store: Store | None = None
        self._position = 0
        self._firing = (0, -1)

    def refresh(self) -> None:
        """Read on. A database that is not there yet, or busy, has nothing new."""
        try:
            if self._store is None:
                self._store = stores.open(self.db, create=False)
            self._read_events(self._store)
            self._read_firings(self._store)
            self._read_knobs(self._store)
        except StoreError:
            return

    def daemon_is_ready(self) -> bool:
        """Whether a daemon has taken the rules' part of the database."""
        self.refresh()
        try:
            return self._store is not None and self._store.holder("rules") is not None
        except StoreError:
            return False

    def because(self, firing: Firing, most: int = 4) -> str:
        """What a firing was decided on: `name = value` pairs, or the event when nothing else counted."""
        pairs = [f"{name} = {number(value)}" for name, value in firing.because.items()]
        if not pairs:
            return f"on {self._types.get(firing.event_id, firing.cause)}"
        return ", ".join(pairs[:most]) + (", ..." if len(pairs) > most else "")

    def why_not(self, loop: str) -> str:
        """Why a loop did not act on what it saw last, for the first configuration that it saw."""
        if self._store is None:
            return "nothing is known of it"
        for key in [*((config,) for config in self.configs), ()]:
            verdict = self._store.verdict(loop, key)
            if verdict is not None:
                where = f"{' '.join(key)}: " if key else ""
                return f"{where}{verdict.reason}{f' ({verdict.detail})' if verdict.detail else ''}"
        return "none of its events came"

    def close(self) -> None:
        """Let go of the database."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _read_events(self, store: Store) -> None:
        while True:
            page = store.read(self._position, _PAGE)
            for row in page.rows:
                self._event(row)
            self._position = max(self._position, page.next)
            if len(page.rows) < _PAGE:
                return

    def _read_firings(self, store: Store) -> None:
        while True:
            found = store.firings(after=self._firing, limit=_PAGE)
            for record in found:
                firing = record.firing
                self._firing = firing.position, firing.n
                if firing.shadow:
                    continue
                self.loops.setdefault(firing.loop, LoopRecord()).add(firing)
                if firing.effects:
                    self.recent.append(firing)
                for effect in firing.effects:
                    if effect["kind"] == "set":
                        self._knob(firing.loop, effect)
            if len(found) < _PAGE:
                return

    def _read_knobs(self, store: Store) -> None:
        """The values in force of the knobs that a loop has set."""
        for reading in _api.Knobs(store=store).all():
            record = self.knobs.get((reading.knob, " ".join(map(str, reading.key))))
            if record is not None:
                record.now = reading.value

    def _knob(self, loop: str, effect: dict[str, Any]) -> None:
        name, value = effect["knob"], effect["value"]
        key = " ".join(map(str, effect["key"]))
        default = self.defaults.get(name, value)
        record = self.knobs.setdefault((name, key), KnobRecord(default, default, default, default, value))
        if isinstance(value, int | float):
            record.low, record.high = min(record.low, value), max(record.high, value)
        record.moves += record.last != value
        record.loops[loop] += 1
        record.last = value

    def _event(self, row: Row) -> None:
        self.events += 1
        self._types[row.id] = row.type
        if len(self._types) > _REMEMBERED:
            del self._types[next(iter(self._types))]
        if self.began_ms is None:
            self.began_ms = row.time_ms
        payload = row.payload
        record = self.configs.get(payload.get("config_key", ""))
        if record is None or row.kind is not Kind.EVENT:
            return
        record.take(row.type, payload)
        sentence = _milestone(row.type, payload)
        if sentence is not None:
            self._milestone(row, sentence)

    def _milestone(self, row: Row, sentence: str) -> None:
        """Keep what happened, but not the same again and again."""
        full = f"{row.payload['config_key']}: {sentence}"
        family = full.rsplit(" ", 1)[0]
        if not any(told.startswith(family) for _, told in self.milestones[-3:]):
            self.milestones.append((row.time_ms, full))
