"""What can go wrong at a call of the event system; the store's errors are in `rules_engine.store.port`."""

from __future__ import annotations

from rules_engine.terminal_text import visible

#: So much of an error's text is kept.
MAX_REASON_CHARACTERS = 2_000


class UnknownEventType(ValueError):
    """No event has this name; the message names the nearest one."""


class PayloadNotEncodable(ValueError):
    """The payload cannot be written as JSON, or is too large; the message says where in it and why."""


class PayloadRefused(ValueError):
    """The payload does not fit what the event declares (`payload_check = "strict"`)."""


class Backpressure(RuntimeError):
    """The store cannot keep up or is away, and the spool is full: publish less, or later."""


class RunawayChain(RuntimeError):
    """Handlers answer each other's events without end; the message names the event at the root."""


class HandlerTimeout(TimeoutError):
    """A handler ran longer than its subscription allows."""


class HandlerExit(RuntimeError):
    """A handler tried to end the whole process, or raised what is meant to end more than itself."""


def reason_of(error: BaseException) -> str:
    """An error in a line for letters and reports, also one that cannot tell of itself."""
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - somebody's __str__, and the handler's failure still has to be told
        text = f"(its text could not be had: {type(broken).__name__})"
    return visible(f"{type(error).__name__}: {text[:MAX_REASON_CHARACTERS]}")
