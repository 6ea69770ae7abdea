"""Knobs: their values, default, limits and what they drive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rules_engine.language import program, syntax
from rules_engine.language.assignment import OUT_OF_RANGE
from rules_engine.language.catalog import did_you_mean, listed
from rules_engine.language.diagnostics import Code, Related, Severity
from rules_engine.language.names import BAD_COUNT, DUPLICATE_CLAUSE, UNKNOWN_TYPE, Names, described
from rules_engine.language.operators import UNKNOWN_WORD, WRONG_TYPE, did_you_mean_word
from rules_engine.language.source import Span
from rules_engine.language.typerefs import BAD_RANGE, DUPLICATE_FIELD, TypeTable
from rules_engine.language.types import Base, Type

AMOUNT_OF_WORDS = Code(
    "RE209", "amount-of-words", Severity.ERROR, "Words cannot be added, multiplied or decayed."
)
DRIVES_MISFIT = Code(
    "RE222", "drives-misfit", Severity.ERROR, "The driven action does not take the knob's key and value."
)

KeyWords = Mapping[str, tuple[str, ...] | None]


def knob_of(
    names: Names, types: TypeTable, item: syntax.KnobItem, key_words: KeyWords
) -> program.Knob | None:
    """The knob of a declaration; None where its values cannot be told. Every mistake is reported."""
    per = _per(names, item)
    its_type = _values(names, types, item)
    options = _Options(names, item, words=bool(its_type and its_type.words))
    if its_type is None:
        return None
    default = _default(names, item, its_type)
    if default is None:
        return None
    knob = program.Knob(
        span=item.name.span,
        name=item.name.text,
        per=per,
        key_words=tuple(key_words.get(key) for key in per),
        type=replace(its_type, ordered=bool(its_type.words)),
        words=its_type.words,
        low=its_type.low if its_type.low is not None else 0.0,
        high=its_type.high if its_type.high is not None else float(max(len(its_type.words) - 1, 0)),
        default=default,
        steps=tuple(options.steps),
        deadband=options.deadband,
        decay_ms=options.decay_ms,
        lag_ms=options.lag_ms,
        drives=options.drives.text if options.drives else None,
    )
    if options.drives is not None:
        action = names.action(options.drives)
        if action is not None:
            _check_drives(names, knob, action, options.drives.span)
    return knob


def _per(names: Names, item: syntax.KnobItem) -> tuple[str, ...]:
    seen: dict[str, Span] = {}
    for name in item.per:
        if name.text in seen:
            related = (Related(seen[name.text], "the first one"),)
            message, advice = f"`{name.text}` stands twice", "remove one of the two"
            names.findings.add(DUPLICATE_FIELD.at(name.span, message, help=advice, related=related))
        seen.setdefault(name.text, name.span)
        if name.text in names.types:
            names.mention("type", name.text)
    return tuple(seen)


def _values(names: Names, types: TypeTable, item: syntax.KnobItem) -> Type | None:
    domain = item.domain
    if isinstance(domain, syntax.NumberRange):
        if not types.check_range(domain):
            return None
        if domain.low == domain.high:
            message, advice = (
                f"`{item.name.text}` can only ever be {domain.low:g}",
                "use `let` for a constant",
            )
            names.findings.add(BAD_RANGE.at(domain.span, message, help=advice))
        return Type(Base.FLOAT, low=float(domain.low), high=float(domain.high))
    if isinstance(domain, syntax.Words):
        return Type(Base.STR, words=types.words(domain))
    names.mention("type", domain.text)
    its_type = names.types.get(domain.text)
    if its_type is None:
        if not names.lost("type", domain.text):
            fit = [name for name, known in names.types.items() if known.words or known.low is not None]
            advice = did_you_mean(domain.text, fit, 'write a range, as 0..1, or words, as "low" | "high"')
            names.findings.add(UNKNOWN_TYPE.at(domain.span, f"unknown type `{domain.text}`", help=advice))
        return None
    if its_type.base is Base.ANY:
        return None
    if not its_type.words and (its_type.low is None or its_type.high is None or not its_type.is_number):
        message = f"a knob needs an end on both sides, `{domain.text}` is {described(its_type)} without"
        advice = 'write a range, as 0..1, or words, as "low" | "high"'
        names.findings.add(BAD_RANGE.at(domain.span, message, help=advice))
        return None
    return its_type.known()


def _default(names: Names, item: syntax.KnobItem, its_type: Type) -> float | str | None:
    value, span = item.default.value, item.default.span
    if its_type.words:
        if isinstance(value, bool) and set(its_type.words) == {"on", "off"}:
            return "on" if value else "off"
        if value in its_type.words:
            return str(value)
        if isinstance(value, str):
            advice = did_you_mean_word(value, its_type.words)
            names.findings.add(
                UNKNOWN_WORD.at(span, f'the default "{value}" is not one of its words', help=advice)
            )
        else:
            advice = f"one of {listed(its_type.words, quote=chr(34))}"
            names.findings.add(
                WRONG_TYPE.at(span, "the default of this knob is one of its words", help=advice)
            )
        return None
    if isinstance(value, bool | str):
        message, advice = (
            "the default of this knob is a number",
            f"write one from {its_type.low:g} to {its_type.high:g}",
        )
        names.findings.add(WRONG_TYPE.at(span, message, help=advice))
        return None
    assert its_type.low is not None
    assert its_type.high is not None
    if not its_type.low <= value <= its_type.high:
        message = f"the default {value:g} lies outside {its_type.low:g}..{its_type.high:g}"
        advice = f"write one from {its_type.low:g} to {its_type.high:g}, or widen the range"
        names.findings.add(OUT_OF_RANGE.at(span, message, help=advice))
    return value


class _Options:
    """The options behind a knob's default."""

    def __init__(self, names: Names, item: syntax.KnobItem, *, words: bool) -> None:
        self.names = names
        self.steps: list[program.StepLimit] = []
        self.deadband = 0.0
        self.decay_ms: int | None = None
        self.lag_ms: int | None = None
        self.drives: syntax.Name | None = None
        seen: dict[object, Span] = {}
        for option in item.options:
            same = (type(option), option.direction) if isinstance(option, syntax.StepOption) else type(option)
            if same in seen:
                related = (Related(seen[same], "the first one"),)
                advice = "keep one of the two"
                names.findings.add(
                    DUPLICATE_CLAUSE.at(option.span, "this is said twice", help=advice, related=related)
                )
                continue
            seen[same] = option.span
            self._take(option, words=words)

    def _take(self, option: syntax.KnobOption, *, words: bool) -> None:
        if words and isinstance(option, syntax.StepOption | syntax.DeadbandOption | syntax.DecayOption):
            word = {
                syntax.StepOption: "step",
                syntax.DeadbandOption: "deadband",
                syntax.DecayOption: "decay",
            }[type(option)]
            message = f"`{word}` needs numbers, the values of this knob are words"
            advice = f"remove `{word}`; use `set ... for d` to have a word end by itself"
            self.names.findings.add(AMOUNT_OF_WORDS.at(option.span, message, help=advice))
            return
        match option:
            case syntax.StepOption():
                ms = self.names.duration(option.per)
                if option.amount <= 0:
                    message, advice = (
                        "a step of nothing lets the knob never move",
                        "write one above zero, or no step",
                    )
                    self.names.findings.add(BAD_COUNT.at(option.span, message, help=advice))
                elif ms is not None:
                    self.steps.append(program.StepLimit(option.direction, float(option.amount), ms))
            case syntax.DeadbandOption():
                self.deadband = float(option.amount)
            case syntax.DecayOption():
                self.decay_ms = self.names.duration(option.half_life)
            case syntax.LagOption():
                self.lag_ms = self.names.duration(option.lag)
            case syntax.DrivesOption():
                self.drives = option.action


def _check_drives(names: Names, knob: program.Knob, action: program.ActionDecl, span: Span) -> None:
    """The action must take the key's fields and the value, by position."""
    related = (Related(action.span, "the action"),)
    parameters = list(action.parameters.values())
    needed = len(knob.per) + 1
    required = sum(not parameter.type.optional for parameter in parameters)
    shape = ", ".join([*knob.per, "value"])
    if not required <= needed <= len(parameters):
        message = f"`{action.name}` takes {len(parameters)} arguments, the knob gives {needed}"
        wanted = ", ".join([*(f"{key}: str" for key in knob.per), f"value: {knob.type}"])
        advice = f"declare it as `action {action.name}({wanted})`"
        names.findings.add(DRIVES_MISFIT.at(span, message, help=advice, related=related))
        return
    value = parameters[len(knob.per)]
    fits = value.type.base is Base.ANY or (
        value.type.is_number if not knob.words else value.type.base is Base.STR
    )
    if fits and knob.words and value.type.words:
        fits = set(knob.words) <= set(value.type.words)
    if fits and not knob.words:
        low, high = value.type.low, value.type.high
        fits = (low is None or low <= knob.low) and (high is None or knob.high <= high)
    if not fits:
        message = f"`{value.name}` of `{action.name}` does not take every value of the knob"
        advice = f"declare `{value.name}: {knob.type}` (the arguments are {shape})"
        names.findings.add(DRIVES_MISFIT.at(span, message, help=advice, related=related))
