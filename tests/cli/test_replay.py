"""`rules-engine replay`: the live decisions again, from the database and from a file."""

from __future__ import annotations

import json

import pytest

HOLD = """
event READING { sensor: str, value: float } from "sensors"
action Valve.close(sensor: str)
loop held
  on READING
  per sensor
  when value > 10 for 10m
  do Valve.close(sensor) timeout 5s
"""


def line(time: object, value: float = 20, **more: object) -> str:
    return json.dumps({"type": "READING", "payload": {"sensor": "a", "value": value}, "time": time, **more})


def firings(result) -> list[tuple[str, str]]:
    return [(firing["cause"], firing["time"]) for firing in result.json["firings"]]


def test_it_decides_what_was_decided(command, drained):
    drained(("a", 12), ("b", 5), ("a", 200))
    live = command("firings", "--format", "json").json["firings"]
    again = command("replay", "--format", "json").json
    assert again["firings"] == live
    assert len(live) == 3
    assert again["events"] == 3
    assert (again["added"], again["removed"]) == ([], [])


def test_a_file_of_tail_is_as_good_as_the_database(command, drained, here):
    drained(("a", 12), ("a", 200))
    (here / "log.jsonl").write_text(command("tail", "--format", "json").out)
    of_file = command("replay", "--from", "log.jsonl", "--format", "json").json
    assert of_file == command("replay", "--format", "json").json
    assert len(of_file["firings"]) == 3


def test_nothing_is_performed_or_recorded(command, drained, here):
    drained(("a", 12))
    before = command("status", "--format", "json").json, (here / "closed.txt").read_text()
    command("replay")
    assert (command("status", "--format", "json").json, (here / "closed.txt").read_text()) == before


@pytest.mark.parametrize(
    ("until", "fired"),
    [(None, 0), ("2026-01-01T00:09:59.999Z", 0), ("2026-01-01T00:10:00Z", 1), ("2026-01-01T05:00Z", 1)],
)
def test_timers_go_on_past_the_last_row_only_when_asked(command, here, until, fired):
    (here / "rules" / "a.loop").write_text(HOLD)
    (here / "log.jsonl").write_text(line("2026-01-01T00:00:00Z"))
    options = [] if until is None else ["--until", until]
    found = firings(command("replay", "--from", "log.jsonl", *options, "--format", "json"))
    assert found == [("timer", "2026-01-01T00:10:00.000Z")] * fired


def test_a_timer_due_at_the_last_rows_time_fires(command, here):
    (here / "rules" / "a.loop").write_text(HOLD)
    (here / "log.jsonl").write_text(line(0) + "\n" + line(600, value=5))
    assert firings(command("replay", "--from", "log.jsonl", "--format", "json")) == [
        ("timer", "1970-01-01T00:10:00.000Z")
    ]


def test_emitted_rows_are_derived_anew(command, here):
    (here / "log.jsonl").write_text(
        line(1, value=200)
        + "\n"
        + json.dumps({"type": "PRESSURE_ALARM", "payload": {"sensor": "z"}, "time": 1, "kind": "emitted"})
    )
    found = command("replay", "--from", "log.jsonl", "--format", "json").json["firings"]
    assert [(f["loop"], f["key"]) for f in found] == [("high_closes", ["a"]), ("alarms_are_heard", ["a"])]


def test_any_spelling_of_an_event_is_heard(command, here):
    (here / "log.jsonl").write_text(line(1).replace("READING", "reading"))
    assert len(firings(command("replay", "--from", "log.jsonl", "--format", "json"))) == 1


def test_since_leaves_out_what_came_before_but_knows_it(command, here):
    (here / "rules" / "a.loop").write_text(HOLD.replace("for 10m", "and count(over 1h) >= 2"))
    (here / "log.jsonl").write_text("\n".join(line(minute * 60) for minute in range(3)))
    everything = firings(command("replay", "--from", "log.jsonl", "--format", "json"))
    later = firings(command("replay", "--from", "log.jsonl", "--since", "120", "--format", "json"))
    assert len(everything) == 2
    assert later == everything[1:]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 1 is not JSON"),
        ("[]", "line 1 is not an event"),
        ('{"type": 5}', "line 1 is not an event"),
        ('{"type": "READING", "payload": 3}', 'line 1: "payload" is an object'),
        ('{"type": "READING", "time": "soon"}', "line 1: "),
        ('{"type": "READING", "time": true}', "line 1: a time is ISO 8601 text or seconds"),
        ('{"type": "READING", "kind": "odd"}', 'line 1: "kind" is event, emitted, tick or outcome'),
        ('{"type": "READING", "time": 1e300}', "line 1: "),
        ('{"type": "READING", "depth": "deep"}', "line 1: "),
    ],
)
def test_a_line_that_is_no_event_is_named(command, here, text, said):
    (here / "log.jsonl").write_text(text)
    result = command("replay", "--from", "log.jsonl")
    assert result.code == 2
    assert said in result.err


def test_what_cannot_be_read_is_said(command, here):
    missing = command("replay", "--from", "nowhere.jsonl")
    assert (missing.code, "nowhere.jsonl cannot be read" in missing.err) == (2, True)
    nothing = command("replay")
    assert (nothing.code, "there is no database" in nothing.err) == (2, True)
    (here / "rules" / "a.loop").write_text("loop x on NOTHING")
    broken = command("replay", "--from", "nowhere.jsonl")
    assert (broken.code, "RE101" in broken.err) == (1, True)
