"""Lint, measured on rule sets that it was not written for. `python -m tests.corpus` prints the rates.

What lint misses, and where it raises a false alarm, is marked in the set; so these tests assert exactly
the present state, and a mended check fails here until its mark is gone.
"""

from __future__ import annotations

import pytest

from .reading import RuleTexts, corpus, verdict

CORPUS = list(corpus().values())
FAULTY = [rules for rules in CORPUS if rules.faulty]
CLEAN = [rules for rules in CORPUS if not rules.faulty]

_each = pytest.mark.parametrize("rules", CORPUS, ids=lambda rules: rules.name)


def test_the_corpus_is_large_enough_to_give_a_rate() -> None:
    assert len(FAULTY) >= 60
    assert len(CLEAN) >= 60


@_each
def test_a_set_says_what_it_shows(rules: RuleTexts) -> None:
    for path, text in rules.texts.items():
        assert text.startswith("# "), f"{path} does not begin with what it shows"
    assert bool(rules.expected) == rules.faulty, "a faulty set expects a finding, a clean one none"


@_each
def test_lint_finds_what_is_wrong_and_nothing_else(rules: RuleTexts) -> None:
    seen = verdict(rules.name)
    missed = {finding.code for finding in seen.missed}
    assert missed == set(rules.known_misses), (
        f"missed {seen.missed}, marked as missed {dict(rules.known_misses)}, found {[*map(str, seen.found)]}"
    )
    alarms = {finding.code for finding in seen.false_alarms}
    assert alarms == set(rules.known_false_alarms), (
        f"false alarms {[*map(str, seen.false_alarms)]}, marked {dict(rules.known_false_alarms)}"
    )
