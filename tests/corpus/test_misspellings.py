"""Each word of the shipped loops, with two letters swapped: found where it stands, the right word named.

What lint does less well stands in two sets below; a mended message has to leave them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from rules_engine.language.diagnostics import Severity
from rules_engine.pipeline import check_texts
from rules_engine.shipped import shipped

#: Words whose slips are found without naming the word that was meant.
_NOT_NAMED = {
    "else",
    "match",
    "unknown",
    "momentum.loop: last",
    "momentum.loop: over",
    "quality.loop: last",
}
#: Slips that draw findings beyond the one that matters.
_WITH_CONSEQUENCES = {
    "backpressure.loop: every",
    "exploration.loop: since",
    "exploration.loop: unknown",
    "quality.loop: unknown",
    "regression.loop: since",
}

_WORD = re.compile(r'#.*|"(?:[^"\\]|\\.)*"|[A-Za-z_]\w{3,}')


@cache
def _texts() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in Path(shipped("rules")).glob("*.loop")}


def _words() -> Iterator[tuple[str, str, int]]:
    """The last place of each word within the loops of a file: there it is used, and not declared."""
    for path, text in sorted(_texts().items()):
        first = re.search(r"^loop ", text, re.MULTILINE)
        assert first
        tests = re.search(r"^test ", text, re.MULTILINE)
        places = {
            found[0]: found.start()
            for found in _WORD.finditer(text, first.start(), tests.start() if tests else len(text))
            if found[0][0] not in '#"'
            and not text.startswith("loop ", text.rfind("\n", 0, found.start()) + 1)
        }
        yield from ((path, word, place) for word, place in places.items() if _swapped(word) != word)


def _swapped(word: str) -> str:
    middle = len(word) // 2
    return word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]


@pytest.mark.parametrize(("path", "word", "place"), list(_words()), ids=str)
def test_a_misspelt_word_is_found_where_it_stands_and_the_right_one_named(
    path: str, word: str, place: int
) -> None:
    text = _texts()[path]
    rules = check_texts({**_texts(), path: text[:place] + _swapped(word) + text[place + len(word) :]})
    findings = [finding for finding in rules.diagnostics if finding.severity is not Severity.INFO]

    line = text.count("\n", 0, place) + 1
    here = [f for f in findings if rules.sources[f.span.path].position(f.span.start)[0] == line]
    assert here, "not found where it stands"
    named = not {word, f"{path}: {word}"} & _NOT_NAMED
    assert any(word in f.help for f in here) is named, [f.help for f in here]
    alone = f"{path}: {word}" not in _WITH_CONSEQUENCES
    assert (len(findings) == 1) is alone, [f.message for f in findings]
