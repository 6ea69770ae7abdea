"""Derived fields: `config_key: str = "{board_type}_{num_players}p"`, used where the field is absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rules_engine.language import program, syntax
from rules_engine.language.assignment import misfit
from rules_engine.language.diagnostics import Code, Severity
from rules_engine.language.expressions import Expressions
from rules_engine.language.names import Names
from rules_engine.language.scope import Scope, Unclear, fields_of
from rules_engine.language.traversal import walk
from rules_engine.language.typerefs import CIRCULAR

BAD_DERIVATION = Code(
    "RE216",
    "bad-derivation",
    Severity.ERROR,
    "Only a field of an event can be derived, and only from others.",
)


def derive_fields(names: Names, item: syntax.EventItem) -> None:
    """Settles the fields of an event that are derived from others."""
    event = names.events[item.name.text]
    written = {field.names[0].text: field for field in item.fields if field.derived is not None}
    if not written:
        return
    reason = "a derived field has only the other fields of its event"
    fields = dict(event.fields)
    for name, field in written.items():
        assert field.derived is not None
        scope = Scope(
            names=names,
            fields=fields_of([event]),
            where=f"`{event.name}`",
            no_windows=reason,
            no_knobs=reason,
        )
        errors = names.findings.error_count
        value = Expressions(scope).of(field.derived, text=True)
        if names.findings.error_count > errors or isinstance(value, Unclear):
            continue
        reads = {part.field for part in walk(value) if isinstance(part, program.FieldRead)}
        if not reads:
            message = f"`{name}` would get the same value each time it is absent"
            advice = f"mark it with `?` instead, and give a default where it is read: `{name} ?? ...`"
            names.findings.add(BAD_DERIVATION.at(field.derived.span, message, help=advice))
        elif found := misfit(value, fields[name].type, f"`{name}`"):
            names.findings.add(found)
        fields[name] = replace(fields[name], derived=value)
    _check_circles(names, event, fields)
    names.events[event.name] = replace(event, fields=fields)


def _check_circles(names: Names, event: program.EventDecl, fields: dict[str, program.FieldDecl]) -> None:
    reads = {
        name: sorted({part.field for part in walk(decl.derived) if isinstance(part, program.FieldRead)})
        for name, decl in fields.items()
        if decl.derived is not None
    }
    told: set[str] = set()
    for name in reads:
        path = _circle(name, reads)
        if path and not told & set(path):
            told |= set(path)
            derived = fields[name].derived
            assert derived is not None
            message = f"`{name}` of `{event.name}` is derived from itself"
            advice = "derive it from fields that are sent"
            names.findings.add(CIRCULAR.at(derived.span, message, help=advice, witness=path))


def _circle(start: str, reads: Mapping[str, list[str]]) -> list[str]:
    """The names from `start` back to itself; empty where there is no such way."""
    waiting = [[start]]
    seen = set()
    while waiting:
        path = waiting.pop(0)
        for name in reads.get(path[-1], ()):
            if name == start:
                return [*path, start]
            if name not in seen:
                seen.add(name)
                waiting.append([*path, name])
    return []
