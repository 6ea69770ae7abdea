"""A test decides what a replay of its events decides, and nothing that can be written makes it raise."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules_engine.event import Kind, Row
from rules_engine.language.program import STARTS_MS
from rules_engine.pipeline import check_texts
from rules_engine.tools.replay import replay
from rules_engine.tools.scenarios.observations import Observations
from rules_engine.tools.scenarios.suite import Suite

RULES = """
event A { k: str?, x: float? } dedup off from "a test"
event OUT { k: str?, x: float? } dedup off
action H.act(k: str?)
knob fading per k in 0..10 = 1 decay 10m drives H.turn
action H.turn(k: str, v: float)

loop held on A per k when x > 2 for 2m until x < 1 for 1m cooldown 3m
  set fading += 2 while active  after 4m { emit OUT { k, x: 9 } }  cleared { emit OUT { k, x: 0 } }
loop counts on OUT per k when count(over 5m) >= 2 cooldown 1m do H.act(k) retry 1 every 1m timeout 1s
loop quiet on no A within 3m emit OUT { k: "quiet" }
loop gathers on A gather quiet 2m emit OUT { k: "all", x: sum(x) }
loop hourly on every 7m set fading["a"] += 0.5
loop hears on change of fading per k when new > 3 emit OUT { k, x: new }
"""

ACTS = st.one_of(
    st.builds(lambda k, x: f'send A {{ k: "{k}", x: {x} }}', st.sampled_from("ab"), st.sampled_from("01234")),
    st.just("restart"),
)
STEPS = st.lists(st.tuples(st.integers(0, 240), st.lists(ACTS, max_size=3)), max_size=12)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _firings(firings) -> list[tuple[object, ...]]:
    return [(f.loop, f.key, f.cause, f.time_ms, f.effects, f.because) for f in firings]


@QUICK
@given(STEPS)
def test_l50_a_test_decides_what_a_replay_of_its_events_decides(steps):
    at_s, times, text = 0, [], ""
    for gap_s, acts in steps:
        at_s += gap_s
        times += [(at_s, act) for act in acts]
        text += f"at {at_s}s {' '.join(acts)} "
    rules = check_texts({"a.loop": f'{RULES} test "x" {{ {text} at {at_s + 600}s expect nothing }}'})
    fired = []
    seen = Observations()
    seen.watchers.append(lambda decision: fired.extend(decision.firings))
    suite = Suite(rules)
    suite.run(suite.scenarios[0], seen)

    rows = [Row(1, STARTS_MS, Kind.TICK, "start", "tick")]
    for at_s_sent, act in times:
        if act.startswith("send"):
            k, x = act[act.index('"') + 1], float(act[-3])
            row = Row(
                len(rows) + 1,
                STARTS_MS + at_s_sent * 1000,
                Kind.EVENT,
                f"e{len(rows)}",
                "A",
                {"k": k, "x": x},
            )
            rows.append(row)
    replayed = list(replay(rules.plan, rows, until_ms=STARTS_MS + (at_s + 600) * 1000))
    assert _firings(fired) == _firings(replayed)


WORDS = st.sampled_from(
    """at 0m;at 5m;at 2d;send A { k: "a", x: 5 };send A { x: unknown };send A {};send A { k: "", x: 1 }
    send A { x: 1 / 0 };given fading["a"] = 3;given fading[""] = 1;stub H.act fails;stub H.turn fails 3 times
    restart;reload "a.loop";reload "/";expect nothing;expect nothing else because hold;expect set fading
    expect set fading["a"] = 2;expect emit OUT;expect emit OUT { k: "a", x: 0 };expect do H.act
    expect do H.turn("a", 3);expect;send;at;{;};";because;unknown;given;send NOPE { x: "" };fails""".replace(
        "\n", ";"
    ).split(";")
)


@QUICK
@given(st.lists(WORDS, max_size=14))
def test_whatever_a_test_says_is_an_answer(words):
    rules = check_texts({"a.loop": f'{RULES} test "x" {{ at 0m {" ".join(words)} }}'})
    if rules.plan is not None:
        suite = Suite(rules)
        for scenario in suite.scenarios:
            assert suite.run(scenario).outcome in ("passed", "failed", "error")


def test_many_expectations_of_one_step_are_matched():
    sends = " ".join(f'send A {{ k: "k{n}", x: {n} }}' for n in range(500))
    head = RULES.partition("loop held")[0] + "loop echo on A per k emit OUT { k, x }"
    steps = f"{sends} {'expect emit OUT ' * 499} expect emit OUT {{ x: 0 }} expect nothing else"
    rules = check_texts({"a.loop": f'{head} test "x" {{ at 0m {steps} }}'})
    suite = Suite(rules)
    assert suite.run(suite.scenarios[0]).outcome == "passed"
