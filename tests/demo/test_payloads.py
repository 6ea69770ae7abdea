"""Everything the pipeline tells is declared in the catalogue, field by field and word by word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rules_engine.demo import reporting
from rules_engine.demo.handlers import handlers_for
from rules_engine.language import syntax as s
from rules_engine.language.parser import parse
from rules_engine.language.source import Source
from rules_engine.shipped import shipped

Rig = Any
_KINDS = {"str": str, "int": int, "float": (int, float), "bool": bool, "list": list, "map": dict}


@cache
def catalogue() -> tuple[dict[str, s.EventItem], dict[str, s.TypeItem]]:
    events: dict[str, s.EventItem] = {}
    types: dict[str, s.TypeItem] = {}
    for path in sorted(shipped("rules/events").rglob("*.loop")):
        tree, findings = parse(Source(str(path), path.read_text(encoding="utf-8")))
        assert not findings
        for item in tree.items:
            if isinstance(item, s.EventItem):
                events[item.name.text] = item
            elif isinstance(item, s.TypeItem):
                types[item.name.text] = item
    return events, types


def complaints(event: str, payload: dict[str, Any]) -> Iterator[str]:
    """What in a payload the catalogue does not declare."""
    events, types = catalogue()
    if event not in events:
        yield f"{event} is not declared"
        return
    left = dict(payload)
    for field in events[event].fields:
        given = [left.pop(name.text) for name in field.names if name.text in left]
        if len(given) > 1:
            yield f"{event}.{field.names[0].text} is sent under two names"
        value = given[0] if given else None
        if value is None:
            if not field.type.optional and field.derived is None:
                yield f"{event}.{field.names[0].text} is missing"
            continue
        yield from unfit(f"{event}.{field.names[0].text}", value, field.type, types)
    for name in left:
        yield f"{event}.{name} is not declared"


def unfit(where: str, value: Any, type_: s.TypeRef, types: dict[str, s.TypeItem]) -> Iterator[str]:
    """Why a value is not of a type."""
    if type_.words is not None and value not in [word.text for word in type_.words.words]:
        yield f"{where} is {value!r}, none of its words"
    if type_.range is not None and not type_.range.low <= value <= type_.range.high:
        yield f"{where} is {value!r}, out of its range"
    if type_.name is not None and type_.name.text in types:
        yield from unfit(where, value, types[type_.name.text].type, types)
    elif type_.name is not None:
        kind = _KINDS[type_.name.text]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            yield f"{where} is {value!r}, no {type_.name.text}"


@pytest.fixture(scope="module")
def told(rig: Callable[..., Rig]) -> list[tuple[str, dict[str, Any]]]:
    """All events of a run with each fault."""
    everything = []
    for fault, rounds in (("regression", 10), ("bad-data", 9), ("stall", 26)):
        one = rig(fault=fault, rounds=14, games_per_round=60, openings=20)
        for number in range(rounds):
            one.rounds(1)
            if number == 7:
                act(one)
        one.knobs["intensity", one.settings.faulty_config] = "paused"
        one.rounds(1)
        everything += one.told
    return everything


def act(one: Rig) -> None:
    """Let every handler that tells something act."""
    handlers = {type(handler).__name__: handler for handler in handlers_for(one.pipeline)}
    key = one.settings.faulty_config
    handlers["QualityMonitorDaemon"].check_quality(key, "test")
    handlers["QualityMonitorDaemon"].throttle_generation(key, 0.5)
    serving = one.pipeline.lines[key].checkpoints.serving
    handlers["RollbackManager"].roll_back(key, str(serving.path))


def test_all_that_is_told_is_declared(told: list[tuple[str, dict[str, Any]]]) -> None:
    assert sorted({text for name, payload in told for text in complaints(name, payload)}) == []


def test_those_runs_tell_every_event_there_is(told: list[tuple[str, dict[str, Any]]]) -> None:
    """So that no event escapes the test above."""
    source = Path(str(reporting.__file__)).read_text(encoding="utf-8")
    written = {part for part in source.split('"') if part.isupper() and "_" in part}
    assert len(written) > 20
    assert written - {name for name, _ in told} <= {"TRAINING_LOSS_ANOMALY"}
