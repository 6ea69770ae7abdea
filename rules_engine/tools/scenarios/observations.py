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


@dataclass(frozen=True, slots=True)
class Standing:
    """The last verdict of a loop at a key, and the number of verdicts there had been before."""

    verdict: Verdict
    at: int


class Observations:
    """Collects effects and verdicts of all decisions, in order."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        #: The last verdict by loop and key; `count` numbers them.
        self.standing: dict[tuple[str, Key], Standing] = {}
        self.count = 0
        #: What went wrong beside what the rules say: mistakes of ours, limits that were reached.
        self.troubles: list[str] = []
        self.watchers: list[Callable[[Decision], None]] = []

    def take(self, decision: Decision) -> None:
        """One decision of the engine."""
        self.effects += sorted(_effects_of(decision), key=lambda effect: effect.time_ms)
        for verdict in decision.verdicts:
            self.standing[verdict.loop, verdict.key] = Standing(verdict, self.count)
            self.count += 1
        self.troubles += [_failure(one) for one in decision.failures]
        self.troubles += [_undelivered(one) for one in decision.undelivered]
        self.troubles += [_switched(one) for one in decision.switched_off]
        for watch in self.watchers:
            watch(decision)

    def verdicts_since(self, mark: int) -> list[Verdict]:
        """The last verdicts, of those loops and keys that were looked at since then; if none was, of all."""
        recent = [one.verdict for one in self.standing.values() if one.at >= mark]
        found = recent or [one.verdict for one in self.standing.values()]
        return sorted(found, key=lambda verdict: (verdict.loop, str(verdict.key)))


def _effects_of(decision: Decision) -> Iterator[Effect]:
    for change in decision.changes:
        yield Effect("set", change.knob, change.key, {"value": change.new}, change.cause, change.time_ms)
    for row in decision.emitted:
        yield Effect("emit", row.type, (), row.payload, row.source.removeprefix("rules/"), row.time_ms)
    for action in decision.actions:
        by = action.loop or f"the knob {action.trigger['knob']}"
        yield Effect("do", action.action, action.key, action.arguments, by, action.time_ms)


def _failure(one: StepFailure) -> str:
    return f"the loop `{one.loop}` could not be decided, which is a mistake of rules-engine: {one.error}"


def _undelivered(one: Undelivered) -> str:
    limit = {"depth": "too deep", "count": "too many"}[one.reason]
    return f"`{one.type}` of `{one.loop}` was not delivered, events led to {limit}: {' -> '.join(one.path)}"


def _switched(one: SwitchedOff) -> str:
    return f"the loop `{one.loop}` was switched off: it {one.reason}"
