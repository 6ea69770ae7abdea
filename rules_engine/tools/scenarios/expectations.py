"""Whether an effect is what a test expects, and which effect each expectation gets (L44)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rules_engine.compiler import constant
from rules_engine.engine.frame import Frame
from rules_engine.engine.plan import Plan
from rules_engine.engine.runtime import runtime_of
from rules_engine.language import program as p
from rules_engine.tools.scenarios.observations import Effect, Kind
from rules_engine.tools.scenarios.wording import value_text

#: Numbers that differ by no more are equal (L44).
TOLERANCE: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an `expect set`, `emit` or `do` asks for. `key` None: any. `read` gives an effect's values."""

    kind: Kind
    name: str
    key: list[Any] | None
    values: Mapping[str, Any]
    read: Callable[[Effect], Mapping[str, Any]]

    def fits(self, effect: Effect) -> bool:
        """Whether an effect is the one that is meant."""
        if not self.is_like(effect) or (self.key is not None and not equal(list(effect.key), self.key)):
            return False
        given = self.read(effect) if self.values else {}
        return all(equal(given.get(name), value) for name, value in self.values.items())

    def is_like(self, effect: Effect) -> bool:
        """Whether it is the same kind of thing, perhaps with other values."""
        return effect.kind == self.kind and effect.name == self.name

    def instead(self, effects: Iterable[Effect]) -> str:
        """How the nearest one among effects differs: `x is 2, not 3`; empty if none is like it."""
        found = [list(self._differences(effect)) for effect in effects if self.is_like(effect)]
        nearest: list[str] = min(found, key=len, default=[])
        return ", ".join(nearest)

    def _differences(self, effect: Effect) -> Iterator[str]:
        if self.key is not None and not equal(list(effect.key), self.key):
            yield f"key is {value_text(effect.key)}, not {value_text(self.key)}"
        given = self.read(effect) if self.values else {}
        for name, value in self.values.items():
            if not equal(given.get(name), value):
                yield f"{name} is {value_text(given.get(name))}, not {value_text(value)}"


def wanted(expect: p.Expect, plan: Plan) -> Wanted:
    """What an expectation asks for. `plan` tells how the fields of an event are read."""
    match expect:
        case p.ExpectSet():
            key = None if expect.key is None else [constant(part) for part in expect.key]
            values = {} if expect.value is None else {"value": constant(expect.value)}
            return Wanted("set", expect.knob.name, key, values, _values)
        case p.ExpectEmit():
            payload = {name: constant(value) for name, value in expect.payload}
            return Wanted("emit", expect.event.name, None, payload, lambda effect: _as_read(effect, plan))
        case p.ExpectDo():
            arguments = {name: constant(value) for name, value in expect.arguments}
            return Wanted("do", expect.action.name, None, arguments, _values)
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


def _values(effect: Effect) -> Mapping[str, Any]:
    return effect.values


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
            if index not in self._owner and want.fits(effects[index]):
                self._owner[index], self._effect[number] = number, index
                return True
        return self._push(number, effects, first)

    def _push(self, number: int, effects: Sequence[Effect], first: int) -> bool:
        """All that fit are given away: somebody on a way to a free one may do with another."""
        asked: dict[int, int] = {}
        waiting = [number]
        for asking in waiting:
            for index in range(first, len(effects)):
                if index in asked or not self._wants[asking].fits(effects[index]):
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
