"""Cycles: what sets off what, what slows it, what ends it. Each from both sides."""

from __future__ import annotations

import pytest

PRELUDE = """
type mood = "low" | "fair" | "high"
event P { key: str, mood: mood?, round: int?, q: float?, note: str? } dedup off from "outside"
event Q { key: str, mood: mood?, round: int?, q: float?, note: str? } dedup off from "outside"
action H.take(key: str, value: float in 0..2)
action H.word(key: str, value: str)
action H.calls(key: str) emits P
knob rate per key in 0..2 = 1 decay 6h drives H.take
knob pace per key in "slow" | "fast" = "slow" drives H.word
event Z { key: str } dedup off from "outside"
loop zz on Z per key cooldown 1h set rate = 1 set pace = "fast" do H.calls(key) timeout 1m
"""
MORE = (
    "\nknob k per key in 0..2 = 1 decay 1h drives H.more"
    "\naction H.more(key: str, value: float in 0..2) emits P"
)
ENDLESS, DAMPED, GROWING = "RE301", "RE302", "RE306"


def loop(body: str, name: str = "x", on: str = "P") -> str:
    return f"\nloop {name} on {on} per key {body}"


def about_cycles(codes: list[str]) -> list[str]:
    return sorted(code for code in codes if code in (ENDLESS, DAMPED, GROWING))


#: What nothing slows or stops, and the same with something that does: what it is then, if anything.
PAIRS = [
    # what opens a cycle: a constant that the condition or filter excludes
    (loop('emit P { key, mood: "low" }'), loop('when mood == "high" emit P { key, mood: "low" }'), ""),
    (
        loop('emit P { key, note: "x" }'),
        loop('emit P { key, note: "x" }', on='P[note != "x"]'),
        "",
    ),
    (
        loop('with m = "low" emit P { key, mood: m }'),
        loop('with m = "low" when mood != m emit P { key, mood: m }'),
        "",
    ),
    (
        "\nlet m = 3" + loop("emit P { key, round: m }"),
        "\nlet m = 3" + loop("when round > m emit P { key, round: m }"),
        "",
    ),
    (loop("emit P { key }"), loop("when mood is known emit P { key }"), ""),
    (loop('emit P { key, mood: "low" }'), loop('when mood is unknown emit P { key, mood: "low" }'), ""),
    (loop('emit P { key, note: "abc" }'), loop('when note matches "b*" emit P { key, note: "abc" }'), ""),
    (loop('emit P { key: "one" }'), loop('when key != "one" emit P { key: "one" }'), ""),
    (loop("when rate <= 2 emit P { key }"), loop("when not (rate <= 2) emit P { key }"), ""),
    # what the condition leaves of a field is what is passed on
    (
        loop("when q < 0.5 emit Q { key, q }") + loop("when q < 0.6 emit P { key, q }", "y", "Q"),
        loop("when q < 0.5 emit Q { key, q }") + loop("when q > 0.6 emit P { key, q }", "y", "Q"),
        "",
    ),
    (
        loop("emit Q { key, q } if q < 0.5") + loop("when q <= 0.6 emit P { key, q }", "y", "Q"),
        loop("emit Q { key, q } if q < 0.5") + loop("when q >= 0.6 emit P { key, q }", "y", "Q"),
        "",
    ),
    # damping of each kind
    (loop("emit P { key }"), loop("cooldown 5m emit P { key }"), DAMPED),
    (loop("emit P { key }"), loop("limit 3 per 1h emit P { key }"), DAMPED),
    (loop("when q < 1 emit P { key, q }"), loop("when q < 1 for 1m emit P { key, q }"), DAMPED),
    (loop("when q < 1 emit P { key, q }"), loop("when q < 1 until q > 2 emit P { key, q }"), DAMPED),
    (loop("emit P { key }"), loop("when count(over 1h) < 3 emit P { key }"), DAMPED),
    (loop("do H.calls(key) timeout 1m"), loop("cooldown 5m do H.calls(key) timeout 1m"), DAMPED),
    # a cooldown that its own event passes is none
    (
        loop('cooldown 5m unless mood == "high" emit P { key, mood: "high" }'),
        loop('cooldown 5m unless mood == "high" emit P { key, mood: "low" }'),
        DAMPED,
    ),
    # a latch ends a cycle unless the cycle itself clears it
    (
        loop(
            'when mood == "low" until mood == "high" emit P { key, mood: "high" }'
            ' cleared { emit P { key, mood: "low" } }'
        ),
        loop(
            'when mood == "low" until mood == "high" emit P { key, mood: "low" }'
            ' cleared { emit P { key, mood: "high" } }'
        ),
        DAMPED,
    ),
    # a counter that the condition ends
    (
        loop("emit P { key, round: round + 1 }"),
        loop("emit P { key, round: round + 1 } if round < 3"),
        DAMPED,
    ),
    (
        loop("when round < 9 emit P { key, round: round - 1 }"),
        loop("when round > 0 and round < 9 emit P { key, round: round - 1 }"),
        DAMPED,
    ),
    (
        loop("when round < 9 emit P { key, round }"),
        loop("when round < 9 emit P { key, round: (round ?? 0) + 1 }"),
        DAMPED,
    ),
    (
        loop("when round < 9 emit Q { key, round: round + 1 }")
        + loop("emit P { key, round: round - 1 }", "y", "Q"),
        loop("when round < 9 emit Q { key, round: round + 1 }") + loop("emit P { key, round }", "y", "Q"),
        DAMPED,
    ),
    # one that takes longer than a chain may be deep is no end
    (
        loop("emit P { key, round: round + 1 } if round < 17"),
        loop("emit P { key, round: round + 1 } if round < 16"),
        DAMPED,
    ),
    # a new key in each turn: what is kept per key holds nothing up
    (
        loop('cooldown 1h emit P { key: "{key}x" }'),
        loop("cooldown 1h emit P { key }"),
        DAMPED,
    ),
    # knobs that set each other off
    (
        "\nloop x on change of rate per key set rate = (1 + new) / 2",
        "\nloop x on change of rate per key set rate = 1",
        DAMPED,
    ),
    # a sequence needs all its steps, a repetition several events
    (
        "\nloop x on P then Q within 1h per key emit P { key } emit Q { key }",
        "\nloop x on P then Q within 1h per key emit Q { key }",
        DAMPED,
    ),
    (loop("emit P { key }"), loop("emit P { key }", on="2 P within 1h"), DAMPED),
    # a knob that makes the loop's own condition false
    (
        loop('when pace == "slow" set pace = "slow" emit P { key }'),
        loop('when pace == "slow" set pace = "fast" emit P { key }'),
        DAMPED,
    ),
    (
        loop('when pace == "slow" set pace = "fast" emit Q { key }')
        + loop('set pace = "slow" emit P { key }', "y", "Q"),
        loop('when pace == "slow" set pace = "fast" emit Q { key }') + loop("emit P { key }", "y", "Q"),
        DAMPED,
    ),
    # what a knob drives may emit
    (
        MORE + loop("set k *= 1"),
        MORE + loop("cooldown 1m set k *= 1"),
        DAMPED,
    ),
]


@pytest.mark.parametrize(("endless", "other", "then"), PAIRS, ids=[f"{n}" for n, _ in enumerate(PAIRS)])
def test_a_cycle_is_endless_until_something_slows_or_ends_it(
    codes, endless: str, other: str, then: str
) -> None:
    assert about_cycles(codes(PRELUDE + endless)) == [ENDLESS]
    assert about_cycles(codes(PRELUDE + other)) == ([then] if then else [])


def test_nothing_is_said_of_the_prelude(codes) -> None:
    assert codes(PRELUDE) == []


def test_a_cycle_shows_its_way_with_the_place_of_each_hop(judge) -> None:
    text = (
        PRELUDE
        + loop("emit Q { key, mood }", "a")
        + loop('when mood == "high" emit P { key, mood }', "b", "Q")
    )
    [found] = [f for f in judge(text) if f.code.id == ENDLESS]
    assert found.severity == "error"
    assert [(hop.loop, hop.does, hop.to) for hop in found.witness] == [
        ("a", "emits Q", "b"),
        ("b", "emits P", "a"),
    ]
    assert [text[hop.span.start : hop.span.end] for hop in found.witness] == ["Q", "P"]


def test_an_action_that_emits_is_named_in_the_way(judge) -> None:
    [found] = judge(PRELUDE + loop("do H.calls(key) timeout 1m"))
    assert [hop.does for hop in found.witness] == ["does H.calls, which emits P"]


@pytest.mark.parametrize(
    ("damping", "rate"),
    [
        ("limit 6 per 1h", "at most 6 times in 1h for each key"),
        ("limit 6 per 1h overall", "at most 6 times in 1h over all keys"),
        ("cooldown 20m limit 6 per 1h", "at most once in 20m for each key"),
        ("cooldown 5m limit 6 per 1h", "at most 6 times in 1h for each key"),
        ("when round > 0 for 2h cooldown 5m", "at most once in 2h for each key"),
        ("when count(over 2h) <= 3", "at most 3 times in 2h for each key"),
        ("cooldown 5m unless q > 1", "at most once in 5m for each key, but for `unless`"),
        ("when round > 0 until round < 0", "once for each time that the latch is entered"),
        ("when round > 0 and round < 9 for 1s", "at most once in 1s for each key"),
    ],
)
def test_a_damped_cycle_tells_its_worst_rate(judge, damping: str, rate: str) -> None:
    [found] = [f for f in judge(PRELUDE + loop(f"{damping} emit P {{ key, round }}")) if f.code.id != "RE601"]
    assert found.code.id == DAMPED
    assert f"started, {rate}: " in found.message


def test_the_slowest_loop_of_a_cycle_gives_the_rate(judge) -> None:
    text = loop("cooldown 5m emit Q { key }") + loop("cooldown 2m emit P { key }", "y", "Q")
    found = next(f for f in judge(PRELUDE + text) if f.code.id == DAMPED)
    assert "at most once in 5m" in found.message


def test_of_two_cycles_through_one_loop_both_are_told(codes) -> None:
    text = loop("emit Q { key }") + loop("emit P { key }", "y", "Q")
    assert about_cycles(codes(PRELUDE + text)) == [ENDLESS]
    more = loop('emit Q { key, mood: "low" }', "z")
    assert about_cycles(codes(PRELUDE + text + more)) == [ENDLESS, ENDLESS]


def test_a_loop_that_is_off_or_watched_closes_no_cycle(codes) -> None:
    assert about_cycles(codes(PRELUDE + '\n@off("later")' + loop("emit P { key }"))) == []
    assert about_cycles(codes(PRELUDE + "\n@shadow" + loop("emit P { key }"))) == []


GROWTH = [
    (loop("cooldown 1h set rate *= 1.3 emit P { key }"), loop("cooldown 1h set rate *= 1.0 emit P { key }")),
    (
        loop("cooldown 1h set rate *= 1.5 emit Q { key }") + loop("set rate *= 0.8 emit P { key }", "y", "Q"),
        loop("cooldown 1h set rate *= 1.25 emit Q { key }")
        + loop("set rate *= 0.8 emit P { key }", "y", "Q"),
    ),
    # the knob of the prelude halves in six hours
    (loop("cooldown 6h set rate *= 2.01 emit P { key }"), loop("cooldown 6h set rate *= 2 emit P { key }")),
    (
        loop("cooldown 1h set rate *= 1.3 emit P { key }"),
        loop("cooldown 1h set rate *= 1.3 for 1m emit P { key }"),
    ),
    (
        loop("cooldown 1h set rate *= 1.3 emit P { key }"),
        loop("cooldown 1h set rate *= 1.3 emit Q { key }") + loop("set rate = 1 emit P { key }", "y", "Q"),
    ),
]


@pytest.mark.parametrize(("grows", "other"), GROWTH, ids=[f"{n}" for n, _ in enumerate(GROWTH)])
def test_a_cycle_that_multiplies_a_knob_by_more_than_one_is_told(codes, grows: str, other: str) -> None:
    assert about_cycles(codes(PRELUDE + grows)) == [DAMPED, GROWING]
    assert about_cycles(codes(PRELUDE + other)) == [DAMPED]
