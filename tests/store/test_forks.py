"""Forks in every way: both sides go on, with connections and locks of their own."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from rules_engine.store.port import NewEvent, StoreError
from rules_engine.store.sqlite import SqliteStore

Opened = Callable[..., SqliteStore]
MakeEvent = Callable[..., NewEvent]
Say = Callable[[Any], None]


def ids(store: SqliteStore) -> list[str]:
    return [row.id for row in store.read(0, 100_000).rows]


def test_what_a_child_commits_survives_the_parents_close(
    opened: Opened, event: MakeEvent, child: Callable[..., Any]
) -> None:
    """A connection inherited over a fork would cost the child its locks, and then its rows."""
    store = opened()
    store.append([event("parent")])
    store.read(0, 1)
    reader, writer = os.pipe()

    def work(say: Say) -> None:
        say(store.append([event("child 1")])[0].seq)
        os.read(reader, 1)
        say(store.append([event("child 2")])[0].seq)

    forked = child(work)
    assert forked.hear() == 2
    store.close()
    os.write(writer, b"x")
    assert forked.hear() == 3
    assert forked.ended() == 0
    assert ids(opened()) == ["parent", "child 1", "child 2"]
    os.close(reader)
    os.close(writer)


def test_forks_while_threads_write_read_and_wait(
    opened: Opened, event: MakeEvent, child: Callable[..., Any]
) -> None:
    store = opened(lock_wait_s=5.0)
    store.append([event("first")])
    stop = threading.Event()
    written = ["first"]

    def keep_writing() -> None:
        while not stop.is_set():
            written.append(store.append([event(f"parent {len(written)}")])[0].id)

    def keep_reading() -> None:
        while not stop.is_set():
            store.read(0, 5)
            store.wait(10**6, 3)

    threads = [threading.Thread(target=keep_writing), threading.Thread(target=keep_reading)]
    for thread in threads:
        thread.start()
    children = [
        child(lambda say, n=n: say(store.append([event(f"child {n}.{k}") for k in range(3)])[0].id))
        for n in range(8)
    ]
    first = [forked.hear() for forked in children]
    stop.set()
    for thread in threads:
        thread.join()
    assert [forked.ended() for forked in children] == [0] * 8
    found = ids(store)
    assert first == [f"child {n}.0" for n in range(8)]
    assert sorted(found) == sorted(written + [f"child {n}.{k}" for n in range(8) for k in range(3)])


def test_a_fork_waits_for_the_transaction_that_is_under_way(
    opened: Opened, event: MakeEvent, child: Callable[..., Any]
) -> None:
    store = opened()
    store.append([event("a")])
    begun = threading.Event()

    def slowly(transaction: Any) -> None:
        begun.set()
        time.sleep(0.05)
        transaction.sql.execute("INSERT INTO fact VALUES ('slow', '1')")

    writing = threading.Thread(target=store._database.write, args=(slowly,))
    writing.start()
    begun.wait(10)
    forked = child(lambda say: say((store.fact("slow"), store.append([event("b")])[0].seq)))
    assert forked.hear() == (1, 2)
    writing.join()


def test_a_child_forked_inside_a_transaction_refuses_to_use_the_store(
    opened: Opened, event: MakeEvent, child: Callable[..., Any]
) -> None:
    store = opened()
    store.append([event("a")])

    def use(say: Say) -> None:
        try:
            store.append([event("child")])
        except StoreError as error:
            say(str(error))

    forked = store._database.write(lambda transaction: child(use))
    assert "forked in the middle of using" in forked.hear()
    store.append([event("b")])
    assert ids(store) == ["a", "b"]


def test_a_child_forked_behind_pythons_back_refuses_to_use_the_store(
    opened: Opened, event: MakeEvent
) -> None:
    store = opened()
    store.append([event("a")])
    pid = ctypes.PyDLL(None).fork()
    if pid == 0:
        try:
            store.append([event("child")])
        except StoreError:
            os._exit(17)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 17
    store.append([event("b")])
    assert ids(store) == ["a", "b"]


def test_a_killed_holder_leaves_the_lock_free_though_its_child_lives(
    opened: Opened, event: MakeEvent, child: Callable[..., Any]
) -> None:
    def work(say: Say) -> None:
        def fork_and_die(transaction: Any) -> None:
            grandchild = os.fork()
            if grandchild == 0:
                time.sleep(60)
                os._exit(0)
            say(grandchild)
            os.kill(os.getpid(), signal.SIGKILL)

        opened()._database.write(fork_and_die)

    dying = child(work)
    grandchild = dying.hear()
    dying.ended()
    try:
        assert opened(lock_wait_s=0.5).append([event("a")])[0].seq == 1
    finally:
        os.kill(grandchild, signal.SIGKILL)
