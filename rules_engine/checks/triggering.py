"""Which loop sets off which: by what it emits, by what its actions emit, by the knobs that it sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from rules_engine.checks.activations import live, setting_of, setting_of_change
from rules_engine.checks.graphs import components
from rules_engine.checks.sending import Node, Payload, Sent, sending
from rules_engine.language import program
from rules_engine.language.conditions import cases, every
from rules_engine.language.regions import Choice
from rules_engine.language.traversal import walk

_SENT = Choice(frozenset(), others=True)


@dataclass(frozen=True, eq=False)
class Edge:
    """One loop sets off another.

    `delay_ms`: it comes from an `after`. `step`: which step of a sequence it makes. `sure`: it certainly
    passes the cooldown of the loop that it enters, or clears its latch. `heard`: where that loop hears it.
    """

    source: Node
    to: Node
    sent: Sent
    effect: program.Effect
    delay_ms: int = 0
    step: int = 0
    sure: bool = False
    heard: program.TriggerEvent | None = None


@dataclass
class Triggering:
    """All loops that act, and how they set off one another."""

    rules: program.Program
    loops: dict[str, program.Loop] = field(init=False)

    def __post_init__(self) -> None:
        self.loops = {loop.name: loop for loop in live(self.rules)}

    @cached_property
    def edges(self) -> dict[Node, list[Edge]]:
        """The edges from each loop, in the order of its effects."""
        listeners = _Listeners(self.rules, list(self.loops.values()))
        return {
            node: [edge for one in found for edge in listeners.reached(node, *one)]
            for loop in self.loops.values()
            for node, found in sending(self.rules, loop)
        }

    @cached_property
    def cyclic(self) -> dict[Node, list[Edge]]:
        """The edges that lie on some cycle."""
        return on_cycles(self.edges)


def on_cycles(edges: Mapping[Node, list[Edge]]) -> dict[Node, list[Edge]]:
    """Those of the edges that lie on some cycle."""
    group: dict[Node, int] = {}
    successors = {node: {edge.to for edge in found} for node, found in edges.items()}
    for number, nodes in enumerate(components(successors)):
        group |= dict.fromkeys(nodes, number)
    return {
        node: [edge for edge in edges[node] if group.get(edge.to) == number] for node, number in group.items()
    }


# ---- who hears it ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Passes:
    """What an event can do to a loop: enter it, clear it; and whether it surely passes its cooldown."""

    enters: bool
    clears: bool
    unrested: bool
    surely_clears: bool


class _Listeners:
    """Loops by what they hear; verdicts are remembered by what is sent of the fields that they read."""

    def __init__(self, rules: program.Program, loops: list[program.Loop]) -> None:
        self.rules = rules
        self.by_event: dict[str, list[tuple[program.Loop, program.TriggerEvent, int]]] = {}
        self.by_knob: dict[str, list[program.Loop]] = {}
        self.reads: dict[str, frozenset[str]] = {}
        self.verdicts: dict[object, _Passes] = {}
        for loop in loops:
            self.reads[loop.name] = _fields_asked(loop)
            if isinstance(loop.trigger, program.ChangeOf):
                self.by_knob.setdefault(loop.trigger.knob.name, []).append(loop)
            for heard, step in _heard(loop):
                self.by_event.setdefault(heard.event, []).append((loop, heard, step))

    def reached(self, source: Node, sent: Sent, effect: program.Effect, delay_ms: int) -> Iterator[Edge]:
        """The edges to all loops that hear what is sent, and let it pass."""
        if sent.knob is not None:
            yield from self._by_change(source, sent, effect, delay_ms)
            return
        for loop, heard, step in self.by_event.get(sent.event, ()):
            if sent.payload and any(sent.payload.get(key, _SENT) is None for key in loop.per):
                continue
            passes = self._verdict(loop, heard, sent)
            if passes.enters:
                yield Edge(
                    source, (loop.name, "enters"), sent, effect, delay_ms, step, passes.unrested, heard
                )
            if passes.clears and source != (loop.name, "clears"):  # it is over already
                yield Edge(
                    source, (loop.name, "clears"), sent, effect, delay_ms, step, passes.surely_clears, heard
                )

    def _by_change(self, source: Node, sent: Sent, effect: program.Effect, delay_ms: int) -> Iterator[Edge]:
        assert sent.knob is not None
        for loop in self.by_knob.get(sent.knob.name, ()):
            setting = setting_of_change(loop, sent.knob, sent.payload)
            if cases(loop.when, setting):
                sure = loop.unless is not None and not cases(loop.unless, setting, wanted=False)
                yield Edge(source, (loop.name, "enters"), sent, effect, delay_ms, sure=sure)
            if source != (loop.name, "clears") and loop.until is not None and cases(loop.until, setting):
                sure = not cases(loop.until, setting, wanted=False)
                yield Edge(source, (loop.name, "clears"), sent, effect, delay_ms, sure=sure)
        if sent.knob.drives is not None:
            action = self.rules.actions.get(sent.knob.drives)  # None where it is misspelt
            for event in action.emits if action is not None else ():
                by_action = Sent(event, None, action=sent.knob.drives)
                yield from self.reached(source, by_action, effect, delay_ms)

    def _verdict(self, loop: program.Loop, heard: program.TriggerEvent, sent: Sent) -> _Passes:
        asked = self.reads[loop.name]
        payload = (
            None if sent.payload is None else {name: r for name, r in sent.payload.items() if name in asked}
        )
        certain = sent.certain & asked
        key = (loop.name, heard.span, heard.event, certain, frozenset(payload.items()) if payload else None)
        known = self.verdicts.get(key)
        if known is None:
            known = self.verdicts[key] = self._judge(loop, heard, payload, certain)
        return known

    def _judge(
        self,
        loop: program.Loop,
        heard: program.TriggerEvent,
        payload: Payload | None,
        certain: frozenset[str],
    ) -> _Passes:
        setting = setting_of(self.rules, loop, heard.event, payload, certain)
        passed = cases(heard.filter, setting)
        last = not isinstance(loop.trigger, program.Sequence) or heard in loop.trigger.steps[-1].events
        enters = bool(every([passed, cases(loop.when, setting)]) if last else passed)
        clears = bool(passed) and isinstance(loop.trigger, program.Absence)
        if loop.until is not None:
            clears = bool(every([passed, cases(loop.until, setting)]))

        def surely(condition: program.Expr | None) -> bool:
            known = payload is not None and _fields_of(loop, condition) <= certain
            return condition is not None and known and not cases(condition, setting, wanted=False)

        surely_heard = heard.filter is None or surely(heard.filter)
        return _Passes(enters, clears, surely(loop.unless), surely_heard and surely(loop.until))


def _heard(loop: program.Loop) -> Iterator[tuple[program.TriggerEvent, int]]:
    """What sets a loop off, with its step; what must not come between sets nothing off."""
    if not isinstance(loop.trigger, program.Sequence):
        yield from ((heard, 0) for heard in loop.trigger.events)
        return
    for number, step in enumerate(loop.trigger.steps):
        if not step.absent:
            yield from ((heard, number) for heard in step.events)


def _fields_asked(loop: program.Loop) -> frozenset[str]:
    """The fields that decide whether a loop acts."""
    filters = [_fields_of(loop, heard.filter) for heard in loop.trigger.events]
    return frozenset().union(
        *filters, *(_fields_of(loop, part) for part in (loop.when, loop.until, loop.unless))
    )


def _fields_of(loop: program.Loop, expr: program.Expr | None) -> frozenset[str]:
    locals_ = dict(loop.locals)
    found: set[str] = set()
    waiting = [expr] if expr is not None else []
    while waiting:
        for part in walk(waiting.pop()):
            if isinstance(part, program.FieldRead):
                found.add(part.field)
            elif isinstance(part, program.LocalRead) and part.name in locals_:
                waiting.append(locals_.pop(part.name))
    return frozenset(found)
