"""Who performs the actions: asked only when handlers are given, because they need not live here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from rules_engine.checks.activations import all_effects, target
from rules_engine.language import program
from rules_engine.language.diagnostics import Code, Diagnostic, Severity
from rules_engine.language.source import Span

NO_HANDLER = Code(
    "RE704", "no-handler", Severity.WARNING, "An action that none of the given handlers performs."
)
UNFIT_HANDLER = Code(
    "RE705", "unfit-handler", Severity.ERROR, "A handler cannot be called with what its action declares."
)

#: Why a handler cannot take parameters of these names; None if it can.
Mismatch = Callable[[Collection[str]], str | None]


def handler_findings(rules: program.Program, handlers: Mapping[str, Mismatch]) -> list[Diagnostic]:
    """Actions that loops do or knobs drive without a handler, and handlers that do not fit their action."""
    return [*_unperformed(rules, handlers), *_unfit(rules, handlers)]


def unperformed(rules: program.Program, handlers: Collection[str]) -> list[str]:
    """The actions that loops do or knobs drive and none of these handlers performs, in order of name."""
    return sorted({name for name, _ in _asked_for(rules)} - set(handlers))


def _unperformed(rules: program.Program, handlers: Mapping[str, Mismatch]) -> Iterator[Diagnostic]:
    for name, span in _asked_for(rules):
        if name not in handlers:
            advice = f'mark a function with `@action("{name}")`, or give the module that has it'
            yield NO_HANDLER.at(span, f"none of the given handlers performs `{name}`", help=advice)


def _asked_for(rules: program.Program) -> Iterator[tuple[str, Span]]:
    for loop in rules.loops:
        for effect in all_effects(loop):
            if isinstance(effect, program.DoEffect):
                yield effect.action.name, target(effect)
    for knob in rules.knobs.values():
        if knob.drives is not None:
            yield knob.drives, knob.span


def _unfit(rules: program.Program, handlers: Mapping[str, Mismatch]) -> Iterator[Diagnostic]:
    for name, mismatch in sorted(handlers.items()):
        action = rules.actions.get(name)
        problem = mismatch(tuple(action.parameters)) if action is not None else None
        if action is not None and problem is not None:
            yield UNFIT_HANDLER.at(action.span, problem, help="give both the same parameters")
