"""Reads knobs from any process: the values as last committed, as the log clock has them now.

Without a running daemon nobody ends a hold or lets a base decay; whoever reads here sees what would be.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any, Self

from rules_engine import store as stores
from rules_engine.config import settings
from rules_engine.daemon import facts
from rules_engine.engine.knobs import knob_state
from rules_engine.engine.plan import Key, KnobPlan
from rules_engine.store.port import Store


@dataclass(frozen=True, slots=True)
class KnobReading:
    """A knob at one key: the value in force, the base beneath, and what holds it (`for`, `while`, None)."""

    knob: str
    key: Key
    value: Any
    base: Any
    hold: str | None
    until_ms: int | None
    default: Any


class Knobs:
    """The knobs of a database: `Knobs("events.db").get("exploration", "hex8_2p")`. Safe from any thread.

    A `KeyError` names the nearest knob where there is none of that name, and the keys where there is none
    like that; before a daemon has ever run there are no knobs. `StoreError` if the database cannot be
    read.
    """

    def __init__(self, db: str | PathLike[str] | None = None, *, store: Store | None = None) -> None:
        self._given = store
        self._db = None if db is None else Path(db)
        self._opened: Store | None = None
        self._lock = threading.Lock()
        self._plans: tuple[str, dict[str, KnobPlan]] = ("", {})

    def get(self, name: str, *key: Any) -> Any:
        """The value in force; the default for a key that never moved."""
        return self.read(name, *key).value

    def read(self, name: str, *key: Any) -> KnobReading:
        """Value, base and hold."""
        plan = self._plan(name)
        if len(key) != len(plan.per):
            wanted = f"a key of {', '.join(plan.per)}" if plan.per else "no key"
            raise KeyError(f"knob {name!r} takes {wanted}")
        if plan.keys is not None and key not in plan.keys:
            raise KeyError(f"knob {name!r} has no key {key}; it has {', '.join(map(str, plan.keys))}")
        cells = dict(self._cells(name))
        return _reading(plan, key, cells.get(key), self._store.now_ms())

    def all(self, name: str | None = None) -> list[KnobReading]:
        """All knobs, or one, at all their keys: the closed ones, else those that were ever set."""
        plans = self._known() if name is None else {name: self._plan(name)}
        now_ms = self._store.now_ms()
        readings = []
        for plan in plans.values():
            cells = dict(self._cells(plan.name))
            keys = plan.keys or (tuple(cells) if plan.per else ((),))
            readings += [_reading(plan, key, cells.get(key), now_ms) for key in keys]
        return readings

    def names(self) -> list[str]:
        """The names of all knobs."""
        return list(self._known())

    def close(self) -> None:
        """Let go of the database; the next reading opens it again."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _store(self) -> Store:
        if self._given is not None:
            return self._given
        with self._lock:
            if self._opened is None:
                chosen = settings(db=self._db)
                self._opened = stores.open(chosen.db, durability=chosen.durability, create=False)
            return self._opened

    def _known(self) -> dict[str, KnobPlan]:
        fact = self._store.fact(facts.RULES) or {"hash": "", "knobs": {}}
        if fact["hash"] != self._plans[0]:
            self._plans = fact["hash"], {name: facts.knob_plan(knob) for name, knob in fact["knobs"].items()}
        return self._plans[1]

    def _plan(self, name: str) -> KnobPlan:
        known = self._known()
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none yet'}"
            raise KeyError(f"there is no knob {name!r}; {hint}")
        return known[name]

    def _cells(self, name: str) -> Iterator[tuple[Key, Any]]:
        scope = f"knob:{name}"
        for cell, body in self._store.load(scope):
            if cell.scope == scope and cell.part == "":
                yield cell.key, body


def _reading(plan: KnobPlan, key: Key, cell: Any, now_ms: int) -> KnobReading:
    state = knob_state(plan, cell, now_ms)
    over = state.hold == "for" and state.until_ms is not None and state.until_ms <= now_ms
    if over or state.hold is None:
        return KnobReading(plan.name, key, state.base, state.base, None, None, plan.default)
    return KnobReading(plan.name, key, state.value, state.base, state.hold, state.until_ms, plan.default)


def knob_record(reading: KnobReading, until: str | None) -> dict[str, Any]:
    """A reading in the shape of `knobs --format json`; `until` is its end as text."""
    return {
        "knob": reading.knob,
        "key": list(reading.key),
        "value": reading.value,
        "base": reading.base,
        "hold": reading.hold,
        "until": until,
        "default": reading.default,
    }
