"""Training: the loss falls, strength against the fixed baseline rises, the trend has the right name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rules_engine.demo.evaluation import exam
from rules_engine.demo.games import GAMES
from rules_engine.demo.learner import LossWatch
from rules_engine.demo.network import Network, Samples, Trainer, loss
from rules_engine.demo.pipeline import Pipeline
from rules_engine.demo.settings import RunSettings


def small(folder: Path, **changes: object) -> RunSettings:
    """A run of seconds."""
    given = {"configs": ("hex4_2p",), "games_per_round": 160, "openings": 60, "rounds": 12}
    return RunSettings(folder, **{**given, **changes})  # type: ignore[arg-type]


def test_gradients_agree_with_differences() -> None:
    random = np.random.default_rng(1)
    samples = Samples(random.integers(0, 2, (40, 8)).astype(np.float32), random.random(40).astype(np.float32))
    network = Network.fresh(4, 5, random)
    before, start = loss(network, samples), network.copy()
    Trainer(network, batch=40, weight_decay=0).epoch(samples, 1e-4, random)
    assert loss(network, samples) < before
    # Adam's first step goes one learning rate down along each weight's own slope.
    for part, old, name in zip(network.parts, start.parts, range(4), strict=True):
        index = np.unravel_index(np.argmax(np.abs(part - old)), part.shape)
        raised = start.copy()
        raised.parts[name][index] += 1e-2
        slope = loss(raised, samples) - before
        assert np.sign(old[index] - part[index]) == np.sign(slope)


def test_the_value_of_a_move_is_the_value_of_the_board_after_it() -> None:
    random = np.random.default_rng(2)
    network = Network.fresh(16, 8, random)
    board = np.zeros((1, 32), np.float32)
    board[0, [3, 20]] = 1
    after = np.repeat(board, 16, axis=0)
    after[np.arange(16), np.arange(16)] += 1
    assert np.allclose(network.move_logits(board)[0], network.logits(after), atol=1e-5)


def test_learning_makes_players_stronger(tmp_path: Path) -> None:
    pipeline = Pipeline(small(tmp_path))
    line = pipeline.lines["hex4_2p"]
    before, _ = exam(line.game, line.serving, 200)
    for _ in range(12):
        pipeline.run_round()
    after, _ = exam(line.game, line.serving, 200)
    assert before < 0.25
    assert after > before + 0.2
    assert line.learner.losses.level < np.log(2)


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    told: list[list[object]] = []
    for name in ("one", "two"):
        events: list[object] = []
        folder = tmp_path / name
        pipeline = Pipeline(
            small(folder, rounds=3),
            lambda event, payload, seen=events, at=folder: seen.append(  # type: ignore[misc]
                (event, {key: str(value).replace(str(at), "") for key, value in payload.items()})
            ),
        )
        for _ in range(3):
            pipeline.run_round()
        told.append(events)
    assert told[0] == told[1]


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    network = Network.fresh(16, 8, np.random.default_rng(3))
    network.save(tmp_path / "model.npz")
    loaded = Network.load(tmp_path / "model.npz")
    assert all(np.array_equal(a, b) for a, b in zip(network.parts, loaded.parts, strict=True))


def test_loss_trends_on_both_sides_of_their_edges() -> None:
    def after_three(value: float) -> str:
        watch = LossWatch()
        for loss_ in (0.5, 0.6, 0.7):
            watch.trend(loss_)
        return watch.trend(value)

    assert after_three(0.5949) == "improving"
    assert after_three(0.5951) == "stalled"
    assert after_three(0.6199) == "stalled"
    assert after_three(0.6201) == "degrading"


def test_ten_rounds_without_a_new_best_are_a_plateau() -> None:
    watch = LossWatch()
    watch.trend(0.5)
    words = [watch.trend(0.5) for _ in range(12)]
    assert words[-4:] == ["stalled", "plateau", "plateau", "plateau"]


def test_the_anomaly_band_narrows_as_training_goes_on() -> None:
    def found(epoch: int, value: float) -> str | None:
        watch = LossWatch()
        for _ in range(6):
            assert watch.anomaly(0.5, epoch) is None
        anomaly = watch.anomaly(value, epoch)
        return anomaly.severity if anomaly else None

    # The spread of equal losses is taken as 0.01: a band of 5.0, 3.5 and 2.5 of these.
    assert found(4, 0.549) is None
    assert found(4, 0.551) == "mild"
    assert found(14, 0.534) is None
    assert found(14, 0.536) == "mild"
    assert found(15, 0.524) is None
    assert found(15, 0.526) == "mild"
    assert found(15, 0.551) == "moderate"
    assert found(15, 0.576) == "severe"


@pytest.mark.parametrize("name", sorted(GAMES))
def test_an_untrained_network_plays_every_game(name: str) -> None:
    game = GAMES[name]
    share, _ = exam(game, Network.fresh(game.cells, 8, np.random.default_rng(1)), 20)
    assert 0 <= share <= 1
