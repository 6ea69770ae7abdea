"""No SQLite connection ever crosses a fork.

SQLite keeps the locks of a process in memory, by file. A child that inherits an open connection, even
one it never uses, believes to hold locks which POSIX did not hand down; a database it opens then is
unprotected, and what it commits is lost when the parent closes. So a fork waits for the operations that
are under way, closes all connections, and both sides open new ones when they need them.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Forkable(Protocol):
    """What has connections, and locks of its own."""

    def before_fork(self) -> None:
        """Close all connections."""

    def after_fork_in_child(self, *, inherited: bool) -> None:
        """Forget threads and sockets of the parent; `inherited`: connections could not be closed."""


class _Gate:
    """Counts the threads that hold a connection."""

    def __init__(self) -> None:
        self.free = threading.Condition()
        self.inside: Counter[int] = Counter()
        self.forking = False


_gate = _Gate()
_members: weakref.WeakSet[Forkable] = weakref.WeakSet()


def register(member: Forkable) -> None:
    """Have a database told of forks for as long as it lives."""
    _members.add(member)


@contextmanager
def connections_in_use() -> Iterator[None]:
    """Around everything that touches a connection; a fork waits until nobody is inside."""
    gate, me = _gate, threading.get_ident()
    with gate.free:
        while gate.forking and not gate.inside[me]:
            gate.free.wait()
        gate.inside[me] += 1
    try:
        yield
    finally:
        with gate.free:
            gate.inside[me] -= 1
            if not gate.inside[me]:
                del gate.inside[me]
                gate.free.notify_all()


def _before() -> None:
    _gate.free.acquire()
    _gate.forking = True
    me = threading.get_ident()
    # A signal handler that forks on top of our own operation must not wait for itself.
    while any(thread != me for thread in _gate.inside):
        _gate.free.wait()
    if not _gate.inside:
        for member in list(_members):
            member.before_fork()


def _after_in_parent() -> None:
    _gate.forking = False
    _gate.free.notify_all()
    _gate.free.release()


def _after_in_child() -> None:
    global _gate
    inherited = bool(_gate.inside)
    _gate = _Gate()
    for member in list(_members):
        member.after_fork_in_child(inherited=inherited)


os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
