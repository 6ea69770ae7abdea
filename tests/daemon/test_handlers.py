"""Finding handlers, reading their signatures, and saying what is wrong with them."""

from __future__ import annotations

import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from rules_engine.daemon.handler_modules import load_module
from rules_engine.daemon.handlers import (
    ActionContext,
    GiveUp,
    Handler,
    HandlersError,
    action,
    collect,
    handler,
    unfit,
)
from rules_engine.event import Event, Kind, Row

CONTEXT = ActionContext(
    idempotency_key="loop/hex8_2p/7.0/0",
    loop="loop",
    key=("hex8_2p",),
    event=Event(Row(7, 0, Kind.EVENT, "id", "MODEL_PROMOTED"), {}),
    firing="7.0",
    attempt=1,
    deadline=datetime(2026, 1, 1, tzinfo=UTC),
)


@action("RollbackManager.roll_back")
async def roll_back(config_key: str, model_path: str, context: ActionContext) -> None:
    """A marked function."""


@handler
class SelfplayScheduler:
    """A marked class."""

    def set_rate(self, config_key: str, rate: float) -> tuple[str, float]:
        return config_key, rate

    @action("Other.verb")
    def renamed(self) -> None: ...

    def _hidden(self) -> None: ...


def test_functions_classes_and_methods_are_found_by_their_actions():
    found = collect([roll_back, SelfplayScheduler])
    assert sorted(found) == ["Other.verb", "RollbackManager.roll_back", "SelfplayScheduler.set_rate"]
    assert found["RollbackManager.roll_back"].is_async
    assert not found["SelfplayScheduler.set_rate"].is_async
    assert found["SelfplayScheduler.set_rate"].call("hex8_2p", 0.5) == ("hex8_2p", 0.5)


def test_an_instance_keeps_its_own_state():
    class Counter:
        def __init__(self) -> None:
            self.calls = 0

        def count(self) -> None:
            self.calls += 1

    one = Counter()
    collect([one])["Counter.count"].call()
    assert one.calls == 1


def test_a_dict_names_the_actions_and_leaves_its_functions_unmarked():
    def plain(config_key: str) -> None: ...

    assert collect([{"A.b": plain, "A.c": plain}]).keys() == {"A.b", "A.c"}
    with pytest.raises(HandlersError, match=r"mark it with @action"):
        collect([plain])


def test_two_handlers_of_one_action_are_refused_and_the_same_one_twice_is_not():
    @action("RollbackManager.roll_back")
    def another(config_key: str) -> None: ...

    assert len(collect([roll_back, roll_back])) == 1
    with pytest.raises(HandlersError, match=r"RollbackManager\.roll_back has two handlers"):
        collect([roll_back, another])


@pytest.mark.parametrize("name", ["roll_back", "A.b.c", "", "A.", ".b", "A b.c"])
def test_an_action_has_two_names(name):
    with pytest.raises(HandlersError, match="two names"):
        action(name)


def test_a_module_gives_what_it_marks_and_one_without_marks_is_an_error():
    module = ModuleType("given")
    module.roll_back = roll_back
    module.SelfplayScheduler = SelfplayScheduler
    module.Path = Path
    assert len(collect([module])) == 3
    with pytest.raises(HandlersError, match="has no handlers"):
        collect([ModuleType("bare")])


def test_a_class_that_cannot_be_made_is_named_with_the_reason():
    @handler
    class Broken:
        def __init__(self) -> None:
            raise RuntimeError("no disk")

        def verb(self) -> None: ...

    with pytest.raises(HandlersError, match=r"Broken\(\) failed: RuntimeError: no disk"):
        collect([Broken])


# ---- arguments -------------------------------------------------------------------------------------


def test_the_context_is_given_to_those_who_ask_and_what_is_missing_is_none():
    one = Handler.of("RollbackManager.roll_back", roll_back)
    given = one.arguments({"config_key": "hex8_2p"}, CONTEXT)
    assert given == {"config_key": "hex8_2p", "model_path": None, "context": CONTEXT}


def test_no_context_without_a_parameter_of_that_name():
    one = Handler.of("A.b", lambda config_key: None)
    assert one.arguments({"config_key": "x"}, CONTEXT) == {"config_key": "x"}


def test_an_argument_that_is_not_taken_ends_the_retries():
    one = Handler.of("A.b", lambda config_key: None)
    with pytest.raises(GiveUp, match="does not take `factor`"):
        one.arguments({"config_key": "x", "factor": 1}, CONTEXT)
    anything = Handler.of("A.b", lambda **rest: rest)
    assert anything.arguments({"factor": 1}, CONTEXT) == {"factor": 1}


def test_handlers_are_compared_with_the_declared_actions():
    found = {"A.b": Handler.of("A.b", lambda config_key, extra: None)}
    assert unfit(found, {"A.b": ["config_key", "extra"]}) == []
    assert "requires `extra`" in unfit(found, {"A.b": ["config_key"]})[0]
    assert "does not take `other`" in unfit(found, {"A.b": ["config_key", "extra", "other"]})[0]
    assert unfit(found, {"Unheard.of": ["x"]}) == []


def test_positional_only_parameters_cannot_be_called_by_name():
    def positional(config_key: str, /) -> None: ...

    with pytest.raises(HandlersError, match="cannot be given by name"):
        Handler.of("A.b", positional)


# ---- modules ---------------------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a module into the working folder; what it imported is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


GOOD = """
    from rules_engine import action
    @action("A.b")
    def b(): ...
    chosen = [b]
"""


@pytest.mark.parametrize("spec", ["given_handlers", "given_handlers.py", "./given_handlers.py"])
def test_a_module_is_found_by_name_and_by_path(write, spec):
    write("given_handlers.py", GOOD)
    assert list(collect([load_module(spec)])) == ["A.b"]


def test_an_attribute_of_a_module(write):
    write("given_handlers.py", GOOD)
    assert list(collect([load_module("given_handlers:chosen")])) == ["A.b"]
    with pytest.raises(HandlersError, match="given_handlers has no `other`"):
        load_module("given_handlers:other")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "import nowhere_to_be_found",
            r"ModuleNotFoundError: No module named 'nowhere_to_be_found' \(.*line 1\)",
        ),
        ("def b(:", r"invalid syntax \(.*line 1\)"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("x = 1 / 0", r"ZeroDivisionError: division by zero \(.*line 1\)"),
    ],
)
def test_a_module_that_fails_to_import_says_shortly_why(write, text, told):
    write("bad_handlers.py", text)
    with pytest.raises(HandlersError, match=told) as raised:
        load_module("bad_handlers")
    assert "\n" not in str(raised.value)


def test_a_module_that_is_not_there(write):
    with pytest.raises(HandlersError, match="there is no module `nothing`"):
        load_module("nothing")
    with pytest.raises(HandlersError, match=r"there is no file nothing\.py"):
        load_module("nothing.py")
