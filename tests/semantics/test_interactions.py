"""Clauses that meet: sequences, silences and batches under holds, latches, damping and unknowns."""

from __future__ import annotations

import pytest

S, M, H = 1_000, 60_000, 3_600_000


def a(at, **fields):
    return (at, "A", {"k": "a"} | fields)


def b(at, **fields):
    return (at, "B", {"k": "a"} | fields)


def c(at, **fields):
    return (at, "C", {"k": "a"} | fields)


def test_l18_a_match_begins_a_hold_that_binds_the_match(run):
    text = """
loop one "r" on A as p then B as q within 1h per k
  when q.x > 1 for 10m
  emit OUT { k, x: p.x, v: q.x }
"""
    found = run(text, a(0, x=5), b(M, x=2), a(2 * M, x=9), until=H)
    assert found.when == [(11 * M, "timer")]
    assert found.emitted == [{"k": "a", "x": 5, "v": 2}]


def test_l18_matches_enter_and_clear_a_latch(run):
    text = """
loop one "r" on A as p then B as q within 1h per k
  when q.x > 5 until q.x < 2 cooldown 10m
  emit OUT { v: q.x }
  cleared { emit OUT { v: p.x } }
"""
    found = run(
        text,
        a(0, x=1),
        b(M, x=6),
        b(2 * M, x=1),
        a(3 * M, x=7),
        b(4 * M, x=1),
        a(5 * M, x=1),
        b(14 * M - 1, x=6),
        a(14 * M - 1),
        b(14 * M, x=7),
    )
    assert found.when == [(M, "event"), (4 * M, "cleared"), (14 * M, "event")]
    assert found.emitted == [{"v": 6}, {"v": 7}, {"v": 7}]


def test_l18_matches_are_gathered_by_count(run):
    text = """
loop one "r" on A as p then B as q within 1h per k
  gather 10m max 2
  emit OUT { v: sum(q.x) , n: count() }
"""
    found = run(text, a(0), b(1, x=1), a(2), b(3, x=2), a(4), b(5, x=8), until=H)
    assert found.when == [(3, "event"), (5 + 10 * M, "timer")]
    assert found.emitted == [{"v": 3, "n": 2}, {"v": 8, "n": 1}]


def test_l18_silences_of_sequences_are_gathered(run):
    text = """
loop one "r" on A as p then no B within 1m per k
  gather 10m
  emit OUT { v: sum(p.x) , n: count() }
"""
    found = run(text, a(0, x=1), a(2 * M, x=2), a(20 * M, x=4), b(20 * M + 1), until=H)
    assert found.when == [(11 * M, "timer")]
    assert found.emitted == [{"v": 3, "n": 2}]


def test_l02_a_filter_that_is_unknown_neither_takes_a_step_nor_kills_a_match(run):
    text = """
loop one "r" on A as p then no C[x > 1] then B[x > 1] as q within 1h per k
  emit OUT { v: q.x }
"""
    found = run(text, a(0), c(1), b(2), b(3, x=2), a(4), c(5, x=2), b(6, x=2))
    assert found.times == [3]


def test_l02_an_unknown_until_leaves_the_latch(run):
    text = 'loop one "r" on A per k when x > 1 until n > 1 emit OUT { v: x } cleared { emit OUT { n } }'
    found = run(text, a(0, x=2), a(1, x=2), a(2, n=1), a(3, n=2))
    assert found.when == [(0, "event"), (3, "cleared")]


def test_l02_an_unknown_unless_does_not_lift_the_cooldown(run):
    text = 'loop one "r" on A per k cooldown 1m unless x > 1 emit OUT { v: x }'
    assert run(text, a(0), a(1), a(2, x=1), a(3, x=2), a(M + 2), a(M + 3)).times == [0, 3, M + 3]


def test_l02_an_unknown_if_skips_its_effect(run):
    text = 'loop one "r" on A per k set rate = 5 if x > 1 emit OUT { n } if n > 1'
    found = run(text, a(0), a(1, x=2), a(2, n=2))
    assert found.sets == [("rate", 5, "a")]
    assert found.emitted == [{"n": 2}]


def test_l02_an_unknown_when_is_not_gathered(run):
    text = 'loop one "r" on A per k when x > 1 gather 1m emit OUT { n: count() }'
    found = run(text, a(0), a(S, x=2), a(2 * S), a(3 * S, x=3), until=H)
    assert (found.times, found.emitted) == ([M + S], [{"n": 2}])


def test_l20_a_latch_with_after_cleared_and_cooldown(run):
    text = """
loop one "r" on no A within 5m per k cooldown 10m
  set rate = 3 while active
  emit OUT { k, n: 1 }
  after 3m { emit OUT { k, n: 2 } }
  cleared { emit OUT { k, n: 3 } }
"""
    found = run(text, a(0), a(9 * M), a(20 * M), until=26 * M)
    assert found.when == [(5 * M, "timer"), (8 * M, "after"), (9 * M, "cleared"), (25 * M, "timer")]
    assert [e["n"] for e in found.emitted] == [1, 2, 3, 1]
    assert found.sets == [("rate", 3, "a"), ("rate", 1, "a"), ("rate", 3, "a")]


def test_l34_after_is_dropped_at_the_exit_of_the_same_instant_but_timers_come_first(run):
    text = """
loop one "r" on A per k when x > 1 until x < 1
  emit OUT { n: 1 }
  after 1m { emit OUT { n: 2 } }
"""
    assert [e["n"] for e in run(text, a(0, x=2), a(M - 1, x=0), until=H).emitted] == [1]
    assert [e["n"] for e in run(text, a(0, x=2), a(M, x=0), until=H).emitted] == [1, 2]


def test_l19_the_nth_and_windows_since_fired(run):
    text = 'loop one "r" on 2 A within 1h per k with z = count(since fired) cooldown 1m emit OUT { n: z }'
    found = run(text, a(0), a(1), a(2), a(3), a(M + 1), a(M + 2))
    assert found.times == [1, M + 2]
    assert [e["n"] for e in found.emitted] == [2, 4]


def test_l09_the_limit_meets_gather(run):
    text = 'loop one "r" on A per k gather 1m max 2 limit 1 per 10m emit OUT { n: count() }'
    early = [a(0), a(1), a(2), a(3)]
    assert run(text, *early, a(10 * M - 1), a(10 * M)).times == [1]
    assert run(text, *early, a(10 * M), a(10 * M + 1)).times == [1, 10 * M + 1]


@pytest.mark.parametrize(("limit", "seen"), [(16, 16), (17, 16)])
def test_r11_a_cascade_is_seen_to_its_depth(run, limit, seen):
    text = f"""
loop first "r" on A emit C {{ n: 1 }}
loop more "r" on C when n < {limit} limit 1000 per 1h emit C {{ n: n + 1 }}
loop watch "r" on C emit OUT {{ n }}
"""
    found = run(text, a(0)).of("watch")
    assert [e["n"] for e in found.emitted] == list(range(1, seen + 1))


def test_l27_every_cause_of_a_change_is_heard(run):
    text = """
knob q per k in 0..8 = 0 decay 10m deadband 1
loop one "r" on A per k set q = x for 5m
loop two "r" on change of q per k emit OUT { k, x: old, v: new, s: cause }
"""
    found = run(text, a(0, x=8), until=2 * H).of("two")
    assert [(e["x"], e["v"]) for e in found.emitted] == [(0, 8), (8, 0)]


def test_l25_two_loops_and_one_hold(run):
    text = """
loop one "r" on A per k set rate = 5 for 10m
loop two "r" on B per k when x > 1 until x < 1 set rate = 7 while active
"""
    found = run(text, a(0), b(M, x=2), b(2 * M, x=0), until=H)
    assert found.sets == [("rate", 5, "a"), ("rate", 7, "a"), ("rate", 1, "a")]
    heard = text + 'loop watch "r" on change of rate per k emit OUT { k, v: new }'
    found = run(heard, b(0, x=2), a(M), b(2 * M, x=0), until=H).of("watch")
    assert [(at, e["v"]) for at, e in zip(found.times, found.emitted, strict=True)] == [
        (0, 7),
        (M, 5),
        (11 * M, 1),
    ]


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ('"a", 1.0, 2.0', True),
        ('"a", k: "b"', True),
        ('k: "a", "b"', True),
        ('"a", w: 1.0', True),
        ('"a", v: 1.0', False),
        ('v: 1.0, k: "a"', False),
    ],
)
def test_l42_each_parameter_takes_one_argument(findings, arguments, wrong):
    found = findings(f'loop one "r" on A do H.act({arguments}) timeout 1m')
    assert any(code[:3] in ("RE0", "RE1", "RE2") for code in found) == wrong


@pytest.mark.parametrize(
    "expression",
    ['open("/etc/passwd")', '__import__("os")', "s.__class__", 'eval("1")', '"{s.__class__}"'],
)
def test_l49_nothing_in_an_expression_reaches_python(findings, expression):
    assert findings(f'loop one "r" on A with z = {expression} emit OUT {{ l: [z] }}')


def test_l49_text_of_a_payload_is_never_read_as_an_expression(run):
    text = 'loop one "r" on A emit OUT { s: "<{s}>" }'
    assert run(text, a(0, s='{k} {{}} __import__("os")')).emitted == [{"s": '<{k} {{}} __import__("os")>'}]


def test_l37_the_words_of_a_knob_keep_their_order_wherever_they_are_read(run):
    text = """
loop turn "r" on A set mode = "paused" if x < 1 set mode = "reduced" if x == 1 set mode = "normal" if x > 1
loop down "r" on change of mode when new < old emit OUT { s: new }
loop mild "r" on change of mode with was = old when was >= "reduced" emit OUT { s: was }
loop kept "r" on A with now = mode when now <= "reduced" emit OUT { s: now }
loop best "r" on A when prev(mode) > mode emit OUT { s: mode }
"""
    found = run(text, a(0, x=1), a(1, x=0), a(2, x=2), a(3, x=2))
    assert [e["s"] for e in found.of("down").emitted] == ["reduced", "paused"]
    assert [e["s"] for e in found.of("mild").emitted] == ["normal", "reduced"]
    assert [e["s"] for e in found.of("kept").emitted] == ["reduced", "paused"]
    assert found.of("best").times == [1, 2]


def test_l37_other_texts_have_no_order(findings):
    assert "RE201" in findings('loop one "r" on A when w < "mid" emit OUT { s }')
    assert "RE201" in findings('loop one "r" on change of mode when cause < "z" emit OUT { s: new }')
