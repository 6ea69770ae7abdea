"""Effects, reasons and expectations as texts in the words of the language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rules_engine.engine.decision import Verdict
from rules_engine.engine.plan import Key
from rules_engine.language.catalog import duration_text
from rules_engine.language.source import Source, Span
from rules_engine.tools.scenarios.observations import Effect


def effect_text(effect: Effect) -> str:
    """`set rate["a"] = 0.5`, `emit E { x: 1 }`, `do H.a(x: 1)`."""
    if effect.kind == "set":
        return f"set {effect.name}{_key_text(effect.key)} = {value_text(effect.values['value'])}"
    fields = ", ".join(f"{name}: {value_text(value)}" for name, value in effect.values.items())
    if effect.kind == "do":
        return f"do {effect.name}({fields})"
    return f"emit {effect.name} {{ {fields} }}" if fields else f"emit {effect.name} {{}}"


def verdict_text(verdict: Verdict, starts_ms: int) -> str:
    """`poor["a"]: hold at 9m; since ..., score = 0.55`."""
    at = time_text(verdict.time_ms, starts_ms)
    detail = f"; {verdict.detail}" if verdict.detail else ""
    return f"{verdict.loop}{_key_text(verdict.key)}: {verdict.reason} at {at}{detail}"


def time_text(time_ms: int, starts_ms: int) -> str:
    """A time as tests write it: how long after the start."""
    return duration_text(max(0, time_ms - starts_ms))


def written(span: Span, sources: Mapping[str, Source]) -> str:
    """A piece of a file, on one line."""
    source = sources.get(span.path)
    return " ".join(source.text[span.start : span.end].split()) if source else ""


def value_text(value: Any) -> str:
    """A value as it would be written; whole floats without a point (L40)."""
    if value is None:
        return "unknown"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(value_text(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name}: {value_text(item)}' for name, item in value.items())} }}"
    return json.dumps(value, ensure_ascii=False, default=str)


def _key_text(key: Key) -> str:
    if not key:
        return ""
    parts = ", ".join(value_text(part) for part in key)
    return f"[{parts}]" if len(key) == 1 else f"[[{parts}]]"
