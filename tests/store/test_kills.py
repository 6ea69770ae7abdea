"""Killed at every point and at random: what was acknowledged is there, and all of a change or nothing."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rules_engine.store import faults
from rules_engine.store.port import Done, Duplicate, NewEvent, Stored
from rules_engine.store.sqlite import SqliteStore

Opened = Callable[..., SqliteStore]
MakeEvent = Callable[..., NewEvent]
Say = Callable[[Any], None]
WRITE_POINTS = ("locked", "begun", "inserted", "committed", "unlocked", "nudged")


def ids(store: SqliteStore) -> list[str]:
    return [row.id for row in store.read(0, 100_000).rows]


@pytest.mark.parametrize("point", WRITE_POINTS)
@pytest.mark.parametrize("nth", [1, 3])
def test_an_append_that_returned_survives_a_kill_at_any_point(
    opened: Opened, event: MakeEvent, child: Callable[..., Any], point: str, nth: int
) -> None:
    def work(say: Say) -> None:
        store = opened()
        waiter = threading.Thread(target=store.wait, args=(10**6, 10_000), daemon=True)
        waiter.start()  # so that there is somebody to nudge
        time.sleep(0.01)
        faults.arm(f"{point}:{nth}")
        for n in range(10):
            say(store.append([event(f"{n}")])[0].id)

    dying = child(work)
    acknowledged = dying.hear_all()
    assert dying.ended() == -signal.SIGKILL
    store = opened()
    found = ids(store)
    assert found[: len(acknowledged)] == acknowledged
    assert len(found) - len(acknowledged) in (0, 1)
    is_stored = point not in ("locked", "begun", "inserted")
    assert len(found) == nth - 1 + is_stored
    [answer] = store.append([event(f"{nth - 1}")])
    assert isinstance(answer, Duplicate if is_stored else Stored)
    assert ids(store) == [f"{n}" for n in range(nth)]


@pytest.mark.parametrize("point", WRITE_POINTS[:-1])
def test_a_commit_is_all_or_nothing_at_every_kill(
    opened: Opened, child: Callable[..., Any], point: str, engine: Any
) -> None:
    opened().reader("rules", start=0)
    for nth in (2, 3, 5):

        def work(say: Say, nth: int = nth) -> None:
            faults.arm(f"{point}:{nth}")
            engine.run(opened(), say)

        dying = child(work)
        acknowledged = dying.hear_all()
        assert dying.ended() == -signal.SIGKILL
        position = engine.assert_one_state(opened())
        assert position >= max(acknowledged, default=0)


def test_kills_at_random_instants_leave_one_state(
    opened: Opened, child: Callable[..., Any], engine: Any
) -> None:
    chance = random.Random(20)
    opened().reader("rules", start=0)
    kills = 0
    while kills < 25:
        running = child(lambda say: engine.run(opened(), say, until=10**6))
        if chance.random() < 0.8:
            running.hear()
        time.sleep(chance.uniform(0, 0.006))
        running.signal(signal.SIGKILL)
        said = running.hear_all()
        kills += running.ended() == -signal.SIGKILL
        position = engine.assert_one_state(opened())
        assert position >= max(said, default=0)
    engine.run(opened(), lambda said: None, until=position + 5)
    assert engine.assert_one_state(opened()) == position + 5


def test_a_claim_and_a_finish_survive_a_kill(opened: Opened, child: Callable[..., Any], engine: Any) -> None:
    store = opened()
    lease = store.acquire("rules", "me", 60_000)
    store.reader("rules", start=0)
    store.commit(lease, 0, engine.step(1))

    def claim_and_die(say: Say) -> None:
        faults.arm("claimed")
        opened().claim(None, "w", 1, 1_000, 10)

    def finish_and_die(say: Say) -> None:
        mine = opened()
        [claim] = mine.claim(None, "w", 1, 1_000, 1_010)
        say(claim)
        faults.arm("finished")
        mine.finish(claim, Done(), 1_010)

    assert child(claim_and_die).ended() == -signal.SIGKILL
    assert store.claim(None, "w", 1, 1_000, 1_009) == []
    dying = child(finish_and_die)
    assert dying.hear().attempt == 2
    assert dying.ended() == -signal.SIGKILL
    assert store.action_counts().owed == store.action_counts().claimed == 0


def test_a_torn_write_ahead_log_is_a_prefix_of_the_commits(
    opened: Opened, path: Path, child: Callable[..., Any], engine: Any
) -> None:
    def work(say: Say) -> None:
        store = opened()
        store.reader("rules", start=0)
        engine.run(store, say)  # and end without closing: the log is not brought back

    assert child(work).ended() == 0
    database, wal = path.read_bytes(), path.with_name("events.db-wal").read_bytes()
    frames = range(32, len(wal) + 1, 4096 + 24)
    cuts = {cut + off for cut in list(frames)[8::9] for off in (-1, 0, 1)} | {0, 31, len(wal)}
    positions = []
    for cut in sorted(cuts):
        torn = path.parent / f"{cut}" / "events.db"
        torn.parent.mkdir()
        torn.write_bytes(database)
        torn.with_name("events.db-wal").write_bytes(wal[:cut])
        store = opened(torn)
        if store.readers():  # else it was cut before the schema was complete
            positions.append(engine.assert_one_state(store))
        store.close()
    assert positions == sorted(positions)
    assert positions[-1] == 40
    assert len(set(positions)) > 10
