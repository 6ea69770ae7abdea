"""`rules-engine test`: outcomes, exit codes, selection, coverage and its documents."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

TESTS = """
test "closes when high" {
  at 0m  send READING { sensor: "a", value: 20 }
         expect do Valve.close("a")
         expect set gain["a"] = 0.75
}
test "stays open when low" { at 0m send READING { sensor: "a", value: 5 } expect nothing because condition }
"""
WRONG = """
test "is wrong" { at 0m send READING { sensor: "a", value: 5 } expect do Valve.close("a") }
"""


@pytest.fixture
def tested(here, command):
    """Adds tests to the rules and runs the command."""

    def tested(text: str, *arguments: str):
        with (here / "rules" / "a.loop").open("a") as file:
            file.write(text)
        return command("test", *arguments)

    return tested


def test_all_pass(tested):
    result = tested(TESTS)
    assert result.code == 0
    assert "passed  closes when high" in result.out
    assert result.out.splitlines()[-1].startswith("2 passed in ")


def test_a_failure_shows_its_place_what_happened_and_why(tested):
    result = tested(TESTS + WRONG)
    assert result.code == 1
    assert "FAILED  is wrong" in result.out
    assert "failed: is wrong: it did not happen\n" in result.out
    assert '= reason: high_closes["a"]: condition at 0s; value = 5' in result.out
    assert result.out.splitlines()[-1].startswith("1 failed, 2 passed in ")


def test_json_is_one_document(tested):
    result = tested(TESTS + WRONG, "--format", "json")
    document = result.json
    assert result.code == 1
    seconds = document["summary"].pop("seconds")
    assert seconds >= 0
    assert document["summary"] == {"tests": 3, "passed": 2, "failed": 1, "errors": 0}
    assert [test["outcome"] for test in document["tests"]] == ["passed", "passed", "failed"]
    [failure] = document["tests"][2]["failures"]
    assert failure["expected"] == 'expect do Valve.close("a")'
    assert failure["reasons"][0]["reason"] == "condition"
    assert (document["coverage"], document["diagnostics"], document["version"]) == (None, [], 1)


@pytest.mark.parametrize(
    ("only", "names"),
    [
        ("high", ["closes when high"]),
        ("WHEN", ["closes when high", "stays open when low"]),
        ("not high", ["stays open when low"]),
        ("high or low", ["closes when high", "stays open when low"]),
        ("when and not (high or nothing)", ["stays open when low"]),
        ("'open when'", ["stays open when low"]),
        ("a.loop::", ["closes when high", "stays open when low"]),
    ],
)
def test_k_chooses_by_file_and_name(tested, only, names):
    document = tested(TESTS, "-k", only, "--format", "json").json
    assert [test["name"] for test in document["tests"]] == names


@pytest.mark.parametrize("only", ["nowhere", "high low", "(high", "and", "'high", "", "not"])
def test_k_that_chooses_nothing_or_cannot_be_read_is_an_answer(tested, only):
    result = tested(TESTS, "-k", only)
    assert result.code == 2
    assert result.err.startswith("error: -k: ")
    assert result.out == ""


def test_rules_without_tests_have_nothing_to_run(tested):
    result = tested("")
    assert result.code == 2
    assert "no tests" in result.err


def test_rules_with_errors_print_their_findings(tested):
    result = tested(TESTS + 'loop x on NOPE set gain["a"] = 1')
    assert result.code == 1
    assert "RE101" in result.err
    document = tested("", "--format", "json")
    assert document.code == 1
    assert [one["code"] for one in document.json["diagnostics"]] == ["RE101"]
    assert document.json["tests"] == []


def test_a_file_alone_that_needs_others_gets_a_hint(tested, command, here):
    (here / "rules" / "tests.loop").write_text(WRONG)
    assert tested(TESTS, "rules", "-k", "tests.loop").code == 1
    result = command("test", "rules/tests.loop")
    assert result.code == 1
    assert "give the set and choose with -k" in result.err
    (here / "rules" / "tests.loop").write_text("loop x on NOPE emit NOPE {}")
    assert "give the set" not in command("test", "rules").err


def test_what_cannot_be_read_is_said(command):
    result = command("test", "nowhere")
    assert result.code == 2
    assert "nowhere" in result.err


def test_junit_is_xml_that_build_servers_read(tested, here):
    odd = WRONG.replace("is wrong", "is <wrong> & \\t\u0007odd")
    assert tested(TESTS + odd, "--junit", "junit.xml").code == 1
    root = ET.parse(here / "junit.xml").getroot()
    assert (root.tag, root.attrib["tests"], root.attrib["failures"]) == ("testsuites", "3", "1")
    cases = list(root.iter("testcase"))
    assert [case.attrib["name"] for case in cases][:2] == ["closes when high", "stays open when low"]
    assert "<wrong> &" in cases[2].attrib["name"]
    [failure] = list(cases[2])
    assert (failure.tag, failure.attrib["type"]) == ("failure", "failure")
    assert "it did not happen" in (failure.text or "")


def test_junit_that_cannot_be_written_is_said(tested):
    result = tested(TESTS, "--junit", "no/such/folder.xml")
    assert result.code == 2
    assert "no/such/folder.xml" in result.err


def test_coverage_names_what_no_test_has_seen(tested):
    result = tested(TESTS, "--coverage")
    assert result.code == 0
    assert "high_closes" in result.out
    document = tested("", "--coverage", "--format", "json").json["coverage"]
    loops = {one["loop"]: one for one in document["loops"]}
    assert loops["high_closes"]["missing"] == []
    assert loops["alarms_are_heard"]["missing"] == ["fired"]
    assert (document["covered"], document["total"], document["percent"]) == (3, 4, 75.0)


@pytest.mark.parametrize(("least", "code"), [("75", 0), ("75.1", 1), ("0", 0), ("100", 1)])
def test_min_fails_below_it(tested, least, code):
    result = tested(TESTS, "--min", least)
    assert result.code == code
    assert "coverage 75.0%" in result.out
    assert ("is below --min" in result.err) is bool(code)


def test_min_is_a_percentage(tested):
    assert tested(TESTS, "--min", "101").code == 2


def test_control_characters_of_names_are_shown_and_not_obeyed(tested):
    result = tested(TESTS.replace("closes when high", "closes \u001b[2J when high"))
    assert "\u001b" not in result.out
