"""From a checked program to a plan: the one package that knows the language and the engine.

Every aggregate, `prev` and `streak` of a loop becomes a slot of the loop's memory, shared by all
that read the same samples. A loop's `shape`, a digest of its trigger, key and slots, tells whether
state of an older version of the loop still means the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rules_engine.compiler.declarations import event_plan, knob_plan
from rules_engine.compiler.expressions import ExpressionCompiler
from rules_engine.compiler.loops import LoopCompiler
from rules_engine.engine.frame import Frame
from rules_engine.engine.plan import Plan, Value
from rules_engine.language import program as p
from rules_engine.language.source import Source

__all__ = ["compile_program", "constant"]


def compile_program(program: p.Program, sources: Mapping[str, Source], hash: str) -> Plan:
    """The plan of a program without errors. `sources` give the texts that firings quote as their reasons."""
    loops = tuple(LoopCompiler(loop, program, sources).compile() for loop in program.loops)
    return Plan(
        hash=hash,
        events={event.name: event_plan(event) for event in program.events.values()},
        loops=tuple(sorted(loops, key=lambda loop: loop.name)),
        knobs={knob.name: knob_plan(knob, program) for knob in program.knobs.values()},
    )


def constant(node: p.Expr) -> Value:
    """The value of an expression that reads nothing, as those of tests; None is unknown."""
    no_knobs: Any = None
    return ExpressionCompiler(()).expr(node)(Frame({}, "", 0, no_knobs))
