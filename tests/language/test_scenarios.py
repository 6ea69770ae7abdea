"""What is said of test blocks, each finding from both sides with its place; what becomes of sound ones."""

from __future__ import annotations

import pytest

from rules_engine.language import program as p
from rules_engine.language.diagnostics import Diagnostic
from rules_engine.language.parser import parse
from rules_engine.language.resolver import check
from rules_engine.language.source import Source

PRELUDE = """
type config = "hex8_2p" | "hex8_3p"
event A { config_key|config: config, score: float in 0..1, n: int?, wait: duration?, note: str? }
event OPEN { config_key: str, ... }
action H.go(config_key: config, factor: float in 0..1, note: str?)
action H.stop()
knob rate per config in 0..2 = 1
knob pace in "slow" | "normal" | "fast" = "normal"
knob free per name in 0..1 = 0
knob pair per config, mood in 0..1 = 0
let ten = 10
let half = ten / 20
"""
SEND = 'send A { config_key: "hex8_2p", score: 0.5 }'


def findings_of(*texts: str) -> tuple[p.Program, list[Diagnostic]]:
    sources = {name: Source(name, text) for name, text in zip("abc", texts, strict=False)}
    parsed = [parse(source) for source in sources.values()]
    assert [finding for _, malformed in parsed for finding in malformed] == []
    program, findings = check([file for file, _ in parsed], [], sources)
    assert program is not None
    return program, findings


def case(acts: str, expect: str = "expect nothing") -> str:
    return f'{PRELUDE} test "x" {{ at 0m {acts} {expect} }}'


CASES = [
    ("RE101", "send «AA» { x: 1 }", SEND),
    ("RE101", "expect emit «AA»", "expect emit A"),
    ("RE102", 'expect emit A { «scor»: 1 }', "expect emit A { score: 1 }"),
    ("RE103", 'send OPEN { config_key: "a", x: «tem» }', 'send OPEN { config_key: "a", x: ten }'),
    ("RE104", "given «rat» = 1", 'given rate["hex8_2p"] = 1'),
    ("RE104", "expect set «rat»", "expect set rate"),
    ("RE105", "stub «H.stopp» fails", "stub H.stop fails"),
    ("RE105", "expect do «H.stopp»", "expect do H.stop"),
    ("RE109", "expect do H.go(«facto»: 1)", "expect do H.go(factor: 1)"),
    ("RE117", 'expect emit A { score: 1, «score»: 1 }', "expect emit A { score: 1, n: 1 }"),
    ("RE120", "given «rate» = 1", 'given rate["hex8_3p"] = 1'),
    ("RE120", 'given «pace["a"»] = "slow"', 'given pace = "slow"'),
    ("RE120", 'expect set «pair["hex8_2p"»]', 'expect set pair[["hex8_2p", "sad"]]'),
    ("RE120", 'expect set «rate[["hex8_2p", "x"]»]', 'expect set rate[["hex8_2p"]]'),
    ("RE122", 'send OPEN { config_key: "a", «config_keyy»: 1 }', 'send OPEN { config_key: "a", other: 1 }'),
    ("RE123", "expect nothing because «hol»", "expect nothing because hold"),
    ("RE123", "expect nothing because «fired»", "expect nothing else because key"),
    ("RE201", 'expect set rate = «"a"»', "expect set rate = half"),
    ("RE201", "expect set rate[«0.5»]", 'expect set rate["hex8_2p"]'),
    ("RE201", "given free[«1.5»] = 1", "given free[1] = 1"),
    ("RE201", 'send A { config_key: "hex8_2p", score: 0.5, n: «1.5» }', SEND.replace("}", ", n: 5.0 }")),
    ("RE201", "expect do H.go(factor: «true»)", "expect do H.go(factor: 1)"),
    ("RE202", SEND.replace("}", ", wait: «5» }"), SEND.replace("}", ", wait: 5m }")),
    ("RE203", 'given rate[«"hex"»] = 1', 'given rate["hex8_2p"] = 1'),
    ("RE203", 'given pair[["hex8_2p", "x"]] = 1 given pair[[«"hex8"», "x"]] = 1', "expect set pair"),
    ("RE203", 'expect set pace = «"slo"»', 'expect set pace = "slow"'),
    ("RE203", 'send A { config_key: «"hex8_4p"», score: 0.5 }', SEND),
    ("RE205", "send «A» { score: 0.5 }", "send A { score: 0.5, config: unknown }"),
    ("RE205", 'given rate["hex8_2p"] = «unknown»', 'given rate["hex8_2p"] = 0'),
    ("RE205", "expect set rate = «unknown»", "expect set rate = 2"),
    ("RE206", "expect do H.stop(«1»)", "expect do H.stop()"),
    ("RE207", 'given rate["hex8_2p"] = «2.1»', 'given rate["hex8_2p"] = 2.0'),
    ("RE207", "expect set rate = «ten»", "expect set rate = half"),
    ("RE207", 'send A { config_key: "hex8_2p", score: «1 + half» }', SEND),
    ("RE207", "expect emit A { score: «-0.1» }", "expect emit A { score: 0 }"),
    ("RE214", "«stub H.stop fails 0 times»", "stub H.stop fails 1 times"),
    ("RE218", SEND.replace("0.5", "«count(A over 1h)»"), SEND),
]  # fmt: skip


@pytest.mark.parametrize(("code", "bad", "good"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_a_finding_of_an_act_is_said_at_its_place_and_not_beside_it(code: str, bad: str, good: str) -> None:
    before, _, rest = case(bad).partition("«")
    inside, _, after = rest.partition("»")
    _, findings = findings_of(before + inside + after)
    assert [(f.code.id, f.span.start, f.span.end) for f in findings] == [
        (code, len(before), len(before) + len(inside))
    ]
    assert findings[0].help
    assert [f.message for f in findings_of(case(good))[1]] == []


@pytest.mark.parametrize(
    ("times", "falls"),
    [("at 0m at 0m", False), ("at 5m at 5m at 6m", False), ("at 6m at 5m", True), ("at 1h at 59m", True)],
)
def test_l45_times_do_not_fall(times: str, falls: bool) -> None:
    _, findings = findings_of(f'test "x" {{ {times} expect nothing }}')
    assert [f.code.id for f in findings] == ["RE230"] * falls


@pytest.mark.parametrize(
    ("starts", "ms"),
    [
        ("2026-01-05T08:00:00Z", 1_767_600_000_000),
        ("2026-01-05T08:00Z", 1_767_600_000_000),
        ("2026-01-05 09:00:00.250+01:00", 1_767_600_000_250),
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-05T08:00:00", None),
        ("2026-01-05", None),
        ("2026-13-05T08:00:00Z", None),
        ("1969-12-31T23:59:59Z", None),
        ("9999-12-31T00:00:00Z", None),
        ("next monday", None),
        ("", None),
    ],
)
def test_l45_a_start_is_a_moment_with_a_zone(starts: str, ms: int | None) -> None:
    program, findings = findings_of(f'test "x" starts "{starts}" {{ at 0m expect nothing }}')
    if ms is None:
        assert [f.code.id for f in findings] == ["RE231"]
        assert program.tests == ()
    else:
        assert findings == []
        assert program.tests[0].starts_ms == ms


def test_l45_the_clock_starts_on_monday_2026_01_05_by_itself() -> None:
    program, _ = findings_of('test "x" { at 0m expect nothing }')
    assert program.tests[0].starts_ms == 1_767_571_200_000


def test_a_test_that_expects_nothing_is_a_warning() -> None:
    _, findings = findings_of(PRELUDE + f'test "x" {{ at 0m {SEND} }}')
    assert [(f.code.id, str(f.severity)) for f in findings] == [("RE510", "warning")]
    _, findings = findings_of('test "x" { }')
    assert [f.code.id for f in findings] == ["RE510"]


def test_two_tests_of_one_file_have_two_names() -> None:
    one, other = 'test "x" { at 0m expect nothing }', 'test "y" { at 0m expect nothing }'
    _, findings = findings_of(f"{one} {one}")
    assert [f.code.id for f in findings] == ["RE110"]
    assert findings_of(f"{one} {other}")[1] == []
    assert findings_of(one, one)[1] == []


def test_a_test_with_a_mistake_is_left_out_and_the_others_stay() -> None:
    program, _ = findings_of(case("send AA { }") + ' test "y" { at 0m expect nothing }')
    assert [test.name for test in program.tests] == ["y"]
    assert not program.complete


def test_what_a_test_names_is_not_used_or_produced_by_it() -> None:
    program, _ = findings_of(case(SEND, "expect emit A expect set rate expect do H.stop"))
    assert not {"event heard", "event emitted", "knob set", "knob read", "action"} & set(program.mentions)


def test_a_payload_is_by_the_fields_own_names() -> None:
    program, findings = findings_of(case('send A { config: "hex8_2p", score: half, n: unknown }'))
    assert findings == []
    [send, _] = program.tests[0].steps[0].acts
    assert isinstance(send, p.Send)
    assert [name for name, _ in send.payload] == ["config_key", "score", "n"]
    assert isinstance(send.payload[2][1], p.Unknown)


def test_braces_in_the_texts_of_tests_stay_l40() -> None:
    _, findings = findings_of(case(SEND.replace("}", ', note: "{ten}" }')))
    assert [f.code.id for f in findings] == ["RE212"]
