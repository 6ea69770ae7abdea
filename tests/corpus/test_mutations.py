"""Whatever is done to a text, lint answers with findings: an exception is a mistake of ours."""

from __future__ import annotations

import re
from random import Random

import pytest

from rules_engine.pipeline import check_texts

from .reading import RuleTexts, corpus

_WORD = re.compile(r'"[^"\n]*"|\w+|[^\w\s]')


def _damaged(text: str, random: Random) -> str:
    """The text with a word removed or repeated, or a line lost or doubled."""
    spans = [found.span() for found in _WORD.finditer(text)]
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    lines = list(zip(starts, [*starts[1:], len(text)], strict=True))
    start, end = random.choice(random.choice((spans, lines)))
    return text[:start] + random.choice(("", f"{text[start:end]} " * 2)) + text[end:]


@pytest.mark.parametrize("rules", list(corpus().values()), ids=lambda rules: rules.name)
def test_damaged_rules_give_findings_and_no_exception(rules: RuleTexts) -> None:
    random = Random(rules.name)
    checked = check_texts({path: _damaged(text, random) for path, text in rules.texts.items()})
    assert checked.ok or checked.diagnostics
