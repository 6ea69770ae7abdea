"""What can go wrong at a call of the event system; the store's errors are in `rules_engine.store.port`."""

from __future__ import annotations


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
    """A handler tried to end the whole process."""
