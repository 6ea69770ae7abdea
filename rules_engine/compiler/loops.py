"""Loops become plans: their memory, their effects, and what they tell as their reasons."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from rules_engine.compiler.expressions import ExpressionCompiler
from rules_engine.compiler.structure import fingerprint, nodes
from rules_engine.cron import cron
from rules_engine.engine import expressions as x
from rules_engine.engine.plan import (
    AbsencePlan,
    AfterPlan,
    DoPlan,
    EffectPlan,
    EmitPlan,
    Expr,
    FeedPlan,
    GatherPlan,
    LoopPlan,
    PrevPlan,
    RepeatPlan,
    SequencePlan,
    SetPlan,
    SlotPlan,
    StreakPlan,
    TickPlan,
    TriggerPlan,
    WindowPlan,
)
from rules_engine.engine.runtime import change_event
from rules_engine.language import program as p
from rules_engine.language.source import Source

#: What a reason tells the value of.
_READ = p.FieldRead | p.KnobRead | p.Aggregate | p.Prev | p.Streak | p.During


class LoopCompiler(ExpressionCompiler):
    """Compiles one loop, and finds the slots of its memory on the way."""

    def __init__(self, loop: p.Loop, program: p.Program, sources: Mapping[str, Source]) -> None:
        super().__init__(loop.per)
        self._loop = loop
        self._program = program
        self._sources = sources
        self._slots: list[SlotPlan] = []
        self._slot_of: dict[Any, int] = {}

    def compile(self) -> LoopPlan:
        """The loop's plan."""
        loop = self._loop
        for node in nodes(loop):
            if isinstance(node, p.Aggregate | p.Prev | p.Streak):
                self._slot(node)
        return LoopPlan(
            name=loop.name,
            shape=self._shape(),
            mode="off" if loop.off is not None else "shadow" if loop.shadow else "live",
            triggers=tuple(self._triggers()),
            pattern=_pattern(loop.trigger),
            gather=_gather(loop.gather),
            tick=_tick(loop.trigger),
            per=loop.per,
            locals=tuple((name, self.expr(value)) for name, value in loop.locals),
            when=self._optional(loop.when),
            hold_ms=loop.hold_ms,
            until=self._optional(loop.until),
            until_hold_ms=loop.until_hold_ms,
            cooldown_ms=loop.cooldown_ms,
            unless=self._optional(loop.unless),
            limit=loop.limit,
            limit_ms=loop.limit_ms,
            limit_overall=loop.limit_overall,
            effects=self._effects(loop.effects),
            cleared=self._effects(loop.cleared),
            after=tuple(AfterPlan(block.delay_ms, self._effects(block.effects)) for block in loop.after),
            failed=self._effects(loop.failed),
            reads=self._reads(),
            slots=tuple(self._slots),
        )

    def _optional(self, node: p.Expr | None) -> Expr | None:
        return None if node is None else self.expr(node)

    def _triggers(self) -> Iterator[TriggerPlan]:
        trigger = self._loop.trigger
        if isinstance(trigger, p.ChangeOf):
            yield TriggerPlan(change_event(trigger.knob.name), None, None)
        steps = trigger.steps if isinstance(trigger, p.Sequence) else (trigger,)
        for n, step in enumerate(steps):
            for heard in step.events:
                yield TriggerPlan(heard.event, self._optional(heard.filter), heard.alias, n)

    def _shape(self) -> str:
        trigger = self._loop.trigger
        if isinstance(trigger, p.Tick):
            trigger = replace(trigger, keys=())  # another word in a type is another key, not another loop
        text = repr((fingerprint(trigger), self._loop.per, list(self._slot_of)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    # -- memory

    def memory(self, node: p.Expr) -> Expr:
        slot = self._slot(node)
        match node:
            case p.Aggregate():
                return x.window(slot, node.function, node.quantile)
            case p.Prev():
                return x.prev(slot)
            case _:
                return x.streak(slot)

    def _slot(self, node: p.Expr) -> int:
        """The slot that remembers for this node; what it reads itself comes before it."""
        mark = fingerprint(
            replace(node, function="", quantile=None) if isinstance(node, p.Aggregate) else node
        )
        if mark not in self._slot_of:
            plan = self._slot_plan(node)
            self._slot_of[mark] = len(self._slots)
            self._slots.append(plan)
        index = self._slot_of[mark]
        slot = self._slots[index]
        if isinstance(node, p.Aggregate) and isinstance(slot, WindowPlan):
            self._slots[index] = replace(slot, needs=slot.needs | {node.function})
        return index

    def _slot_plan(self, node: p.Expr) -> SlotPlan:
        match node:
            case p.Prev():
                return PrevPlan(self.expr(node.sample))
            case p.Streak():
                return StreakPlan(self.expr(node.condition))
            case p.Aggregate():
                sample = self._optional(node.sample)
                feed = self._feed(node.feed.event, node.feed.filter) if node.feed else None
                match node.window:
                    case p.OverTime():
                        return WindowPlan(sample, "over", ms=node.window.ms, feed=feed)
                    case p.OverLast():
                        return WindowPlan(sample, "last", count=node.window.count, feed=feed)
                    case p.SinceMark():
                        return WindowPlan(sample, node.window.mark, feed=feed)
                    case p.SinceEvent():
                        since = self._feed(node.window.event, node.window.filter)
                        return WindowPlan(sample, "event", since=since, feed=feed)
                    case None:
                        return WindowPlan(sample, "gathered")
        raise AssertionError(f"no such memory: {type(node).__name__}")

    def _feed(self, event: str, filter: p.Expr | None) -> FeedPlan:
        declared = self._program.events[event].fields.values()
        own = {spelling: field.name for field in declared for spelling in field.spellings}
        key = x.key_of(*(x.field(own.get(name, name)) for name in self._loop.per))
        return FeedPlan(event, self._optional(filter), key)

    # -- effects

    def _effects(self, effects: Iterable[p.Effect]) -> tuple[EffectPlan, ...]:
        return tuple(self._effect(effect) for effect in effects)

    def _effect(self, effect: p.Effect) -> EffectPlan:
        condition = self._optional(effect.condition)
        match effect:
            case p.SetEffect():
                key = None if effect.all_keys else self.knob_key(effect.knob, effect.key)
                value = self.expr(effect.value)
                return SetPlan(effect.knob.name, key, effect.op, value, effect.hold, condition)
            case p.EmitEffect():
                return EmitPlan(
                    event=effect.event.name,
                    payload=tuple((name, self.expr(value)) for name, value in effect.payload),
                    required=_required(effect.event.fields),
                    condition=condition,
                )
            case p.DoEffect():
                return DoPlan(
                    action=effect.action.name,
                    arguments=tuple((name, self.expr(value)) for name, value in effect.arguments),
                    required=_required(effect.action.parameters),
                    retries=effect.retries,
                    every_ms=effect.every_ms,
                    timeout_ms=effect.timeout_ms,
                    condition=condition,
                )
        raise AssertionError(f"no such effect: {type(effect).__name__}")

    # -- reasons

    def _reads(self) -> tuple[tuple[str, Expr], ...]:
        """What the loop's conditions read, as written, so that a firing can say why."""
        found: dict[str, Expr] = {}
        for condition in _conditions(self._loop):
            for node in nodes(condition, of_trigger=True):
                if isinstance(node, _READ):
                    found.setdefault(self._text(node), self.expr(node))
        return tuple(found.items())

    def _text(self, node: p.Expr) -> str:
        text = self._sources[node.span.path].text[node.span.start : node.span.end]
        return " ".join(text.split())


def _pattern(trigger: p.Trigger) -> SequencePlan | RepeatPlan | AbsencePlan | None:
    match trigger:
        case p.Sequence(steps=steps):
            aliases = tuple(step.events[0].alias for step in steps)
            return SequencePlan(aliases, tuple(step.absent for step in steps), trigger.within_ms)
        case p.Repeat():
            return RepeatPlan(trigger.count, trigger.within_ms)
        case p.Absence():
            return AbsencePlan(trigger.within_ms)
        case _:
            return None


def _gather(gather: p.Gather | None) -> GatherPlan | None:
    return None if gather is None else GatherPlan(gather.after_ms, gather.quiet_ms, gather.most)


def _tick(trigger: p.Trigger) -> TickPlan | None:
    if not isinstance(trigger, p.Tick):
        return None
    if trigger.cron is not None:
        return TickPlan(trigger.keys, calendar=cron(trigger.cron, trigger.zone))
    return TickPlan(trigger.keys, period_ms=trigger.period_ms or 1)


def _required(declared: Mapping[str, p.FieldDecl]) -> frozenset[str]:
    return frozenset(f.name for f in declared.values() if not f.type.optional and f.derived is None)


def _conditions(loop: p.Loop) -> Iterator[p.Expr]:
    """Everything that decides whether the loop, or one of its effects, acts."""
    effects = (
        *loop.effects,
        *loop.cleared,
        *loop.failed,
        *(e for block in loop.after for e in block.effects),
    )
    candidates = (loop.when, loop.until, loop.unless, *(effect.condition for effect in effects))
    yield from (condition for condition in candidates if condition is not None)
