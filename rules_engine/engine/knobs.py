"""Knobs: bounded actuators with steps, a deadband, holds over a base, and decay (L23 to L26).

A knob's cell is JSON, and only there while it says more than the default:
`v` the value in force, `b` the base, `t` when the base was set, `k` tenths of the half-life committed
since, `h` the hold `[value, until_ms or null, loop, key]`, `s` the values of late, for steps:
`[since_ms, low, high]` each, `T` timers. `v` always is the committed value: reading computes nothing,
so reading can never matter (R34).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rules_engine.engine import values
from rules_engine.engine.plan import Key, KnobPlan, Value
from rules_engine.engine.timers import FORGET

Cell = dict[str, Any]

#: Decay is stepwise: so many steps a half-life (L26).
STEPS_PER_HALF_LIFE = 10
#: More values of late than these are merged, two by two from the oldest, which limits no less.
_MAX_HISTORY = 256

RELEASE = "release"
DECAY = "decay"


@dataclass(frozen=True, slots=True)
class Hold:
    """A value over the base: until a time, or (None) until its loop's latch is left at that key."""

    until_ms: int | None
    loop: str
    key: Key


@dataclass(frozen=True, slots=True)
class KnobState:
    """A knob as others see it: value in force, base, and the hold (`for`, `while` or None) with its end."""

    value: Value
    base: Value
    hold: str | None
    until_ms: int | None


def value_of(plan: KnobPlan, cell: Cell | None) -> Value:
    """The value in force."""
    return plan.default if cell is None else cell["v"]


def knob_state(plan: KnobPlan, cell: Cell | None, now_ms: int) -> KnobState:
    """Everything there is to show of a knob at one key."""
    if cell is None:
        return KnobState(plan.default, plan.default, None, None)
    hold = cell.get("h")
    kind = None if hold is None else "while" if hold[1] is None else "for"
    base, _ = _base(plan, cell, now_ms)
    return KnobState(cell["v"], base, kind, hold[1] if hold else None)


def target_of(op: str, current: Value, operand: Value) -> Value:
    """What a `set` aims at, before any limit; unknown where it makes no sense."""
    if op == "=":
        return operand
    if op == "+=":
        return values.add(current, operand)
    if op == "-=":
        return values.subtract(current, operand)
    return values.multiply(current, operand)


def set_knob(
    plan: KnobPlan, cell: Cell | None, target: Value, now_ms: int, hold: Hold | None
) -> tuple[Cell | None, bool]:
    """Set by a loop: range, step, deadband, rounding (L24). The new cell, and if the deadband stopped it.

    A hold that changes no value still replaces the hold there is, and a plain set still ends it (L25).
    """
    current = value_of(plan, cell)
    wanted = _limited(plan, cell, target, now_ms)
    stopped = wanted is None or _within_deadband(plan, current, wanted)
    if stopped:
        if hold is None and (cell is None or "h" not in cell):
            return cell, True
        wanted = current
    return _committed(plan, cell, wanted, now_ms, hold), stopped


def override(plan: KnobPlan, cell: Cell | None, value: Value, now_ms: int, hold: Hold | None) -> Cell | None:
    """Set by the operator: bound by the range alone (L24)."""
    exact = value if plan.words else _in_range(plan, float(value))
    return _committed(plan, cell, exact, now_ms, hold)


def release(plan: KnobPlan, cell: Cell, now_ms: int) -> Cell | None:
    """The hold ends: back to the base, which has decayed meanwhile (L25)."""
    base, step = _base(plan, cell, now_ms)
    changed = {**cell, "k": step}
    changed.pop("h", None)
    return _moved(plan, changed, base, now_ms)


def decay(plan: KnobPlan, cell: Cell, now_ms: int) -> Cell | None:
    """One more tenth of the half-life has passed."""
    base, step = _base(plan, cell, now_ms)
    return _moved(plan, {**cell, "k": step}, base, now_ms)


def reclamped(plan: KnobPlan, cell: Cell, now_ms: int) -> Cell | None:
    """The cell under a changed plan: values the knob cannot have any more become the nearest it can."""
    changed = {**cell, "v": _possible(plan, cell["v"]), "b": _possible(plan, cell["b"])}
    hold = cell.get("h")
    if hold is not None:
        changed["h"] = [_possible(plan, hold[0]), *hold[1:]]
    else:
        base, changed["k"] = _base(plan, changed, now_ms)
        return _moved(plan, changed, base, now_ms)
    return _moved(plan, changed, changed["v"], now_ms)


def holds_for(cell: Cell | None, loop: str, key: Key) -> bool:
    """Whether the knob is held `while active` by that loop at that key."""
    hold = None if cell is None else cell.get("h")
    return hold is not None and hold[1] is None and hold[2] == loop and tuple(hold[3]) == key


def rested(plan: KnobPlan, cell: Cell, now_ms: int) -> Cell | None:
    """The cell without what no longer matters; None when nothing does."""
    return _moved(plan, cell, cell["v"], now_ms)


# ---- limits --------------------------------------------------------------------------------------


def _possible(plan: KnobPlan, value: Value) -> Value:
    if plan.words:
        return value if value in plan.words else plan.default
    return _in_range(plan, float(value)) if values.is_number(value) else plan.default


def _in_range(plan: KnobPlan, value: float) -> float:
    """Inside the range, and rounded; the rounding leaves the range no more than anything else does."""
    return min(max(values.round_knob(value), plan.low), plan.high)


def _limited(plan: KnobPlan, cell: Cell | None, target: Value, now_ms: int) -> Value:
    """The value that range and steps allow; None for a word the knob does not have."""
    if plan.words:
        return target if target in plan.words else None
    value = min(max(float(target), plan.low), plan.high)
    current = value_of(plan, cell)
    for step in plan.steps:
        low, high = _extremes(plan, cell, now_ms - step.ms)
        if step.direction in ("up", "both"):
            value = min(value, max(current, low + step.amount))
        if step.direction in ("down", "both"):
            value = max(value, min(current, high - step.amount))
    return _in_range(plan, value)


def _extremes(plan: KnobPlan, cell: Cell | None, edge_ms: int) -> tuple[float, float]:
    """Smallest and largest value in force after `edge_ms`."""
    current = value_of(plan, cell)
    low = high = current
    history = [] if cell is None else cell.get("s", [])
    for index, (_, least, most) in enumerate(history):
        if index + 1 == len(history) or history[index + 1][0] > edge_ms:
            low, high = min(low, least), max(high, most)
    return low, high


def _within_deadband(plan: KnobPlan, current: Value, wanted: Value) -> bool:
    """Whether a change is too small to be made; one equal to the deadband is made."""
    if plan.words:
        return bool(current == wanted)
    return values.round_knob(abs(wanted - current)) < values.round_knob(plan.deadband)


# ---- decay ---------------------------------------------------------------------------------------


def _base(plan: KnobPlan, cell: Cell, now_ms: int) -> tuple[Value, int]:
    """The base after the tenths of the half-life that have passed, and how many those are."""
    base, default = cell["b"], plan.default
    if plan.decay_ms is None or plan.words or base == default:
        return base, 0
    step = max(0, now_ms - cell["t"]) * STEPS_PER_HALF_LIFE // plan.decay_ms
    value = values.round_knob(default + (base - default) * 2.0 ** (-step / STEPS_PER_HALF_LIFE))
    if step and values.round_knob(abs(value - default)) <= values.round_knob(plan.deadband):
        return default, step
    return min(max(value, plan.low), plan.high), step


# ---- making cells --------------------------------------------------------------------------------


def _committed(
    plan: KnobPlan, cell: Cell | None, value: Value, now_ms: int, hold: Hold | None
) -> Cell | None:
    """The value is set now, over the base or as the base."""
    changed: Cell = dict(cell) if cell else {"v": plan.default, "b": plan.default, "t": now_ms, "k": 0}
    if hold is not None:
        changed["h"] = [value, hold.until_ms, hold.loop, list(hold.key)]
    else:
        changed.update(b=value, t=now_ms, k=0)
        changed.pop("h", None)
    return _moved(plan, changed, value, now_ms)


def _moved(plan: KnobPlan, cell: Cell, value: Value, now_ms: int) -> Cell | None:
    """The cell with that value in force from now on, its history and its timers brought up to date."""
    old = cell["v"]
    cell = {**cell, "v": value}
    if "h" not in cell and value == plan.default and (cell["b"] == value or cell["k"]):
        cell.update(b=plan.default, t=0, k=0)
    _remember(plan, cell, old, now_ms)
    timers = _timers(plan, cell, now_ms)
    cell.pop("T", None)
    if timers:
        cell["T"] = timers
    at_rest = "h" not in cell and "s" not in cell and cell["v"] == plan.default == cell["b"]
    return None if at_rest and (plan.keys is not None or not plan.per) else cell


def _remember(plan: KnobPlan, cell: Cell, old: Value, now_ms: int) -> None:
    """Keep the values that a step still looks at."""
    if not plan.steps or plan.words:
        cell.pop("s", None)
        return
    history = list(cell.get("s") or [[0, old, old]])
    if cell["v"] != old:
        history.append([now_ms, cell["v"], cell["v"]])
    edge_ms = now_ms - max(step.ms for step in plan.steps)
    while len(history) > 1 and history[1][0] <= edge_ms:
        del history[0]
    if len(history) > _MAX_HISTORY:
        (since_ms, low, high), (_, low2, high2) = history[:2]
        history[:2] = [[since_ms, min(low, low2), max(high, high2)]]
    cell.pop("s", None)
    if len(history) > 1:
        cell["s"] = history


def _timers(plan: KnobPlan, cell: Cell, now_ms: int) -> list[list[Any]]:
    """When the hold ends, when the base decays further, when the history can go."""
    hold = cell.get("h")
    timers: list[list[Any]] = []
    if hold is not None:
        if hold[1] is not None:
            timers.append([max(hold[1], now_ms), RELEASE, 0])
    elif plan.decay_ms is not None and not plan.words and cell["b"] != plan.default:
        tenths = (cell["k"] + 1) * plan.decay_ms
        timers.append([cell["t"] - -tenths // STEPS_PER_HALF_LIFE, DECAY, 0])
    elif "s" in cell:
        timers.append([cell["s"][-1][0] + max(step.ms for step in plan.steps), FORGET, 0])
    return timers
