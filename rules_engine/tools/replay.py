"""What a rule set decides over recorded rows: the live step over yesterday's log, with nothing performed.

The rules start with empty state at the first row (L20), so a recording that begins in the middle is cold:
what loops knew before is not known here (R13). Emitted rows are left out: the step derives them anew (R11).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from rules_engine.engine.control import ControlRefused, apply_control
from rules_engine.engine.decision import Decision, Firing
from rules_engine.engine.handover import handover
from rules_engine.engine.plan import Plan
from rules_engine.engine.state import State
from rules_engine.engine.step import decide
from rules_engine.engine.ticks import missed
from rules_engine.event import Kind, Row
from rules_engine.store.port import PinnedControl, Store

_PAGE = 1_000


def replay(
    plan: Plan,
    rows: Iterable[Row],
    *,
    controls: Iterable[PinnedControl] = (),
    until_ms: int | None = None,
    as_it_was: bool = False,
) -> Iterator[Firing]:
    """The firings of a plan over rows in order of the log, as they come.

    `controls` are operators' requests by the row after which they took effect; changes of the rule set
    among them mean nothing here. Timers due by the last row's time fire; with `until_ms`, also later ones.
    Each tick of `every` and `cron` comes at its own time (L21); `as_it_was`: those for which the log has no
    row collapse into one, as they did in the daemon that was down then.
    """
    run = _Replay(plan, controls, as_it_was=as_it_was)
    for row in rows:
        yield from run.over(row)
    yield from run.to_the_end(until_ms)


#: Ticks that the log has no row for stand at the row that follows them; their firings are numbered from here,
#: so that they never meet those of the row.
_CAUGHT_UP_N = 1_000_000_000


class _Replay:
    def __init__(self, plan: Plan, controls: Iterable[PinnedControl], *, as_it_was: bool) -> None:
        self._plan = plan
        self._as_it_was = as_it_was
        self._state = State()
        self._controls = sorted(
            (one for one in controls if one.kind in ("knob", "off", "on")), key=lambda one: (one.after, one.n)
        )
        self._last: Row | None = None

    def over(self, row: Row) -> Iterator[Firing]:
        if self._last is None:
            start, _ = handover(None, self._plan, self._state, row.seq - 1, row.time_ms)
            yield from self._take(start)
        yield from self._controls_before(row.seq)
        yield from self._decide(row)
        self._last = row

    def to_the_end(self, until_ms: int | None) -> Iterator[Firing]:
        last = self._last
        if last is None:
            return
        yield from self._controls_before(last.seq + 1)
        if until_ms is not None and until_ms > last.time_ms:
            tick = replace(last, seq=last.seq + 1, time_ms=until_ms, kind=Kind.TICK, payload={})
            yield from self._decide(tick)

    def _decide(self, row: Row) -> Iterator[Firing]:
        n = _CAUGHT_UP_N
        for tick in () if self._as_it_was else missed(self._plan, self._state, row):
            decision = decide(self._plan, self._state, tick, n)
            n += max(len(decision.firings), len(decision.changes))
            yield from self._take(decision)
        yield from self._take(decide(self._plan, self._state, row))

    def _controls_before(self, seq: int) -> Iterator[Firing]:
        while self._controls and self._controls[0].after < seq:
            one = self._controls.pop(0)
            try:
                decision = apply_control(
                    self._plan, self._state, one.kind, one.body, one.after, one.time_ms, one.n
                )
            except ControlRefused:
                continue  # these rules have no such loop or knob, or another range
            yield from self._take(decision)

    def _take(self, decision: Decision) -> list[Firing]:
        self._state.apply(decision)
        return decision.firings


def rows_of(store: Store) -> Iterator[Row]:
    """All rows of a log that are still there, in order."""
    after = 0
    while True:
        page = store.read(after, _PAGE)
        yield from page.rows
        if not page.rows and page.next <= after:
            return
        after = page.next
