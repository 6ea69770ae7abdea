"""Loops: clauses in any order become one checked loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rules_engine.language import program, syntax
from rules_engine.language.annotations import Annotations, annotations_of
from rules_engine.language.catalog import MOST_PARTS, MOST_STEPS
from rules_engine.language.clauses import Clauses, head, sort_clauses
from rules_engine.language.diagnostics import Code, Related, Severity
from rules_engine.language.effects import Effects
from rules_engine.language.expressions import Expressions
from rules_engine.language.names import BAD_COUNT, DUPLICATE_CLAUSE, TOO_LARGE, Names
from rules_engine.language.scope import Scope, Unclear, fields_of, unclear
from rules_engine.language.source import Span
from rules_engine.language.traversal import roots, size, walk, weight
from rules_engine.language.triggers import Heard, check_key, hear
from rules_engine.language.typerefs import CIRCULAR, DUPLICATE_FIELD
from rules_engine.language.unknowns import Knowledge
from rules_engine.language.windows import CONTRADICTION

NO_TRIGGER = Code("RE114", "missing-trigger", Severity.ERROR, "A loop does not say what it hears.")
NO_EFFECTS = Code("RE115", "no-effects", Severity.ERROR, "A loop does nothing.")


@dataclass
class CheckedLoop:
    """A loop, None where it has a mistake, and its annotations, which count all the same."""

    loop: program.Loop | None
    annotations: Annotations


def check_loop(names: Names, item: syntax.LoopItem, broken: tuple[syntax.Broken, ...]) -> CheckedLoop:
    """Checks one loop; `broken` are the clauses it lost to mistakes of syntax."""
    return _LoopChecker(names, item, broken).check()


class _LoopChecker:
    def __init__(self, names: Names, item: syntax.LoopItem, broken: tuple[syntax.Broken, ...]) -> None:
        self.names = names
        self.item = item
        self.lost = {part.word for part in broken}
        self.clauses = Clauses()
        self.locals: dict[str, program.Expr | None] = {}
        self.settling: list[str] = []
        self.weights: dict[str, int] = {}
        self.unsound = bool(broken)

    def check(self) -> CheckedLoop:
        errors = self.names.findings.error_count
        annotations = annotations_of(self.names.findings, self.item)
        self.clauses = sort_clauses(self.names, self.item)
        heard = self._hear()
        per = self._per(heard)
        self.typer = Expressions(self._scope(heard, per))
        self._check_combinations()
        loop = self._loop(heard, per, annotations)
        failed = self.names.findings.error_count > errors or self.unsound or heard.trigger is None
        failed = failed or any(isinstance(part, Unclear) for root in roots(loop) for part in walk(root))
        return CheckedLoop(None if failed else loop, annotations)

    # ---- what it hears -------------------------------------------------------------------------------

    def _hear(self) -> Heard:
        on, per = self.clauses.get(syntax.On), self.clauses.get(syntax.Per)
        if not any(True for _ in self.clauses.every_effect()) and not self.lost:
            message, advice = f"`{self.item.name.text}` does nothing", "add `set`, `emit` or `do`"
            self.names.findings.add(NO_EFFECTS.at(self.item.name.span, message, help=advice))
        if on is None:
            if not self.lost:
                message, advice = f"`{self.item.name.text}` hears nothing", "add `on EVENT`"
                self.names.findings.add(NO_TRIGGER.at(self.item.name.span, message, help=advice))
            return Heard(None, any_field=True)
        aliases = self.names.event_aliases
        emitted = frozenset(
            aliases.get(effect.event.text, effect.event.text)
            for effect in self.clauses.every_effect()
            if isinstance(effect, syntax.Emit)
        )
        return hear(self.names, on, emitted, per.fields if per else ())

    def _per(self, heard: Heard) -> tuple[str, ...]:
        clause = self.clauses.get(syntax.Per)
        if clause is None:
            return ()
        seen: dict[str, Span] = {}
        for name in clause.fields:
            if name.text in seen:
                related = (Related(seen[name.text], "the first one"),)
                message, advice = f"`{name.text}` stands twice", "remove one of the two"
                self.names.findings.add(DUPLICATE_FIELD.at(name.span, message, help=advice, related=related))
                continue
            seen[name.text] = name.span
            check_key(self.names, heard, name)
        return tuple(heard.fields[name].name if name in heard.fields else name for name in seen)

    def _scope(self, heard: Heard, per: tuple[str, ...]) -> Scope:
        when = self.clauses.get(syntax.When)
        return Scope(
            names=self.names,
            fields=heard.fields,
            any_field=heard.any_field or bool(self.lost & {"", "with", "on"}),
            where=heard.where,
            aliases=heard.aliases,
            local_names=frozenset(self.clauses.withs),
            local=self._local,
            per=None if "per" in self.lost else per,
            gathers=syntax.Gather in self.clauses.once,
            latched=bool((when and when.until) or heard.latches or self.lost),
            several=heard.several,
        )

    def _local(self, name: str) -> program.Expr | None:
        """The value of a `with`, settled when it is first read."""
        if name in self.locals:
            return self.locals[name]
        clause = self.clauses.withs[name]
        if len(self.settling) >= MOST_STEPS:
            self._too_large(clause.name)
            return None
        if name in self.settling:
            message, advice = f"`{name}` depends on itself", "give one of them a value of its own"
            path = [*self.settling[self.settling.index(name) :], name]
            self.names.findings.add(CIRCULAR.at(clause.name.span, message, help=advice, witness=path))
            return None
        self.settling.append(name)
        value = self.typer.of(clause.value)
        self.settling.pop()
        added = weight(value, lambda inner: self.weights.get(inner, 0))
        self.weights[name] = added + size(value)
        if added > MOST_PARTS:
            self._too_large(clause.name)
            value = unclear(value.span)
        self.locals[name] = None if isinstance(value, Unclear) else value
        self.unsound = self.unsound or self.locals[name] is None
        return self.locals[name]

    def _too_large(self, name: syntax.Name) -> None:
        if TOO_LARGE.id not in self.typer.scope.complained:
            self.typer.scope.complained.add(TOO_LARGE.id)
            message = f"`{name.text}` is made of too many other values"
            advice = "split the loop, and let one emit what the other needs"
            self.names.findings.add(TOO_LARGE.at(name.span, message, help=advice))

    # ---- what goes together ----------------------------------------------------------------------------

    def _check_combinations(self) -> None:
        when = self.clauses.get(syntax.When)
        gather = self.clauses.get(syntax.Gather)
        cleared = self.clauses.get(syntax.ClearedBlock)
        failed = self.clauses.get(syntax.FailedBlock)
        if cleared is not None and not self.typer.scope.latched:
            advice = "add `until ...` to `when`, which says when it is over"
            self._contradicts(
                head(cleared.span, "cleared"), "nothing ever clears: there is no `until`", advice
            )
        if gather is not None:
            self._check_gather(gather, when)
        self._check_absence(when, gather)
        for after in self.clauses.afters:
            if not self.typer.scope.latched:
                place = Span(after.span.path, after.span.start, after.delay.span.end)
                message = "nothing lasts that long here: there is no `until`"
                advice = "add `until ...` to `when`, or write `when ... for` that long"
                self._contradicts(place, message, advice)
        does = any(isinstance(effect, syntax.Do) for effect in self.clauses.every_effect())
        if failed is not None and not does and "do" not in self.lost:
            advice = "add the `do` whose failing it answers, or remove the block"
            self._contradicts(head(failed.span, "failed"), "nothing can fail: there is no `do`", advice)

    def _check_gather(self, gather: syntax.Gather, when: syntax.When | None) -> None:
        place = head(gather.span, "gather")
        for duration in (*gather.durations, *gather.quiets):
            self.names.duration(duration)
        for part in (gather.durations, gather.quiets, gather.maxima):
            if len(part) > 1:
                advice = "keep one of the two"
                self.names.findings.add(DUPLICATE_CLAUSE.at(gather.span, "this is said twice", help=advice))
        if any(most < 1 or most != int(most) for most in gather.maxima):
            message, advice = "how many to gather is a whole number above zero", "write `max 100`"
            self.names.findings.add(BAD_COUNT.at(gather.span, message, help=advice))
        if when is not None and (when.hold is not None or when.until is not None):
            word = "for" if when.hold is not None else "until"
            advice = f"remove `{word}`, or `gather`"
            self._contradicts(place, f"`gather` and `{word}` exclude each other", advice)

    def _check_absence(self, when: syntax.When | None, gather: syntax.Gather | None) -> None:
        """An absence is a latch of its own: the next event ends it, and nothing else can (L20)."""
        on = self.clauses.get(syntax.On)
        if on is None or not isinstance(on.trigger, syntax.Absence):
            return
        advice = "remove it: the absence lasts until the next event comes"
        if when is not None and (when.hold is not None or when.until is not None):
            word = "for" if when.hold is not None else "until"
            self._contradicts(
                head(when.span, "when"), f"`no A within d` and `{word}` exclude each other", advice
            )
        if gather is not None:
            self._contradicts(
                head(gather.span, "gather"), "`no A within d` and `gather` exclude each other", advice
            )

    def _contradicts(self, span: Span, message: str, advice: str) -> None:
        self.names.findings.add(CONTRADICTION.at(span, message, help=advice))

    # ---- the loop --------------------------------------------------------------------------------------

    def _loop(self, heard: Heard, per: tuple[str, ...], annotations: Annotations) -> program.Loop:
        for name in self.clauses.withs:
            self._local(name)
        when = self.clauses.get(syntax.When)
        # What decides whether an event is gathered cannot ask what was gathered (L10).
        asking = self.typer.within(replace(self.typer.scope, gathers=False))
        condition = asking.condition(when.condition) if when else None
        until = self.typer.condition(when.until) if when and when.until is not None else None
        cooldown = self.clauses.get(syntax.Cooldown)
        unless = self.typer.condition(cooldown.unless) if cooldown and cooldown.unless is not None else None
        known = self._known_at_start(heard, per)
        no_latch = "" if self.typer.scope.latched else "add `until ...` to `when`, or write `for 1h`"
        entered, left = known.given(condition), known.given(until)
        over = "the latch is over here: write `for 1h`, or a plain `set`"
        cleared, failed = self.clauses.get(syntax.ClearedBlock), self.clauses.get(syntax.FailedBlock)
        limit, limit_ms, overall = self._limit()
        effects = self._effects(entered, no_latch, self.clauses.effects)
        afters = tuple(
            program.AfterEffects(
                after.span, self._ms(after.delay), self._effects(entered, no_latch, after.effects)
            )
            for after in self.clauses.afters
        )
        return program.Loop(
            span=self.item.span,
            name=self.item.name.text,
            name_span=self.item.name.span,
            reason=self.item.reason.text if self.item.reason else "",
            owner=annotations.owner,
            shadow=annotations.shadow,
            off=annotations.off,
            allows=annotations.allows,
            trigger=heard.trigger or program.Events(self.item.span, ()),
            per=per,
            locals=self._ordered_locals(),
            when=condition,
            hold_ms=self._ms(when.hold if when else None),
            until=until,
            until_hold_ms=self._ms(when.until_hold if when else None),
            cooldown_ms=self._ms(cooldown.duration if cooldown else None),
            unless=unless,
            limit=limit,
            limit_ms=limit_ms,
            limit_overall=overall,
            limit_span=_span(self.clauses.get(syntax.Limit)),
            per_spans=self._per_spans(),
            effects=effects,
            cleared=self._effects(left, over, cleared.effects) if cleared else (),
            after=afters,
            failed=self._effects(entered, no_latch, failed.effects) if failed else (),
            gather=self._gather(),
        )

    def _effects(
        self, known: Knowledge, no_latch: str, written: Sequence[syntax.Effect]
    ) -> tuple[program.Effect, ...]:
        checked = Effects(self.typer, known, no_latch).all(written)
        self.unsound = self.unsound or len(checked) < len(written)
        return checked

    def _known_at_start(self, heard: Heard, per: tuple[str, ...]) -> Knowledge:
        """What is known whenever the loop sees an event at all: its key, and what its filter read."""
        sound: Mapping[str, program.Expr] = {n: v for n, v in self.locals.items() if v is not None}
        keys = frozenset(("field", key) for key in per)
        events = heard.trigger.events if heard.trigger else ()
        if isinstance(heard.trigger, program.Sequence):  # all of them have come
            known = Knowledge(keys | {("alias", name) for name in heard.aliases}, sound, heard.aliases)
            return replace(known, facts=known.facts | self._filtered_steps(heard.trigger, known))
        # Each event that can have come counts as named, also where it is not.
        named = {f"#{n}": fields_of([self.names.events[one.event]]) for n, one in enumerate(events)}
        ways = tuple(
            frozenset({("alias", f"#{n}"), ("alias", one.alias or f"#{n}")}) for n, one in enumerate(events)
        )
        if isinstance(heard.trigger, program.Absence) and not per:
            named, ways = {}, ()  # there may have been none
        known = Knowledge(keys, sound, {**heard.aliases, **named}, ways)
        if ways and not heard.several and events:
            return known.given(events[0].filter)
        if ways and not heard.aliases:  # `a.load` says nothing of the event that is not `a`
            filtered = (way | known.given(one.filter).facts for way, one in zip(ways, events, strict=True))
            return replace(known, ways=tuple(filtered))
        return known

    def _filtered_steps(self, sequence: program.Sequence, known: Knowledge) -> frozenset[object]:
        """The fields that the filters of its steps read, where no other event of it has such a field."""
        declared = [name for one in sequence.events for name in self.names.events[one.event].fields]
        came = (step.events[0] for step in sequence.steps if not step.absent and len(step.events) == 1)
        facts = (known.given(event.filter).facts for event in came)
        alone = frozenset(("field", name) for name in declared if declared.count(name) == 1)
        return alone & frozenset(fact for found in facts for fact in found)

    def _ordered_locals(self) -> tuple[tuple[str, program.Expr], ...]:
        """Each local after those it reads; `locals` holds them in the order in which they were settled."""
        return tuple((name, value) for name, value in self.locals.items() if value is not None)

    def _ms(self, duration: syntax.Duration | None) -> int:
        return 0 if duration is None else self.names.duration(duration) or 0

    def _gather(self) -> program.Gather | None:
        clause = self.clauses.get(syntax.Gather)
        if clause is None:
            return None
        most = int(clause.maxima[0]) if clause.maxima else None
        after_ms, quiet_ms = (
            self._ms(part[0]) if part else None for part in (clause.durations, clause.quiets)
        )
        return program.Gather(clause.span, after_ms, quiet_ms, most)

    def _per_spans(self) -> tuple[Span, ...]:
        clause = self.clauses.get(syntax.Per)
        return tuple(name.span for name in clause.fields) if clause else ()

    def _limit(self) -> tuple[int | None, int, bool]:
        clause = self.clauses.get(syntax.Limit)
        if clause is None:
            return None, 0, False
        if clause.count < 1 or clause.count != int(clause.count):
            message, advice = "how often it may fire is a whole number above zero", "write `limit 3 per 1h`"
            self.names.findings.add(BAD_COUNT.at(clause.span, message, help=advice))
        return int(clause.count), self._ms(clause.per), clause.overall


def _span(clause: syntax.Clause | None) -> Span | None:
    return None if clause is None else clause.span
