"""Every finding of names and types, from both sides: where it is said, exactly, and where it is not.

A case marks the place of its one finding with «». Without the marks the bad text must give this finding
and no other; the good text must give none.
"""

from __future__ import annotations

import pytest

from rules_engine.language.diagnostics import Diagnostic
from rules_engine.language.parser import parse
from rules_engine.language.program import Program
from rules_engine.language.resolver import check
from rules_engine.language.source import Source

PRELUDE = """
type config = "hex8_2p" | "hex8_3p"
type mood = "low" | "fair" | "high"
event A {
  config_key|config: config, score: float in 0..1, n: int, maybe: float?, mood: mood, wait: duration,
  details: map, ok: bool, names: list, text: str, label: str?
}
event B { config_key: config, score: float in 0..1, n: str, only_b: int }
event OPEN { config_key: str, note: str?, ... }
event GAME_LOST { config_key: str }
event GAME_WON { config_key: str }
action H.go(config_key: config, factor: float in 0..1, note: str?)
action H.stop()
action H.take(config_key: str, value: float in 0..2)
knob rate per config_key in 0..2 = 1 drives H.take
knob pace per config_key in "slow" | "normal" | "fast" = "normal"
knob pair per config_key, mood in 0..1 = 0
knob whole in 0..1 = 0
let ten = 10
let soon = 10m
let half = ten / 20
"""
GO = "do H.stop()"


def findings_of(text: str, *, catalogue: str = "") -> tuple[Program, list[Diagnostic]]:
    sources = {"case.loop": Source("case.loop", text), "catalogue.loop": Source("catalogue.loop", catalogue)}
    (file, malformed), (shipped, fine) = (parse(source) for source in sources.values())
    assert malformed == []
    assert fine == []
    program, findings = check([file], [shipped], sources)
    assert program is not None
    return program, findings


def marked(text: str) -> tuple[str, int, int]:
    before, rest = text.split("«")
    inside, after = rest.split("»")
    return before + inside + after, len(before), len(before) + len(inside)


def loop(body: str, on: str = "A", per: str = "per config_key") -> str:
    return f"loop x on {on} {per} {body}"


CASES = [
    # names
    ("RE101", "loop x on «AA» do H.stop()", "loop x on A do H.stop()"),
    ("RE101", loop("emit «GAME_LOSS» { config_key }"), loop("emit GAME_LOST { config_key }")),
    ("RE101", loop("when count(since «AAA») > 1 " + GO), loop("when count(since B) > 1 " + GO)),
    ("RE101", "action H.x() emits «NOPE»", "action H.x() emits A"),
    ("RE102", loop("when a.«scor» > 0 " + GO, "A as a"), loop("when a.score > 0 " + GO, "A as a")),
    ("RE102", loop(GO, per="per «confi»"), loop(GO)),
    ("RE102", loop(GO, "A or B", "per «only_b»"), loop(GO, "A or B")),
    ("RE102", loop("emit GAME_LOST { config_key, «scr»: 1 }"), loop("emit GAME_LOST { config_key }")),
    ("RE102", loop("when last(B.«scoer» over 1h) > 0 " + GO), loop("when last(B.score over 1h) > 0 " + GO)),
    ("RE102", loop("when count(«GONE» over 1h) > 0 " + GO) + " event GONE { x: int }", loop(GO)),
    ("RE102", "event X { a: str } key «b»", "event X { a: str } key a"),
    ("RE103", loop("when «scor» > 0 " + GO), loop("when score > 0 " + GO)),
    ("RE103", loop("when wait > 1m for «son» " + GO), loop("when wait > 1m for soon " + GO)),
    ("RE103", "loop x on A[«only_b» > 1] do H.stop()", "loop x on A[n > 1] do H.stop()"),
    ("RE103", loop("with v = 1 when «w» > 0 " + GO), loop("with v = 1 when v > 0 " + GO)),
    ("RE103", "let x = «score»", "let x = half"),
    ("RE104", loop("set «rat» = 1"), loop("set rate = 1")),
    ("RE104", loop("set «half» = 1"), loop("set whole = 1")),
    ("RE105", loop("do «H.goo»()"), loop("do H.stop()")),
    ("RE105", "knob k in 0..1 = 0 drives «H.x»", "knob k in 0..1 = 0"),
    ("RE106", loop("when «mx»(n, 1) > 0 " + GO), loop("when max(n, 1) > 0 " + GO)),
    ("RE107", "event X { a: «string» }", "event X { a: str }"),
    ("RE107", 'knob k in «moods» = "low"', 'knob k in mood = "low"'),
    ("RE108", "«@shadw» " + loop(GO), "@shadow " + loop(GO)),
    ("RE109", loop("do H.go(config_key, «factr»: 1)"), loop("do H.go(config_key, factor: 1)")),
    ("RE110", "let «ten» = 3", "let eleven = 3"),
    ("RE110", "knob «ten» in 0..1 = 0", "knob eleven in 0..1 = 0"),
    ("RE110", loop("with v = 1 with «v» = 2 " + GO), loop("with v = 1 with w = 2 " + GO)),
    ("RE110", "loop x on A or «A» do H.stop()", "loop x on A or B do H.stop()"),
    (
        "RE111",
        "let score = 1 " + loop("when «score» > 0 " + GO),
        "let score = 1 " + loop("when a.score > 0 " + GO, "A as a"),
    ),
    ("RE111", loop("with n = 1 when «n» > 0 " + GO), loop("with m = 1 when m > 0 " + GO)),
    ("RE112", loop("cooldown 1m «cooldown» 2m " + GO), loop("cooldown 1m " + GO)),
    ("RE112", loop("when ok «when» ok " + GO), loop("when ok and ok " + GO)),
    ("RE112", loop("do H.stop() retry 3 every 1m «retry 4 every 1m»"), loop("do H.stop() retry 3 every 1m")),
    ("RE112", "loop x on A «on» B do H.stop()", "loop x on A or B do H.stop()"),
    (
        "RE112",
        "knob k in 0..1 = 0 step 0.1 per 1h «step 0.2 per 2h»",
        "knob k in 0..1 = 0 step up 0.1 per 1h step down 0.2 per 2h",
    ),
    ("RE112", "event X { a: str } dedup off «dedup 5s»", "event X { a: str } dedup 5s"),
    (
        "RE113",
        loop("when ok set rate = 1 «while active»"),
        loop("when ok until not ok set rate = 1 while active"),
    ),
    (
        "RE113",
        loop("when ok " + GO + " «cleared» { do H.stop() }"),
        loop("when ok until not ok " + GO + " cleared { do H.stop() }"),
    ),
    (
        "RE113",
        loop("when count(«since cleared») > 1 " + GO),
        loop("when count(since cleared) > 1 until not ok " + GO),
    ),
    ("RE113", loop("set rate = 1 «failed» { set rate = 0 }"), loop("do H.stop() failed { set rate = 0 }")),
    ("RE114", "loop «x» do H.stop()", "loop x on A do H.stop()"),
    ("RE115", "loop «x» on A when ok", "loop x on A when ok do H.stop()"),
    ("RE116", "loop x on «LOST_*» do H.stop()", "loop x on GAME_* do H.stop()"),
    (
        "RE116",
        'loop x on «*_LOST» emit GAME_LOST { config_key: "a" }',
        'loop x on *_WON emit GAME_LOST { config_key: "a" }',
    ),
    (
        "RE117",
        loop('emit GAME_LOST { config_key, «config_key»: "a" }'),
        loop("emit GAME_LOST { config_key }"),
    ),
    (
        "RE117",
        loop("do H.go(config_key, 1, «config_key»: config_key)"),
        loop("do H.go(config_key, 1, note: text)"),
    ),
    ("RE117", "event X { a: str, «a»: int }", "event X { a: str, b: int }"),
    ("RE117", 'type t = "a" | «"a"»', 'type t = "a" | "b"'),
    ("RE117", loop(GO, per="per config_key, «config_key»"), loop(GO, per="per config_key, mood")),
    ("RE119", "let «a» = b let b = a", "let a = b let b = 1"),
    ("RE119", "type «t» = t", "type t = str"),
    ("RE119", 'event X { a: str = «"{b}"», b: str = "{a}" }', 'event X { a: str = "{b}", b: str }'),
    ("RE119", loop("with «v» = v + 1 " + GO), loop("with v = n + 1 " + GO)),
    ("RE120", "loop x on A set «rate» = 1", "loop x on A set rate[*] = 1"),
    ("RE120", "loop x on A when «rate» > 1 do H.stop()", "loop x on A when rate[config_key] > 1 do H.stop()"),
    (
        "RE120",
        loop("set «whole[config_key]» = 1".replace("whole[config_key]", "whole[config_key") + "] = 1")
        .replace(" = 1] = 1", "] = 1")
        .replace("«whole[config_key»", "«whole[config_key»"),
        loop("set whole = 1"),
    ),
    (
        "RE120",
        loop("when pair[«config_key»] > 0 " + GO),
        "loop x on A per config_key, mood when pair > 0 do H.stop()",
    ),
    ("RE121", "«@off(3)» " + loop(GO), '@off("why") ' + loop(GO)),
    ("RE122", loop('emit OPEN { config_key, «noet»: "a" }'), loop('emit OPEN { config_key, else_: "a" }')),
    # types
    ("RE201", loop('when «score > "a"» ' + GO), loop("when score > 1% " + GO)),
    ("RE201", loop("when «n» " + GO), loop("when n > 0 " + GO)),
    ("RE201", loop("when not «n» " + GO), loop("when not ok " + GO)),
    ("RE201", loop("when «ok == 1» " + GO), loop("when ok == true " + GO)),
    ("RE201", loop("when mood == «high» " + GO), loop('when mood == "high" ' + GO)),
    ("RE201", loop("when n in «3» " + GO), loop("when n in [3] " + GO)),
    ("RE201", loop('when «text < "b"» ' + GO), loop('when pace < "fast" ' + GO)),
    ("RE201", loop("when «text» + 1 > 2 " + GO), loop("when n + 1 > 2 " + GO)),
    ("RE201", loop('when «n» matches "a*" ' + GO), loop('when text matches "a*" ' + GO)),
    ("RE201", loop("when text.«x» == 1 " + GO), loop("when details.x == 1 " + GO)),
    ("RE201", loop('set rate = «"a"»'), loop("set rate = 1")),
    (
        "RE201",
        loop("emit B { config_key, score, n: «n», only_b: 1 }"),
        loop('emit B { config_key, score, n: "{n}", only_b: 1 }'),
    ),
    (
        "RE201",
        loop('emit B { config_key, score, n: "", only_b: «1.5» }'),
        loop('emit B { config_key, score, n: "", only_b: 5.0 }'),
    ),
    (
        "RE201",
        loop('set rate = match mood { "low": 1, else: «"a"» }'),
        loop('set rate = match mood { "low": 1, else: 2 }'),
    ),
    ("RE201", 'knob k in 0..1 = «"a"»', "knob k in 0..1 = 1"),
    ("RE202", loop("when wait > «600» " + GO), loop("when wait > 10m " + GO)),
    ("RE202", loop("when wait + «1» > 10m " + GO), loop("when wait * 2 > 10m " + GO)),
    ("RE202", loop("cooldown «ten» " + GO), loop("cooldown soon " + GO)),
    ("RE203", loop('when mood == «"hihg"» ' + GO), loop('when mood == "high" ' + GO)),
    ("RE203", loop('when mood in ["low", «"x"»] ' + GO), loop('when mood in ["low", "fair"] ' + GO)),
    (
        "RE203",
        loop('set rate = match mood { «"loww"»: 1, else: 2 }'),
        loop('set rate = match mood { "low": 1, else: 2 }'),
    ),
    ("RE203", loop('set pace = «"quick"»'), loop('set pace = "fast"')),
    ("RE203", loop('do H.go(«"hex9"», 1)'), loop('do H.go("hex8_2p", 1)')),
    (
        "RE203",
        'knob k per config in 0..1 = 0 loop x on A set k[«"hex"»] = 1',
        'knob k per config in 0..1 = 0 loop x on A set k["hex8_2p"] = 1',
    ),
    ("RE203", 'knob k in "a" | "b" = «"c"»', 'knob k in "a" | "b" = "b"'),
    ("RE204", loop("do H.go(config_key, «maybe»)"), loop("do H.go(config_key, maybe ?? 0)")),
    ("RE204", loop("do H.go(config_key, «maybe»)"), loop("do H.go(config_key, maybe) if maybe is known")),
    ("RE204", loop("do H.go(config_key, «maybe»)"), loop("when maybe < 1 do H.go(config_key, maybe)")),
    ("RE204", loop("with m = maybe / 2 set rate = «m»"), loop("with m = maybe / 2 when m > 0 set rate = m")),
    ("RE204", loop("set rate = «last(B.score over 1h)»"), loop("set rate = last(B.score over 1h) ?? 1")),
    (
        "RE204",
        loop("set rate = match { «maybe» > 1: 1, else: 2 }"),
        loop("set rate = match { maybe > 1: 1, else: 2, unknown: 0 }"),
    ),
    (
        "RE204",
        loop("set rate = a.score", "«A»  as a or B as b")
        .replace("«A» ", "A")
        .replace("a.score", "«a.score»"),
        loop("set rate = a.score if a is known", "A as a or B as b"),
    ),
    ("RE205", loop("do «H.go»(config_key)"), loop("do H.go(config_key, 1)")),
    ("RE205", loop("emit «GAME_LOST» { }"), loop("emit GAME_LOST { config_key }")),
    ("RE206", loop("do H.stop(«config_key»)"), loop("do H.stop()")),
    ("RE206", loop("do H.go(factor: 1, «config_key»)"), loop("do H.go(config_key, factor: 1)")),
    ("RE207", loop("do H.go(config_key, «1.5»)"), loop("do H.go(config_key, 1)")),
    ("RE207", loop("do H.go(config_key, «2 + score»)"), loop("do H.go(config_key, 1 + score)")),
    ("RE207", "knob k in 0..1 = «2»", "knob k in 0..1 = 1"),
    ("RE208", "event X { a: float in «1..0» }", "event X { a: float in 0..0 }"),
    ("RE208", "event X { a: str in «0..1» }", "event X { a: int in 0..1 }"),
    ("RE208", "knob k in «1..1» = 1", "knob k in 1..2 = 1"),
    ("RE209", 'knob k in "a" | "b" = "a" «decay 1h»', "knob k in 0..1 = 0 decay 1h"),
    ("RE209", 'knob k in "a" | "b" = "a" «deadband 0.1»', "knob k in 0..1 = 0 deadband 0.1"),
    ("RE209", loop('set «pace» += "fast"'), loop('set pace = "fast"')),
    (
        "RE210",
        loop('set rate = «match» mood { "low": 1, "high": 2 }'),
        loop('set rate = match mood { "low": 1, "high": 2, "fair": 0 }'),
    ),
    (
        "RE210",
        loop("set rate = «match» { n > 1: 1, n < 1: 2 }"),
        loop("set rate = match { n > 1: 1, n <= 1: 2 }"),
    ),
    (
        "RE210",
        loop("set rate = «match» { n > 5: 1, n < 4: 2 }"),
        loop("set rate = match { n > 4: 1, n < 5: 2 }"),
    ),
    ("RE210", loop("set rate = «match» ok { true: 1 }"), loop("set rate = match ok { true: 1, false: 2 }")),
    ("RE210", loop("set rate = «match» n { 1: 1 }"), loop("set rate = match n { 1: 1, else: 2 }")),
    (
        "RE211",
        loop('set rate = match mood { "low": 1, «"low": 2», else: 0 }'),
        loop('set rate = match mood { "low": 1, "fair": 2, else: 0 }'),
    ),
    ("RE212", loop('when text == «"{n}"» ' + GO), loop('when text == "{" ' + GO)),
    ("RE213", loop('do H.go(config_key, 1, "a «{»n")'), loop('do H.go(config_key, 1, "a {{n {n}")')),
    ("RE213", loop('do H.go(config_key, 1, "a «{}»")'), loop('do H.go(config_key, 1, "a {{}")')),
    ("RE214", loop("«limit 2.5 per 1h» " + GO), loop("limit 2 per 1h " + GO)),
    ("RE214", loop("«limit 0 per 1h» " + GO), loop("limit 1 per 1h " + GO)),
    ("RE214", loop("when avg(n «over last 0») > 1 " + GO), loop("when avg(n over last 1) > 1 " + GO)),
    ("RE214", loop("when avg(n «over last 10001») > 1 " + GO), loop("when avg(n over last 10000) > 1 " + GO)),
    ("RE214", loop("do H.stop() «retry 0 every 1m»"), loop("do H.stop() retry 1 every 1m")),
    ("RE215", loop("cooldown «0s» " + GO), loop("cooldown 1ms " + GO)),
    ("RE215", loop("do H.stop() timeout «0s»"), loop("do H.stop() timeout 1s")),
    ("RE216", 'event X { a: str = «"x"», b: str? }', 'event X { a: str = "{b}", b: str? }'),
    ("RE216", 'action H.x(a: str = «"x"»)', "action H.x(a: str?)"),
    ("RE217", loop("when «n» == 1 " + GO, "A or B"), loop("when a.n == 1 " + GO, "A as a or B as b")),
    (
        "RE218",
        "loop x on A[«avg(n over 1h)» > 1] do H.stop()",
        "loop x on A when avg(n over 1h) > 1 do H.stop()",
    ),
    ("RE218", "let x = «count(over 1h)»", "let x = 1"),
    ("RE218", loop("when «B.score» > 0 " + GO), loop("when last(B.score over 1h) > 0 " + GO)),
    (
        "RE219",
        loop("when «avg(max(n over 1h) over 2h)» > 0 " + GO),
        loop("when streak(max(n over 1h) > 0) > 2 " + GO),
    ),
    (
        "RE219",
        loop("with m = max(n over 1h) when «avg(m over 2h)» > 0 " + GO),
        loop("with m = max(n over 1h) when m > 0 " + GO),
    ),
    (
        "RE219",
        loop("when «streak(streak(prev(n) > 1) > 2)» > 0 " + GO),
        loop("when streak(prev(n) > 1) > 2 " + GO),
    ),
    ("RE220", loop(GO, per="per «score»"), loop(GO, per="per n, ok, text, mood")),
    ("RE221", loop("when «avg(n)» > 1 " + GO), loop("when avg(n over 1h) > 1 " + GO)),
    ("RE221", loop("when «abs(n, 1)» > 1 " + GO), loop("when abs(n) > 1 " + GO)),
    ("RE221", loop("when count(«ok» over 1h) > 1 " + GO), loop("when count(over 1h) > 1 " + GO)),
    (
        "RE222",
        "knob k per config_key in 0..3 = 0 drives «H.take»",
        "knob k per config_key in 0..2 = 0 drives H.take",
    ),
    ("RE222", "knob k in 0..1 = 0 drives «H.take»", "knob k per config_key in 0..1 = 0 drives H.take"),
    ("RE205", loop("do H.stop() «retry 3»"), loop("do H.stop() retry 3 every 1s")),
    ("RE224", loop("when n > «50%» " + GO), loop("when score > 50% " + GO)),
    (
        "RE224",
        loop('emit B { config_key, score, n: "", only_b: «300%» }'),
        loop('emit B { config_key, score: 50%, n: "", only_b: 3 }'),
    ),
    ("RE110", 'event Z = «"game_lost"» { a: str }', 'event Z = "z" { a: str }'),
    ("RE221", loop("when «quantile(n over 1h)» > 1 " + GO), loop("when quantile(n, 95% over 1h) > 1 " + GO)),
    ("RE221", loop("when «ewma(n over last 9)» > 1 " + GO), loop("when ewma(n over 9m) > 1 " + GO)),
    (
        "RE204",
        loop("set whole = «slope(n over 1h)»"),
        loop("when slope(n over 1h) > 0 set whole = slope(n over 1h)"),
    ),
    (
        "RE113",
        loop("when ok «after 1h» { do H.stop() } " + GO),
        loop("when ok until not ok after 1h { do H.stop() } " + GO),
    ),
    (
        "RE125",
        loop('when during("* 9 * * *", «"Europe/Berlim"») ' + GO),
        loop('when during("* 9 * * *", "Europe/Berlin") ' + GO),
    ),
    ("RE227", loop('when during("* «24» * * *") ' + GO), loop('when during("* 23 * * *") ' + GO)),
    ("RE227", loop('when during(«"* * * *"») ' + GO), loop('when during("* * * * *") ' + GO)),
    ("RE227", loop('when during("* * «31» 2,4 *") ' + GO), loop('when during("* * 31 1,4 *") ' + GO)),
    ("RE201", loop("when during(«n») " + GO), loop('when during("* * * * *") ' + GO)),
    ("RE215", "loop x on every «0s» do H.stop()", "loop x on every 1s do H.stop()"),
    ("RE220", loop(GO, "every 1h", "per «config_key»"), loop(GO, "every 1h", "per config, mood")),
    ("RE220", loop(GO, 'cron "0 3 * * *"', "per «conifg»"), loop(GO, 'cron "0 3 * * *"', "per config")),
    ("RE227", loop(GO, 'cron "0 3 * * «9»"', ""), loop(GO, 'cron "0 3 * * 7"', "")),
    (
        "RE125",
        loop(GO, 'cron "0 3 * * *" in «"Moon/Tycho"»', ""),
        loop(GO, 'cron "0 3 * * *" in "America/Port-au-Prince"', ""),
    ),
    ("RE103", loop("when «n» > 1 " + GO, "every 1h", "per config"), loop(GO, "every 1h", "per config")),
]


@pytest.mark.parametrize(
    ("code", "bad", "good"), CASES, ids=[f"{code}-{n}" for n, (code, _, _) in enumerate(CASES)]
)
def test_it_is_said_once_at_its_place_and_only_where_it_is_so(code: str, bad: str, good: str) -> None:
    text, start, end = marked(PRELUDE + bad)
    _, findings = findings_of(text)
    assert [(f.code.id, text[f.span.start : f.span.end]) for f in findings] == [(code, text[start:end])]
    assert (findings[0].span.start, findings[0].span.end) == (start, end)
    assert findings[0].help
    _, findings = findings_of(PRELUDE + good)
    assert findings == []


def codes(text: str, **more: str) -> list[str]:
    return [finding.code.id for finding in findings_of(text, **more)[1]]


def test_five_mistakes_in_three_places_are_five_findings_and_the_rest_is_still_checked() -> None:
    program, findings = findings_of(
        PRELUDE
        + """
        event X { a: strng }
        loop one on NOPE per anything when what > 1 do H.go(config_key, factor: 1)
        loop two on A per config_key with s = scor / 2 when s > 1 set rat = s
        loop three on X when a > 3 do H.stop()
        loop four on A per config_key do H.go(config_key, 2)
        loop fine on A do H.stop()
        """
    )
    assert [f.code.id for f in findings] == ["RE107", "RE101", "RE103", "RE104", "RE207"]
    assert [one.name for one in program.loops] == ["fine", "three"]
    assert not program.complete


def test_what_did_not_parse_is_not_called_unknown() -> None:
    text = "knob rate in 0..1 = = 0\nevent A { a: int }\nloop x on A when a > set rate = 1\n"
    text += "loop y on A set rate = a do Q.x()"
    source = Source("case.loop", text)
    file, malformed = parse(source)
    assert malformed
    program, findings = check([file], [], {"case.loop": source})
    assert [f.code.id for f in findings] == ["RE105"]
    assert program is not None
    assert not program.complete
    assert program.loops == ()


def test_the_nearest_name_is_told() -> None:
    _, [finding] = findings_of(PRELUDE + "loop x on GAME_LOTS do H.stop()")
    assert finding.message == "unknown event `GAME_LOTS`"
    assert finding.help == "did you mean `GAME_LOST`?"


@pytest.mark.parametrize(
    ("bad", "advice"),
    [
        ("set entirely_new = 1", "declare it: knob entirely_new per config_key in 0..1 = 1"),
        (
            'do New.thing(config_key, factor: score, "x")',
            "declare it: action New.thing(config_key: str, factor: float, value3: str)",
        ),
        (
            "emit BRAND_NEW { config_key, score: n }",
            "declare it: event BRAND_NEW { config_key: str, score: int }",
        ),
        (
            "when brand_new > 1 do H.stop()",
            "`A` has `config`, `config_key`, `details`, `label`, `maybe`, `mood`, `n`, `names` and 4 more",
        ),
    ],
)
def test_what_is_not_near_anything_is_told_how_to_declare(bad: str, advice: str) -> None:
    _, [finding] = findings_of(PRELUDE + loop(bad))
    assert finding.help == advice


def test_a_guess_hides_no_other_mistake() -> None:
    text = PRELUDE + "let score = 1 " + loop("do New.thing(score, scor)")
    assert codes(text) == ["RE105", "RE111", "RE103"]


def test_a_loop_that_reads_a_broken_constant_is_left_out_without_a_word() -> None:
    program, findings = findings_of(PRELUDE + "let odd = nope " + loop("when n > odd do H.stop()"))
    assert [f.code.id for f in findings] == ["RE103"]
    assert program.loops == ()


def test_a_clause_word_in_place_of_an_operand_is_a_missing_operand() -> None:
    _, [finding] = findings_of(PRELUDE + loop("when score < or do H.stop()"))
    assert finding.message == "an expression is missing before `or`"
    assert codes("event Z { or: int } action H.x() loop x on Z when or > 1 do H.x()") == []


def test_a_duplicate_shows_the_first_one() -> None:
    text = PRELUDE + "let ten = 3"
    _, [finding] = findings_of(text)
    [first] = finding.related
    assert first.span.start == text.index("ten = 10")


def test_redeclaring_the_catalogue_is_information_and_replaces_it() -> None:
    program, findings = findings_of(
        "event A { b: int } action H.stop() loop x on A when b > 1 do H.stop()",
        catalogue="event A { a: str } event C { c: int }",
    )
    assert [(f.code.id, f.severity) for f in findings] == [("RE118", "info")]
    assert list(program.events["A"].fields) == ["b"]
    assert program.events["A"].from_catalogue
    assert program.events["C"].from_catalogue


def test_an_event_answers_to_its_other_names() -> None:
    program, findings = findings_of(
        'event A = "A_DONE" { a: int } action H.stop() loop x on A_DONE do H.stop()'
    )
    assert findings == []
    assert program.loops[0].trigger.events[0].event == "A"


def test_fields_are_read_by_their_own_name_whatever_the_spelling() -> None:
    program, findings = findings_of(
        PRELUDE + 'loop x on A per config when config != "a" do H.stop()'.replace('"a"', '"hex8_2p"')
    )
    assert findings == []
    assert program.loops[0].per == ("config_key",)


def test_a_pattern_stands_for_each_event_but_those_the_loop_emits() -> None:
    program, _ = findings_of(PRELUDE + 'loop x on GAME_* emit GAME_LOST { config_key: "a" }')
    assert [event.event for event in program.loops[0].trigger.events] == ["GAME_WON"]


def test_fields_that_an_event_lacks_are_optional_and_narrowed_by_what_was_asked() -> None:
    text = PRELUDE + "event C { config_key: config, score: float } loop x on A or C per config_key"
    assert codes(text + " do H.go(config_key, n)") == ["RE204"]
    assert codes(text + " when n > 0 do H.go(config_key, n)") == []
    assert codes(text + " when n > 0 or score > 0 do H.go(config_key, n)") == ["RE204"]
    assert codes(text + " when not (n > 0) do H.go(config_key, n)") == []
    assert codes(text + " when ok ?? true do H.go(config_key, n)") == ["RE204"]


def test_what_is_certain_whichever_event_came_is_certain() -> None:
    text = (
        PRELUDE
        + "event C { config_key: config, other: float in 0..1 } loop x on A as a or C as c per config_key"
    )
    assert codes(text + " do H.go(config_key, a.score ?? c.other)") == []
    assert codes(text + " do H.go(config_key, score ?? other)") == []
    assert codes(text + " do H.go(config_key, a.maybe ?? c.other)") == ["RE204"]


def test_texts_of_effects_hold_values() -> None:
    program, findings = findings_of(PRELUDE + loop('do H.go(config_key, 1, note: "{n} of {{x}: {half}")'))
    assert findings == []
    [effect] = program.loops[0].effects
    note = dict(effect.arguments)["note"]  # type: ignore[attr-defined]
    assert [part if isinstance(part, str) else type(part).__name__ for part in note.parts] == [
        "FieldRead", " of {x}: ", "Const",
    ]  # fmt: skip


def test_a_mistake_inside_a_text_is_shown_inside_the_text() -> None:
    text, start, end = marked(PRELUDE + loop('do H.go(config_key, 1, note: "a\\n {«scor»} b")'))
    _, [finding] = findings_of(text)
    assert (finding.code.id, finding.span.start, finding.span.end) == ("RE103", start, end)


def test_constants_are_settled() -> None:
    program, _ = findings_of(PRELUDE)
    assert program.lets["half"].value == 0.5  # type: ignore[attr-defined]


def test_locals_come_in_an_order_that_resolves() -> None:
    program, findings = findings_of(PRELUDE + loop("with a = b + 1 with b = n when a > 0 do H.stop()"))
    assert findings == []
    assert [name for name, _ in program.loops[0].locals] == ["b", "a"]


def test_an_allow_hides_warnings_and_never_errors() -> None:
    bad = loop("do H.go(config_key, maybe)")
    program, findings = findings_of(PRELUDE + '@allow("RE204", "fine") ' + bad)
    assert findings == []
    assert program.allowed == {("x", "RE204")}
    assert codes(PRELUDE + '@allow("RE103", "no") ' + loop("when scor > 1 do H.stop()")) == ["RE103"]


def test_other_files_see_each_other() -> None:
    sources = {
        name: Source(name, text)
        for name, text in {"b": "loop x on A do H.x()", "a": "event A { a: int } action H.x()"}.items()
    }
    files = [parse(source)[0] for source in sources.values()]
    program, findings = check(files, [], sources)
    assert findings == []
    assert program is not None
    assert [one.name for one in program.loops] == ["x"]


def test_findings_come_in_one_order_whatever_the_order_of_files() -> None:
    texts = {"b.loop": "loop x on NOPE do H.x()", "a.loop": "let a = b let c = a let e = c + nope"}
    sources = {name: Source(name, text) for name, text in texts.items()}
    files = [parse(source)[0] for source in sources.values()]
    one, other = check(files, [], sources)[1], check(files[::-1], [], sources)[1]
    assert one == other
    assert [f.span.path for f in one] == ["a.loop", "a.loop", "b.loop", "b.loop"]


def test_names_of_names_of_names_end_somewhere() -> None:
    steps = " ".join(f"with v{n} = v{n + 1} + 1" for n in range(1200)) + " with v1200 = n "
    assert codes(PRELUDE + loop(steps + GO)) == ["RE223"]
    doubled = "with w0 = n " + " ".join(f"with w{n + 1} = w{n} * w{n}" for n in range(60)) + " when w60 > 1 "
    assert codes(PRELUDE + loop(doubled + GO)) == ["RE223"]
    assert codes(" ".join(f"let l{n} = l{n + 1} + 1" for n in range(1200)) + " let l1200 = 1") == ["RE223"]
    assert codes(" ".join(f"type t{n} = t{n + 1}" for n in range(1200)) + " type t1200 = str") == ["RE223"]
    fine = "with w0 = n " + " ".join(f"with w{n + 1} = w{n} + 1" for n in range(90)) + " when w90 > 1 "
    assert codes(PRELUDE + loop(fine + GO)) == []


@pytest.mark.parametrize(
    "chain", ["+".join(["n"] * 90), " or ".join(["ok"] * 3000), "max(" * 40 + "n" + ", 1)" * 40]
)
def test_long_and_deep_expressions_are_taken(chain: str) -> None:
    program, findings = findings_of(PRELUDE + loop(f"with v = {chain} " + GO))
    assert findings == []
    assert len(program.loops) == 1
