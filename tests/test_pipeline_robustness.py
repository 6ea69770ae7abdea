"""Real files torn apart at random: every stage up to the plan answers, and nothing raises."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from rules_engine.pipeline import RuleSet, check_files
from rules_engine.shipped import shipped

FILES = sorted(Path(shipped("rules")).glob("*.loop"))
WORDS = b"or and not set emit do = == ( ) [ ] { } , : ; -> \xff \x00 null 5min 1.5h match over last *".split()


def torn(data: bytes, dice: random.Random) -> bytes:
    """The file with a byte, a line or a word dropped, doubled, put in or moved, up to four times."""
    for _ in range(dice.randint(1, 4)):
        separator = dice.choice([b"\n", b" "])
        parts: list[bytes] = data.split(separator)
        at, other = dice.randrange(len(parts)), dice.randrange(len(parts))
        change = dice.randrange(5)
        if change == 0:
            del parts[at]
        elif change == 1:
            parts[at], parts[other] = parts[other], parts[at]
        elif change == 2:
            parts.insert(at, dice.choice(WORDS))
        elif change == 3:
            parts[at : at + 1] = [parts[at], parts[at]]
        data = separator.join(parts)
        if change == 4:
            place = dice.randrange(len(data) + 1)
            data = data[:place] + bytes([dice.randrange(256)]) + data[place + 1 :]
    return data


def judged(path: Path, data: bytes) -> RuleSet:
    rules = check_files({path.name: data})
    for finding in rules.diagnostics:
        length = len(rules.sources[finding.span.path].text)
        assert 0 <= finding.span.start <= finding.span.end <= length + 1
        assert finding.message
    errors = [finding for finding in rules.diagnostics if finding.severity == "error"]
    assert rules.ok == (not errors)
    return rules


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_torn_apart_is_judged_or_compiled(path: Path) -> None:
    dice = random.Random(path.name)  # the same damage on every run
    whole = path.read_bytes()
    judged(path, whole)
    for _ in range(25):
        judged(path, torn(whole, dice))
