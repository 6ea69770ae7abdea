"""Rules as text over rows as data: what a text decides is what a replay of it decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from rules_engine.engine.decision import Decision, Firing
from rules_engine.engine.handover import handover
from rules_engine.engine.plan import Plan
from rules_engine.engine.state import State
from rules_engine.engine.step import decide
from rules_engine.event import Kind, Row
from rules_engine.pipeline import RuleSet, check_texts
from rules_engine.tools.replay import replay

#: A Monday, on the hour.
START_MS = 1_767_571_200_000

_FIELDS = """
  k: str?, x: float?, n: int?, b: bool?, s: str?, w: level?, d: duration?, m: map?, l: list?,
"""

#: What the loops of these tests hear, emit and turn.
DECLARATIONS = f"""
type level = "low" | "mid" | "high"
event A {{ {_FIELDS} ... }} from "a test"
event B {{ {_FIELDS} ... }} from "a test"
event C {{ {_FIELDS} ... }} from "a test"
event OUT {{ {_FIELDS} v: float?, ... }}
action H.act(k: str?, v: float?)
action H.rescue(k: str?)
knob rate per k in 0..10 = 1
knob mode in "paused" | "reduced" | "normal" = "normal"
"""

Event = tuple[int, str, dict[str, Any]]


@dataclass
class Run:
    """What came of a history, in plain values."""

    firings: list[Firing]

    def of(self, loop: str) -> Run:
        return Run([firing for firing in self.firings if firing.loop == loop])

    @property
    def when(self) -> list[tuple[int, str]]:
        """Milliseconds from the start, and cause."""
        return [(firing.time_ms - START_MS, firing.cause) for firing in self.firings]

    @property
    def times(self) -> list[int]:
        return [time_ms for time_ms, _ in self.when]

    @property
    def effects(self) -> list[dict[str, Any]]:
        return [effect for firing in self.firings for effect in firing.effects]

    @property
    def sets(self) -> list[tuple[Any, ...]]:
        """Knob, value and (where it has one) key of every set."""
        return [(e["knob"], e["value"], *e["key"]) for e in self.effects if e["kind"] == "set"]

    @property
    def emitted(self) -> list[dict[str, Any]]:
        """The payloads emitted."""
        return [e["payload"] for e in self.effects if e["kind"] == "emit"]

    @property
    def types(self) -> list[str]:
        return [e["event"] for e in self.effects if e["kind"] == "emit"]

    @property
    def done(self) -> list[tuple[str, dict[str, Any]]]:
        return [(e["action"], e["args"]) for e in self.effects if e["kind"] == "do"]


@cache
def _rule_set(text: str) -> RuleSet:
    return check_texts({"test.loop": text})


def rule_set(text: str, declarations: str = DECLARATIONS) -> RuleSet:
    """The rule set of a text, with the declarations of these tests before it."""
    return _rule_set(declarations + text)


def plan_of(text: str, declarations: str = DECLARATIONS) -> Plan:
    rules = rule_set(text, declarations)
    found = [f"{finding.code.id} {finding.message}" for finding in rules.diagnostics]
    assert rules.plan is not None, found
    return rules.plan


def rows_of(events: tuple[Event, ...]) -> list[Row]:
    """(milliseconds from the start, type, payload); a type of `outcome` or `tick` is a row of that kind."""
    kinds = {"outcome": Kind.OUTCOME, "tick": Kind.TICK}
    return [
        Row(seq, START_MS + at_ms, kinds.get(event, Kind.EVENT), f"e{seq}", event, payload)
        for seq, (at_ms, event, payload) in enumerate(events, 1)
    ]


@dataclass
class Session:
    """Rows decided one by one, where a test needs more than firings."""

    plan: Plan
    state: State = field(default_factory=State)
    decisions: list[Decision] = field(default_factory=list)

    def over(self, rows: list[Row]) -> Session:
        for row in rows:
            if not self.decisions:
                start, _ = handover(None, self.plan, self.state, row.seq - 1, row.time_ms)
                self.state.apply(start)
                self.decisions.append(start)
            decision = decide(self.plan, self.state, row)
            assert decision.failures == []
            self.state.apply(decision)
            self.decisions.append(decision)
        return self

    def all(self, what: str) -> list[Any]:
        return [item for decision in self.decisions for item in getattr(decision, what)]

    @property
    def firings(self) -> list[Firing]:
        return self.all("firings")


@pytest.fixture(scope="session")
def run():
    """`run(text, *events, until=None)`: the firings of a text over events, timers up to `until` included."""

    def run(text: str, *events: Event, until: int | None = None, declarations: str = DECLARATIONS) -> Run:
        until_ms = None if until is None else START_MS + until
        return Run(list(replay(plan_of(text, declarations), rows_of(events), until_ms=until_ms)))

    return run


@pytest.fixture(scope="session")
def session():
    """`session(text, *events)`: the whole decisions."""

    def session(text: str, *events: Event, declarations: str = DECLARATIONS) -> Session:
        return Session(plan_of(text, declarations)).over(rows_of(events))

    return session


@pytest.fixture(scope="session")
def value(run):
    """`value(expression, **fields)`: what an expression gives for one event A with these fields."""

    def value(expression: str, *before: dict[str, Any], **fields: Any) -> Any:
        text = f'loop one "r" on A with z = {expression} emit OUT {{ l: [z] }}'
        events = [(at, "A", payload) for at, payload in enumerate((*before, fields))]
        return run(text, *events).emitted[-1]["l"][0]

    return value


@pytest.fixture(scope="session")
def wrong(run):
    """`wrong(table)`: of rows (expression, fields of an event A, expected value) those that give another."""

    def wrong(table: list[tuple[str, dict[str, Any], Any]]) -> list[tuple[Any, ...]]:
        locals_ = "\n".join(f"with z{n} = {expression}" for n, (expression, _, _) in enumerate(table))
        names = ", ".join(f"z{n}" for n in range(len(table)))
        text = f'loop one "r" on A\n{locals_}\nemit OUT {{ l: [{names}] }}'
        found = run(text, *[(n, "A", fields) for n, (_, fields, _) in enumerate(table)])
        given = [payload["l"][n] for n, payload in enumerate(found.emitted)]
        return [
            (expression, fields, value)
            for (expression, fields, expected), value in zip(table, given, strict=True)
            if (value, isinstance(value, bool)) != (expected, isinstance(expected, bool))
        ]

    return wrong


@pytest.fixture(scope="session")
def findings():
    """The codes of all errors and warnings in a text."""

    def findings(text: str, declarations: str = DECLARATIONS) -> list[str]:
        found = rule_set(text, declarations).diagnostics
        return [finding.code.id for finding in found if finding.severity.name in ("ERROR", "WARNING")]

    return findings
