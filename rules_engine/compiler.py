"""From a checked program to a plan: the one file that knows the language and the engine.

Every aggregate, `prev` and `streak` of a loop becomes a slot of the loop's memory, shared by all
that read the same samples. A loop's `shape`, a digest of its trigger, key and slots, tells whether
state of an older version of the loop still means the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from graphlib import TopologicalSorter
from itertools import product
from typing import Any, Literal, get_args

from rules_engine.cron import cron
from rules_engine.engine import expressions as x
from rules_engine.engine import values
from rules_engine.engine.frame import Frame
from rules_engine.engine.plan import (
    AbsencePlan,
    AfterPlan,
    DoPlan,
    EffectPlan,
    EmitPlan,
    EventPlan,
    Expr,
    FeedPlan,
    FieldPlan,
    GatherPlan,
    KnobPlan,
    LoopPlan,
    Plan,
    PrevPlan,
    RepeatPlan,
    SequencePlan,
    SetPlan,
    SlotPlan,
    StepPlan,
    StreakPlan,
    TickPlan,
    TriggerPlan,
    Value,
    WindowPlan,
)
from rules_engine.engine.runtime import change_event
from rules_engine.language import program as p
from rules_engine.language.source import Source
from rules_engine.language.types import Type

_COMPARISONS: Mapping[str, x.Comparison] = {op: op for op in get_args(x.Comparison)}
#: What a reason tells the value of.
_READ = p.FieldRead | p.KnobRead | p.Aggregate | p.Prev | p.Streak | p.During
_ARITHMETIC: Mapping[str, Literal["+", "-", "*", "/"]] = {"+": "+", "-": "-", "*": "*", "/": "/"}


def compile_program(program: p.Program, sources: Mapping[str, Source], hash: str) -> Plan:
    """The plan of a program without errors. `sources` give the texts that firings quote as their reasons."""
    loops = tuple(_LoopCompiler(loop, program, sources).compile() for loop in program.loops)
    return Plan(
        hash=hash,
        events={event.name: _event(event) for event in program.events.values()},
        loops=tuple(sorted(loops, key=lambda loop: loop.name)),
        knobs={knob.name: _knob(knob, program) for knob in program.knobs.values()},
    )


def constant(node: p.Expr) -> Value:
    """The value of an expression that reads nothing, as those of tests; None is unknown."""
    no_knobs: Any = None
    return _ExpressionCompiler(()).expr(node)(Frame({}, "", 0, no_knobs))


# ---- declarations ----------------------------------------------------------------------------------


def _event(event: p.EventDecl) -> EventPlan:
    read = _ExpressionCompiler((), strict_text=True)
    return EventPlan(
        name=event.name,
        fields=tuple(
            FieldPlan(
                name=field.name,
                spellings=field.spellings,
                accept=_accept(field.type),
                derived=read.expr(field.derived) if field.derived is not None else None,
            )
            for field in _derived_after_what_they_read(event.fields)
        ),
    )


def _derived_after_what_they_read(declared: Mapping[str, p.FieldDecl]) -> list[p.FieldDecl]:
    """The fields in an order that can be read: the checker has ruled out circles."""
    reads = {
        field.name: [node.field for node in _nodes(field.derived) if isinstance(node, p.FieldRead)]
        for field in declared.values()
    }
    return [declared[name] for name in TopologicalSorter(reads).static_order()]


def _accept(type: Type) -> Any:
    return values.accept_type(type.base.value, words=type.words, low=type.low, high=type.high)


def _knob(knob: p.Knob, program: p.Program) -> KnobPlan:
    closed = [words for words in knob.key_words if words is not None]
    action = program.actions[knob.drives] if knob.drives else None
    return KnobPlan(
        name=knob.name,
        per=knob.per,
        keys=tuple(product(*closed)) if len(closed) == len(knob.per) else None,
        default=knob.default,
        words=knob.words,
        low=knob.low,
        high=knob.high,
        steps=tuple(StepPlan(step.direction or "both", step.amount, step.ms) for step in knob.steps),
        deadband=knob.deadband,
        decay_ms=knob.decay_ms,
        drives=knob.drives,
        drive_parameters=tuple(action.parameters) if action else (),
    )


# ---- expressions -----------------------------------------------------------------------------------


class _ExpressionCompiler:
    """Makes closures of expressions; a loop's compiler adds the slots of its memory."""

    def __init__(self, per: tuple[str, ...], *, strict_text: bool = False) -> None:
        self._per = per
        self._strict_text = strict_text

    def expr(self, node: p.Expr) -> Expr:
        """The closure of an expression."""
        match node:
            case p.Const():
                return x.const(_held(node.value))
            case p.Unknown():
                return x.const(None)
            case p.FieldRead():
                return x.field(node.field, node.alias)
            case p.AliasKnown():
                return x.alias_known(node.alias)
            case p.LocalRead():
                return x.local(node.name)
            case p.KnobRead(all_keys=True):
                return x.knob_map(node.knob.name)
            case p.KnobRead():
                return x.knob_value(node.knob.name, self.knob_key(node.knob, node.key))
            case p.Member():
                return x.member(self.expr(node.subject), node.name)
            case p.Aggregate() | p.Prev() | p.Streak():
                return self.memory(node)
            case _:
                return self._operation(node)

    def _operation(self, node: p.Expr) -> Expr:
        match node:
            case p.Unary(op="not"):
                return x.not_(self.expr(node.operand))
            case p.Unary():
                return x.negate(self.expr(node.operand))
            case p.Binary():
                return self._binary(node)
            case p.Matches():
                return x.matches(self.expr(node.subject), node.pattern)
            case p.IsKnown():
                return x.is_known(self.expr(node.subject), node.known)
            case p.ListOf():
                return x.list_of([self.expr(item) for item in node.items])
            case p.During():
                return x.during(cron(node.cron, node.zone))
            case p.FunctionCall():
                return x.call(node.function, [self.expr(argument) for argument in node.arguments])
            case p.Match():
                subject = self.expr(node.subject) if node.subject is not None else None
                return x.match_(subject, [(self._test(arm.test), self.expr(arm.value)) for arm in node.arms])
            case p.Interpolation():
                parts = [part if isinstance(part, str) else self.expr(part) for part in node.parts]
                return x.interpolate(parts, strict=self._strict_text)
            case _:
                raise NotImplementedError(
                    f"{type(node).__name__} does not run yet, and the checker refuses it"
                )

    def _test(self, test: Any) -> Any:
        return test if isinstance(test, str) else self.expr(test)

    def _binary(self, node: p.Binary) -> Expr:
        left, right = self.expr(node.left), self.expr(node.right)
        if node.op in _COMPARISONS:
            order = _word_order(node.left, node.right)
            if order and node.op not in ("==", "!="):
                return x.compare_words(_COMPARISONS[node.op], order, left, right)
            return x.compare(_COMPARISONS[node.op], left, right)
        if node.op in _ARITHMETIC:
            return x.arithmetic(_ARITHMETIC[node.op], left, right)
        match node.op:
            case "and":
                return x.and_(left, right)
            case "or":
                return x.or_(left, right)
            case "in":
                return x.membership(left, right)
            case "not-in":
                return x.membership(left, right, inside=False)
            case "??":
                return x.coalesce(left, right)
        raise AssertionError(f"no such operator: {node.op}")

    def knob_key(self, knob: p.Knob, key: tuple[p.Expr, ...]) -> tuple[Expr, ...]:
        """The key written, or the loop's own key fields that the knob is keyed by (L23)."""
        if key:
            return tuple(self.expr(part) for part in key)
        return tuple(x.key_part(self._per.index(name)) for name in knob.per)

    def memory(self, node: p.Expr) -> Expr:
        """The reading of a slot; only loops have memory."""
        raise AssertionError(f"{type(node).__name__} outside a loop, which the checker refuses")


def _held(value: Any) -> Any:
    """A constant as the engine can hold it: a number beyond 64 bit is unknown (L35)."""
    return values.checked(value) if values.is_number(value) else value


def _word_order(left: p.Expr, right: p.Expr) -> tuple[str, ...]:
    """The order of the words compared: that of a knob, whose value either side is (L37)."""
    for side in (left, right):
        if side.type.ordered:
            return side.type.words
    return ()


# ---- loops -----------------------------------------------------------------------------------------


class _LoopCompiler(_ExpressionCompiler):
    def __init__(self, loop: p.Loop, program: p.Program, sources: Mapping[str, Source]) -> None:
        super().__init__(loop.per)
        self._loop = loop
        self._program = program
        self._sources = sources
        self._slots: list[SlotPlan] = []
        self._slot_of: dict[Any, int] = {}

    def compile(self) -> LoopPlan:
        loop = self._loop
        for node in _nodes(loop):
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
        text = repr((_fingerprint(trigger), self._loop.per, list(self._slot_of)))
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
        mark = _fingerprint(
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
        raise NotImplementedError(f"{type(node).__name__} does not run yet, and the checker refuses it")

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
            for node in _nodes(condition, of_trigger=True):
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


def _nodes(root: Any, *, of_trigger: bool = False) -> Iterator[p.Expr]:
    """All expressions in a piece of program, inner ones first; declarations named are not entered.

    `of_trigger`: only those read from the event that the loop has heard, not from one that feeds a window.
    """
    if isinstance(root, tuple):
        for item in root:
            yield from _nodes(item, of_trigger=of_trigger)
    elif is_dataclass(root) and not isinstance(root, p.Knob | p.EventDecl | p.ActionDecl | Type):
        elsewhere = _of_other_events(root) if of_trigger and isinstance(root, p.Aggregate) else ()
        for field in fields(root):
            if field.name not in elsewhere:
                yield from _nodes(getattr(root, field.name), of_trigger=of_trigger)
        if isinstance(root, p.Expr):
            yield root


def _of_other_events(window: p.Aggregate) -> tuple[str, ...]:
    """The parts of an aggregate that are read from events which the loop does not hear."""
    return ("feed", "window") if window.feed is None else ("feed", "window", "sample")


def _fingerprint(value: Any) -> Any:
    """A value equal for equal meanings: structure without places."""
    if isinstance(value, tuple):
        return tuple(_fingerprint(item) for item in value)
    if isinstance(value, p.Knob | p.EventDecl | p.ActionDecl):
        return value.name
    if is_dataclass(value):
        inner = (getattr(value, f.name) for f in fields(value) if f.name not in ("span", "type"))
        return (type(value).__name__, *(_fingerprint(item) for item in inner))
    return type(value).__name__, value  # 1, 1.0 and true are equal, and mean different things
