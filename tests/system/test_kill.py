"""Kill -9, at the worst points and at random: nothing lost, nothing doubled but under its own key."""

from __future__ import annotations

import random
import signal
import subprocess
import time

import pytest

from rules_engine import store as stores
from rules_engine.event import Kind
from rules_engine.pipeline import load
from rules_engine.store.faults import POINTS
from rules_engine.tools.replay import replay

pytestmark = pytest.mark.system


def rows(store):
    found, after = [], 0
    while page := store.read(after, 1_000).rows:
        found += page
        after = page[-1].seq
    return found


def decisions(store) -> list[tuple]:
    """Every firing but for the time it was asked about."""
    return [
        (f.loop, f.key, f.position, f.n, f.event_id, f.cause, f.time_ms, f.effects)
        for f in (record.firing for record in store.firings(limit=100_000))
    ]


def emitted(store) -> list[tuple]:
    return [
        (r.id, r.type, r.payload, r.cause, r.chain, r.depth) for r in rows(store) if r.kind is Kind.EMITTED
    ]


def state(store) -> dict:
    return {(cell.scope, cell.key, cell.part): body for cell, body in store.load()}


def owed_by(store) -> set[str]:
    """What its firings owe: loop, key and id of each firing that does something."""
    return {
        f"{f.loop}/{'/'.join(f.key)}/{f.position}.{f.n}"
        for f in (record.firing for record in store.firings(limit=100_000))
        if any(effect["kind"] == "do" for effect in f.effects)
    }


def closed(site) -> set[str]:
    """The firings whose action was performed, by its idempotency key without the step."""
    return {key.rpartition("/")[0] for key in site.performed() if key.startswith("high_closes/")}


def finish(site) -> None:
    """Run to the end, without faults; claims of the dead run out within a second."""
    for _ in range(10):
        process = site.start("run", "--once", "--handlers", "valve_handlers")
        assert process.wait(30) == 0, site.log()
        if site.at_rest():
            return
        time.sleep(0.3)
    pytest.fail(f"it never came to rest: {site.store.action_counts()}\n{site.log()}")


def test_killed_at_every_point_of_a_transaction_it_ends_as_if_it_had_never_been(site):
    site.publish(40)
    untouched = site.folder / "untouched.db"
    # By another process: to open and close the file in this one would drop the locks of its own connection.
    for file in sorted(site.folder.glob("events.db*")):
        copy = file.with_name(file.name.replace("events", "untouched"))
        subprocess.run(["cp", file, copy], check=True)

    for point in POINTS:
        process = site.start(
            "run", "--once", "--handlers", "valve_handlers",
            RULES_ENGINE_FAULT=f"{point}:4", RULES_ENGINE_BATCH_ROWS="3",
        )  # fmt: skip
        assert process.wait(30) in (-signal.SIGKILL, 0), site.log()
    assert sum(process.returncode == -signal.SIGKILL for process in site.processes) >= 5, (
        "the faults must bite"
    )
    finish(site)

    reference = stores.open(untouched)
    reference_run = _decide_without_faults(site, reference)
    assert decisions(site.store) == reference_run
    assert emitted(site.store) == emitted(reference)
    assert state(site.store) == state(reference)
    reference.close()
    assert closed(site) == owed_by(site.store)
    assert len(set(site.performed())) == 60, (
        "each of 30 firings owes a close and a gain, under a key of its own"
    )


def _decide_without_faults(site, reference) -> list[tuple]:
    from rules_engine.daemon.evaluator import Evaluator

    lease = reference.acquire("rules", "reference", 60_000)
    evaluator = Evaluator(reference, lease)
    evaluator.load(lambda _: None)
    rules = load(site.rules.parent)
    evaluator.begin(rules)
    while evaluator.turn():
        pass
    return decisions(reference)


def test_killed_at_random_under_load_it_decides_as_a_replay_that_was_never_killed(site):
    chance = random.Random(20260105)
    for _ in range(4):
        daemon = site.daemon("--handlers", "valve_handlers", RULES_ENGINE_BATCH_ROWS="5")
        end = time.monotonic() + chance.uniform(0.05, 0.4)
        while time.monotonic() < end:
            site.publish(chance.randrange(1, 6))
            time.sleep(chance.uniform(0, 0.03))
        daemon.kill()
        daemon.wait()
    site.publish(10)
    finish(site)

    plan = load(site.rules.parent).plan
    replayed = [
        (f.loop, f.key, f.position, f.n, f.event_id, f.cause, f.time_ms, f.effects)
        for f in replay(plan, rows(site.store))
    ]
    assert decisions(site.store) == replayed
    assert len(replayed) > 20
    ids = [row[0] for row in emitted(site.store)]
    assert len(ids) == len(set(ids)), "no event was emitted twice"
    assert closed(site) == owed_by(site.store), "no action was lost, and none made up"
    assert site.store.letters(10) == []
