"""Events and knobs become what the engine reads."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import TopologicalSorter
from itertools import product
from typing import Any

from rules_engine.compiler.expressions import ExpressionCompiler
from rules_engine.compiler.structure import nodes
from rules_engine.engine import values
from rules_engine.engine.plan import (
    EventPlan,
    FieldPlan,
    KnobPlan,
    StepPlan,
)
from rules_engine.language import program as p
from rules_engine.language.types import Type


def event_plan(event: p.EventDecl) -> EventPlan:
    """How the declared fields of an event are read."""
    read = ExpressionCompiler((), strict_text=True)
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
        field.name: [node.field for node in nodes(field.derived) if isinstance(node, p.FieldRead)]
        for field in declared.values()
    }
    return [declared[name] for name in TopologicalSorter(reads).static_order()]


def _accept(type: Type) -> Any:
    return values.accept_type(type.base.value, words=type.words, low=type.low, high=type.high)


def knob_plan(knob: p.Knob, program: p.Program) -> KnobPlan:
    """A knob with its keys, as far as they are known beforehand."""
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
