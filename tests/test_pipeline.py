"""From files to a rule set: what is read, what is refused, and what makes two sets the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rules_engine.language.diagnostics import Severity
from rules_engine.pipeline import check_texts, load
from rules_engine.shipped import shipped

LOOP = """
action H.go(config_key: str)
loop a
  on MODEL_PROMOTED
  per config_key
  do H.go(config_key) timeout 1m
"""


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = folder / f"{name}.loop"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_all_files_of_a_folder_are_one_rule_set(tmp_path: Path) -> None:
    action, loop = LOOP.replace("loop a", "|loop a").split("|")
    write(tmp_path / "sub", actions=action)
    rules = load(write(tmp_path, loops=loop))
    assert rules.ok
    assert rules.file_count == 2
    assert [plan.name for plan in rules.plan.loops] == ["a"]  # type: ignore[union-attr]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, a=LOOP)
    write(tmp_path / ".git", b="nonsense")
    (tmp_path / ".swap.loop").write_text("nonsense")
    assert load(tmp_path).ok


@pytest.mark.parametrize("name", ["nowhere", "nowhere.loop"])
def test_a_missing_path_is_said_and_keeps_the_set_from_running(tmp_path: Path, name: str) -> None:
    rules = load(write(tmp_path / "rules", a=LOOP), tmp_path / name)
    assert not rules.ok
    assert rules.plan is None
    assert [(one.path, one.message) for one in rules.unreadable] == [
        (str(tmp_path / name), "there is no such file or folder")
    ]


def test_a_folder_without_rules_is_no_rule_set(tmp_path: Path) -> None:
    """A folder that was emptied by mistake must not switch everything off."""
    rules = load(tmp_path)
    assert not rules.ok
    assert rules.unreadable[0].message == "there is no .loop file in this folder"


def test_an_empty_file_is_a_rule_set_without_loops(tmp_path: Path) -> None:
    rules = load(write(tmp_path, a=""))
    assert rules.ok
    assert rules.plan is not None
    assert rules.plan.loops == ()


def test_a_folder_in_place_of_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.loop").mkdir()
    (tmp_path / "x.loop" / "y.loop").write_text(LOOP)
    assert load(tmp_path).ok


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to root")
def test_an_unreadable_file_is_said(tmp_path: Path) -> None:
    write(tmp_path, a=LOOP)
    (tmp_path / "a.loop").chmod(0)
    assert "cannot be read" in load(tmp_path).unreadable[0].message


def test_the_hash_is_of_the_texts_alone(tmp_path: Path) -> None:
    here, there = write(tmp_path / "here", a=LOOP), write(tmp_path / "there", b=LOOP)
    assert load(here).hash == load(there).hash
    assert load(here).hash != load(write(tmp_path / "else", a=LOOP + "# more\n")).hash


def test_a_copy_of_the_shipped_catalogue_is_not_declared_twice(tmp_path: Path) -> None:
    events = shipped("rules/events")
    write(tmp_path, a=LOOP)
    for path in events.glob("*.loop"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert [finding.code.id for finding in load(tmp_path).diagnostics] == []


def test_an_edited_event_of_the_catalogue_replaces_it_and_is_mentioned() -> None:
    rules = check_texts({"a.loop": LOOP + "event MODEL_PROMOTED { config_key: str, mine: int? }"})
    assert rules.ok
    assert [(f.code.id, f.severity) for f in rules.diagnostics] == [("RE118", Severity.INFO)]


def test_five_mistakes_in_three_places_are_five_findings() -> None:
    rules = check_texts(
        {
            "a.loop": LOOP.replace("MODEL_PROMOTED", "MODEL_PROMTED").replace(
                "timeout 1m", "timeout 1 minute"
            ),
            "b.loop": "knob k in 0..1 = 2 drives H.go\nlet x = 5 +\n",
            "c.loop": LOOP.replace("loop a", "loop c")
            .replace("action H.go(config_key: str)", "")
            .replace("H.go", "H.og"),
        }
    )
    places = [(f.span.path, rules.sources[f.span.path].position(f.span.start)) for f in rules.diagnostics]
    errors = [f for f in rules.diagnostics if f.severity is Severity.ERROR]
    assert len({path for path, _ in places}) == 3
    assert len(errors) >= 5
    assert all(finding.message and finding.help for finding in errors)
    assert rules.plan is None


def test_bytes_that_are_no_text_are_a_finding(tmp_path: Path) -> None:
    (tmp_path / "a.loop").write_bytes(b"loop a \xff\xfe on X")
    rules = load(tmp_path)
    assert "RE008" in [finding.code.id for finding in rules.diagnostics]
    assert not rules.ok
