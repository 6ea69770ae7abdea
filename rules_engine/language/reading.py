"""What a name in an expression reads: a field, a local, a constant, a knob, an alias and its fields."""

from __future__ import annotations

from dataclasses import replace

from rules_engine.language import program, syntax
from rules_engine.language.catalog import CLAUSE_WORDS, did_you_mean, listed
from rules_engine.language.diagnostics import Code, Related, Severity
from rules_engine.language.names import UNKNOWN_NAME, described
from rules_engine.language.operators import UNKNOWN_WORD, WRONG_TYPE, did_you_mean_word
from rules_engine.language.scope import FieldEntry, Scope, Typer, unclear
from rules_engine.language.source import Span
from rules_engine.language.types import ANY, MAP, Base

UNKNOWN_FIELD = Code("RE102", "unknown-field", Severity.ERROR, "The event declares no field of this name.")
AMBIGUOUS = Code("RE111", "ambiguous-name", Severity.ERROR, "A name could mean two things.")
NO_KEY = Code("RE120", "wrong-key", Severity.ERROR, "It is not said which key of the knob is meant.")
MISPLACED_WINDOW = Code(
    "RE218", "misplaced-window", Severity.ERROR, "What is remembered over time cannot be asked for here."
)


def meanings(scope: Scope, name: str) -> set[str]:
    """What a name could stand for here: `field`, `local`, `alias`, `knob`, `let`."""
    names = scope.names
    found = set()
    if scope.fields is not None and name in scope.fields:
        found.add("field")
    if name in scope.local_names:
        found.add("local")
    if name in scope.aliases:
        found.add("alias")
    if names.is_let(name):
        found.add("let")
    if name in names.knobs or ("knob", name) in names.broken:
        found.add("knob")
    return found


def path(typer: Typer, expr: syntax.Path) -> program.Expr:
    """`loss`, `a.loss`, `details.code`."""
    scope, first = typer.scope, expr.parts[0]
    found = meanings(scope, first.text)
    if len(found) > 1:
        return _ambiguous(scope, first, found)
    if found == {"alias"}:
        return _of_alias(scope, expr)
    head = _head(scope, first, found)
    return _members(scope, head, expr.parts[1:])


def _head(scope: Scope, name: syntax.Name, found: set[str]) -> program.Expr:
    names = scope.names
    if found == {"field"}:
        assert scope.fields is not None
        return _field(scope, name, scope.fields[name.text], None)
    if found == {"local"}:
        value = scope.local(name.text)
        return program.LocalRead(name.span, value.type, name.text) if value else unclear(name.span)
    if found == {"let"}:
        names.mention("let", name.text)
        constant = names.resolve_let(name.text)
        return replace(constant, span=name.span) if constant else unclear(name.span)
    if found == {"knob"}:
        return _own_knob(scope, name)
    return _unknown(scope, name)


def _field(scope: Scope, name: syntax.Name, entry: FieldEntry, alias: str | None) -> program.Expr:
    if entry.conflict:
        if name.text not in scope.complained:
            scope.complained.add(name.text)
            message = f"`{name.text}` has no one type here: {entry.conflict}"
            advice = f"name the events (`on A as a or B as b`) and write `a.{name.text}`"
            scope.names.findings.add(FIELDS_DIFFER.at(name.span, message, help=advice))
        return unclear(name.span)
    if entry.owners:
        if name.text not in scope.complained:
            scope.complained.add(name.text)
            message = f"`{name.text}` could be that of {' or of '.join(entry.owners)}"
            advice = f"name the event (`{entry.owners[0]} as a`) and write `a.{name.text}`"
            scope.names.findings.add(AMBIGUOUS.at(name.span, message, help=advice))
        return unclear(name.span)
    return program.FieldRead(name.span, entry.type, entry.name, alias)


def _of_alias(scope: Scope, expr: syntax.Path) -> program.Expr:
    alias = expr.parts[0]
    fields = scope.aliases[alias.text]
    if len(expr.parts) == 1:
        message = f"`{alias.text}` is a whole event, a value is needed"
        advice = f"write `{alias.text}.field`, or `{alias.text} is known`"
        scope.names.findings.add(WRONG_TYPE.at(alias.span, message, help=advice))
        return unclear(expr.span)
    name = expr.parts[1]
    entry = fields.get(name.text)
    if entry is None:
        if not scope.any_field:
            advice = did_you_mean(name.text, fields)
            found = UNKNOWN_FIELD.at(name.span, f"`{alias.text}` has no field `{name.text}`", help=advice)
            scope.names.findings.add(found)
        return unclear(expr.span)
    head = _field(scope, name, entry, alias.text)
    if scope.several:
        head = replace(head, type=head.type.or_unknown())
    return _members(scope, replace(head, span=alias.span.to(name.span)), expr.parts[2:])


def _members(scope: Scope, head: program.Expr, parts: tuple[syntax.Name, ...]) -> program.Expr:
    for part in parts:
        if head.type.base not in (Base.MAP, Base.ANY):
            message = f"this is {described(head.type)} and has no `.{part.text}`"
            found = WRONG_TYPE.at(part.span, message, help=f"remove `.{part.text}`; only a map has members")
            scope.names.findings.add(found)
            return unclear(part.span)
        head = program.Member(head.span.to(part.span), ANY, head, part.text)
    return head


def _ambiguous(scope: Scope, name: syntax.Name, found: set[str]) -> program.Expr:
    if name.text not in scope.complained:
        scope.complained.add(name.text)
        kinds = {
            "field": f"the field of {scope.where}",
            "local": "the `with`",
            "alias": "the event behind `as`",
            "let": "the `let`",
            "knob": "the knob",
        }
        both = " or ".join(kinds[kind] for kind in kinds if kind in found)
        other = next(kind for kind in ("local", "let", "alias", "knob") if kind in found)
        advice = f"give {kinds[other]} another name"
        if "field" in found:
            advice += f", or name the event (`on EVENT as e`) and write `e.{name.text}` for the field"
        places = scope.names.places
        related = tuple(
            Related(places[(kind, name.text)], f"the {kind}")
            for kind in ("let", "knob")
            if kind in found and (kind, name.text) in places
        )
        scope.names.findings.add(
            AMBIGUOUS.at(name.span, f"`{name.text}` could be {both}", help=advice, related=related)
        )
        for kind in found & {"let"}:
            scope.names.mention(kind, name.text)
        if "knob" in found:
            scope.names.mention("knob read", name.text)
    return unclear(name.span)


def _unknown(scope: Scope, name: syntax.Name) -> program.Expr:
    lost = any(scope.names.lost(kind, name.text) for kind in ("let", "knob"))
    if scope.any_field or lost:
        return unclear(name.span)
    otherwise = ""
    if scope.fields:
        otherwise = f"{scope.where} has {listed(sorted(scope.fields))}"
    elif scope.fields is None:
        otherwise = "only constants (`let`) can be read here"
    advice = did_you_mean(name.text, [*scope.readable(), "true", "false"], otherwise)
    if name.text == "null":
        advice = "to ask whether a value is there, write `x is known` or `x is unknown`"
    message = f"unknown name `{name.text}`"
    if name.text in CLAUSE_WORDS:
        message = f"an expression is missing before `{name.text}`"
        advice = f"complete it; nothing here is called `{name.text}`"
    scope.names.findings.add(UNKNOWN_NAME.at(name.span, message, help=advice))
    return unclear(name.span)


def _own_knob(scope: Scope, name: syntax.Name) -> program.Expr:
    names = scope.names
    names.mention("knob read", name.text)
    knob = names.knobs.get(name.text)
    if knob is None:
        return unclear(name.span)
    if scope.no_knobs:
        message = f"the knob `{name.text}` cannot be read here"
        names.findings.add(UNKNOWN_NAME.at(name.span, message, help=scope.no_knobs))
        return unclear(name.span)
    key = own_key(scope, knob, name)
    return unclear(name.span) if key is None else program.KnobRead(name.span, knob.type, knob, key)


def own_key(scope: Scope, knob: program.Knob, name: syntax.Name) -> tuple[program.Expr, ...] | None:
    """The loop's own key of a knob, empty if that is all of it; None, with a finding, if there is none."""
    if scope.per is None or knob.per == scope.per or not knob.per:
        return ()
    fields = scope.fields or {}
    # A loop's key is by the fields' own names; a knob's may be by another spelling of them.
    missing = [key for key in knob.per if (fields[key].name if key in fields else key) not in scope.per]
    if not missing:
        return tuple(
            program.FieldRead(name.span, fields[key].type, fields[key].name)
            if key in fields
            else unclear(name.span)
            for key in knob.per
        )
    at_hand = [key for key in missing if key in fields]
    if len(knob.per) == 1:
        which = f"`{name.text}[{missing[0]}]`" if at_hand else f'`{name.text}["..."]`'
        advice = f"write `per {', '.join(knob.per)}` in the loop, or {which}, or `{name.text}[*]` for all"
    else:
        advice = f"write `per {', '.join(knob.per)}` in the loop, or `{name.text}[*]` for all"
    message = f"`{name.text}` is kept per {listed(knob.per)}, and this loop is not"
    scope.names.findings.add(
        NO_KEY.at(name.span, message, help=advice, related=(Related(knob.span, "the knob"),))
    )
    return None


def knob_at(typer: Typer, expr: syntax.KnobAt) -> program.Expr:
    """`exploration["hex8_2p"]`, `curriculum_weight[*]`."""
    scope = typer.scope
    names = scope.names
    knob = names.knob(expr.knob, "knob read", scope.per or ())
    if scope.no_knobs and knob is not None:
        message = f"the knob `{expr.knob.text}` cannot be read here"
        names.findings.add(UNKNOWN_NAME.at(expr.knob.span, message, help=scope.no_knobs))
        knob = None
    key = written_key(typer, knob, expr.key, expr.span)
    if knob is None or key is None:
        return unclear(expr.span)
    if expr.key is None:
        return program.KnobRead(expr.span, MAP, knob, (), all_keys=True)
    return program.KnobRead(expr.span, knob.type.or_unknown(key[0].type.optional), knob, key)


def written_key(
    typer: Typer, knob: program.Knob | None, key: syntax.Expr | None, span: Span
) -> tuple[program.Expr, ...] | None:
    """The key in brackets, empty for `[*]`; None where it does not fit the knob."""
    typed = typer.of(key) if key is not None else None
    if knob is None:
        return None
    findings, related = typer.scope.names.findings, (Related(knob.span, "the knob"),)
    if not knob.per:
        message, advice = f"`{knob.name}` has one value, without a key", f"write `{knob.name}` alone"
        findings.add(NO_KEY.at(span, message, help=advice, related=related))
        return None
    if typed is None:
        return ()
    if len(knob.per) > 1:
        message = f"`{knob.name}` is kept per {listed(knob.per)}: one key does not name a value"
        advice = f"write `{knob.name}` in a loop with `per {', '.join(knob.per)}`"
        findings.add(NO_KEY.at(typed.span, message, help=advice, related=related))
        return None
    part = key_part(typer, knob, typed, knob.key_words[0])
    return None if part is None else (part,)


def key_part(
    typer: Typer, knob: program.Knob, typed: program.Expr, words: tuple[str, ...] | None
) -> program.Expr | None:
    """One part of a knob's key; `words` are those it may be. None where it does not fit."""
    findings = typer.scope.names.findings
    if typed.type.base not in (Base.STR, Base.INT, Base.BOOL, Base.ANY):
        message = f"a key is a text or a whole number, this is {described(typed.type)}"
        findings.add(WRONG_TYPE.at(typed.span, message, help="use a field that names the thing"))
        return None
    if words and isinstance(typed, program.Const) and typed.value not in words:
        advice = did_you_mean_word(str(typed.value), words)
        message = f'`{knob.name}` has no key "{typed.value}"'
        related = (Related(knob.span, "the knob"),)
        findings.add(UNKNOWN_WORD.at(typed.span, message, help=advice, related=related))
        return None
    return typed


def event_outside_window(typer: Typer, expr: syntax.OfEvent) -> program.Expr:
    """`ELO_UPDATED.new_elo` where no window is around it."""
    event = typer.scope.names.event(expr.event, "event heard")
    if event is not None:
        path = ".".join(part.text for part in expr.path)
        message = f"`{expr.event.text}` is another event: which of them is meant?"
        if path:
            advice = f"write `last({expr.event.text}.{path} over 1h)`"
        else:
            advice = f"write `count({expr.event.text} over 1h)`"
        typer.scope.names.findings.add(MISPLACED_WINDOW.at(expr.span, message, help=advice))
    return unclear(expr.span)


FIELDS_DIFFER = Code(
    "RE217", "fields-differ", Severity.ERROR, "Events heard together give one field different types."
)
