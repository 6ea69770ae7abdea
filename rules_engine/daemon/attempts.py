"""What becomes of an owed action after an attempt: the same in life and in tests of rules."""

from __future__ import annotations

from rules_engine.store.port import Claim, Dead, Done, Retry


def after_attempt(claim: Claim, error: str | None, *, final: bool, now_ms: int) -> Done | Retry | Dead:
    """Done without an `error`; tried again while tries are left; given up after the last, or when `final`."""
    if error is None:
        return Done()
    if final or claim.attempt > claim.action.retries:
        return Dead(error)
    return Retry(now_ms + claim.action.every_ms, error)
