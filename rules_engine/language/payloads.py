"""What is given to events and actions: the fields of a payload, the arguments of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rules_engine.language import program, syntax
from rules_engine.language.assignment import misfit
from rules_engine.language.catalog import did_you_mean, listed, nearest
from rules_engine.language.diagnostics import Code, Diagnostic, Related, Severity
from rules_engine.language.operators import percent_fault
from rules_engine.language.reading import UNKNOWN_FIELD
from rules_engine.language.scope import Typer, Unclear
from rules_engine.language.source import Span
from rules_engine.language.traversal import walk
from rules_engine.language.typerefs import DUPLICATE_FIELD
from rules_engine.language.types import Base
from rules_engine.language.unknowns import Knowledge

UNKNOWN_PARAMETER = Code(
    "RE109", "unknown-parameter", Severity.ERROR, "The action has no parameter of this name."
)
UNDECLARED_FIELD = Code(
    "RE122", "undeclared-field", Severity.WARNING, "A field is sent that the event does not declare."
)
MAYBE_UNKNOWN = Code(
    "RE204",
    "maybe-unknown",
    Severity.WARNING,
    "A value may be unknown where one is needed, and then nothing happens.",
)
MISSING_VALUE = Code(
    "RE205", "missing-value", Severity.ERROR, "A field or argument that is needed is not given."
)
EXTRA_ARGUMENT = Code("RE206", "extra-argument", Severity.ERROR, "An action is given more than it takes.")

#: Values by field or parameter, in the order given or declared.
Given = tuple[tuple[str, program.Expr], ...]


@dataclass
class Payloads:
    """Checks what is given. `known` is what must have been true to get there.

    `whole`: all that is needed must be given. Without it, a part of it is being compared.
    """

    typer: Typer
    known: Knowledge
    whole: bool = True

    def fields(
        self, name: syntax.Name, event: program.EventDecl | None, payload: Sequence[syntax.PayloadField]
    ) -> Given:
        """The values of an event's fields, by the fields' own names; without those that have a mistake."""
        spelled: dict[str, program.FieldDecl] = {}
        if event is not None:
            spelled = {spelling: decl for decl in event.fields.values() for spelling in decl.spellings}
        given: dict[str, tuple[Span, program.Expr]] = {}
        for part in payload:
            written = part.value if part.value is not None else syntax.Path(part.name.span, (part.name,))
            decl = spelled.get(part.name.text)
            value = self.typer.of(written, text=True)
            if event is None:
                continue
            if decl is None and part.value is None and isinstance(value, Unclear):
                continue  # the name means nothing here, which is said already
            if decl is None and not self._may_send(event, part.name, spelled):
                continue
            own = decl.name if decl is not None else part.name.text
            if own in given:
                self._twice(part.name, given[own][0])
                continue
            given[own] = part.name.span, value
            if decl is not None:
                self._check_value(value, decl, f"`{name.text}` is not emitted")
        if event is not None:
            missing = [
                decl.name
                for decl in event.fields.values()
                if not decl.type.optional and decl.derived is None and decl.name not in given
            ]
            unknown = [part.name.text for part in payload if part.name.text not in spelled]
            self._missing(name, event.span, missing, unknown)
        return tuple((own, value) for own, (_, value) in given.items())

    def arguments(
        self, name: syntax.Name, action: program.ActionDecl | None, arguments: Sequence[syntax.Argument]
    ) -> Given:
        """The values of an action's parameters, in their order; without those that have a mistake."""
        given: dict[str, tuple[Span, program.Expr]] = {}
        values = [(argument, self.typer.of(argument.value, text=True)) for argument in arguments]
        if action is None:
            return ()
        parameters = list(action.parameters.values())
        named, misplaced = False, 0
        for position, (argument, value) in enumerate(values):
            decl = self._parameter(action, parameters, argument, position, named=named)
            misplaced += decl is None and argument.name is None
            named = named or argument.name is not None
            if decl is None:
                continue
            if decl.name in given:
                self._twice(argument.name or argument, given[decl.name][0])
                continue
            given[decl.name] = argument.span, value
            self._check_value(value, decl, f"`{action.name}` is not done")
        missing = [decl.name for decl in parameters if not decl.type.optional and decl.name not in given]
        # An argument that stands in the wrong place is given all the same.
        missing = missing[misplaced:]
        unknown = [argument.name.text for argument, _ in values if argument.name is not None]
        unknown = [one for one in unknown if all(one not in decl.spellings for decl in parameters)]
        self._missing(name, action.span, missing, unknown)
        return tuple((decl.name, given[decl.name][1]) for decl in parameters if decl.name in given)

    # ---- which field or parameter ------------------------------------------------------------------

    def _may_send(
        self, event: program.EventDecl, name: syntax.Name, spelled: Mapping[str, program.FieldDecl]
    ) -> bool:
        related = (Related(event.span, "the event"),)
        if not event.open:
            advice = did_you_mean(
                name.text, spelled, f"it has {listed(sorted(spelled))}" if spelled else "it has none"
            )
            message = f"`{event.name}` has no field `{name.text}`"
            self._add(UNKNOWN_FIELD.at(name.span, message, help=advice, related=related))
            return False
        near = nearest(name.text, spelled)
        if near is not None:
            message = f"`{event.name}` declares no field `{name.text}`, and no loop can read it"
            advice = f"did you mean `{near}`?"
            self._add(UNDECLARED_FIELD.at(name.span, message, help=advice, related=related))
        return True

    def _parameter(
        self,
        action: program.ActionDecl,
        parameters: list[program.FieldDecl],
        argument: syntax.Argument,
        position: int,
        *,
        named: bool,
    ) -> program.FieldDecl | None:
        related = (Related(action.span, "the action"),)
        if argument.name is not None:
            for decl in parameters:
                if argument.name.text in decl.spellings:
                    return decl
            known = [decl.name for decl in parameters]
            advice = did_you_mean(argument.name.text, known, "it takes no arguments" if not known else "")
            message = f"`{action.name}` has no parameter `{argument.name.text}`"
            self._add(UNKNOWN_PARAMETER.at(argument.name.span, message, help=advice, related=related))
            return None
        if named:
            message, advice = "an argument by position stands behind one by name", "put it first, or name it"
            self._add(EXTRA_ARGUMENT.at(argument.span, message, help=advice, related=related))
            return None
        if position >= len(parameters):
            takes = listed(decl.name for decl in parameters) or "nothing"
            message = (
                f"`{action.name}` takes {len(parameters) or 'no'} argument{'s' * (len(parameters) != 1)}"
            )
            advice = f"it takes {takes}"
            self._add(EXTRA_ARGUMENT.at(argument.span, message, help=advice, related=related))
            return None
        return parameters[position]

    # ---- values ------------------------------------------------------------------------------------

    def _check_value(self, value: program.Expr, decl: program.FieldDecl, otherwise: str) -> None:
        found = misfit(value, decl.type, f"`{decl.name}`", self.known.locals)
        if found is not None:
            self._add(found)
            return
        if odd := percent_fault(value, program.Expr(value.span, decl.type)):
            self._add(odd)
        if not decl.type.optional:
            self.check_known(value, otherwise)

    def check_known(self, value: program.Expr, otherwise: str) -> None:
        """A value that may be unknown where one is needed; `otherwise` tells what happens then."""
        if isinstance(value, Unclear):
            return
        doubt = self.known.doubt(value)
        if doubt is None:
            return
        text = _source_text(self.typer, doubt.span)
        example = '"..."' if doubt.type.base is Base.STR else "0"
        advice = f"give a default: `{text} ?? {example}`, or make it happen only `if {text} is known`"
        if _decides_a_match(value, doubt):
            advice = f"add an arm `unknown: ...` to the `match`, or make it happen only `if {text} is known`"
        self._add(MAYBE_UNKNOWN.at(doubt.span, f"`{text}` may be unknown, and then {otherwise}", help=advice))

    def _missing(self, name: syntax.Name, declared: Span, missing: list[str], unknown: list[str]) -> None:
        """What is needed and not given; a name that is told to be unknown may have meant one of them."""
        if not self.whole:
            return
        for wrong in unknown:
            meant = missing[0] if len(missing) == len(unknown) == 1 else nearest(wrong, missing)
            missing = [one for one in missing if one != meant]
        if not missing:
            return
        scope = self.typer.scope
        shown = listed(missing)
        at_hand = [one for one in missing if scope.fields and one in scope.fields]
        advice = (
            f"add {', '.join(missing)}"
            if at_hand == missing
            else f"add {', '.join(f'{m}: ...' for m in missing)}"
        )
        related = (Related(declared, "declared here"),)
        self._add(MISSING_VALUE.at(name.span, f"`{name.text}` needs {shown}", help=advice, related=related))

    def _twice(self, node: syntax.Node, first: Span) -> None:
        related = (Related(first, "the first one"),)
        advice = "remove one of the two"
        self._add(DUPLICATE_FIELD.at(node.span, "this is given twice", help=advice, related=related))

    def _add(self, finding: Diagnostic) -> None:
        self.typer.scope.names.findings.add(finding)


def _decides_a_match(value: program.Expr, doubt: program.Expr) -> bool:
    """Whether what is in doubt is asked by a `match`, for which `else` is not enough (L38)."""
    for part in walk(value):
        if isinstance(part, program.Match):
            asked = [part.subject, *(arm.test for arm in part.arms)]
            tests = [test for test in asked if isinstance(test, program.Expr)]
            if any(inner is doubt for test in tests for inner in walk(test)):
                return True
    return False


def _source_text(typer: Typer, span: Span) -> str:
    source = typer.scope.names.sources.get(span.path)
    return " ".join(source.text[span.start : span.end].split()) if source else "it"
