"""What a loop hears, by which key, and what it can read of it (L15 to L17, L22, L23)."""

from __future__ import annotations

import pytest

CONFIGS = """
event HERE { config_key|config: str, x: float } from "a test"
event THERE { config|config_key: str, y: float } from "a test"
event OUT { n: int, v: float? }
"""


def test_l15_an_event_of_an_or_lacks_the_other_ones_fields(run):
    text = """
event P { k: str, only_p: float } from "a test"
event Q { k: str, only_q: float } from "a test"
loop one "r" on P as p or Q as q
  emit OUT { l: [only_p, only_q, p.only_p, q.only_q, p.k, p is known, q is known] }
"""
    assert [
        e["l"]
        for e in run(text, (0, "P", {"k": "a", "only_p": 1}), (1, "Q", {"k": "b", "only_q": 2})).emitted
    ] == [
        [1.0, None, 1.0, None, "a", True, False],
        [None, 2.0, None, 2.0, None, False, True],
    ]


def test_l15_the_union_types_what_may_lack_as_unknown(findings):
    text = """
event STRICT { v: float }
event P { only_p: float } from "a test"
event Q { z: int? } from "a test"
loop one "r" on P%s emit STRICT { v: only_p }
"""
    assert "RE204" in findings(text % " or Q")
    assert "RE204" not in findings(text % "")


def test_l15_equal_names_need_equal_types(findings):
    declared = 'event P { z: str } from "t" event Q { z: int } from "t"'
    text = f'{declared} loop one "r" on P or Q when z is known emit OUT {{ k: "" }}'
    assert "RE217" in findings(text)


@pytest.mark.parametrize("rest", ["when x > 1", ""])
def test_l15_a_key_must_mean_one_field_in_all_events(findings, rest):
    text = 'event P { a|b: str, x: float } from "t" event Q { b|a: str, x: float } from "t"'
    assert "RE217" in findings(f'{text} loop one "r" on P or Q per a {rest} emit OUT {{ k: a }}')


def test_l15_the_first_trigger_whose_filter_passes_names_the_event(run):
    text = 'loop one "r" on A[x > 1] as big or A[n > 1] as many emit OUT { l: [big is known, many is known] }'
    events = [{"x": 2, "n": 2}, {"x": 0, "n": 2}, {"n": 2}, {"x": 0, "n": 0}, {"x": 2}]
    found = run(text, *[(at, "A", event) for at, event in enumerate(events)])
    assert found.times == [0, 1, 2, 4]
    assert [e["l"] for e in found.emitted] == [[True, False], [False, True], [False, True], [True, False]]


def test_l15_a_name_with_two_meanings_is_an_error(findings):
    assert "RE111" in findings('let x = 1 loop one "r" on A when x > 1 emit OUT { k }')


GLOB = """
event RED_FAILED { k: str? } from "a test"
event BLUE_FAILED { k: str? } from "a test"
event OWN_FAILED = "MINE_FAILED" { k: str? } from "a test"
"""


def test_l16_a_pattern_stands_for_declared_events(run):
    text = GLOB + 'loop one "r" on *E_FAILED emit OUT { k }'
    events = [(at, name, {}) for at, name in enumerate(("RED_FAILED", "BLUE_FAILED", "GREEN_FAILED"))]
    assert run(text, *events).times == [1]


@pytest.mark.parametrize("name", ["OWN_FAILED", "MINE_FAILED"])
def test_l16_but_not_for_those_the_loop_emits_itself_by_whatever_name(run, name):
    text = GLOB + f'loop one "r" on *_FAILED as f emit {name} {{ k }}'
    assert run(text, (0, "RED_FAILED", {}), (1, "OWN_FAILED", {})).when == [(0, "event")]


def test_l16_a_pattern_that_matches_nothing_is_an_error(findings):
    assert "RE116" in findings('loop one "r" on *_NEVER emit OUT { k }')
    assert "RE116" in findings(GLOB + 'loop one "r" on OWN_F* emit MINE_FAILED { k }')


def test_l16_a_named_event_keeps_its_filter_beside_a_pattern(run):
    text = GLOB + 'loop one "r" on *_FAILED or RED_FAILED[k == "a"] as red emit OUT { b: red is known }'
    events = [(0, "RED_FAILED", {"k": "b"}), (1, "RED_FAILED", {"k": "a"}), (2, "BLUE_FAILED", {"k": "b"})]
    found = run(text, *events)
    assert (found.times, found.emitted) == ([1, 2], [{"b": True}, {"b": False}])


def test_l17_undeclared_fields_are_not_read(findings, run):
    assert "RE103" in findings('loop one "r" on A when extra > 1 emit OUT { k }')
    assert run('loop one "r" on A emit OUT { l: [x] }', (0, "A", {"extra": 1, "X": 2})).emitted == [
        {"l": [None]}
    ]


@pytest.mark.parametrize("key", ["a", "ü☃", "x" * 10_000, "a/b,c%", " ", "0", "?", "\n"])
def test_l22_any_text_but_the_empty_one_is_a_key(run, key):
    found = run(
        'loop one "r" on A per k when x > 1 for 1s set rate += 1', (0, "A", {"k": key, "x": 2}), until=1000
    )
    assert [firing.key for firing in found.firings] == [(key,)]
    assert found.sets == [("rate", 2.0, key)]


@pytest.mark.parametrize("key", [None, "", 5, True, ["a"], {"a": 1}, 1.5])
def test_l22_without_its_key_the_loop_does_not_see_the_event(session, key):
    found = session('loop one "r" on A per k emit OUT { k }', (0, "A", {"k": key}))
    assert found.firings == []
    assert [(v.loop, v.key, v.reason) for v in found.all("verdicts")] == [("one", (), "key")]


@pytest.mark.parametrize(("field", "keys"), [("n", [0, 5, -1]), ("b", [True, False])])
def test_l22_numbers_and_truth_are_keys(run, field, keys):
    text = f'loop one "r" on A per {field} limit 1 per 1h emit OUT {{ {field} }}'
    events = [(at, "A", {field: key}) for at, key in enumerate(keys * 2)]
    assert [firing.key for firing in run(text, *events).firings] == [(key,) for key in keys]


def test_l22_a_whole_float_is_the_same_key(run):
    text = 'loop one "r" on A per n cooldown 1h emit OUT { n }'
    assert run(text, (0, "A", {"n": 5}), (1, "A", {"n": 5.0})).times == [0]


def test_l22_both_parts_of_a_key_count(run):
    text = 'loop one "r" on A per k, n cooldown 1h emit OUT { k, n }'
    events = [("a", 1), ("a", 2), ("b", 1), ("a", 1), ("a", None), ("", 1)]
    found = run(text, *[(at, "A", {"k": k, "n": n}) for at, (k, n) in enumerate(events)])
    assert [firing.key for firing in found.firings] == [("a", 1), ("a", 2), ("b", 1)]


def test_l41_another_event_is_joined_by_whatever_spelling_it_has(run):
    text = """
loop one "r" on HERE per config_key
  when count(THERE over 1h) >= 1
  emit OUT { n: count(over 1h), v: last(THERE.y over 1h) }
loop two "r" on HERE per config
  emit OUT { n: count(since THERE) }
"""
    events = [
        (0, "THERE", {"config": "h", "y": 1}),
        (1, "THERE", {"config_key": "i", "y": 2}),
        (2, "HERE", {"config": "h", "x": 1}),
        (3, "THERE", {"config_key": "h", "y": 3}),
        (4, "HERE", {"config_key": "h", "x": 1}),
        (5, "HERE", {"config_key": "j", "x": 1}),
    ]
    found = run(text, *events, declarations=CONFIGS)
    assert found.of("one").emitted == [{"n": 1, "v": 1.0}, {"n": 2, "v": 3.0}]
    assert found.of("two").emitted == [{"n": 1}, {"n": 1}, {"n": 1}]


@pytest.mark.parametrize("knob_key", ["config", "config_key"])
@pytest.mark.parametrize("loop_key", ["config", "config_key"])
def test_l23_a_knob_is_keyed_by_any_spelling_of_the_loops_key(run, knob_key, loop_key):
    text = f"""
type config = "h" | "i"
knob pace per {knob_key} in 0..10 = 1
loop one "r" on HERE per {loop_key} set pace += x emit OUT {{ n: 1, v: pace }}
"""
    found = run(text, (0, "HERE", {"config": "h", "x": 2}), declarations=CONFIGS)
    assert (found.sets, found.emitted) == ([("pace", 3.0, "h")], [{"n": 1, "v": 3.0}])


def test_why_names_what_was_read_of_the_event_heard_only(run):
    text = 'loop one "r" on A per k when count(B[n > 1] over 1h) >= 1 and avg(x over 1h) > 0 emit OUT { k }'
    found = run(text, (0, "B", {"k": "a", "n": 2}), (1, "A", {"k": "a", "x": 3}))
    assert found.firings[0].because == {"count(B[n > 1] over 1h)": 1, "avg(x over 1h)": 3.0, "x": 3.0}
