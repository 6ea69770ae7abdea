"""What the generated payload models share: the values of the language's types, and how fields are filled."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Strict, model_validator


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = Annotated[str, Strict()]
Number = Annotated[float, Strict()]
Truth = Annotated[bool, Strict()]
#: `5.0` is a whole number too, `True` is none.
Whole = Annotated[int, Strict(), BeforeValidator(_whole)]


class Payload(BaseModel):
    """The payload of an event: null is missing, and of several spellings the first present one wins."""

    model_config = ConfigDict(
        extra="forbid", defer_build=True, populate_by_name=True, protected_namespaces=(), frozen=True
    )

    #: Fields made of others when they are absent, as in `{board_type}_{num_players}p`.
    derivations: ClassVar[dict[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        given = {name: value for name, value in data.items() if value is not None}
        for name, template in cls.derivations.items():
            if not any(spelling in given for spelling in _spellings(cls, name)):
                try:
                    given[name] = template.format_map(given)
                except KeyError:
                    continue
        return given


class OpenPayload(Payload):
    """The payload of an event whose producers may send more than it declares."""

    model_config = ConfigDict(extra="allow")


def _spellings(model: type[Payload], name: str) -> set[str]:
    choices = model.model_fields[name].validation_alias
    listed = [] if choices is None else [choices] if isinstance(choices, str) else choices.choices  # type: ignore[union-attr]
    return {name, *(choice for choice in listed if isinstance(choice, str))}
