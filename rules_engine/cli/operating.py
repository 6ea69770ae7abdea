"""Commands that work: run, work, publish."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rules_engine.cli.options import Db, Rules, read_settings
from rules_engine.cli.output import CANNOT, FINDINGS, CommandError, note, say

if TYPE_CHECKING:
    from rules_engine.config import Settings
    from rules_engine.daemon.service import Service
    from rules_engine.pipeline import RuleSet
    from rules_engine.store.port import Store

Handlers = Annotated[
    list[str] | None,
    typer.Option(
        "--handlers", metavar="MODULE", help="A module or file with handlers, optionally module:attribute."
    ),
]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(run)
    app.command()(work)
    app.command()(publish)


# ---- run -----------------------------------------------------------------------------------------


def run(
    rules: Rules = None,
    db: Db = None,
    handlers: Handlers = None,
    once: Annotated[bool, typer.Option("--once", help="Work off what is waiting, and exit.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Decide and print; write and perform nothing.")
    ] = False,
    http: Annotated[
        str | None,
        typer.Option("--http", metavar="HOST:PORT", help="Serve /health, /status and /metrics there."),
    ] = None,
) -> None:
    """The daemon. SIGHUP reloads the rules, SIGTERM drains and stops."""
    from rules_engine.daemon.log import set_up_logging

    chosen = read_settings(db=db, rules=None if rules is None else tuple(rules))
    set_up_logging(chosen.event_log_level)
    if dry_run:
        _dry_run(chosen, once=once)
        return
    from rules_engine.wiring import open_store

    store = open_store(chosen)
    try:
        _daemon(chosen, store, handlers or [], once=once, http=http)
    finally:
        store.close()


def _daemon(chosen: Settings, store: Store, handlers: list[str], *, once: bool, http: str | None) -> None:
    from rules_engine.daemon.log import log
    from rules_engine.daemon.service import DaemonRunning, RulesRefused
    from rules_engine.tools.status import delivery
    from rules_engine.wiring import make_service, serve_http

    service = make_service(chosen, store, handlers, keep_last_good=not once)
    try:
        if once:
            _drain(service)
            return
        _on_signals(service.request_stop, service.reload)
        service.start()
    except RulesRefused as refused:
        _refuse(refused.rules)
    except DaemonRunning as running:
        raise CommandError(str(running), "stop it first, or name another database with --db") from None
    server = None
    try:
        server = serve_http(http, chosen, store, service) if http else None
        if server is not None:
            log.info("watched", http=server.address)
        log.info("running", db=str(chosen.db), rules=" ".join(map(str, chosen.rules)), **service.summary())
        for one in delivery(store, chosen)["missing_listeners"]:
            log.warning("an expected listener is not there yet", listener=one["listener"], hears=one["event"])
        service.wait()
    except ValueError as problem:
        raise CommandError(f"--http {http}: {problem}", "write --http 127.0.0.1:8080") from None
    finally:
        if server is not None:
            server.close()
        service.stop()
    if service.failure is not None:
        raise CommandError(service.failure, "nothing that was committed is lost; start it again")
    log.info("stopped")


def _drain(service: Service) -> None:
    from rules_engine.daemon.log import log

    service.prepare()
    _on_signals(service.request_stop, service.reload)
    try:
        service.drain()
    finally:
        service.stop()
    log.info("drained", **service.summary())
    health = service.health()
    if health["step_failures"] or (health["actions"] or {}).get("dead"):
        raise CommandError("something was given up", "`rules-engine dead-letters list` shows it", FINDINGS)


def _refuse(rules: RuleSet) -> None:
    from rules_engine.cli.authoring import print_errors

    print_errors(rules)
    if rules.unreadable:
        raise typer.Exit(CANNOT)
    raise CommandError(
        "the rules have errors, and no earlier ones are there to go on with", "mend them first", FINDINGS
    )


def _on_signals(stop: Callable[[], None], reload: Callable[[], None]) -> None:
    """SIGTERM and the first SIGINT end gently, the second SIGINT at once; SIGHUP reloads."""
    if threading.current_thread() is not threading.main_thread():
        return

    def end(number: int, _: Any) -> None:
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda *_: reload())


def _dry_run(chosen: Settings, *, once: bool) -> None:
    from rules_engine.cli.observing import print_firing
    from rules_engine.cli.options import open_existing
    from rules_engine.pipeline import load
    from rules_engine.tools.dry_run import DryRun

    store = open_existing(chosen.db)
    loaded = load(*chosen.rules)
    if not loaded.ok:
        _refuse(loaded)
    dry = DryRun(store, loaded)
    rows = fired = 0
    try:
        while True:
            count, firings = dry.turn()
            for firing in firings:
                print_firing(firing)
            rows, fired = rows + count, fired + len(firings)
            if count:
                continue
            if once:
                break
            sys.stdout.flush()
            store.wait(dry.position, 200)
    except KeyboardInterrupt:
        pass
    finally:
        store.close()
        note(f"{rows} rows, {fired} firings; nothing was written")


# ---- work ----------------------------------------------------------------------------------------


def work(
    handlers: Annotated[
        list[str],
        typer.Option(
            "--handlers",
            metavar="MODULE",
            help="A module or file with handlers, optionally module:attribute.",
        ),
    ],
    db: Db = None,
) -> None:
    """Perform owed actions in this process, beside the daemon or while it is down."""
    from rules_engine.daemon.log import log, set_up_logging
    from rules_engine.wiring import make_worker, open_store

    chosen = read_settings(db=db)
    set_up_logging(chosen.event_log_level)
    store = open_store(chosen)
    try:
        worker = make_worker(chosen, store, handlers)
        _on_signals(worker.request_stop, lambda: None)
        worker.start()
        log.info("working", db=str(chosen.db), actions=" ".join(sorted(worker.actions)))
        worker.wait()
        if not worker.stop():
            log.warning("some handlers did not end in time: their actions stay owed")
        log.info("stopped")
    finally:
        store.close()


# ---- publish -------------------------------------------------------------------------------------


def publish(
    type: Annotated[
        str | None, typer.Argument(metavar="[TYPE]", help="The event's name, in any spelling.")
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FIELD=VALUE]...", help="Values are JSON where they can be, else text."),
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="FILE|-", help='JSON Lines: {"type", "payload", "source"}, or CloudEvents 1.0.'
        ),
    ] = None,
    source: Annotated[str, typer.Option("--source", metavar="NAME", help="Who publishes.")] = "cli",
    rules: Rules = None,
    db: Db = None,
) -> None:
    """Publish one event, or a stream of them."""
    from rules_engine.cli import publishing

    if (type is None) == (json is None):
        raise CommandError(
            "say what to publish: a type with fields, or --json",
            "rules-engine publish MODEL_PROMOTED config_key=hex8_2p",
        )
    chosen = read_settings(db=db)
    router = publishing.make_router(chosen, rules)
    try:
        if type is not None:
            say(publishing.publish_one(router, type, publishing.payload_of(fields or []), source))
            return
        assert json is not None
        published, bad = publishing.publish_stream(router, json, source)
    finally:
        router.close()
    note(f"{published} published" + (f", {bad} refused" if bad else ""))
    if bad:
        raise typer.Exit(FINDINGS)
