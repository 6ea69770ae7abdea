"""Spans of time are divided, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules_engine.demo.scaled_rules import RulesUnreadable, scale_durations, write_scaled_rules
from rules_engine.shipped import shipped

LOOP = """
let patience = 2h   # two hours, 2h
knob rate per config_key in 0..2 = 1 step up 0.5 per 1h deadband 0.01 decay 6h lag 30m
loop watch_5m
  "After 10m of nothing, 3h later."
  on 3 QUALITY_DEGRADED within 1h30m
  per config_key
  when avg(quality_score over 2h) < 0.6 for 10m until quality_score > 0.8 for patience
  cooldown 30s unless quality_score < 0.4
  limit 5 per 1d
  set rate = 0.5 for 1h
  do Some.thing(config_key, wait: 10m) retry 3 every 10s timeout 30s
  after 2h { set rate = 1 }
"""
SCALED = """
let patience = 12s   # two hours, 2h
knob rate per config_key in 0..2 = 1 step up 0.5 per 6s deadband 0.01 decay 36s lag 3s
loop watch_5m
  "After 10m of nothing, 3h later."
  on 3 QUALITY_DEGRADED within 9s
  per config_key
  when avg(quality_score over 12s) < 0.6 for 1s until quality_score > 0.8 for patience
  cooldown 50ms unless quality_score < 0.4
  limit 5 per 144s
  set rate = 0.5 for 6s
  do Some.thing(config_key, wait: 1s) retry 3 every 10s timeout 30s
  after 12s { set rate = 1 }
"""


def test_every_span_but_those_of_actions_is_divided() -> None:
    assert scale_durations(LOOP, 600) == SCALED


def test_a_factor_of_one_changes_no_meaning() -> None:
    assert scale_durations(scale_durations(LOOP, 1), 600) == SCALED


@pytest.mark.parametrize(("written", "scaled"), [("1h", "6s"), ("15s", "1s"), ("500ms", "500ms")])
def test_what_runs_by_the_clock_runs_once_a_second_at_most(written: str, scaled: str) -> None:
    text = "loop a on every {} set x = 1"
    assert scale_durations(text.format(written), 600) == text.format(scaled)


def test_no_span_becomes_nothing() -> None:
    assert "cooldown 1ms" in scale_durations("loop a on TRAINING_FAILED cooldown 100ms", 600)


def test_tests_are_left_out() -> None:
    text = 'let a = 1h\ntest "t" { at 5m expect nothing }\nlet b = 2h\n'
    assert scale_durations(text, 600) == "let a = 6s\n\nlet b = 12s\n"


def test_a_text_that_does_not_parse_is_refused_with_its_place() -> None:
    with pytest.raises(RulesUnreadable, match=r"bad\.loop:1:9: .*rules-engine lint"):
        scale_durations("loop a @@", 600, "bad.loop")


def test_the_shipped_rules_scale(tmp_path: Path) -> None:
    written = write_scaled_rules(shipped("rules"), tmp_path, 600)
    assert {path.name for path in written} >= {"curriculum.loop", "quality.loop", "regression.loop"}
    assert not (tmp_path / "events").exists()
    for path in written:
        again = path.read_text(encoding="utf-8")
        assert scale_durations(again, 1).count("\n") == again.count("\n")
