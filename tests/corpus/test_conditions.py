"""Lint's word on conditions, held against their value at every point of a grid.

The conditions are made up, and evaluated here by the definition of the language alone: `None` is
unknown, and spreads unless the other side decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from operator import eq, ge, gt, le, lt, ne

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rules_engine.pipeline import check_texts

Point = dict[str, object]
Value = Callable[[Point], object]

_COMPARISONS = {"<": lt, "<=": le, ">": gt, ">=": ge, "==": eq, "!=": ne}

#: The ends of the declared ranges, the constants that conditions compare with, and what lies between.
_GRID: list[Point] = [
    dict(zip("xnwby", values, strict=True))
    for values in product(
        (0, 0.2, 0.3, 0.5, 0.75, 1),
        range(11),
        ("low", "mid", "high"),
        (False, True),
        (None, -5, -1, 0, 0.3, 0.5, 2.5),
    )
]

_DECLARATIONS = """
event E { k: str, x: float in 0..1, n: int in 0..10, w: "low" | "mid" | "high", b: bool, y: float in -5..5? }
  dedup off from "made up"
action A.set(k: str, v: float in 0..1)
knob v per k in 0..1 = 1 drives A.set
"""
_LOOP = """
loop {name}
  on E
  per k
  when {condition}
  set v = {value}
"""


@dataclass(frozen=True)
class Condition:
    """A condition as text, and its value at a point: true, false or `None`."""

    text: str
    at: Value

    def __repr__(self) -> str:
        return self.text


def _apply(function: Callable[..., object], *parts: Value) -> Value:
    """The function of the parts, unknown when one of them is."""

    def value(point: Point) -> object:
        values = [part(point) for part in parts]
        return None if None in values else function(*values)

    return value


def _field(name: str) -> Condition:
    return Condition(name, lambda point: point[name])


def _default(value: float) -> Condition:
    return Condition(f"(y ?? {value})", lambda point: value if point["y"] is None else point["y"])


def _scaled(term: Condition, factor: float) -> Condition:
    return Condition(f"{factor} * ({term})", _apply(lambda v: factor * v, term.at))


def _compared(left: Condition, sign: str, right: float) -> Condition:
    return Condition(f"{left} {sign} {right}", _apply(lambda v: _COMPARISONS[sign](v, right), left.at))


def _listed(words: list[str], inside: bool) -> Condition:
    listed = ", ".join(f'"{word}"' for word in words)
    return Condition(
        f"w {'in' if inside else 'not in'} [{listed}]", lambda point: (point["w"] in words) is inside
    )


def _denied(part: Condition) -> Condition:
    return Condition(f"not ({part})", _apply(lambda v: not v, part.at))


def _joined(left: Condition, word: str, right: Condition) -> Condition:
    decides = word == "or"

    def value(point: Point) -> object:
        both = (left.at(point), right.at(point))
        return decides if decides in both else None if None in both else not decides

    return Condition(f"({left}) {word} ({right})", value)


_TERMS = st.one_of(
    st.sampled_from("xny").map(_field),
    st.sampled_from((0, 0.5, 1)).map(_default),
    st.builds(_scaled, st.sampled_from("xn").map(_field), st.sampled_from((0.5, 2, 3))),
)
_ATOMS = st.one_of(
    st.builds(
        _compared,
        _TERMS,
        st.sampled_from(sorted(_COMPARISONS)),
        st.sampled_from((-6, -1, 0, 0.3, 0.5, 1, 2.5, 5, 11)),
    ),
    st.builds(
        _listed,
        st.lists(st.sampled_from(("low", "mid", "high")), min_size=1, max_size=3, unique=True),
        st.booleans(),
    ),
    st.just(_field("b")),
    st.just(Condition("y is known", lambda point: point["y"] is not None)),
)
_CONDITIONS = st.recursive(
    _ATOMS,
    lambda parts: st.one_of(
        st.builds(_denied, parts), st.builds(_joined, parts, st.sampled_from(("and", "or")), parts)
    ),
    max_leaves=5,
)


def _findings(*conditions: Condition) -> set[tuple[str, str]]:
    """The findings on loops with these conditions: code, and the text that each points at."""
    loops = [
        _LOOP.format(name=f"loop_{i}", condition=condition, value=i / 10)
        for i, condition in enumerate(conditions)
    ]
    text = _DECLARATIONS + "".join(loops)
    return {
        (f.code.id, text[f.span.start : f.span.end]) for f in check_texts({"case.loop": text}).diagnostics
    }


@given(_CONDITIONS)
@settings(max_examples=120, deadline=None)
def test_what_lint_calls_never_or_always_true_is(condition: Condition) -> None:
    found = _findings(condition)
    values = {condition.at(point) for point in _GRID}
    if ("RE501", condition.text) in found:
        assert True not in values
    if ("RE502", condition.text) in found:
        assert False not in values


@given(_CONDITIONS, _CONDITIONS)
@settings(max_examples=80, deadline=None)
def test_two_loops_that_set_a_knob_on_one_event_are_reported(one: Condition, other: Condition) -> None:
    assume(any(one.at(point) is True and other.at(point) is True for point in _GRID))
    assert "RE401" in {code for code, _ in _findings(one, other)}
