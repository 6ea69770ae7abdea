"""Grammar to syntax tree: one method per rule of `grammar/loops.lark`, named like the rule.

Each method gets where its construct starts and ends and the parts the grammar keeps, and makes the
node of `syntax.py`. A part is a `Token`, a node, or None for a place left empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules_engine.language import syntax as s
from rules_engine.language.expression_tree import ExpressionBuilder

if TYPE_CHECKING:
    from rules_engine.language.lexer import Token

Parts = list[Any]


class TreeBuilder(ExpressionBuilder):
    """Builds the declarations, loops and tests of one file."""

    def start(self, start: int, end: int, parts: Parts) -> s.File:
        return s.File(self.source.path, tuple(parts))

    # ---- declarations ----------------------------------------------------------------------------

    def named_type(self, start: int, end: int, parts: Parts) -> s.TypeItem:
        return s.TypeItem(self.span(start, end), self.name(parts[0]), parts[1])

    def event(self, start: int, end: int, parts: Parts) -> s.EventItem:
        aliases = [p for p in parts if isinstance(p, s.Name)]
        return s.EventItem(
            self.span(start, end),
            self.name(parts[0]),
            alias=aliases[0] if aliases else None,
            fields=tuple(p for p in parts if isinstance(p, s.Field)),
            open=any(p is ... for p in parts),
            options=tuple(p for p in parts if isinstance(p, s.DedupOption | s.KeyOption | s.FromOption)),
            documentation=self.documentation(start),
        )

    def alias(self, start: int, end: int, parts: Parts) -> s.Name:
        return self.text_name(parts[0])

    def open(self, start: int, end: int, parts: Parts) -> Any:
        return ...

    def dedup(self, start: int, end: int, parts: Parts) -> s.DedupOption:
        window = parts[0] if isinstance(parts[0], s.Duration) else None
        return s.DedupOption(self.span(start, end), window)

    def key(self, start: int, end: int, parts: Parts) -> s.KeyOption:
        return s.KeyOption(self.span(start, end), self.name(parts[0]))

    def producer(self, start: int, end: int, parts: Parts) -> s.FromOption:
        return s.FromOption(self.span(start, end), self.text_name(parts[0]))

    def field(self, start: int, end: int, parts: Parts) -> s.Field:
        derived = parts[2] if len(parts) > 2 else None
        return s.Field(self.span(start, end), parts[0], parts[1], derived)

    def spellings(self, start: int, end: int, parts: Parts) -> tuple[s.Name, ...]:
        return self.names(parts)

    def derived(self, start: int, end: int, parts: Parts) -> s.Expr:
        expr: s.Expr = parts[0]
        return expr

    def plain_type(self, start: int, end: int, parts: Parts) -> s.TypeRef:
        ranges = [p for p in parts if isinstance(p, s.NumberRange)]
        optional = any(p.text == "?" for p in parts if not isinstance(p, s.NumberRange))
        return s.TypeRef(
            self.span(start, end), self.name(parts[0]), None, ranges[0] if ranges else None, optional
        )

    def word_type(self, start: int, end: int, parts: Parts) -> s.TypeRef:
        return s.TypeRef(self.span(start, end), None, parts[0], None, len(parts) > 1)

    def range(self, start: int, end: int, parts: Parts) -> s.NumberRange:
        bounds: s.NumberRange = parts[-1]
        return bounds

    def bounds(self, start: int, end: int, parts: Parts) -> s.NumberRange:
        low, high = parts
        return s.NumberRange(self.span(start, end), low.value, high.value)

    number_range = bounds

    def words(self, start: int, end: int, parts: Parts) -> s.Words:
        return s.Words(self.span(start, end), tuple(self.text_name(p) for p in parts))

    def bound(self, start: int, end: int, parts: Parts) -> s.LiteralValue:
        value = self.number(parts[-1])
        percent = parts[-1].text.endswith("%")
        return s.LiteralValue(self.span(start, end), -value if len(parts) > 1 else value, percent)

    def action(self, start: int, end: int, parts: Parts) -> s.ActionItem:
        fields = tuple(p for p in parts if isinstance(p, s.Field))
        options = tuple(p for p in parts if isinstance(p, s.EmitsOption | s.UndoOption))
        return s.ActionItem(self.span(start, end), self.name(parts[0]), fields, options)

    def emits(self, start: int, end: int, parts: Parts) -> s.EmitsOption:
        return s.EmitsOption(self.span(start, end), self.names(parts))

    def undo(self, start: int, end: int, parts: Parts) -> s.UndoOption:
        return s.UndoOption(self.span(start, end), self.name(parts[0]))

    def knob(self, start: int, end: int, parts: Parts) -> s.KnobItem:
        rest = [p for p in parts[1:] if getattr(p, "text", "") != "in" or isinstance(p, s.Name)]
        keys = rest.pop(0) if isinstance(rest[0], tuple) else ()
        domain, default, *options = rest
        if not isinstance(domain, s.NumberRange | s.Words):
            domain = self.name(domain)
        return s.KnobItem(self.span(start, end), self.name(parts[0]), keys, domain, default, tuple(options))

    def keys(self, start: int, end: int, parts: Parts) -> tuple[s.Name, ...]:
        return self.names(parts)

    def default(self, start: int, end: int, parts: Parts) -> s.LiteralValue:
        part = parts[0]
        return part if isinstance(part, s.LiteralValue) else self.literal_value(part)

    def step(self, start: int, end: int, parts: Parts) -> s.StepOption:
        direction, amount, per = parts
        return s.StepOption(self.span(start, end), direction and direction.text, amount.value, per)

    def deadband(self, start: int, end: int, parts: Parts) -> s.DeadbandOption:
        return s.DeadbandOption(self.span(start, end), parts[0].value)

    def decay(self, start: int, end: int, parts: Parts) -> s.DecayOption:
        return s.DecayOption(self.span(start, end), parts[0])

    def lag(self, start: int, end: int, parts: Parts) -> s.LagOption:
        return s.LagOption(self.span(start, end), parts[0])

    def drives(self, start: int, end: int, parts: Parts) -> s.DrivesOption:
        return s.DrivesOption(self.span(start, end), self.name(parts[0]))

    def let(self, start: int, end: int, parts: Parts) -> s.LetItem:
        return s.LetItem(self.span(start, end), self.name(parts[0]), parts[1])

    # ---- loops -----------------------------------------------------------------------------------

    def loop(self, start: int, end: int, parts: Parts) -> s.LoopItem:
        annotations = tuple(p for p in parts if isinstance(p, s.Annotation))
        name, reason, *clauses = parts[len(annotations) :]
        return s.LoopItem(
            self.span(start, end),
            self.name(name),
            annotations,
            reason and self.text_name(reason),
            tuple(clauses),
        )

    def annotation(self, start: int, end: int, parts: Parts) -> s.Annotation:
        arguments = parts[1] if len(parts) > 1 else ()
        return s.Annotation(self.span(start, end), self.name(parts[0]), arguments)

    def on(self, start: int, end: int, parts: Parts) -> s.On:
        return s.On(self.span(start, end), parts[0])

    def any(self, start: int, end: int, parts: Parts) -> s.AnyOf:
        return s.AnyOf(self.span(start, end), tuple(parts))

    def sequence(self, start: int, end: int, parts: Parts) -> s.Sequence:
        first, *steps, within = parts
        return s.Sequence(self.span(start, end), first, tuple(steps), within)

    def then(self, start: int, end: int, parts: Parts) -> s.ThenStep:
        no, event = parts
        return s.ThenStep(self.span(start, end), event, no is not None)

    def absence(self, start: int, end: int, parts: Parts) -> s.Absence:
        return s.Absence(self.span(start, end), parts[1], parts[2])

    def repeat(self, start: int, end: int, parts: Parts) -> s.Repeat:
        return s.Repeat(self.span(start, end), self.whole(parts[0]), parts[1], parts[2])

    def every(self, start: int, end: int, parts: Parts) -> s.Every:
        return s.Every(self.span(start, end), parts[0])

    def cron(self, start: int, end: int, parts: Parts) -> s.Cron:
        zone = parts[-1]
        return s.Cron(self.span(start, end), self.text_name(parts[0]), zone and self.text_name(zone))

    def change(self, start: int, end: int, parts: Parts) -> s.ChangeOf:
        return s.ChangeOf(self.span(start, end), self.name(parts[0]))

    def event_ref(self, start: int, end: int, parts: Parts) -> s.EventRef:
        pattern, condition, alias = parts
        return s.EventRef(self.span(start, end), self.name(pattern), condition, alias and self.name(alias))

    def per(self, start: int, end: int, parts: Parts) -> s.Per:
        return s.Per(self.span(start, end), self.names(parts))

    def with_(self, start: int, end: int, parts: Parts) -> s.With:
        return s.With(self.span(start, end), self.name(parts[0]), parts[1])

    def when(self, start: int, end: int, parts: Parts) -> s.When:
        return s.When(self.span(start, end), *parts)

    def cooldown(self, start: int, end: int, parts: Parts) -> s.Cooldown:
        return s.Cooldown(self.span(start, end), *parts)

    def gather(self, start: int, end: int, parts: Parts) -> s.Gather:
        durations = tuple(p for p in parts if isinstance(p, s.Duration))
        quiets = tuple(p[0] for p in parts if isinstance(p, tuple))
        maxima = tuple(p for p in parts if isinstance(p, int))
        return s.Gather(self.span(start, end), durations, quiets, maxima)

    def gather_for(self, start: int, end: int, parts: Parts) -> s.Duration:
        duration: s.Duration = parts[0]
        return duration

    def gather_quiet(self, start: int, end: int, parts: Parts) -> tuple[s.Duration]:
        return (parts[0],)

    def gather_max(self, start: int, end: int, parts: Parts) -> int:
        return self.whole(parts[0])

    def limit(self, start: int, end: int, parts: Parts) -> s.Limit:
        count, per, overall = parts
        return s.Limit(self.span(start, end), self.number(count), per, overall is not None)

    def after(self, start: int, end: int, parts: Parts) -> s.AfterBlock:
        return s.AfterBlock(self.span(start, end), parts[0], parts[1])

    def cleared(self, start: int, end: int, parts: Parts) -> s.ClearedBlock:
        return s.ClearedBlock(self.span(start, end), parts[-1])

    def failed(self, start: int, end: int, parts: Parts) -> s.FailedBlock:
        return s.FailedBlock(self.span(start, end), parts[-1])

    def effects(self, start: int, end: int, parts: Parts) -> tuple[s.Effect, ...]:
        return tuple(parts)

    def set(self, start: int, end: int, parts: Parts) -> s.Set:
        knob, *rest, duration, condition = parts
        key = rest.pop(0) if isinstance(rest[0], tuple) else None
        op, value = rest
        return s.Set(
            self.span(start, end),
            condition,
            knob=self.name(knob),
            keyed=key is not None,
            key=key and key[0],
            op=op.text,
            value=value,
            duration=duration if duration is None or isinstance(duration, s.Duration) else "active",
        )

    def emit(self, start: int, end: int, parts: Parts) -> s.Emit:
        event, payload, condition = parts
        return s.Emit(self.span(start, end), condition, self.name(event), payload)

    def payload(self, start: int, end: int, parts: Parts) -> tuple[s.PayloadField, ...]:
        return tuple(parts)

    def pair(self, start: int, end: int, parts: Parts) -> s.PayloadField:
        return s.PayloadField(self.span(start, end), self.name(parts[0]), parts[1])

    def do(self, start: int, end: int, parts: Parts) -> s.Do:
        action, arguments, options, condition = parts
        return s.Do(self.span(start, end), condition, self.name(action), arguments, options)

    def do_options(self, start: int, end: int, parts: Parts) -> tuple[s.RetryOption | s.TimeoutOption, ...]:
        return tuple(parts)

    def retry(self, start: int, end: int, parts: Parts) -> s.RetryOption:
        return s.RetryOption(self.span(start, end), self.whole(parts[0]), parts[1])

    def timeout(self, start: int, end: int, parts: Parts) -> s.TimeoutOption:
        return s.TimeoutOption(self.span(start, end), parts[0])

    # ---- tests -----------------------------------------------------------------------------------

    def test(self, start: int, end: int, parts: Parts) -> s.TestItem:
        name, starts, *steps = parts
        return s.TestItem(
            self.span(start, end), self.text_name(name), starts and self.text_name(starts), tuple(steps)
        )

    def test_step(self, start: int, end: int, parts: Parts) -> s.TestStep:
        return s.TestStep(self.span(start, end), self.milliseconds(parts[0]), tuple(parts[1:]))

    def send(self, start: int, end: int, parts: Parts) -> s.Send:
        return s.Send(self.span(start, end), self.name(parts[0]), parts[1])

    def given(self, start: int, end: int, parts: Parts) -> s.Given:
        return s.Given(self.span(start, end), self.name(parts[0]), parts[1], parts[2])

    def expect_do(self, start: int, end: int, parts: Parts) -> s.ExpectDo:
        return s.ExpectDo(self.span(start, end), self.name(parts[0]), parts[1])

    def expect_emit(self, start: int, end: int, parts: Parts) -> s.ExpectEmit:
        return s.ExpectEmit(self.span(start, end), self.name(parts[0]), parts[1])

    def expect_set(self, start: int, end: int, parts: Parts) -> s.ExpectSet:
        return s.ExpectSet(self.span(start, end), self.name(parts[0]), parts[1], parts[2])

    def expect_nothing(self, start: int, end: int, parts: Parts) -> s.ExpectNothing:
        else_, because = parts
        return s.ExpectNothing(self.span(start, end), else_ is not None, because and self.name(because))

    def stub(self, start: int, end: int, parts: Parts) -> s.Stub:
        times: Token | None = parts[1]
        return s.Stub(self.span(start, end), self.name(parts[0]), times and self.whole(times))

    def restart(self, start: int, end: int, parts: Parts) -> s.Restart:
        return s.Restart(self.span(start, end))

    def reload(self, start: int, end: int, parts: Parts) -> s.Reload:
        return s.Reload(self.span(start, end), self.text_name(parts[0]))
