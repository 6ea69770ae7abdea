"""Models as files: what was trained, what was promoted, what serves now."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from rules_engine.demo.network import Network

_KEPT = 20


@dataclass
class Checkpoint:
    """A model on disk. `elo` is its rating when it was last measured."""

    model_id: str
    path: Path
    elo: float


class Checkpoints:
    """The models of one configuration, in a folder of their own.

    `serving.npz` is a copy of the model that self-play uses; every promoted model stays beside it, so
    that going back is to copy a file.
    """

    def __init__(self, folder: Path, config_key: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config_key = config_key
        self.promoted: list[Checkpoint] = []  #: oldest first; the last one serves

    @property
    def serving(self) -> Checkpoint:
        """The promoted model in use."""
        return self.promoted[-1]

    @property
    def serving_path(self) -> Path:
        """The file that self-play loads."""
        return self.folder / "serving.npz"

    def save(self, network: Network, generation: int) -> Checkpoint:
        """Write a candidate; it has no rating yet."""
        model_id = f"{self.config_key}_g{generation:03d}"
        path = self.folder / f"{model_id}.npz"
        network.save(path)
        return Checkpoint(model_id, path, 0.0)

    def promote(self, checkpoint: Checkpoint) -> None:
        """Let a saved model serve. Of the models before it the last 20 are kept."""
        self._serve(checkpoint)
        self.promoted.append(checkpoint)
        while len(self.promoted) > _KEPT:
            self.drop(self.promoted.pop(0))

    @property
    def best(self) -> Checkpoint:
        """The promoted model with the highest rating, the latest of equals."""
        return max(reversed(self.promoted), key=lambda checkpoint: checkpoint.elo)

    def roll_back(self) -> list[Checkpoint]:
        """Let the best promoted model serve again.

        Returns those withdrawn, latest first: none when the best one serves already. Their files stay
        on disk, to be looked at.
        """
        best = self.best
        withdrawn = []
        while self.serving is not best:
            withdrawn.append(self.promoted.pop())
        if withdrawn:
            self._serve(best)
        return withdrawn

    def drop(self, checkpoint: Checkpoint) -> None:
        """Delete a model that is not needed any more."""
        checkpoint.path.unlink(missing_ok=True)

    def _serve(self, checkpoint: Checkpoint) -> None:
        partial = self.folder / "serving.partial"
        shutil.copyfile(checkpoint.path, partial)
        partial.replace(self.serving_path)
