"""Which loops a test runs (L43), and what `reload` puts in whose place."""

from __future__ import annotations

import pytest

EVENTS = """
event A { k: str, x: float } from "a test"
event OUT { k: str, n: int? } from "a test"
"""
HELD = "loop held on A per k when x > 1 for 10m emit OUT { k, n: 1 }"
LATER = "loop held on A per k when x > 1 for 20m emit OUT { k, n: 2 }"
SOONER = "loop held on A per k when x > 1 for 2m emit OUT { k, n: 3 }"
OTHER = "loop other on A per k emit OUT { k, n: 9 }"
SENT = 'at 0m send A { k: "a", x: 2 }'
IS_HELD = f'test "x" {{ {SENT} expect nothing because hold at 10m expect emit OUT expect nothing else }}'


def outcomes(results) -> list[tuple[str, str]]:
    told = [(r.outcome, r.failures[0].message if r.failures else "") for r in results]
    return [(outcome, message) for outcome, message in told]


def test_l43_a_test_runs_the_loops_of_its_own_file(of_folder):
    files = {"rules__events": EVENTS, "rules__held": HELD + IS_HELD, "rules__other": OTHER}
    assert outcomes(of_folder(**files)) == [("passed", "")]


def test_l43_a_file_of_tests_only_runs_all_loops(of_folder):
    files = {"rules__events": EVENTS, "rules__held": HELD, "rules__other": OTHER}
    both = f'test "x" {{ {SENT} expect emit OUT {{ n: 9 }} at 10m expect emit OUT {{ n: 1 }} }}'
    assert outcomes(of_folder(**files, rules__tests=both)) == [("passed", "")]
    assert outcomes(of_folder(**files, rules__tests=IS_HELD)) == [("failed", "one thing happened")]


@pytest.mark.parametrize(
    ("new", "steps"),
    [
        (HELD, "at 10m expect emit OUT { n: 1 } expect nothing else"),
        (LATER, "at 19m59s expect nothing at 20m expect emit OUT { n: 2 } expect nothing else"),
        # judged anew against the kept start: overdue, and so at once
        (SOONER, "at 5m expect emit OUT { n: 3 } at 1h expect nothing"),
        (OTHER, "at 1h expect nothing"),
        (HELD.replace("x > 1", "x > 1 and x < 9"), "at 10m expect emit OUT { n: 1 }"),
        # another shape: it begins anew
        ("loop held on A[x > 0] per k when x > 1 for 10m emit OUT { k, n: 5 }", "at 1h expect nothing"),
    ],
)
def test_reload_puts_the_other_file_in_the_place_of_the_tests_own(of_folder, new, steps):
    text = f'{HELD} test "x" {{ {SENT} at 5m reload "../next/held.loop" {steps} }}'
    assert outcomes(of_folder(rules__events=EVENTS, rules__held=text, next__held=new)) == [("passed", "")]


def test_reload_runs_the_loops_of_the_other_file_alone(of_folder):
    text = f'{HELD} test "x" {{ at 0m reload "../next/x.loop" {SENT} expect nothing at 1h expect nothing }}'
    files = {"rules__events": EVENTS, "rules__held": text, "rules__other": OTHER}
    assert outcomes(of_folder(**files, next__x=LATER.replace("> 1", "> 5"))) == [("passed", "")]


def test_reload_twice_compares_with_the_rules_as_they_are_given(of_folder):
    text = (
        f'{HELD} test "x" {{ {SENT} at 1m reload "../next/a.loop" at 2m reload "../next/b.loop"'
        " at 20m expect emit OUT { n: 2 } expect nothing else }"
    )
    files = {"rules__events": EVENTS, "rules__held": text, "next__a": OTHER, "next__b": LATER}
    assert outcomes(of_folder(**files)) == [("passed", "")]


@pytest.mark.parametrize(
    ("dedup", "expect"), [("", "nothing"), ("dedup 10m", "nothing"), ("dedup off", "emit OUT")]
)
def test_reload_brings_the_dedup_of_the_new_rules(of_folder, dedup, expect):
    steps = f'{SENT} at 59s reload "../next/a.loop" send A {{ k: "a", x: 2 }} expect {expect}'
    text = f'{OTHER} {EVENTS} test "x" {{ {steps} }}'
    new = f"{OTHER} {EVENTS.replace('} from', f'}} {dedup} from', 1)}"
    assert outcomes(of_folder(rules__other=text, next__a=new)) == [("passed", "")]


@pytest.mark.parametrize(("name", "told"), [("held", "n: 2"), ("added", "n: 1")])
def test_reload_in_a_file_of_tests_only_replaces_the_file_of_that_name_or_adds_one(of_folder, name, told):
    steps = f'at 0m reload "../next/{name}.loop" {SENT} at 20m expect emit OUT {{ {told} }}'
    added = LATER if name == "held" else "loop added on A per k when x > 100 emit OUT { k }"
    files = {"rules__events": EVENTS, "rules__held": HELD, "rules__tests": f'test "x" {{ {steps} }}'}
    assert outcomes(of_folder(**files, **{f"next__{name}": added})) == [("passed", "")]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("nowhere.loop", "there is no such file or folder"),
        ("../next", "it is no .loop file"),
        ("../next/bad.txt", "it is no .loop file"),
        ("../next/bad.loop", "bad.loop:1:11 unknown event `NOPE`"),
        ("../next/held.loop", "the loop `held` is declared twice"),
    ],
)
def test_a_reload_that_cannot_be_is_an_error_of_the_test(of_folder, path, told):
    files = {
        "rules__events": EVENTS,
        "rules__other": f'{OTHER} test "x" {{ at 0m reload "{path}" expect nothing }}',
        "rules__held": HELD,
        "next__bad": 'loop x on NOPE emit OUT { k: "a" }',
        "next__held": HELD,
    }
    [result] = of_folder(**files)
    assert result.outcome == "error"
    assert told in result.failures[0].message


def test_what_is_given_must_be_there_after_a_reload(of_folder):
    knob = "knob rate per k in 0..1 = 1"
    text = f'{knob} {HELD} test "x" {{ at 0m reload "../next/held.loop" given rate["a"] = 0 expect nothing }}'
    for new, told in [
        (HELD, "there is no knob `rate`"),
        (f"{HELD} {knob.replace('0..1', '1..2')}", "lies in 1..2"),
    ]:
        [result] = of_folder(rules__events=EVENTS, rules__held=text, next__held=new)
        assert result.outcome == "error"
        assert told in result.failures[0].message
