"""What the daemon leaves in the store for others: how the rules listen, and for whom."""

from __future__ import annotations

from typing import Any

from rules_engine.daemon.facts import listening_record
from rules_engine.pipeline import check_texts

RULES = """
event HOT { hall: str } from "sensors"
event COLD { hall: str } from "sensors"
event DOOR { hall: str } from "doors"
event SMOKE { hall: str } from "sensors"
action Fan.spin(hall: str, speed: float)
action Alarm.ring(hall: str)
action Log.note(hall: str)
knob speed per hall in 0..1.0 = 0 drives Fan.spin

loop cool
  on HOT
  per hall
  with opened = count(DOOR over 1h)
  when opened > 2 until opened == 0
  set speed = 1.0
  after 5m { do Alarm.ring(hall) timeout 1m }

@shadow
loop watched
  on COLD
  per hall
  do Log.note(hall) timeout 1m

@off("not yet")
loop unused
  on SMOKE
  per hall
  do Log.note(hall) timeout 1m
"""


def heard(rules: str) -> dict[str, list[str]]:
    """The events that reach each owner."""
    loaded = check_texts({"rules/a.loop": rules})
    assert loaded.plan is not None, loaded.diagnostics
    record: dict[str, Any] = listening_record(loaded.plan, 7)
    assert (record["program"], record["seen_ms"], record["ended"]) == ("rules", 7, False)
    assert {one["durable"] for one in record["listeners"]} == {"rules"}
    return {one["of"][0]: one["events"] for one in record["listeners"]}


def test_the_rules_hear_what_triggers_or_feeds_a_loop_that_is_on() -> None:
    assert heard(RULES)["rules"] == ["COLD", "DOOR", "HOT"]
    assert heard(RULES.replace('@off("not yet")\n', ""))["rules"] == ["COLD", "DOOR", "HOT", "SMOKE"]


def test_lesson_44_an_owner_hears_what_a_live_loop_acts_on_for_it() -> None:
    assert {name: events for name, events in heard(RULES).items() if name != "rules"} == {
        "Alarm": ["HOT"],
        "Fan": ["HOT"],
    }
    assert heard(RULES.replace("@shadow\n", ""))["Log"] == ["COLD"]
