"""Delivery: actions that may never end, knobs that reach nobody, events that are counted too low."""

from __future__ import annotations

from collections.abc import Iterator

from rules_engine.checks.activations import all_effects, target
from rules_engine.language import program
from rules_engine.language.diagnostics import Code, Diagnostic, Related, Severity
from rules_engine.language.traversal import roots, walk
from rules_engine.language.types import Base

NO_TIMEOUT = Code("RE701", "no-timeout", Severity.WARNING, "An action may take as long as it likes.")
IDLE_KNOB = Code("RE702", "idle-knob", Severity.WARNING, "A knob is set, and its value reaches nobody.")
COUNTED_DUPLICATES = Code(
    "RE703", "counted-duplicates", Severity.INFO, "A loop counts events of which equal ones are dropped."
)
UNBOUNDED_KEYS = Code(
    "RE706", "unbounded-keys", Severity.INFO, "A loop is kept apart by a value that is new each time."
)

#: What names a text or a moment rather than a thing.
_PASSING = frozenset(
    ("error", "message", "reason", "text", "url", "path", "timestamp", "uuid", "hash", "title", "description")
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
    read = _read_elsewhere(rules)
    changed = rules.mentions.get("knob set", frozenset())
    for knob in rules.knobs.values():
        if knob.drives is None and knob.name in changed and knob.name not in read:
            message = f"`{knob.name}` drives no action, and no loop reads it"
            advice = "add `drives Handler.action`, which gets each new value"
            yield IDLE_KNOB.at(knob.span, message, help=advice)


def _read_elsewhere(rules: program.Program) -> frozenset[str]:
    """The knobs that are read anywhere but in what sets them."""
    mentioned = rules.mentions.get("knob read", frozenset())
    found = {loop.trigger.knob.name for loop in rules.loops if isinstance(loop.trigger, program.ChangeOf)}
    for loop in rules.loops:
        own = {id(e.value): e.knob.name for e in all_effects(loop) if isinstance(e, program.SetEffect)}
        for root in roots(loop):
            reads = {part.knob.name for part in walk(root) if isinstance(part, program.KnobRead)}
            found |= reads - {own.get(id(root), "")}
    return mentioned & frozenset(found)


def counted_duplicates(rules: program.Program) -> Iterator[Diagnostic]:
    """Counts of events whose repeats with equal fields are dropped within a window."""
    for loop in rules.loops:
        told: set[str] = set()
        counts: list[program.Aggregate | program.Repeat] = list(_counts(loop))
        if isinstance(loop.trigger, program.Repeat) and loop.trigger.count > 1:
            counts.append(loop.trigger)
        for count in counts:
            feed = count.feed if isinstance(count, program.Aggregate) else None
            names = [feed.event] if feed else [heard.event for heard in loop.trigger.events]
            for name in names:
                event = rules.events[name]
                if event.dedup_ms == 0 or name in told:
                    continue
                told.add(name)
                message = f"equal `{name}` in quick succession count once"
                advice = (
                    "publish those that are meant with a field that differs, or with `dedup=False`"
                    if event.from_catalogue
                    else "where it is declared, add `dedup off`, or a field that tells them apart"
                )
                related = (Related(event.span, "declared here"),)
                yield COUNTED_DUPLICATES.at(count.span, message, help=advice, related=related)


def _counts(loop: program.Loop) -> Iterator[program.Aggregate]:
    for root in roots(loop):
        for part in walk(root):
            if isinstance(part, program.Aggregate) and part.function in ("count", "sum"):
                yield part


def unbounded_keys(rules: program.Program) -> Iterator[Diagnostic]:
    """Loops kept apart by what is new each time: the id of a request, the text of an error."""
    for loop in rules.loops:
        for name, place in zip(loop.per, loop.per_spans, strict=False):
            if not _is_unbounded(rules, loop, name) or not _remembers(loop):
                continue
            message = f"`{name}` may be new in every event, and each one is remembered"
            advice = "key by something of which there are few, as a node or a configuration"
            yield UNBOUNDED_KEYS.at(place, message, help=advice)


def _is_unbounded(rules: program.Program, loop: program.Loop, name: str) -> bool:
    """Judged by its name, since most keys are texts: few are as many as requests or messages."""
    for heard in loop.trigger.events:
        field = rules.events[heard.event].fields.get(name)
        if field is None or field.type.base is not Base.STR or field.type.words:
            return False
    parts = name.split("_")
    if parts[-1] == "id":
        return len(parts) > 1 and bool({"request", "trace", "message", "correlation", "event"} & set(parts))
    return bool(_PASSING & set(parts))


def _remembers(loop: program.Loop) -> bool:
    """Whether anything is kept for each key: a sequence or a silence ends by itself."""
    return not isinstance(loop.trigger, program.Sequence | program.Absence)
