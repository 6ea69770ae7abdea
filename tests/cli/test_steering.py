"""`reload`, `off`, `on` and `knobs set`, with a daemon and without one."""

from __future__ import annotations

import pytest

STEERING = [
    ["reload"],
    ["off", "high_closes", "--reason", "x"],
    ["on", "high_closes"],
    ["knobs", "set", "gain", "a", "1"],
]


@pytest.mark.parametrize("arguments", STEERING, ids=" ".join)
def test_without_a_daemon_it_is_exit_code_2(command, drained, arguments):
    drained(("a", 12))
    result = command(*arguments)
    assert (result.code, result.out) == (2, "")
    assert "no daemon runs over" in result.err
    assert "rules-engine run" in result.err


def state(command) -> dict:
    loops = command("status", "--format", "json").json["rules"]["loops"]
    return next(loop for loop in loops if loop["loop"] == "high_closes")


def test_off_and_on(command, daemon):
    assert command("off", "high_closes", "--reason", "too noisy", "--for", "2h").code == 0
    assert state(command)["state"] == "off"
    assert state(command)["reason"] == "too noisy"
    assert state(command)["until"] is not None
    assert "too noisy" in command("status").out
    assert command("on", "high_closes").code == 0
    assert state(command)["state"] == "live"


@pytest.mark.parametrize("arguments", [["off", "high_close", "--reason", "x"], ["on", "high_close"]])
def test_a_loop_that_is_not_there(command, daemon, arguments):
    result = command(*arguments)
    assert result.code == 2
    assert "did you mean `high_closes`" in result.err


@pytest.mark.parametrize("text", ["soon", "10", "-1h"])
def test_a_duration_that_is_none(command, daemon, text):
    result = command("off", "high_closes", "--reason", "x", "--for", text)
    assert result.code == 2
    assert "--for" in result.err


def knob(command) -> dict:
    (one,) = command("knobs", "--format", "json").json["knobs"]
    return one


def test_an_override_for_good_and_for_a_while(command, daemon):
    assert command("knobs", "set", "gain", "a", "0.5").out == "gain[a] = 0.5 (was 1.0)\n"
    assert command("knobs", "set", "gain", "a", "1.5", "--for", "1h").code == 0
    assert (knob(command)["value"], knob(command)["base"], knob(command)["hold"]) == (1.5, 0.5, "for")
    assert knob(command)["until"] is not None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["gain", "a", "2.1"], "lies in 0..2"),
        (["gain", "a", "-0.1"], "lies in 0..2"),
        (["gain", "a", "much"], "lies in 0..2"),
        (["gian", "a", "1"], "did you mean 'gain'"),
        (["gain", "1"], "takes a key of sensor"),
        (["gain"], "needs a name, a key and a value"),
    ],
)
def test_an_override_that_makes_no_sense(command, daemon, words, told):
    result = command("knobs", "set", *words)
    assert result.code == 2
    assert told in result.err


def test_an_unknown_option_of_knobs(command, daemon):
    assert command("knobs", "--bogus").code == 2


# ---- reload --------------------------------------------------------------------------------------


def edit(here, old: str, new: str) -> None:
    path = here / "rules" / "a.loop"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_reload_tells_what_became_of_each_loop(command, daemon, here):
    assert "nothing has changed" in command("reload").out
    edit(here, "value > 10\n", "value > 11\n")
    result = command("reload")
    assert result.code == 0
    assert "kept       high_closes" in result.out
    edit(here, "per sensor\n  when", "per sensor\n  with last_value = prev(value)\n  when")
    assert "reset      high_closes" in command("reload").out


def test_reload_with_errors_is_exit_code_1_and_the_last_good_rules_go_on(command, daemon, here):
    before = command("status", "--format", "json").json["rules"]["hash"]
    edit(here, "on READING", "on READINGS")
    result = command("reload")
    assert result.code == 1
    assert "rules/a.loop:" in result.out
    assert "the last good ones go on" in result.err
    rules = command("status", "--format", "json").json["rules"]
    assert rules["hash"] == before
    assert rules["last_reload"]["ok"] is False
    assert rules["last_reload"]["diagnostics"][0]["severity"] == "error"
    assert "failed" in command("status").out
    assert command("reload", "--format", "json").json["ok"] is False


def test_plan_shows_what_a_reload_would_do_and_does_nothing(command, daemon, here):
    before = command("status", "--format", "json").json
    edit(here, "loop high_closes", "loop higher_closes")
    result = command("reload", "--plan")
    assert result.code == 0
    assert "added      higher_closes" in result.out
    assert "removed    high_closes" in result.out
    handover = command("reload", "--plan", "--format", "json").json["handover"]
    assert handover["added"] == ["higher_closes"]
    after = command("status", "--format", "json").json
    assert (after["rules"]["hash"], after["log"]["head"]) == (before["rules"]["hash"], before["log"]["head"])


def test_plan_of_rules_with_errors_and_without_a_daemon(command, drained, here):
    drained(("a", 12))
    assert command("reload", "--plan").code == 0
    edit(here, "on READING", "on READINGS")
    result = command("reload", "--plan")
    assert result.code == 1
    assert "unknown event `READINGS`" in result.err


def test_a_key_in_the_wrong_place_is_answered_with_the_form(command, daemon):
    result = command("knobs", "set", "gain[a]", "1")
    assert result.code == 2
    assert "knobs set NAME KEY VALUE" in result.err
