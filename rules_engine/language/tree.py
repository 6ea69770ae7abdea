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
    from rules_engine.language.source import Span

Parts = list[Any]


class TreeBuilder(ExpressionBuilder):
    """Builds the declarations, loops and tests of one file."""

    def start(self, _span: Span, parts: Parts) -> s.File:
        return s.File(self.source.path, tuple(parts))

    # ---- declarations ----------------------------------------------------------------------------

    def named_type(self, span: Span, parts: Parts) -> s.TypeItem:
        return s.TypeItem(span, self.name(parts[0]), parts[1])

    def event(self, span: Span, parts: Parts) -> s.EventItem:
        aliases: tuple[s.Name, ...] = next((p for p in parts if isinstance(p, tuple)), ())
        return s.EventItem(
            span,
            self.name(parts[0]),
            aliases=aliases,
            fields=tuple(p for p in parts if isinstance(p, s.Field)),
            open=any(p is ... for p in parts),
            options=tuple(p for p in parts if isinstance(p, s.DedupOption | s.KeyOption | s.FromOption)),
            documentation=self.documentation(span.start),
        )

    def aliases(self, _span: Span, parts: Parts) -> tuple[s.Name, ...]:
        return tuple(self.text_name(part) for part in parts)

    def open(self, _span: Span, _parts: Parts) -> Any:
        return ...

    def dedup(self, span: Span, parts: Parts) -> s.DedupOption:
        window = parts[0] if isinstance(parts[0], s.Duration) else None
        return s.DedupOption(span, window)

    def key(self, span: Span, parts: Parts) -> s.KeyOption:
        return s.KeyOption(span, self.name(parts[0]))

    def producer(self, span: Span, parts: Parts) -> s.FromOption:
        return s.FromOption(span, self.text_name(parts[0]))

    def field(self, span: Span, parts: Parts) -> s.Field:
        derived = parts[2] if len(parts) > 2 else None
        return s.Field(span, parts[0], parts[1], derived)

    def spellings(self, _span: Span, parts: Parts) -> tuple[s.Name, ...]:
        return self.names(parts)

    def derived(self, _span: Span, parts: Parts) -> s.Expr:
        expr: s.Expr = parts[0]
        return expr

    def plain_type(self, span: Span, parts: Parts) -> s.TypeRef:
        ranges = [p for p in parts if isinstance(p, s.NumberRange)]
        optional = any(p.text == "?" for p in parts if not isinstance(p, s.NumberRange))
        return s.TypeRef(span, self.name(parts[0]), None, ranges[0] if ranges else None, optional)

    def word_type(self, span: Span, parts: Parts) -> s.TypeRef:
        return s.TypeRef(span, None, parts[0], None, len(parts) > 1)

    def range(self, _span: Span, parts: Parts) -> s.NumberRange:
        bounds: s.NumberRange = parts[-1]
        return bounds

    def bounds(self, span: Span, parts: Parts) -> s.NumberRange:
        low, high = parts
        return s.NumberRange(span, low.value, high.value)

    number_range = bounds

    def words(self, span: Span, parts: Parts) -> s.Words:
        return s.Words(span, tuple(self.text_name(p) for p in parts))

    def bound(self, span: Span, parts: Parts) -> s.LiteralValue:
        value = self.number(parts[-1])
        percent = parts[-1].text.endswith("%")
        return s.LiteralValue(span, -value if len(parts) > 1 else value, percent)

    def action(self, span: Span, parts: Parts) -> s.ActionItem:
        fields = tuple(p for p in parts if isinstance(p, s.Field))
        options = tuple(p for p in parts if isinstance(p, s.EmitsOption | s.UndoOption))
        return s.ActionItem(span, self.name(parts[0]), fields, options)

    def emits(self, span: Span, parts: Parts) -> s.EmitsOption:
        return s.EmitsOption(span, self.names(parts))

    def undo(self, span: Span, parts: Parts) -> s.UndoOption:
        return s.UndoOption(span, self.name(parts[0]))

    def knob(self, span: Span, parts: Parts) -> s.KnobItem:
        rest = [p for p in parts[1:] if getattr(p, "text", "") != "in" or isinstance(p, s.Name)]
        keys = rest.pop(0) if isinstance(rest[0], tuple) else ()
        domain, default, *options = rest
        if not isinstance(domain, s.NumberRange | s.Words):
            domain = self.name(domain)
        return s.KnobItem(span, self.name(parts[0]), keys, domain, default, tuple(options))

    def keys(self, _span: Span, parts: Parts) -> tuple[s.Name, ...]:
        return self.names(parts)

    def default(self, _span: Span, parts: Parts) -> s.LiteralValue:
        part = parts[0]
        return part if isinstance(part, s.LiteralValue) else self.literal_value(part)

    def step(self, span: Span, parts: Parts) -> s.StepOption:
        direction, amount, per = parts
        return s.StepOption(span, direction and direction.text, amount.value, per)

    def deadband(self, span: Span, parts: Parts) -> s.DeadbandOption:
        return s.DeadbandOption(span, parts[0].value)

    def decay(self, span: Span, parts: Parts) -> s.DecayOption:
        return s.DecayOption(span, parts[0])

    def lag(self, span: Span, parts: Parts) -> s.LagOption:
        return s.LagOption(span, parts[0])

    def drives(self, span: Span, parts: Parts) -> s.DrivesOption:
        return s.DrivesOption(span, self.name(parts[0]))

    def let(self, span: Span, parts: Parts) -> s.LetItem:
        return s.LetItem(span, self.name(parts[0]), parts[1])

    # ---- loops -----------------------------------------------------------------------------------

    def loop(self, span: Span, parts: Parts) -> s.LoopItem:
        annotations = tuple(p for p in parts if isinstance(p, s.Annotation))
        name, reason, *clauses = parts[len(annotations) :]
        return s.LoopItem(
            span,
            self.name(name),
            annotations,
            reason and self.text_name(reason),
            tuple(clauses),
        )

    def annotation(self, span: Span, parts: Parts) -> s.Annotation:
        arguments = parts[1] if len(parts) > 1 else ()
        return s.Annotation(span, self.name(parts[0]), arguments)

    def on(self, span: Span, parts: Parts) -> s.On:
        return s.On(span, parts[0])

    def any(self, span: Span, parts: Parts) -> s.AnyOf:
        return s.AnyOf(span, tuple(parts))

    def sequence(self, span: Span, parts: Parts) -> s.Sequence:
        first, *steps, within = parts
        return s.Sequence(span, first, tuple(steps), within)

    def then(self, span: Span, parts: Parts) -> s.ThenStep:
        no, event = parts
        return s.ThenStep(span, event, no is not None)

    def absence(self, span: Span, parts: Parts) -> s.Absence:
        return s.Absence(span, parts[1], parts[2])

    def repeat(self, span: Span, parts: Parts) -> s.Repeat:
        return s.Repeat(span, self.whole(parts[0]), parts[1], parts[2])

    def every(self, span: Span, parts: Parts) -> s.Every:
        return s.Every(span, parts[0])

    def cron(self, span: Span, parts: Parts) -> s.Cron:
        zone = parts[-1]
        return s.Cron(span, self.text_name(parts[0]), zone and self.text_name(zone))

    def change(self, span: Span, parts: Parts) -> s.ChangeOf:
        return s.ChangeOf(span, self.name(parts[0]))

    def event_ref(self, span: Span, parts: Parts) -> s.EventRef:
        pattern, condition, alias = parts
        return s.EventRef(span, self.name(pattern), condition, alias and self.name(alias))

    def per(self, span: Span, parts: Parts) -> s.Per:
        return s.Per(span, self.names(parts))

    def local(self, span: Span, parts: Parts) -> s.With:
        return s.With(span, self.name(parts[0]), parts[1])

    def when(self, span: Span, parts: Parts) -> s.When:
        return s.When(span, *parts)

    def cooldown(self, span: Span, parts: Parts) -> s.Cooldown:
        return s.Cooldown(span, *parts)

    def gather(self, span: Span, parts: Parts) -> s.Gather:
        durations = tuple(p for p in parts if isinstance(p, s.Duration))
        quiets = tuple(p[0] for p in parts if isinstance(p, tuple))
        maxima = tuple(p for p in parts if isinstance(p, int))
        return s.Gather(span, durations, quiets, maxima)

    def gather_for(self, _span: Span, parts: Parts) -> s.Duration:
        duration: s.Duration = parts[0]
        return duration

    def gather_quiet(self, _span: Span, parts: Parts) -> tuple[s.Duration]:
        return (parts[0],)

    def gather_max(self, _span: Span, parts: Parts) -> int:
        return self.whole(parts[0])

    def limit(self, span: Span, parts: Parts) -> s.Limit:
        count, per, overall = parts
        return s.Limit(span, self.number(count), per, overall is not None)

    def after(self, span: Span, parts: Parts) -> s.AfterBlock:
        return s.AfterBlock(span, parts[0], parts[1])

    def cleared(self, span: Span, parts: Parts) -> s.ClearedBlock:
        return s.ClearedBlock(span, parts[-1])

    def failed(self, span: Span, parts: Parts) -> s.FailedBlock:
        return s.FailedBlock(span, parts[-1])

    def effects(self, _span: Span, parts: Parts) -> tuple[s.Effect, ...]:
        return tuple(parts)

    def set(self, span: Span, parts: Parts) -> s.Set:
        knob, *rest, duration, condition = parts
        key = rest.pop(0) if isinstance(rest[0], tuple) else None
        op, value = rest
        return s.Set(
            span,
            condition,
            knob=self.name(knob),
            keyed=key is not None,
            key=key and key[0],
            op=op.text,
            value=value,
            duration=duration if duration is None or isinstance(duration, s.Duration) else "active",
        )

    def emit(self, span: Span, parts: Parts) -> s.Emit:
        event, payload, condition = parts
        return s.Emit(span, condition, self.name(event), payload)

    def payload(self, _span: Span, parts: Parts) -> tuple[s.PayloadField, ...]:
        return tuple(parts)

    def pair(self, span: Span, parts: Parts) -> s.PayloadField:
        return s.PayloadField(span, self.name(parts[0]), parts[1])

    def do(self, span: Span, parts: Parts) -> s.Do:
        action, arguments, options, condition = parts
        return s.Do(span, condition, self.name(action), arguments, options)

    def do_options(self, _span: Span, parts: Parts) -> tuple[s.RetryOption | s.TimeoutOption, ...]:
        return tuple(parts)

    def retry(self, span: Span, parts: Parts) -> s.RetryOption:
        return s.RetryOption(span, self.whole(parts[0]), parts[1])

    def timeout(self, span: Span, parts: Parts) -> s.TimeoutOption:
        return s.TimeoutOption(span, parts[0])

    # ---- tests -----------------------------------------------------------------------------------

    def test(self, span: Span, parts: Parts) -> s.TestItem:
        name, starts, *steps = parts
        return s.TestItem(span, self.text_name(name), starts and self.text_name(starts), tuple(steps))

    def test_step(self, span: Span, parts: Parts) -> s.TestStep:
        return s.TestStep(span, self.milliseconds(parts[0]), tuple(parts[1:]))

    def send(self, span: Span, parts: Parts) -> s.Send:
        return s.Send(span, self.name(parts[0]), parts[1])

    def given(self, span: Span, parts: Parts) -> s.Given:
        return s.Given(span, self.name(parts[0]), parts[1], parts[2])

    def expect_do(self, span: Span, parts: Parts) -> s.ExpectDo:
        return s.ExpectDo(span, self.name(parts[0]), parts[1])

    def expect_emit(self, span: Span, parts: Parts) -> s.ExpectEmit:
        return s.ExpectEmit(span, self.name(parts[0]), parts[1])

    def expect_set(self, span: Span, parts: Parts) -> s.ExpectSet:
        return s.ExpectSet(span, self.name(parts[0]), parts[1], parts[2])

    def expect_nothing(self, span: Span, parts: Parts) -> s.ExpectNothing:
        else_, because = parts
        return s.ExpectNothing(span, else_ is not None, because and self.name(because))

    def stub(self, span: Span, parts: Parts) -> s.Stub:
        times: Token | None = parts[1]
        return s.Stub(span, self.name(parts[0]), self.whole(times) if times else None)

    def restart(self, span: Span, _parts: Parts) -> s.Restart:
        return s.Restart(span)

    def reload(self, span: Span, parts: Parts) -> s.Reload:
        return s.Reload(span, self.text_name(parts[0]))
