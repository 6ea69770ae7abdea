"""Settings: flags over environment over `rules-engine.toml` over defaults.

The environment names are `RULES_ENGINE_<SETTING>` and the three of the event system's specification.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

#: Where the database lies when nobody says otherwise, under the working folder.
DEFAULT_DATABASE = Path(".rules-engine/events.db")


#: In any case, as everybody else's logging takes it.
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
    BeforeValidator(lambda level: level.upper() if isinstance(level, str) else level),
]


class SettingsError(Exception):
    """A setting that cannot be used; the message names it and says what is allowed."""


class Settings(BaseSettings):
    """Everything that can be set. Times are in the unit at the end of the name."""

    model_config = SettingsConfigDict(
        env_prefix="RULES_ENGINE_",
        toml_file="rules-engine.toml",
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        env_ignore_empty=True,  # a variable set to nothing says nothing
    )

    db: Path = DEFAULT_DATABASE
    rules: tuple[Path, ...] = (Path("rules"),)
    durability: Literal["full", "normal"] = "full"

    event_log_level: LogLevel = Field(
        "INFO", validation_alias=AliasChoices("RINGRIFT_EVENT_LOG_LEVEL", "event_log_level")
    )
    dedup_window_secs: float = Field(
        60.0,
        ge=0,
        le=86_400,
        validation_alias=AliasChoices("RINGRIFT_EVENT_DEDUP_WINDOW_SECS", "dedup_window_secs"),
    )
    poll_interval_secs: float = Field(
        5.0,
        gt=0,
        le=3_600,
        validation_alias=AliasChoices("COORDINATOR_CROSS_PROCESS_POLL_INTERVAL", "poll_interval_secs"),
    )
    payload_check: Literal["warn", "strict", "off"] = "warn"
    #: Events that may go unheard, or never come; `*` stands for anything.
    allowed_orphans: tuple[str, ...] = ()
    #: Who must listen to what, for `status` to say who does not.
    expected_listeners: dict[str, tuple[str, ...]] = {}

    batch_rows: int = Field(256, ge=1, le=10_000)
    action_timeout_ms: int = Field(60_000, ge=1)
    action_expiry_ms: int = Field(24 * 3_600_000, ge=1)
    lease_ms: int = Field(10_000, ge=1_000)
    reload_settle_ms: int = Field(50, ge=1)
    max_firings_per_minute: int = Field(600, ge=1)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then the environment, then the file; nothing else is looked at."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def settings(**flags: object) -> Settings:
    """The settings with the given flags on top; a flag that is None was not given.

    Raises `SettingsError` for a value that cannot be used, wherever it came from.
    """
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "a setting"
        raise SettingsError(f"{name}: {first['msg']} (got {first.get('input')!r})") from None
    except ValueError as error:
        raise SettingsError(f"rules-engine.toml cannot be read: {error}") from None
