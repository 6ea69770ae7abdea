"""What operators may do to a running rule set: set a knob, switch a loop off and on.

A control takes effect after a row of the log, in a commit of its own, and is as deterministic as a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rules_engine.engine import knobs, values
from rules_engine.engine.cascade import Origin
from rules_engine.engine.context import Context
from rules_engine.engine.decision import Decision
from rules_engine.engine.effects import usable
from rules_engine.engine.plan import Key, KnobPlan, Plan
from rules_engine.engine.runtime import LoopRuntime, runtime_of
from rules_engine.engine.state import State
from rules_engine.engine.step import Step, quiet_loop
from rules_engine.engine.timers import FORGET

#: Firings that follow from a control are numbered from here, so that they never meet those of its row.
_FIRST_N = 1_000_000


class ControlRefused(ValueError):
    """The request makes no sense under this rule set; the message says why."""


def apply_control(
    plan: Plan, state: State, kind: str, body: Mapping[str, Any], position: int, time_ms: int, n: int = 0
) -> Decision:
    """What follows from an operator's request, taking effect after row `position` as the `n`th there.

    `knob`: `{"knob", "key": [...], "value", "for_ms"?}`; `off`: `{"loop", "reason"?, "for_ms"?}`;
    `on`: `{"loop"}`. Raises ControlRefused for what there is not, or is out of range.
    """
    context = Context(runtime_of(plan), state, position, time_ms)
    context.n = context.changes = _FIRST_N * (n + 1)
    if kind == "knob":
        _set_knob(context, body, time_ms)
    elif kind == "off":
        _switch_off(context, _loop(context, body), body, time_ms)
    elif kind == "on":
        context.overlay.put(_loop(context, body).scope, (), "off", None)
    else:
        raise ControlRefused(f"there is no request of kind `{kind}`; there are knob, off and on")
    Step(context).drain()
    return context.finish()


def _loop(context: Context, body: Mapping[str, Any]) -> LoopRuntime:
    loop = context.runtime.loops.get(body.get("loop", ""))
    if loop is None:
        raise ControlRefused(f"there is no loop `{body.get('loop')}`")
    return loop


def _switch_off(context: Context, loop: LoopRuntime, body: Mapping[str, Any], time_ms: int) -> None:
    """The loop sees nothing until it is on again; what it holds goes back."""
    until_ms = _until(body, time_ms)
    cell: dict[str, Any] = {"reason": str(body.get("reason") or ""), "until": until_ms, "by": "operator"}
    if until_ms is not None:
        cell["T"] = [[until_ms, FORGET, 0]]
    quiet_loop(context, loop, time_ms)
    context.overlay.put(loop.scope, (), "off", cell)


def _until(body: Mapping[str, Any], time_ms: int) -> int | None:
    for_ms = body.get("for_ms")
    if for_ms is None:
        return None
    if type(for_ms) is not int or for_ms <= 0:
        raise ControlRefused(f"a duration is a positive number of milliseconds, not {for_ms!r}")
    return time_ms + for_ms


def _set_knob(context: Context, body: Mapping[str, Any], time_ms: int) -> None:
    """The operator is bound by the range alone (L24)."""
    name = body.get("knob", "")
    plan = context.runtime.knobs.get(f"knob:{name}")
    if plan is None:
        raise ControlRefused(f"there is no knob `{name}`")
    key = _key(plan, body.get("key"))
    value = body.get("value")
    if plan.words:
        if value not in plan.words:
            raise ControlRefused(f"`{name}` is one of {', '.join(plan.words)}, not {values.text_of(value)}")
    elif not (isinstance(value, int | float) and values.is_number(value) and plan.low <= value <= plan.high):
        low, high = values.text_of(plan.low), values.text_of(plan.high)
        raise ControlRefused(f"`{name}` lies in {low}..{high}, not {values.text_of(value)}")
    until_ms = _until(body, time_ms)
    hold = None if until_ms is None else knobs.Hold(until_ms, "", ())
    cell = knobs.override(plan, context.overlay.get(f"knob:{name}", key), value, time_ms, hold)
    mark = f"operator/{context.position}.{context.n}"
    context.change_knob(plan, key, cell, "operator", time_ms, Origin(mark, mark, 0, ()))


def _key(plan: KnobPlan, raw: Any) -> Key:
    key = tuple(raw) if isinstance(raw, list | tuple) else ()
    if len(key) != len(plan.per) or not usable(key):
        wanted = ", ".join(plan.per) or "no key"
        raise ControlRefused(f"`{plan.name}` takes {wanted}, not {values.text_of(list(key))}")
    if plan.keys is not None and key not in plan.keys:
        raise ControlRefused(f"`{plan.name}` has no key {'/'.join(map(values.text_of, key))}")
    return key
