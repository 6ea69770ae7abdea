"""README and docs do what they say: loops are linted, their tests run, commands and Python executed.

In a fence marked `console`, each `$ ` line is a command run by bash, all of a page in one empty folder
that holds the loops of the page, and the lines below it are its output: `...` stands for anything. A
command that must fail is followed by `[exit 1]`, one of several lines goes on behind `> `. Fences marked
`loop` become files: `loop` alone joins `rules/`, `loop path=rules/x.loop` names the file, and together
they are one rule set whose tests pass. `text` fences are only shown.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from rules_engine.language.diagnostics import Severity
from rules_engine.language.formatting import format_source
from rules_engine.language.source import Source
from rules_engine.pipeline import check_texts
from rules_engine.tools.scenarios.suite import Suite

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if not {"codes", "events"} & set(page.parts)),
]
FENCE = re.compile(r"^```([a-z]+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    page: Path
    kind: str
    options: str
    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(kind: str) -> list[Block]:
    return [
        Block(page, kind, match[2].strip(), match[3], text.count("\n", 0, match.start()) + 1)
        for page in PAGES
        for text in [page.read_text()]
        for match in FENCE.finditer(text)
        if match[1] == kind
    ]


def loops_of(page: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for block in blocks("loop"):
        if block.page == page:
            path = block.options.removeprefix("path=") or f"rules/page_{block.line}.loop"
            texts[path] = texts.get(path, "") + block.text
    return texts


@pytest.mark.parametrize("page", [page for page in PAGES if loops_of(page)], ids=lambda page: page.name)
def test_the_loops_of_a_page_are_one_rule_set_without_errors(page: Path) -> None:
    rules = check_texts(loops_of(page))
    assert [f"{f.span.path}: {f.message}" for f in rules.diagnostics if f.severity is not Severity.INFO] == []


@pytest.mark.parametrize("page", [page for page in PAGES if loops_of(page)], ids=lambda page: page.name)
def test_the_tests_of_a_page_pass(page: Path) -> None:
    suite = Suite(check_texts(loops_of(page)))
    results = [suite.run(scenario) for scenario in suite.scenarios]
    assert [(r.scenario.name, r.failures) for r in results if r.outcome != "passed"] == []


@pytest.mark.parametrize("page", [page for page in PAGES if loops_of(page)], ids=lambda page: page.name)
def test_the_loops_of_a_page_are_in_the_one_layout(page: Path) -> None:
    for block in blocks("loop"):
        if block.page == page:
            assert format_source(Source(str(block), block.text)).text == block.text


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_a_python_block_runs(block: Block, tmp_path: Path) -> None:
    script = tmp_path / "block.py"
    script.write_text(block.text)
    result = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "page", sorted({block.page for block in blocks("console")}), ids=lambda page: page.name
)
def test_the_commands_of_a_page_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    for path, text in loops_of(page).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    session = [step for block in blocks("console") if block.page == page for step in _session(block.text)]
    for command, expected, code in session:
        result = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        got = result.stdout + result.stderr
        assert result.returncode == code, f"$ {command}\n{got}"
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(expected, got, flags), f"$ {command}\n{got}"


def _session(text: str) -> list[tuple[str, str, int]]:
    commands: list[tuple[str, str, int]] = []
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        while more := re.match(r">(?: (.*))?\n", output):  # a command of several lines
            command, output = f"{command}\n{more[1] or ''}", output[more.end() :]
        code = 0
        if match := re.search(r"^\[exit (\d)\]\n?", output, re.MULTILINE):
            code, output = int(match[1]), output.replace(match[0], "")
        commands.append((command, output or "", code))
    return commands


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", re.sub(FENCE, "", page.read_text()))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_make_is_all_the_readme_needs() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme
    assert "make test" in readme
    assert shutil.which("make")
