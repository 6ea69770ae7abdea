"""Every opinion from both sides of its edge: where it is given, and where it is not."""

from __future__ import annotations

import json

import pytest

from rules_engine.checks.registry import run_checks
from rules_engine.pipeline import check_texts

PRELUDE = """
type mood = "low" | "fair" | "high"
event A { key: str, q: float in 0..1, v: float, n: int, mood: mood, ok: bool } dedup off from "outside"
event P { key: str, mood: mood, size: float?, round: int? } dedup off from "outside"
event Q { key: str, mood: mood, round: int? } dedup off from "outside"
action H.go(key: str) undo H.back
action H.back(key: str)
action H.take(key: str, value: float in 0..2)
action H.word(key: str, value: str)
action H.calls(key: str) emits P
knob rate per key in 0..2 = 1 drives H.take
knob gain per key in 0..2 = 1 decay 6h drives H.take
knob pace per key in "slow" | "fast" = "slow" drives H.word
loop zz_uses on Q per key when mood == "low" and key == "never sent" cooldown 1h
  do H.go(key) timeout 1m do H.calls(key) timeout 1m set pace = "fast" set gain = 1 set rate = 1
loop zz_more on Q per key when mood == "fair" and key == "neither" do H.back(key) timeout 1m cooldown 1h
"""
GO = "do H.go(key) timeout 1m "


def loop(body: str, name: str = "x", on: str = "A") -> str:
    return f"\nloop {name} on {on} per key {body}"


CASES = [
    # cycles: in test_cycles.py
    # stability
    (
        "RE303",
        "\nknob k per key in 0..2 = 1 drives H.take" + loop("when q < 0.5 set k *= 0.9"),
        "\nknob k per key in 0..2 = 1 drives H.take decay 1h" + loop("when q < 0.5 set k *= 0.9"),
    ),
    (
        "RE303",
        "\nknob k per key in 0..2 = 1 drives H.take" + loop("when q < 0.5 set k -= q"),
        "\nknob k per key in 0..2 = 1 drives H.take" + loop("when q < 0.5 set k -= q - 0.1"),
    ),
    (
        "RE303",
        "\nknob k per key in 0..2 = 1 drives H.take" + loop("when q < 0.5 set k += 0.1"),
        "\nknob k per key in 0..2 = 1 drives H.take"
        + loop("set k += 0.1 if q < 0.5 set k -= 0.1 if q > 0.5"),
    ),
    (
        "RE303",
        "\nknob k per key in 0..2 = 1 drives H.take" + loop("when q < 0.5 set k += 0.1"),
        "\nknob k per key in 0..2 = 1 drives H.take" + loop("when q < 0.5 set k += 0.1 for 1h"),
    ),
    ("RE304", loop("when q < 0.5 until q > 0.4 " + GO), loop("when q < 0.5 until q > 0.6 " + GO)),
    ("RE304", loop("when q <= 0.5 until q >= 0.5 " + GO), loop("when q <= 0.5 until q > 0.6 " + GO)),
    (
        "RE304",
        loop('when mood != "high" until mood != "low" ' + GO),
        loop('when mood == "low" until mood != "low" ' + GO),
    ),
    ("RE305", loop("when q < 0.5 until q >= 0.5 " + GO), loop("when q < 0.5 until q >= 0.50001 " + GO)),
    ("RE305", loop("when q < 0.5 until q >= 0.5 " + GO), loop("when q < 0.5 for 1m until q >= 0.5 " + GO)),
    (
        "RE305",
        loop("when q < 0.5 until q >= 0.5 " + GO),
        loop("when q < 0.5 until q >= 0.5 cooldown 1m " + GO),
    ),
    ("RE305", loop("when n < 5 until n >= 5 " + GO), loop("when n < 5 until n >= 6 " + GO)),
    (
        "RE307",
        "\nknob k per key in 0..2 = 1 decay 1h lag 30m drives H.take" + loop("cooldown 29m set k *= 0.9"),
        "\nknob k per key in 0..2 = 1 decay 1h lag 30m drives H.take" + loop("cooldown 30m set k *= 0.9"),
    ),
    (
        "RE307",
        "\nknob k per key in 0..2 = 1 decay 1h lag 30m drives H.take" + loop("set k = k * 0.9"),
        "\nknob k per key in 0..2 = 1 decay 1h lag 30m drives H.take" + loop("set k = 0.9"),
    ),
    (
        "RE307",
        "\nknob k per key in 0..2 = 1 decay 1h lag 30m drives H.take" + loop("when q < 0.5 set k *= 0.9"),
        "\nknob k per key in 0..2 = 1 decay 1h lag 30m drives H.take"
        + loop("when q < 0.5 until q > 0.7 set k *= 0.9"),
    ),
    (
        "RE308",
        loop("when q < 0.5 set rate = 1") + loop("when q >= 0.5 set rate = 2", "y"),
        loop("when q < 0.5 set rate = 1") + loop("when q >= 0.6 set rate = 2", "y"),
    ),
    (
        "RE308",
        loop("when q < 0.5 set rate = 1") + loop("when q > 0.5 set rate = 2", "y"),
        loop("when q < 0.5 set rate = 1") + loop("when q > 0.5 cooldown 1m set rate = 2", "y"),
    ),
    # conflicts
    (
        "RE401",
        loop("when q < 0.5 set rate = 1") + loop("when q < 0.6 set rate = 2", "y"),
        loop("when q < 0.5 set rate = 1") + loop("when q >= 0.5 set rate = 2", "y"),
    ),
    (
        "RE401",
        loop("when q < 0.5 set rate = 1") + loop("when q < 0.6 set rate = 2", "y"),
        loop("when q < 0.5 set rate = 1") + loop("when q < 0.6 set rate = 1", "y"),
    ),
    (
        "RE401",
        loop("set gain *= 1.2") + loop("set gain *= 0.9", "y"),
        loop("set gain *= 1.2") + loop("set gain *= 1.1", "y"),
    ),
    (
        "RE401",
        loop("set gain += q") + loop("set gain -= q", "y"),
        loop("set gain += q") + loop("set gain -= v", "y"),
    ),
    (
        "RE401",
        loop("set gain += 0.1") + loop("set gain *= 1.1", "y"),
        loop("set gain += 0.1") + loop("set gain += 0.2", "y"),
    ),
    (
        "RE401",
        loop('set rate["a"] = 1') + loop("set rate[*] = 2", "y"),
        loop('set rate["a"] = 1') + loop('set rate["b"] = 2', "y"),
    ),
    (
        "RE401",
        loop("with a = 1 - q when a < 0.3 set rate = 1") + loop("when q > 0.6 set rate = 2", "y"),
        loop("with a = 1 - q when a < 0.3 set rate = 1") + loop("when q < 0.6 set rate = 2", "y"),
    ),
    (
        "RE401",
        loop("set rate = 1 if ok") + loop("set rate = 2", "y"),
        loop("set rate = 1 if ok") + loop("set rate = 2 if not ok", "y"),
    ),
    (
        "RE401",
        loop("set rate = 1") + loop("set rate = 2", "y"),
        loop("set rate = 1") + "\n@shadow" + loop("set rate = 2", "y"),
    ),
    (
        "RE401",
        loop("set rate = 1") + loop("set rate = 2", "y"),
        loop("set rate = 1") + '\n@off("x")' + loop("set rate = 2", "y"),
    ),
    (
        "RE401",
        loop("set rate = 1 if a is known", on="A as a or P as p") + loop("set rate = 2", "y", "A"),
        loop("set rate = 1 if p is known", on="A as a or P as p") + loop("set rate = 2", "y", "A"),
    ),
    (
        "RE401",
        loop("set rate = min(rate, 0.5)") + loop("set rate = max(rate, 0.2)", "y"),
        loop("set rate = min(rate, 0.5)") + loop("set rate = min(rate, 0.2)", "y"),
    ),
    (
        "RE402",
        loop("when q < 0.5 do H.go(key) timeout 1m") + loop("when q > 0.4 do H.back(key) timeout 1m", "y"),
        loop("when q < 0.5 do H.go(key) timeout 1m") + loop("when q > 0.5 do H.back(key) timeout 1m", "y"),
    ),
    # reachability
    ("RE501", loop("when q > 1 " + GO), loop("when q >= 1 " + GO)),
    ("RE501", loop("when q < 0 " + GO), loop("when q <= 0 " + GO)),
    ("RE501", loop("when n > 2 and n < 3 " + GO), loop("when v > 2 and v < 3 " + GO)),
    (
        "RE501",
        loop('when mood == "low" and mood == "high" ' + GO),
        loop('when mood == "low" or mood == "high" ' + GO),
    ),
    ("RE501", loop("when (1 - q) / 2 > 0.5 " + GO), loop("when (1 - q) / 2 >= 0.5 " + GO)),
    (
        "RE501",
        loop("when q < 0.5 do H.go(key) timeout 1m if q > 0.6"),
        loop("when q < 0.5 do H.go(key) timeout 1m if q > 0.4"),
    ),
    ("RE501", loop("when 0.1 + 0.2 > 0.3 " + GO), loop("when q + 0.2 > 0.3 " + GO)),
    ("RE501", loop("when rate > 2 " + GO), loop("when rate >= 2 " + GO)),
    ("RE501", loop("when count(over 1h) < 0 " + GO), loop("when count(over 1h) < 1 " + GO)),
    ("RE501", loop("when q > 2 " + GO, on="A or P"), loop("when size > 2 " + GO, on="A or P")),
    ("RE501", loop("when ok and not ok " + GO), loop("when ok or not (q > 0.5) " + GO)),
    ("RE501", loop("cooldown 1m unless q > 1 " + GO), loop("cooldown 1m unless q > 0.9 " + GO)),
    ("RE501", "\nloop x on A[q > 1] per key " + GO, "\nloop x on A[q > 0.9] per key " + GO),
    (
        "RE501",
        loop('when key matches "a*" and not (key matches "a*") ' + GO),
        loop('when key matches "a*" and not (key matches "b*") ' + GO),
    ),
    ("RE501", loop('when mood matches "x*" ' + GO), loop('when mood matches "h*" ' + GO)),
    ("RE501", loop("when q is unknown " + GO), loop("when size is unknown " + GO, on="P")),
    (
        "RE501",
        loop("when q < 0.5 cooldown 1m unless q > 0.6 " + GO),
        loop("when q < 0.5 cooldown 1m unless q > 0.4 " + GO),
    ),
    ("RE502", loop("when q is known " + GO), loop("when q is known " + GO, on="A or P")),
    ("RE502", loop("when q >= 0 " + GO), loop("when q > 0 " + GO)),
    ("RE502", loop("when n > 2 or n < 3 " + GO), loop("when n > 3 or n < 3 " + GO)),
    ("RE502", loop('when mood in ["low", "fair", "high"] ' + GO), loop('when mood in ["low", "fair"] ' + GO)),
    (
        "RE502",
        loop("when q < 0.5 do H.go(key) timeout 1m if q < 0.6"),
        loop("when q < 0.5 for 1m do H.go(key) timeout 1m if q < 0.6"),
    ),
    ("RE502", loop("when true " + GO), loop("when ok " + GO)),
    (
        "RE502",
        loop("when q < 0.3 or q >= 0.3 " + GO),
        loop("when a.q < 0.3 or p.size > 3 " + GO, on="A as a or P as p"),
    ),
    (
        "RE502",
        loop("when q < 0.3 or q >= 0.3 " + GO),
        loop("when size < 3 or size >= 3 or ok " + GO, on="A or P"),
    ),
    (
        "RE503",
        "\nevent Z { key: str }" + loop(GO, on="Z"),
        '\nevent Z { key: str } from "outside"' + loop(GO, on="Z"),
    ),
    (
        "RE503",
        "\nevent Z { key: str }" + loop(GO, on="Z"),
        "\nevent Z { key: str }" + loop(GO, on="Z") + loop("emit Z { key }", "y"),
    ),
    (
        "RE504",
        "\nevent Z { key: str }" + loop("emit Z { key }"),
        "\nevent Z { key: str }" + loop("emit Z { key }") + loop(GO, "y", "Z"),
    ),
    (
        "RE504",
        "\nevent Z { key: str }" + loop("emit Z { key }"),
        "\nevent Z { key: str } " + loop("emit Z { key }") + loop("when count(since Z) > 1 " + GO, "y"),
    ),
    ("RE505", "\nlet z = 1", "\nlet z = 0.1" + loop("when q > z " + GO)),
    (
        "RE505",
        '\ntype z = "a"',
        '\ntype z = "a" event W { z: z } from "outside"'
        + loop("when count(since W) > 1 " + GO).replace("since W", "over 1h")
        + '\nloop w on W do H.go("a") timeout 1m',
    ),
    ("RE505", "\nknob z in 0..1 = 0", "\nknob z in 0..1 = 0" + loop("set z = q when q > z")),
    ("RE505", "\naction H.z()", "\naction H.z()" + loop("do H.z() timeout 1m")),
    ("RE505", "\nevent Z { key: str }", '\nevent Z { key: str } from "outside"'),
    ("RE506", loop("set rate = 2.5"), loop("set rate = 2")),
    ("RE506", loop("set rate = -1 - q"), loop("set rate = 1 - q")),
    (
        "RE507",
        loop("when q < 0.5 " + GO) + loop("when q < 0.3 " + GO, "y"),
        loop("when q < 0.5 " + GO) + loop("when q < 0.3 or ok " + GO, "y"),
    ),
    (
        "RE507",
        loop("when q < 0.5 " + GO) + loop("when 0.5 > q " + GO, "y"),
        loop("when q < 0.5 cooldown 5m " + GO) + loop("when q < 0.3 " + GO, "y"),
    ),
    (
        "RE605",
        loop("when q < 0.5 for 1h " + GO, on="3 A within 1h"),
        loop("when q < 0.5 for 59m " + GO, on="3 A within 1h"),
    ),
    (
        "RE606",
        '\nloop x on cron "30 2 * * *" in "Europe/Berlin" do H.go("a") timeout 1m',
        '\nloop x on cron "30 3 * * *" in "Europe/Berlin" do H.go("a") timeout 1m',
    ),
    (
        "RE606",
        '\nloop x on cron "30 2 * * *" in "Europe/Berlin" do H.go("a") timeout 1m',
        '\nloop x on cron "30 2 * * *" in "Asia/Tokyo" do H.go("a") timeout 1m',
    ),
    (
        "RE606",
        '\nloop x on cron "30 2 * * *" in "Europe/Berlin" do H.go("a") timeout 1m',
        '\nloop x on cron "30 * * * *" in "Europe/Berlin" do H.go("a") timeout 1m',
    ),
    (
        "RE706",
        (
            '\nevent F { error: str, key: str } dedup off from "o"'
            '\nloop x on F per error when count(over 1h) > 2 do H.go("a") timeout 1m'
        ),
        (
            '\nevent F { error: str, key: str } dedup off from "o"'
            '\nloop x on F per key when count(over 1h) > 2 do H.go("a") timeout 1m'
        ),
    ),
    # timing
    ("RE601", loop("cooldown 20m limit 3 per 1h " + GO), loop("cooldown 19m limit 3 per 1h " + GO)),
    ("RE601", loop("cooldown 20m limit 3 per 1h " + GO), loop("cooldown 20m limit 3 per 1h overall " + GO)),
    ("RE601", loop("cooldown 20m limit 3 per 1h " + GO), loop("cooldown 20m unless ok limit 3 per 1h " + GO)),
    (
        "RE602",
        loop("cooldown 5m do H.go(key) retry 2 every 61s timeout 1m"),
        loop("cooldown 5m do H.go(key) retry 2 every 1m timeout 1m"),
    ),
    (
        "RE602",
        loop("when ok for 4m do H.go(key) retry 2 every 1m timeout 1m"),
        loop("when ok for 5m do H.go(key) retry 2 every 1m timeout 1m"),
    ),
    (
        "RE603",
        "\nknob k per key in 0..1 = 0 step 1 per 1h drives H.take" + loop("set k = q"),
        "\nknob k per key in 0..1 = 0 step 0.99 per 1h drives H.take" + loop("set k = q"),
    ),
    (
        "RE604",
        "\nknob k per key in 0..1 = 0 deadband 1.1 drives H.take" + loop("set k = q"),
        "\nknob k per key in 0..1 = 0 deadband 1 drives H.take" + loop("set k = q"),
    ),
    # delivery
    ("RE701", loop("do H.go(key)"), loop("do H.go(key) timeout 1m")),
    (
        "RE702",
        "\nknob k per key in 0..1 = 0" + loop("set k = q"),
        "\nknob k per key in 0..1 = 0 drives H.take" + loop("set k = q"),
    ),
    (
        "RE702",
        "\nknob k per key in 0..1 = 0" + loop("set k = q"),
        "\nknob k per key in 0..1 = 0" + loop("when k < 0.5 set k = q"),
    ),
    (
        "RE703",
        '\nevent D { key: str } from "outside"' + loop("when count(over 1h) > 2 " + GO, on="D"),
        '\nevent D { key: str } dedup off from "outside"' + loop("when count(over 1h) > 2 " + GO, on="D"),
    ),
    # style
    ("RE901", '\n@allow("RE701", "y")' + loop(GO), '\n@allow("RE701", "y")' + loop("do H.go(key)")),
    ("RE901", '\n@allow("RE999", "y")' + loop(GO), loop(GO)),
]


@pytest.mark.parametrize(
    ("code", "bad", "good"), CASES, ids=[f"{code}-{n}" for n, (code, _, _) in enumerate(CASES)]
)
def test_it_is_given_once_and_only_where_it_is_so(judge, code: str, bad: str, good: str) -> None:
    found = judge(PRELUDE + bad)
    assert [f.code.id for f in found] == [code]
    assert found[0].help
    json.dumps(found[0].witness)
    assert code not in [f.code.id for f in judge(PRELUDE + good)]


def test_nothing_is_said_of_the_prelude(judge) -> None:
    assert judge(PRELUDE) == []


def test_a_conflict_shows_an_event_that_sets_off_both(judge) -> None:
    [found] = judge(
        PRELUDE
        + loop("when q < 0.5 and ok set rate = 1")
        + loop('when q > 0.4 and mood == "low" set rate = 2', "y")
    )
    payload = found.witness["payload"]
    assert found.witness["event"] == "A"
    assert found.witness["loops"] == ["x", "y"]
    assert 0.4 < payload["q"] < 0.5
    assert payload["ok"] is True
    assert payload["mood"] == "low"


def test_an_overlap_shows_a_value(judge) -> None:
    [found] = judge(PRELUDE + loop("when q < 0.5 until q > 0.4 " + GO))
    assert 0.4 < found.witness["payload"]["q"] < 0.5


def test_the_contradictions_of_the_original_are_found(judge) -> None:
    """One failed promotion raised the weight in one handler and cut it in another; so for regressions."""
    text = """
    event FAILED { key: str } dedup off from "outside"
    event REGRESSED { key: str, drop: float } dedup off from "outside"
    action S.take(key: str, value: float)
    knob weight per key in 0.5..2.5 = 1 decay 6h drives S.take
    loop raises on FAILED per key set weight *= 1 + 0.20 * count(over 7d)
    loop cuts on FAILED per key with n = count(over 7d) when n >= 3 set weight *= 1 - min(0.5, 0.15 * n)
    loop lowers on REGRESSED per key set weight *= 0.70 - 0.30 * min(drop, 150) / 150
    loop lifts on REGRESSED per key set weight *= 1.25
    """
    found = judge(text)
    assert [(f.code.id, f.witness["loops"]) for f in found] == [
        ("RE401", ["cuts", "raises"]),
        ("RE401", ["lifts", "lowers"]),
    ]


def test_what_is_unused_is_judged_only_when_nothing_is_missing() -> None:
    from rules_engine.language.parser import parse
    from rules_engine.language.resolver import check
    from rules_engine.language.source import Source

    text = PRELUDE + "\nlet z = 1" + loop("when q > zz " + GO)
    source = Source("case.loop", text)
    program, findings = check([parse(source)[0]], [], {"case.loop": source})
    assert [f.code.id for f in findings] == ["RE103"]
    assert program is not None
    assert run_checks(program) == []


def test_an_allow_in_either_loop_hides_a_conflict(judge) -> None:
    pair = loop("set rate = 1"), loop("set rate = 2", "y")
    assert judge(PRELUDE + '\n@allow("RE401", "meant")' + "".join(pair)) == []
    assert judge(PRELUDE + pair[0] + '\n@allow("RE401", "meant")' + pair[1]) == []


@pytest.mark.parametrize(
    ("declared", "advice"),
    [
        ('event BROKE { config_key: str, error: str } from "x"', "where it is declared, add `dedup off`"),
        ("", "`dedup=False`"),
    ],
)
def test_counted_duplicates_advise_what_can_be_changed(declared: str, advice: str) -> None:
    event = "BROKE" if declared else "TRAINING_FAILED"
    loop = f"loop a on 3 {event} within 1h do H.stop() timeout 1m\naction H.stop()\n"
    found = check_texts({"a.loop": f"{declared}\n{loop}"}).diagnostics
    (one,) = [finding for finding in found if finding.code.id == "RE703"]
    assert advice in str(one.help)
