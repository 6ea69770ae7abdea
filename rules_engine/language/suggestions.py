"""What an undeclared event or action would have to look like, guessed from how it is used."""

from __future__ import annotations

from dataclasses import replace

from rules_engine.language import syntax
from rules_engine.language.names import Findings
from rules_engine.language.scope import Typer
from rules_engine.language.types import Base


def fields_as_given(typer: Typer, effect: syntax.Emit) -> str:
    """The fields that an undeclared event would need; empty where it is declared."""
    if effect.event.text in typer.scope.names.events:
        return ""
    given = ((part.name.text, part.value or syntax.Path(part.span, (part.name,))) for part in effect.payload)
    return ", ".join(f"{name}: {_type_of(typer, value)}" for name, value in given)


def parameters_as_given(typer: Typer, effect: syntax.Do) -> str:
    """The parameters that an undeclared action would need; empty where it is declared."""
    if effect.action.text in typer.scope.names.actions:
        return ""
    shown = []
    for position, argument in enumerate(effect.arguments, 1):
        value = argument.value
        own = value.parts[-1].text if isinstance(value, syntax.Path) else f"value{position}"
        shown.append(f"{argument.name.text if argument.name else own}: {_type_of(typer, value)}")
    return ", ".join(shown)


def _type_of(typer: Typer, value: syntax.Expr) -> str:
    """The plain type of a value; whatever is wrong with it is told elsewhere."""
    names = replace(typer.scope.names, findings=Findings(), mentions={})
    quiet = replace(typer.scope, names=names, complained=set())
    its_type = typer.within(quiet).of(value, text=True).type
    return "str" if its_type.base is Base.ANY else str(its_type.base)
