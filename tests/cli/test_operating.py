"""`run --once`, `run --dry-run`, and what only reads: tail, firings, status, knobs, dead letters."""

from __future__ import annotations

import os
import re

import pytest

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def closed(here) -> list[str]:
    file = here / "closed.txt"
    return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []


# ---- run --once ----------------------------------------------------------------------------------


def test_once_works_off_events_and_actions_and_exits(command, drained, here):
    result = drained(("a", 150), ("b", 5), ("c", 20))
    assert (result.code, result.out) == (0, "")
    assert sorted(closed(here)) == ["a", "c"]
    status = command("status", "--format", "json").json
    assert status["actions"] == {"owed": 0, "claimed": 0, "dead": 0}
    head = status["log"]["head"]
    assert status["readers"] == [{"name": "rules", "position": head, "lag": 0, "pinned": True}]
    assert not status["daemon"]["running"]


def test_once_again_does_nothing_again(command, drained, here):
    drained(("a", 150))
    head = command("status", "--format", "json").json["log"]["head"]
    assert command("run", "--once", "--handlers", "valve_handlers").code == 0
    assert closed(here) == ["a"]
    assert command("status", "--format", "json").json["log"]["head"] == head


def test_a_daemon_with_some_of_the_handlers_names_the_others(command, drained, here):
    assert "no handler here" not in drained(("a", 12)).err
    (here / "few_handlers.py").write_text(
        'from rules_engine import action\n@action("Valve.close")\ndef close(sensor, reason): ...\n'
    )
    told = command("run", "--once", "--handlers", "few_handlers").err
    assert re.search("no handler here.*actions=Valve.set_gain$", told, re.MULTILINE)
    assert "no handler here" not in command("run", "--once").err


def test_a_worker_that_does_not_fit_begins_nothing_and_gives_nothing_up(command, here):
    command("publish", "READING", "sensor=a", "value=12", "--rules", "rules")
    command("run", "--once")
    (here / "stale_handlers.py").write_text(
        'from rules_engine import action\n@action("Valve.close")\ndef close(name, reason): ...\n'
    )
    result = command("work", "--handlers", "stale_handlers")
    assert (result.code, result.out) == (2, "")
    assert "stale_handlers.close does not take `sensor`, which the action Valve.close passes" in result.err
    assert command("status", "--format", "json").json["actions"] == {"owed": 2, "claimed": 0, "dead": 0}


def test_without_handlers_actions_stay_owed_for_the_next(command, here):
    command("publish", "READING", "sensor=a", "value=12", "--rules", "rules")
    assert command("run", "--once").code == 0
    assert command("status", "--format", "json").json["actions"]["owed"] == 2
    assert command("run", "--once", "--handlers", "valve_handlers").code == 0
    assert closed(here) == ["a"]


def test_an_action_that_was_given_up_is_exit_code_1(command, drained):
    result = drained(("broken", 12))
    assert result.code == 1
    assert "dead-letters" in result.err


def test_rules_with_errors_are_refused_with_their_findings(command, here):
    (here / "rules" / "a.loop").write_text("loop broken\n  on NOPE\n")
    result = command("run", "--once")
    assert result.code == 1
    assert "unknown event `NOPE`" in result.err
    assert "rules/a.loop:2" in result.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--rules", "nowhere"], "nowhere: there is no such file"),
        (["--handlers", "no_such_handlers"], "there is no module `no_such_handlers`"),
        (["--handlers", "bad_handlers"], "ZeroDivisionError: division by zero"),
        (["--db", "rules"], "rules"),
        (["--db", "notes.db"], "notes.db"),
    ],
)
def test_what_cannot_be_run_is_said_with_exit_code_2(command, here, arguments, told):
    (here / "bad_handlers.py").write_text("1 / 0\n")
    (here / "notes.db").write_text("these are notes, and not a database at all\n" * 100)
    result = command("run", "--once", *arguments)
    assert (result.code, result.out) == (2, "")
    assert told in result.err


def test_a_handler_that_does_not_fit_the_rules_is_refused_at_the_start(command, here):
    (here / "odd_handlers.py").write_text(
        "from rules_engine import action\n@action('Valve.close')\ndef close(sensor): ...\n"
    )
    result = command("run", "--once", "--handlers", "odd_handlers")
    assert result.code == 2
    assert "does not take `reason`" in result.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_database_that_cannot_be_written(command, here):
    command("publish", "MODEL_PROMOTED", "--db", "events.db")
    (here / "events.db").chmod(0o400)
    result = command("run", "--once", "--db", "events.db")
    assert result.code == 2
    assert "events.db" in result.err


def test_a_second_daemon_is_refused_and_names_the_first(command, daemon):
    result = command("run", "--once")
    assert result.code == 2
    assert f"pid {os.getpid()}" in result.err


# ---- run --dry-run -------------------------------------------------------------------------------


def test_a_dry_run_prints_what_would_fire_and_writes_nothing(command, here):
    command("publish", "READING", "sensor=a", "value=150", "--rules", "rules")
    before = {p.name: p.stat().st_mtime_ns for p in (here / ".rules-engine").iterdir() if p.suffix == ".db"}
    result = command("run", "--dry-run", "--once", "--handlers", "valve_handlers")
    assert result.code == 0
    assert "high_closes[a]  event" in result.out
    assert 'do Valve.close(sensor: "a", reason: "value 150")' in result.out
    assert closed(here) == []
    assert command("firings", "--format", "json").json["firings"] == []
    assert {
        p.name: p.stat().st_mtime_ns for p in (here / ".rules-engine").iterdir() if p.suffix == ".db"
    } == before


def test_a_dry_run_beside_a_daemon_begins_with_its_state(command, daemon, here):
    """Edited rules, on the state as it is, on what comes in: nothing waits, so nothing fires."""
    (here / "rules" / "a.loop").write_text(
        (here / "rules" / "a.loop").read_text().replace("value > 10", "value > 1")
    )
    assert "0 firings" in command("run", "--dry-run", "--once").err


# ---- what only reads -----------------------------------------------------------------------------

READING = [
    ["tail"],
    ["firings"],
    ["status"],
    ["knobs"],
    ["dead-letters", "list"],
    ["dead-letters", "show", "1"],
]


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_reading_makes_no_database(command, here, arguments):
    result = command(*arguments)
    assert result.code == 2
    assert "there is no database at .rules-engine/events.db" in result.err
    assert not (here / ".rules-engine").exists()


@pytest.mark.parametrize("arguments", READING[:5], ids=" ".join)
def test_reading_needs_no_daemon(command, drained, arguments):
    drained(("a", 150))
    assert command(*arguments).code == 0


@pytest.mark.parametrize("arguments", READING[:5], ids=" ".join)
def test_a_file_that_is_no_database(command, here, arguments):
    (here / "notes.db").write_text("these are notes, and not a database at all\n" * 100)
    result = command(*arguments, "--db", "notes.db")
    assert result.code == 2
    assert "notes.db" in result.err


def test_tail_in_the_shape_of_the_contract(command, drained):
    drained(("a", 150))
    rows = command("tail", "--format", "json").lines
    reading = next(row for row in rows if row["kind"] == "event")
    assert set(reading) == {"seq", "id", "type", "payload", "source", "time", "kind"}
    assert (reading["type"], reading["source"]) == ("READING", "cli")
    assert TIME.fullmatch(reading["time"])
    emitted = next(row for row in rows if row["kind"] == "emitted")
    assert (emitted["type"], emitted["cause"]) == ("PRESSURE_ALARM", reading["id"])
    assert [row["seq"] for row in rows] == sorted(row["seq"] for row in rows)


def test_tail_by_type_and_time(command, drained):
    drained(("a", 150))
    assert {row["type"] for row in command("tail", "--type", "pressure_*", "--format", "json").lines} == {
        "PRESSURE_ALARM"
    }
    assert len(command("tail", "--since", "10m", "--format", "json").lines) >= 2
    assert command("tail", "--since", "2999-01-01", "--format", "json").lines == []
    assert "READING" in command("tail").out


@pytest.mark.parametrize("text", ["yesterday", "10 parsecs", "", "2026-13-01"])
def test_a_time_that_is_none_is_exit_code_2(command, drained, text):
    drained(("a", 12))
    result = command("tail", "--since", text)
    assert result.code == 2
    assert "--since" in result.err


def test_firings_in_the_shape_of_the_contract(command, drained):
    drained(("a", 150), ("b", 12))
    document = command("firings", "--format", "json").json
    assert document["version"] == 1
    first, second = (one for one in document["firings"] if one["loop"] == "high_closes")
    assert (first["loop"], first["key"], first["cause"]) == ("high_closes", ["a"], "event")
    assert TIME.fullmatch(first["time"])
    assert first["effects"] == [
        {"kind": "set", "knob": "gain", "key": ["a"], "value": 0.75},
        {"kind": "do", "action": "Valve.close", "args": {"sensor": "a", "reason": "value 150"}},
        {"kind": "emit", "event": "PRESSURE_ALARM", "payload": {"sensor": "a"}},
    ]
    assert second["key"] == ["b"]
    assert "high_closes[a]" in command("firings", "high_closes").out
    assert command("firings", "--until", "2000-01-01", "--format", "json").json["firings"] == []


def test_firings_of_a_loop_that_is_not_there(command, drained):
    drained(("a", 12))
    result = command("firings", "high_close")
    assert result.code == 2
    assert "did you mean `high_closes`" in result.err


def test_knobs_in_the_shape_of_the_contract(command, drained):
    drained(("a", 12))
    (knob,) = command("knobs", "--format", "json").json["knobs"]
    assert {k: knob[k] for k in ("knob", "key", "value", "base", "hold", "until")} == {
        "knob": "gain", "key": ["a"], "value": 0.75, "base": 0.75, "hold": None, "until": None,
    }  # fmt: skip
    assert "0.75" in command("knobs", "gain").out
    result = command("knobs", "gian")
    assert result.code == 2
    assert "gain" in result.err


def test_status_in_the_shape_of_the_contract(command, drained):
    drained(("a", 12))
    status = command("status", "--format", "json").json
    assert status["version"] == 1
    assert status["daemon"]["running"] is False
    loop = next(one for one in status["rules"]["loops"] if one["loop"] == "high_closes")
    assert (loop["loop"], loop["fired"], loop["state"]) == ("high_closes", 1, "live")
    assert re.fullmatch("[0-9a-f]{64}", status["rules"]["hash"])
    assert status["rules"]["last_reload"]["ok"] is True
    assert status["rules"]["last_reload"]["diagnostics"] == []
    assert TIME.fullmatch(status["rules"]["last_reload"]["time"])


def test_status_for_people(command, drained):
    drained(("broken", 12))
    page = command("status").out
    assert "not running" in page
    assert re.search(r"high_closes\s+live\s+1", page)
    assert re.search(r"gain\s+broken\s+0.75", page)
    assert "1 dead" in page


def test_lesson_40_status_tells_of_orphans_dead_subscriptions_and_unfit_payloads(command, drained, here):
    drained(("a", 12))
    for n in range(5):
        assert command("publish", "TASK_COMPLETED", f"n={n}", "task_id=7").code == 0
    command("publish", "READNG", "value=1")
    command("publish", "\x1b]0;title\x07", "value=1")
    delivery = command("status", "--format", "json").json["delivery"]
    assert delivery["emitted_never_heard"] == ["TASK_COMPLETED"]
    assert delivery["missing_listeners"] == []
    assert delivery["heard_never_emitted"] == ["PRESSURE_ALARM"]
    names = [{"name": "READNG", "count": 1}, {"name": "\x1b]0;title\x07", "count": 1}]
    assert sorted(delivery["unknown_names"], key=lambda one: one["name"], reverse=True) == names
    page = command("status").out
    assert "\x1b" not in page
    assert "not heard by anybody: TASK_COMPLETED" in page
    assert "READNG (1)" in page
    (here / "rules-engine.toml").write_text(
        'allowed_orphans = ["TASK_*", "PRESSURE_ALARM"]\n'
        '[expected_listeners]\nValve = ["READING", "HOST_ONLINE"]\n'
    )
    delivery = command("status", "--format", "json").json["delivery"]
    assert (delivery["emitted_never_heard"], delivery["heard_never_emitted"]) == ([], [])
    assert delivery["allowed"] == ["TASK_COMPLETED", "PRESSURE_ALARM"]
    assert delivery["missing_listeners"] == [{"listener": "Valve", "event": "HOST_ONLINE"}]
    assert "does not listen: Valve to HOST_ONLINE" in command("status").out


def test_the_time_of_a_dead_letter_stays_in_one_piece(command, drained, monkeypatch):
    drained(("broken", 12))
    monkeypatch.setenv("COLUMNS", "60")
    assert TIME.search(command("dead-letters", "list").out)


def test_dead_letters_are_listed_shown_retried_and_dropped(command, drained, here):
    drained(("broken", 12), ("broken", 13))
    letters = command("dead-letters", "list", "--format", "json").json["letters"]
    assert [(one["kind"], one["name"], one["reason"]) for one in letters] == [
        ("action", "Valve.close", "no such valve")
    ] * 2
    shown = command("dead-letters", "show", str(letters[0]["id"]), "--format", "json").json["letter"]
    assert shown["body"]["arguments"] == {"sensor": "broken", "reason": "value 13"}
    assert "value 13" in command("dead-letters", "show", str(letters[0]["id"])).out

    assert command("dead-letters", "retry", str(letters[0]["id"])).code == 0
    assert command("status", "--format", "json").json["actions"] == {"owed": 1, "claimed": 0, "dead": 1}
    assert command("run", "--once", "--handlers", "valve_handlers").code == 1
    keys = [line.split()[-1] for line in (here / "closed.txt").read_text().splitlines()]
    assert (len(keys), len(set(keys))) == (3, 2), "tried again with the same key"
    assert command("dead-letters", "drop", "--all").code == 0
    assert command("dead-letters", "list", "--format", "json").json["letters"] == []


@pytest.mark.parametrize(
    "arguments", [["show", "7"], ["retry", "7"], ["drop", "7"], ["retry"], ["drop", "7", "--all"]]
)
def test_a_letter_that_is_not_there_is_exit_code_2(command, drained, arguments):
    drained(("a", 12))
    assert command("dead-letters", *arguments).code == 2


@pytest.mark.parametrize("arguments", [["run"], ["run", "--once"]], ids=" ".join)
def test_a_daemon_that_has_no_rules_to_run_makes_no_database(command, here, arguments):
    (here / "rules" / "a.loop").write_text("loop x")
    assert command(*arguments).code == 1
    assert command(*arguments, "--rules", "missing").code == 2
    assert not (here / ".rules-engine").exists()


def test_a_number_that_no_dead_letter_has_leaves_the_others_alone(command, drained):
    drained(("broken", 150))
    for number in ("999", "99999999999999999999999"):
        result = command("dead-letters", "drop", "1", number)
        assert result.code == 2
        assert number in result.err or "less than" in result.err
    assert command("dead-letters", "show", "1").code == 0
