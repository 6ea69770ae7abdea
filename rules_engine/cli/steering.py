"""Commands that steer the running daemon: reload, off, on, knobs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rules_engine.cli.options import AsFormat, Db, Rules, duration_ms, nearest, open_existing, read_settings
from rules_engine.cli.output import (
    FINDINGS,
    CommandError,
    Format,
    json_line,
    print_json,
    say,
)

if TYPE_CHECKING:
    from rules_engine.store.port import Control, Store

#: How long the daemon may take to answer a request.
_PATIENCE_S = 15.0
_LOOK_EVERY_S = 0.02


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(reload)
    app.command()(off)
    app.command()(on)
    app.command(context_settings={"ignore_unknown_options": True})(knobs)


# ---- asking the daemon ---------------------------------------------------------------------------


def _running(db: Path | None) -> Store:
    """The database of a running daemon."""
    from rules_engine.tools.status import RULES_ROLE

    store = open_existing(db)
    holder = store.holder(RULES_ROLE)
    if holder is None or not holder.alive:
        raise CommandError(f"no daemon runs over {store.info().url}", "start it with `rules-engine run`")
    return store


def _ask(store: Store, request: Control) -> int:
    """Ask, and wait until it took effect; the request's id. `CommandError` if it was refused."""
    from rules_engine.daemon import facts

    number = store.ask(request)
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        answers = store.fact(facts.ANSWERS) or {}
        if str(number) in answers:
            if (refusal := answers[str(number)]) is not None:
                raise CommandError(refusal, "`rules-engine status` shows loops and knobs")
            return number
        time.sleep(_LOOK_EVERY_S)
    raise CommandError(
        f"the daemon did not answer within {_PATIENCE_S:g} s; the request stays in its inbox",
        "see its log, and `rules-engine status`",
    )


def _known_loop(store: Store, loop: str) -> None:
    from rules_engine.daemon import facts

    known = [one["loop"] for one in (store.fact(facts.RULES) or {"loops": []})["loops"]]
    if loop not in known:
        raise CommandError(
            f"there is no loop `{loop}`{nearest(loop, known)}", "`rules-engine status` lists them"
        )


# ---- reload --------------------------------------------------------------------------------------


def reload(
    plan: Annotated[
        bool, typer.Option("--plan", help="Only show what a reload would do to each loop's state.")
    ] = False,
    rules: Rules = None,
    format: AsFormat = Format.text,
    db: Db = None,
) -> None:
    """Let the daemon read the rules again."""
    if plan:
        _print_plan(open_existing(db), rules, format)
        return
    if rules:
        raise CommandError("--rules goes with --plan", "the daemon reads the paths that it was started with")
    from rules_engine.daemon import control, facts

    store = _running(db)
    number = _ask(store, control.reload())
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        fact = store.fact(facts.LAST_RELOAD)
        if fact is not None and number in fact["requests"]:
            _print_reload(fact, format)
            return
        time.sleep(_LOOK_EVERY_S)
    raise CommandError("the reload did not end in time", "see the daemon's log, and `rules-engine status`")


def _print_reload(fact: dict[str, Any], format: Format) -> None:
    if format is Format.json:
        print_json({"version": 1, **{k: v for k, v in fact.items() if k not in ("requests", "time_ms")}})
    elif fact["ok"]:
        say(
            f"reloaded, {fact['hash'][:12]}"
            if fact["handover"]
            else f"nothing has changed, {fact['hash'][:12]}"
        )
        _print_handover(fact["handover"])
    else:
        for one in fact["unreadable"]:
            say(f"{one['path']}: {one['message']}")
        for one in fact["diagnostics"]:
            if one["severity"] == "error":
                say(f"{one['path']}:{one['line']}:{one['column']}: {one['code']} {one['message']}")
    if not fact["ok"]:
        raise CommandError(
            "the rules have errors: the last good ones go on",
            "`rules-engine lint` shows them in full",
            FINDINGS,
        )


def _print_plan(store: Store, rules: list[Path] | None, format: Format) -> None:
    from rules_engine.cli.authoring import print_errors
    from rules_engine.daemon import facts
    from rules_engine.pipeline import load
    from rules_engine.tools.dry_run import planned_handover

    daemon = store.fact(facts.DAEMON) or {}
    paths = rules or [_short(path) for path in daemon.get("rules", ())] or list(read_settings().rules)
    loaded = load(*paths)
    if not loaded.ok:
        print_errors(loaded)
        raise CommandError(
            "these rules would not be loaded", "mend the errors; `rules-engine lint` shows them", FINDINGS
        )
    result = planned_handover(store, loaded)
    if format is Format.json:
        print_json(
            {"version": 1, "hash": loaded.hash, "position": result.position, "handover": result.report}
        )
        return
    say(f"computed at position {result.position}; the reload computes it anew at its own")
    _print_handover(result.report)


def _short(path: str) -> Path:
    """A path as somebody in this folder would write it."""
    full = Path(path)
    return full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full


def _print_handover(report: dict[str, Any]) -> None:
    for what, loops in report.items():
        names = loops if isinstance(loops, list) else []
        for name in names:
            say(f"  {what:<10} {name}")
        if isinstance(loops, int):
            say(f"  {what.replace('_', ' ')}: {loops}")


# ---- off and on ----------------------------------------------------------------------------------


def off(
    loop: Annotated[str, typer.Argument(metavar="LOOP")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; `status` shows it.")],
    for_: Annotated[str | None, typer.Option("--for", metavar="D", help="Only for so long: 10m, 2h.")] = None,
    db: Db = None,
) -> None:
    """Switch a loop off: until it is on again it hears nothing and does nothing."""
    from rules_engine.daemon import control

    for_ms = None if for_ is None else duration_ms(for_, "--for")
    store = _running(db)
    _known_loop(store, loop)
    _ask(store, control.off(loop, reason, for_ms))
    say(f"{loop} is off{'' if for_ is None else f' for {for_}'}")


def on(loop: Annotated[str, typer.Argument(metavar="LOOP")], db: Db = None) -> None:
    """Switch a loop on again."""
    from rules_engine.daemon import control

    store = _running(db)
    _known_loop(store, loop)
    _ask(store, control.on(loop))
    say(f"{loop} is on")


# ---- knobs ---------------------------------------------------------------------------------------


def knobs(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME] | set NAME [KEY] VALUE", help="Nothing shows all knobs."),
    ] = None,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="D", help="With set: only for so long.")
    ] = None,
    format: AsFormat = Format.text,
    db: Db = None,
) -> None:
    """Read the knobs, or override one: knobs set exploration hex8_2p 1.5 --for 1h."""
    from rules_engine.cli.observing import print_knobs

    given = words or []
    unknown = next((word for word in given if word.startswith("--")), None)
    if unknown is not None:
        raise CommandError(f"there is no option {unknown}", "`rules-engine knobs --help` lists them")
    if given[:1] == ["set"]:
        _set_knob(given[1:], for_, db)
        return
    if len(given) > 1 or for_ is not None:
        raise CommandError(
            "too much said", "`rules-engine knobs NAME`, or `rules-engine knobs set NAME KEY VALUE`"
        )
    print_knobs(given[0] if given else None, format, db)


def _set_knob(words: list[str], for_: str | None, db: Path | None) -> None:
    from rules_engine.daemon import control
    from rules_engine.tools.knobs import Knobs

    if len(words) < 2:
        raise CommandError(
            "knobs set needs a name, a key and a value", "knobs set exploration hex8_2p 1.5 --for 1h"
        )
    name, *key, text = words
    for_ms = None if for_ is None else duration_ms(for_, "--for")
    store = _running(db)
    known = Knobs(store=store)
    try:
        old = known.read(name, *key)
    except KeyError as error:
        advice = "the form is `knobs set NAME KEY VALUE`; `rules-engine knobs` lists them"
        raise CommandError(str(error.args[0]), advice) from None
    _ask(store, control.set_knob(name, tuple(key), _value(text), for_ms))
    where = f"[{'/'.join(key)}]" if key else ""
    say(f"{name}{where} = {json_line(known.get(name, *key))} (was {json_line(old.value)})")


def _value(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text
