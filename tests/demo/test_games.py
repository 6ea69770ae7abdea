"""The rules of the games: who has won, on which moves, from either side."""

from __future__ import annotations

import numpy as np
import pytest

from rules_engine.demo.games import GAMES, AvoidThree, Game, Hex
from rules_engine.demo.play import Baseline, match, play, random_openings, samples_of, seen_by

HEX = Hex(4)
SQUARE = AvoidThree(4)


def stones(*cells: int) -> np.ndarray:
    return np.array([sum(1 << cell for cell in cells)], np.int64)


def connected_by_search(size: int, mask: int, side: int) -> bool:
    """Whether a side's edges are joined, found cell by cell."""
    cells = {(c // size, c % size) for c in range(size * size) if mask >> c & 1}
    at = side == 1  # the coordinate that must run from 0 to size - 1
    todo = [cell for cell in cells if cell[at] == 0]
    seen = set(todo)
    while todo:
        row, column = todo.pop()
        if (row, column)[at] == size - 1:
            return True
        for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0), (1, -1), (-1, 1)):
            cell = row + down, column + right
            if cell in cells and cell not in seen:
                seen.add(cell)
                todo.append(cell)
    return False


@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize("side", [0, 1])
def test_hex_agrees_with_a_plain_search(size: int, side: int) -> None:
    masks = np.random.default_rng(size + side).integers(0, 1 << size * size, 400)
    wanted = [connected_by_search(size, int(mask), side) for mask in masks]
    assert Hex(size).ended(masks, side).tolist() == wanted
    assert 0 < sum(wanted) < len(wanted)


def test_hex_joins_its_own_edges_only() -> None:
    column = stones(0, 4, 8, 12)
    assert HEX.ended(column, 0)[0]
    assert not HEX.ended(column, 1)[0]


def test_hex_runs_along_one_diagonal_and_not_the_other() -> None:
    assert HEX.ended(stones(3, 6, 9, 12), 0)[0]
    assert not HEX.ended(stones(0, 5, 10, 15), 0)[0]


def test_a_full_hex_board_has_exactly_one_winner() -> None:
    for seed in range(20):
        first = int(np.random.default_rng(seed).integers(1 << 16))
        both = [HEX.ended(np.array([mask]), side)[0] for side, mask in enumerate((first, 0xFFFF ^ first))]
        assert sum(both) == 1


@pytest.mark.parametrize(
    ("cells", "lost"),
    [
        ((0, 1, 2), True), ((0, 4, 8), True), ((0, 5, 10), True), ((2, 5, 8), True),
        ((1, 2, 4), False), ((2, 3, 4), False), ((0, 1, 3), False), ((3, 4, 9), False),
    ],
)  # fmt: skip
def test_three_in_a_line_ends_the_square_game(cells: tuple[int, ...], lost: bool) -> None:
    assert SQUARE.ended(stones(*cells), 0)[0] == lost


def test_the_square_game_has_all_its_lines() -> None:
    assert len(SQUARE.lines) == len(set(SQUARE.lines)) == 24


@pytest.mark.parametrize("name", sorted(GAMES))
def test_played_games_are_legal_and_end_where_the_rules_end_them(name: str) -> None:
    game = GAMES[name]
    record = play(
        game, (Baseline(3), Baseline(4)), 60, random_openings(game, 60, 2, np.random.default_rng(5))
    )
    for moves, result in zip(record.moves, record.results, strict=True):
        made = moves[moves >= 0]
        assert len(set(made.tolist())) == len(made), "a cell was taken twice"
        assert result == result_by_hand(game, made.tolist())


def result_by_hand(game: Game, moves: list[int]) -> float:
    """Side 0's result; fails when moves were made after the end."""
    own: list[list[int]] = [[], []]
    for ply, cell in enumerate(moves):
        own[ply % 2].append(cell)
        if game.ended(stones(*own[ply % 2]), ply % 2)[0]:
            assert ply == len(moves) - 1, "the game went on after its end"
            return 1.0 if (ply % 2 == 0) == game.mover_wins else 0.0
    assert len(moves) == game.cells
    return 0.5


@pytest.mark.parametrize("name", ["hex4_2p", "square4_2p"])
def test_each_position_carries_the_result_of_its_mover(name: str) -> None:
    game = GAMES[name]
    record = play(game, (Baseline(1), Baseline(2)), 1, np.array([[5, 6]]))
    samples = samples_of(game, record)
    assert len(samples) == (record.moves[0] >= 0).sum()
    assert samples.results[0] == record.results[0]
    assert samples.results[1] == 1 - record.results[0]
    assert samples.boards[0].sum() == 1
    assert samples.boards[1].sum() == 2


def test_both_sides_of_hex_see_the_same_game() -> None:
    first = seen_by(HEX, stones(1, 5), stones(2), 0)
    second = seen_by(HEX, stones(4, 5), stones(8), 1)
    assert np.array_equal(first, second)


def test_a_match_gives_both_sides_the_same_openings() -> None:
    openings = random_openings(HEX, 50, 3, np.random.default_rng(1))
    assert match(HEX, Baseline(1), Baseline(1), openings) == pytest.approx(0.5)


def test_the_baseline_takes_a_win_and_denies_one() -> None:
    assert Baseline(1).choose(HEX, stones(0, 4, 8), stones(1, 2, 3), 0)[0] == 12
    assert Baseline(1).choose(HEX, stones(1, 2, 7), stones(0, 4, 8), 1)[0] == 12


def test_the_baseline_never_changes() -> None:
    openings = random_openings(SQUARE, 50, 3, np.random.default_rng(1))
    games = [play(SQUARE, (Baseline(1), Baseline(2)), 50, openings).moves for _ in range(2)]
    assert np.array_equal(*games)
