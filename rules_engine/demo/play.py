"""Playing: self-play that leaves records, and matches that leave a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rules_engine.demo.games import Game, Masks, bits
from rules_engine.demo.network import Floats, Network, Samples

Moves = NDArray[np.int64]  #: shape (games,): the chosen cell of each game


class Player(Protocol):
    """Anything that chooses moves."""

    def choose(self, game: Game, own: Masks, other: Masks, side: int) -> Moves:
        """One legal move for each board; `side` (0 or 1) is to move and owns `own`."""


def seen_by(game: Game, own: Masks, other: Masks, side: int) -> Floats:
    """The boards as network input, shape (games, 2 * cells), in the order in which `side` sees them."""
    view = game.view(side)
    return np.concatenate([bits(own, game.cells)[:, view], bits(other, game.cells)[:, view]], axis=1)


def _pick(scores: Floats, legal: NDArray[np.bool_]) -> Moves:
    return np.asarray(np.argmax(np.where(legal, scores, -np.inf), axis=1), np.int64)


def _legal(game: Game, own: Masks, other: Masks) -> NDArray[np.bool_]:
    return np.asarray(bits(own | other, game.cells) == 0)


@dataclass
class Greedy:
    """Plays the move the network thinks best."""

    network: Network

    def choose(self, game: Game, own: Masks, other: Masks, side: int) -> Moves:
        """The legal move of the highest value."""
        view = game.view(side)
        scores = np.empty((len(own), game.cells), np.float32)
        scores[:, view] = self.network.move_logits(seen_by(game, own, other, side))
        return _pick(scores, _legal(game, own, other))


@dataclass
class Exploring:
    """Plays good moves more often than bad ones, and now and then any move at all.

    `temperature` is in logits: 0 plays the best move only. `random_share` is the share of moves that
    are drawn from all legal ones alike.
    """

    network: Network
    random: np.random.Generator
    temperature: float
    random_share: float

    def choose(self, game: Game, own: Masks, other: Masks, side: int) -> Moves:
        """A legal move, drawn."""
        view = game.view(side)
        scores = np.empty((len(own), game.cells), np.float32)
        scores[:, view] = self.network.move_logits(seen_by(game, own, other, side))
        noise = self.random.gumbel(size=scores.shape)
        anything = self.random.random(len(own)) < self.random_share
        return _pick(
            np.where(anything[:, None], noise, scores + self.temperature * noise), _legal(game, own, other)
        )


@dataclass(frozen=True)
class Baseline:
    """The fixed opponent: looks one move ahead for each side, else follows a whim.

    It takes a win, never makes a move that loses at once if there is another, and denies the
    opponent's win in one. Its whims are a fixed function of the board and the `salt`: so it never
    changes, and equal models score equally against it. Its rating is the fixed point of all others.
    """

    salt: int = 0

    def choose(self, game: Game, own: Masks, other: Masks, side: int) -> Moves:
        """A legal move by one look ahead."""
        cells = np.arange(game.cells)
        stones = np.left_shift(np.int64(1), cells)
        scores = _whims(own, other, self.salt, game.cells)
        ends = game.ended((own[:, None] | stones).ravel(), side).reshape(scores.shape)
        theirs = game.ended((other[:, None] | stones).ravel(), 1 - side).reshape(scores.shape)
        scores += 4 * ends + 2 * theirs if game.mover_wins else -4 * ends - 0.5 * theirs
        return _pick(scores, _legal(game, own, other))


def _whims(own: Masks, other: Masks, salt: int, cells: int) -> Floats:
    """Numbers in 0..1 that look random and are the same whenever the arguments are."""
    with np.errstate(over="ignore"):
        mixed = own.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= (other.astype(np.uint64) + np.uint64(1)) * np.uint64(0xC2B2AE3D27D4EB4F)
        mixed ^= np.uint64(salt + 1) * np.uint64(0x165667B19E3779F9)
        grid = mixed[:, None] + (np.arange(cells, dtype=np.uint64) + np.uint64(1)) * np.uint64(
            0xD6E8FEB86659FD93
        )
        for _ in range(2):
            grid ^= grid >> np.uint64(32)
            grid *= np.uint64(0xD6E8FEB86659FD93)
    return ((grid >> np.uint64(40)).astype(np.float32)) / np.float32(1 << 24)


@dataclass
class Record:
    """Played games: `moves` has shape (games, cells), -1 past the end; `results` (games,) is side 0's."""

    moves: NDArray[np.int8]
    results: Floats

    def __len__(self) -> int:
        return len(self.results)


def play(
    game: Game, sides: tuple[Player, Player], games: int, openings: NDArray[np.int64] | None = None
) -> Record:
    """Play games to their ends.

    `openings` (games, plies) are moves that are made before the players are asked.
    """
    stones = [np.zeros(games, np.int64), np.zeros(games, np.int64)]
    moves = np.full((games, game.cells), -1, np.int8)
    results = np.full(games, 0.5, np.float32)
    alive = np.arange(games)
    for ply in range(game.cells):
        side = ply % 2
        if openings is not None and ply < openings.shape[1]:
            chosen = openings[alive, ply]
        else:
            chosen = sides[side].choose(game, stones[side][alive], stones[1 - side][alive], side)
        moves[alive, ply] = chosen
        stones[side][alive] |= np.left_shift(1, chosen)
        over = game.ended(stones[side][alive], side)
        won = 1.0 if (side == 0) == game.mover_wins else 0.0
        results[alive[over]] = won
        alive = alive[~over]
        if not len(alive):
            break
    return Record(moves, results)


def random_openings(game: Game, games: int, plies: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Different random first moves, shape (games, plies)."""
    return np.argsort(random.random((games, game.cells)), axis=1)[:, :plies]


def match(game: Game, one: Player, two: Player, openings: NDArray[np.int64]) -> float:
    """The share of points of `one`, draws as halves.

    Each opening, a row of moves, is played twice with sides changed, so that a lucky one favours nobody.
    """
    games = len(openings)
    first = play(game, (one, two), games, openings).results.mean()
    second = 1 - play(game, (two, one), games, openings).results.mean()
    return float(first + second) / 2


def samples_of(game: Game, record: Record) -> Samples:
    """Each position of each game after a move, as its mover saw it, with the mover's result."""
    boards, results = [], []
    stones = [np.zeros(len(record), np.int64), np.zeros(len(record), np.int64)]
    for ply in range(game.cells):
        side = ply % 2
        alive = record.moves[:, ply] >= 0
        if not alive.any():
            break
        cell = record.moves[alive, ply].astype(np.int64)
        stones[side][alive] |= np.left_shift(1, cell)
        boards.append(seen_by(game, stones[side][alive], stones[1 - side][alive], side))
        result = record.results[alive]
        results.append(result if side == 0 else 1 - result)
    return Samples(np.concatenate(boards), np.concatenate(results))
