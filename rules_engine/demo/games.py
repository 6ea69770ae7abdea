"""Small board games, played many at a time: boards are bit masks in numpy arrays.

A batch of games runs in lockstep, so in every ply the same side is to move in all of them. Cell `c`
of an `n` by `n` board is bit `c`, counted row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Masks = NDArray[np.int64]  #: shape (games,): the stones of one side, a bit per cell
Flags = NDArray[np.bool_]  #: shape (games,)


class Game(Protocol):
    """The rules of a two-player game in which each move fills one empty cell."""

    @property
    def name(self) -> str:
        """The configuration it is played under, such as `hex4_2p`."""

    @property
    def size(self) -> int:
        """Cells along one side of the board."""

    @property
    def cells(self) -> int:
        """Cells on the board."""

    def view(self, side: int) -> NDArray[np.intp]:
        """Cell order in which side 0 or 1 sees the board, so that both play the same game."""

    def ended(self, stones: Masks, side: int) -> Flags:
        """Whether the game is over with the stones of the `side` that moved last."""

    @property
    def mover_wins(self) -> bool:
        """Whether the side whose stones end the game has won it (else it has lost)."""


@dataclass(frozen=True)
class Hex:
    """Hex: side 0 connects top and bottom, side 1 left and right. There is never a draw."""

    size: int
    mover_wins: bool = True

    @property
    def name(self) -> str:
        """`hex4_2p` for a board of 4 by 4."""
        return f"hex{self.size}_2p"

    @property
    def cells(self) -> int:
        """Cells on the board."""
        return self.size * self.size

    def view(self, side: int) -> NDArray[np.intp]:
        """Side 1 sees the board mirrored at its diagonal: then it, too, goes from top to bottom."""
        order = np.arange(self.cells).reshape(self.size, self.size)
        return (order if side == 0 else order.T).ravel()

    @cached_property
    def _edges(self) -> tuple[int, int, int, int]:
        """Masks of the first row, the last row, the first column and the last column."""
        n = self.size
        row = (1 << n) - 1
        column = sum(1 << (n * i) for i in range(n))
        return row, row << (n * (n - 1)), column, column << (n - 1)

    def ended(self, stones: Masks, side: int) -> Flags:
        """Whether `side` has joined its two edges: a flood fill, one bit operation for all games."""
        top, bottom, left, right = self._edges
        start, goal = (top, bottom) if side == 0 else (left, right)
        reached = stones & start
        while True:
            spread = reached | self._neighbours(reached) & stones
            if np.array_equal(spread, reached):
                return np.asarray((reached & goal) != 0)
            reached = spread

    def _neighbours(self, stones: Masks) -> Masks:
        """The cells beside any stone: along the row, the column and one diagonal."""
        n = self.size
        _, _, left, right = self._edges
        not_left, not_right = stones & ~left, stones & ~right
        return (
            (stones << n) | (stones >> n)
            | (not_right << 1) | (not_left >> 1)
            | (not_left << (n - 1)) | (not_right >> (n - 1))
        )  # fmt: skip


@dataclass(frozen=True)
class AvoidThree:
    """On squares: who first has three of his stones side by side in a line has lost.

    Lines are rows, columns and both diagonals; a full board without one is a draw.
    """

    size: int
    mover_wins: bool = False

    @property
    def name(self) -> str:
        """`square4_2p` for a board of 4 by 4."""
        return f"square{self.size}_2p"

    @property
    def cells(self) -> int:
        """Cells on the board."""
        return self.size * self.size

    def view(self, side: int) -> NDArray[np.intp]:
        """Both sides play the same game on the same board."""
        del side
        return np.arange(self.cells)

    @cached_property
    def lines(self) -> tuple[int, ...]:
        """Every line of three cells, as a mask."""
        n = self.size
        found = []
        for row in range(n):
            for column in range(n):
                for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
                    ends = row + 2 * down, column + 2 * right
                    if 0 <= ends[0] < n and 0 <= ends[1] < n:
                        steps = ((row + k * down) * n + column + k * right for k in range(3))
                        found.append(sum(1 << cell for cell in steps))
        return tuple(found)

    def ended(self, stones: Masks, side: int) -> Flags:
        """Whether any line is full."""
        del side
        full = np.zeros(stones.shape, dtype=bool)
        for line in self.lines:
            full |= (stones & line) == line
        return full


def bits(masks: Masks, cells: int) -> NDArray[np.float32]:
    """The masks as rows of zeros and ones, shape (games, cells)."""
    return ((masks[:, None] >> np.arange(cells)) & 1).astype(np.float32)


#: The games of the demo by configuration.
GAMES: dict[str, Game] = {game.name: game for game in (Hex(4), AvoidThree(4), Hex(5), AvoidThree(5))}
