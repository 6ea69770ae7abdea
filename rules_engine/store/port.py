"""The durable home of log, state and owed actions: what every store promises.

The Protocol is the shape, the contract suite in `tests/contract/` the meaning. Methods are plain functions
that may block: async callers run them in a thread. Times are integer milliseconds;
`Store` keeps its own log clock for rows, everything else takes time as an argument.

Errors of the store are `StoreError`s with a message a user can act on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rules_engine.engine.decision import CellId, Firing, OwedAction, Verdict
from rules_engine.event import Kind, Row


class StoreError(Exception):
    """The store cannot do what was asked; the message says what to do about it."""


class StoreBusy(StoreError):
    """Another process holds the write lock for too long; the message names it (R23)."""


class StoreFull(StoreError):
    """The disk, or the size limit, is reached; nothing stored is lost (R21, R37)."""


class StoreReadOnly(StoreError):
    """The database cannot be written: its file or folder is read-only."""


class StoreMoved(StoreError):
    """The database file was renamed, deleted or replaced while open (R36)."""


class StoreNewer(StoreError):
    """The database was made by a newer version of this program (R36)."""


class MaybeStored(StoreError):
    """It is not known whether the event was stored; a retry with the same id is harmless (A4)."""

    def __init__(self, event_id: str, message: str) -> None:
        super().__init__(message)
        self.event_id = event_id


class NotStorable(StoreError):
    """This event can never be stored as it is; the message says what is wrong with it."""


class Fenced(StoreError):
    """Another daemon took over, or the position is not where this one left it (R1)."""


# ---- appending and reading -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append. `body` is its payload as JSON.

    `dedup` is a digest of type and payload; the same digest within `dedup_window_ms` is a duplicate,
    at exactly that distance from the first it is new. None: only an equal `id` makes a duplicate.
    """

    id: str
    type: str
    body: bytes
    source: str = ""
    dedup: bytes | None = None
    dedup_window_ms: int = 0
    kind: Kind = Kind.EVENT
    cause: str | None = None
    chain: str | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """The event lies in the log."""

    id: str
    seq: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The event was there already, as row `seq` with id `of`; nothing was stored."""

    id: str
    of: str
    seq: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows `first` to `last` were pruned before the reader came to them."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Page:
    """Rows after a position, in order; `next` is the position to go on from."""

    rows: tuple[Row, ...]
    next: int
    gap: Gap | None = None


@dataclass(frozen=True, slots=True)
class ReaderInfo:
    """A named reader; the log is never pruned past a pinned one (R21)."""

    name: str
    position: int
    pinned: bool


# ---- the engine's side ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to commit for a role ("rules"); `token` grows with every take-over."""

    role: str
    token: int
    owner: str


@dataclass(frozen=True, slots=True)
class LeaseInfo:
    """Who holds a role now."""

    owner: str
    pid: int
    alive: bool


@dataclass(frozen=True, slots=True)
class Control:
    """What an operator asks of the engine: `kind` is `knob`, `off`, `on`, `reload`, ..."""

    kind: str
    body: dict[str, Any]
    id: int = 0


@dataclass(frozen=True, slots=True)
class PinnedControl:
    """A control that took effect after row `after`, as the `n`th there."""

    after: int
    n: int
    time_ms: int
    kind: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: an action, event or step that was given up."""

    kind: str
    name: str
    reason: str
    attempts: int
    body: dict[str, Any]
    time_ms: int
    id: int = 0


@dataclass(slots=True)
class Change:
    """What one commit of the engine writes, all or nothing.

    `position` is the reader's new position. `cells` maps to None what is to be deleted; other values
    are JSON. `emitted` rows get their place in the log, in order. `controls` are pinned, and the
    requests with their ids leave the inbox.
    """

    position: int
    time_ms: int
    rules: str
    cells: dict[CellId, Any] = field(default_factory=dict)
    firings: list[Firing] = field(default_factory=list)
    emitted: list[Row] = field(default_factory=list)
    actions: list[OwedAction] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    controls: list[PinnedControl] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)


# ---- actions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """An owed action taken by a worker. `number` grows with each claim: only the last one may finish."""

    id: int
    number: int
    attempt: int
    action: OwedAction
    until_ms: int


@dataclass(frozen=True, slots=True)
class Done:
    """The action was performed."""


@dataclass(frozen=True, slots=True)
class Retry:
    """It failed and is due again at `at_ms`."""

    at_ms: int
    error: str


@dataclass(frozen=True, slots=True)
class Dead:
    """It is given up: a dead letter, and an outcome row in the log so that `failed { }` runs (R26)."""

    error: str


# ---- looking in ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FiringRecord:
    """A firing and the rule set (its hash) that decided it."""

    firing: Firing
    rules: str


@dataclass(frozen=True, slots=True)
class ActionCounts:
    """How many actions wait, are being performed, and were given up."""

    owed: int
    claimed: int
    dead: int


@dataclass(frozen=True, slots=True)
class Info:
    """The store at a glance. `limits` names the bounds that were reached."""

    url: str
    log_id: str
    first: int
    head: int
    time_ms: int
    bytes: int
    durability: str
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much to keep. None: no limit of that kind.

    An action that nobody has claimed for `action_age_ms` after it was owed is given up.
    """

    log_age_ms: int | None = 7 * 24 * 3_600_000
    log_rows: int | None = 5_000_000
    firing_age_ms: int | None = 30 * 24 * 3_600_000
    firings_per_loop: int | None = 10_000
    letters: int | None = 10_000
    action_age_ms: int | None = 24 * 3_600_000


class Store(Protocol):
    """One log with everything that hangs on it. Safe to use from several threads and processes."""

    # -- opening
    def open(self) -> None:
        """Get ready; look at the database if there is one. Idempotent. `StoreNewer`, `StoreError`.

        The database is made by the first call that writes: until then all is empty (A15).
        """

    def close(self) -> None:
        """Let go of everything; waiting calls return. Idempotent."""

    def info(self) -> Info:
        """Sizes, positions and limits reached."""

    # -- the log
    def append(self, events: Sequence[NewEvent]) -> list[Stored | Duplicate]:
        """Append in order, durable on return, time given under the lock (R8), one answer an event.

        All or nothing. An event is a duplicate of a row with its id that lies in the dedup window,
        or of the first row with its digest less than `dedup_window_ms` ago; duplicates prolong nothing.
        The window reaches back ten minutes, or as long as an event asks for, and 100,000 rows at most.
        `NotStorable` for an event that is not well-formed; `StoreBusy`, `StoreFull`, `StoreReadOnly`,
        `StoreMoved`, `StoreNewer`, and `MaybeStored` (of the first event) when the commit's outcome
        is unknown.
        """

    def read(self, after: int, limit: int) -> Page:
        """At most `limit` rows with seq > `after`, in order; never waits.

        Rows after `after` that were pruned are reported as a `Gap`, with the rows that follow it.
        `StoreError` if `after` is beyond the end of the log: it was replaced by an older copy (R20).
        """

    def type_counts(self, rows: int) -> dict[str, int]:
        """How many events of each type the newest `rows` rows hold, ticks and outcomes left out."""

    def seek(self, time_ms: int) -> int:
        """The seq of the last row with a time before `time_ms`; 0 if no row is that old."""

    def wait(self, after: int, timeout_ms: int) -> None:
        """Return when there is a row after `after`, at the latest after `timeout_ms` of real time.

        It may return early, and does when an action was owed or a control asked, in any process.
        """

    # -- readers
    def reader(self, name: str, *, pinned: bool = True, start: int | None = None) -> int:
        """Find or make a named reader and return its position; a new one begins at `start` (None: head).

        The last call decides whether it is pinned.
        """

    def forget_reader(self, name: str) -> bool:
        """Remove a named reader, so that it holds back nothing any more; False if there is none."""

    def ack(self, name: str, old: int, new: int) -> bool:
        """Move a reader from `old` to `new`; False, and nothing changes, if it was not at `old`."""

    def readers(self) -> list[ReaderInfo]:
        """All named readers."""

    # -- the engine
    def acquire(self, role: str, owner: str, ttl_ms: int) -> Lease | None:
        """Take a role if it is free, expired, or its process is gone; None if somebody holds it (R22)."""

    def renew(self, lease: Lease, ttl_ms: int) -> bool:
        """Prolong; False if somebody took it over. An expired lease that nobody took is still held."""

    def release(self, lease: Lease) -> None:
        """Give it back; nothing happens if it was lost."""

    def holder(self, role: str) -> LeaseInfo | None:
        """Who holds a role; None if nobody does."""

    def load(self, prefix: str = "") -> Iterator[tuple[CellId, Any]]:
        """The cells whose scope begins with `prefix`, as last committed, by scope, key and part."""

    def commit(self, lease: Lease, at: int, change: Change) -> None:
        """Write a change if the lease holds and the reader named by its role is at `at`, else `Fenced` (R1).

        All or nothing; `emitted` rows follow in the log in order, with the log clock's time, and owed
        actions enter their lanes. After any other error the outcome may be unknown: forget what is in
        memory, and read position and state again (R2, R6).
        """

    def tick(self, lease: Lease, time_ms: int) -> int | None:
        """Append a tick row if the log clock has reached `time_ms` and no row has; its seq, else None.

        After it no row has a time before `time_ms`. `Fenced` if the lease was lost.
        """

    def now_ms(self) -> int:
        """The log clock: what a row appended now would be stamped with (R14)."""

    def accept_clock(self) -> int:
        """Let the log clock follow a wall clock that is too far ahead of it (R14); the log's new time."""

    # -- operators
    def ask(self, control: Control) -> int:
        """Put a request into the engine's inbox; returns its id."""

    def asked(self) -> list[Control]:
        """Requests not yet answered, oldest first."""

    def controls(self, after: int, limit: int) -> list[PinnedControl]:
        """Controls that took effect after row `after` or later, in order."""

    # -- actions
    def claim(
        self, actions: Collection[str] | None, worker: str, limit: int, lease_ms: int, now_ms: int
    ) -> list[Claim]:
        """Take at most `limit` heads of lanes that are due and whose action is among `actions` (None: any).

        Oldest first. A claim is exclusive until `now_ms + lease_ms`; from then on it may be taken again.
        `now_ms` is the log clock, here and below.
        """

    def extend(self, claims: Sequence[Claim], lease_ms: int, now_ms: int) -> set[int]:
        """Prolong claims; returns the ids of those that were lost."""

    def finish(self, claim: Claim, result: Done | Retry | Dead, now_ms: int) -> bool:
        """Settle a claim; False if it was lost meanwhile, and nothing changes (R25).

        `Done` and `Dead` make the next of the lane its head; `Dead` also leaves a letter of kind
        `action` and a row of kind OUTCOME (R26), all at once.
        """

    def action_counts(self) -> ActionCounts:
        """How many are owed, claimed and dead."""

    def owed(self, limit: int) -> list[OwedAction]:
        """Actions that wait, oldest first."""

    # -- dead letters
    def bury(self, letters: Sequence[Letter]) -> None:
        """Keep dead letters."""

    def letters(self, limit: int) -> list[Letter]:
        """Dead letters, newest first."""

    def settle(self, letter_id: int, *, retry: bool, now_ms: int) -> bool:
        """Put a dead action back at the end of its lane, or drop the letter; False if there is none.

        `StoreError` when another kind of letter is to be retried: only an action can be.
        """

    # -- looking in
    def keep_rules(self, hash: str, texts: dict[str, str]) -> None:
        """Keep the text of a rule set (path to text) under its hash. Idempotent."""

    def rules(self, hash: str) -> dict[str, str] | None:
        """The text of a rule set, None if it was never kept."""

    def firings(
        self,
        loop: str | None = None,
        *,
        since_ms: int | None = None,
        until_ms: int | None = None,
        after: tuple[int, int] = (0, -1),
        limit: int = 1_000,
    ) -> list[FiringRecord]:
        """Recorded decisions with id after `after` and time in [since, until), in order of id."""

    def firing_counts(self) -> dict[str, int]:
        """How often each loop has fired, pruned firings included."""

    def verdict(self, loop: str, key: tuple[Any, ...]) -> Verdict | None:
        """The last verdict of a loop for a key."""

    def put_fact(self, name: str, value: Any) -> None:
        """Keep a small JSON value by name (last reload, health), for no decision; None: forget it."""

    def fact(self, name: str) -> Any:
        """The value of that name, None if there is none."""

    def facts(self, prefix: str) -> dict[str, Any]:
        """All values whose name begins like this, in order of name."""

    def prune(self, limits: Limits, budget: int) -> int:
        """Delete up to `budget` rows that are past a limit; how many. Call again while it is `budget`.

        Never past a pinned reader, nor the newest row. When a pinned reader holds more than
        `log_rows`, `append` refuses with `StoreFull` until it moves on (R21).
        """
