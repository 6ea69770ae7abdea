"""Reachability: conditions that decide nothing, and declarations that nobody meets."""

from __future__ import annotations

from collections.abc import Iterator

from rules_engine.checks.activations import all_effects, live, setting_of, target
from rules_engine.language import program
from rules_engine.language.conditions import Case, cases, every
from rules_engine.language.diagnostics import Code, Diagnostic, Related, Severity
from rules_engine.language.ranges import bounds
from rules_engine.language.regions import Interval, exact
from rules_engine.language.traversal import walk

NEVER_TRUE = Code(
    "RE501",
    "never-true",
    Severity.WARNING,
    "A condition cannot be true within the declared ranges and words.",
)
ALWAYS_TRUE = Code(
    "RE502",
    "always-true",
    Severity.WARNING,
    "A condition is always true within the declared ranges and words.",
)
UNPRODUCED = Code(
    "RE503", "unproduced-event", Severity.WARNING, "A loop hears an event that nobody produces."
)
UNHEARD = Code("RE504", "unheard-event", Severity.INFO, "A loop emits an event that no loop hears.")
UNUSED = Code("RE505", "unused-declaration", Severity.WARNING, "A declaration is used nowhere.")
OUTSIDE_RANGE = Code(
    "RE506",
    "set-outside-range",
    Severity.WARNING,
    "A knob is set to what it can never be, and stops at its range.",
)


def never_true(rules: program.Program) -> Iterator[Diagnostic]:
    """Conditions that no event can make true."""
    for loop in rules.loops:
        yield from _Conditions(rules, loop).never()


def always_true(rules: program.Program) -> Iterator[Diagnostic]:
    """Conditions that every event makes true."""
    for loop in rules.loops:
        yield from _Conditions(rules, loop).always()


class _Conditions:
    """The conditions of one loop, each judged over all events that the loop hears."""

    def __init__(self, rules: program.Program, loop: program.Loop) -> None:
        self.loop = loop
        self.rules = rules
        # What is heard of no declared event, such as a tick, leaves fields as free as their types.
        heard = loop.trigger.events or (program.TriggerEvent(loop.span, "", None, None),)
        self.heard = [(one, setting_of(rules, loop, one.event)) for one in heard]

    def never(self) -> Iterator[Diagnostic]:
        dead = [one for one, setting in self.heard if one.filter and not cases(one.filter, setting)]
        for filter_span, expr in {one.span: one.filter for one in dead if one.filter}.items():
            if all(one in dead for one, _ in self.heard if one.span == filter_span):
                yield self._never(expr, "no such event is ever heard")
        if len(dead) == len(self.heard):
            return
        loop = self.loop
        outcomes = (
            (loop.when, "the loop never fires"),
            (loop.until, "the latch never ends"),
            (loop.unless, "the cooldown is never passed"),
        )
        for condition, outcome in outcomes:
            if condition is not None and not self._possible(condition):
                yield self._never(condition, outcome)
        yield from self._never_passed()
        yield from self._never_done()

    def _never_passed(self) -> Iterator[Diagnostic]:
        """The `unless` is read on the event that `when` is true of."""
        when, unless = self.loop.when, self.loop.unless
        if when is None or unless is None or not self._possible(when) or not self._possible(unless):
            return
        if not self._possible(unless, when):
            yield self._never(unless, "`when` already excludes it")

    def _never_done(self) -> Iterator[Diagnostic]:
        loop = self.loop
        for effects, before in ((loop.effects, loop.when), (loop.cleared, loop.until)):
            if before is not None and not self._possible(before):
                continue
            for effect in effects:
                if effect.condition is None:
                    continue
                if not self._possible(effect.condition):
                    yield self._never(effect.condition, "the effect never happens")
                elif before is not None and not self._possible(effect.condition, before):
                    word = "when" if before is loop.when else "until"
                    yield self._never(effect.condition, f"`{word}` already excludes it")

    def always(self) -> Iterator[Diagnostic]:
        loop = self.loop
        for passes in {one.span: one.filter for one, _ in self.heard if one.filter}.values():
            hearing = [setting for one, setting in self.heard if one.filter is passes]
            if not any(cases(passes, setting, wanted=False) for setting in hearing):
                yield self._always(passes)
        for asked in (loop.when, loop.until, loop.unless):
            if asked is not None and not self._possible(asked, wanted=False):
                yield self._always(asked)
        for effects, before in ((loop.effects, loop.when), (loop.cleared, loop.until)):
            for effect in effects:
                condition = effect.condition
                if condition is None or (before is not None and not self._possible(before)):
                    continue
                if not self._possible(condition, before, wanted=False):
                    yield self._always(condition)

    def _possible(
        self, condition: program.Expr, before: program.Expr | None = None, *, wanted: bool = True
    ) -> bool:
        """Whether some event heard makes it true (or false), where `before` was true of the same event.

        A knob may have been set in between, and a window moved on while a hold ran: then nothing is
        concluded from before.
        """
        if before is not None and (self.loop.hold_ms or self.loop.until_hold_ms or _reads_state(condition)):
            before = None
        if not wanted and self._may_be_unknown(condition):
            return True
        for heard, setting in self.heard:
            parts: list[tuple[Case, ...]] = [cases(heard.filter, setting), cases(before, setting)]
            if every([*parts, cases(condition, setting, wanted=wanted)]):
                return True
        return False

    def _may_be_unknown(self, condition: program.Expr) -> bool:
        """Whether it may be neither true nor false, and is more than a comparison that waits for a value."""
        locals_ = dict(self.loop.locals)
        waiting, optional = [condition], False
        while waiting:
            for part in walk(waiting.pop()):
                if isinstance(part, program.LocalRead) and part.name in locals_:
                    waiting.append(locals_.pop(part.name))
                absent = isinstance(part, program.FieldRead) and any(
                    part.field not in self.rules.events[one.event].fields
                    for one, _ in self.heard
                    if one.event in self.rules.events
                )
                optional = optional or absent or part.type.optional
        compound = isinstance(condition, program.Unary) or (
            isinstance(condition, program.Binary) and condition.op in ("and", "or")
        )
        return optional and compound

    def _never(self, condition: program.Expr, outcome: str) -> Diagnostic:
        advice = "change what it compares with, or remove it"
        return NEVER_TRUE.at(
            condition.span, f"this is never true: {outcome}", help=advice, related=self._declared(condition)
        )

    def _always(self, condition: program.Expr) -> Diagnostic:
        advice = "remove it; to wait for a value that may be unknown, write `x is known`"
        return ALWAYS_TRUE.at(
            condition.span, "this is always true", help=advice, related=self._declared(condition)
        )

    def _declared(self, condition: program.Expr) -> tuple[Related, ...]:
        """Where the ranges and words come from that decide it."""
        places: dict[str, Related] = {}
        for part in walk(condition):
            if isinstance(part, program.FieldRead):
                for heard, _ in self.heard:
                    event = self.rules.events.get(heard.event)
                    decl = event.fields.get(part.field) if event is not None else None
                    if decl is not None and (decl.type.words or decl.type.low is not None):
                        places.setdefault(
                            part.field, Related(decl.span, f"`{part.field}` is {decl.type.known()}")
                        )
            elif isinstance(part, program.KnobRead):
                knob = part.knob
                places.setdefault(knob.name, Related(knob.span, f"`{knob.name}` is {knob.type}"))
        return tuple(places.values())


def _reads_state(condition: program.Expr) -> bool:
    remembered = program.KnobRead | program.Aggregate | program.Prev | program.Streak | program.LocalRead
    return any(isinstance(part, remembered) for part in walk(condition))


def unproduced_events(rules: program.Program) -> Iterator[Diagnostic]:
    """The user's events that are heard, and neither emitted nor said to come from anywhere."""
    if not rules.complete:
        return
    heard = rules.mentions.get("event heard", frozenset())
    emitted = rules.mentions.get("event emitted", frozenset())
    for event in rules.events.values():
        if event.from_catalogue or event.producer is not None or event.name not in heard - emitted:
            continue
        advice = 'if a program publishes it, say so where it is declared: from "component"'
        yield UNPRODUCED.at(event.span, f"nobody produces `{event.name}`", help=advice)


def unheard_events(rules: program.Program) -> Iterator[Diagnostic]:
    """The user's events that a loop emits, and no loop hears."""
    if not rules.complete:
        return
    heard = rules.mentions.get("event heard", frozenset())
    for loop in rules.loops:
        for effect in all_effects(loop):
            if not isinstance(effect, program.EmitEffect):
                continue
            event = effect.event
            if event.from_catalogue or event.name in heard:
                continue
            advice = (
                f"fine if a program outside subscribes to it; else hear it (`on {event.name}`) or drop it"
            )
            related = (Related(event.span, "declared here"),)
            yield UNHEARD.at(target(effect), f"no loop hears `{event.name}`", help=advice, related=related)


def unused_declarations(rules: program.Program) -> Iterator[Diagnostic]:
    """The user's types, constants, knobs, actions and events that nothing mentions."""
    if not rules.complete:
        return
    uses = {
        "type": ("type",),
        "let": ("let",),
        "knob": ("knob set", "knob read"),
        "action": ("action",),
        "event": ("event heard", "event emitted"),
    }
    for (kind, name), place in rules.places.items():
        if kind not in uses or any(name in rules.mentions.get(use, frozenset()) for use in uses[kind]):
            continue
        if kind == "event" and (rules.events[name].from_catalogue or rules.events[name].producer is not None):
            continue
        yield UNUSED.at(place, f"the {kind} `{name}` is used nowhere", help="use it, or remove it")


def sets_outside_range(rules: program.Program) -> Iterator[Diagnostic]:
    """Plain sets of a number that always lies beyond an end of the knob's range."""
    for loop in live(rules):
        for effect in all_effects(loop):
            if not isinstance(effect, program.SetEffect) or effect.op != "=" or effect.knob.words:
                continue
            knob = effect.knob
            possible = bounds(effect.value, dict(loop.locals))
            low, high = exact(knob.low), exact(knob.high)
            if possible.meet(Interval(low, high)).is_empty:
                above = possible.low is not None and high is not None and possible.low > high
                end = knob.high if above else knob.low
                message = f"`{knob.name}` stops at {end:g}: this lies outside {knob.low:g}..{knob.high:g}"
                related = (Related(knob.span, "the knob"),)
                advice = f"write {end:g}, or widen the range of the knob"
                yield OUTSIDE_RANGE.at(effect.value.span, message, help=advice, related=related)
