"""What is told when the demo has ended: what each loop did and why, and how strong the players are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from rules_engine.demo.live_view import consequences, times
from rules_engine.demo.observer import KnobRecord, LoopRecord, Observer, number
from rules_engine.demo.scaled_rules import loop_names
from rules_engine.demo.settings import RunSettings
from rules_engine.engine.decision import Firing


def tell(console: Console, observer: Observer, settings: RunSettings, *, rules: bool) -> None:
    """Print the whole summary."""
    console.print(Rule("what happened"))
    _milestones(console, observer)
    if rules:
        console.print(Rule("what each loop did, and why"))
        _loops(console, observer, loop_names(settings.folder / "rules"))
        console.print(Rule("what the knobs did"))
        _knobs(console, observer)
        _actions(console, settings.folder / "actions.jsonl")
    console.print(Rule("how strong the players are now"))
    _strength(console, settings)
    _files(console, settings, rules=rules)


def _line(console: Console, text: str, indent: int = 0) -> None:
    """A line of text; broken to the width of a terminal, but not in a file."""
    if console.is_terminal:
        console.print(Padding(Text(text), (0, 0, 0, indent)))
    else:
        console.print(" " * indent + text, markup=False, highlight=False, soft_wrap=True)


def _milestones(console: Console, observer: Observer) -> None:
    began = observer.began_ms or 0
    for time_ms, sentence in observer.milestones[:20]:
        _line(console, f"{(time_ms - began) / 1000:5.1f} s  {sentence}")
    if not observer.milestones:
        _line(console, "Nothing out of the ordinary: no regression, no poor games, no plateau.")


def _loops(console: Console, observer: Observer, names: list[str]) -> None:
    for name, record in sorted(observer.loops.items(), key=lambda item: -item[1].count):
        keys = ", ".join(f"{key} {count}" for key, count in sorted(record.keys.items()))
        acted = "" if record.acted == record.count else f", with an effect {times(record.acted)}"
        acted = acted if record.acted else ", without an effect"
        _line(console, f"{name}  fired {times(record.count)}{acted} ({keys})")
        for label, firing in _examples(record):
            _line(
                console, f"{label}: {_where(firing)}{observer.because(firing)} -> {consequences(firing)}", 4
            )
        if not record.acted:
            continue
        effects = ", ".join(f"{effect} x{count}" for effect, count in record.effects.most_common())
        _line(console, f"in all: {effects}", 4)
    for name in names:
        if name not in observer.loops:
            _line(console, f"{name}  did not fire; {observer.why_not(name)}")


def _examples(record: LoopRecord) -> list[tuple[str, Firing]]:
    found = []
    if record.first:
        found.append(("first", record.first))
    if record.last and record.last is not record.first:
        found.append(("last", record.last))
    return found


def _where(firing: Firing) -> str:
    key = " ".join(map(str, firing.key))
    cause = "" if firing.cause == "event" else f" ({firing.cause})"
    return f"{key}{cause}: " if key else f"{cause} "


def _knobs(console: Console, observer: Observer) -> None:
    moved = [(where, record) for where, record in sorted(observer.knobs.items()) if record.moves]
    for (knob, key), record in moved:
        loops = ", ".join(sorted(record.loops))
        _line(
            console,
            f"{knob} [{key}]  {number(record.first)} -> {number(record.now)}"
            f"  ({_span(record)}moved {times(record.moves)} by {loops})",
        )
    if not moved:
        _line(console, "No knob moved.")


def _span(record: KnobRecord) -> str:
    """How far a knob of numbers went; one of words went nowhere that two of them could tell."""
    if isinstance(record.low, str):
        return ""
    return f"between {number(record.low)} and {number(record.high)}, "


def _actions(console: Console, path: Path) -> None:
    """What the pipeline says it did when it was asked."""
    if not path.exists():
        return
    done: dict[tuple[str, str], list[Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        done.setdefault((entry["action"], entry["config_key"]), []).append(entry["did"])
    console.print(Rule("what the pipeline did when asked"))
    for (action, key), notes in sorted(done.items()):
        _line(console, f"{action} [{key}]  {times(len(notes))}, last: {notes[-1]}")


def _strength(console: Console, settings: RunSettings) -> None:
    path = settings.folder / "result.json"
    if not path.exists():
        _line(console, "The pipeline did not come to its end, so the players were not examined.")
        return
    result = json.loads(path.read_text(encoding="utf-8"))
    for key, model in result["models"].items():
        faulty = "  (the fault happened here)" if settings.fault and key == settings.faulty_config else ""
        _line(
            console,
            f"{key}  rated {model['elo']:.0f}, wins {model['win_rate']:.0%} of 2000 games against the fixed "
            f"baseline (1000); serves {model['serving']}{faulty}",
        )
    if result["rounds"] < settings.rounds:
        _line(console, f"Stopped after {result['rounds']} of {settings.rounds} rounds.")


def _files(console: Console, settings: RunSettings, *, rules: bool) -> None:
    folder = settings.folder
    _line(console, "")
    _line(
        console,
        f"Models and games are in {folder}/models and {folder}/exports, the events in {folder}/events.db.",
    )
    if rules:
        _line(console, f"The rules as they ran are in {folder}/rules. Look closer with:")
        for command in ("status", "firings", "knobs"):
            _line(console, f"rules-engine {command} --db {folder}/events.db", 4)
