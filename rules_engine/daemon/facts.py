"""What the daemon leaves in the store for other processes to read: small JSON values by name.

None of it takes part in a decision. It lets `status`, `publish`, `knobs` and workers answer without
parsing rules, and without the daemon.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from rules_engine.engine.plan import DoPlan, KnobPlan, LoopPlan, Plan, SetPlan, StepPlan
from rules_engine.events.delivery import PREFIX, empty_record
from rules_engine.language.diagnostics import Severity

if TYPE_CHECKING:  # those who only read facts must not wait for the parser
    from rules_engine.daemon.reloader import Reload
    from rules_engine.engine.handover import Handover
    from rules_engine.language.diagnostics import Diagnostic
    from rules_engine.language.source import Source
    from rules_engine.pipeline import RuleSet

#: The running daemon: pid, when it started, its rule paths and handlers.
DAEMON: Final = "daemon"
#: The rule set that decides: hash, loops, knobs, actions, the user's own events.
RULES: Final = "rules"
#: How the rules listen, beside the records of other processes.
PRESENT: Final = f"{PREFIX}rules"
#: The last attempt to reload, and what was wrong with it.
LAST_RELOAD: Final = "last_reload"
#: Counters and troubles of the daemon.
HEALTH: Final = "health"
#: The position of the last swap, so that it is found without reading all controls.
SWAPPED_AT: Final = "swapped_at"
#: Loops that an operator or the breaker switched off: name to `{"reason", "until", "by"}`.
SWITCHED_OFF: Final = "switched_off"
#: What became of the latest requests of operators, by request id.
ANSWERS: Final = "answers"


def rules_fact(rules: RuleSet, time_ms: int) -> dict[str, Any]:
    """What others need to know of a rule set that decides from `time_ms` on."""
    assert rules.plan is not None
    assert rules.program is not None
    places = {loop.name: loop for loop in rules.program.loops}
    return {
        "hash": rules.hash,
        "time_ms": time_ms,
        "loops": [
            {
                "loop": loop.name,
                "mode": loop.mode,
                "why": places[loop.name].off or "",
                "path": places[loop.name].path,
                "per": list(loop.per),
            }
            for loop in rules.plan.loops
        ],
        "knobs": {name: asdict(knob) for name, knob in rules.plan.knobs.items()},
        "actions": {action.name: list(action.parameters) for action in rules.program.actions.values()},
    }


def listening_record(plan: Plan, now_ms: int) -> dict[str, Any]:
    """How the rules listen, in the shape in which other processes tell of theirs.

    What a loop does or drives hears the loop's events: `SelfplayScheduler` is wired when a loop acts on it.
    """
    tables = (plan.by_event, plan.fed_by_event)
    heard: dict[str, set[str]] = {
        "rules": {
            name for t in tables for name, loops in t.items() if any(one.mode != "off" for one in loops)
        }
    }
    for name, loops in plan.by_event.items():
        for owner in {owner for loop in loops if loop.mode == "live" for owner in _acts_on(loop, plan)}:
            heard.setdefault(owner, set()).add(name)
    listeners = [
        {
            "handler": "rules" if owner == "rules" else f"rules, for {owner}",
            "of": [owner],
            "events": sorted(events),
            "durable": "rules",
            "stats": None,
        }
        for owner, events in sorted(heard.items())
    ]
    return empty_record("rules", now_ms) | {"listeners": listeners}


def _acts_on(loop: LoopPlan, plan: Plan) -> set[str]:
    """The owners of all actions that a loop's effects ask for or drive."""
    effects = [*loop.effects, *loop.cleared, *loop.failed, *(e for a in loop.after for e in a.effects)]
    actions = {effect.action for effect in effects if isinstance(effect, DoPlan)}
    actions |= {plan.knobs[effect.knob].drives or "" for effect in effects if isinstance(effect, SetPlan)}
    return {action.partition(".")[0] for action in actions if action}


def knob_plan(fact: Mapping[str, Any]) -> KnobPlan:
    """A knob's plan out of `rules_fact`, as another process reads it."""
    keys = fact["keys"]
    return KnobPlan(
        **{
            **fact,
            "per": tuple(fact["per"]),
            "keys": None if keys is None else tuple(tuple(key) for key in keys),
            "words": tuple(fact["words"]),
            "steps": tuple(StepPlan(**step) for step in fact["steps"]),
            "drive_parameters": tuple(fact["drive_parameters"]),
        }
    )


def handover_record(report: Handover) -> dict[str, Any]:
    """What became of each loop, as JSON."""
    return {what: list(v) if isinstance(v, tuple) else v for what, v in asdict(report).items()}


#: So many findings of a reload are kept, errors first; `lint` has them all.
MAX_FINDINGS = 200


def reload_fact(reload: Reload, time_ms: int) -> dict[str, Any]:
    """The last reload, in the shape of `status --format json` but for the time."""
    rules = reload.rules
    ranks = list(Severity)
    worst = sorted(rules.diagnostics, key=lambda finding: ranks.index(finding.severity))[:MAX_FINDINGS]
    return {
        "time_ms": time_ms,
        "ok": reload.ok,
        "hash": reload.hash,
        "diagnostics": [finding_record(finding, rules.sources) for finding in worst],
        "unreadable": [{"path": one.path, "message": one.message} for one in rules.unreadable],
        "handover": reload.handover,
        "requests": list(reload.requests),
    }


def finding_record(finding: Diagnostic, sources: Mapping[str, Source]) -> dict[str, Any]:
    """A finding in the shape of `lint --format json`."""
    source = sources.get(finding.span.path)
    line, column = source.position(finding.span.start) if source else (1, 1)
    end_line, end_column = source.position(finding.span.end) if source else (1, 1)
    return {
        "code": finding.code.id,
        "name": finding.code.name,
        "severity": str(finding.severity),
        "path": finding.span.path,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "message": finding.message,
        "help": finding.help,
        "related": list(_related(finding, sources)),
        "witness": finding.witness,
    }


def _related(finding: Diagnostic, sources: Mapping[str, Source]) -> Iterable[dict[str, Any]]:
    for related in finding.related:
        source = sources.get(related.span.path)
        line, column = source.position(related.span.start) if source else (1, 1)
        yield {"path": related.span.path, "line": line, "column": column, "message": related.message}
