"""What a handler is told about the call it gets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rules_engine.daemon.handlers import ActionContext
from rules_engine.engine.decision import OwedAction
from rules_engine.event import Event, Kind, Row
from rules_engine.store.port import Claim


def context_of(claim: Claim, event: Row, timeout_ms: int) -> ActionContext:
    """The context of an attempt that begins now."""
    action = claim.action
    return ActionContext(
        idempotency_key=action.idempotency_key,
        loop=action.loop,
        key=action.key,
        event=Event(event, dict(event.payload)),
        firing=f"{action.position}.{action.n}",
        attempt=claim.attempt,
        deadline=datetime.now(UTC) + timedelta(milliseconds=timeout_ms),
    )


def bound_row(action: OwedAction) -> Row:
    """The event that led to an action, as the row it was in the log; for a driven knob, the change of it."""
    bound = action.trigger
    if "knob" in bound:
        bound = {"type": f"change of {bound['knob']}", "payload": bound}
    return Row(
        seq=action.position,
        time_ms=bound.get("time_ms", action.time_ms),
        kind=Kind.EVENT,
        id=bound.get("id", action.idempotency_key),
        type=bound["type"],
        payload=bound["payload"],
        chain=bound.get("chain"),
        depth=bound.get("depth", 0),
    )
