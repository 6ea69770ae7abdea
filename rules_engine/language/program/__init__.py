"""A rule set after names and types are settled: what checks and the compiler may trust.

Made by the resolver and the type checker, never changed afterwards. Every name has become the thing
it names, every expression knows its type, every duration is integer milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rules_engine.language.program.declarations import (
    ActionDecl,
    EventDecl,
    FieldDecl,
    Knob,
    StepLimit,
)
from rules_engine.language.program.expressions import (
    Aggregate,
    AliasKnown,
    Binary,
    Const,
    During,
    Feed,
    FieldRead,
    FunctionCall,
    Interpolation,
    IsKnown,
    KnobRead,
    ListOf,
    LocalRead,
    Match,
    MatchArm,
    Matches,
    Member,
    OverLast,
    OverTime,
    Prev,
    SinceEvent,
    SinceMark,
    Streak,
    Unary,
    WindowSpan,
)
from rules_engine.language.program.loops import (
    AfterEffects,
    Allow,
    DoEffect,
    Effect,
    EmitEffect,
    Loop,
    SetEffect,
)
from rules_engine.language.program.nodes import Expr
from rules_engine.language.program.scenarios import (
    STARTS_MS,
    Act,
    Expect,
    ExpectDo,
    ExpectEmit,
    ExpectNothing,
    ExpectSet,
    Given,
    Reload,
    Restart,
    Scenario,
    ScenarioStep,
    Send,
    Stub,
    Unknown,
)
from rules_engine.language.program.triggers import (
    Absence,
    ChangeOf,
    Events,
    Gather,
    Repeat,
    Sequence,
    SequenceStep,
    Tick,
    Trigger,
    TriggerEvent,
)
from rules_engine.language.source import Span
from rules_engine.language.types import Type

__all__ = [
    "STARTS_MS",
    "Absence",
    "Act",
    "ActionDecl",
    "AfterEffects",
    "Aggregate",
    "AliasKnown",
    "Allow",
    "Binary",
    "ChangeOf",
    "Const",
    "DoEffect",
    "During",
    "Effect",
    "EmitEffect",
    "EventDecl",
    "Events",
    "Expect",
    "ExpectDo",
    "ExpectEmit",
    "ExpectNothing",
    "ExpectSet",
    "Expr",
    "Feed",
    "FieldDecl",
    "FieldRead",
    "FunctionCall",
    "Gather",
    "Given",
    "Interpolation",
    "IsKnown",
    "Knob",
    "KnobRead",
    "ListOf",
    "LocalRead",
    "Loop",
    "Match",
    "MatchArm",
    "Matches",
    "Member",
    "OverLast",
    "OverTime",
    "Prev",
    "Program",
    "Reload",
    "Repeat",
    "Restart",
    "Scenario",
    "ScenarioStep",
    "Send",
    "Sequence",
    "SequenceStep",
    "SetEffect",
    "SinceEvent",
    "SinceMark",
    "StepLimit",
    "Streak",
    "Stub",
    "Tick",
    "Trigger",
    "TriggerEvent",
    "Unary",
    "Unknown",
    "WindowSpan",
]


@dataclass(frozen=True, slots=True)
class Program:
    """A whole rule set: everything declared, by name, and its loops in order of name.

    `tests` are in the order written. What follows them is for lint alone. `places`: where the user's own
    types and lets stand, by kind ("type", "let") and name. `mentions`: every name used, by use ("type",
    "let", "action", "knob set", "knob read", "event heard", "event emitted"), also in loops left out for
    an error. `allowed`: the (loop, code) of each `@allow` that already hid something. `complete`: nothing
    was left out.
    """

    types: Mapping[str, Type]
    events: Mapping[str, EventDecl]
    actions: Mapping[str, ActionDecl]
    knobs: Mapping[str, Knob]
    lets: Mapping[str, Expr]
    loops: tuple[Loop, ...]
    tests: tuple[Scenario, ...] = ()
    places: Mapping[tuple[str, str], Span] = field(default_factory=dict)
    mentions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    allowed: frozenset[tuple[str, str]] = frozenset()
    complete: bool = True
