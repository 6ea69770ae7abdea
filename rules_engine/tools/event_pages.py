"""Reference pages out of declared events: one page for each file of declarations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from rules_engine.engine.plan import EmitPlan, Plan
from rules_engine.events.expected import DAEMON_SUBSCRIPTIONS
from rules_engine.language.program import EventDecl, FieldDecl, Program
from rules_engine.language.source import Source
from rules_engine.tools.event_python import (
    EVERY_FILE,
    aliases_of,
    prose,
    subject_of,
    template_of,
    unit_of,
)

_HEAD = f"<!-- {EVERY_FILE} -->"


@dataclass(frozen=True, slots=True)
class Uses:
    """What the shipped loops do with events: those that emit each, and those that hear or count it."""

    emitted: Mapping[str, Sequence[str]] = field(default_factory=dict)
    heard: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, program: Program, plan: Plan) -> Uses:
        """The uses in a rule set; each loop as a link to its file."""
        links = {loop.name: f"[{loop.name}](../../../rules/{Path(loop.path).name})" for loop in program.loops}
        emitted: dict[str, list[str]] = {}
        for loop in plan.loops:
            later = [effect for step in loop.after for effect in step.effects]
            effects = [*loop.effects, *loop.cleared, *loop.failed, *later]
            for name in sorted({effect.event for effect in effects if isinstance(effect, EmitPlan)}):
                emitted.setdefault(name, []).append(links[loop.name])
        tables = (plan.by_event, plan.fed_by_event)
        heard = {
            name: [links[one] for one in sorted({loop.name for t in tables for loop in t.get(name, ())})]
            for name in {*plan.by_event, *plan.fed_by_event}
        }
        return cls(emitted, heard)


def event_pages(
    events: Sequence[EventDecl], sources: Mapping[str, Source], uses: Uses | None = None
) -> dict[str, str]:
    """The pages by file name, with an index as `README.md`."""
    uses = uses or Uses()
    pages = {}
    index = [_HEAD, "# Events", "", f"All {len(events)} events of the catalogue, by what they are about.", ""]
    index += ["| page | events |", "| --- | --- |"]
    for subject, group in groupby(events, key=subject_of):
        own = list(group)
        pages[f"{subject}.md"] = _page(subject, own, sources, uses)
        links = ", ".join(f"[{event.name}]({subject}.md#{event.name.lower()})" for event in own)
        index.append(f"| [{subject}]({subject}.md) | {links} |")
    index += ["", "## Other names", "", "| name | event |", "| --- | --- |"]
    index += [f"| `{alias}` | `{name}` |" for alias, name in aliases_of(events).items()]
    pages["README.md"] = "\n".join([*index, ""])
    return pages


def _page(subject: str, events: Sequence[EventDecl], sources: Mapping[str, Source], uses: Uses) -> str:
    lines = [_HEAD, f"# {subject.capitalize()} events"]
    for event in events:
        lines += ["", f"## {event.name}", ""]
        if event.documentation:
            lines += [_cell(event.documentation), ""]
        lines += ["| field | type | also written | notes |", "| --- | --- | --- | --- |"]
        lines += [_row(declared, sources) for declared in event.fields.values()]
        facts = [
            *_facts(event),
            f"Sent by {_producers(event, uses)}.",
            f"Heard by {_consumers(event, uses)}.",
        ]
        lines += ["", *(f"- {fact}" for fact in facts)]
    return "\n".join([*lines, ""])


def _row(declared: FieldDecl, sources: Mapping[str, Source]) -> str:
    kind = declared.type.known()
    written = " or ".join(f'"{word}"' for word in kind.words) if kind.words else str(kind)
    also = ", ".join(f"`{spelling}`" for spelling in declared.spellings[1:])
    notes = [] if declared.type.optional else ["required"]
    if (template := template_of(declared)) is not None:
        notes.append(f"else `{template}`")
    elif declared.derived is not None:
        notes.append("derived when absent")
    if unit := unit_of(declared, sources):
        notes.append(_cell(unit))
    return f"| `{declared.name}` | {_cell(written)} | {also} | {'; '.join(notes)} |"


def _facts(event: EventDecl) -> list[str]:
    facts = []
    if event.aliases:
        facts.append("Other names: " + ", ".join(f"`{alias}`" for alias in event.aliases) + ".")
    if event.key is not None:
        facts.append(f"Key: `{event.key}`.")
    if event.dedup_ms == 0:
        facts.append("Never taken for a repeat.")
    elif event.dedup_ms is not None:
        facts.append(f"Equal content counts as a repeat within {event.dedup_ms / 1000:g} s.")
    if not event.open:
        facts.append("Has no further fields.")
    return facts


def _producers(event: EventDecl, uses: Uses) -> str:
    """Who sends it: programs by its function, and loops."""
    loops = uses.emitted.get(event.name, ())
    named = [prose(event.producer)] if event.producer else []
    return ", ".join(
        [f"programs, with `emit_{event.name.lower()}()`", *named, *map("the loop {}".format, loops)]
    )


def _consumers(event: EventDecl, uses: Uses) -> str:
    """Who hears it: loops, and the daemons of the declared table."""
    loops = [f"the loop {one}" for one in uses.heard.get(event.name, ())]
    daemons = [f"`{name}`" for name, heard in DAEMON_SUBSCRIPTIONS.items() if event.name in heard]
    return ", ".join([*loops, *daemons]) or "whoever subscribes"


def _cell(text: str) -> str:
    return prose(text).replace("|", "\\|").replace("<", "&lt;")
