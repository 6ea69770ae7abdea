"""Plans built by hand, and a world that feeds them rows on a timeline."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from rules_engine.engine import expressions as x
from rules_engine.engine import values
from rules_engine.engine.decision import CellId, Decision, Firing
from rules_engine.engine.plan import (
    DoPlan,
    EmitPlan,
    EventPlan,
    FieldPlan,
    KnobPlan,
    LoopPlan,
    Plan,
    SetPlan,
    TriggerPlan,
    WindowPlan,
)
from rules_engine.engine.runtime import runtime_of
from rules_engine.engine.state import State
from rules_engine.engine.step import decide
from rules_engine.event import Kind, Row

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
#: Where timelines begin.
START = 1_767_571_200_000


class Build:
    """Short ways to write plans."""

    @staticmethod
    def event(name: str, *texts: str, **fields: Any) -> EventPlan:
        """An event: `texts` are str fields, others by name with what accepts them."""
        plans = [FieldPlan(text, (text,), values.accept_text) for text in texts]
        plans += [FieldPlan(name, (name,), accept) for name, accept in fields.items()]
        return EventPlan(name, tuple(plans))

    @staticmethod
    def number(name: str = "E", *fields: str) -> EventPlan:
        """An event with key field `k`, float fields `v` and those named."""
        return Build.event(name, "k", **{f: values.accept_float() for f in ("v", *fields)})

    @staticmethod
    def loop(name: str = "loop", on: str | Iterable[TriggerPlan] = "E", **parts: Any) -> LoopPlan:
        """A loop keyed by `k` that emits OUT {k} unless told otherwise."""
        triggers = (TriggerPlan(on, None, None),) if isinstance(on, str) else tuple(on)
        parts = {"shape": "s", "mode": "live", "per": ("k",), "effects": (Build.emit(),), **parts}
        return LoopPlan(name=name, triggers=triggers, **parts)

    @staticmethod
    def plan(
        *loops: LoopPlan,
        events: Iterable[EventPlan] = (),
        knobs: Iterable[KnobPlan] = (),
        hash: str = "h",
    ) -> Plan:
        """A rule set; `E`, `F` and `OUT` are declared unless others of these names are given."""
        known = {event.name: event for event in (Build.number("E"), Build.number("F"), Build.number("OUT"))}
        known |= {event.name: event for event in events}
        ordered = tuple(sorted(loops, key=lambda loop: loop.name))
        return Plan(hash, known, ordered, {knob.name: knob for knob in knobs})

    @staticmethod
    def emit(event: str = "OUT", condition: Any = None, **fields: Any) -> EmitPlan:
        """Emit {k, ...}; `k` is required."""
        payload = {"k": x.field("k"), **fields}
        return EmitPlan(event, tuple(payload.items()), frozenset({"k"}), condition)

    @staticmethod
    def do(
        action: str = "Handler.act", condition: Any = None, required: Iterable[str] = (), **more: Any
    ) -> DoPlan:
        """Owe an action with the key."""
        policy = {name: more.pop(name, 0) for name in ("retries", "every_ms")}
        timeout_ms = more.pop("timeout_ms", None)
        arguments = {"k": x.field("k"), **more}
        return DoPlan(
            action=action, arguments=tuple(arguments.items()), required=frozenset(required),
            timeout_ms=timeout_ms, condition=condition, **policy,
        )  # fmt: skip

    @staticmethod
    def set(value: Any, op: Any = "=", knob: str = "rate", hold: Any = None, **more: Any) -> SetPlan:
        """Set a knob at the loop's key."""
        value = value if callable(value) else x.const(value)
        key = more.get("key", (x.key_part(0),))
        return SetPlan(knob, key, op, value, hold, more.get("condition"))

    @staticmethod
    def knob(name: str = "rate", **parts: Any) -> KnobPlan:
        """A knob in 0..10 with default 1, keyed by `k`."""
        return KnobPlan(
            **{"name": name, "per": ("k",), "keys": None, "default": 1.0, "low": 0.0, "high": 10.0, **parts}
        )

    @staticmethod
    def over(ms: int, sample: Any = None, **more: Any) -> WindowPlan:
        """A window over time; of `v` unless told otherwise."""
        return WindowPlan(x.field("v") if sample is None else sample, "over", ms=ms, **more)

    @staticmethod
    def above(limit: float, name: str = "v") -> Any:
        """`name > limit`."""
        return x.compare(">", x.field(name), x.const(limit))

    @staticmethod
    def below(limit: float, name: str = "v") -> Any:
        """`name < limit`."""
        return x.compare("<", x.field(name), x.const(limit))


@dataclass
class World:
    """Feeds rows to a plan, with times counted from `START`."""

    plan: Plan
    state: State = field(default_factory=State)
    seq: int = 0
    decisions: list[Decision] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runtime = runtime_of(self.plan)

    def row(
        self, kind: Kind, at: int, type: str = "", payload: dict[str, Any] | None = None, **more: Any
    ) -> Decision:
        self.seq += 1
        row = Row(self.seq, START + at, kind, f"id{self.seq}", type, payload or {}, **more)
        decision = decide(self.plan, self.state, row)
        self.state.apply(decision)
        self.decisions.append(decision)
        assert not decision.failures, decision.failures[0].traceback
        return decision

    def send(self, at: int, v: Any = None, k: Any = "a", type: str = "E", **payload: Any) -> list[Firing]:
        """An outside event; the firings of its row."""
        return self.row(Kind.EVENT, at, type, {"k": k, "v": v, **payload}).firings

    def tick(self, at: int) -> list[Firing]:
        return self.row(Kind.TICK, at).firings

    def reason(self, loop: str = "loop", k: str = "a") -> str | None:
        """The last verdict of a loop in the last row."""
        return next((v.reason for v in self.decisions[-1].verdicts if v.loop == loop and v.key == (k,)), None)

    def knob(self, name: str = "rate", k: str = "a") -> Any:
        """The value in force."""
        cell = self.state.get(f"knob:{name}", (k,))
        return self.plan.knobs[name].default if cell is None else cell["v"]

    @property
    def last(self) -> Decision:
        return self.decisions[-1]

    def reload_state(self) -> None:
        """As after a restart: everything through JSON."""
        kept = [(c.scope, list(c.key), c.part, json.dumps(body)) for c, body in self.state.cells()]
        self.state = State()
        self.state.load(
            (CellId(scope, tuple(key), part), json.loads(body)) for scope, key, part, body in reversed(kept)
        )


@pytest.fixture(scope="session")
def build() -> type[Build]:
    return Build


@pytest.fixture(scope="session")
def world() -> type[World]:
    return World
