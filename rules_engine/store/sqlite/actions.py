"""Owed actions in lanes, claims, and the dead letters of what was given up."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rules_engine.engine.decision import OwedAction
from rules_engine.store.faults import fault
from rules_engine.store.port import ActionCounts, Claim, Dead, Done, Letter, Retry, StoreError
from rules_engine.store.records import (
    ACTION_LETTER,
    action_fields,
    action_of,
    decode,
    encode,
    outcome_event,
)
from rules_engine.store.sqlite.connection import Transaction
from rules_engine.store.sqlite.log import SqliteLog, insert_rows, log_end
from rules_engine.store.sqlite.nudges import WORK

_OWE = (
    "INSERT INTO action(idempotency_key, lane, action, time_ms, body) SELECT json_extract(value, '$[0]'),"
    " json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),"
    " json_extract(value, '$[4]') FROM json_each(?) WHERE true ON CONFLICT DO NOTHING"
)
_PROMOTE = (
    "UPDATE action SET ready_ms = 0 WHERE ready_ms IS NULL AND id IN"
    " (SELECT (SELECT min(id) FROM action WHERE lane = lanes.value) FROM json_each(?) AS lanes)"
)
_DUE = (
    "SELECT id FROM action INDEXED BY action_head WHERE ready_ms IS NOT NULL AND ready_ms <= ?"
    " AND (?2 IS NULL OR action IN (SELECT value FROM json_each(?2))) ORDER BY id LIMIT ?"
)
_HELD = "SELECT 1 FROM action WHERE id = ? AND number = ? AND owner IS NOT NULL"


def owe(transaction: Transaction, actions: Sequence[OwedAction]) -> None:
    """Put actions at the end of their lanes; one that is owed already is not put there twice."""
    columns = [[a.idempotency_key, a.lane, a.action, a.time_ms, encode(action_fields(a))] for a in actions]
    transaction.sql.execute(_OWE, (encode(columns),))
    promote(transaction, {action.lane for action in actions})


def promote(transaction: Transaction, lanes: Collection[str]) -> None:
    """Let the first of each lane be claimed."""
    transaction.sql.execute(_PROMOTE, (encode(list(lanes)),))
    transaction.nudge(WORK)


def write_letters(transaction: Transaction, letters: Sequence[Letter]) -> int:
    """Keep dead letters; the id of the last one."""
    last = 0
    for letter in letters:
        body = encode(letter.body)
        last = (
            transaction.sql.execute(
                "INSERT INTO letter(time_ms, kind, name, reason, attempts, body) VALUES (?, ?, ?, ?, ?, ?)",
                (letter.time_ms, letter.kind, letter.name, letter.reason, letter.attempts, body),
            ).lastrowid
            or 0
        )
    return last


def give_up(transaction: Transaction, action_id: int, error: str, now_ms: int) -> None:
    """Move an action to the dead letters, tell the loops (R26), and let the next of its lane be claimed."""
    number, body = transaction.sql.execute(
        "SELECT number, body FROM action WHERE id = ?", (action_id,)
    ).fetchone()
    action = action_of(decode(body))
    letter = Letter(ACTION_LETTER, action.action, error, number, action_fields(action), now_ms)
    letter_id = write_letters(transaction, [letter])
    transaction.sql.execute("DELETE FROM action WHERE id = ?", (action_id,))
    promote(transaction, [action.lane])
    insert_rows(transaction, log_end(transaction), [outcome_event(action, error, letter_id)])


class SqliteActions(SqliteLog):
    """What is owed, and what was given up."""

    # -- actions

    def claim(
        self, actions: Collection[str] | None, worker: str, limit: int, lease_ms: int, now_ms: int
    ) -> list[Claim]:
        """See `Store.claim`."""
        names = None if actions is None else encode(sorted(actions))
        sought = (now_ms, names, limit)
        if limit <= 0 or not self._database.row(_DUE, (now_ms, names, 1)):
            return []  # nothing to do is seen without the lock
        until_ms = now_ms + lease_ms

        def work(transaction: Transaction) -> list[Claim]:
            due = transaction.sql.execute(_DUE, sought).fetchall()
            taken = transaction.sql.execute(
                "UPDATE action SET number = number + 1, owner = ?, ready_ms = ? WHERE id IN"
                " (SELECT value FROM json_each(?)) RETURNING id, number, body",
                (worker, until_ms, encode([row[0] for row in due])),
            ).fetchall()
            return [
                Claim(owed, number, number, action_of(decode(body)), until_ms)
                for owed, number, body in sorted(taken)
            ]

        claims = self._database.write(work)
        fault("claimed")
        return claims

    def extend(self, claims: Sequence[Claim], lease_ms: int, now_ms: int) -> set[int]:
        """See `Store.extend`."""
        until_ms = now_ms + lease_ms

        def work(transaction: Transaction) -> set[int]:
            kept = transaction.sql.execute(
                "UPDATE action SET ready_ms = ? FROM json_each(?) AS claim WHERE owner IS NOT NULL"
                " AND action.id = json_extract(claim.value, '$[0]')"
                " AND number = json_extract(claim.value, '$[1]')"
                " RETURNING action.id",
                (until_ms, encode([[claim.id, claim.number] for claim in claims])),
            ).fetchall()
            return {claim.id for claim in claims} - {row[0] for row in kept}

        return self._database.write(work) if claims else set()

    def finish(self, claim: Claim, result: Done | Retry | Dead, now_ms: int) -> bool:
        """See `Store.finish`."""

        def work(transaction: Transaction) -> bool:
            sql = transaction.sql
            if sql.execute(_HELD, (claim.id, claim.number)).fetchone() is None:
                return False
            if isinstance(result, Retry):
                sql.execute(
                    "UPDATE action SET owner = NULL, ready_ms = ?, error = ? WHERE id = ?",
                    (result.at_ms, result.error, claim.id),
                )
                transaction.nudge(WORK)
            elif isinstance(result, Done):
                sql.execute("DELETE FROM action WHERE id = ?", (claim.id,))
                promote(transaction, [claim.action.lane])
            else:
                give_up(transaction, claim.id, result.error, now_ms)
            return True

        settled = self._database.write(work)
        fault("finished")
        return settled

    def action_counts(self) -> ActionCounts:
        """See `Store.action_counts`."""
        query = (
            "SELECT (SELECT count(*) FROM action WHERE owner IS NULL),"
            " (SELECT count(*) FROM action WHERE owner IS NOT NULL),"
            " (SELECT count(*) FROM letter WHERE kind = ?)"
        )
        return ActionCounts(*self._database.row(query, (ACTION_LETTER,)) or (0, 0, 0))

    def owed(self, limit: int) -> list[OwedAction]:
        """See `Store.owed`."""
        query = "SELECT body FROM action WHERE owner IS NULL ORDER BY id LIMIT ?"
        return [action_of(decode(body)) for (body,) in self._database.rows(query, (limit,))]

    # -- dead letters

    def bury(self, letters: Sequence[Letter]) -> None:
        """See `Store.bury`."""
        self._database.write(lambda transaction: write_letters(transaction, letters))

    def letters(self, limit: int) -> list[Letter]:
        """See `Store.letters`."""
        query = "SELECT kind, name, reason, attempts, body, time_ms, id FROM letter ORDER BY id DESC LIMIT ?"
        return [
            Letter(kind, name, reason, attempts, decode(body), time_ms, number)
            for kind, name, reason, attempts, body, time_ms, number in self._database.rows(query, (limit,))
        ]

    def settle(self, letter_id: int, *, retry: bool, now_ms: int) -> bool:
        """See `Store.settle`."""
        del now_ms

        def work(transaction: Transaction) -> bool:
            sql = transaction.sql
            letter = sql.execute("SELECT kind, body FROM letter WHERE id = ?", (letter_id,)).fetchone()
            if letter is None:
                return False
            if retry:
                if letter[0] != ACTION_LETTER:
                    raise StoreError(
                        f"dead letter {letter_id} is of kind {letter[0]}: only an action can be retried"
                        " here; a handler's is retried by its own program: router.retry_dead_letters()"
                    )
                owe(transaction, [action_of(decode(letter[1]))])
            sql.execute("DELETE FROM letter WHERE id = ?", (letter_id,))
            return True

        return self._database.write(work)
