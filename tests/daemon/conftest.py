"""A small rule set, a store in memory on a clock that tests set, and what is built over them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from rules_engine.daemon.evaluator import Evaluator
from rules_engine.pipeline import RuleSet, check_texts
from rules_engine.store.memory import MemoryStore
from rules_engine.store.port import NewEvent

RULES = """
event READING { sensor: str, value: float, ... }
event PRESSURE_ALARM { sensor: str }
action Valve.close(sensor: str, reason: str)
action Valve.set_gain(sensor: str, gain: float)
knob gain per sensor in 0..2.0 = 1.0 drives Valve.set_gain

loop high_closes
  "Too high: close it."
  on READING
  per sensor
  when value > 10
  set gain -= 0.25
  do Valve.close(sensor, reason: "value {value}") retry 2 every 10s timeout 5s
  emit PRESSURE_ALARM { sensor } if value > 100
  failed { emit PRESSURE_ALARM { sensor } }

loop long_high_alarms
  "High for a minute: tell somebody."
  on READING
  per sensor
  when value > 10 for 1m
  emit PRESSURE_ALARM { sensor }
"""


class Clock:
    """Milliseconds that only move when a test says so."""

    def __init__(self, now_ms: int = 1_767_600_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock):
    made = MemoryStore(clock)
    made.open()
    yield made
    made.close()


@pytest.fixture
def publish(store) -> Callable[..., None]:
    """Appends READINGs, one a value, for sensor `a`."""
    count = 0

    def publish(*values: Any, sensor: str = "a") -> None:
        nonlocal count
        for value in values:
            count += 1
            body = json.dumps({"sensor": sensor, "value": value}).encode()
            store.append([NewEvent(f"event-{count}", "READING", body)])

    return publish


def _rule_set(text: str = RULES) -> RuleSet:
    rules = check_texts({"rules/a.loop": text})
    assert rules.ok, [finding.message for finding in rules.diagnostics]
    return rules


@pytest.fixture
def rule_set() -> Callable[..., RuleSet]:
    """Makes the rule set of one file; without a text, of RULES, in which `old` was replaced by `new`."""

    def rule_set(old: str = "", new: str = "", *, text: str = RULES) -> RuleSet:
        assert old in text
        return _rule_set(text.replace(old, new) if old else text)

    return rule_set


@pytest.fixture
def engine(store) -> Callable[..., Evaluator]:
    """Makes an evaluator over the store as a daemon does at its start: an earlier one has let go."""
    leases = []

    def engine(rules: RuleSet | None = None, **options: Any) -> Evaluator:
        for lease in leases:
            store.release(lease)
        leases.append(store.acquire("rules", f"daemon {len(leases)}", 60_000))
        made = Evaluator(store, leases[-1], **options)
        made.load(lambda digest: check_texts(texts) if (texts := store.rules(digest)) else None)
        made.begin(rules or _rule_set())
        if store.info().head == 1:
            made.turn()  # the tick that gave an empty log its first place
        return made

    return engine


@pytest.fixture
def settle() -> Callable[[Evaluator], None]:
    """Turns an evaluator until there is nothing to do."""

    def settle(evaluator: Evaluator) -> None:
        for _ in range(1_000):
            if not evaluator.turn():
                return
        pytest.fail("it never comes to rest")

    return settle


@pytest.fixture
def fired(store) -> Callable[[], list[tuple[str, Any, str]]]:
    """All recorded decisions as (loop, key, cause)."""
    return lambda: [(f.firing.loop, f.firing.key, f.firing.cause) for f in store.firings()]
