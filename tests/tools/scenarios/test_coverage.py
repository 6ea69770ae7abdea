"""What counts as seen of a loop, goal by goal: with a step that shows it, and without."""

from __future__ import annotations

import pytest

from rules_engine.tools.scenarios.coverage import Coverage
from rules_engine.tools.scenarios.observations import Observations
from rules_engine.tools.scenarios.suite import Suite

A = 'send A { k: "a", x: 2 }'
LOW = 'send A { k: "a", x: 0 }'
LATCH = "loop l on A per k when x > 1 until x < 1 set rate = 5 while active after 10m { emit OUT { k } }"

CASES = [
    ("fired", "loop l on A per k emit OUT { k }", f"at 0m {A}", "at 0m"),
    ("filter", "loop l on A[x > 1] per k emit OUT { k }", f"at 0m {LOW}", f"at 0m {A}"),
    ("key", "loop l on A per k emit OUT { k }", "at 0m send A { x: 1 }", f"at 0m {A}"),
    ("condition true", "loop l on A per k when x > 1 emit OUT { k }", f"at 0m {A}", f"at 0m {LOW}"),
    ("condition false", "loop l on A per k when x > 1 emit OUT { k }", f"at 0m {LOW}", f"at 0m {A}"),
    ("condition true", "loop l on A per k when x > 1 for 1h emit OUT { k }", f"at 0m {A}", f"at 0m {LOW}"),
    ("hold", "loop l on A per k when x > 1 for 1h emit OUT { k }", f"at 0m {A}", f"at 0m {LOW}"),
    ("gather", "loop l on A per k gather 5m emit OUT { k }", f"at 0m {A}", "at 0m"),
    ("cooldown", "loop l on A per k cooldown 5m emit OUT { k }", f"at 0m {A} {LOW}", f"at 0m {A}"),
    ("cooldown", "loop l on A per k cooldown 5m emit OUT { k }", f"at 0m {A} {LOW}", f"at 0m {A} at 5m {A}"),
    (
        "unless",
        "loop l on A per k cooldown 5m unless x < 1 emit OUT { k }",
        f"at 0m {A} {LOW}",
        f"at 0m {A} at 5m {LOW}",
    ),
    ("limit", "loop l on A per k limit 1 per 5m emit OUT { k }", f"at 0m {A} {LOW}", f"at 0m {A}"),
    ("deadband", "loop l on A per k set still = 1 + x / 10", f"at 0m {A}", "at 0m"),
    ("after", LATCH, f"at 0m {A} at 10m", f"at 0m {A} at 9m"),
    ("cleared", LATCH, f"at 0m {A} {LOW}", f"at 0m {A}"),
    ("cleared", "loop l on no A within 5m per k emit OUT { k }", f"at 0m {A} at 6m {A}", f"at 0m {A} at 6m"),
    (
        "failed",
        "loop l on A per k do H.act(k) timeout 1s failed { emit OUT { k } }",
        f"at 0m stub H.act fails {A}",
        f"at 0m {A}",
    ),
]  # fmt: skip


@pytest.fixture
def covered(rules_of):
    """The goals that steps reach and miss, of the one loop there is."""

    def covered(loop: str, steps: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        rules = rules_of(f'{loop} test "x" {{ {steps} }}')
        suite, coverage = Suite(rules), Coverage(rules.plan, rules.program)
        for scenario in suite.scenarios:
            seen = Observations()
            seen.watchers.append(coverage.take)
            coverage.begin()
            suite.run(scenario, seen)
        report = coverage.report()
        if not report.loops:
            return (), ()
        [one] = report.loops
        assert report.total == len(one.covered) + len(one.missing)
        return one.covered, one.missing

    return covered


@pytest.mark.parametrize(("goal", "loop", "reaching", "missing"), CASES)
def test_a_goal_is_reached_by_what_shows_it_alone(covered, goal, loop, reaching, missing):
    assert goal in covered(loop, reaching)[0]
    assert goal in covered(loop, missing)[1]


@pytest.mark.parametrize(
    ("loop", "goals"),
    [
        ("loop l on B per k emit OUT { k }", {"fired", "key"}),
        ("loop l on C per k emit OUT { k }", {"fired"}),
        ("loop l on A emit OUT {}", {"fired"}),
        ("loop l on A per k set still = x emit OUT {}", {"fired", "key"}),
        ("loop l on A per k set rate = x", {"fired", "key"}),
        ('@off("why") loop l on A emit OUT {}', set()),
        ("@shadow loop l on A emit OUT {}", {"fired"}),
    ],
)
def test_only_what_a_loop_has_can_be_missed(covered, loop, goals):
    reached, missed = covered(loop, "at 0m")
    assert set(reached) | set(missed) == goals


def test_the_order_of_goals_is_that_of_judging(covered):
    loop = "loop l on A per k when x > 1 for 5m cooldown 5m limit 2 per 1h emit OUT { k }"
    assert covered(loop, "at 0m")[1] == (
        "key", "condition false", "condition true", "hold", "cooldown", "limit", "fired",
    )  # fmt: skip
