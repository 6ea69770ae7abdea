"""`init`: what it writes is in order and works; what is there already stays."""

from __future__ import annotations

import re
import shlex

import pytest

HANDLERS = "my_handlers"


@pytest.fixture
def empty(here, command):
    """An empty working folder."""
    (here / "rules" / "a.loop").unlink()
    (here / "rules").rmdir()
    (here / "valve_handlers.py").unlink()
    return here


@pytest.fixture
def begun(empty, command):
    assert command("init").code == 0
    return empty


def test_init_names_what_it_wrote_and_says_what_to_type_next(empty, command):
    result = command("init", "new/place")
    assert result.code == 0
    assert result.out.splitlines() == [
        "wrote new/place/rules/exploration.loop",
        "wrote new/place/my_handlers.py",
        "wrote new/place/.gitignore",
    ]
    assert "  cd new/place\n" in result.err
    assert sorted(p.name for p in (empty / "new/place").iterdir()) == [
        ".gitignore",
        "my_handlers.py",
        "rules",
    ]


def test_the_commands_it_names_exist(empty, command):
    lines = re.findall(r"^  rules-engine (\w+)", command("init").err, re.MULTILINE)
    assert len(lines) == 5
    for name in lines:
        assert command(name, "--help").code == 0, name


def test_what_it_writes_lints_strictly_with_its_handlers_and_is_formatted(begun, command):
    result = command("lint", "--strict", "--handlers", HANDLERS)
    assert result.code == 0, result.out
    assert command("fmt", "--check").code == 0


def test_its_tests_pass(begun, command):
    result = command("test")
    assert (result.code, "2 passed" in result.out) == (0, True), result.out


def test_it_runs_and_its_handler_performs(begun, command):
    from rules_engine.tools import starter

    event = shlex.split(starter.EVENT)
    command("publish", *event)
    command("publish", *event)
    assert command("run", "--once", "--handlers", HANDLERS).out == ""
    command("publish", *event)
    result = command("run", "--once", "--handlers", HANDLERS)
    assert (result.code, result.out) == (0, "self-play of hex8_2p now explores with 1.20\n")
    (knob,) = command("knobs", "--format", "json").json["knobs"]
    assert (knob["knob"], knob["key"], knob["value"]) == ("exploration", ["hex8_2p"], 1.2)


@pytest.mark.parametrize("there", ["rules/mine.loop", "rules/deep/mine.loop", "my_handlers.py"])
def test_it_overwrites_nothing(empty, command, there):
    (empty / there).parent.mkdir(parents=True, exist_ok=True)
    (empty / there).write_text("mine")
    result = command("init")
    assert (result.code, result.out) == (2, "")
    assert f"{there} is already there" in result.err
    files = [path for path in empty.rglob("*") if path.is_file()]
    assert files == [empty / there]
    assert (empty / there).read_text() == "mine"


def test_a_second_time_it_refuses(begun, command):
    assert command("init").code == 2


def test_the_database_is_kept_out_of_version_control_with_one_line_more(empty, command):
    (empty / ".gitignore").write_text("*.pyc")
    assert "wrote .gitignore" in command("init").out
    assert (empty / ".gitignore").read_text() == "*.pyc\n.rules-engine/\n"


def test_a_line_that_is_there_is_not_written_twice(empty, command):
    (empty / ".gitignore").write_text(".rules-engine/\n*.pyc\n")
    assert ".gitignore" not in command("init").out
    assert (empty / ".gitignore").read_text() == ".rules-engine/\n*.pyc\n"


def test_a_file_is_no_folder(empty, command):
    (empty / "file").write_text("")
    result = command("init", "file")
    assert result.code == 2
    assert "file is a file" in result.err
