"""The marks in the texts of the corpus, and how findings are held against them."""

from __future__ import annotations

import pytest

from .mending import mended
from .reading import Expected, judge, read

UNUSED = "let poor = 0.3"
CONFLICT = """
event SCORED { node: str, score: float in 0..1 } from "judge"
action Nodes.set_rate(node: str, rate: float in 0..1)
knob rate per node in 0..1 = 1 drives Nodes.set_rate
loop first
  on SCORED
  per node
  set rate = 1FIRST
loop second
  on SCORED
  per node
  set rate = 0SECOND
"""


def test_an_expectation_stands_at_its_line_or_above_it() -> None:
    text = 'let a = 1  # expect: RE505, RE003\n  # expect: RE002\nlet b = "open'
    assert read("faulty/case", {"f": text}).expected == (
        Expected("f", 1, "RE505"),
        Expected("f", 1, "RE003"),
        Expected("f", 3, "RE002"),
    )


@pytest.mark.parametrize(
    "mark", ["# expect: RE999", "# expects: RE505", "# known miss: no code", "# Known miss: RE505: why"]
)
def test_a_mark_that_is_none_is_refused(mark: str) -> None:
    with pytest.raises(ValueError, match="faulty/case"):
        read("faulty/case", {"f": f"{UNUSED}  {mark}"})


def test_marks_of_what_is_known_carry_their_reason() -> None:
    rules = read("clean/case", {"f": "# known miss: RE505: not yet\n# known false alarm: RE401: too strict"})
    assert rules.known_misses == {"RE505": "not yet"}
    assert rules.known_false_alarms == {"RE401": "too strict"}


@pytest.mark.parametrize("place", ["FIRST", "SECOND"])
def test_a_finding_counts_at_each_place_it_points_at(place: str) -> None:
    text = CONFLICT.replace(place, "  # expect: RE401").replace("FIRST", "").replace("SECOND", "")
    seen = judge(read("faulty/case", {"f": text}))
    assert (seen.missed, seen.false_alarms) == ((), ())


def test_a_finding_elsewhere_is_a_miss_and_a_false_alarm() -> None:
    seen = judge(read("faulty/case", {"f": f"# expect: RE505\n# here\n{UNUSED}"}))
    assert seen.missed == (Expected("f", 2, "RE505"),)
    assert [found.code for found in seen.false_alarms] == ["RE505"]


@pytest.mark.parametrize(("code", "missed"), [("RE505", 0), ("RE5xx", 0), ("RE502", 1), ("RE4xx", 1)])
def test_a_family_stands_for_each_of_its_codes(code: str, missed: int) -> None:
    assert len(judge(read("faulty/case", {"f": f"{UNUSED}  # expect: {code}"})).missed) == missed


def test_information_is_counted_apart() -> None:
    redeclared = 'event ELO_UPDATED { config_key: str } from "me"'
    text = f"{redeclared}\naction A.go()\nloop a on ELO_UPDATED do A.go() timeout 1m"
    seen = judge(read("clean/case", {"f": text}))
    assert ([found.code for found in seen.notes], seen.false_alarms) == (["RE118"], ())


def test_mending_takes_untrue_marks_away_and_leaves_the_others() -> None:
    text = "\n".join(
        [
            "# a constant that nobody uses",
            "# known miss: RE505: found by now",
            "# known miss: RE502: not found yet",
            "# known false alarm: RE401: silent by now",
            f"{UNUSED}  # expect: RE505, RE502",
            "# expect: RE5xx",
            "let other = 1",
        ]
    )
    assert mended(read("faulty/case", {"f": text}))["f"].split("\n") == [
        "# a constant that nobody uses",
        "# known miss: RE502: not found yet",
        f"{UNUSED}  # expect: RE505, RE502",
        "# expect: RE505",
        "let other = 1",
    ]
