"""`publish`: one event, a stream, and everything that can be wrong with them."""

from __future__ import annotations

import json
import os

import pytest


def payloads(command) -> list[dict]:
    return [row["payload"] for row in command("tail", "--format", "json").lines if row["kind"] == "event"]


def test_values_are_json_where_they_can_be_and_text_else(command):
    fields = [
        "a=1",
        "b=1.5",
        "c=true",
        "d=null",
        'e="x"',
        "f=text",
        "g=[1,2]",
        'h={"i":1}',
        "j=",
        "k=a=b",
        "l=NaN",
    ]
    assert command("publish", "MODEL_PROMOTED", *fields).code == 0
    (payload,) = payloads(command)
    assert payload == {
        "a": 1, "b": 1.5, "c": True, "d": None, "e": "x", "f": "text",
        "g": [1, 2], "h": {"i": 1}, "j": "", "k": "a=b", "l": "NaN",
    }  # fmt: skip


def test_it_says_where_the_event_lies(command):
    result = command("publish", "MODEL_PROMOTED", "model_path=m1")
    assert result.out.startswith("MODEL_PROMOTED stored at 1, id ")


def test_a_repeat_within_the_window_is_said_to_be_one(command):
    first, second = (command("publish", "MODEL_PROMOTED", "model_path=m1") for _ in range(2))
    assert second.code == 0
    assert first.out.split()[-1] in second.out
    assert "duplicate" in second.out
    assert len(payloads(command)) == 1


@pytest.mark.parametrize("name", ["MODEL_PROMOTED", "model_promoted", "Model_Promoted"])
def test_any_spelling_of_a_name_will_do(command, name):
    command("publish", name)
    assert command("tail", "--format", "json").lines[0]["type"] == "MODEL_PROMOTED"


def test_an_unknown_event_names_the_nearest_and_makes_no_database(command, here):
    result = command("publish", "MODEL_PROMTED")
    assert result.code == 2
    assert "did you mean MODEL_PROMOTED" in result.err
    assert not (here / ".rules-engine").exists()


def test_events_of_the_users_rules_are_known_with_rules_and_after_a_daemon_ran(command):
    assert command("publish", "READING", "sensor=a", "value=1").code == 2
    assert command("publish", "READING", "sensor=a", "value=1", "--rules", "rules").code == 0
    assert command("run", "--once").code == 0
    assert command("publish", "reading", "sensor=a", "value=2").code == 0
    assert "did you mean READING" in command("publish", "READIN").err


def test_a_payload_that_does_not_fit_is_published_with_a_warning(command, caplog):
    assert command("publish", "READING", "sensor=a", "value=2000", "--rules", "rules").code == 0
    assert "value is 2000" in caplog.text


def test_strict_refuses_it(command, monkeypatch):
    monkeypatch.setenv("RULES_ENGINE_PAYLOAD_CHECK", "strict")
    result = command("publish", "READING", "sensor=a", "value=2000", "--rules", "rules")
    assert result.code == 2
    assert "value is 2000" in result.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "say what to publish"),
        (["MODEL_PROMOTED", "--json", "-"], "say what to publish"),
        (["MODEL_PROMOTED", "word"], "no FIELD=VALUE"),
        (["MODEL_PROMOTED", "=x"], "no FIELD=VALUE"),
        (["MODEL_PROMOTED", "a=1", "a=2"], "given twice"),
        (["--json", "nowhere.jsonl"], "nowhere.jsonl: No such file"),
        (["--json", "rules"], "rules: Is a directory"),
        (["MODEL_PROMOTED", "--rules", "nowhere"], "nowhere: there is no such file"),
    ],
)
def test_what_cannot_be_done_is_said_with_exit_code_2(command, arguments, told):
    result = command("publish", *arguments)
    assert (result.code, result.out) == (2, "")
    assert told in result.err


# ---- streams -------------------------------------------------------------------------------------


def lines(*records: object) -> str:
    return "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records)


def promoted(n: object) -> dict:
    return {"type": "MODEL_PROMOTED", "payload": {"n": n}}


def test_a_stream_is_stored_in_order(command):
    result = command("publish", "--json", "-", stdin=lines(*map(promoted, range(1_234))))
    assert result.code == 0
    assert [payload["n"] for payload in payloads(command)] == list(range(1_234))
    assert "1234 published" in result.err


def test_a_stream_from_a_file(command, here):
    (here / "events.jsonl").write_text(lines({**promoted(1), "source": "trainer"}, "", promoted(2)))
    assert command("publish", "--json", "events.jsonl", "--source", "backfill").code == 0
    assert [row["source"] for row in command("tail", "--format", "json").lines] == ["trainer", "backfill"]


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"type": "MODEL_PROMOTED", "payload": {"x": ' + "9" * 400 + "}}", "does not fit into 64 bit"),
        ("7", "no event"),
        ({"payload": {}}, 'needs a "type"'),
        ({"type": 7}, 'needs a "type"'),
        ({"type": "NOPE"}, "unknown event type 'NOPE'"),
        ({"type": "MODEL_PROMOTED", "payload": [1]}, "payload is an object"),
        ({"type": "MODEL_PROMOTED", "source": 7}, '"source" is a text'),
        ({"type": "MODEL_PROMOTED", "id": 7}, '"id" is a text'),
        ('{"type": "MODEL_PROMOTED", "payload": {"x": "\\ud800"}}', "x"),
    ],
)
def test_a_bad_line_is_named_and_costs_no_other(command, bad, told):
    result = command("publish", "--json", "-", stdin=lines(promoted(1), bad, promoted(2)))
    assert result.code == 1
    assert "line 2: " in result.err
    assert told in result.err
    assert [payload["n"] for payload in payloads(command)] == [1, 2]


def test_many_bad_lines_do_not_flood_the_terminal(command):
    result = command("publish", "--json", "-", stdin="x\n" * 1_000)
    assert result.code == 1
    assert "and 980 more lines" in result.err
    assert len(result.err.splitlines()) < 30


def cloud(**changes: object) -> dict:
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "/node",
        "type": "MODEL_PROMOTED",
        "data": {"n": 1},
    } | changes


def test_cloudevents_are_accepted_and_known_by_source_and_id(command):
    stream = lines(
        cloud(), cloud(data={"n": 2}), cloud(source="/other", data={"n": 3}), cloud(id="2", data={"n": 4})
    )
    assert command("publish", "--json", "-", stdin=stream).code == 0
    assert [payload["n"] for payload in payloads(command)] == [1, 3, 4]
    assert command("tail", "--format", "json").lines[0]["source"] == "/node"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"specversion": "0.3"}, "CloudEvents 0.3 is not known"),
        ({"id": ""}, 'a CloudEvent needs "id"'),
        ({"source": None}, 'a CloudEvent needs "source"'),
        ({"data_base64": "AA=="}, "only JSON data"),
        ({"datacontenttype": "text/xml"}, "only JSON data"),
        ({"data": 7}, "data is an object"),
    ],
)
def test_a_bad_cloudevent_is_named(command, changes, told):
    result = command("publish", "--json", "-", stdin=lines(cloud(**changes)))
    assert result.code == 1
    assert told in result.err


def test_what_tail_writes_can_be_published_elsewhere_twice_without_a_double(command, drained):
    drained(("a", 150))
    written = command("tail", "--format", "json").out
    for _ in range(2):
        result = command("publish", "--json", "-", "--db", "other.db", "--rules", "rules", stdin=written)
        assert result.code == 0
    assert "left out" in result.err
    rows = command("tail", "--format", "json", "--db", "other.db").lines
    assert [row["type"] for row in rows] == ["READING"]


# ---- the database --------------------------------------------------------------------------------


def test_the_default_database_is_made_for_the_owner_alone(command, here):
    command("publish", "MODEL_PROMOTED")
    assert oct((here / ".rules-engine" / "events.db").stat().st_mode & 0o777) == "0o600"


def test_the_database_comes_from_flag_environment_and_file_in_that_order(command, here, monkeypatch):
    (here / "rules-engine.toml").write_text('db = "from_file.db"\n')
    command("publish", "MODEL_PROMOTED")
    monkeypatch.setenv("RULES_ENGINE_DB", "from_environment.db")
    command("publish", "MODEL_PROMOTED")
    command("publish", "MODEL_PROMOTED", "--db", "from_flag.db")
    assert sorted(p.name for p in here.glob("from_*.db")) == [
        "from_environment.db",
        "from_file.db",
        "from_flag.db",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(command, here):
    (here / "locked").mkdir(mode=0o500)
    result = command("publish", "MODEL_PROMOTED", "--db", "locked/events.db")
    assert result.code == 2
    assert "locked" in result.err


def test_a_file_that_is_no_database(command, here):
    (here / "notes.db").write_text("these are notes, and not a database at all\n" * 100)
    result = command("publish", "MODEL_PROMOTED", "--db", "notes.db")
    assert result.code == 2
    assert "notes.db" in result.err


@pytest.mark.parametrize(
    ("value", "told"),
    [("[" * 5_000 + "]" * 5_000, "nested too deeply"), ("9" * 400, "does not fit into 64 bit")],
)
def test_a_value_that_nobody_can_hold_is_refused(command, value, told):
    result = command("publish", "MODEL_PROMOTED", f"a={value}")
    assert result.code == 2
    assert told in result.err


def test_one_event_that_cannot_be_stored_is_told_once_and_leaves_nothing_behind(command, here):
    result = command("publish", "MODEL_PROMOTED", "--db", "/proc/events.db")
    assert result.code == 2
    assert result.err.count("/proc/events.db") == 1
    assert "spool" not in result.err
    assert not list(here.glob("**/undelivered*"))


def test_a_database_in_memory_would_end_with_the_command(command):
    result = command("publish", "MODEL_PROMOTED", "--db", "memory:")
    assert result.code == 2
    assert "--db" in result.err
