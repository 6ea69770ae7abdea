"""What a test sees of its run: effects as they happen, and why loops last did or did not act."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from rules_engine.engine.decision import Decision, StepFailure, SwitchedOff, Undelivered, Verdict
from rules_engine.engine.plan import Key

Kind = Literal["set", "do", "emit"]


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that happened: a committed change of a knob, an action owed, an event emitted.

    `name` is the knob, action or event, `key` the knob's, `values` the new value (as `value`), arguments or
    payload. `by` is the loop, or what else did it: `release`, `decay`, the knob that drives.
    """

    kind: Kind
    name: str
    key: Key
    values: dict[str, Any]
    by: str
    time_ms: int


class Observations:
    """Collects effects and verdicts of all decisions, in order."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        #: The last verdict by loop and key, with its number; `count` of them there have been.
        self.standing: dict[tuple[str, Key], tuple[int, Verdict]] = {}
        self.count = 0
        #: What went wrong beside what the rules say: mistakes of ours, limits that were reached.
        self.troubles: list[str] = []
        self.watchers: list[Callable[[Decision], None]] = []

    def take(self, decision: Decision) -> None:
        """One decision of the engine."""
        if decision.changes or decision.emitted or decision.actions:
            self.effects += sorted(_effects_of(decision), key=lambda effect: effect.time_ms)
        for verdict in decision.verdicts:
            self.standing[verdict.loop, verdict.key] = self.count, verdict
            self.count += 1
        if decision.failures or decision.undelivered or decision.switched_off:
            self.troubles += _troubles_of(decision)
        for watch in self.watchers:
            watch(decision)

    def verdicts_since(self, mark: int) -> list[Verdict]:
        """The last verdicts, of those loops and keys that were looked at since then; if none was, of all."""
        recent = [verdict for number, verdict in self.standing.values() if number >= mark]
        found = recent or [verdict for _, verdict in self.standing.values()]
        return sorted(found, key=lambda verdict: (verdict.loop, str(verdict.key)))


def _effects_of(decision: Decision) -> Iterator[Effect]:
    for change in decision.changes:
        yield Effect("set", change.knob, change.key, {"value": change.new}, change.cause, change.time_ms)
    for row in decision.emitted:
        yield Effect("emit", row.type, (), row.payload, row.source.removeprefix("rules/"), row.time_ms)
    for action in decision.actions:
        by = action.loop or f"the knob {action.trigger['knob']}"
        yield Effect("do", action.action, action.key, action.arguments, by, action.time_ms)


def _troubles_of(decision: Decision) -> Iterator[str]:
    yield from (_failure(one) for one in decision.failures)
    yield from (_undelivered(one) for one in decision.undelivered)
    yield from (_switched(one) for one in decision.switched_off)


def _failure(one: StepFailure) -> str:
    return f"the loop `{one.loop}` could not be decided, which is a mistake of rules-engine: {one.error}"


def _undelivered(one: Undelivered) -> str:
    limit = {"depth": "too deep", "count": "too many"}[one.reason]
    return f"`{one.type}` of `{one.loop}` was not delivered, events led to {limit}: {' -> '.join(one.path)}"


def _switched(one: SwitchedOff) -> str:
    return f"the loop `{one.loop}` was switched off: it {one.reason}"
