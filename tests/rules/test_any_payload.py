"""The shipped loops over events of any payload: always a decision, never a failure, state that JSON holds."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules_engine.engine.decision import CellId
from rules_engine.engine.handover import handover
from rules_engine.engine.plan import Plan
from rules_engine.engine.state import State
from rules_engine.engine.step import decide
from rules_engine.event import Kind, Row
from rules_engine.pipeline import load
from rules_engine.shipped import shipped

START_MS = 1_767_571_200_000


@cache
def plan() -> Plan:
    found = load(shipped("rules")).plan
    assert found is not None
    return found


@cache
def heard() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Each event that some loop hears, with every spelling of its fields."""
    names = sorted({*plan().by_event, *plan().fed_by_event} & set(plan().events))
    return tuple(
        (name, tuple(spelling for field in plan().events[name].fields for spelling in field.spellings))
        for name in names
    )


_PLAIN = st.one_of(
    st.none(), st.booleans(), st.floats(allow_nan=False), st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=9), st.sampled_from([0, 1, -1, 0.5, 1e308, ""]),
    st.sampled_from(["hex8_2p", "critical", "severe", "mild", "stalled", "improving", "training"]),
)  # fmt: skip
_ANY = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@st.composite
def events(draw: st.DrawFn) -> tuple[int, str, dict[str, Any]]:
    name, fields = draw(st.sampled_from(heard()))
    given_fields = draw(st.lists(st.sampled_from(fields), max_size=6, unique=True))
    payload = {field: draw(_ANY) for field in given_fields}
    if draw(st.booleans()):
        payload["config_key"] = "hex8_2p"
    return draw(st.sampled_from([0, 1, 1_000, 60_000, 600_000, 86_400_000])), name, payload


@given(st.lists(events(), min_size=1, max_size=25))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_payload_gives_a_decision(history: list[tuple[int, str, dict[str, Any]]]) -> None:
    state, now_ms = State(), START_MS
    state.apply(handover(None, plan(), state, 0, now_ms)[0])
    for seq, (gap_ms, name, payload) in enumerate(history, 1):
        now_ms += gap_ms
        decision = decide(plan(), state, Row(seq, now_ms, Kind.EVENT, f"e{seq}", name, payload))
        assert [failure.traceback for failure in decision.failures] == []
        state.apply(decision)
        for change in decision.changes:
            knob = plan().knobs[change.knob]
            assert change.new in knob.words if knob.words else knob.low <= change.new <= knob.high
    kept = [(cell.scope, list(cell.key), cell.part, body) for cell, body in state.cells()]
    again = State()
    again.load((CellId(s, tuple(k), p), b) for s, k, p, b in json.loads(json.dumps(kept, allow_nan=False)))
    assert dict(again.cells()) == dict(state.cells())
