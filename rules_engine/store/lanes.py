"""Owed actions in lanes (R24), as memory holds them: for the store in memory, and for tests of rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from rules_engine.engine.decision import OwedAction
from rules_engine.store.port import Claim


@dataclass(slots=True)
class _Owed:
    id: int
    body: OwedAction
    ready_ms: int = 0
    number: int = 0
    claimed: bool = False


class Lanes:
    """What is owed, by lane. The caller holds the lock."""

    def __init__(self) -> None:
        self._lanes: dict[str, list[_Owed]] = {}
        self._keys: set[str] = set()
        self._next_id = 1

    def owe(self, actions: Iterable[OwedAction]) -> None:
        """Put actions at the end of their lanes; one that is owed already is not put there twice."""
        for action in actions:
            if action.idempotency_key in self._keys:
                continue
            self._keys.add(action.idempotency_key)
            self._lanes.setdefault(action.lane, []).append(_Owed(self._next_id, action))
            self._next_id += 1

    def claim(self, names: Collection[str] | None, limit: int, lease_ms: int, now_ms: int) -> list[Claim]:
        """Take due heads, oldest first."""
        heads = sorted((lane[0] for lane in self._lanes.values()), key=lambda owed: owed.id)
        due = [o for o in heads if o.ready_ms <= now_ms and (names is None or o.body.action in names)]
        claims = []
        for owed in due[:limit]:
            owed.number += 1
            owed.claimed = True
            owed.ready_ms = now_ms + lease_ms
            claims.append(Claim(owed.id, owed.number, owed.number, owed.body, owed.ready_ms))
        return claims

    def next_ready_ms(self) -> int | None:
        """When the next head may be claimed (again); None when nothing is owed."""
        return min((lane[0].ready_ms for lane in self._lanes.values()), default=None)

    def held(self, claim: Claim) -> _Owed | None:
        """The owed action that this claim still holds."""
        lane = self._lanes.get(claim.action.lane)
        if not lane or lane[0].id != claim.id or lane[0].number != claim.number or not lane[0].claimed:
            return None
        return lane[0]

    def extend(self, claims: Sequence[Claim], until_ms: int) -> set[int]:
        """Prolong; the ids of those that were lost."""
        lost = set()
        for claim in claims:
            owed = self.held(claim)
            if owed is None:
                lost.add(claim.id)
            else:
                owed.ready_ms = until_ms
        return lost

    def remove(self, action: OwedAction) -> None:
        """Take an action out of its lane; the next one becomes the head."""
        lane = self._lanes[action.lane]
        lane[:] = [owed for owed in lane if owed.body.idempotency_key != action.idempotency_key]
        if not lane:
            del self._lanes[action.lane]
        self._keys.discard(action.idempotency_key)

    def postpone(self, claim: Claim, at_ms: int) -> None:
        """Let go of a claim; its action is due again at `at_ms`."""
        owed = self.held(claim)
        assert owed is not None
        owed.claimed = False
        owed.ready_ms = at_ms

    def waiting(self) -> list[OwedAction]:
        """All that nobody has claimed, oldest first."""
        free = [owed for lane in self._lanes.values() for owed in lane if not owed.claimed]
        return [owed.body for owed in sorted(free, key=lambda owed: owed.id)]

    def attempts(self, action: OwedAction) -> int:
        """How often an owed action was claimed."""
        return next(o.number for o in self._lanes[action.lane] if o.body is action)

    def head(self, lane: str) -> OwedAction:
        """The first action of a lane that has one."""
        return self._lanes[lane][0].body

    def counts(self) -> tuple[int, int]:
        """How many wait, and how many are claimed."""
        everything = [owed for lane in self._lanes.values() for owed in lane]
        claimed = sum(owed.claimed for owed in everything)
        return len(everything) - claimed, claimed
