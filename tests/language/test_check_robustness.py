"""Whatever a file says, checking it gives findings and never an exception."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules_engine.checks.registry import run_checks
from rules_engine.language.parser import parse
from rules_engine.language.resolver import check
from rules_engine.language.source import Source
from rules_engine.language.syntax import File
from rules_engine.shipped import shipped

RULES = sorted(Path(shipped("rules")).glob("*.loop"))
EVENTS = sorted(Path(shipped("rules/events")).glob("*.loop"))
WORDS = """
on when until for per with set emit do if cooldown limit unless after cleared failed gather match
over since last count avg prev streak not and or in is known unknown matches true 0 1 25% 10m 0s "x"
"{n}" "{" [ ] { } ( ) + - * / ?? == < = += *= . , : .. ... @shadow knob let type event action loop
test exploration config_key velocity MODEL_PROMOTED * *_FAILED a.b while active
""".split()  # noqa: SIM905
MIXED = """
type t = "a" | "b"  let one = 1  let text = "x{y}"
event E { k: str, n: int in 0..9, f: float?, w: t, d: duration, m: map, l: list, x: str = "{k}-{n}" }
event F { k: str, n: str, w: t? } key k dedup 5s from "y"
action H.a(k: str, v: float in 0..2, note: str?) emits F undo H.b   action H.b(k: str)
knob g per k in 0..2 = 1 step up 0.5 per 1h deadband 0.1 decay 6h lag 1m drives H.a
knob s per k in "lo" | "hi" = "lo"
@allow("RE401", "x") @owner("y")
loop l on E[n > 3] as e or F as f per k
  with c = e.n - prev(e.n) with z = last(F.w over 1h) ?? "a"
  when (c > 3 or avg(e.n over last 5) >= 2) and w in ["a"] for 5m until e.n < 1 for 1m
  cooldown 1m unless e.f is known limit 3 per 1h overall
  set g *= match w { "a": 1.1, else: 0.9 } while active  set g[*] += 0.1 for 1h  set s = "hi" if e is known
  do H.a(k, v: 1.5, note: "{k} {c} {{") retry 3 every 1m timeout 10s
  emit F { k, n: "{e.n}", w: z }
  cleared { emit F { k, n: "0" } }  failed { set s = "lo" }
"""


@cache
def catalogue() -> tuple[dict[str, Source], list[File]]:
    sources = {str(path): Source(str(path), path.read_text(encoding="utf-8")) for path in EVENTS}
    return sources, [parse(source)[0] for source in sources.values()]


def judge(text: str) -> None:
    shipped_sources, shipped_files = catalogue()
    sources = {**shipped_sources, "case.loop": Source("case.loop", text)}
    file, _ = parse(sources["case.loop"])
    program, findings = check([file], [] if "event E" in text else shipped_files, sources)
    assert program is not None
    findings = [*findings, *run_checks(program)]
    for finding in findings:
        text_of = sources[finding.span.path].text
        assert 0 <= finding.span.start <= finding.span.end <= len(text_of)
        assert finding.message
        assert "<class" not in finding.message + finding.help
        assert "Unclear" not in repr(finding)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_the_shipped_files_are_judged(path: Path) -> None:
    judge(path.read_text(encoding="utf-8"))


def test_the_mixed_text_is_sound() -> None:
    source = Source("case.loop", MIXED)
    file, malformed = parse(source)
    assert malformed == []
    _, findings = check([file], [], {"case.loop": source})
    assert [f for f in findings if f.severity == "error"] == []


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_no_change_of_words_makes_it_raise(data: st.DataObject) -> None:
    base = data.draw(st.sampled_from([MIXED, *(path.read_text(encoding="utf-8") for path in RULES)]))
    words = base.split(" ")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(words) - 1))
        change = data.draw(st.sampled_from(["drop", "put", "replace", "swap"]))
        word = data.draw(st.sampled_from(WORDS) | st.sampled_from(words))
        if change == "drop":
            del words[at : at + data.draw(st.integers(1, 3))]
            words = words or [""]
        elif change == "put":
            words.insert(at, word)
        elif change == "replace":
            words[at] = word
        else:
            other = data.draw(st.integers(0, len(words) - 1))
            words[at], words[other] = words[other], words[at]
    judge(" ".join(words))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, len(MIXED) - 1), st.integers(1, 40), st.text(max_size=3))
def test_no_cut_makes_it_raise(at: int, length: int, put: str) -> None:
    judge(MIXED[:at] + put + MIXED[at + length :])
