"""What the generated payload models share: the values of the language's types, and how fields are filled."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Strict, model_validator

from rules_engine.engine.values import text_of


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = Annotated[str, Strict()]
Number = Annotated[float, Strict()]
Truth = Annotated[bool, Strict()]
Items = list[Any]
Entries = dict[str, Any]
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
        for name, spellings in cls._spellings():
            present = [spelling for spelling in spellings if spelling in given]
            values = [given.pop(spelling) for spelling in present]
            if values:
                given[name] = values[0]
        for name, template in cls.derivations.items():
            if name not in given:
                try:
                    given[name] = template.format_map({key: text_of(value) for key, value in given.items()})
                except KeyError:
                    continue
        return given

    @classmethod
    def _spellings(cls) -> list[tuple[str, list[str]]]:
        """Each field that goes by several names: its declared name, and all of them."""
        aliases = (field.validation_alias for field in cls.model_fields.values())
        listed = [
            [choice for choice in alias.choices if isinstance(choice, str)]
            for alias in aliases
            if isinstance(alias, AliasChoices)
        ]
        return [(spellings[0], spellings) for spellings in listed]


class OpenPayload(Payload):
    """The payload of an event whose producers may send more than it declares."""

    model_config = ConfigDict(extra="allow")
