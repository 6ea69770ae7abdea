"""What ends a cycle by itself, and what makes one grow.

A counter that runs to its limit, a latch that nothing on the cycle clears, a knob that is set to the one
value again: none of these needs a cooldown. Only what is certain counts as an end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf

from rules_engine.checks.activations import all_effects, setting_of
from rules_engine.checks.graphs import components, shortest_way
from rules_engine.checks.sending import Node
from rules_engine.checks.triggering import Edge, Triggering
from rules_engine.language import program
from rules_engine.language.conditions import Case, cases, every
from rules_engine.language.ranges import bounds
from rules_engine.language.regions import Choice, Interval, Numbers, Region, exact
from rules_engine.language.variables import Setting, key_of, plain

Edges = Mapping[Node, Sequence[Edge]]

#: The engine cuts a chain at this depth, so a counter has to end before.
_MOST_TURNS = 16


def ending(flow: Triggering, edges: Edges) -> set[Edge]:
    """Edges over which no cycle can go round for ever; taking them out may show more of them."""
    ends: set[Edge] = set()
    successors = {node: {edge.to for edge in found} for node, found in edges.items()}
    for group in components(successors):
        inner = [edge for node in sorted(group) for edge in edges[node]]
        into: dict[Node, list[Edge]] = {}
        for edge in inner:
            into.setdefault(edge.to, []).append(edge)
        for node, arriving in into.items():
            latched = _stays_latched(flow, node, group)
            if latched or _lacks_a_step(flow, node, arriving) or _disables_itself(flow, node, group):
                ends.update(arriving)
        ends.update(edge for edge in inner if _sets_the_same_again(flow, edge, group))
    return ends or _counting(flow, edges)


def _stays_latched(flow: Triggering, node: Node, group: frozenset[Node]) -> bool:
    """A latch fires once, unless something on the cycle surely clears it."""
    name, part = node
    if part == "clears":
        return (name, "enters") not in group
    if flow.loops[name].until is None:
        return False
    cleared = (name, "clears")
    return not any(
        edge.sure and edge.to == cleared and not edge.delay_ms
        for other in group
        for edge in flow.edges.get(other, ())
    )


def _lacks_a_step(flow: Triggering, node: Node, arriving: Sequence[Edge]) -> bool:
    """A sequence is complete only where the cycle makes each of its steps."""
    trigger = flow.loops[node[0]].trigger
    if not isinstance(trigger, program.Sequence):
        return False
    needed = {number for number, step in enumerate(trigger.steps) if not step.absent}
    return not needed <= {edge.step for edge in arriving}


def _sets_the_same_again(flow: Triggering, edge: Edge, group: frozenset[Node]) -> bool:
    """A knob that the cycle only ever sets to one value changes once, and no second time."""
    if edge.sent.knob is None:
        return False
    values = set()
    for effect in _sets(flow, group, edge.sent.knob):
        if effect.op != "=" or not isinstance(effect.value, program.Const):
            return False
        values.add(effect.value.value)
    return len(values) == 1


def _disables_itself(flow: Triggering, node: Node, group: frozenset[Node]) -> bool:
    """What the loop sets makes its own condition false, and no other loop of the cycle sets it back."""
    loop = flow.loops[node[0]]
    if node[1] != "enters" or loop.when is None:
        return False
    setting = Setting(dict(loop.locals), owner=loop.name)
    ways = cases(loop.when, setting)
    for effect in loop.effects:
        if not isinstance(effect, program.SetEffect) or effect.condition is not None or effect.key:
            continue
        own = program.KnobRead(effect.span, effect.knob.type, effect.knob)
        regions = [way.get(key_of(own, setting)) for way in ways]
        alone = all(other is effect for other in _sets(flow, group, effect.knob))
        if (
            alone
            and regions
            and all(region is not None and _leaves(effect, loop, region) for region in regions)
        ):
            return True
    return False


def _leaves(effect: program.SetEffect, loop: program.Loop, region: Region) -> bool:
    """Whether setting the knob so, over and over, gets it out of a region."""
    knob = effect.knob
    if effect.op == "=":
        value = effect.value.value if isinstance(effect.value, program.Const) else None
        if isinstance(value, str | bool):
            return isinstance(region, Choice) and region.meet(Choice(frozenset((value,)))).is_empty
        point = bounds(effect.value, dict(loop.locals))
        return (
            point.low is not None and isinstance(region, Numbers) and region.meet(Numbers((point,))).is_empty
        )
    if knob.decay_ms is not None or knob.steps or not isinstance(region, Numbers):
        return False
    by = bounds(effect.value, dict(loop.locals))
    neutral = Fraction(1 if effect.op == "*=" else 0)
    if effect.op == "*=" and knob.low <= 0:
        return False
    rises = by.low is not None and by.low > neutral
    falls = by.high is not None and by.high < neutral
    if effect.op == "-=":
        rises, falls = falls, rises
    highest, lowest = exact(knob.high), exact(knob.low)
    return (rises and not _holds(region, highest)) or (falls and not _holds(region, lowest))


def _holds(region: Numbers, end: Fraction | None) -> bool:
    return end is None or any(
        (part.low is None or part.low <= end)
        and (part.high is None or part.high > end or (part.high == end and not part.high_open))
        for part in region.intervals
    )


def _sets(flow: Triggering, group: frozenset[Node], knob: program.Knob) -> Iterator[program.SetEffect]:
    for name in sorted({node[0] for node in group}):
        for effect in all_effects(flow.loops[name]):
            if isinstance(effect, program.SetEffect) and effect.knob.name == knob.name:
                yield effect


# ---- counters --------------------------------------------------------------------------------------


def _counting(flow: Triggering, edges: Edges) -> set[Edge]:
    """One edge of each shortest cycle on which a field counts to its end."""
    ends: set[Edge] = set()
    for node in sorted(edges):
        if ends & set(edges[node]):
            continue
        path = shortest_way(edges[node], node, edges, lambda one: one.to)
        if path and counted_out(flow, path):
            ends.add(path[0])
    return ends


def counted_out(flow: Triggering, path: Sequence[Edge]) -> str:
    """The field that each turn of a cycle moves by a constant towards a bound; empty for none.

    It follows `round: round + 1` through the events of the cycle, and looks for a condition on the way
    that ends it, as `if round < 3`.
    """
    hops = [_hop(flow, path[n - 1], edge) for n, edge in enumerate(path)]
    if any(hop is None for hop in hops):
        return ""
    whole = [hop for hop in hops if hop is not None]
    for start in sorted(set().union(*(hop.moved for hop in whole))):
        here, moved, left = start, Fraction(0), Interval()
        for hop in whole:
            left = left.meet(hop.left(here))
            next_step = hop.moved.get(here)
            if next_step is None:
                break
            here, moved = next_step[0], moved + next_step[1]
        else:
            if here == start and moved and _turns(left, moved) < _MOST_TURNS:
                return start
    return ""


@dataclass(frozen=True)
class _Hop:
    """One loop on a cycle: the fields that it sends on, as `field -> (sent as, plus)`, and when."""

    moved: Mapping[str, tuple[str, Fraction]]
    ways: tuple[Case, ...]

    def left(self, name: str) -> Interval:
        """What the loop's conditions leave of a field."""
        regions = [way.get(("field", name, None)) for way in self.ways]
        if not regions or not all(isinstance(region, Numbers) for region in regions):
            return Interval()
        parts = [part for region in regions if isinstance(region, Numbers) for part in region.intervals]
        lows, highs = [part.low for part in parts], [part.high for part in parts]
        return Interval(
            None if None in lows else min(low for low in lows if low is not None),
            None if None in highs else max(high for high in highs if high is not None),
        )


def _turns(left: Interval, moved: Fraction) -> float:
    """How many turns lie between the ends of what the conditions leave; a count upwards begins at 0."""
    low = Fraction(0) if left.low is None and moved > 0 else left.low
    if low is None or left.high is None:
        return inf
    return float((left.high - low) / abs(moved))


def _hop(flow: Triggering, arriving: Edge, leaving: Edge) -> _Hop | None:
    """How the loop that one edge arrives at passes on what it hears by another."""
    effect = leaving.effect
    loop = flow.loops[arriving.to[0]]
    if arriving.heard is None or not isinstance(effect, program.EmitEffect):
        return None
    setting = setting_of(flow.rules, loop, arriving.heard.event)
    condition = loop.when if arriving.to[1] == "enters" else loop.until
    ways = every(
        [
            cases(arriving.heard.filter, setting),
            cases(condition, setting),
            cases(effect.condition, setting),
        ]
    )
    moved: dict[str, tuple[str, Fraction]] = {}
    for name, value in effect.payload:
        source = _counter(value, setting)
        if source is not None:
            moved.setdefault(source[0], (name, source[1]))
    return _Hop(moved, ways)


def _counter(value: program.Expr, setting: Setting) -> tuple[str, Fraction] | None:
    """`round`, `round + 1`, `(round ?? 0) - 1`: the field, and what is added."""
    value = plain(value, setting)
    if isinstance(value, program.Binary) and value.op == "??":
        return _counter(value.left, setting)
    if isinstance(value, program.FieldRead):
        return (value.field, Fraction(0)) if setting.is_of_event(value) else None
    if not isinstance(value, program.Binary) or value.op not in ("+", "-"):
        return None
    left, right = value.left, value.right
    if value.op == "+" and isinstance(plain(left, setting), program.Const):
        left, right = right, left
    by = bounds(right, setting.locals)
    inner = _counter(left, setting)
    if inner is None or by.low is None or by.low != by.high:
        return None
    return inner[0], inner[1] + (by.low if value.op == "+" else -by.low)


# ---- growth ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Growth:
    """A knob that a turn multiplies by `factor`, and the sets that do it."""

    factor: Fraction
    by: tuple[program.SetEffect, ...]


def growth(flow: Triggering, path: Sequence[Edge], interval_ms: float) -> dict[str, Growth]:
    """The knobs that each turn of a cycle multiplies by more than they decay in the meantime."""
    if not interval_ms:
        return {}
    sets: dict[str, list[tuple[program.SetEffect, Fraction | None]]] = {}
    for edge in path:
        loop = flow.loops[edge.to[0]]
        for effect in loop.effects if edge.to[1] == "enters" else loop.cleared:
            if isinstance(effect, program.SetEffect):
                sets.setdefault(effect.knob.name, []).append((effect, _least_factor(effect, loop)))
    found = {}
    for name, factors in sets.items():
        product = _product([factor for _, factor in factors])
        if product is not None and _outgrows(product, factors[0][0].knob, interval_ms):
            found[name] = Growth(product, tuple(effect for effect, _ in factors))
    chain = [(edge.effect, flow.loops[path[n - 1].to[0]]) for n, edge in enumerate(path)]
    steps = [effect for effect, _ in chain if isinstance(effect, program.SetEffect)]
    if len(steps) == len(path) and len({effect.knob.name for effect in steps}) > 1:
        product = _product([_least_factor(e, loop) for e, loop in chain if isinstance(e, program.SetEffect)])
        if product is not None and _outgrows(product, steps[0].knob, interval_ms):
            found.setdefault(steps[0].knob.name, Growth(product, tuple(steps)))
    return found


def _least_factor(effect: program.SetEffect, loop: program.Loop) -> Fraction | None:
    """What it multiplies by at least; None where it is no factor that stays."""
    if effect.op != "*=" or effect.hold is not None or effect.knob.low < 0:
        return None
    least = bounds(effect.value, dict(loop.locals)).low
    return least if least is None or effect.condition is None else min(least, Fraction(1))


def _product(factors: Sequence[Fraction | None]) -> Fraction | None:
    product = Fraction(1)
    for factor in factors:
        if factor is None or factor < 0:
            return None
        product *= factor
    return product


def _outgrows(factor: Fraction, knob: program.Knob, interval_ms: float) -> bool:
    if knob.decay_ms is None:
        return factor > 1
    return float(factor) > 2 ** min(interval_ms / knob.decay_ms, 1000)
