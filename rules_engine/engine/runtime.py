"""A plan made ready to run: per event who hears it and how, per loop what its conditions look at.

Computed once a plan and kept with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from rules_engine.engine.expressions import local, reads_of
from rules_engine.engine.plan import (
    AbsencePlan,
    DoPlan,
    EventPlan,
    Expr,
    FeedPlan,
    KnobPlan,
    LoopPlan,
    Plan,
    SequencePlan,
    SetPlan,
    TriggerPlan,
    Value,
    WindowPlan,
)
from rules_engine.engine.slots import SlotKind
from rules_engine.engine.windows import layout, slot_kind

Fields = dict[str, Value]
Reader = Callable[[Mapping[str, Any], "Callable[[Fields], Any]"], Fields]


def change_event(knob: str) -> str:
    """The type under which loops hear `change of` a knob (L27)."""
    return f"change of {knob}"


class LoopRuntime:
    """A loop, made ready."""

    def __init__(self, plan: LoopPlan) -> None:
        self.plan = plan
        self.name = plan.name
        self.scope = f"loop:{plan.name}"
        self.tick_scope = f"tick:{plan.name}"
        self.per = plan.per
        self.is_off = plan.mode == "off"
        self.when = plan.when
        self.reads = plan.reads
        self.local_plans = dict(plan.locals)
        self.read_local = {name: local(name) for name, _ in plan.locals}
        self.kinds: tuple[SlotKind, ...] = tuple(slot_kind(i, slot) for i, slot in enumerate(plan.slots))
        self.shape = "; ".join([plan.shape, *map(layout, plan.slots)])
        self.triggers: dict[str, tuple[TriggerPlan, ...]] = {}
        for trigger in plan.triggers:
            self.triggers[trigger.event] = (*self.triggers.get(trigger.event, ()), trigger)
        self.feeds = self._feeds()
        self.when_leaves = self._leaving(plan.when)
        self.until_leaves = self._leaving(plan.until)
        self.fired_marks = self._marks("fired")
        self.cleared_marks = self._marks("cleared")
        #: The least time between two firings for a key: what is slow enough needs no breaker.
        self.pause_ms = max(
            plan.hold_ms,
            plan.cooldown_ms if plan.unless is None else 0,
            0 if plan.tick is None else plan.tick.pause_ms,
        )
        self.is_sequence = isinstance(plan.pattern, SequencePlan)
        #: Whether time counts for it before the first event has come (L20).
        self.begins_at_load = isinstance(plan.pattern, AbsencePlan) and not plan.per
        #: The slots that hold the events of one firing (L10).
        self.gathered = self._marks("gathered")
        self.remembers = bool(
            plan.slots
            or plan.hold_ms
            or plan.latches
            or plan.cooldown_ms
            or plan.limit is not None
            or plan.pattern is not None
            or plan.gather is not None
        )
        self.longest_ms = max([slot.ms for slot in plan.slots if isinstance(slot, WindowPlan)], default=0)
        self.keeps_last = bool(plan.until is not None and (plan.until_hold_ms or self.until_leaves))
        self.holds_knobs = any(
            isinstance(effect, SetPlan) and effect.hold == "active" for effect in self.all_effects()
        )
        self.owes_several = sum(isinstance(effect, DoPlan) for effect in self.all_effects()) > 1

    @property
    def horizon_ms(self) -> int | None:
        """How far back the log matters to it; None where there is no such bound (R13)."""
        plan = self.plan
        timeless = any(not isinstance(slot, WindowPlan) or slot.span != "over" for slot in plan.slots)
        if timeless or plan.hold_ms or plan.latches or plan.gather is not None:
            return None
        within_ms = 0 if plan.pattern is None else plan.pattern.within_ms
        return max(self.longest_ms, plan.cooldown_ms, plan.limit_ms, within_ms)

    def all_effects(self) -> tuple[Any, ...]:
        """The effects of all its blocks but `failed`."""
        later = [effect for block in self.plan.after for effect in block.effects]
        return (*self.plan.effects, *self.plan.cleared, *later)

    def texts_of(self, slots: list[int]) -> list[str]:
        """What the conditions call these slots; the slot's number where they do not read it."""
        marks = [("slot", slot) for slot in slots]
        named = [text for text, expr in self.plan.reads if any(mark in reads_of(expr) for mark in marks)]
        return named or [f"window {slot}" for slot in slots]

    def _feeds(self) -> dict[str, tuple[tuple[int, str, FeedPlan], ...]]:
        """By event: slot, what the event does to it (`feed` or `since`), and how it is read."""
        found: dict[str, tuple[tuple[int, str, FeedPlan], ...]] = {}
        for index, slot in enumerate(self.plan.slots):
            if isinstance(slot, WindowPlan):
                for what, feed in (("since", slot.since), ("feed", slot.feed)):
                    if feed is not None:
                        found[feed.event] = (*found.get(feed.event, ()), (index, what, feed))
        return found

    def _marks(self, mark: str) -> tuple[int, ...]:
        slots = enumerate(self.plan.slots)
        return tuple(i for i, slot in slots if isinstance(slot, WindowPlan) and slot.span == mark)

    def _leaving(self, condition: Expr | None) -> tuple[SlotKind, ...]:
        """The windows over time that a condition reads, by itself or through a `with` (L5)."""
        found: dict[int, None] = {}
        waiting, seen = list(reads_of(condition)), dict.fromkeys(reads_of(condition))
        while waiting:
            kind, what = waiting.pop()
            if kind == "slot":
                slot = self.plan.slots[what]
                if isinstance(slot, WindowPlan) and slot.span == "over":
                    found[what] = None
            elif kind == "local":
                new = [read for read in reads_of(self.local_plans.get(what)) if read not in seen]
                waiting += new
                seen.update(dict.fromkeys(new))
        return tuple(self.kinds[index] for index in sorted(found))


class Runtime:
    """A plan, made ready. `hearers` lists by event the loops it concerns, in order of name (L7).

    `firings_per_minute` may be set before the first row: a loop firing more often for one key is switched
    off (R39). It takes part in decisions, so a replay needs the same.
    """

    firings_per_minute = 600
    #: A loop or knob remembers so many keys; further ones are refused, and counted as reason `key`.
    max_keys = 1_000_000

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.loops = {loop.name: LoopRuntime(loop) for loop in sorted(plan.loops, key=lambda loop: loop.name)}
        by_event: dict[str, list[LoopRuntime]] = {}
        for loop in self.loops.values():
            for event in dict.fromkeys((*loop.triggers, *loop.feeds)):
                by_event.setdefault(event, []).append(loop)
        self.hearers = {event: tuple(loops) for event, loops in by_event.items()}
        self.by_scope = {loop.scope: loop for loop in self.loops.values()}
        self.tickers = {loop.tick_scope: loop for loop in self.loops.values() if loop.plan.tick is not None}
        self.knobs = {f"knob:{name}": _of_floats(knob) for name, knob in plan.knobs.items()}
        self.readers = {name: _reader(event) for name, event in plan.events.items()}


def runtime_of(plan: Plan) -> Runtime:
    """The plan, made ready; kept with it."""
    kept = plan.__dict__.get("_runtime")
    if kept is None:
        kept = Runtime(plan)
        object.__setattr__(plan, "_runtime", kept)
    return cast("Runtime", kept)


def _of_floats(knob: KnobPlan) -> KnobPlan:
    """Values of a knob are words or floats, however its default was written."""
    if knob.words:
        return knob
    return replace(knob, default=float(knob.default), low=float(knob.low), high=float(knob.high))


def _reader(event: EventPlan) -> Reader:
    """How a payload becomes declared fields: first spelling wins (L41), bad ones are unknown."""
    single = [(f.name, f.spellings[0], f.accept) for f in event.fields if len(f.spellings) == 1]
    several = [(f.name, f.spellings, f.accept) for f in event.fields if len(f.spellings) > 1]
    derived = [(f.name, f.derived, f.accept) for f in event.fields if f.derived is not None]

    def read(payload: Mapping[str, Any], frame_of: Callable[[Fields], Any]) -> Fields:
        fields: Fields = {}
        get = payload.get
        for name, spelling, accept in single:
            raw = get(spelling)
            if raw is not None:
                value = accept(raw)
                if value is not None:
                    fields[name] = value
        for name, spellings, accept in several:
            for spelling in spellings:
                raw = get(spelling)
                if raw is not None:
                    value = accept(raw)
                    if value is not None:
                        fields[name] = value
                    break
        for name, expr, accept in derived:
            if name not in fields:
                value = expr(frame_of(fields))
                value = None if value is None else accept(value)
                if value is not None:
                    fields[name] = value
        return fields

    return read
