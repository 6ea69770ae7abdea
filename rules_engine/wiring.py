"""Puts the daemon together from settings: the only place that does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rules_engine import store as stores
from rules_engine.config import Settings, settings
from rules_engine.daemon.dispatcher import DispatchLimits
from rules_engine.daemon.handler_modules import load_module
from rules_engine.daemon.handlers import Handler, collect
from rules_engine.daemon.performer import Performer
from rules_engine.daemon.service import Service, ServiceOptions
from rules_engine.daemon.worker import Worker
from rules_engine.store.port import Limits, Store
from rules_engine.tools.http import StatusServer, json_page, metrics_page
from rules_engine.tools.knobs import Knobs
from rules_engine.tools.status import status

__all__ = [
    "Engine",
    "Knobs",
    "find_handlers",
    "make_service",
    "make_worker",
    "open_store",
    "serve",
    "serve_http",
]

PathText = str | os.PathLike[str]


def open_store(chosen: Settings, *, create: bool = True) -> Store:
    """The store that the settings name."""
    url = stores.MEMORY if str(chosen.db) == stores.MEMORY else chosen.db
    return stores.open(url, durability=chosen.durability, create=create)


def find_handlers(given: object) -> dict[str, Handler]:
    """Handlers by action, from one or several modules, their names, functions, classes, instances, dicts.

    Raises `HandlersError`.
    """
    several = given if isinstance(given, list | tuple | set | frozenset) else [given]
    return collect([load_module(one) if isinstance(one, str) else one for one in several])


def make_service(
    chosen: Settings,
    store: Store,
    handlers: object = (),
    *,
    performer: Performer | None = None,
    **options: Any,
) -> Service:
    """A daemon, not yet started. `options` are those of `ServiceOptions` that are no setting."""
    return Service(
        store,
        find_handlers(handlers),
        performer or Performer(),
        ServiceOptions(
            rules=chosen.rules,
            batch_rows=chosen.batch_rows,
            lease_ms=chosen.lease_ms,
            max_firings_per_minute=chosen.max_firings_per_minute,
            settle_ms=chosen.reload_settle_ms,
            dispatch=_dispatch_limits(chosen),
            limits=Limits(action_age_ms=chosen.action_expiry_ms),
            **options,
        ),
    )


def make_worker(
    chosen: Settings, store: Store, handlers: object, *, performer: Performer | None = None
) -> Worker:
    """A worker, not yet started."""
    return Worker(store, find_handlers(handlers), performer or Performer(), _dispatch_limits(chosen))


def serve_http(address: str, chosen: Settings, store: Store, service: Service) -> StatusServer:
    """Serve how the daemon is at `host:port`. Raises `ValueError` if that is no address to be had."""
    return StatusServer(
        address,
        {
            "/health": lambda: json_page(service.health(), ok=service.health()["ok"]),
            "/status": lambda: json_page(status(store, chosen)),
            "/metrics": lambda: metrics_page(status(store, chosen), service.health()),
        },
    )


def _dispatch_limits(chosen: Settings) -> DispatchLimits:
    return DispatchLimits(default_timeout_ms=chosen.action_timeout_ms, lease_ms=chosen.lease_ms)


class Engine:
    """The daemon's engine inside another program.

        async with Engine(rules="rules", db="events.db", handlers=[my_module]) as engine:
            ...

    It works in threads of its own; `async` handlers run on the loop that entered it. Entering raises
    `RulesRefused` (its `.rules.diagnostics` say why), `DaemonRunning`, `HandlersError` or `StoreError`;
    then nothing has begun.
    """

    def __init__(
        self,
        rules: PathText | Sequence[PathText] | None = None,
        db: PathText | None = None,
        handlers: object = (),
        *,
        watch: bool = True,
    ) -> None:
        paths = (rules,) if isinstance(rules, str | os.PathLike) else rules
        self._settings = settings(
            db=None if db is None else Path(db),
            rules=None if paths is None else tuple(Path(p) for p in paths),
        )
        self._handlers = handlers
        self._watch = watch
        self._store: Store | None = None
        self._service: Service | None = None

    async def __aenter__(self) -> Self:
        performer = Performer(asyncio.get_running_loop())
        await asyncio.shield(asyncio.to_thread(self._start, performer))
        return self

    def _start(self, performer: Performer) -> None:
        self._store = open_store(self._settings)
        try:
            service = make_service(
                self._settings, self._store, self._handlers, performer=performer, watch=self._watch
            )
            service.start()
        except BaseException:
            self._store.close()
            raise
        self._service = service

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(asyncio.to_thread(self._stop))

    def _stop(self) -> None:
        if self._service is not None:
            self._service.stop()
        if self._store is not None:
            self._store.close()

    @property
    def store(self) -> Store:
        """The store it works over."""
        if self._store is None:
            raise RuntimeError("the engine has not been entered: use `async with Engine(...)`")
        return self._store

    @property
    def knobs(self) -> Knobs:
        """The knobs as they stand."""
        return Knobs(store=self.store)

    def health(self) -> dict[str, Any]:
        """Counters and troubles."""
        return (
            self._service.health()
            if self._service is not None
            else {"ok": False, "troubles": ["not started"]}
        )

    def reload(self) -> None:
        """Read the rules again."""
        if self._service is not None:
            self._service.reload()

    async def wait(self) -> None:
        """Until the engine has to stop by itself; raises `RuntimeError` with the reason."""
        if self._service is not None:
            await asyncio.to_thread(self._service.wait)
            if self._service.failure:
                raise RuntimeError(self._service.failure)


async def serve(handlers: object | Collection[object], db: PathText | None = None) -> None:
    """Perform owed actions with these handlers until cancelled; `async` ones run on this loop.

    Raises `HandlersError`, `StoreError`.
    """
    chosen = settings(db=None if db is None else Path(db))
    performer = Performer(asyncio.get_running_loop())
    store = await asyncio.to_thread(open_store, chosen)
    worker: Worker | None = None
    try:
        worker = make_worker(chosen, store, handlers, performer=performer)
        await asyncio.to_thread(worker.start)
        await asyncio.to_thread(worker.wait)
    finally:
        if worker is not None:
            worker.request_stop()
            await asyncio.shield(asyncio.to_thread(worker.stop))
        await asyncio.shield(asyncio.to_thread(store.close))
