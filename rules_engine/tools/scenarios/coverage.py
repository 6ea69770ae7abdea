"""What of each loop the tests have seen: that it fired, both sides of its condition, each of its dampers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rules_engine.engine.decision import Decision, Firing
from rules_engine.engine.plan import Key, LoopPlan, Plan, SetPlan
from rules_engine.language import program as p

#: Verdicts that a loop can only get once its condition was true.
_BEHIND_THE_CONDITION = frozenset({"fired", "hold", "gather", "cooldown", "limit", "deadband", "shadow"})


@dataclass(frozen=True, slots=True)
class LoopCoverage:
    """The goals of a loop that were reached, and those that were not, in the order of its clauses."""

    loop: str
    path: str
    covered: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CoverageReport:
    """All loops, in order of name."""

    loops: tuple[LoopCoverage, ...]

    @property
    def covered(self) -> int:
        """How many goals were reached."""
        return sum(len(loop.covered) for loop in self.loops)

    @property
    def total(self) -> int:
        """How many there are."""
        return self.covered + sum(len(loop.missing) for loop in self.loops)

    @property
    def percent(self) -> float:
        """The share of goals that were reached; of none, all."""
        return 100 * self.covered / self.total if self.total else 100.0


class Coverage:
    """Collects, over all tests, which goals of which loops were reached. A loop that is `@off` has none."""

    def __init__(self, plan: Plan, program: p.Program) -> None:
        self._goals = {loop.name: _goals(loop, plan, program) for loop in plan.loops if loop.mode != "off"}
        self._plans = plan.by_name
        self._paths = {loop.name: loop.path for loop in program.loops}
        self._reached: dict[str, set[str]] = {name: set() for name in self._goals}
        #: When a loop last fired or cleared at a key in the test that runs, for `unless`.
        self._rests: dict[tuple[str, Key], int] = {}

    def begin(self) -> None:
        """Another test begins."""
        self._rests.clear()

    def take(self, decision: Decision) -> None:
        """A decision of the test that runs."""
        for verdict in decision.verdicts:
            reached = self._reached.get(verdict.loop)
            if reached is not None:
                reached.add(verdict.reason)
                if verdict.reason in _BEHIND_THE_CONDITION:
                    reached.add("condition true")
                elif verdict.reason == "condition":
                    reached.add("condition false")
        for firing in decision.firings:
            if firing.loop in self._reached:
                self._fired(firing, self._reached[firing.loop])

    def _fired(self, firing: Firing, reached: set[str]) -> None:
        if firing.cause in ("cleared", "after", "failed"):
            reached.add(firing.cause)
        else:
            reached.update(("fired", "condition true"))
        if firing.cause in ("after", "failed"):
            return
        place = firing.loop, firing.key
        rested_ms = self._rests.get(place)
        cooldown_ms = self._plans[firing.loop].cooldown_ms if firing.loop in self._plans else 0
        if rested_ms is not None and firing.cause != "cleared" and firing.time_ms - rested_ms < cooldown_ms:
            reached.add("unless")
        self._rests[place] = firing.time_ms

    def report(self) -> CoverageReport:
        """How far the tests have come."""
        return CoverageReport(
            tuple(
                LoopCoverage(
                    name,
                    self._paths.get(name, ""),
                    tuple(goal for goal in goals if goal in self._reached[name]),
                    tuple(goal for goal in goals if goal not in self._reached[name]),
                )
                for name, goals in sorted(self._goals.items())
            )
        )


def _goals(loop: LoopPlan, plan: Plan, program: p.Program) -> tuple[str, ...]:
    """What there is to see of a loop, in the order in which it is judged (L1)."""
    there = {
        "filter": any(trigger.filter is not None for trigger in loop.triggers),
        "key": _key_may_be_missing(loop, program.events),
        "condition false": loop.when is not None,
        "condition true": loop.when is not None,
        "hold": loop.hold_ms > 0,
        "gather": loop.gather is not None,
        "cooldown": loop.cooldown_ms > 0,
        "unless": loop.unless is not None,
        "limit": loop.limit is not None,
        "deadband": _may_stay_within_deadband(loop, plan),
        "fired": True,
        "after": bool(loop.after),
        "cleared": loop.latches,
        "failed": bool(loop.failed),
    }
    return tuple(goal for goal, is_there in there.items() if is_there)


def _key_may_be_missing(loop: LoopPlan, events: Mapping[str, p.EventDecl]) -> bool:
    heard = [events[trigger.event] for trigger in loop.triggers if trigger.event in events]
    return any(_may_lack(event.fields.values(), name) for event in heard for name in loop.per)


def _may_lack(fields: Iterable[p.FieldDecl], name: str) -> bool:
    return any(name in field.spellings and field.type.optional for field in fields)


def _may_stay_within_deadband(loop: LoopPlan, plan: Plan) -> bool:
    """Whether all it does is to set knobs that leave small changes out: else it never comes to nothing."""
    sets = [effect for effect in loop.effects if isinstance(effect, SetPlan)]
    return (
        bool(sets)
        and len(sets) == len(loop.effects)
        and all(plan.knobs[effect.knob].deadband > 0 for effect in sets)
    )
