"""The shipped rules in the demo's time: the same text with every span of time divided by a factor.

Production counts in hours, the demo in seconds. Nothing else is changed, so that what is seen in the
demo are the shipped loops: conditions, thresholds and effects stay as they are. Time limits and
retries of actions stay too: they are about the computer that does the work, which is no faster here. What
runs by the clock (`every`) does so once a second at most, since each time costs a row of the log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from rules_engine.language import syntax as s
from rules_engine.language.diagnostics import Severity
from rules_engine.language.parser import parse
from rules_engine.language.source import Source, Span

_LEAST_PERIOD_MS = 1_000
_DURATION = re.compile(r"(?:[0-9]+(?:ms|s|m|h|d))+")


class RulesUnreadable(Exception):
    """The rules cannot be scaled because they cannot be read; the message says where."""


def scale_durations(text: str, factor: float, path: str = "rules.loop") -> str:
    """The text with each duration divided by `factor`, at least one millisecond, rounded to whole ones.

    Tests are left out: their times are those of the original. Raises `RulesUnreadable` for a text
    that does not parse.
    """
    source = Source(path, text)
    tree, findings = parse(source)
    for finding in findings:
        if finding.severity is Severity.ERROR:
            line, column = source.position(finding.span.start)
            raise RulesUnreadable(f"{path}:{line}:{column}: {finding.message}; run `rules-engine lint`")
    pieces, done = [], 0
    for start, end, written in sorted(_changes(tree, text, factor)):
        pieces += [text[done:start], written]
        done = end
    return "".join([*pieces, text[done:]])


def write_scaled_rules(rules: Path, folder: Path, factor: float) -> list[Path]:
    """Write the scaled copies of all rule files of a folder, and return their paths.

    `rules/events`, the catalogue, belongs to every rule set and is not copied.
    """
    written = []
    for path in sorted(rules.rglob("*.loop")):
        inside = path.relative_to(rules)
        if inside.parts[0] == "events":
            continue
        copy = folder / inside
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8-sig")
        copy.write_text(scale_durations(text, factor, str(path)), encoding="utf-8")
        written.append(copy)
    return written


def loop_names(folder: Path) -> list[str]:
    """The names of the loops in the rule files of a folder."""
    names = []
    for path in sorted(folder.rglob("*.loop")):
        tree, _ = parse(Source(str(path), path.read_text(encoding="utf-8")))
        names += [item.name.text for item in tree.items if isinstance(item, s.LoopItem)]
    return sorted(names)


def _changes(tree: s.File, text: str, factor: float) -> Iterator[tuple[int, int, str]]:
    """What to write instead of what: (start, end, text), never overlapping."""
    for node in _nodes(tree):
        if isinstance(node, s.TestItem):
            yield node.span.start, node.span.end, ""
        elif isinstance(node, s.Every):
            yield _scaled(node.period, text, factor, least_ms=_LEAST_PERIOD_MS)
        elif (
            (isinstance(node, s.Duration) and isinstance(node.value, int))
            or isinstance(node, s.DurationLiteral)
            or (isinstance(node, s.Over) and isinstance(node.ms, int))
        ):
            yield _scaled(node, text, factor)


def _scaled(node: s.Node, text: str, factor: float, least_ms: int = 1) -> tuple[int, int, str]:
    """A node's own duration, which is the last one written in its span."""
    ms = node.ms if isinstance(node, s.DurationLiteral | s.Over) else getattr(node, "value", None)
    if not isinstance(ms, int):
        raise TypeError(f"{node} holds no duration")
    found = list(_DURATION.finditer(text, node.span.start, node.span.end))[-1]
    return found.start(), found.end(), _spelled(max(min(least_ms, ms), round(ms / factor)))


def _spelled(ms: int) -> str:
    return f"{ms // 1000}s" if ms % 1000 == 0 else f"{ms}ms"


def _nodes(node: Any) -> Iterator[s.Node]:
    """A node and all below it, but for what stays as it is: tests' insides, retries and time limits."""
    if isinstance(node, tuple):
        for part in node:
            yield from _nodes(part)
    elif is_dataclass(node) and not isinstance(node, Span | s.RetryOption | s.TimeoutOption):
        if isinstance(node, s.Node):
            yield node
        if not isinstance(node, s.TestItem | s.Every):
            for part in fields(node):
                yield from _nodes(getattr(node, part.name))
