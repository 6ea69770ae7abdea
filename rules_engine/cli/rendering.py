"""How findings look: on a terminal, in JSON, as SARIF and as GitHub annotations.

The terminal form follows rustc and ruff: what is wrong, where, the line itself with the place marked,
other places that belong to it, and what to type. Nothing here decides anything.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from rules_engine.cli.excerpts import Label, excerpt, printable
from rules_engine.language.diagnostics import CODES, Diagnostic, Hop, Severity
from rules_engine.language.source import Source, Span

_PLURALS = {Severity.ERROR: "errors", Severity.WARNING: "warnings", Severity.INFO: "notes"}
_COLORS = {Severity.ERROR: "\033[1;31m", Severity.WARNING: "\033[1;33m", Severity.INFO: "\033[1;36m"}
#: Nobody reads more than so many; a file that is no rule file can have a million.
MAX_BLOCKS = 1_000
_BOLD, _BLUE, _RESET = "\033[1m", "\033[1;34m", "\033[0m"
_SARIF_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_GITHUB_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By file, then by place; the more severe first where two share one."""
    ranks = list(Severity)
    return sorted(
        diagnostics,
        key=lambda d: (d.span.path, d.span.start, ranks.index(d.severity), d.code.id, d.span.end, d.message),
    )


def summary_line(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`, or `no findings`."""
    counts = Counter(d.severity for d in diagnostics)
    parts = [
        f"{counts[severity]} {_PLURALS[severity] if counts[severity] != 1 else _PLURALS[severity][:-1]}"
        for severity in Severity
        if counts[severity]
    ]
    return ", ".join(parts) or "no findings"


# ---- for people ----------------------------------------------------------------------------------


def as_text(diagnostics: Iterable[Diagnostic], sources: Mapping[str, Source], *, color: bool) -> str:
    """All findings with excerpts, and a last line that counts them; ends with a line end."""
    found = in_order(diagnostics)
    blocks = [_block(diagnostic, sources, color=color) for diagnostic in found[:MAX_BLOCKS]]
    last = summary_line(found)
    if len(found) > MAX_BLOCKS:
        last += f"; these are the first {MAX_BLOCKS:,}, `--format json` has all"
    if color:
        last = f"{_BOLD}{last}{_RESET}"
    return "\n\n".join([*blocks, last]) + "\n"


def _block(diagnostic: Diagnostic, sources: Mapping[str, Source], *, color: bool) -> str:
    tint = _COLORS[diagnostic.severity] if color else ""
    bold, blue, reset = (_BOLD, _BLUE, _RESET) if color else ("", "", "")
    head = (
        f"{tint}{diagnostic.severity}[{diagnostic.code.id}]{reset}"
        f"{bold}: {printable(diagnostic.message)}{reset}"
    )
    labels = [Label(diagnostic.span, "", primary=True)]
    labels += [Label(r.span, printable(r.message), primary=False) for r in diagnostic.related]
    width = max(len(str(_position(label.span, sources)[0])) for label in labels)
    lines = [head]
    for path in dict.fromkeys(label.span.path for label in labels):
        here = [label for label in labels if label.span.path == path]
        line, column = _position(here[0].span, sources)
        arrow = "-->" if here[0].primary else ":::"
        lines.append(f"{' ' * width}{blue}{arrow}{reset} {printable(path)}:{line}:{column}")
        source = sources.get(path)
        if source is None:
            lines += [f"{' ' * width} {blue}={reset} {label.message}" for label in here if label.message]
            continue
        for row in excerpt(source, here):
            gutter = f"{row.number or '':>{width}} {blue}|{reset}" if not row.gap else f"{'.' * width}"
            marks = row.text
            if color and row.marks:
                marks = f"{tint if row.primary else _BLUE}{row.text}{_RESET}"
            lines.append(f"{gutter} {marks}".rstrip() if not color else f"{gutter} {marks}")
    notes = []
    if diagnostic.help:
        notes.append(f"{bold}help{reset}: {printable(diagnostic.help)}")
    if diagnostic.witness is not None:
        notes.append(f"{bold}witness{reset}: {_witness(diagnostic.witness, sources)}")
    if notes:
        lines.append(f"{' ' * width} {blue}|{reset}")
    lines += [f"{' ' * width} {blue}={reset} {note}" for note in notes]
    return "\n".join(lines)


def _witness(witness: Any, sources: Mapping[str, Source]) -> str:
    """An event as `{...}`, a path as one arrow after the other, with the place of each hop."""
    if isinstance(witness, str):
        return printable(witness)
    if isinstance(witness, list | tuple) and witness and all(isinstance(step, Hop) for step in witness):
        places = [f"{hop.span.path}:{_position(hop.span, sources)[0]}" for hop in witness]
        steps = [f"{hop.loop} {hop.does} ({place})" for hop, place in zip(witness, places, strict=True)]
        return printable(" -> ".join([*steps, witness[-1].to]))
    if isinstance(witness, list | tuple) and all(isinstance(step, str) for step in witness):
        return printable(" -> ".join(witness))
    return printable(json.dumps(witness, ensure_ascii=False, default=str))


# ---- for programs --------------------------------------------------------------------------------


def as_json(
    diagnostics: Iterable[Diagnostic], sources: Mapping[str, Source], *, files: int, loops: int
) -> dict[str, Any]:
    """The document of `lint --format json`; `files` and `loops` are what was looked at."""
    found = in_order(diagnostics)
    counts = Counter(d.severity for d in found)
    return {
        "version": 1,
        "summary": {
            "files": files,
            "loops": loops,
            "errors": counts[Severity.ERROR],
            "warnings": counts[Severity.WARNING],
            "infos": counts[Severity.INFO],
        },
        "diagnostics": [as_object(diagnostic, sources) for diagnostic in found],
    }


def as_object(diagnostic: Diagnostic, sources: Mapping[str, Source]) -> dict[str, Any]:
    """One finding as JSON; lines and columns count from 1, the end is the first place after it."""
    line, column = _position(diagnostic.span, sources)
    end_line, end_column = _end(diagnostic.span, sources)
    return {
        "code": diagnostic.code.id,
        "name": diagnostic.code.name,
        "severity": str(diagnostic.severity),
        "path": diagnostic.span.path,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "related": [
            dict(
                zip(
                    ("path", "line", "column", "message"),
                    (related.span.path, *_position(related.span, sources), related.message),
                    strict=True,
                )
            )
            for related in diagnostic.related
        ],
        "witness": _witness_object(diagnostic.witness, sources),
    }


def _witness_object(witness: Any, sources: Mapping[str, Source]) -> Any:
    """A witness as JSON can hold it: each hop of a path with its place."""
    if not isinstance(witness, tuple):
        return witness
    found = []
    for hop in witness:
        line, column = _position(hop.span, sources)
        place = {"path": hop.span.path, "line": line, "column": column}
        found.append({"loop": hop.loop, "does": hop.does, "to": hop.to, **place})
    return found


def fingerprint(diagnostic: Diagnostic) -> str:
    """What a finding is known by from one version of the rules to the next: its lines may move."""
    text = f"{diagnostic.code.id} {diagnostic.span.path} {diagnostic.message}"
    return sha256(text.encode()).hexdigest()[:16]


def as_sarif(diagnostics: Iterable[Diagnostic], sources: Mapping[str, Source]) -> dict[str, Any]:
    """The findings as a SARIF 2.1.0 log, as code scanners take it."""
    found = in_order(diagnostics)
    codes = sorted({d.code.id for d in found})
    return {
        "$schema": _SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "rules-engine",
                        "rules": [
                            {
                                "id": code,
                                "name": CODES[code].name,
                                "shortDescription": {"text": CODES[code].summary},
                                "defaultConfiguration": {"level": _SARIF_LEVELS[CODES[code].severity]},
                            }
                            for code in codes
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [
                    {
                        "ruleId": d.code.id,
                        "ruleIndex": codes.index(d.code.id),
                        "level": _SARIF_LEVELS[d.severity],
                        "message": {"text": f"{d.message}\n{d.help}" if d.help else d.message},
                        "locations": [_sarif_location(d.span, sources)],
                        "partialFingerprints": {"finding/v1": fingerprint(d)},
                        "relatedLocations": [
                            {**_sarif_location(r.span, sources), "message": {"text": r.message}}
                            for r in d.related
                        ],
                    }
                    for d in found
                ],
            }
        ],
    }


def _sarif_location(span: Span, sources: Mapping[str, Source]) -> dict[str, Any]:
    line, column = _position(span, sources)
    end_line, end_column = _end(span, sources)
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": span.path.replace("\\", "/")},
            "region": {
                "startLine": line,
                "startColumn": column,
                "endLine": end_line,
                "endColumn": end_column,
            },
        }
    }


def as_github(diagnostics: Iterable[Diagnostic], sources: Mapping[str, Source]) -> str:
    """One workflow command a line, which GitHub shows beside the changed lines."""
    lines = []
    for d in in_order(diagnostics):
        line, column = _position(d.span, sources)
        end_line, end_column = _end(d.span, sources)
        places = {"file": d.span.path, "line": line, "endLine": end_line, "col": column}
        if end_line == line:
            places["endColumn"] = end_column
        places["title"] = f"{d.code.id} {d.code.name}"
        properties = ",".join(f"{key}={_escaped(str(value), ',:')}" for key, value in places.items())
        text = f"{d.message}\n{d.help}" if d.help else d.message
        lines.append(f"::{_GITHUB_LEVELS[d.severity]} {properties}::{_escaped(text)}\n")
    return "".join(lines)


def _escaped(text: str, also: str = "") -> str:
    for char in "%\r\n" + also:
        text = text.replace(char, f"%{ord(char):02X}")
    return text


def _position(span: Span, sources: Mapping[str, Source]) -> tuple[int, int]:
    source = sources.get(span.path)
    return source.position(span.start) if source else (1, 1)


def _end(span: Span, sources: Mapping[str, Source]) -> tuple[int, int]:
    source = sources.get(span.path)
    return source.position(max(span.start, span.end)) if source else (1, 1)
