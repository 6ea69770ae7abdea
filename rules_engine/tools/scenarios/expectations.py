"""Whether an effect is what a test expects, and which effect each expectation gets (L44)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rules_engine.compiler import constant
from rules_engine.engine.frame import Frame
from rules_engine.engine.plan import Plan
from rules_engine.engine.runtime import runtime_of
from rules_engine.language import program as p
from rules_engine.tools.scenarios.observations import Effect

#: Numbers that differ by no more are equal (L44).
TOLERANCE: Final = 1e-9

#: Whether an effect is the one that is meant.
Wanted = Callable[[Effect], bool]


def wanted(expect: p.Expect, plan: Plan) -> Wanted:
    """What an `expect set`, `emit` or `do` asks for. `plan` tells how the fields of an event are read."""
    match expect:
        case p.ExpectSet():
            key = None if expect.key is None else [constant(part) for part in expect.key]
            values = {} if expect.value is None else {"value": constant(expect.value)}
            return lambda effect: (
                effect.kind == "set"
                and effect.name == expect.knob.name
                and (key is None or equal(list(effect.key), key))
                and _holds(effect.values, values)
            )
        case p.ExpectEmit():
            payload = {name: constant(value) for name, value in expect.payload}
            event = expect.event.name
            return lambda effect: (
                effect.kind == "emit" and effect.name == event and _holds(_as_read(effect, plan), payload)
            )
        case p.ExpectDo():
            arguments = {name: constant(value) for name, value in expect.arguments}
            action = expect.action.name
            return lambda effect: (
                effect.kind == "do" and effect.name == action and _holds(effect.values, arguments)
            )
    raise AssertionError(f"{type(expect).__name__} asks for no effect")


def equal(left: Any, right: Any) -> bool:
    """Whether two values are the same, numbers within the tolerance; true is not 1 (L35)."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right or abs(left - right) <= TOLERANCE
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(equal(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[name], right[name]) for name in left)
    return bool(left == right)


def _holds(given: Mapping[str, Any], named: Mapping[str, Any]) -> bool:
    """The fields named are as named; one that is to be unknown is not there."""
    return all(equal(given.get(name), value) for name, value in named.items())


def _as_read(effect: Effect, plan: Plan) -> dict[str, Any]:
    """A payload with the fields that are derived from others, as whoever hears it reads it."""
    reader = runtime_of(plan).readers.get(effect.name)
    if reader is None:
        return effect.values
    no_knobs: Any = None
    read = reader(effect.values, lambda fields: Frame(fields, effect.name, effect.time_ms, no_knobs))
    return read | effect.values


class Assignment:
    """Gives each expectation an effect of its own, whatever the order in which they are written.

    An expectation that comes late may push an earlier one to
    another effect that fits it as well, so a vague one never takes what a precise one needs.
    """

    def __init__(self) -> None:
        self._wants: list[Wanted] = []
        self._owner: dict[int, int] = {}
        self._effect: dict[int, int] = {}

    @property
    def used(self) -> frozenset[int]:
        """The effects that were given away, by their number."""
        return frozenset(self._owner)

    def find(self, want: Wanted, effects: Sequence[Effect], first: int) -> bool:
        """Whether one of the effects from number `first` on can be had for this expectation."""
        number = len(self._wants)
        self._wants.append(want)
        for index in range(first, len(effects)):
            if index not in self._owner and want(effects[index]):
                self._owner[index], self._effect[number] = number, index
                return True
        return self._push(number, effects, first)

    def _push(self, number: int, effects: Sequence[Effect], first: int) -> bool:
        """All that fit are given away: somebody on a way to a free one may do with another."""
        asked: dict[int, int] = {}
        waiting = [number]
        for asking in waiting:
            for index in range(first, len(effects)):
                if index in asked or not self._wants[asking](effects[index]):
                    continue
                asked[index] = asking
                owner = self._owner.get(index)
                if owner is None:
                    self._give(index, asked, number)
                    return True
                waiting.append(owner)
        return False

    def _give(self, index: int, asked: Mapping[int, int], last: int) -> None:
        """Each on the way takes the effect that it asked for, and leaves its own to the one before."""
        while True:
            asking = asked[index]
            before = self._effect.get(asking)
            self._owner[index], self._effect[asking] = asking, index
            if asking == last or before is None:
                return
            index = before
