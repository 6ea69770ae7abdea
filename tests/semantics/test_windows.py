"""What loops remember: windows, `since`, `prev`, `streak`, of their own and of other events (L11 to L14)."""

from __future__ import annotations

import pytest


def a(at, **fields):
    return (at, "A", {"k": "a"} | fields)


def b(at, **fields):
    return (at, "B", {"k": "a"} | fields)


S, M, H = 1_000, 60_000, 3_600_000


def lists(found):
    return [e["l"] for e in found.emitted]


@pytest.mark.parametrize(("at", "count"), [(M - 1, 2), (M, 1)])
def test_l11_a_window_ends_before_its_far_edge(run, at, count):
    text = 'loop one "r" on A per k emit OUT { l: [count(over 1m), sum(x over 1m), first(x over 1m)] }'
    assert lists(run(text, a(0, x=1), a(at, x=2)))[-1] == [
        count,
        3.0 if count == 2 else 2.0,
        float(3 - count),
    ]


def test_l11_it_takes_events_before_when_and_while_damped_or_latched(run):
    text = """
loop damped "r" on A per k when x > 1 cooldown 1m emit OUT { n: count(over 1h) }
loop latched "r" on A per k when x > 1 until x < 0
  emit OUT { n: count(over 1h) } cleared { emit OUT { n: count(over 1h) } }
"""
    found = run(text, a(0, x=0), a(1, x=2), a(2, x=2), a(3, x=-1), a(4), a(M + 1, x=2))
    assert found.of("damped").emitted == [{"n": 2}, {"n": 6}]
    assert found.of("latched").emitted == [{"n": 2}, {"n": 4}, {"n": 6}]


def test_l11_nothing_is_short_circuited_away_from_its_update(run):
    text = """
loop one "r" on A per k
  when x > 5 and streak(n > 0) >= 3 or false and prev(n) > 0
  emit OUT { l: [streak(n > 0), prev(n)] }
"""
    assert lists(run(text, a(0, x=0, n=1), a(1, x=0, n=2), a(2, x=6, n=3))) == [[3, 2]]


def test_l11_nor_by_an_effects_condition_or_a_match(run):
    text = """
loop one "r" on A per k
  emit OUT { n: count(x over 1h) } if b
  emit OUT { n: match { b: streak(x > 0), else: 0 - 1 } }
"""
    found = run(text, a(0, x=1, b=False), a(1, x=1, b=False), a(2, x=1, b=True))
    assert found.emitted == [{"n": -1}, {"n": -1}, {"n": 3}, {"n": 3}]


def test_l12_aggregates(run):
    functions = ("count", "sum", "avg", "min", "max", "first", "last")
    for span in ("over 1h", "over last 3", "since B", "since fired"):
        calls = ", ".join(f"{name}(x {span})" for name in functions)
        text = f'loop one "r" on A per k when n > 0 emit OUT {{ l: [{calls}] }}'
        rows = [a(0, x=9, n=1), b(1), a(2, n=0), a(3, x=4, n=0), a(4, n=0), a(5, x=1, n=0), a(6, x=4, n=1)]
        expected = [3, 9.0, 3.0, 1.0, 4.0, 4.0, 4.0]
        if span == "over 1h":
            expected = [4, 18.0, 4.5, 1.0, 9.0, 9.0, 4.0]
        assert lists(run(text, *rows))[-1] == expected, span


def test_l12_over_no_samples_they_are_unknown_and_count_is_nought(run):
    functions = ("sum", "avg", "min", "max", "first", "last")
    for span in ("over 1h", "over last 3", "since B", "since fired"):
        calls = ", ".join(f"{name}(x {span})" for name in functions)
        text = f'loop one "r" on A per k emit OUT {{ l: [count(x {span}), {calls}] }}'
        assert lists(run(text, a(0))) == [[0] + [None] * 6], span


def test_l12_last_and_first_of_what_is_no_number(run):
    text = 'loop one "r" on A per k emit OUT { l: [last(s over 1h), first(s over last 2), last(b since B)] }'
    assert lists(run(text, a(0, s="p", b=True), a(1, s="q"), a(2, s="r")))[-1] == ["r", "q", True]


def test_l12_prev_is_the_event_before_where_it_was_known(run):
    text = 'loop one "r" on A per k with change = x - prev(x) emit OUT { l: [prev(x), change, prev(s)] }'
    rows = [a(0, x=1, s="p"), a(1), (2, "A", {"k": "z", "x": 50}), a(3, x=5)]
    assert lists(run(text, *rows)) == [[None, None, None], [1.0, None, "p"], [None] * 3, [1.0, 4.0, "p"]]


def test_l12_streak_is_broken_by_false_alone(run):
    text = 'loop one "r" on A per k emit OUT { n: streak(x > 1) }'
    xs = [2, 2, None, 2, 1, None, 2]
    assert [e["n"] for e in run(text, *[a(n, x=x) for n, x in enumerate(xs)]).emitted] == [
        1,
        2,
        2,
        3,
        0,
        0,
        1,
    ]


def test_l12_equal_looking_conditions_of_other_types_are_others(run):
    text = (
        'loop one "r" on A per k emit OUT { l: [streak(m.a == 1), streak(m.a == true), count(m.a over 1h)] }'
    )
    assert lists(run(text, a(0, m={"a": True}), a(1, m={"a": True}), a(2, m={"a": 1})))[-1] == [1, 2, 3]


def test_l13_a_window_starts_empty_and_why_tells_its_age(session):
    text = 'loop one "r" on A per k when count(over 1h) > 9 emit OUT { k }'
    found = session(text, a(0), a(M), a(2 * H))
    details = [verdict.detail for verdict in found.all("verdicts")]
    assert ["remember since" in detail for detail in details] == [True, True, False]


def test_l13_a_streak_may_hold_a_window_and_nothing_deeper(run, findings):
    text = 'loop one "r" on A per k with often = count(over 10s) >= 2 emit OUT { n: streak(often) }'
    assert [e["n"] for e in run(text, a(0), a(S), a(2 * S), a(20 * S), a(21 * S)).emitted] == [0, 1, 2, 0, 1]
    for deep in (
        "avg(count(over 1m) over 1h)",
        "prev(avg(x over 1h))",
        "streak(streak(x > avg(x over 1h)) > 2)",
    ):
        assert "RE219" in findings(f'loop one "r" on A per k emit OUT {{ v: {deep} }}'), deep


def test_l14_since_an_event_leaves_it_out(run):
    reads = "count(since B), count(since B[x > 1]), count(B since fired)"
    text = f'loop one "r" on A per k emit OUT {{ l: [{reads}] }}'
    found = run(text, a(0), a(1), b(2, x=0), a(3), b(4, x=2), b(4), a(4), (5, "B", {"k": "z", "x": 2}), a(6))
    assert lists(found) == [[1, 1, 0], [2, 2, 0], [1, 3, 1], [1, 1, 2], [2, 2, 0]]


def test_l14_also_where_it_is_the_trigger_itself(run):
    reads = "count(since A), count(since A[x > 1]), sum(x since A[x > 1])"
    text = f'loop one "r" on A per k emit OUT {{ l: [{reads}] }}'
    assert lists(run(text, a(0, x=1), a(1, x=2), a(2, x=1), a(3, x=0.5))) == [
        [0, 1, 1.0],
        [0, 0, None],
        [0, 1, 1.0],
        [0, 2, 1.5],
    ]


def test_l14_since_fired_and_cleared_begin_behind_the_event(run):
    text = """
loop one "r" on A per k when x > 1 until x < 0
  emit OUT { l: [count(since fired), count(since cleared)] }
  cleared { emit OUT { l: [count(since fired), count(since cleared)] } }
"""
    rows = [a(n, x=x) for n, x in enumerate([0, 2, 0, 0, -1, 0, 2])]
    assert lists(run(text, *rows)) == [[2, 2], [3, 5], [5, 2]]


def test_the_loops_own_trigger_can_be_counted_by_name(run):
    text = """
loop one "r" on A[x > 1] per k
  with own = count(over 1h)
  emit OUT { l: [own, count(A over 1h), count(A[x > 2] over 1h), avg(A.x over 1h), last(A.x over last 1)] }
"""
    rows = [a(0, x=2), a(1, x=0), a(2, x=4), (3, "A", {"k": "z", "x": 9})]
    assert lists(run(text, *rows))[:2] == [[1, 1, 0, 2.0, 2.0], [2, 3, 1, 2.0, 4.0]]


def test_another_event_is_joined_on_all_parts_of_the_key(run):
    reads = "last(B.x over 1h), count(B over 1h), max(B.x since fired)"
    text = f'loop one "r" on A per k, n emit OUT {{ l: [{reads}] }}'
    rows = [
        b(0, n=1, x=5),
        b(1, n=2, x=6),
        b(2, x=7),
        b(3, n=1.0, x=4),
        a(4, n=1),
        a(5, n=2),
        a(6, n=3),
        a(7, n=1),
    ]
    assert lists(run(text, *rows)) == [[4.0, 2, 5.0], [6.0, 1, 6.0], [None, 0, None], [4.0, 2, None]]


def test_without_per_all_of_another_event_counts(run):
    text = 'loop one "r" on A emit OUT { n: count(B over 10s) }'
    rows = [b(0), (1, "B", {"k": "z"}), (2, "B", {}), a(3), a(10 * S), a(10 * S + 1)]
    assert [e["n"] for e in run(text, *rows).emitted] == [3, 2, 1]


def test_a_filter_of_another_event_that_is_unknown_keeps_it_out(run):
    text = 'loop one "r" on A per k emit OUT { n: count(B[s matches "OOM*"] over 1h) }'
    rows = [b(0, s="OOM at 3"), b(1, s="an OOM"), b(2), a(3)]
    assert run(text, *rows).emitted == [{"n": 1}]


def test_a_member_of_another_event(run):
    text = 'loop one "r" on A per k emit OUT { l: [last(B.m.deep.v over 1h), sum(B.m.deep.v over 1h)] }'
    rows = [b(0, m={"deep": {"v": 3}}), b(1, m={"deep": 4}), b(2, m={"deep": {"v": 4}}), a(3)]
    assert lists(run(text, *rows)) == [[4, 7]]


def test_an_event_both_heard_and_counted_from_an_or(run):
    text = 'loop one "r" on A or B per k emit OUT { l: [count(over 1h), count(A over 1h), count(B over 1h)] }'
    assert lists(run(text, a(0), b(1), a(2))) == [[1, 1, 0], [2, 1, 1], [3, 2, 1]]


def test_l48_a_window_holds_ten_thousand_samples(session):
    text = 'loop one "r" on A when n == 1 emit OUT { l: [count(over 1d), first(x over 1d)] } if b is unknown'
    full = [a(n, x=n, n=0) for n in range(9_999)]
    found = session(text, *full, a(9_999, x=1, n=1), a(10_000, x=1, n=1))
    assert [f.effects[0]["payload"]["l"] for f in found.firings] == [[10_000, 0.0], [10_000, 1.0]]
    assert ["truncated" in firing.because for firing in found.firings] == [False, True]


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("stddev(x over 1h)", 2.0),
        ("slope(x over 10s)", 20.0),
        ("slope(x over last 9)", 2.0),
        ("distinct(x over 1h)", 5),
        ("distinct(s over 1h)", 2),
        ("quantile(x, 0% over 1h)", 2.0),
        ("quantile(x, 95% over 1h)", 9.6),
        ("quantile(x, 100% over 1h)", 10.0),
    ],
)
def test_l12_of_several_samples(run, call, value):
    """Samples 2, 4, ... at each second, without the ones where it is unknown."""
    xs = {"stddev": [2, 4, 4, None, 4, 5, 5, 7, 9]}.get(call[:6], [2, 4, 6, 8, 10])
    text = f'loop one "r" on A per k emit OUT {{ l: [{call}] }}'
    found = run(text, *[a(n * S, x=x, s="pq"[n % 2]) for n, x in enumerate(xs)])
    assert lists(found)[-1] == [value if call.startswith("distinct") else pytest.approx(value, abs=1e-9)]


@pytest.mark.parametrize(("last", "distinct", "slope"), [(10 * S - 1, 2, True), (10 * S, 1, None)])
def test_l12_they_range_over_the_window_alone(run, last, distinct, slope):
    text = 'loop one "r" on A per k emit OUT { l: [distinct(x over 10s), slope(x over 10s) > 0] }'
    assert lists(run(text, a(0, x=1), a(last, x=2)))[-1] == [distinct, slope]


def test_l12_slope_of_one_sample_or_one_moment_is_unknown(run):
    text = 'loop one "r" on A per k emit OUT { l: [slope(x over 1h), slope(x over last 5)] }'
    assert lists(run(text, a(0, x=1), a(0, x=2), a(1, x=2)))[:2] == [[None, None], [None, 1.0]]


def test_l12_ewma_halves_each_d_and_reading_it_later_changes_nothing(run):
    text = """
loop fed "r" on A per k emit OUT { l: [ewma(x over 10s)] }
loop read "r" on B per k emit OUT { l: [ewma(A.x over 10s)] }
"""
    rows = [a(0, x=1), b(5 * S), a(10 * S, x=3), a(15 * S), a(20 * S, x=5), b(90 * S)]
    expected = [1.0, round((0.5 + 3) / 1.5, 9), round((0.25 + 1.5 + 5) / 1.75, 9)]
    found = run(text, *rows)
    assert lists(found.of("fed")) == [[expected[n]] for n in (0, 1, 1, 2)]
    assert lists(found.of("read")) == [[expected[0]], [expected[2]]]


def test_l12_over_none_they_are_unknown(run):
    calls = "stddev(B.x over 1h), slope(B.x over 1h), quantile(B.x, 50% over 1h), ewma(B.x over 1h)"
    text = f'loop one "r" on A per k emit OUT {{ l: [{calls}, distinct(B.x over 1h)] }}'
    assert lists(run(text, a(0))) == [[None] * 5]
