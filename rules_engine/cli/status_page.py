"""`status` for people: one page, the worst first to catch the eye."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rules_engine.cli.output import table
from rules_engine.terminal_text import visible

if TYPE_CHECKING:
    from rich.console import Console

_STATES = {"live": "green", "shadow": "cyan", "off": "yellow"}
_MAX_FINDINGS = 10
_MAX_WIDTH = 100


def print_status(console: Console, document: dict[str, Any], db: Path) -> None:
    """Print the document of `status --format json` as a page."""
    from rich.text import Text

    def line(label: str, text: str, style: str = "") -> None:
        console.print(Text.assemble((f"{label:<10}", "bold"), (text, style)))

    _head(line, document, db)
    _reload(console, line, document["rules"]["last_reload"])
    _loops(console, document["rules"]["loops"])
    moved = [one for one in document["knobs"] if one["hold"] is not None or one["value"] != one["default"]]
    _knobs(console, document["knobs"], moved)
    _readers(console, document)
    _actions(line, document)
    _delivery(line, document["delivery"])


def _head(line: Any, document: dict[str, Any], db: Path) -> None:
    daemon, rules, log = document["daemon"], document["rules"], document["log"]
    if daemon["running"]:
        line("daemon", f"running, pid {daemon['pid']}, since {daemon.get('started', '?')}", "green")
    else:
        line("daemon", "not running; start it with `rules-engine run`", "yellow")
    for trouble in daemon.get("health", {}).get("troubles", []) if daemon["running"] else []:
        line("", trouble, "bold red")
    count = len(rules["loops"])
    line(
        "rules",
        f"{rules['hash'][:12]}, {count} loop{'s' * (count != 1)}" if rules["hash"] else "none loaded yet",
    )
    newest = f", newest of {log['time']}" if log["time"] else ""
    line("log", f"{log['head']} rows{newest}, {_bytes(log['bytes'])}, {db}")
    for limit in log["limits"]:
        line("", f"limit reached: {limit}", "bold red")


def _reload(console: Console, line: Any, reload: dict[str, Any] | None) -> None:
    from rich.text import Text

    if reload is None:
        return
    if reload["ok"]:
        line("reload", f"fine, {reload['time']}")
        return
    line("reload", f"failed, {reload['time']}: the last good rules go on", "bold red")
    problems = [f"{one['path']}: {one['message']}" for one in reload["unreadable"]]
    problems += [
        f"{d['path']}:{d['line']}:{d['column']} {d['code']} {d['message']}"
        for d in reload["diagnostics"]
        if d["severity"] == "error"
    ]
    for problem in problems[:_MAX_FINDINGS]:
        console.print(Text(f"          {problem}", style="red"))
    if len(problems) > _MAX_FINDINGS:
        console.print(Text(f"          and {len(problems) - _MAX_FINDINGS} more: rules-engine lint"))


def _loops(console: Console, loops: list[dict[str, Any]]) -> None:
    from rich.text import Text

    if not loops:
        return
    made = table("", "loop", "state", "fired", "", right=("fired",))
    for loop in sorted(loops, key=lambda one: (-one["fired"], one["loop"])):
        why = loop["reason"] or ""
        if loop["until"]:
            why += f" (until {loop['until']})"
        made.add_row(loop["loop"], Text(loop["state"], style=_STATES[loop["state"]]), str(loop["fired"]), why)
    console.print(made)


def _knobs(console: Console, knobs: list[dict[str, Any]], moved: list[dict[str, Any]]) -> None:
    if moved:
        console.print(knob_table(moved))
    rest = len(knobs) - len(moved)
    if rest:
        console.print(f"{rest} knob value{'s' * (rest != 1)} at default\n", style="dim")


def _readers(console: Console, document: dict[str, Any]) -> None:
    from rich.text import Text

    if not document["readers"]:
        return
    made = table("", "reader", "position", "behind", "", right=("position", "behind"))
    for reader in document["readers"]:
        behind = Text(str(reader["lag"]), style="yellow" if reader["lag"] > 1_000 else "")
        made.add_row(reader["name"], str(reader["position"]), behind, "pinned" if reader["pinned"] else "")
    console.print(made)


def _actions(line: Any, document: dict[str, Any]) -> None:
    counts = document["actions"]
    style = "red" if counts["dead"] else ""
    line("actions", f"{counts['owed']} owed, {counts['claimed']} in hand, {counts['dead']} dead", style)
    if document["waiting"]:
        line("", "owed: " + ", ".join(f"{name} ({count})" for name, count in document["waiting"].items()))
    others = document["dead_letters"] - counts["dead"]
    if others > 0:
        line("", f"{others} other dead letter{'s' * (others != 1)}", "red")
    if document["dead_letters"]:
        line("", "see them with `rules-engine dead-letters list`")


def _delivery(line: Any, report: dict[str, Any]) -> None:
    """What does not reach anybody, and what goes wrong on the way; one line for each kind of it."""
    kinds = [
        ("not heard by anybody", report["emitted_never_heard"]),
        ("heard and never emitted", report["heard_never_emitted"]),
        ("not an event", [f"{one['name']} ({one['count']})" for one in report["unknown_names"]]),
        ("does not listen", [f"{one['listener']} to {one['event']}" for one in report["missing_listeners"]]),
        (
            "unfit payload",
            [f"{one['event']}: {one['finding']} ({one['count']})" for one in report["payload_findings"]],
        ),
        ("slow", [f"{one['handler']} ({one['mean_ms']:.0f} ms)" for one in report["slow"]]),
        ("blocks its loop", sorted({one["handler"] for one in report["slow_inline"]})),
        ("fails", [f"{one['handler']} ({one['errors']} of {one['calls']})" for one in report["errors"]]),
    ]
    label = "delivery"
    for what, found in kinds:
        if found:
            rest = f" and {len(found) - _MAX_FINDINGS} more" if len(found) > _MAX_FINDINGS else ""
            line(label, f"{what}: {_listed(found)}{rest}", "yellow")
            label = ""
    if report["hear_everything"]:
        line(label, f"hears everything: {_listed(report['hear_everything'])}")


def _listed(found: list[str]) -> str:
    """The first of them on one line, whatever is in them."""
    return ", ".join(visible(" ".join(one.split()))[:_MAX_WIDTH] for one in found[:_MAX_FINDINGS])


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1_000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1_000
    return f"{size:.1f} GB"


def knob_table(records: list[dict[str, Any]]) -> Any:
    """Knobs for people."""
    made = table("", "knob", "key", "value", "base", "held", right=("value", "base"))
    for one in records:
        held = {None: "", "while": "while active"}.get(one["hold"], f"until {one['until']}")
        made.add_row(
            one["knob"], "/".join(map(str, one["key"])), _short(one["value"]), _short(one["base"]), held
        )
    return made


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
