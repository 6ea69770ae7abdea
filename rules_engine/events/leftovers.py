"""What a process could not store before it ended: a file beside the database, taken up by the next opener.

The file is locked while it is written or read, so it is never read half; it is removed after its events
are stored. A process killed in between leaves it to the next one, and the events' ids make a second append
harmless.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import orjson

from rules_engine.events.spool import MAX_BATCH_EVENTS
from rules_engine.store.port import NewEvent, NotStorable
from rules_engine.store.records import check_event


def leave_behind(events: Iterable[NewEvent], folder: Path) -> Path:
    """Write events that could not be stored. `OSError` if the folder takes no file."""
    path = folder / f"undelivered-{os.getpid()}.jsonl"
    for _ in range(100):
        with path.open("ab") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink == 0:
                continue  # taken up and removed while this process waited for the lock
            path.chmod(0o600)
            for event in events:
                file.write(orjson.dumps(_as_line(event)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
            return path
    raise OSError(f"{path} is removed again and again")


def take_up(folder: Path, append: Callable[[list[NewEvent]], object]) -> tuple[int, int]:
    """Append what ended processes left in `folder`. Returns how many events, and how many bad lines.

    Lines that cannot be read are kept in a file whose name ends in `.bad`. An error of `append` goes
    through, and the file stays.
    """
    taken = bad = 0
    for path in sorted(folder.glob("undelivered-*.jsonl")):
        with _locked(path) as file:
            if file is None:
                continue
            events, unreadable = _read(file)
            for start in range(0, len(events), MAX_BATCH_EVENTS):
                append(events[start : start + MAX_BATCH_EVENTS])
            if unreadable:
                with path.with_suffix(".bad").open("ab") as rest:
                    rest.writelines(unreadable)
            path.unlink(missing_ok=True)
        taken += len(events)
        bad += len(unreadable)
    return taken, bad


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes] | None]:
    """The file, or None if somebody else has it or it is gone."""
    try:
        file = path.open("r+b")
    except OSError:
        yield None
        return
    with file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
            return
        yield file if os.fstat(file.fileno()).st_nlink else None


def _as_line(event: NewEvent) -> dict[str, object]:
    return {
        "id": event.id,
        "type": event.type,
        "payload": orjson.Fragment(event.body),
        "source": event.source,
        "dedup": event.dedup.hex() if event.dedup is not None else None,
        "dedup_window_ms": event.dedup_window_ms,
        "cause": event.cause,
        "chain": event.chain,
        "depth": event.depth,
    }


def _read(file: IO[bytes]) -> tuple[list[NewEvent], list[bytes]]:
    events: list[NewEvent] = []
    unreadable: list[bytes] = []
    for line in file:
        try:
            read = orjson.loads(line)
            dedup = read.pop("dedup")
            body = orjson.dumps(read.pop("payload"), option=orjson.OPT_SORT_KEYS)
            event = NewEvent(body=body, dedup=bytes.fromhex(dedup) if dedup else None, **read)
            check_event(event)
            events.append(event)
        except (ValueError, KeyError, TypeError, AttributeError, NotStorable):  # no JSON, or no event
            unreadable.append(line)
    return events, unreadable
