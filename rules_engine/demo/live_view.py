"""What is shown while the demo runs: a screen on a terminal, lines elsewhere."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rules_engine.demo.observer import Observer, number
from rules_engine.demo.settings import SPEEDUP, RunSettings
from rules_engine.engine.decision import Firing

_BARS = "▁▂▃▄▅▆▇█"
_SHOWN_FIRINGS = 6
_PLAIN_EVERY_SECONDS = 5.0


def sparkline(values: list[float], width: int) -> str:
    """The course of a number in one line of bars, the latest at the right."""
    if not values:
        return ""
    if len(values) > width:
        values = [values[round(i * (len(values) - 1) / (width - 1))] for i in range(width)]
    low, high = min(values), max(values)
    steps = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / (high - low or 1) * steps)] for value in values)


def consequences(firing: Firing) -> str:
    """What a firing did, in a few words."""
    words = []
    for effect in firing.effects:
        if effect["kind"] == "set":
            words.append(f"{effect['knob']} = {number(effect['value'])}")
        elif effect["kind"] == "do":
            words.append(effect["action"])
    emitted = [effect["event"] for effect in firing.effects if effect["kind"] == "emit"]
    return ", ".join(words or emitted or ["nothing"])


def times(count: int) -> str:
    """`once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def screen(observer: Observer, settings: RunSettings, elapsed: float, *, rules: bool) -> RenderableType:
    """The whole picture at one moment, `elapsed` seconds into the run."""
    total = settings.rounds * settings.round_seconds
    fault = (
        f", fault {settings.fault} at {settings.fault_round * settings.round_seconds:.0f}s"
        if settings.fault
        else ""
    )
    head = Text(
        f"{min(elapsed, total):3.0f} of {total:.0f} s   seed {settings.seed}{fault}   "
        f"1 s stands for {SPEEDUP // 60} min   {observer.events} events",
        style="bold",
    )
    parts: list[RenderableType] = [head, _ratings(observer)]
    if rules:
        parts += [_knobs(observer), _loops(observer)]
        latest = list(observer.recent)[-_SHOWN_FIRINGS:]
        lines = [
            f"{f.loop} [{' '.join(map(str, f.key))}] {observer.because(f, 3)} -> {consequences(f)}"
            for f in latest
        ]
        parts.append(
            Panel(
                Text("\n".join(lines), overflow="ellipsis", no_wrap=True),
                title="last firings",
                box=SIMPLE_HEAD,
                title_align="left",
            )
        )
    else:
        parts.append(Text("without rules: nobody turns a knob", style="dim"))
    return Group(*parts)


def _ratings(observer: Observer) -> Table:
    table = Table(box=SIMPLE_HEAD, expand=True, padding=(0, 1), title="players", title_justify="left")
    for name in ("config", "rating", "", "per hour", "quality", "loss", "games", "promoted", "rolled back"):
        table.add_column(name, justify="left" if name in ("config", "", "loss") else "right")
    for key, record in observer.configs.items():
        table.add_row(
            key,
            f"{record.elos[-1]:.0f}" if record.elos else "",
            sparkline(record.elos, 30),
            f"{record.velocity:+.0f}",
            "" if record.quality is None else f"{record.quality:.2f}",
            record.loss_trend,
            str(record.games),
            str(record.promotions),
            str(record.rollbacks),
        )
    return table


def _knobs(observer: Observer) -> Table:
    table = Table(box=SIMPLE_HEAD, expand=True, padding=(0, 1), title="knobs", title_justify="left")
    table.add_column("knob")
    for key in observer.configs:
        table.add_column(key, justify="right")
    for knob in sorted({name for name, _ in observer.knobs} | set(observer.defaults)):
        values = []
        for key in observer.configs:
            record = observer.knobs.get((knob, key))
            value = record.now if record else observer.defaults.get(knob, "")
            moved = record is not None and record.moves > 0
            values.append(Text(number(value), style="yellow" if moved else "dim"))
        table.add_row(knob, *values)
    return table


def _loops(observer: Observer) -> Table:
    table = Table(box=SIMPLE_HEAD, expand=True, padding=(0, 1), title="loops", title_justify="left")
    table.add_column("loop")
    table.add_column("fired", justify="right")
    table.add_column("acted", justify="right")
    table.add_column("where")
    for name, record in sorted(observer.loops.items()):
        table.add_row(
            name,
            str(record.count),
            str(record.acted),
            ", ".join(f"{key} {count}" for key, count in sorted(record.keys.items())),
        )
    return table


class PlainView:
    """Lines for a log: each loop when it first fires for a key, milestones, and the ratings now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: set[tuple[str, tuple[Any, ...]]] = set()
        self._milestones = 0
        self._next = 0.0

    def show(self, observer: Observer, elapsed: float) -> None:
        """Print what is new."""
        for _, sentence in observer.milestones[self._milestones :]:
            self._line(elapsed, sentence)
        self._milestones = len(observer.milestones)
        for firing in observer.recent:
            if (firing.loop, firing.key) not in self._seen:
                self._seen.add((firing.loop, firing.key))
                key = " ".join(map(str, firing.key))
                self._line(
                    elapsed, f"{firing.loop} [{key}] {observer.because(firing)} -> {consequences(firing)}"
                )
        if elapsed >= self._next:
            self._next = elapsed + _PLAIN_EVERY_SECONDS
            ratings = (
                f"{key} {record.elos[-1]:.0f}" for key, record in observer.configs.items() if record.elos
            )
            fired = sum(record.count for record in observer.loops.values())
            self._line(elapsed, f"ratings: {', '.join(ratings) or 'none yet'}; {fired} firings")

    def _line(self, elapsed: float, text: str) -> None:
        self._console.print(f"{elapsed:5.1f} s  {text}", markup=False, highlight=False, soft_wrap=True)
