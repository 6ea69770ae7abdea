"""Wake-ups between processes: a datagram to every socket in the database's runtime folder (R38).

Only a hint: whoever waits also looks at the log every `POLL_MS`. Sending never blocks; a full
receiver is awake already, and the name of a dead one is removed.
"""

from __future__ import annotations

import hashlib
import os
import select
import socket
import stat
import tempfile
import uuid
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Final

#: How long a lost nudge can go unnoticed.
POLL_MS: Final = 50
#: What happened: rows were appended; something else that somebody may wait for.
ROWS: Final = b"r"
WORK: Final = b"w"


def _runtime_folder(database: Path) -> Path:
    """A folder of this user and database, by a name short enough for a socket (107 bytes)."""
    root = os.environ.get("XDG_RUNTIME_DIR", "")
    digest = hashlib.sha256(os.path.realpath(database).encode(errors="surrogateescape")).hexdigest()[:16]
    if not root or len(root) > 40:
        root = tempfile.gettempdir()
    return Path(root) / f"rules-engine-{os.getuid()}" / digest


def _make_private(folder: Path) -> None:
    """Make it with its parent, both ours alone; `OSError` if somebody else's lies there."""
    for place in (folder.parent, folder):
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(f"{place} does not belong to this user alone")


class Bell:
    """One waiting thread's socket. Without one it still works, by polling."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._socket: socket.socket | None = None
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            ear.setblocking(False)
            _make_private(folder)
            ear.bind(str(self._path))
        except OSError:
            ear.close()
        else:
            self._socket = ear

    def drain(self) -> bytes:
        """What has been rung since the last time. Drain first, look at the log then: nothing is missed."""
        heard = b""
        if self._socket is not None:
            with suppress(OSError):
                while True:
                    heard += self._socket.recv(64)
        return heard

    def listen(self, timeout_s: float) -> None:
        """Until it rings, or the time is over."""
        poll = select.poll()
        if self._socket is not None:
            poll.register(self._socket, select.POLLIN)
        poll.poll(max(0.0, timeout_s * 1000))

    def close(self) -> None:
        """Unlink the name and close."""
        if self._socket is not None:
            with suppress(OSError):
                self._path.unlink()
        self.abandon()

    def abandon(self) -> None:
        """Close this process's copy of a socket that belongs to the parent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Nudges:
    """All bells of one database, as one process sees them."""

    def __init__(self, database: Path) -> None:
        self._folder = _runtime_folder(database)
        self._idle: list[Bell] = []
        weakref.finalize(self, _hang_up, self._idle)

    def take(self) -> Bell:
        """A bell for a thread that is going to wait; it keeps what was rung while nobody held it."""
        try:
            return self._idle.pop()
        except IndexError:
            return Bell(self._folder)

    def give_back(self, bell: Bell) -> None:
        """For the next one."""
        self._idle.append(bell)

    def ring(self, words: bytes) -> None:
        """Tell every process that waits."""
        with suppress(OSError):
            paths = list(self._folder.iterdir())
            if not paths:
                return
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:
                mouth.setblocking(False)
                for path in paths:
                    _ring_one(mouth, path, words)

    def close(self) -> None:
        """Close what nobody waits on."""
        _hang_up(self._idle)

    def after_fork_in_child(self) -> None:
        """The parent's bells stay the parent's."""
        while self._idle:
            self._idle.pop().abandon()


def _hang_up(bells: list[Bell]) -> None:
    while bells:
        bells.pop().close()


def _ring_one(mouth: socket.socket, path: Path, words: bytes) -> None:
    try:
        mouth.sendto(words, str(path))
    except BlockingIOError:
        pass
    except (ConnectionRefusedError, FileNotFoundError):
        with suppress(OSError):
            path.unlink()
    except OSError:
        pass
