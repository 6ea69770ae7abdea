"""Reference pages out of declared events: one page for each file of declarations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from rules_engine.language.program import EventDecl, FieldDecl
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


def event_pages(events: Sequence[EventDecl], sources: Mapping[str, Source]) -> dict[str, str]:
    """The pages by file name, with an index as `README.md`."""
    pages = {}
    index = [_HEAD, "# Events", "", f"All {len(events)} events of the catalogue, by what they are about.", ""]
    index += ["| page | events |", "| --- | --- |"]
    for subject, group in groupby(events, key=subject_of):
        own = list(group)
        pages[f"{subject}.md"] = _page(subject, own, sources)
        links = ", ".join(f"[{event.name}]({subject}.md#{event.name.lower()})" for event in own)
        index.append(f"| [{subject}]({subject}.md) | {links} |")
    index += ["", "## Other names", "", "| name | event |", "| --- | --- |"]
    index += [f"| `{alias}` | `{name}` |" for alias, name in aliases_of(events).items()]
    pages["README.md"] = "\n".join([*index, ""])
    return pages


def _page(subject: str, events: Sequence[EventDecl], sources: Mapping[str, Source]) -> str:
    lines = [_HEAD, f"# {subject.capitalize()} events"]
    for event in events:
        lines += ["", f"## {event.name}", ""]
        if event.documentation:
            lines += [_cell(event.documentation), ""]
        lines += ["| field | type | also written | notes |", "| --- | --- | --- | --- |"]
        lines += [_row(declared, sources) for declared in event.fields.values()]
        facts = _facts(event)
        lines += ["", *(f"- {fact}" for fact in facts)] if facts else []
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


def _cell(text: str) -> str:
    return prose(text).replace("|", "\\|").replace("<", "&lt;")
