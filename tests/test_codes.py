"""The pages under docs/reference/codes are the test cases of the linter.

Each page shows an example to avoid with its exact output and one to prefer without the finding.
After a change of wording, `UPDATE_PAGES=1 pytest tests/test_codes.py` writes the outputs anew.

A block ```loop is the file `case.loop`; ```loop other.loop names another file of the same example.
In ```loop bytes each `\\xNN` stands for that byte, for what no text can hold.
A block ```python is a module of handlers, as given with `--handlers`.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

import rules_engine.checks
import rules_engine.language
from rules_engine.cli.rendering import as_text
from rules_engine.language.diagnostics import CODES, Diagnostic, Severity
from rules_engine.language.source import Source
from rules_engine.shipped import shipped

PAGES = Path(shipped("docs/reference/codes"))
_HANDLERS = re.compile(r"^```python\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```loop ?(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_OUTPUT = re.compile(r"(?P<before>^```output\n)(?P<text>.*?)(?P<after>^```$)", re.MULTILINE | re.DOTALL)
_SECTIONS = ["Avoid", "Prefer", "Why"]

for package in (rules_engine.language, rules_engine.checks):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)


@dataclass(frozen=True)
class Page:
    """A page, taken apart."""

    code: str
    heading: str
    intro: str
    sections: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Page:
        heading, _, rest = path.read_text(encoding="utf-8").partition("\n")
        intro, *parts = re.split(r"^## ", rest, flags=re.MULTILINE)
        sections = dict(part.split("\n", 1) for part in parts)
        return cls(path.stem, heading, intro.strip(), sections)

    def files(self, section: str) -> dict[str, bytes]:
        """The files of an example, by name."""
        found = {}
        for block in _BLOCK.finditer(self.sections[section]):
            info, data = block["info"].strip(), block["text"].encode()
            if info == "bytes":
                info, data = "", re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes.fromhex(m[1].decode()), data)
            found[info or "case.loop"] = data
        return found


def lint(page: Page, section: str) -> tuple[list[Diagnostic], Mapping[str, Source]]:
    """The findings of an example, with everything a rule set goes through."""
    from rules_engine.cli.authoring import handler_findings
    from rules_engine.pipeline import check_files

    rules = check_files(page.files(section))
    findings = list(rules.diagnostics)
    if handlers := _HANDLERS.search(page.sections[section]):
        module = ModuleType("handlers")
        exec(handlers["text"], vars(module))
        findings += handler_findings(rules, [module])
    return findings, rules.sources


def pages() -> list[Page]:
    return [Page.read(path) for path in sorted(PAGES.glob("RE*.md"))]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.code)
def test_the_example_to_avoid_gives_exactly_the_output_shown(page: Page) -> None:
    findings, sources = lint(page, "Avoid")
    text = as_text(findings, sources, color=False)
    assert page.code in {finding.code.id for finding in findings}, text
    if os.environ.get("UPDATE_PAGES"):
        path = PAGES / f"{page.code}.md"
        old = path.read_text(encoding="utf-8")
        path.write_text(_OUTPUT.sub(lambda m: m["before"] + text + m["after"], old), encoding="utf-8")
        return
    shown = _OUTPUT.search(page.sections["Avoid"])
    assert shown, f"{page.code}.md has no ```output block under Avoid"
    assert text == shown["text"]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.code)
def test_the_example_to_prefer_is_free_of_the_finding_and_of_errors(page: Page) -> None:
    findings, sources = lint(page, "Prefer")
    wrong = [f for f in findings if f.code.id == page.code or f.severity is Severity.ERROR]
    assert not wrong, as_text(wrong, sources, color=False)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.code)
def test_a_page_has_the_one_layout(page: Page) -> None:
    assert page.code in CODES, f"no finding has the code {page.code}"
    assert page.heading == f"# {page.code} {CODES[page.code].name}"
    assert page.intro
    assert list(page.sections) == _SECTIONS
    assert page.files("Avoid")
    assert page.files("Prefer")
    assert page.sections["Why"].strip()


def test_every_code_has_a_page() -> None:
    missing = sorted(set(CODES) - {page.code for page in pages()})
    assert not missing, f"write a page for each of {', '.join(missing)}"


def test_names_and_ids_are_told_apart() -> None:
    names = [code.name for code in CODES.values()]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"RE\d{3}", code) for code in CODES)


def test_the_list_of_diagnostics_has_every_code_as_it_is_declared() -> None:
    text = (PAGES.parent / "diagnostics.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| [RE")]
    shown = [
        f"| [{code.id}](codes/{code.id}.md) | {code.name} | {code.severity} | {code.summary} |"
        for code in sorted(CODES.values(), key=lambda code: code.id)
        if (PAGES / f"{code.id}.md").exists()
    ]
    assert [row.replace("\\|", "|") for row in rows] == shown


def test_the_outputs_in_the_list_of_diagnostics_are_those_of_the_pages() -> None:
    text = (PAGES.parent / "diagnostics.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\[(RE\d{3})\][^\n]*:\n\n```output\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(shown) == 10
    for code, output in shown:
        page = (PAGES / f"{code}.md").read_text(encoding="utf-8")
        assert f"```output\n{output}```" in page, code
