"""Cycles: loops that trigger one another, by what they emit or by what their actions emit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rules_engine.checks.activations import live, setting_of, target
from rules_engine.language import program
from rules_engine.language.catalog import duration_text
from rules_engine.language.conditions import cases, every
from rules_engine.language.diagnostics import Code, Diagnostic, Related, Severity
from rules_engine.language.ranges import bounds, of_type
from rules_engine.language.regions import Choice, Numbers, Region

ENDLESS = Code(
    "RE301", "endless-cycle", Severity.ERROR, "Loops trigger each other, and nothing slows or stops them."
)
DAMPED = Code("RE302", "damped-cycle", Severity.INFO, "Loops trigger each other, and something slows them.")

#: A loop, and whether it is its latch's end that acts.
Node = tuple[str, bool]


@dataclass
class _Edge:
    """One loop triggers another: by which event, and where that is said."""

    event: str
    effect: program.Effect
    to: Node


@dataclass
class _Graph:
    edges: dict[Node, list[_Edge]] = field(default_factory=dict)
    damped: dict[Node, bool] = field(default_factory=dict)


def endless_cycles(rules: program.Program) -> Iterator[Diagnostic]:
    """Cycles of loops none of which has a cooldown, limit, hold or latch."""
    graph = _graph(rules)
    undamped = {
        node: [edge for edge in edges if not graph.damped[edge.to]]
        for node, edges in graph.edges.items()
        if not graph.damped[node]
    }
    for path in _cycles(undamped):
        shown = _shown(path)
        message = f"this comes back to where it started: {' -> '.join(shown)}"
        if len(path) == 1:
            message = f"`{path[0].to[0]}` hears what it emits itself, and never stops"
        advice = "add `cooldown 5m` or `limit 3 per 1h` to one of the loops, or a condition that ends it"
        yield ENDLESS.at(target(path[0].effect), message, help=advice, related=_related(path), witness=shown)


def damped_cycles(rules: program.Program) -> Iterator[Diagnostic]:
    """Cycles that a cooldown, limit, hold or latch slows down, with the most they can do."""
    graph = _graph(rules)
    loops = {loop.name: loop for loop in rules.loops}
    for path in _cycles(graph.edges):
        members = [loops[edge.to[0]] for edge in path]
        if not any(graph.damped[edge.to] for edge in path):
            continue
        shown = _shown(path)
        slowest = max(_interval_ms(loop) for loop in members)
        rate = f"at most once in {duration_text(slowest)} for each key" if slowest else "a latch holds it"
        message = f"this comes back to where it started, {rate}: {' -> '.join(shown)}"
        advice = "nothing to do, if that is meant"
        yield DAMPED.at(target(path[0].effect), message, help=advice, related=_related(path), witness=shown)


# ---- the graph -------------------------------------------------------------------------------------


def _graph(rules: program.Program) -> _Graph:
    graph = _Graph()
    loops = live(rules)
    for loop in loops:
        slowed = bool(loop.cooldown_ms or loop.limit or loop.hold_ms or loop.until is not None)
        entering = [
            *loop.effects,
            *(effect for after in loop.after for effect in after.effects),
            *loop.failed,
        ]
        for clears, effects in ((False, entering), (True, list(loop.cleared))):
            node = (loop.name, clears)
            graph.damped[node] = slowed
            graph.edges[node] = [
                _Edge(event, effect, to)
                for effect in effects
                for event, payload in _emitted(effect, loop)
                for to in _reached(rules, loops, event, payload)
            ]
    return graph


def _emitted(
    effect: program.Effect, loop: program.Loop
) -> Iterator[tuple[str, Mapping[str, Region | None] | None]]:
    """The events that an effect brings about, with what their fields can be where that is known."""
    if isinstance(effect, program.DoEffect):
        for event in effect.action.emits:
            yield event, None
    elif isinstance(effect, program.EmitEffect):
        locals_ = dict(loop.locals)
        given = dict(effect.payload)
        payload: dict[str, Region | None] = {}
        for name, decl in effect.event.fields.items():
            if name in given:
                region = _values(given[name], locals_)
                if region is not None:
                    payload[name] = region
            elif decl.derived is None:
                payload[name] = None
        yield effect.event.name, payload


def _values(value: program.Expr, locals_: Mapping[str, program.Expr]) -> Region | None:
    """What a written value can be; None where nothing is known of it."""
    if isinstance(value, program.Const) and isinstance(value.value, str | bool):
        return Choice(frozenset((value.value,)))
    if value.type.is_number:
        return Numbers((bounds(value, locals_),))
    return of_type(value.type)


def _reached(
    rules: program.Program,
    loops: list[program.Loop],
    event: str,
    payload: Mapping[str, Region | None] | None,
) -> Iterator[Node]:
    """The loops that such an event can set off."""
    for loop in loops:
        for heard in loop.trigger.events:
            if heard.event != event or (payload and any(payload.get(key, _SENT) is None for key in loop.per)):
                continue
            setting = setting_of(rules, loop, event, payload)
            passed = cases(heard.filter, setting)
            if every([passed, cases(loop.when, setting)]):
                yield loop.name, False
            if loop.until is not None and loop.cleared and every([passed, cases(loop.until, setting)]):
                yield loop.name, True


_SENT = Choice(frozenset(), others=True)


# ---- cycles ----------------------------------------------------------------------------------------


def _cycles(edges: Mapping[Node, list[_Edge]]) -> Iterator[list[_Edge]]:
    """A shortest cycle through each node that no earlier cycle went through, in order of name."""
    told: set[Node] = set()
    for start in sorted(edges):
        if start in told:
            continue
        path = _way_back(start, edges)
        if path:
            nodes = {edge.to for edge in path}
            if not told & nodes:
                yield path
            told |= nodes


def _way_back(start: Node, edges: Mapping[Node, list[_Edge]]) -> list[_Edge]:
    waiting: list[list[_Edge]] = [[edge] for edge in edges.get(start, ())]
    seen: set[Node] = set()
    while waiting:
        path = waiting.pop(0)
        here = path[-1].to
        if here == start:
            return path
        if here not in seen:
            seen.add(here)
            waiting += [[*path, edge] for edge in edges.get(here, ())]
    return []


def _shown(path: list[_Edge]) -> list[str]:
    """A cycle as the names along it: loop, event, loop, ... and the first loop again."""
    names = [path[-1].to[0]]
    for edge in path:
        names += [edge.event, edge.to[0]]
    return names


def _related(path: list[_Edge]) -> tuple[Related, ...]:
    return tuple(Related(target(edge.effect), f"then `{edge.event}`") for edge in path[1:])


def _interval_ms(loop: program.Loop) -> int:
    by_limit = loop.limit_ms // loop.limit if loop.limit else 0
    return max(loop.cooldown_ms if loop.unless is None else 0, by_limit, loop.hold_ms)
