"""Settings: what the environment may say, and how."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules_engine.config import DEFAULT_DATABASE, SettingsError, settings


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("level", ["info", "Info", "INFO"])
def test_a_log_level_is_taken_in_any_case(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("RINGRIFT_EVENT_LOG_LEVEL", level)
    assert settings().event_log_level == "INFO"


@pytest.mark.parametrize(
    "name", ["RULES_ENGINE_DB", "RINGRIFT_EVENT_LOG_LEVEL", "RINGRIFT_EVENT_DEDUP_WINDOW_SECS"]
)
def test_a_variable_set_to_nothing_says_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "")
    found = settings()
    assert (found.db, found.event_log_level, found.dedup_window_secs) == (DEFAULT_DATABASE, "INFO", 60.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RINGRIFT_EVENT_LOG_LEVEL", "loud"),
        ("RINGRIFT_EVENT_DEDUP_WINDOW_SECS", "-1"),
        ("COORDINATOR_CROSS_PROCESS_POLL_INTERVAL", "0"),
    ],
)
def test_what_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"(?i){name}.*{value}"):
        settings()


def test_a_flag_is_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rules-engine.toml").write_text('payload_check = "off"\nbatch_rows = 7\n')
    assert (settings().payload_check, settings().batch_rows) == ("off", 7)
    monkeypatch.setenv("RULES_ENGINE_PAYLOAD_CHECK", "strict")
    assert settings().payload_check == "strict"
    assert settings(payload_check="warn").payload_check == "warn"
