"""Cycles: loops that trigger one another, by what they emit, do or set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rules_engine.checks.activations import target
from rules_engine.checks.damping import Rest, rests, slowest
from rules_engine.checks.endings import counted_out, ending, growth
from rules_engine.checks.graphs import shortest_way
from rules_engine.checks.sending import Node
from rules_engine.checks.triggering import Edge, Triggering, on_cycles
from rules_engine.language import program
from rules_engine.language.catalog import duration_text
from rules_engine.language.diagnostics import Code, Diagnostic, Hop, Related, Severity

ENDLESS = Code(
    "RE301", "endless-cycle", Severity.ERROR, "Loops trigger each other, and nothing slows or stops them."
)
DAMPED = Code("RE302", "damped-cycle", Severity.INFO, "Loops trigger each other, and something slows them.")
GROWING = Code(
    "RE306",
    "growing-cycle",
    Severity.WARNING,
    "Each turn of a cycle multiplies a knob by more than one.",
)

#: So many ways round are looked for; a rule set with more has told enough.
_MOST_WAYS_ROUND = 100

Edges = Mapping[Node, Sequence[Edge]]


def all_cycles(rules: program.Program) -> Iterator[Diagnostic]:
    """All findings about cycles; who sets off whom is worked out once for them."""
    flow = Triggering(rules)
    if not flow.cyclic:
        return
    yield from endless_cycles(flow)
    yield from damped_cycles(flow)
    yield from growing_cycles(flow)


def endless_cycles(flow: Triggering) -> Iterator[Diagnostic]:
    """Cycles on which no loop has a cooldown, limit, hold or latch, and that do not end by themselves."""
    for path in _ways_round(_endless(flow)):
        shown = _shown(path)
        message = f"this comes back to where it started: {' -> '.join(shown)}"
        if len(path) == 1:
            message = f"`{path[0].to[0]}` sets itself off by `{path[0].sent.named}`, and never stops"
        advice = "add `cooldown 5m` or `limit 3 per 1h` to one of the loops, or a condition that ends it"
        yield ENDLESS.at(
            target(path[0].effect), message, help=advice, related=_related(path), witness=_hops(path)
        )


def damped_cycles(flow: Triggering) -> Iterator[Diagnostic]:
    """Cycles that something slows or ends, with the most that they can do."""
    for path in _damped(flow):
        shown = _shown(path)
        message = f"this comes back to where it started, {_rate(flow, path)}: {' -> '.join(shown)}"
        advice = "nothing to do, if that is meant"
        yield DAMPED.at(
            target(path[0].effect), message, help=advice, related=_related(path), witness=_hops(path)
        )


def growing_cycles(flow: Triggering) -> Iterator[Diagnostic]:
    """Cycles on which the relative steps of a knob multiply to more than one, faster than it decays."""
    told: set[str] = set()
    for path in _damped(flow):
        slow = _rest(flow, path)
        for knob, grown in growth(flow, path, slow.interval_ms if slow else 0).items():
            if knob in told:
                continue
            told.add(knob)
            shown = " -> ".join(_shown(path))
            message = f"each turn multiplies `{knob}` by {float(grown.factor):g}: {shown}"
            advice = "make the factors multiply to at most 1, or set the knob to a value"
            places = [Related(target(effect), f"`{knob}` is multiplied here too") for effect in grown.by[1:]]
            yield GROWING.at(
                target(grown.by[0]), message, help=advice, related=tuple(places), witness=_hops(path)
            )


# ---- what slows a cycle ----------------------------------------------------------------------------


def _is_free(flow: Triggering, edge: Edge) -> bool:
    """Whether nothing holds up the loop that this sets off."""
    loop = flow.loops[edge.to[0]]
    if edge.delay_ms:
        return False
    if edge.to[1] == "clears":
        return not loop.until_hold_ms
    if isinstance(loop.trigger, program.Repeat) and loop.trigger.count > 1:
        return False
    if _changes_key(edge, loop) and not loop.limit_overall:
        return True
    passed = Rest(1, loop.cooldown_ms) if edge.sure and loop.cooldown_ms else None
    return all(rest == passed for rest in rests(loop))


def _changes_key(edge: Edge, loop: program.Loop) -> bool:
    """Whether each turn makes a new key, so that what is kept per key holds nothing up."""
    if not isinstance(edge.effect, program.EmitEffect) or loop.until is not None:
        return False
    given = dict(edge.effect.payload)
    return any(isinstance(given.get(name), program.Interpolation | program.Binary) for name in loop.per)


def _endless(flow: Triggering) -> dict[Node, list[Edge]]:
    """The edges of cycles that nothing slows, without those that come to an end."""
    free = {node: [edge for edge in found if _is_free(flow, edge)] for node, found in flow.cyclic.items()}
    while True:
        free = on_cycles(free)
        ends = ending(flow, free)
        if not ends:
            return free
        free = {node: [edge for edge in found if edge not in ends] for node, found in free.items()}


def _damped(flow: Triggering) -> Iterator[list[Edge]]:
    """A shortest cycle through each loop and each effect that holds one up, or ends it."""
    endless = {edge for found in _endless(flow).values() for edge in found}
    told: set[Node] = set()
    tried = 0
    for node in sorted(flow.cyclic):
        for edge in flow.cyclic[node]:
            if edge in endless or edge.to in told or tried >= _MOST_WAYS_ROUND:
                continue
            tried += 1
            path = shortest_way([edge], node, flow.cyclic, lambda one: one.to)
            if path and not (told & {one.to for one in path}):
                yield path
            told |= {one.to for one in path}


def _rest(flow: Triggering, path: Sequence[Edge]) -> Rest | None:
    found = [Rest(1, edge.delay_ms) for edge in path if edge.delay_ms]
    for edge in path:
        loop = flow.loops[edge.to[0]]
        if edge.to[1] == "enters":
            passed = Rest(1, loop.cooldown_ms) if edge.sure else None
            found += [rest for rest in rests(loop) if rest != passed]
        elif loop.until_hold_ms:
            found.append(Rest(1, loop.until_hold_ms))
    found += [
        Rest(1, step.ms)
        for edge in path
        if edge.sent.knob is not None and edge in _stepped(path)
        for step in edge.sent.knob.steps
    ]
    return slowest(found)


def _stepped(path: Sequence[Edge]) -> list[Edge]:
    return [edge for edge in path if isinstance(edge.effect, program.SetEffect) and edge.effect.op != "="]


def _rate(flow: Triggering, path: Sequence[Edge]) -> str:
    """How often it can come round at most, or what ends it."""
    slow = _rest(flow, path)
    if slow is not None:
        whose = " over all keys" if slow.overall else " for each key"
        keyed = any(flow.loops[edge.to[0]].per for edge in path)
        bypassed = any(
            flow.loops[edge.to[0]].unless is not None and flow.loops[edge.to[0]].cooldown_ms == slow.ms
            for edge in path
        )
        return f"{slow}{whose if keyed else ''}{', but for `unless`' if bypassed else ''}"
    for edge in path:
        trigger = flow.loops[edge.to[0]].trigger
        if isinstance(trigger, program.Repeat):
            each = f"{trigger.count} `{edge.sent.named}` in {duration_text(trigger.within_ms)}"
            return f"with {each} for each turn"
    field = counted_out(flow, path)
    if field:
        return f"until `{field}` has come to its end"
    if any(flow.loops[edge.to[0]].until is not None for edge in path):
        return "once for each time that the latch is entered"
    return "until nothing changes any more"


# ---- ways round ------------------------------------------------------------------------------------


def _ways_round(edges: Edges) -> Iterator[list[Edge]]:
    """A shortest cycle through each loop that no earlier one went through, in order of name."""
    told: set[Node] = set()
    tried = 0
    for start in sorted(edges):
        if start in told or tried >= _MOST_WAYS_ROUND:
            continue
        tried += 1
        path = shortest_way(edges[start], start, edges, lambda one: one.to)
        if path:
            told |= {edge.to for edge in path}
            yield path


def _shown(path: Sequence[Edge]) -> list[str]:
    """A cycle as the names along it: loop, event, loop, ... and the first loop again."""
    names = [path[-1].to[0]]
    for edge in path:
        names += [edge.sent.named, edge.to[0]]
    return names


def _related(path: Sequence[Edge]) -> tuple[Related, ...]:
    return tuple(Related(target(edge.effect), f"then `{edge.sent.named}`") for edge in path[1:])


def _hops(path: Sequence[Edge]) -> tuple[Hop, ...]:
    return tuple(Hop(target(edge.effect), edge.source[0], _does(edge), edge.to[0]) for edge in path)


def _does(edge: Edge) -> str:
    if edge.sent.action is not None:
        return f"does {edge.sent.action}, which emits {edge.sent.event}"
    return f"sets {edge.sent.event}" if edge.sent.knob is not None else f"emits {edge.sent.event}"
