"""Aggregates: what they take their samples from, over which span, and what comes out."""

from __future__ import annotations

from rules_engine.language import program, syntax
from rules_engine.language.catalog import AGGREGATES, MOST_SAMPLES, AggregateFunction, did_you_mean, nearest
from rules_engine.language.diagnostics import Code, Severity
from rules_engine.language.names import BAD_COUNT, described
from rules_engine.language.operators import WRONG_TYPE, not_a_condition
from rules_engine.language.reading import MISPLACED_WINDOW, UNKNOWN_FIELD
from rules_engine.language.scope import Scope, Typer, fields_of, unclear
from rules_engine.language.traversal import window_height
from rules_engine.language.types import ANY, DURATION, FLOAT, INT, Base, Type

MISUSED_FUNCTION = Code("RE221", "misused-function", Severity.ERROR, "A function is not called as it can be.")
NESTED_WINDOW = Code(
    "RE219", "nested-window", Severity.ERROR, "Only `streak` may hold a window, and only one."
)
CONTRADICTION = Code(
    "RE113", "contradicting-clauses", Severity.ERROR, "Two parts of a loop exclude each other."
)

#: Aggregates that can be asked of nothing and then give 0 rather than unknown (L12).
NEVER_UNKNOWN = ("count",)


def no_window_here(scope: Scope, expr: syntax.Call) -> bool:
    """Whether nothing can be remembered at this place; a finding says so."""
    if not scope.no_windows:
        return False
    message = f"`{expr.function.text}` remembers earlier events, which is not possible here"
    scope.names.findings.add(MISPLACED_WINDOW.at(expr.span, message, help=scope.no_windows))
    return True


def without_span(typer: Typer, expr: syntax.Call, arguments: tuple[syntax.Expr, ...]) -> program.Expr:
    """An aggregate that does not say over which span."""
    name = expr.function.text
    inside = _text(typer.scope, arguments[0]) if arguments else ""
    example = f"{name}({inside}{' ' if inside else ''}over 1h)"
    message = f"`{name}` does not say over which time"
    advice = f"write `{example}`, or `over last 20`, or `since fired`"
    typer.scope.names.findings.add(MISUSED_FUNCTION.at(expr.span, message, help=advice))
    return unclear(expr.span)


def aggregate(typer: Typer, expr: syntax.Call, arguments: tuple[syntax.Expr, ...]) -> program.Expr:
    """`avg(loss over 1h)`, `count(since fired)`, `last(ELO_UPDATED.elo over 6h)`."""
    scope, name = typer.scope, expr.function.text
    function = AGGREGATES.get(name)
    if function is None:
        message = f"`{name}` looks at one value and takes no `over` or `since`"
        advice = f"remove the window, or use {'`max`' if name == 'clamp' else '`avg`'} over it"
        scope.names.findings.add(MISUSED_FUNCTION.at(expr.span, message, help=advice))
        return unclear(expr.span)
    if no_window_here(scope, expr):
        return unclear(expr.span)
    of_other = bool(arguments) and isinstance(arguments[0], syntax.OfEvent)
    if expr.window is None and (not scope.gathers or of_other):
        return without_span(typer, expr, arguments)
    arguments, share = _without_share(typer, function, arguments)
    if not _takes(scope, function, expr, arguments) or not _complete(scope, expr, share):
        return unclear(expr.span)
    errors = scope.names.findings.error_count
    sample, feed = _sample(typer, function, arguments[0]) if arguments else (None, None)
    window = _span(typer, expr.window) if expr.window is not None else None
    if scope.names.findings.error_count > errors or (window is None and expr.window is not None):
        return unclear(expr.span)
    if sample is not None and window_height(sample, scope.local) > 0:
        advice = "take one of the two away: only `streak` may hold a window"
        scope.names.findings.add(NESTED_WINDOW.at(expr.span, "windows inside one another", help=advice))
        return unclear(expr.span)
    its_type = _result_type(name, sample, fed=feed is not None)
    return program.Aggregate(expr.span, its_type, name, sample, window, feed, share)


def _takes(
    scope: Scope, function: AggregateFunction, expr: syntax.Call, arguments: tuple[syntax.Expr, ...]
) -> bool:
    least = 0 if function.name == "count" else 1
    if least <= len(arguments) <= 1:
        return True
    message = f"`{function.name}` takes one value over a window, not {len(arguments)}"
    advice = f"write it as `{function.example}`"
    scope.names.findings.add(MISUSED_FUNCTION.at(expr.span, message, help=advice))
    return False


def _complete(scope: Scope, expr: syntax.Call, share: float | None) -> bool:
    """Whether a `quantile` has its share and an `ewma` its time; a finding says so where it is not."""
    name = expr.function.text
    if name == "quantile" and share is None:
        message = "`quantile` needs a share, such as 95%"
    elif name == "ewma" and not isinstance(expr.window, syntax.Over):
        message = "`ewma` weighs samples by their age and needs a length of time"
    else:
        return True
    advice = f"write it as `{AGGREGATES[name].example}`"
    scope.names.findings.add(MISUSED_FUNCTION.at(expr.span, message, help=advice))
    return False


def _without_share(
    typer: Typer, function: AggregateFunction, arguments: tuple[syntax.Expr, ...]
) -> tuple[tuple[syntax.Expr, ...], float | None]:
    """The arguments of `quantile` without its share, and the share."""
    if function.name != "quantile" or len(arguments) != 2:
        return arguments, None
    share = typer.of(arguments[1])
    if isinstance(share, program.Const) and isinstance(share.value, int | float) and 0 <= share.value <= 1:
        return arguments[:1], float(share.value)
    message, advice = "the share is a constant between 0% and 100%", f"write it as `{function.example}`"
    typer.scope.names.findings.add(MISUSED_FUNCTION.at(arguments[1].span, message, help=advice))
    return arguments[:1], None


def _sample(
    typer: Typer, function: AggregateFunction, argument: syntax.Expr
) -> tuple[program.Expr | None, program.Feed | None]:
    scope, feed = typer.scope, None
    if isinstance(argument, syntax.OfEvent):
        sample, feed = _fed_sample(typer, function, argument)
    else:
        sample = typer.of(argument)
    if sample is None:
        return None, feed
    base = sample.type.base
    if function.name == "count" and base is Base.BOOL:
        message = "`count` counts every event where this is known, true or false alike"
        advice = "put the condition into the trigger, `EVENT[condition]`, or use `streak`"
        scope.names.findings.add(MISUSED_FUNCTION.at(sample.span, message, help=advice))
    if function.samples == "number" and base not in (Base.INT, Base.FLOAT, Base.DURATION, Base.ANY):
        message = f"`{function.name}` needs numbers, this is {described(sample.type)}"
        advice = 'use `match` to give it a number, as in match x { "a": 1, else: 0 }'
        scope.names.findings.add(WRONG_TYPE.at(sample.span, message, help=advice))
    return sample, feed


def _fed_sample(
    typer: Typer, function: AggregateFunction, argument: syntax.OfEvent
) -> tuple[program.Expr | None, program.Feed | None]:
    scope = typer.scope
    event = scope.names.event(argument.event, "event heard")
    if event is None:
        return None, None
    inner = typer.within(scope.of_event(event, "a filter looks at one event alone; remove it"))
    condition = _filter(inner, argument.filter)
    _check_join(scope, argument.event, event)
    feed = program.Feed(event.name, condition)
    if argument.path:
        path = syntax.Path(argument.path[0].span.to(argument.path[-1].span), argument.path)
        first = argument.path[0]
        if first.text not in fields_of([event]):
            known = {spelling for decl in event.fields.values() for spelling in decl.spellings}
            advice = did_you_mean(first.text, known)
            message = f"`{event.name}` has no field `{first.text}`"
            scope.names.findings.add(UNKNOWN_FIELD.at(first.span, message, help=advice))
            return None, None
        fields_only = Scope(names=scope.names, fields=inner.scope.fields, where=inner.scope.where)
        return _field_alone(typer, fields_only, path), feed
    if function.name == "count":
        return None, feed
    message = f"`{function.name}` needs a field of `{event.name}`"
    field = next(iter(event.fields), "field")
    advice = f"write `{function.name}({event.name}.{field} over 1h)`"
    scope.names.findings.add(MISUSED_FUNCTION.at(argument.span, message, help=advice))
    return None, None


def _field_alone(typer: Typer, scope: Scope, path: syntax.Path) -> program.Expr:
    """A field behind the name of its event: no constant or knob of that name can be meant."""
    first = path.parts[0]
    assert scope.fields is not None
    entry = scope.fields[first.text]
    head: program.Expr = program.FieldRead(first.span, entry.type, entry.name)
    for part in path.parts[1:]:
        if head.type.base not in (Base.MAP, Base.ANY):
            message = f"this is {described(head.type)} and has no `.{part.text}`"
            advice = f"remove `.{part.text}`; only a map has members"
            typer.scope.names.findings.add(WRONG_TYPE.at(part.span, message, help=advice))
            return unclear(path.span)
        head = program.Member(head.span.to(part.span), ANY, head, part.text)
    return head


def _filter(inner: Typer, filter: syntax.Expr | None) -> program.Expr | None:
    if filter is None:
        return None
    typed = inner.of(filter)
    if typed.type.base not in (Base.BOOL, Base.ANY):
        inner.scope.names.findings.add(not_a_condition(typed))
    return typed


def _check_join(scope: Scope, name: syntax.Name, event: program.EventDecl) -> None:
    """Another event is joined on the loop's key, so it must have those fields."""
    known = {spelling for decl in event.fields.values() for spelling in decl.spellings}
    for key in scope.per or ():
        if key not in known:
            message = f"`{event.name}` has no field `{key}`, by which the loop would find its own"
            near = nearest(key, known)
            advice = f"use an event with `{key}`, or a loop without `per`"
            if near is not None:
                advice = f"where `{event.name}` is declared, give the field this spelling too: `{near}|{key}`"
            scope.names.findings.add(UNKNOWN_FIELD.at(name.span, message, help=advice))


def _span(typer: Typer, window: syntax.Over | syntax.OverLast | syntax.Since) -> program.WindowSpan | None:
    scope = typer.scope
    if isinstance(window, syntax.Over):
        ms = scope.names.duration(window)
        return None if ms is None else program.OverTime(ms)
    if isinstance(window, syntax.OverLast):
        if 1 <= window.count <= MOST_SAMPLES:
            return program.OverLast(window.count)
        message = f"a window holds 1 to {MOST_SAMPLES} samples, not {window.count}"
        scope.names.findings.add(BAD_COUNT.at(window.span, message, help="write a number in that range"))
        return None
    if window.what == "cleared" and not scope.latched:
        message, advice = (
            "nothing ever clears here: the loop has no `until`",
            "write `until ...`, or `since fired`",
        )
        scope.names.findings.add(CONTRADICTION.at(window.span, message, help=advice))
        return None
    if not isinstance(window.what, syntax.Name):
        return program.SinceMark(window.what)
    event = scope.names.event(window.what, "event heard")
    if event is None:
        return None
    _check_join(scope, window.what, event)
    inner = typer.within(scope.of_event(event, "a filter looks at one event alone; remove it"))
    return program.SinceEvent(event.name, _filter(inner, window.filter))


def _result_type(name: str, sample: program.Expr | None, *, fed: bool) -> Type:
    if name == "count" or sample is None:
        return INT
    maybe = fed or sample.type.optional
    if name == "distinct":
        return INT.or_unknown(maybe)
    if sample.type.base is Base.ANY or name in ("first", "last", "min", "max"):
        return sample.type.or_unknown(maybe)
    if name == "sum":
        return Type(sample.type.base, optional=maybe)
    maybe = maybe or name == "slope"  # of one sample, or of one moment, there is none
    if sample.type.base is Base.DURATION:
        return DURATION.or_unknown(maybe)
    bounded = name in ("avg", "quantile", "ewma")
    low, high = (sample.type.low, sample.type.high) if bounded else (None, None)
    return Type(FLOAT.base, low=low, high=high, optional=maybe)


def _text(scope: Scope, expr: syntax.Expr) -> str:
    source = scope.names.sources.get(expr.span.path)
    return source.text[expr.span.start : expr.span.end] if source else "a"
