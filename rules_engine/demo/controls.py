"""The knobs as the pipeline knows them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

Value = float | str  #: a number, or a word of an ordered set
ReadKnob = Callable[[str, str], Value]  #: (knob, configuration) to its value now

#: What each knob is when no rule has touched it.
DEFAULTS: dict[str, Value] = {
    "curriculum_weight": 1.0,  #: share of the games of a round, relative to the other configurations
    "priority_penalty": 0.0,  #: is added to that share, 0 or less
    "selfplay_rate": 1.0,  #: factor on the games
    "exploration": 1.0,  #: factor on the temperature, see `SelfplayWorkers.play`
    "learning_rate_scale": 1.0,  #: factor on the learning rate
    "epochs_bonus": 0.0,  #: epochs on top of the usual ones
    "momentum": 1.0,  #: factor on the games, by how the rating moves
    "games_factor": 1.0,  #: factor on the games of one that has stood still for long
    "search_budget": 1.0,  #: what the temperature is divided by, see `SelfplayScheduler.set_search_budget`
    "intensity": "normal",  #: how much is trained, see `INTENSITIES`
}

#: By how much the epochs of a round are multiplied; without any, training waits for better games.
INTENSITIES = {"paused": 0.0, "reduced": 0.5, "normal": 1.0, "accelerated": 1.25, "hot_path": 1.5}


@dataclass
class Controls:
    """The value of each knob for each configuration; safe to use from several threads.

    The daemon tells every change by an action; at the start of a round all are read once more, so that
    a change which has not been told yet counts too.
    """

    configs: tuple[str, ...]
    _values: dict[tuple[str, str], Value] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, knob: str, config_key: str) -> float:
        """The value now; of a word the factor that it stands for."""
        value = self.value(knob, config_key)
        return INTENSITIES[value] if isinstance(value, str) else value

    def value(self, knob: str, config_key: str) -> Value:
        """The value now, as it was set."""
        with self._lock:
            return self._values.get((knob, config_key), DEFAULTS[knob])

    def set(self, knob: str, config_key: str, value: Value) -> None:
        """Take a new value."""
        with self._lock:
            self._values[knob, config_key] = value

    def read_all(self, read: ReadKnob) -> None:
        """Take every value from the outside."""
        for knob in DEFAULTS:
            for config_key in self.configs:
                self.set(knob, config_key, read(knob, config_key))

    def shares(self) -> dict[str, float]:
        """Each configuration's share of the games of a round; they sum to 1."""
        weights = {key: self.get("curriculum_weight", key) for key in self.configs}
        total = sum(weights.values())
        shares = {
            key: max(0.05, weight / total + self.get("priority_penalty", key))
            for key, weight in weights.items()
        }
        scale = sum(shares.values())
        return {key: share / scale for key, share in shares.items()}
