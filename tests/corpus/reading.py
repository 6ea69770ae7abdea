"""The corpus: rule sets whose verdict was written down before lint saw them.

A set is one file, or a folder of files, under `faulty/` or `clean/`. Comments in the texts say what is
expected of lint:

    set rate *= 0.9                    # expect: RE303        a finding that points at this line
    # expect: RE003                                           alone on a line: at the next line
    # known miss: RE303: reads no `let`                       what is expected here is not found yet
    # known false alarm: RE401: the conditions exclude        this is found and should not be

A finding points at the line it stands on and at those it relates to: a conflict may be marked at either
of its loops. `RE3xx` is any finding of that family, for what has no code yet. Errors and warnings that
are not expected are false alarms, also in a faulty set; information is counted only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rules_engine.language.diagnostics import CODES, Diagnostic, Severity
from rules_engine.language.source import Source, Span
from rules_engine.pipeline import check_texts

ROOT = Path(__file__).parent

_EXPECT = re.compile(r"# expect: (?P<codes>RE\w{3}(?:, RE\w{3})*)\s*$")
#: A mark of what is known.
MARK = re.compile(r"^# (?P<what>known miss|known false alarm): (?P<code>RE\w{3}): (?P<why>\S.*)$")
_LIKE_A_MARK = re.compile(r"# *(?:expect\w*|known (?:miss|false)[\w ]*) *:", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Expected:
    """A finding that somebody who reads the set would make, at a line."""

    path: str
    line: int
    code: str

    def is_met_by(self, found: Found) -> bool:
        """Whether a finding is this one: of the code, or of the family `RE3xx`, and pointing at the line."""
        return (self.path, self.line) in found.places and (
            found.code == self.code or (self.code.endswith("xx") and found.code.startswith(self.code[:3]))
        )


@dataclass(frozen=True)
class Found:
    """A finding of lint, with every line it points at."""

    code: str
    severity: Severity
    message: str
    places: frozenset[tuple[str, int]]
    line: int

    def __str__(self) -> str:
        return f"{self.severity} {self.code} at {self.line}: {self.message}"


@dataclass(frozen=True)
class RuleTexts:
    """One set, with what is expected of lint."""

    name: str
    texts: Mapping[str, str]
    expected: tuple[Expected, ...]
    known_misses: Mapping[str, str]
    known_false_alarms: Mapping[str, str]

    @property
    def faulty(self) -> bool:
        """Whether something is wrong with it."""
        return self.name.startswith("faulty/")


@dataclass(frozen=True)
class Verdict:
    """What lint made of a set."""

    found: tuple[Found, ...]
    missed: tuple[Expected, ...]
    false_alarms: tuple[Found, ...]
    notes: tuple[Found, ...]


@cache
def corpus() -> Mapping[str, RuleTexts]:
    """All sets by name, in order."""
    return {rules.name: rules for rules in _sets()}


def _sets() -> Iterator[RuleTexts]:
    for kind in ("clean", "faulty"):
        for path in sorted((ROOT / kind).iterdir()):
            files = sorted(path.glob("*.loop")) if path.is_dir() else [path]
            yield read(f"{kind}/{path.stem}", {file.name: file.read_text(encoding="utf-8") for file in files})


def read(name: str, texts: Mapping[str, str]) -> RuleTexts:
    """A set, with the marks in its texts. Raises ValueError for a mark that is none."""
    marks: dict[str, dict[str, str]] = {"known miss": {}, "known false alarm": {}}
    expected = []
    for path, text in texts.items():
        for number, line in enumerate(text.splitlines(), start=1):
            if mark := MARK.match(line):
                marks[mark["what"]][mark["code"]] = mark["why"]
            elif expects := _EXPECT.search(line):
                below = line.lstrip().startswith("# expect")
                expected += [Expected(path, number + below, code) for code in expects["codes"].split(", ")]
            elif _LIKE_A_MARK.search(line):
                raise ValueError(f"{name}, {path}:{number}: not a mark: {line}")
    codes = {finding.code for finding in expected} | set(marks["known false alarm"])
    if unknown := [code for code in codes if code not in CODES and not code.endswith("xx")]:
        raise ValueError(f"{name}: no such code: {unknown}")
    return RuleTexts(name, texts, tuple(expected), marks["known miss"], marks["known false alarm"])


def _lines(source: Source, span: Span) -> Iterator[tuple[str, int]]:
    first, _ = source.position(span.start)
    last, _ = source.position(max(span.start, span.end - 1))
    return ((span.path, line) for line in range(first, last + 1))


@cache
def verdict(name: str) -> Verdict:
    """What lint says of a set now."""
    return judge(corpus()[name])


def judge(rules: RuleTexts) -> Verdict:
    """What lint says of a set, held against what is expected."""
    checked = check_texts(rules.texts)

    def seen(finding: Diagnostic) -> Found:
        spans = [finding.span, *(related.span for related in finding.related)]
        places = frozenset(place for span in spans for place in _lines(checked.sources[span.path], span))
        first = checked.sources[finding.span.path].position(finding.span.start)[0]
        return Found(finding.code.id, finding.severity, finding.message, places, first)

    found = tuple(seen(finding) for finding in checked.diagnostics)
    rest = [each for each in found if not any(e.is_met_by(each) for e in rules.expected)]
    return Verdict(
        found=found,
        missed=tuple(e for e in rules.expected if not any(e.is_met_by(each) for each in found)),
        false_alarms=tuple(each for each in rest if each.severity is not Severity.INFO),
        notes=tuple(each for each in rest if each.severity is Severity.INFO),
    )
