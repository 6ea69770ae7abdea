"""A16: the tables of the migration page are true: each old form works, and warns if the page says so."""

from __future__ import annotations

import ast
import asyncio
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from rules_engine.events import cross_process_events, data_events, event_router, stage_events
from rules_engine.events.deprecation import forget_warnings
from rules_engine.events.event_router import StageCompletionResult, StageEvent, UnifiedEventRouter

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "migration.md"
FORMS = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| (yes|no) \|$", PAGE.read_text("utf-8"), re.MULTILINE)


def told(form: str, names: dict[str, Any]) -> list[str]:
    """Run a form, in a loop if it awaits something; the deprecations it tells of."""
    forget_warnings()
    code = compile(form, PAGE.name, "eval", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def in_a_loop() -> None:
        await eval(code, names)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if "await" in form:
            asyncio.run(in_a_loop())
        else:
            eval(code, names)
    assert all(issubclass(one.category, DeprecationWarning) for one in caught), form
    return [str(one.message) for one in caught]


@pytest.fixture
def names(router: UnifiedEventRouter) -> dict[str, Any]:
    """What the forms on the page use."""
    space: dict[str, Any] = {}
    for module in (event_router, data_events, stage_events, cross_process_events):
        space |= vars(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        space |= {
            "router": router,
            "data_bus": data_events.get_event_bus(),
            "stage_bus": stage_events.get_event_bus(),
            "queue": cross_process_events.get_event_queue(),
            "payload": {"config_key": "hex8_2p"},
            "result": StageCompletionResult(StageEvent.TRAINING_COMPLETE, True, 1),
            "handler": lambda event: None,
        }
    space["reader"] = space["queue"].subscribe("reader", stable=True)
    router.publish("HOST_ONLINE", {"host": "a"})
    return space


def test_the_page_has_its_forms() -> None:
    assert len(FORMS) > 40


@pytest.mark.parametrize(("old", "new", "warns"), FORMS, ids=lambda text: text[:60])
def test_a16_each_old_form_works_and_warns_if_the_page_says_so(
    old: str, new: str, warns: str, names: dict[str, Any], store: Any
) -> None:
    said = told(old, names)
    assert bool(said) == (warns == "yes"), said
    assert all("still works; new code uses" in text for text in said)
    if re.search(
        r"(publish|emit|push|bridge|emit_and_wait|publish_sync|data_event|process)\(.*(payload|result)", old
    ):
        assert store.info().head == 2, "the old form has published one event"
    assert told(new, names) == []
