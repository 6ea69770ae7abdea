"""Several processes at once: who waits for whom, who sees what, who gets the role and the claim."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rules_engine.store.port import Done, Duplicate, NewEvent, StoreBusy, Stored
from rules_engine.store.sqlite import SqliteStore, migrations

Opened = Callable[..., SqliteStore]
MakeEvent = Callable[..., NewEvent]
Say = Callable[[Any], None]


def ids(store: SqliteStore) -> list[str]:
    return [row.id for row in store.read(0, 100_000).rows]


def test_a_writer_stopped_in_a_transaction_is_named_and_readers_go_on(
    opened: Opened, event: MakeEvent, child: Callable[..., Any]
) -> None:
    store = opened(lock_wait_s=0.1)
    store.append([event("a")])

    def work(say: Say) -> None:
        def stop(transaction: Any) -> None:
            say(os.getpid())
            os.kill(os.getpid(), signal.SIGSTOP)

        mine = opened()
        mine._database.write(stop)
        say(mine.append([event("b")])[0].seq)

    stopped = child(work)
    pid = stopped.hear()
    os.waitpid(pid, os.WUNTRACED)
    with pytest.raises(StoreBusy, match=rf"process {pid} was stopped .*kill -CONT {pid}\)"):
        store.append([event("c")])
    assert ids(store) == ["a"]
    stopped.signal(signal.SIGCONT)
    assert stopped.hear() == 2
    assert store.append([event("c")])[0].seq == 3


def test_a_writer_that_takes_long_is_named(
    opened: Opened, event: MakeEvent, child: Callable[..., Any]
) -> None:
    store = opened(lock_wait_s=0.1)
    store.append([event("a")])

    def work(say: Say) -> None:
        def dawdle(transaction: Any) -> None:
            say(os.getpid())
            time.sleep(60)

        opened()._database.write(dawdle)

    slow = child(work)
    pid = slow.hear()
    with pytest.raises(StoreBusy, match=f"process {pid} has held the write lock"):
        store.append([event("b")])
    slow.signal(signal.SIGKILL)
    slow.ended()
    store.append([event("b")])
    assert ids(store) == ["a", "b"]


def test_a_thread_that_takes_long_keeps_others_waiting_no_longer_than_the_bound(
    opened: Opened, event: MakeEvent
) -> None:
    store = opened(lock_wait_s=0.05)
    store.append([event("a")])
    begun, go_on = threading.Event(), threading.Event()

    def dawdle(transaction: Any) -> None:
        begun.set()
        go_on.wait(10)

    slow = threading.Thread(target=store._database.write, args=(dawdle,))
    slow.start()
    begun.wait(10)
    with pytest.raises(StoreBusy, match="another thread of this process"):
        store.append([event("b")])
    with pytest.raises(StoreBusy):
        opened(lock_wait_s=0.05).append([event("b")])
    go_on.set()
    slow.join()
    store.append([event("b")])


def test_another_program_that_locks_the_database_is_no_riddle(
    opened: Opened, path: Path, event: MakeEvent
) -> None:
    store = opened(lock_wait_s=0.05)
    store.append([event("a")])
    shell = sqlite3.connect(path, isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="another program holds a lock"):
        store.append([event("b")])
    shell.close()
    store.append([event("b")])
    assert ids(store) == ["a", "b"]


def test_a_deleted_lock_file_is_made_again_and_shared(
    opened: Opened, path: Path, event: MakeEvent, child: Callable[..., Any]
) -> None:
    store = opened(lock_wait_s=0.1)
    store.append([event("a")])
    path.with_name("events.db-lock").unlink()

    def work(say: Say) -> None:
        mine = opened()
        with mine._database._lock.in_process(1), mine._database._lock.between_processes(1):
            say(os.getpid())
            time.sleep(60)

    slow = child(work)
    pid = slow.hear()
    with pytest.raises(StoreBusy, match=f"process {pid} has held"):
        store.append([event("b")])
    slow.signal(signal.SIGKILL)
    slow.ended()
    store.append([event("b")])
    assert ids(store) == ["a", "b"]


def test_closing_one_store_does_not_open_the_lock_of_another(
    opened: Opened, event: MakeEvent, child: Callable[..., Any]
) -> None:
    holder, bystander = opened(), opened()
    bystander.append([event("a")])

    def close_the_other(transaction: Any) -> StoreBusy | None:
        threading.Thread(target=bystander._database._close_all).start()
        asker = child(lambda say: opened(lock_wait_s=0.05).append([event("b")]))
        return asker.ended()  # type: ignore[no-any-return]

    lock = holder._database._lock
    with lock.in_process(1), lock.between_processes(1):
        assert close_the_other(None) == 1


# ---- at once ----


def test_writers_in_processes_and_threads_share_one_dense_log_in_time_order(
    opened: Opened, event: MakeEvent, child: Callable[..., Any]
) -> None:
    def work(say: Say) -> None:
        store = opened()

        def append(thread: int) -> None:
            for n in range(25):
                store.append([event(f"{os.getpid()}/{thread}/{n}/{k}") for k in range(2)])

        threads = [threading.Thread(target=append, args=(n,)) for n in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        say(os.getpid())

    writers = [child(work) for _ in range(4)]
    store, seen = opened(), []
    at = 0
    deadline = time.monotonic() + 30
    while len(seen) < 400 and time.monotonic() < deadline:
        store.wait(at, 1_000)
        page = store.read(at, 1_000)
        seen += page.rows
        at = page.next
    pids = [writer.hear() for writer in writers]
    assert [row.seq for row in seen] == list(range(1, 401))
    assert all(a.time_ms <= b.time_ms for a, b in pairwise(seen))
    expected = {f"{p}/{t}/{n}/{k}" for p in pids for t in range(2) for n in range(25) for k in range(2)}
    assert {row.id for row in seen} == expected
    for pid in pids:
        for thread in range(2):
            own = [row.id for row in seen if row.id.startswith(f"{pid}/{thread}/")]
            assert own == [f"{pid}/{thread}/{n}/{k}" for n in range(25) for k in range(2)]


def test_processes_that_publish_the_same_store_it_once(
    opened: Opened, event: MakeEvent, child: Callable[..., Any]
) -> None:
    def work(say: Say) -> None:
        store = opened()
        for n in range(30):
            same = {"dedup": f"{n}".encode(), "dedup_window_ms": 60_000}
            say(store.append([event(f"{os.getpid()}/{n}", **same)])[0])

    writers = [child(work) for _ in range(3)]
    answers = [answer for writer in writers for answer in writer.hear_all()]
    assert len(answers) == 90
    assert sum(isinstance(answer, Stored) for answer in answers) == 30
    by_seq = {answer.seq: answer.id for answer in answers if isinstance(answer, Stored)}
    assert all(by_seq[a.seq] == a.of for a in answers if isinstance(a, Duplicate))
    assert opened().info().head == 30


def test_a_role_passes_on_when_its_process_is_gone(opened: Opened, child: Callable[..., Any]) -> None:
    store = opened()

    def work(say: Say) -> None:
        say(opened().acquire("rules", "first", 10**9))
        time.sleep(60)

    holding = child(work)
    first = holding.hear()
    assert store.acquire("rules", "second", 1_000) is None
    assert (store.holder("rules").pid, store.holder("rules").alive) == (holding.pid, True)
    holding.signal(signal.SIGKILL)
    holding.ended()
    assert not store.holder("rules").alive
    assert store.acquire("rules", "second", 1_000).token == first.token + 1


def test_no_claim_is_given_twice(opened: Opened, child: Callable[..., Any], engine: Any) -> None:
    store = opened()
    lease = store.acquire("rules", "me", 60_000)
    store.reader("rules", start=0)
    for n in range(1, 31):
        store.commit(lease, n - 1, engine.step(n))

    def work(say: Say) -> None:
        mine = opened()
        while claims := mine.claim(None, f"{os.getpid()}", 2, 60_000, 100):
            for claim in claims:
                assert mine.finish(claim, Done(), 100)
                say(claim.action.position)

    workers = [child(work) for _ in range(3)]
    performed = [position for worker in workers for position in worker.hear_all()]
    assert sorted(performed) == list(range(1, 31))


class _Late:
    """A connection to a file in which somebody else makes the database after the nth statement."""

    def __init__(self, path: Path, nth: int, make: Callable[[], object]) -> None:
        self._sql = sqlite3.connect(path)
        self._left = nth
        self._make = make

    def execute(self, statement: str) -> _Late:
        self._found = self._sql.execute(statement).fetchall()
        self._left -= 1
        if self._left == 0:
            self._make()
        return self

    def fetchone(self) -> Any:
        return self._found[0]


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_database_that_is_just_being_made_is_never_taken_for_a_foreign_one(
    opened: Opened, path: Path, event: MakeEvent, nth: int
) -> None:
    path.parent.mkdir()
    path.touch()
    late: Any = _Late(path, nth, lambda: opened().append([event("a")]))
    migrations.check(late, path)
    assert opened().info().head == (nth < 3)
    late._sql.close()


def test_closed_stores_leave_no_descriptors(opened: Opened, path: Path, event: MakeEvent) -> None:
    before = None
    for n in range(4):
        store = opened(path.parent / f"{n}" / "events.db")
        store.append([event("a")])
        store.wait(1, 1)
        store.close()
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        assert before in (None, descriptors)
        before = descriptors
