"""The owed actions and dead letters of a store in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from rules_engine.engine.decision import OwedAction
from rules_engine.store.lanes import Lanes
from rules_engine.store.memory.log import MemoryLog
from rules_engine.store.port import ActionCounts, Claim, Dead, Done, Letter, Retry, StoreError
from rules_engine.store.records import ACTION_LETTER, action_fields, action_of, decode, encode, outcome_event


class MemoryActions(MemoryLog):
    """What is owed, and what was given up."""

    def __init__(self, clock: Callable[[], int]) -> None:
        super().__init__(clock)
        self._lanes = Lanes()
        self._letters: dict[int, Letter] = {}
        self._letter_ids = itertools.count(1)

    # -- actions

    def claim(
        self, actions: Collection[str] | None, worker: str, limit: int, lease_ms: int, now_ms: int
    ) -> list[Claim]:
        """See `Store.claim`."""
        del worker
        with self._changed:
            return self._lanes.claim(actions, limit, lease_ms, now_ms)

    def extend(self, claims: Sequence[Claim], lease_ms: int, now_ms: int) -> set[int]:
        """See `Store.extend`."""
        with self._changed:
            return self._lanes.extend(claims, now_ms + lease_ms)

    def finish(self, claim: Claim, result: Done | Retry | Dead, now_ms: int) -> bool:
        """See `Store.finish`."""
        with self._changed:
            if self._lanes.held(claim) is None:
                return False
            if isinstance(result, Retry):
                self._lanes.postpone(claim, result.at_ms)
            elif isinstance(result, Done):
                self._lanes.remove(claim.action)
            else:
                self._give_up(claim.action, result.error, claim.attempt, now_ms)
            self._hint()
            return True

    def _give_up(self, action: OwedAction, error: str, attempts: int, now_ms: int) -> None:
        letter = Letter(ACTION_LETTER, action.action, error, attempts, action_fields(action), now_ms)
        self.bury([letter])
        self._lanes.remove(action)
        self._put([outcome_event(action, error, max(self._letters))], self.now_ms())

    def action_counts(self) -> ActionCounts:
        """See `Store.action_counts`."""
        with self._changed:
            owed, claimed = self._lanes.counts()
            dead = sum(letter.kind == ACTION_LETTER for letter in self._letters.values())
            return ActionCounts(owed, claimed, dead)

    def owed(self, limit: int) -> list[OwedAction]:
        """See `Store.owed`."""
        with self._changed:
            return self._lanes.waiting()[:limit]

    # -- dead letters

    def bury(self, letters: Sequence[Letter]) -> None:
        """See `Store.bury`."""
        with self._changed:
            for letter in letters:
                number = next(self._letter_ids)
                body = decode(encode(letter.body))
                self._letters[number] = replace(letter, id=number, body=body)

    def letters(self, limit: int) -> list[Letter]:
        """See `Store.letters`."""
        with self._changed:
            return sorted(self._letters.values(), key=lambda letter: -letter.id)[:limit]

    def settle(self, letter_id: int, *, retry: bool, now_ms: int) -> bool:
        """See `Store.settle`."""
        del now_ms
        with self._changed:
            letter = self._letters.get(letter_id)
            if letter is None:
                return False
            if retry:
                if letter.kind != ACTION_LETTER:
                    raise StoreError(
                        f"dead letter {letter_id} is of kind {letter.kind}: only an action can be retried"
                        " here; a handler's is retried by its own program: router.retry_dead_letters()"
                    )
                self._lanes.owe([action_of(letter.body)])
                self._hint()
            del self._letters[letter_id]
            return True
