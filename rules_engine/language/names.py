"""Names and what they stand for: the tables of all declarations, and how a name is looked up in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from rules_engine.language import program, syntax
from rules_engine.language.catalog import LONGEST_MS, did_you_mean, listed
from rules_engine.language.diagnostics import Code, Diagnostic, Severity
from rules_engine.language.source import Source, Span
from rules_engine.language.types import Base, Type

UNKNOWN_EVENT = Code("RE101", "unknown-event", Severity.ERROR, "No event of this name is declared.")
UNKNOWN_NAME = Code("RE103", "unknown-name", Severity.ERROR, "Nothing of this name can be read here.")
UNKNOWN_KNOB = Code("RE104", "unknown-knob", Severity.ERROR, "No knob of this name is declared.")
UNKNOWN_ACTION = Code("RE105", "unknown-action", Severity.ERROR, "No action of this name is declared.")
UNKNOWN_TYPE = Code("RE107", "unknown-type", Severity.ERROR, "There is no type of this name.")
BAD_DURATION = Code(
    "RE215", "bad-duration", Severity.ERROR, "A length of time must be above zero and at most ten years."
)
TOO_LARGE = Code("RE223", "too-large", Severity.ERROR, "A value is made of too many others.")
BAD_COUNT = Code("RE214", "bad-count", Severity.ERROR, "A number of times must be whole and above zero.")
DUPLICATE_CLAUSE = Code(
    "RE112", "duplicate-clause", Severity.ERROR, "A part that may stand once stands twice."
)
NOT_A_DURATION = Code("RE202", "wrong-unit", Severity.ERROR, "Durations and plain numbers do not mix.")


class Findings:
    """What has been found so far, in the order found."""

    def __init__(self) -> None:
        self.all: list[Diagnostic] = []
        self.error_count = 0

    def add(self, finding: Diagnostic) -> None:
        """Take a finding down."""
        self.all.append(finding)
        self.error_count += finding.severity is Severity.ERROR

    def extend(self, findings: Iterable[Diagnostic]) -> None:
        """Take several down."""
        for finding in findings:
            self.add(finding)


@dataclass
class Names:
    """The declarations of a rule set by name, while it is being checked.

    `broken` holds (kind, name) of declarations with a mistake of their own, with an empty name where that
    is lost too: reading one gives no further finding, but what reads it cannot be trusted.
    `mentions` collects the uses (see `Program.mentions`). `resolve_let` settles a `let` on first use,
    None where it is broken.
    """

    findings: Findings
    sources: Mapping[str, Source]
    types: dict[str, Type] = field(default_factory=dict)
    events: dict[str, program.EventDecl] = field(default_factory=dict)
    event_aliases: dict[str, str] = field(default_factory=dict)
    actions: dict[str, program.ActionDecl] = field(default_factory=dict)
    knobs: dict[str, program.Knob] = field(default_factory=dict)
    lets: dict[str, syntax.LetItem] = field(default_factory=dict)
    broken: set[tuple[str, str]] = field(default_factory=set)
    places: dict[tuple[str, str], Span] = field(default_factory=dict)
    mentions: dict[str, set[str]] = field(default_factory=dict)
    resolve_let: Callable[[str], program.Expr | None] = lambda _name: None

    def mention(self, use: str, name: str) -> None:
        """Note that a name is used."""
        self.mentions.setdefault(use, set()).add(name)

    def event(self, name: syntax.Name, use: str = "", holds: str = "...") -> program.EventDecl | None:
        """The event of that or another name; None, with a finding, where there is none.

        `use` is how it is used, for `mentions`; `holds` are its fields as far as they can be guessed.
        """
        found = self.events.get(name.text) or self.events.get(self.event_aliases.get(name.text, ""))
        if found is None and self.lost("event", name.text):
            return None
        if found is None:
            known = [*self.events, *self.event_aliases]
            otherwise = f"declare it: event {name.text} {{ {holds} }}"
            advice = did_you_mean(name.text, known, otherwise)
            self.findings.add(UNKNOWN_EVENT.at(name.span, f"unknown event `{name.text}`", help=advice))
        elif use:
            self.mention(use, found.name)
        return found

    def knob(self, name: syntax.Name, use: str, per: tuple[str, ...] = ()) -> program.Knob | None:
        """The knob of that name; None, with a finding, where there is none. `per` is the loop's key."""
        self.mention(use, name.text)
        found = self.knobs.get(name.text)
        if found is None and not self.lost("knob", name.text):
            if name.text in self.lets:
                advice = f"`{name.text}` is a `let`, which never changes; declare a knob to have it set"
            else:
                key = f" per {', '.join(per)}" if per else ""
                example = f"declare it: knob {name.text}{key} in 0..1 = 1"
                advice = did_you_mean(name.text, self.knobs, example)
            self.findings.add(UNKNOWN_KNOB.at(name.span, f"unknown knob `{name.text}`", help=advice))
        return found

    def action(self, name: syntax.Name, takes: str = "") -> program.ActionDecl | None:
        """The action of that name; None, with a finding, where there is none. `takes`: as it is called."""
        self.mention("action", name.text)
        found = self.actions.get(name.text)
        if found is None and not self.lost("action", name.text):
            advice = did_you_mean(name.text, self.actions, f"declare it: action {name.text}({takes})")
            self.findings.add(UNKNOWN_ACTION.at(name.span, f"unknown action `{name.text}`", help=advice))
        return found

    def is_let(self, name: str) -> bool:
        """Whether a `let` of that name is declared, sound or not."""
        return name in self.lets or ("let", name) in self.broken

    def lost(self, kind: str, name: str) -> bool:
        """Whether it may be declared where a mistake hides it."""
        return (kind, name) in self.broken or (kind, "") in self.broken

    def duration(self, given: syntax.Duration | syntax.Over) -> int | None:
        """A length of time in milliseconds; None, with a finding, where it is not a possible one."""
        value = given.value if isinstance(given, syntax.Duration) else given.ms
        if isinstance(value, syntax.Name):
            settled = self._duration_let(value)
            if settled is None:
                return None
            ms, span = settled, value.span
        else:
            ms, span = value, given.span
        if ms <= 0:
            self.findings.add(
                BAD_DURATION.at(span, "this takes no time at all", help="write one above zero, as 10m")
            )
            return None
        if ms > LONGEST_MS:
            self.findings.add(BAD_DURATION.at(span, "longer than ten years", help="write at most 3650d"))
            return None
        return ms

    def _duration_let(self, name: syntax.Name) -> int | None:
        if not self.is_let(name.text):
            if self.lost("let", name.text):
                return None
            durations = [n for n in self.lets if self._is_duration(n)]
            advice = did_you_mean(
                name.text, durations, f"write a length of time, as 10m, or: let {name.text} = 10m"
            )
            self.findings.add(UNKNOWN_NAME.at(name.span, f"unknown name `{name.text}`", help=advice))
            return None
        self.mention("let", name.text)
        value = self.resolve_let(name.text)
        if value is None:
            return None
        if isinstance(value, program.Const) and value.type.base is Base.DURATION:
            return round(float(value.value) * 1000)
        message = f"`{name.text}` is {described(value.type)}, a length of time is needed here"
        advice = f"write the unit where it is declared: let {name.text} = 10m"
        self.findings.add(NOT_A_DURATION.at(name.span, message, help=advice))
        return None

    def _is_duration(self, name: str) -> bool:
        value = self.lets[name].value
        return isinstance(value, syntax.DurationLiteral)


def described(its_type: Type) -> str:
    """A type as a phrase: `a number`, `a text`, `one of "a" | "b"`."""
    if its_type.words:
        return "one of " + listed(its_type.words, quote='"', most=6)
    return {
        Base.STR: "a text",
        Base.INT: "a number",
        Base.FLOAT: "a number",
        Base.BOOL: "true or false",
        Base.DURATION: "a duration",
        Base.LIST: "a list",
        Base.MAP: "a map",
        Base.ANY: "of any type",
    }[its_type.base]
