"""The audit finds wrong labels and repeated games; bad workers and bad exports can be put away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rules_engine.demo import exports
from rules_engine.demo.games import GAMES
from rules_engine.demo.network import Network
from rules_engine.demo.play import Record
from rules_engine.demo.quality import Quality, audit, combined, urgency
from rules_engine.demo.selfplay import SelfplayWorkers

GAME = GAMES["hex4_2p"]


def played(games: int = 200, *, corrupt: int = 0, varied: bool = True) -> dict[int, Record]:
    workers = SelfplayWorkers(GAME, 4, 0.5)
    workers.varied = varied
    for worker in workers.workers[:corrupt]:
        worker.corrupt = True
    random = np.random.default_rng(1)
    return workers.play(Network.fresh(16, 8, random), games, 1.0, random)


def score(records: dict[int, Record]) -> Quality:
    random = np.random.default_rng(2)
    return combined([audit(GAME, record, 1_000, random) for record in records.values()])


def test_sound_games_are_good() -> None:
    quality = score(played())
    assert quality.wrong_labels == 0
    assert quality.score > 0.9
    assert quality.category == "excellent"


@pytest.mark.parametrize(("corrupt", "share"), [(1, 0.25), (2, 0.5)])
def test_wrong_labels_lower_the_score(corrupt: int, share: float) -> None:
    quality = score(played(corrupt=corrupt))
    assert quality.wrong_labels == pytest.approx(share)
    assert quality.score == pytest.approx((1 - 2 * share) * quality.distinct, abs=1e-4)


def test_repeated_games_lower_the_score() -> None:
    quality = score(played(varied=False))
    assert quality.wrong_labels == 0
    assert quality.score < 0.05


@pytest.mark.parametrize(
    ("wrong", "category"),
    [(0.05, "excellent"), (0.06, "good"), (0.1, "good"), (0.11, "fair"), (0.2, "fair"), (0.21, "poor"),
     (0.35, "poor"), (0.36, "critical")],
)  # fmt: skip
def test_categories(wrong: float, category: str) -> None:
    assert Quality(100, wrong, 1.0).category == category


@pytest.mark.parametrize(
    ("score", "word"),
    [
        (0.59, "low"),
        (0.45, "low"),
        (0.44, "medium"),
        (0.3, "medium"),
        (0.29, "high"),
        (0.15, "high"),
        (0.14, "critical"),
    ],
)
def test_urgency(score: float, word: str) -> None:
    assert urgency(score) == word


def test_throttling_takes_the_worst_workers_out_and_restarts_those_that_return() -> None:
    workers = SelfplayWorkers(GAME, 4, 0.5)
    workers.workers[1].corrupt, workers.workers[1].quality = True, 0.0
    workers.workers[3].quality = 0.9
    workers.throttle(0.5)
    assert [worker.number for worker in workers.online] == [0, 2]
    workers.throttle(1.0)
    assert len(workers.online) == 4
    assert not workers.workers[1].corrupt


def test_throttling_to_nothing_leaves_one_worker() -> None:
    workers = SelfplayWorkers(GAME, 4, 0.5)
    workers.throttle(0.0)
    assert len(workers.online) == 1


def test_an_export_holds_what_was_played(tmp_path: Path) -> None:
    record = played(40)[0]
    made = exports.write(tmp_path / "r001_w0.npz", GAME, record, round_=1, worker=0)
    read, samples = exports.read(made.path)
    assert np.array_equal(read.moves, record.moves)
    assert np.array_equal(samples.boards, made.samples.boards)
    assert np.array_equal(samples.results, made.samples.results)


def test_an_export_holds_repeated_games_once(tmp_path: Path) -> None:
    record = played(80, varied=False)[0]
    made = exports.write(tmp_path / "r001_w0.npz", GAME, record, round_=1, worker=0)
    read, samples = exports.read(made.path)
    assert len(made.record) == 20
    assert len(read) == 1
    assert len(samples) == (record.moves[0] >= 0).sum()


def test_the_window_forgets_old_exports_and_bad_ones(tmp_path: Path) -> None:
    record = played(8)[0]
    window = exports.ReplayWindow(rounds=2)
    paths = [tmp_path / f"r{round_}.npz" for round_ in (1, 2, 3)]
    for round_, path in enumerate(paths, start=1):
        window.add(exports.write(path, GAME, record, round_=round_, worker=0))
    assert [export.round for export in window.exports] == [2, 3]
    assert [path.exists() for path in paths] == [False, True, True]
    assert window.discard({paths[1]}) == 1
    assert [export.round for export in window.exports] == [3]
    assert not paths[1].exists()
