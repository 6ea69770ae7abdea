"""The self-play workers of one configuration, and what can go wrong with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rules_engine.demo.games import Game
from rules_engine.demo.network import Network
from rules_engine.demo.play import Exploring, Record, play, random_openings


@dataclass
class Worker:
    """One worker. A `corrupt` one reports the wrong winner until it is restarted."""

    number: int
    online: bool = True
    corrupt: bool = False
    quality: float = 1.0  #: of its last audited games

    def restart(self) -> None:
        """Start afresh, with sound memory."""
        self.online, self.corrupt, self.quality = True, False, 1.0


class SelfplayWorkers:
    """All workers of one configuration."""

    def __init__(self, game: Game, workers: int, temperature: float) -> None:
        self.game = game
        self.workers = [Worker(number) for number in range(workers)]
        self.temperature = temperature
        self.varied = True  #: False when the fault `stall` has taken all chance out of the play

    @property
    def online(self) -> list[Worker]:
        """Those that play."""
        return [worker for worker in self.workers if worker.online]

    def throttle(self, factor: float) -> None:
        """Let only this share of the workers play (at least one), the worst ones out first.

        Those that come back are restarted.
        """
        wanted = max(1, round(factor * len(self.workers)))
        ranked = sorted(self.workers, key=lambda worker: (-worker.quality, worker.number))
        for rank, worker in enumerate(ranked):
            if rank >= wanted:
                worker.online = False
            elif not worker.online:
                worker.restart()

    def play(
        self,
        network: Network,
        games: int,
        exploration: float,
        random: np.random.Generator,
        budget: float = 1.0,
    ) -> dict[int, Record]:
        """Play about `games` games against itself. Returns each worker's records.

        `exploration` 1.0 is the trained policy at its usual temperature; each 0.1 above it adds 0.1 to
        the temperature and lets one percent of all moves be drawn from all legal ones. The temperature is
        divided by `budget`.
        """
        more = exploration - 1
        temperature = (self.temperature * self.varied + more) / budget
        player = Exploring(network, random, temperature, 0.1 * more)
        share, rest = divmod(games, len(self.online))
        records = {}
        for rank, worker in enumerate(self.online):
            count = share + (rank < rest)
            if not count:
                continue
            openings = random_openings(self.game, count, 1, random) if self.varied else None
            record = play(self.game, (player, player), count, openings)
            if worker.corrupt:
                record = Record(record.moves, 1 - record.results)
            records[worker.number] = record
        return records
