"""The knobs as the pipeline knows them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

ReadKnob = Callable[[str, str], float]  #: (knob, configuration) to its value now

#: What each knob is when no rule has touched it.
DEFAULTS = {
    "curriculum_weight": 1.0,  #: share of the games of a round, relative to the other configurations
    "priority_penalty": 0.0,  #: is added to that share, 0 or less
    "selfplay_rate": 1.0,  #: factor on the games
    "exploration": 1.0,  #: factor on the temperature, see `SelfplayWorkers.play`
    "learning_rate_scale": 1.0,  #: factor on the learning rate
    "epochs_bonus": 0.0,  #: epochs on top of the usual ones
}


@dataclass
class Controls:
    """The value of each knob for each configuration; safe to use from several threads.

    The daemon tells every change by an action; at the start of a round all are read once more, so that
    a change which has not been told yet counts too.
    """

    configs: tuple[str, ...]
    _values: dict[tuple[str, str], float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, knob: str, config_key: str) -> float:
        """The value now."""
        with self._lock:
            return self._values.get((knob, config_key), DEFAULTS[knob])

    def set(self, knob: str, config_key: str, value: float) -> None:
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
