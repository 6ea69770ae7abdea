"""What the tests of a rule set came to, as the JSON document of `test --format json` and as JUnit XML."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from xml.etree import ElementTree as ET

from rules_engine.language.source import Source, Span
from rules_engine.tools.records import time_text as moment_text
from rules_engine.tools.scenarios.coverage import CoverageReport
from rules_engine.tools.scenarios.observations import Effect
from rules_engine.tools.scenarios.running import Failure, ScenarioResult
from rules_engine.tools.scenarios.wording import effect_text, time_text, verdict_text, written

#: What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Ran:
    """A test that was carried out, and how long that took."""

    result: ScenarioResult
    seconds: float


def as_json(
    ran: Sequence[Ran], sources: Mapping[str, Source], coverage: CoverageReport | None
) -> dict[str, Any]:
    """The document of `rules-engine test --format json`."""
    counts = Counter(one.result.outcome for one in ran)
    return {
        "version": 1,
        "summary": {
            "tests": len(ran),
            "passed": counts["passed"],
            "failed": counts["failed"],
            "errors": counts["error"],
            "seconds": round(sum(one.seconds for one in ran), 6),
        },
        "tests": [_test(one, sources) for one in ran],
        "coverage": None if coverage is None else _coverage(coverage),
        "diagnostics": [],
    }


def _test(ran: Ran, sources: Mapping[str, Source]) -> dict[str, Any]:
    scenario = ran.result.scenario
    return {
        "name": scenario.name,
        **_place(scenario.name_span, sources),
        "outcome": ran.result.outcome,
        "seconds": round(ran.seconds, 6),
        "failures": [_failure(one, scenario.starts_ms, sources) for one in ran.result.failures],
    }


def _failure(failure: Failure, starts_ms: int, sources: Mapping[str, Source]) -> dict[str, Any]:
    elsewhere = failure.elsewhere
    return {
        **_place(failure.span, sources),
        "expected": written(failure.span, sources),
        "message": failure.message,
        "instead": failure.instead,
        "effects": [_effect(effect, starts_ms) for effect in failure.effects],
        "elsewhere": None if elsewhere is None else _effect(elsewhere, starts_ms),
        "reasons": [
            {
                "loop": verdict.loop,
                "key": list(verdict.key),
                "reason": verdict.reason,
                "detail": verdict.detail,
                "at": time_text(verdict.time_ms, starts_ms),
            }
            for verdict in failure.verdicts
        ],
        "notes": list(failure.notes),
    }


def _effect(effect: Effect, starts_ms: int) -> dict[str, Any]:
    """In the shape of `firings --format json`, with who did it and when."""
    shapes: dict[str, dict[str, Any]] = {
        "set": {"knob": effect.name, "key": list(effect.key), "value": effect.values.get("value")},
        "do": {"action": effect.name, "args": effect.values},
        "emit": {"event": effect.name, "payload": effect.values},
    }
    return {
        "kind": effect.kind,
        **shapes[effect.kind],
        "by": effect.by,
        "at": time_text(effect.time_ms, starts_ms),
        "time": moment_text(effect.time_ms),
    }


def _coverage(coverage: CoverageReport) -> dict[str, Any]:
    return {
        "percent": round(coverage.percent, 2),
        "covered": coverage.covered,
        "total": coverage.total,
        "loops": [
            {
                "loop": one.loop,
                "path": one.path,
                "covered": list(one.covered),
                "missing": list(one.missing),
            }
            for one in coverage.loops
        ],
    }


def _place(span: Span, sources: Mapping[str, Source]) -> dict[str, Any]:
    source = sources.get(span.path)
    line, column = source.position(span.start) if source else (1, 1)
    return {"path": span.path, "line": line, "column": column}


# ---- JUnit ---------------------------------------------------------------------------------------


def as_junit(ran: Sequence[Ran], sources: Mapping[str, Source]) -> bytes:
    """The results as JUnit XML, one suite a file, as build servers read it."""
    root = ET.Element("testsuites", {"name": "rules-engine", **_counts(ran)})
    for path, group in groupby(ran, key=lambda one: one.result.scenario.path):
        inside = list(group)
        suite = ET.SubElement(root, "testsuite", {"name": _xml(path), **_counts(inside)})
        for one in inside:
            _case(suite, one, sources)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _counts(ran: Iterable[Ran]) -> dict[str, str]:
    inside = list(ran)
    counts = Counter(one.result.outcome for one in inside)
    return {
        "tests": str(len(inside)),
        "failures": str(counts["failed"]),
        "errors": str(counts["error"]),
        "skipped": "0",
        "time": f"{sum(one.seconds for one in inside):.6f}",
    }


def _case(suite: ET.Element, ran: Ran, sources: Mapping[str, Source]) -> None:
    scenario = ran.result.scenario
    place = _place(scenario.name_span, sources)
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": _xml(scenario.path),
            "name": _xml(scenario.name),
            "file": _xml(scenario.path),
            "line": str(place["line"]),
            "time": f"{ran.seconds:.6f}",
        },
    )
    failures = ran.result.failures
    if not failures:
        return
    kind = "error" if ran.result.outcome == "error" else "failure"
    first = failures[0]
    instead = f" ({first.instead})" if first.instead else ""
    message = f"{first.message}: {written(first.span, sources)}{instead}"
    text = "\n\n".join("\n".join(failure_lines(one, scenario.starts_ms, sources)) for one in failures)
    ET.SubElement(case, kind, {"message": _xml(message), "type": kind}).text = _xml(text)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


# ---- one failure ---------------------------------------------------------------------------------


def failure_lines(failure: Failure, starts_ms: int, sources: Mapping[str, Source]) -> list[str]:
    """A failure in plain lines: where, what was expected, and what there is to know."""
    place = _place(failure.span, sources)
    head = f"{place['path']}:{place['line']}:{place['column']}: {failure.message}"
    return [head, f"  {written(failure.span, sources)}", *(f"  {line}" for line in facts(failure, starts_ms))]


def facts(failure: Failure, starts_ms: int) -> list[str]:
    """What happened instead, why loops did not act, and what else may explain it."""
    lines = [f"happened: {_effect_line(effect, starts_ms)}" for effect in failure.effects[:_MOST]]
    if len(failure.effects) > _MOST:
        lines.append(f"happened: and {len(failure.effects) - _MOST} more")
    if not failure.effects:
        lines.append("happened: nothing")
    if failure.elsewhere is not None:
        lines.append(
            f"before the last step: {_effect_line(failure.elsewhere, starts_ms)};"
            " an `expect` sees what happened since the step before it"
        )
    lines += [f"reason: {verdict_text(verdict, starts_ms)}" for verdict in failure.verdicts[:_MOST]]
    if len(failure.verdicts) > _MOST:
        lines.append(f"reason: and {len(failure.verdicts) - _MOST} more loops and keys")
    if not failure.verdicts and not failure.notes:
        lines.append("reason: no loop has looked at anything yet")
    return lines + [f"note: {note}" for note in failure.notes]


#: So many effects and reasons are told to people; JSON has all.
_MOST = 20


def _effect_line(effect: Effect, starts_ms: int) -> str:
    return f"{effect_text(effect)}, by {effect.by} at {time_text(effect.time_ms, starts_ms)}"
