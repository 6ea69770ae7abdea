"""Payload models and `emit_` functions out of declared events."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence

from rules_engine.events.payload_model import Payload
from rules_engine.language.program import EventDecl, FieldDecl
from rules_engine.language.source import Source
from rules_engine.language.types import Base, Type
from rules_engine.tools.event_python import (
    WIDTH,
    Choice,
    PackageOptions,
    module,
    prose,
    quoted,
    table,
    template_of,
    unit_of,
    wrapped,
)

_MODEL_TYPES = {
    Base.STR: "Text", Base.INT: "Whole", Base.FLOAT: "Number", Base.BOOL: "Truth", Base.DURATION: "Number",
    Base.LIST: "Items", Base.MAP: "Entries", Base.ANY: "object",
}  # fmt: skip
_PARAMETER_TYPES = {
    Base.STR: "str", Base.INT: "int", Base.FLOAT: "float", Base.BOOL: "bool", Base.DURATION: "float",
    Base.LIST: "Sequence[Any]", Base.MAP: "Mapping[str, Any]", Base.ANY: "Any",
}  # fmt: skip
#: Parameters that every `emit_` function has for itself.
_TAKEN = {"source", "other", "self", "cls"}

#: What a module may need to import: groups of modules with their names.
_Imports = tuple[dict[str, tuple[str, ...]], ...]
_MODEL_IMPORTS: _Imports = (
    {"typing": ("ClassVar", "Literal")},
    {"pydantic": ("AliasChoices", "Field")},
    {
        "rules_engine.events.payload_model": (
            "Entries",
            "Items",
            "Number",
            "OpenPayload",
            "Payload",
            "Text",
            "Truth",
            "Whole",
        )
    },
)
_EMITTER_IMPORTS: _Imports = (
    {"collections.abc": ("Callable", "Mapping", "Sequence"), "typing": ("Any", "Literal", "Never")},
    {
        "rules_engine.events.emission": ("ABSENT", "Emitter"),
        "rules_engine.events.publication": ("Publication",),
    },
    {".": ("catalogue",), ".aliases": ("ALIASES",)},
)


#: What no attribute of a model may be called: it would hide what the model has or is written with.
_ATTRIBUTES = frozenset(
    {*dir(Payload), *(n for group in _MODEL_IMPORTS for names in group.values() for n in names)}
)

# ---- payloads.py ---------------------------------------------------------------------------------


def payloads_file(events: Sequence[EventDecl]) -> str:
    """`payloads.py`: a pydantic model for each event."""
    lines = [
        *module("A model of each event's payload, for those who want it checked and typed."),
    ]
    names = _class_names(events)
    body = []
    for event in events:
        body += ["", "", *_model(event, names[event.name])]
    body += ["", "", "#: The model of each event, by its name."]
    body += table("PAYLOADS", "dict[str, type[Payload]]", names)
    return "\n".join(lines + _imports(_MODEL_IMPORTS, body) + body)


def _class_names(events: Sequence[EventDecl]) -> dict[str, str]:
    names: dict[str, str] = {}
    for event in events:
        name = "".join(part.capitalize() for part in event.name.split("_")) + "Payload"
        while name in names.values() or name in ("OpenPayload", "Payload"):
            name += "_"
        names[event.name] = name
    return names


def _model(event: EventDecl, name: str) -> list[str]:
    lines = [f"class {name}({'OpenPayload' if event.open else 'Payload'}):"]
    lines += [f'    """{_docstring(event)}"""', ""]
    templates = {f.name: template_of(f) for f in event.fields.values()}
    derived = {name: quoted(template) for name, template in templates.items() if template is not None}
    if derived:
        inside = ", ".join(f"{quoted(key)}: {value}" for key, value in derived.items())
        lines += [f"    derivations: ClassVar = {{{inside}}}", ""]
    for declared in event.fields.values():
        lines += _model_field(declared)
    return lines if lines[-1] else lines[:-1]


def _model_field(declared: FieldDecl) -> list[str]:
    attribute = _attribute(declared.name)
    arguments = [] if _needed(declared) else ["default=None"]
    if len(declared.spellings) > 1 or attribute != declared.name:
        choices = ", ".join(map(quoted, declared.spellings))
        arguments.append(f"validation_alias=AliasChoices({choices})")
    if attribute != declared.name:
        arguments.append(f"serialization_alias={quoted(declared.name)}")
    kind = declared.type
    if kind.low is not None and kind.high is not None:
        arguments += [f"ge={_bound(kind.low)}", f"le={_bound(kind.high)}"]
    annotation = _annotation(kind, _MODEL_TYPES) + ("" if _needed(declared) else " | None")
    head = f"    {attribute}: {annotation}"
    if not arguments:
        return [head]
    if arguments == ["default=None"]:
        return [f"{head} = None"]
    return wrapped(f"{head} = Field", f"({', '.join(arguments)})", "")


def _needed(declared: FieldDecl) -> bool:
    """Whether a model can insist on it: a field derived in another way than by a text it cannot fill."""
    return not declared.type.optional and (declared.derived is None or template_of(declared) is not None)


def _attribute(name: str) -> str:
    """The name of a field in a model, where the language allows what Python or pydantic does not."""
    name = name.lstrip("_") or "field"
    return f"{name}_" if keyword.iskeyword(name) or name in _ATTRIBUTES else name


def _annotation(kind: Type, names: Mapping[Base, str]) -> str:
    if kind.words:
        return f"Literal[{', '.join(map(quoted, kind.words))}]"
    return names[kind.base]


def _bound(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


# ---- emitters.py ---------------------------------------------------------------------------------


def emitters_file(events: Sequence[EventDecl], options: PackageOptions, sources: Mapping[str, Source]) -> str:
    """`emitters.py`: a function that emits each event."""
    lines = [
        *module(
            "One function to emit each event. Parameters are its fields, and what is not given is not sent;\n"
            "a field goes by its other spellings too. Each returns a `Publication`, to be awaited or not."
        ),
    ]
    body = ["", "_emit = Emitter(catalogue, ALIASES)"]
    for event in events:
        body += ["", "", *_emitter(event, sources)]
    by_name = {event.name: event for event in events}
    for name, choice in sorted(options.choices.items()):
        body += ["", "", *_chooser(name, choice, by_name)]
    if options.names:
        body += ["", "", "# Further names of the functions above.", ""]
        body += [f"{name} = {function}" for name, function in sorted(options.names.items())]
    names = [f"emit_{event.name.lower()}" for event in events]
    exported = "".join(
        f"    {quoted(name)},\n" for name in sorted({*names, *options.names, *options.choices})
    )
    lines += _imports(_EMITTER_IMPORTS, body)
    return "\n".join([*lines, *body, "", f"__all__ = [\n{exported}]", ""])


def _emitter(event: EventDecl, sources: Mapping[str, Source]) -> list[str]:
    fields = [f for f in event.fields.values() if _is_parameter(f.name)]
    lines = [f"def emit_{event.name.lower()}(", "    *,"]
    for declared in fields:
        kind = _annotation(declared.type, _PARAMETER_TYPES)
        default = " | None = None" if declared.type.optional else " = ABSENT"
        unit = unit_of(declared, sources)
        lines.append(f"    {declared.name}: {kind}{default},{f'  # {unit}' if unit else ''}")
    lines += ['    source: str = "",', "    **other: Never,", ") -> Publication:"]
    lines += [f'    """{_docstring(event)}"""']
    given = "{" + ", ".join(f"{quoted(f.name)}: {f.name}" for f in fields) + "}"
    lines += wrapped("    given: dict[str, Any] = ", given, "")
    return [*lines, f"    return _emit({quoted(event.name)}, source, given, other)"]


def _chooser(name: str, choice: Choice, events: Mapping[str, EventDecl]) -> list[str]:
    kinds = {type(value) for value in choice.events}
    kind = "bool" if kinds == {bool} else "str"
    listed = {
        value if isinstance(value, bool) else quoted(value): event for value, event in choice.events.items()
    }
    functions = "{" + ", ".join(f"{value}: emit_{event.lower()}" for value, event in listed.items()) + "}"
    allowed = " or ".join(str(value) for value in listed)
    outcome = " or ".join(choice.events.values())
    declared = all(choice.by in events[event].fields for event in choice.events.values())
    passed = f"{choice.by}={choice.by}, " if declared else ""
    return [
        f'def {name}(*, {choice.by}: {kind}, source: str = "", **fields: Any) -> Publication:',
        f'    """{outcome}, as `{choice.by}` says."""',
        f"    choices: Mapping[Any, Callable[..., Publication]] = {functions}",
        f"    emit = choices.get({choice.by})",
        "    if emit is None:",
        f"        raise ValueError(f'{choice.by} is {allowed}, not {{{choice.by}!r}}')",
        f"    return emit(source=source, {passed}**fields)",
    ]


def _is_parameter(name: str) -> bool:
    """Whether a field can be a parameter; any other is still taken among `other`."""
    return not (keyword.iskeyword(name) or name in _TAKEN or name.startswith("_"))


def _imports(groups: _Imports, body: Sequence[str]) -> list[str]:
    """Import statements of those names that a module's body uses."""
    words = set(re.findall(r"\w+", "\n".join(body)))
    lines: list[str] = []
    for modules in groups:
        used = {module: [name for name in names if name in words] for module, names in modules.items()}
        group = [f"from {module} import {', '.join(names)}" for module, names in used.items() if names]
        lines += ["", *group] if group else []
    return lines[1:]


def _docstring(event: EventDecl) -> str:
    text = prose(event.documentation) or f"The event {event.name}."
    text = text.replace("\\", "\\\\").replace('"', '\\"' if text.endswith('"') or '"""' in text else '"')
    return text if len(text) < WIDTH else "\n    ".join(_lines(text))


def _lines(text: str) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        if len(lines[-1]) + len(word) > WIDTH - 12 and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
