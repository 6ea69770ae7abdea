"""`match`: types of its arms, and whether it covers everything."""

from __future__ import annotations

from typing import Literal

from rules_engine.language import program, syntax
from rules_engine.language.catalog import listed
from rules_engine.language.conditions import always_one_of
from rules_engine.language.diagnostics import Code, Related, Severity
from rules_engine.language.names import described
from rules_engine.language.operators import WRONG_TYPE, comparison_fault, not_a_condition
from rules_engine.language.scope import Typer, Unclear, joined_type, unclear
from rules_engine.language.source import Span
from rules_engine.language.traversal import walk
from rules_engine.language.types import ANY, Base, Type

NOT_COVERED = Code("RE210", "match-not-covered", Severity.ERROR, "A `match` has no arm for some values.")
UNREACHABLE_ARM = Code("RE211", "unreachable-arm", Severity.WARNING, "An arm of a `match` is never reached.")


def match(typer: Typer, expr: syntax.Match, *, text: bool) -> program.Expr:
    """`match x { "a": 1, else: 2 }`, `match { x > 3: 1, else: 2 }`."""
    findings = typer.scope.names.findings
    subject = typer.of(expr.subject) if expr.subject is not None else None
    arms = []
    its_type: Type | None = None
    for arm in expr.arms:
        test = _test(typer, subject, arm.test)
        value = typer.of(arm.value, text=text)
        if isinstance(value, Unclear):
            value_type: Type | None = ANY
        elif its_type is None or its_type.base is Base.ANY or value.type.base is Base.ANY:
            value_type = value.type
        else:
            value_type = joined_type(its_type, value.type)
        if value_type is None:
            assert its_type is not None
            message = f"this arm gives {described(value.type)}, the arms before it {described(its_type)}"
            findings.add(WRONG_TYPE.at(value.span, message, help="give every arm a value of one type"))
            value_type = ANY
        its_type = value_type if its_type is None or its_type.base is not Base.ANY else its_type
        arms.append(program.MatchArm(test, value))
    _check_reach(typer, expr, arms)
    if not _check_cover(typer, expr, subject, arms):
        return unclear(expr.span)
    maybe = _maybe_unknown(subject, arms)
    return program.Match(expr.span, (its_type or ANY).or_unknown(maybe), subject, tuple(arms))


def _test(
    typer: Typer, subject: program.Expr | None, test: syntax.Expr | str
) -> program.Expr | Literal["else", "unknown"]:
    if isinstance(test, str):
        return "else" if test == "else" else "unknown"
    typed = typer.of(test)
    if subject is None:
        if typed.type.base not in (Base.BOOL, Base.ANY):
            typer.scope.names.findings.add(not_a_condition(typed))
            return unclear(typed.span)
        return typed
    if found := comparison_fault(subject, typed, "=="):
        if found.code is WRONG_TYPE and typed.type.base is Base.BOOL and not isinstance(typed, program.Const):
            advice = "a `match` with a subject compares with values; for conditions write `match { ... }`"
            found = WRONG_TYPE.at(typed.span, found.message, help=advice)
        typer.scope.names.findings.add(found)
        return unclear(typed.span)
    return typed


def _check_reach(typer: Typer, expr: syntax.Match, arms: list[program.MatchArm]) -> None:
    """Arms behind an `else`, and values asked for twice."""
    findings = typer.scope.names.findings
    seen: dict[object, Span] = {}
    otherwise: Span | None = None
    for written, arm in zip(expr.arms, arms, strict=True):
        key: object = None
        if isinstance(arm.test, str):
            key = arm.test
        elif expr.subject is not None and isinstance(arm.test, program.Const):
            key = (arm.test.type.base is Base.BOOL, arm.test.value)
        if otherwise is not None and arm.test != "unknown":
            related = (Related(otherwise, "everything ends here"),)
            advice = "put `else` last"
            findings.add(
                UNREACHABLE_ARM.at(written.span, "an arm behind `else`", help=advice, related=related)
            )
        elif key is not None and key in seen:
            related = (Related(seen[key], "the same one"),)
            advice = "remove one of the two"
            message = "this was asked for before"
            findings.add(UNREACHABLE_ARM.at(written.span, message, help=advice, related=related))
        if arm.test == "else":
            otherwise = otherwise or written.span
        if key is not None:
            seen.setdefault(key, written.span)


def _check_cover(
    typer: Typer, expr: syntax.Match, subject: program.Expr | None, arms: list[program.MatchArm]
) -> bool:
    tests = [arm.test for arm in arms]
    asked = [test for test in tests if isinstance(test, program.Expr)]
    read = [*asked, *([] if subject is None else [subject])]
    if "else" in tests or any(isinstance(part, Unclear) for one in read for part in walk(one)):
        return True
    head = Span(expr.span.path, expr.span.start, expr.span.start + len("match"))
    if subject is None:
        if always_one_of(asked):
            return True
        message, advice = "not every case has an arm", "add `else: ...` as the last arm"
        typer.scope.names.findings.add(NOT_COVERED.at(head, message, help=advice))
        return False
    values = {test.value for test in asked if isinstance(test, program.Const)}
    if subject.type.base is Base.BOOL:
        missing = [word for word, value in (("true", True), ("false", False)) if value not in values]
        if not missing:
            return True
        message, advice = (
            f"nothing is said for {missing[0]}",
            f"add an arm: `{missing[0]}: ...`, or `else: ...`",
        )
    elif subject.type.words:
        words = [word for word in subject.type.words if word not in values]
        if not words:
            return True
        message = f"nothing is said for {listed(words, quote=chr(34), most=4)}"
        advice = f'add an arm: `"{words[0]}": ...`, or `else: ...`'
    else:
        message, advice = "not every value has an arm", "add `else: ...` as the last arm"
    typer.scope.names.findings.add(NOT_COVERED.at(head, message, help=advice))
    return False


def _maybe_unknown(subject: program.Expr | None, arms: list[program.MatchArm]) -> bool:
    values = any(arm.value.type.optional for arm in arms)
    if any(arm.test == "unknown" for arm in arms):
        return values
    tests = [arm.test for arm in arms if isinstance(arm.test, program.Expr)]
    asked = [subject] if subject is not None else tests
    return values or any(test.type.optional for test in asked)
