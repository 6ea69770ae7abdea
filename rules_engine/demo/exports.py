"""Game records on disk: one `.npz` file for what one worker made in one round."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rules_engine.demo.games import Game
from rules_engine.demo.network import Samples
from rules_engine.demo.play import Record, samples_of


@dataclass(frozen=True)
class Export:
    """A written file, the games as played, and the samples in it: repeated games count once.

    `worker` numbers the self-play worker that made it.
    """

    path: Path
    round: int
    worker: int
    record: Record
    samples: Samples


def write(path: Path, game: Game, record: Record, *, round_: int, worker: int) -> Export:
    """Write the games of one worker as training data, each game once.

    Like most exporters it takes the results as the worker reports them: to check them costs a replay
    of every game, which is what the quality monitor does for a sample.
    """
    _, first = np.unique(record.moves, axis=0, return_index=True)
    different = Record(record.moves[np.sort(first)], record.results[np.sort(first)])
    samples = samples_of(game, different)
    with path.open("wb") as file:
        np.savez(
            file,
            moves=different.moves,
            results=different.results,
            boards=samples.boards.astype(np.int8),
            targets=samples.results,
        )
    return Export(path, round_, worker, record, samples)


def read(path: Path) -> tuple[Record, Samples]:
    """What an export holds."""
    with np.load(path) as stored:
        return (
            Record(stored["moves"], stored["results"]),
            Samples(stored["boards"].astype(np.float32), stored["targets"]),
        )


@dataclass
class ReplayWindow:
    """The exports of the last `rounds` rounds, which is what training sees; older files are deleted."""

    rounds: int
    exports: deque[Export] = field(default_factory=deque)

    def add(self, export: Export) -> None:
        """Take a new export in and let go of those too old."""
        self.exports.append(export)
        while self.exports[0].round <= export.round - self.rounds:
            self.exports.popleft().path.unlink(missing_ok=True)

    def discard(self, bad: set[Path]) -> int:
        """Delete the given exports. Returns how many of them were in the window."""
        gone = [export for export in self.exports if export.path in bad]
        for export in gone:
            self.exports.remove(export)
            export.path.unlink(missing_ok=True)
        return len(gone)

    def samples(self) -> Samples | None:
        """Everything in the window; None when it is empty."""
        return Samples.joined([export.samples for export in self.exports]) if self.exports else None
