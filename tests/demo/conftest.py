"""A pipeline of seconds, with everything it tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rules_engine.demo.controls import DEFAULTS
from rules_engine.demo.pipeline import Pipeline
from rules_engine.demo.settings import RunSettings


class Rig:
    """A small pipeline; `told` holds its events, `knobs` what it reads."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.knobs: dict[tuple[str, str], float] = {}
        given = {"configs": ("hex4_2p",), "games_per_round": 160, "openings": 60, "rounds": 12}
        self.settings = RunSettings(folder, **{**given, **changes})
        self.pipeline = Pipeline(
            self.settings,
            lambda event, payload: self.told.append((event, payload)),
            lambda knob, key: self.knobs.get((knob, key), DEFAULTS[knob]),
        )

    def rounds(self, count: int) -> None:
        """Run some rounds."""
        for _ in range(count):
            self.pipeline.run_round()

    def payloads(self, event: str) -> list[dict[str, Any]]:
        """What was told under this name."""
        return [payload for name, payload in self.told if name == event]


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Rig]:
    """Makes rigs: `rig(fault="regression", rounds=4)`."""
    return lambda **changes: Rig(tmp_path_factory.mktemp("rig"), **changes)
