"""Delivery: actions that may never end, knobs that reach nobody, events that are counted too low."""

from __future__ import annotations

from collections.abc import Iterator

from rules_engine.checks.activations import all_effects, target
from rules_engine.language import program
from rules_engine.language.diagnostics import Code, Diagnostic, Related, Severity
from rules_engine.language.traversal import roots, walk

NO_TIMEOUT = Code("RE701", "no-timeout", Severity.WARNING, "An action may take as long as it likes.")
IDLE_KNOB = Code("RE702", "idle-knob", Severity.WARNING, "A knob is set, and its value reaches nobody.")
COUNTED_DUPLICATES = Code(
    "RE703", "counted-duplicates", Severity.INFO, "A loop counts events of which equal ones are dropped."
)


def actions_without_timeout(rules: program.Program) -> Iterator[Diagnostic]:
    """Each `do` that does not say how long it may take."""
    for loop in rules.loops:
        for effect in all_effects(loop):
            if isinstance(effect, program.DoEffect) and effect.timeout_ms is None:
                message = f"nothing says how long `{effect.action.name}` may take"
                yield NO_TIMEOUT.at(target(effect), message, help="add `timeout 1m` behind the arguments")


def idle_knobs(rules: program.Program) -> Iterator[Diagnostic]:
    """Knobs that are set, drive no action and are read by no loop."""
    if not rules.complete:
        return
    read = rules.mentions.get("knob read", frozenset())
    changed = rules.mentions.get("knob set", frozenset())
    for knob in rules.knobs.values():
        if knob.drives is None and knob.name in changed and knob.name not in read:
            message = f"`{knob.name}` drives no action, and no loop reads it"
            advice = "add `drives Handler.action`, which gets each new value"
            yield IDLE_KNOB.at(knob.span, message, help=advice)


def counted_duplicates(rules: program.Program) -> Iterator[Diagnostic]:
    """Counts of events whose repeats with equal fields are dropped within a window."""
    for loop in rules.loops:
        told: set[str] = set()
        for count in _counts(loop):
            names = [count.feed.event] if count.feed else [heard.event for heard in loop.trigger.events]
            for name in names:
                event = rules.events[name]
                if event.dedup_ms == 0 or name in told:
                    continue
                told.add(name)
                message = f"equal `{name}` in quick succession count once"
                advice = "where it is declared, add `dedup off`, or a field that tells them apart"
                related = (Related(event.span, "declared here"),)
                yield COUNTED_DUPLICATES.at(count.span, message, help=advice, related=related)


def _counts(loop: program.Loop) -> Iterator[program.Aggregate]:
    for root in roots(loop):
        for part in walk(root):
            if isinstance(part, program.Aggregate) and part.function == "count" and part.sample is None:
                yield part
