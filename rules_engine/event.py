"""The envelope of an event, as it lies in the log and as a handler receives it.

Imports nothing of ours: everything else may import this file (lesson 59).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Kind(IntEnum):
    """Where a row of the log comes from."""

    EVENT = 0  #: published from outside the rules
    EMITTED = 1  #: emitted by a loop; the rules' own reader skips it, everybody else reads it
    TICK = 2  #: the wall clock, let in so that overdue timers fire at a place in the log
    OUTCOME = 3  #: an action was given up; lets `failed { }` run

    @property
    def word(self) -> str:
        """The spelling used in JSON: `event`, `emitted`, `tick` or `outcome`."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the log.

    `seq` is its position (1, 2, ...), `time_ms` its log time in milliseconds since the epoch;
    neither ever decreases along the log. `cause` is the id of the event that led to this one,
    `chain` the id at the root of that line and `depth` the distance from it (0 for a root).
    """

    seq: int
    time_ms: int
    kind: Kind
    id: str
    type: str
    payload: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    cause: str | None = None
    chain: str | None = None
    depth: int = 0


class Event(dict[str, Any]):
    """What a handler gets: a mapping for those who write `event["payload"]`, attributes for the rest.

    Keys: `event_type`, `type` (the same), `payload`, `source`, `event_id`, `timestamp` (seconds
    since the epoch), `seq`, `kind`, `cause`, `chain`, `depth`. Each handler gets an Event with its own
    copy of the payload, so nobody can change what another one sees; the envelope cannot be changed.
    """

    __slots__ = ()

    def __init__(self, row: Row, payload: dict[str, Any]) -> None:
        super().__init__(
            event_type=row.type,
            type=row.type,
            payload=payload,
            source=row.source,
            event_id=row.id,
            timestamp=row.time_ms / 1000,
            seq=row.seq,
            kind=row.kind.word,
            cause=row.cause,
            chain=row.chain,
            depth=row.depth,
        )

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"an event has no {name!r}; it has {', '.join(self)}") from None

    def _refuse(self, *_: object, **__: object) -> Any:
        raise TypeError("an event cannot be changed; its `payload` is your own copy and can")

    __setitem__ = __delitem__ = __setattr__ = __delattr__ = _refuse
    update = setdefault = pop = popitem = clear = __ior__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        row = Row(
            self["seq"], round(self["timestamp"] * 1000), Kind[self["kind"].upper()], self["event_id"],
            self["type"], {}, self["source"], self["cause"], self["chain"], self["depth"],
        )  # fmt: skip
        return Event, (row, self["payload"])
