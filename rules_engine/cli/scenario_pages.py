"""What `test` shows people: each test with its outcome, failures with their place, coverage, a summary."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Self

from rules_engine.cli.excerpts import Label, excerpt, printable
from rules_engine.cli.output import coloured, say
from rules_engine.language.source import Source
from rules_engine.tools.scenarios.reports import Ran, facts

if TYPE_CHECKING:
    from rules_engine.tools.scenarios.coverage import CoverageReport
    from rules_engine.tools.scenarios.running import Failure

_RED, _GREEN, _YELLOW, _BLUE = "\033[1;31m", "\033[32m", "\033[33m", "\033[1;34m"
#: How often progress is written.
_EVERY_S = 0.2
_BOLD, _RESET = "\033[1m", "\033[0m"
_OUTCOMES = {"passed": ("passed", _GREEN), "failed": ("FAILED", _RED), "error": ("ERROR ", _RED)}


def _tinted(text: str, tint: str) -> str:
    return f"{tint}{text}{_RESET}" if coloured() else text


def print_results(ran: Sequence[Ran], sources: Mapping[str, Source]) -> None:
    """Every test with its outcome, by file; then the failures."""
    for path, group in groupby(ran, key=lambda one: one.result.scenario.path):
        say(_tinted(printable(path), _BOLD), styled=True)
        for one in group:
            word, tint = _OUTCOMES[one.result.outcome]
            say(f"  {_tinted(word, tint)}  {printable(one.result.scenario.name)}", styled=True)
    for one in ran:
        scenario = one.result.scenario
        failures = one.result.failures
        for number, failure in enumerate(failures):
            say()
            told_below = number + 1 < len(failures) and _same_facts(failure, failures[number + 1])
            known = [] if told_below else facts(failure, scenario.starts_ms)
            for line in _block(failure, scenario.name, known, sources):
                say(line, styled=True)
    say()


def _same_facts(one: Failure, other: Failure) -> bool:
    """Whether what is known of two failures is the same, so that it need not be said twice."""
    known = [(f.effects, f.elsewhere, f.verdicts, f.notes) for f in (one, other)]
    return known[0] == known[1]


def _block(failure: Failure, test: str, known: list[str], sources: Mapping[str, Source]) -> list[str]:
    """As findings look: what is wrong, the line with its place marked, then what is known of it."""
    source = sources.get(failure.span.path)
    line, column = source.position(failure.span.start) if source else (1, 1)
    width = len(str(line))
    margin = " " * width
    message = failure.message + (f": {failure.instead}" if failure.instead else "")
    lines = [
        f"{_tinted('failed', _RED)}{_tinted(f': {printable(test)}: {printable(message)}', _BOLD)}",
        f"{margin}{_tinted('-->', _BLUE)} {printable(failure.span.path)}:{line}:{column}",
    ]
    if source is not None:
        bar = _tinted("|", _BLUE)
        for row in excerpt(source, [Label(failure.span, "", primary=True)]):
            text = _tinted(row.text, _RED) if row.marks else row.text
            lines.append(f"{row.number or '':>{width}} {bar} {text}".rstrip())
        if known:
            lines.append(f"{margin} {bar}")
    lines += [f"{margin} {_tinted('=', _BLUE)} {printable(fact)}" for fact in known]
    return lines


def print_coverage(coverage: CoverageReport) -> None:
    """Each loop with its share, and what no test has seen of it."""
    width = max([len(one.loop) for one in coverage.loops], default=0)
    for one in coverage.loops:
        total = len(one.covered) + len(one.missing)
        share = f"{len(one.covered)}/{total}"
        tint = _YELLOW if one.missing else _GREEN
        missing = f"  never: {', '.join(one.missing)}" if one.missing else ""
        say(f"{one.loop:<{width}}  {_tinted(f'{share:>5}', tint)}{missing}", styled=True)
    say()


def print_summary(ran: Sequence[Ran], coverage: CoverageReport | None) -> None:
    """The last line: `2 failed, 5 passed in 0.02s, coverage 87.5%`."""
    counts: Counter[str] = Counter(one.result.outcome for one in ran)
    words = {"failed": "failed", "error": "errors" if counts["error"] != 1 else "error", "passed": "passed"}
    parts = ", ".join(f"{counts[outcome]} {word}" for outcome, word in words.items() if counts[outcome])
    text = f"{parts} in {sum(one.seconds for one in ran):.2f}s"
    if coverage is not None:
        text += f", coverage {coverage.percent:.1f}%"
    say(_tinted(text, _GREEN if counts["passed"] == len(ran) else _RED), styled=True)


class Progress:
    """On a terminal, once a run takes longer than `patience_s`: which test it is at, and how far."""

    def __init__(self, total: int, patience_s: float) -> None:
        self._total = total
        self._number = 0
        self._name = ""
        self._decisions = 0
        self._shown = False
        self._next_s = time.monotonic() + patience_s
        self.wanted = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def begin(self, name: str) -> None:
        """Another test begins."""
        self._number += 1
        self._name, self._decisions = printable(name)[:50], 0

    def pulse(self, _: Any) -> None:
        """Something was decided in it."""
        self._decisions += 1
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s, self._shown = now_s + _EVERY_S, True
            at = f"{self._number}/{self._total} {self._name}: {self._decisions:,} decisions"
            sys.stderr.write(f"\r\033[K{at}")
            sys.stderr.flush()

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\033[K")
