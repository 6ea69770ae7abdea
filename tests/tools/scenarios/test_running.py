"""Tests of rules run as the language says (L43 to L46), each rule on both sides of its edge."""

from __future__ import annotations

import pytest

NO = "it did not happen"
LESS = "it happened less often than it is expected"

#: Says what it hears, and turns a knob.
ECHO = "loop echo on A per k emit OUT { k, x }"
SETS = "loop sets on A per k set rate = x"
HELD = "loop held on A per k when x > 1 for 10m emit OUT { k, x }"
LATCH = """loop latch on A per k when x > 1 until x < 1
  set rate = 5 while active  cleared { emit OUT { k } }"""


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        ('expect emit OUT { k: "a", x: 2 }', "passed"),
        ("expect emit OUT", "passed"),
        ("expect emit OUT { x: 2 }", "passed"),
        ("expect emit OUT { x: 3 }", NO),
        ('expect emit OUT { k: "b" }', NO),
        ("expect emit OUT { l: unknown }", "passed"),
        ("expect emit OUT { x: unknown }", NO),
        ("expect emit B", NO),
        ("expect set rate", NO),
        ("expect do H.act", NO),
    ],
)
def test_l44_an_expectation_compares_the_fields_it_names(outcome, expect, told):
    assert outcome(ECHO, f'at 0m send A {{ k: "a", x: 2 }} {expect}') == told


@pytest.mark.parametrize(
    ("sent", "expected", "told"),
    [
        ("0.5", "0.5000000009", "passed"),
        ("0.5", "0.5000000011", NO),
        ("0.5", "0.4999999991", "passed"),
        ("0.5", "0.4999999989", NO),
        ("3", "3.0", "passed"),
    ],
)
def test_l44_numbers_are_equal_within_a_billionth(outcome, sent, expected, told):
    assert outcome(ECHO, f'at 0m send A {{ k: "a", x: {sent} }} expect emit OUT {{ x: {expected} }}') == told


@pytest.mark.parametrize(
    ("expects", "told"),
    [
        ("expect emit OUT expect emit OUT", "passed"),
        ("expect emit OUT expect emit OUT expect emit OUT", LESS),
        ("expect emit OUT { x: 2 } expect emit OUT { x: 1 }", "passed"),
        ("expect emit OUT { x: 2 } expect emit OUT { x: 2 }", LESS),
        # a vague one first does not take what the precise one needs
        ("expect emit OUT expect emit OUT { x: 1 }", "passed"),
        ("expect emit OUT expect emit OUT { x: 1 } expect emit OUT", LESS),
    ],
)
def test_l44_each_effect_is_used_once_in_any_order(outcome, expects, told):
    sends = 'send A { k: "a", x: 1 } send A { k: "a", x: 2 }'
    assert outcome(ECHO, f"at 0m {sends} {expects}") == told


@pytest.mark.parametrize(
    ("expects", "told"),
    [
        ("expect nothing", "one thing happened"),
        ("expect nothing else", "one thing happened besides"),
        ("expect emit OUT expect nothing else", "passed"),
        ("expect emit OUT expect nothing", "one thing happened"),
    ],
)
def test_l44_nothing_is_no_effect_and_nothing_else_none_left_over(outcome, expects, told):
    assert outcome(ECHO, f'at 0m send A {{ k: "a", x: 1 }} {expects}') == told


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        # what an acting step has led to is seen by the step that asks, once
        ('at 0m send A { k: "a", x: 1 } at 1m expect emit OUT', "passed"),
        ('at 0m send A { k: "a", x: 1 } at 1m expect nothing', "one thing happened"),
        ('at 0m send A { k: "a", x: 1 } at 1m restart at 2m expect emit OUT', "passed"),
        ('at 0m send A { k: "a", x: 1 } expect emit OUT at 1m expect emit OUT', NO),
        ('at 0m send A { k: "a", x: 1 } expect emit OUT at 1m expect nothing', "passed"),
        ('at 0m send A { k: "a", x: 1 } at 1m expect emit OUT at 2m expect nothing', "passed"),
        # a step that sends asks about itself
        ('at 0m send A { k: "a", x: 1 } at 1m send B { k: "a" } expect nothing', "passed"),
        ('at 0m send A { k: "a", x: 1 } at 1m send B { k: "a" } expect emit OUT', NO),
    ],
)
def test_l44_an_expectation_sees_what_happened_since_the_last_step(outcome, steps, told):
    assert outcome(ECHO, steps) == told


@pytest.mark.parametrize(
    ("expect", "instead"),
    [
        ("expect emit OUT { x: 3 }", "x is 2, not 3"),
        ('expect emit OUT { k: "b", x: 2, l: [1] }', 'k is "a", not "b", l is unknown, not [1]'),
        ("expect emit B", ""),
        ('expect set rate["b"] = 2', 'key is ["z"], not ["b"]'),
        # of two the nearer one
        ('expect set rate["a"] = 7', "value is 2, not 7"),
    ],
)
def test_a_failure_says_how_the_nearest_effect_differs(run, expect, instead):
    loops = f'{ECHO} {SETS} loop also on A per k set rate["z"] = x'
    [failure] = run(f'{loops} test "x" {{ at 0m send A {{ k: "a", x: 2 }} {expect} }}').failures
    assert failure.instead == instead


def test_l44_what_fits_and_lay_before_the_last_step_is_told(run):
    text = 'test "x" { at 0m send A { k: "a", x: 1 } at 1m send B { k: "a" } expect emit OUT }'
    [failure] = run(ECHO + text).failures
    assert failure.elsewhere is not None
    assert failure.elsewhere.values == {"k": "a", "x": 1.0}


@pytest.mark.parametrize(
    ("loop", "steps", "reason"),
    [
        ("loop x on A[x > 5] per k emit OUT { k }", "", "filter"),
        ("loop x on A per k when x > 5 emit OUT { k }", "", "condition"),
        ("loop x on A per k when d > 5m emit OUT { k }", "", "unknown"),
        (HELD, "", "hold"),
        ("loop x on A per k gather 5m emit OUT { k }", "", "gather"),
        (LATCH, 'send A { k: "a", x: 3 } expect set rate at 1m', "active"),
        (f"{ECHO} cooldown 1h", 'send A { k: "a", x: 3 } expect emit OUT at 1m', "cooldown"),
        (f"{ECHO} limit 1 per 1h", 'send A { k: "a", x: 3 } expect emit OUT at 1m', "limit"),
        ("loop x on A per k set still = 1.4", "", "deadband"),
        (f"@shadow {ECHO}", "", "shadow"),
        (f'@off("why") {ECHO}', "", "off"),
    ],
)
def test_because_is_the_reason_that_stopped_the_loop(outcome, loop, steps, reason):
    sent = f'at 0m {steps} send A {{ k: "a", x: 2 }} expect nothing because'
    assert outcome(loop, f"{sent} {reason}") == "passed"
    other = "hold" if reason != "hold" else "condition"
    assert outcome(loop, f"{sent} {other}") == f"nothing happened, but not because of `{other}`"


def test_because_key_is_an_event_without_the_loops_key(outcome):
    assert outcome(ECHO, "at 0m send A { x: 2 } expect nothing because key") == "passed"


def test_because_stands_as_long_as_nothing_new_was_judged(outcome):
    asks = "expect nothing because hold"
    assert outcome(HELD, f'at 0m send A {{ k: "a", x: 2 }} at 8m {asks} at 9m {asks}') == "passed"
    later = f'at 0m send A {{ k: "a", x: 2 }} at 8m {asks} at 9m send A {{ k: "a", x: 0 }} {asks}'
    assert outcome(HELD, later) == "nothing happened, but not because of `hold`"


def test_because_is_about_what_was_judged_since_the_last_step(outcome):
    held = 'at 0m send A { k: "a", x: 2 } expect nothing because hold'
    other = 'at 1m send A { k: "b", x: 0 } expect nothing because'
    assert outcome(HELD, f"{held} {other} condition") == "passed"
    assert outcome(HELD, f"{held} {other} hold") == "nothing happened, but not because of `hold`"


@pytest.mark.parametrize(("at", "told"), [("9m59s999ms", NO), ("10m", "passed"), ("10m1ms", "passed")])
def test_l45_what_is_due_at_t_has_happened(outcome, at, told):
    assert outcome(HELD, f'at 0m send A {{ k: "a", x: 2 }} at {at} expect emit OUT {{ x: 2 }}') == told


def test_l45_timers_come_before_what_is_sent_at_their_time(outcome):
    steps = 'at 0m send A { k: "a", x: 2 } at 10m send A { k: "a", x: 0 } expect emit OUT { x: 2 }'
    assert outcome(HELD, steps) == "passed"


def test_l45_cascades_have_come_to_their_end(outcome):
    chain = ECHO + " loop second on OUT per k emit B { k, x } loop third on B per k do H.act(k, x)"
    steps = 'at 0m send A { k: "a", x: 2 } expect do H.act("a", 2) expect emit B expect emit OUT'
    assert outcome(chain, f"{steps} expect nothing else") == "passed"


@pytest.mark.parametrize(("starts", "told"), [("", "passed"), ('starts "2026-01-05T00:00:00.001Z"', NO)])
def test_l45_the_clock_starts_where_the_test_says(run, starts, told):
    """The zero-th minute is Monday 2026-01-05 00:00 UTC: an event at that very instant sees it."""
    result = run(f'{HELD} test "x" {starts} {{ at 0m send A {{ k: "a", x: 2 }} at 10m expect nothing }}')
    [effect] = result.failures[0].effects
    assert effect.time_ms == 1_767_571_200_000 + 600_000 + (1 if starts else 0)
    assert told


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ('at 0m send A { k: "a", x: 2 } expect set rate["a"] = 5 expect nothing else', "passed"),
        (
            (
                'at 0m send A { k: "a", x: 2 } expect set rate["a"] = 5'
                ' at 1m send A { k: "a", x: 0 } expect set rate["a"] = 1 expect emit OUT expect nothing else'
            ),
            "passed",
        ),
    ],
)
def test_l46_set_sees_clearing(outcome, steps, told):
    assert outcome(LATCH, steps) == told


def test_l46_set_sees_release(outcome):
    loop = "loop x on A per k set rate = 5 for 10m"
    sent = 'at 0m send A { k: "a" } expect set rate["a"] = 5'
    assert outcome(loop, f'{sent} at 9m59s expect nothing at 10m expect set rate["a"] = 1') == "passed"


def test_l46_set_sees_decay(outcome):
    loop = "loop x on A per k set fading = 3"
    sent = 'at 0m send A { k: "a" } expect set fading["a"] = 3'
    assert outcome(loop, f"{sent} at 59s expect nothing") == "passed"
    assert outcome(loop, f'{sent} at 1m expect set fading["a"] = 1 + 2 * 0.933032992') == NO
    assert outcome(loop, f'{sent} at 1m expect set fading["a"] = 2.866065983 expect nothing else') == "passed"


def test_a_set_that_changes_nothing_is_no_effect(outcome):
    assert outcome(SETS, 'at 0m send A { k: "a", x: 1 } expect nothing') == "passed"


def test_l46_do_sees_what_a_knob_drives(outcome):
    loop = "loop x on A per k set driven = x"
    steps = 'at 0m send A { k: "a", x: 2 } expect set driven["a"] = 2 expect do Drive.turn("a", 2)'
    assert outcome(loop, f"{steps} expect nothing else") == "passed"


@pytest.mark.parametrize(
    ("event", "at", "told"),
    [
        ('A { k: "a" }', "59s999ms", NO),
        ('A { k: "a" }', "60s", "passed"),
        ('A { k: "a", x: 1 }', "1s", "passed"),
        ('A { k: "a", x: unknown }', "1s", NO),
        ('SLOW { k: "a" }', "9m59s", NO),
        ('SLOW { k: "a" }', "10m", "passed"),
        ('FREE { k: "a" }', "0s", "passed"),
    ],
)
def test_l46_dedup_is_on_as_in_life(outcome, event, at, told):
    name = event.partition(" ")[0]
    loop = f"loop x on {name} per k emit OUT {{ k }}"
    first = f'at 0m send {name} {{ k: "a" }} expect emit OUT'
    assert outcome(loop, f"{first} at {at} send {event} expect emit OUT") == told


def test_l46_a_duplicate_is_told(run):
    text = 'test "x" { at 0m send A { k: "a" } expect emit OUT at 1s send A { k: "a" } expect emit OUT }'
    [failure] = run(ECHO + text).failures
    assert "counts as the same event" in failure.notes[0]


def test_l43_an_event_that_no_loop_of_the_test_hears_is_told(run):
    [failure] = run(ECHO + 'test "x" { at 0m send B { k: "a" } expect emit OUT }').failures
    assert failure.notes == ("no loop that this test runs hears `B`",)


ACTS = """loop acts on A per k do H.act(k, x) retry 2 every 1m timeout 5s do H.other(k) timeout 5s
  failed { emit OUT { k, x } }"""


@pytest.mark.parametrize(
    ("stub", "steps", "told"),
    [
        ("", "at 1h expect nothing", "passed"),
        ("stub H.act fails", "at 1m59s expect nothing", "passed"),
        ("stub H.act fails", "at 2m expect emit OUT { x: 2 } expect nothing else", "passed"),
        ("stub H.act fails 2 times", "at 1h expect nothing", "passed"),
        ("stub H.act fails 3 times", "at 2m expect emit OUT", "passed"),
        ("stub H.other fails 1 times", "expect emit OUT", "passed"),
        ("stub H.act fails stub H.other fails", "at 1h expect emit OUT expect nothing else", "passed"),
        # of the same lane: it waits until the one before it has been given up
        ("stub H.act fails stub H.other fails", "at 1m59s expect nothing", "passed"),
    ],
)
def test_l46_a_stub_fails_and_a_retry_takes_its_every(outcome, stub, steps, told):
    sent = f'at 0m {stub} send A {{ k: "a", x: 2 }} expect do H.act("a", 2) expect do H.other("a")'
    assert outcome(ACTS, f"{sent} {steps}") == told


def test_a_stub_lasts_from_its_step_on(outcome):
    loop = "loop acts on A per k do H.act(k, x) timeout 5s failed { emit OUT { k } }"
    early = 'at 0m send A { k: "a" } expect do H.act expect nothing else'
    assert outcome(loop, f'{early} at 1m stub H.act fails send A {{ k: "b" }} expect emit OUT') == "passed"


def test_l31_an_action_of_failed_that_fails_has_no_failed_of_its_own(outcome):
    loop = "loop acts on A per k do H.act(k) timeout 5s failed { do H.other(k) timeout 5s }"
    steps = 'at 0m stub H.act fails stub H.other fails send A { k: "a" } expect do H.act expect do H.other'
    assert outcome(loop, f"{steps} expect nothing else at 1d expect nothing") == "passed"


@pytest.mark.parametrize("restart", ["", "at 5m restart", "at 5m restart at 6m restart"])
def test_a_restart_changes_nothing(outcome, restart):
    sent = 'at 0m send A { k: "a", x: 2 }'
    assert outcome(HELD, f"{sent} {restart} at 9m59s expect nothing at 10m expect emit OUT") == "passed"
    counts = "loop n on A per k when count(x over 1h) >= 2 emit OUT { k }"
    again = 'at 20m send A { k: "a", x: 3 } expect emit OUT'
    assert outcome(counts, f"{sent} expect nothing {restart} {again}") == "passed"


def test_a_retry_outlives_a_restart(outcome):
    sent = 'at 0m stub H.act fails send A { k: "a", x: 2 } expect do H.act'
    assert outcome(ACTS, f"{sent} at 30s restart at 2m expect emit OUT") == "passed"


def test_what_is_given_is_there_already(outcome):
    loop = "loop x on A per k when driven > 2 set driven += 1"
    steps = 'at 0m given driven["a"] = 3 expect nothing send A { k: "a" } expect set driven["a"] = 4'
    assert outcome(loop, steps) == "passed"
    steps = 'at 0m given driven["b"] = 3 send A { k: "a" } expect nothing because condition'
    assert outcome(loop, steps) == "passed"
    word = 'loop x on A when mode == "low" emit OUT {}'
    assert outcome(word, 'at 0m given mode = "low" send A { } expect emit OUT') == "passed"


def test_what_is_given_decays_from_then_on(outcome):
    assert outcome("", 'at 0m given fading["a"] = 3 at 1m expect set fading["a"] = 2.866065983') == "passed"


def test_values_are_constants(run):
    text = 'let two = 1 + 1 test "x" { at 0m send A { k: "a", x: two * 2 } expect emit OUT { x: 4 } }'
    assert run(ECHO + text).outcome == "passed"


def test_derived_fields_of_emitted_events_can_be_named(outcome):
    loop = 'loop x on A per k emit C { k, j: "z" }'
    sent = 'at 0m send A { k: "a" }'
    assert outcome(loop, f'{sent} expect emit C {{ kj: "a/z", j: "z" }}') == "passed"
    assert outcome(loop, f'{sent} expect emit C {{ kj: "a/y" }}') == NO


def test_a_list_is_compared_item_by_item(outcome):
    loop = "loop x on A per k emit OUT { k, l }"
    sent = 'at 0m send A { k: "a", l: ["p", 2] }'
    assert outcome(loop, f'{sent} expect emit OUT {{ l: ["p", 2.0] }}') == "passed"
    assert outcome(loop, f'{sent} expect emit OUT {{ l: ["p", 2, 3] }}') == NO
    assert outcome(loop, f'{sent} expect emit OUT {{ l: ["p", true] }}') == NO


def test_a_run_ends_at_the_first_step_that_fails_with_all_its_failures(run):
    steps = 'at 0m send A { k: "a", x: 2 } expect set rate expect do H.act at 1m expect set mode'
    result = run(f'{ECHO} test "x" {{ {steps} }}')
    assert result.outcome == "failed"
    assert len(result.failures) == 2


def test_a_failure_tells_what_happened_and_why_loops_did_not_act(run):
    text = 'test "x" { at 0m send A { k: "a", x: 2 } at 5m expect emit OUT }'
    [failure] = run(HELD + text).failures
    assert failure.effects == ()
    [verdict] = failure.verdicts
    assert (verdict.loop, verdict.key, verdict.reason) == ("held", ("a",), "hold")
    assert "x = 2.0" in verdict.detail
