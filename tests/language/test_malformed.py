"""Malformed files, and every error that `lint` gives for each: these and nothing that follows from them.

A case in `malformed/*.txt` is a title, a text, and its findings: line, column, code and message, and
below it the help. An indented text stands as clauses of a loop, whose head is line 1 and which ends
in a good `do`. `frame.loop` declares what the texts name.

After a change of wording, `UPDATE_PAGES=1 pytest tests/language/test_malformed.py` writes the
findings anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rules_engine.language.diagnostics import Severity
from rules_engine.pipeline import check_files

FOLDER = Path(__file__).with_name("malformed")
FRAME = (FOLDER / "frame.loop").read_bytes()
TOPICS = sorted(FOLDER.glob("*.txt"))


@dataclass(frozen=True)
class Case:
    """One text with what is to be said of it."""

    title: str
    text: str
    findings: str

    @property
    def file(self) -> str:
        """The whole file that is read."""
        if not self.text.startswith("  "):
            return self.text
        return f"loop case on SCORED per config_key\n{self.text}  do Trainer.reset(config_key) timeout 1m\n"

    def __str__(self) -> str:
        return f"=== {self.title}\n{self.text}{self.findings}"


def cases(path: Path) -> Iterator[Case]:
    for block in re.split(r"^=== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, rest = block.partition("\n")
        text, findings = re.match(r"(.*?)(^--- .*|\Z)", rest, re.MULTILINE | re.DOTALL).groups()  # type: ignore[union-attr]
        yield Case(title, text, findings)


def found(case: Case) -> str:
    rules = check_files({"frame.loop": FRAME, "case.loop": case.file.encode()})
    lines = ""
    for finding in rules.diagnostics:
        if finding.severity is Severity.ERROR:
            assert finding.span.path == "case.loop", finding
            line, column = rules.sources["case.loop"].position(finding.span.start)
            lines += f"--- {line}:{column} {finding.code.id} {finding.message}\n    {finding.help}\n"
    return lines


@pytest.mark.parametrize("topic", TOPICS, ids=lambda path: path.stem)
def test_each_mistake_is_said_once_where_it_is_with_what_to_type(topic: Path) -> None:
    listed = list(cases(topic))
    if os.environ.get("UPDATE_PAGES"):
        text = "".join(str(Case(case.title, case.text, found(case))) for case in listed)
        topic.write_text(text, encoding="utf-8")
    wrong = [f"{case}is now\n{found(case)}" for case in listed if found(case) != case.findings]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda path: path.stem)
def test_every_case_has_findings_with_help_and_a_title_of_its_own(topic: Path) -> None:
    listed = list(cases(topic))
    assert len({case.title for case in listed}) == len(listed) > 20
    for case in listed:
        lines = case.findings.splitlines()
        assert lines, case.title
        assert all(line.strip() for line in lines), case.title


def test_the_frame_is_sound_by_itself() -> None:
    assert check_files({"frame.loop": FRAME}).ok
