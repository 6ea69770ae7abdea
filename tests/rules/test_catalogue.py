"""The shipped events: all there, under the names and with the fields that producers use."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rules_engine.events import event_emitters
from rules_engine.events.generated.aliases import ALIASES, STAGE_TO_DATA
from rules_engine.events.generated.event_types import DataEventType
from rules_engine.events.generated.payloads import PAYLOADS
from rules_engine.events.payload_check import shipped_schema
from rules_engine.language.program import EventDecl
from rules_engine.pipeline import load
from rules_engine.shipped import shipped

DATA = Path(__file__).parents[1] / "data"


@cache
def events() -> dict[str, EventDecl]:
    rules = load(shipped("rules/events"))
    assert rules.diagnostics == ()
    assert rules.program is not None
    return dict(rules.program.events)


def listed(name: str) -> list[list[str]]:
    return [line.split() for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


# ---- names ---------------------------------------------------------------------------------------


def test_there_are_252_events_and_each_is_a_member() -> None:
    names = {name for (name,) in listed("event_names.txt")}
    assert len(names) == 252
    assert set(events()) == names
    assert {member.name for member in DataEventType} == names
    assert all(member.value == member.name.lower() for member in DataEventType)


def test_every_event_says_what_it_means_in_a_line_of_its_own() -> None:
    texts = [event.documentation for event in events().values()]
    assert all(text.endswith(".") and "\n" not in text for text in texts)
    assert len(set(texts)) == 252


def test_every_other_name_leads_to_its_event() -> None:
    wanted = dict(listed("event_aliases.txt"))
    assert wanted == ALIASES
    assert wanted.keys().isdisjoint(events())
    for alias, name in wanted.items():
        assert DataEventType(alias.lower()) is DataEventType[name]


def test_the_old_values_of_members_are_found() -> None:
    for value in ("new_games", "sync_started", "sync_failed", "training_threshold"):
        assert DataEventType(value).name == ALIASES[value.upper()]
    with pytest.raises(ValueError, match="no_such_event"):
        DataEventType("no_such_event")


_OUTCOMES = {
    "begin": {"START", "STARTED", "TRIGGERED", "REQUESTED"},
    "failure": {"FAIL", "FAILED", "REJECTED", "TIMEOUT", "CANCELLED", "ABANDONED", "ORPHANED"},
    "success": {"PROMOTED", "RECOVERED", "RESTORED", "HEALTHY"},
    "end": {"COMPLETE", "COMPLETED"},
}


def outcome(name: str) -> str | None:
    words = set(name.split("_"))
    return next((kind for kind, marks in _OUTCOMES.items() if words & marks), None)


def test_no_other_name_crosses_an_outcome() -> None:
    for alias, name in ALIASES.items():
        if outcome(alias) == "end":
            assert outcome(name) in ("end", None), (alias, name)
        elif outcome(alias) is not None:
            assert outcome(name) == outcome(alias), (alias, name)
        assert "PROMOTED" not in name, (alias, name)


def test_a_stage_that_decides_a_promotion_stands_for_no_one_event() -> None:
    undecided = {"PROMOTION_COMPLETE", "PROMOTION_COMPLETED", "TIER_GATING_COMPLETE"}
    assert undecided.isdisjoint(ALIASES)
    assert undecided.isdisjoint(STAGE_TO_DATA)
    assert set(STAGE_TO_DATA.values()) <= set(events())
    assert STAGE_TO_DATA["SYNC_COMPLETE"] == "DATA_SYNC_COMPLETED"
    assert STAGE_TO_DATA["TRAINING_FAILED"] == "TRAINING_FAILED"


# ---- fields --------------------------------------------------------------------------------------


def test_every_field_that_producers_send_is_declared() -> None:
    """But for `timestamp`: producers send seconds or ISO text in it, and the envelope has the time."""
    missing = [
        (event, field)
        for event, field in listed("payload_fields.txt")
        if field != "timestamp" and field not in spellings(event)
    ]
    assert missing == []
    assert all("timestamp" not in spellings(event) for event in events())


def spellings(event: str) -> set[str]:
    return {spelling for field in events()[event].fields.values() for spelling in field.spellings}


def test_a_configuration_goes_by_both_its_names_everywhere() -> None:
    for event in events().values():
        if "config_key" in event.fields:
            assert {"config_key"} < set(event.fields["config_key"].spellings), event.name
        assert "config" not in event.fields, event.name


def test_all_events_let_producers_send_more() -> None:
    assert all(event.open for event in events().values())


def test_one_name_has_one_kind_of_value() -> None:
    """`A or B` reads a field of either; three names differ, because their producers do."""
    kinds: dict[str, set[Any]] = {}
    for event in events().values():
        for field in event.fields.values():
            kind = "number" if field.type.is_number else field.type.base
            kinds.setdefault(field.name, set()).add(kind)
    mixed = {name for name, found in kinds.items() if len(found) > 1}
    assert mixed == {"last_success", "priority", "target_hosts"}


def test_words_are_closed_where_severity_or_direction_is_told() -> None:
    words = {
        (event.name, field.name): field.type.words
        for event in events().values()
        for field in event.fields.values()
    }
    assert words["REGRESSION_DETECTED", "severity"] == ("minor", "moderate", "severe", "critical")
    assert words["TRAINING_LOSS_ANOMALY", "severity"] == ("mild", "moderate", "severe")
    assert words["TRAINING_LOSS_TREND", "trend"] == ("improving", "stalled", "plateau", "degrading")
    assert words["ELO_VELOCITY_CHANGED", "trend"] == ("accelerating", "stable", "decelerating", "plateauing")
    assert words["SELFPLAY_RATE_CHANGED", "intensity"] == (
        "paused", "reduced", "normal", "accelerated", "hot_path",
    )  # fmt: skip


def test_what_repeats_by_nature_is_never_taken_for_a_repeat() -> None:
    never = {event.name for event in events().values() if event.dedup_ms == 0}
    assert never >= {name for name in events() if re.search("HEARTBEAT|PROGRESS$|METRICS", name)}
    assert never >= {
        "GAMES_GENERATED",
        "NEW_GAMES_AVAILABLE",
        "NODE_CAPACITY_UPDATED",
        "QUALITY_SCORE_UPDATED",
    }
    assert never.isdisjoint(
        {"MODEL_PROMOTED", "TRAINING_COMPLETED", "REGRESSION_DETECTED", "PLATEAU_DETECTED"}
    )


SPECIFIED: list[tuple[str, dict[str, Any]]] = [
    ("TRAINING_COMPLETED", {"config_key": "hex8_2p", "success": True, "epoch": 50}),
    ("TRAINING_COMPLETED", {"config_key": "hex8_2p"}),
    ("TRAINING_COMPLETED", {"config_key": "hex8_2p", "success": True}),
    ("MODEL_PROMOTED", {"model_path": "models/hex8_2p.pth", "elo": 1850}),
    ("MODEL_PROMOTED", {"model": "foo"}),
    ("QUALITY_DEGRADED", {"config_key": "hex8_2p", "quality_drop_percent": 25}),
]


@pytest.mark.parametrize(("event", "payload"), SPECIFIED)
def test_the_specification_s_own_payloads_are_good(event: str, payload: dict[str, Any]) -> None:
    schema = shipped_schema(event)
    assert schema is not None
    assert schema.findings(payload) == []
    assert set(payload) <= spellings(event)
    PAYLOADS[event].model_validate(payload)


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        ({"severity": "severe", "elo_drop": 60}, [("config_key", "is required and missing")]),
        ({"config": "a", "severity": "grave", "elo_drop": 60},
         [("severity", "is 'grave', declared minor | moderate | severe | critical")]),
        ({"config": "a", "severity": "severe", "elo_drop": 60, "win_rate_drop": 1.1},
         [("win_rate_drop", "is 1.1, declared within 0.0..1.0")]),
        ({"config": "a", "severity": "severe", "elo_drop": 60, "win_rate_drop": 1.0}, []),
        ({"config": "a", "severity": "severe", "elo_drop": 60, "games_played": 5.0}, []),
        ({"config": "a", "severity": "severe", "elo_drop": 60, "games_played": 5.5},
         [("games_played", "is float, declared int")]),
    ],
)  # fmt: skip
def test_a_payload_is_judged_by_words_ranges_and_what_is_required(
    payload: dict[str, Any], complaint: list[tuple[str, str]]
) -> None:
    schema = shipped_schema("REGRESSION_DETECTED")
    assert schema is not None
    whole = {"model_path": "m", **payload}
    assert schema.findings(whole) == complaint
    if complaint:
        with pytest.raises(ValidationError):
            PAYLOADS["REGRESSION_DETECTED"].model_validate(whole)
    else:
        PAYLOADS["REGRESSION_DETECTED"].model_validate(whole)


def test_a_required_field_may_be_derived_instead() -> None:
    schema = shipped_schema("EVALUATION_COMPLETED")
    assert schema is not None
    assert schema.findings({"board_type": "hex8", "num_players": 2}) == []
    assert schema.findings({"board_type": "hex8"}) == [("config_key", "is required and missing")]
    model = PAYLOADS["EVALUATION_COMPLETED"].model_validate({"board_type": "hex8", "num_players": 2})
    assert model.config_key == "hex8_2p"  # type: ignore[attr-defined]
    with pytest.raises(ValidationError, match="config"):
        PAYLOADS["EVALUATION_COMPLETED"].model_validate({"board_type": "hex8"})


# ---- functions -----------------------------------------------------------------------------------


def test_every_event_and_every_older_name_has_its_function() -> None:
    wanted = {f"emit_{name.lower()}" for name in events()} | {
        name for (name,) in listed("emit_functions.txt")
    }
    wanted.discard("emit_data_event")  # takes any event, and lives with the older bus
    assert wanted <= set(event_emitters.__all__)
