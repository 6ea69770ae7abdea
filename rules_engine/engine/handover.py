"""From one rule set to the next: what becomes of the state (pure, so it can be shown before it is done).

State belongs to a loop's name and shape. Equal shape: kept, and what the new text says is judged
anew against the kept start of holds, latches and cooldowns. Other shape: reset. Removed: kept a
day, in case it comes back. Every loop and knob leaves a `meta` cell that says what its state means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rules_engine.engine import knobs, ticks
from rules_engine.engine.cascade import Origin
from rules_engine.engine.context import Context
from rules_engine.engine.decision import Decision
from rules_engine.engine.firing import STRETCH
from rules_engine.engine.latches import Evaluation
from rules_engine.engine.plan import Key, KnobPlan, Plan
from rules_engine.engine.runtime import LoopRuntime, runtime_of
from rules_engine.engine.state import State
from rules_engine.engine.step import Step, quiet_loop, release_held
from rules_engine.engine.timers import FORGET, timers_of

#: How long state of a removed loop or knob is kept.
KEPT_MS = 24 * 3_600_000
#: Firings are numbered from here, each handover at a place half-way between two requests (see control).
_FIRST_N = 500_000


@dataclass(frozen=True, slots=True)
class Handover:
    """What becomes of each loop, by name: each stands in one list.

    `knobs` names the knobs whose values had to move, `timers` counts what is pending afterwards.
    """

    kept: tuple[str, ...]
    rejudged: tuple[str, ...]
    reset: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    knobs: tuple[str, ...]
    timers: int


def handover(
    old: Plan | None,
    new: Plan,
    state: State,
    position: int,
    time_ms: int,
    n: int = 0,
    load_ms: int | None = None,
) -> tuple[Decision, Handover]:
    """Fit the state to a new rule set, taking effect after row `position` as the `n`th thing there.

    `old` None: none is known. `load_ms`: from when new loops tick, if that is later than the row's time.

    The decision may release knobs that a removed or reset loop held; loops of the new set hear of it.
    """
    context = Context(runtime_of(new), state, position, time_ms)
    context.n = context.changes = _FIRST_N * (2 * n + 1)
    fate: dict[str, list[str]] = {word: [] for word in ("kept", "rejudged", "reset", "added", "removed")}
    known = _known(state, old)
    for loop in context.runtime.loops.values():
        before = known.pop(loop.scope, None)
        word = _hand_over(context, loop, before, time_ms)
        fate[word].append(loop.name)
        is_new = word in ("added", "reset") or "removed" in (before or {})
        _hand_over_tick(context, loop, time_ms if load_ms is None else load_ms, is_new=is_new)
    moved = [knob.name for knob in context.runtime.knobs.values() if _fit_knob(context, knob, time_ms)]
    for knob in context.runtime.knobs:
        known.pop(knob, None)
    for scope in known:
        if _remove(context, scope, time_ms):
            fate["removed"].append(scope.partition(":")[2])
    _drop_ticks(context, state)
    Step(context).drain()
    decision = context.finish()
    after = state.fork()
    after.apply(decision)
    pending = sum(kind != FORGET for _, body in after.cells() for _, kind, _ in timers_of(body))
    lists = {word: tuple(sorted(names)) for word, names in fate.items()}
    return decision, Handover(**lists, knobs=tuple(sorted(moved)), timers=pending)


def _known(state: State, old: Plan | None) -> dict[str, dict[str, Any] | None]:
    """Everything that has state, or was in the old set, in order: scope to its `meta`."""
    found: dict[str, dict[str, Any] | None] = {}
    for cell, body in state.cells():
        if cell.scope.startswith(ticks.SCOPE):
            continue
        if cell.part == "meta":
            found[cell.scope] = body
        else:
            found.setdefault(cell.scope, None)
    if old is not None:
        for loop in runtime_of(old).loops.values():
            if found.get(loop.scope) is None:
                found[loop.scope] = _meta(loop, 0)
    return dict(sorted(found.items()))


# ---- loops ---------------------------------------------------------------------------------------


def _meta(loop: LoopRuntime, since_ms: int) -> dict[str, Any]:
    """What the state of a loop means. `since`: when it began to remember (L13)."""
    plan = loop.plan
    times = [plan.hold_ms, plan.until_hold_ms, plan.cooldown_ms, plan.limit, plan.limit_ms]
    times += [block.delay_ms for block in plan.after]
    if plan.gather is not None:
        times += [plan.gather.after_ms, plan.gather.quiet_ms, plan.gather.most]
    watched = [[kind.index for kind in kinds] for kinds in (loop.when_leaves, loop.until_leaves)]
    clauses = [plan.when is not None, plan.until is not None, *watched]
    return {"shape": loop.shape, "since": since_ms, "mode": plan.mode, "times": times, "clauses": clauses}


def _hand_over(context: Context, loop: LoopRuntime, before: dict[str, Any] | None, time_ms: int) -> str:
    meta = _meta(loop, time_ms)
    if before is not None and before["shape"] == loop.shape:
        meta["since"] = before["since"]
        fate = "kept" if before["times"] == meta["times"] else "rejudged"
        asleep = "removed" in before
        if asleep or any(before[what] != meta[what] for what in ("times", "mode", "clauses")):
            _judge_anew(context, loop, before, time_ms)
    else:
        fate = "added" if before is None else "reset"
        _forget_all(context, loop.scope, loop.name, time_ms)
        _begin(context, loop, time_ms)
    context.overlay.put(loop.scope, (), "meta", meta)
    return fate


def _hand_over_tick(context: Context, loop: LoopRuntime, load_ms: int, *, is_new: bool) -> None:
    """A loop that is kept ticks on, also for the words that its key has gained; state of lost words goes."""
    tick = loop.plan.tick
    if tick is None or is_new or loop.is_off or context.overlay.get(loop.tick_scope, ()) is None:
        ticks.begin(context.overlay, loop, load_ms)
    if tick is None:
        return
    for name, body in context.overlay.in_scope(loop.scope):
        if name[1] not in tick.keys and (name[1] or name[2] == ""):
            if name[2] == "" and isinstance(body, dict):
                release_held(context, loop.name, name[1], body, context.row_ms)
            context.overlay.put(*name, None)


def _drop_ticks(context: Context, state: State) -> None:
    """What is removed ticks no more."""
    for cell, _ in list(state.cells()):
        if cell.scope.startswith(ticks.SCOPE) and cell.scope not in context.runtime.tickers:
            context.overlay.put(cell.scope, cell.key, cell.part, None)


def _judge_anew(context: Context, loop: LoopRuntime, before: dict[str, Any], time_ms: int) -> None:
    """The kept starts stay, all that is due follows from the new text."""
    if before["mode"] != loop.plan.mode:
        quiet_loop(context, loop, time_ms)
        _begin(context, loop, time_ms)
    plan = loop.plan
    for (_, key, part), body in context.overlay.in_scope(loop.scope):
        if part != "" or not isinstance(body, dict):
            continue
        if "a" in body and not plan.latches:
            release_held(context, loop.name, key, body, time_ms)
        evaluation = Evaluation(context, loop, key, time_ms)
        _drop_what_is_gone(evaluation)
        if "removed" in before:  # what came while it slept it has not heard
            for name in ("m", "n", "g"):
                evaluation.cell.pop(name, None)
            evaluation.reset(loop.gathered)
        evaluation.save()
    if "removed" in before:
        _begin(context, loop, time_ms)


def _begin(context: Context, loop: LoopRuntime, time_ms: int) -> None:
    """Start what counts from the loading of a loop."""
    if loop.begins_at_load and not loop.is_off:
        evaluation = Evaluation(context, loop, (), time_ms)
        if not any(name in evaluation.cell for name in ("n", "a")):
            evaluation.begin()
            evaluation.save()


def _drop_what_is_gone(evaluation: Evaluation) -> None:
    """What belongs to clauses that the loop no longer has."""
    plan, cell = evaluation.loop.plan, evaluation.cell
    if ("a" in cell and not plan.latches) or ("s" in cell and not plan.hold_ms):
        evaluation.quiet()
    if plan.gather is None and cell.pop("g", None) is not None:
        evaluation.reset(evaluation.loop.gathered)
    if not plan.until_hold_ms:
        cell.pop("u", None)
    if not plan.cooldown_ms:
        cell.pop("c", None)
    if plan.limit is None or plan.limit_overall:
        cell.pop("L", None)


def _forget_all(context: Context, scope: str, loop: str, time_ms: int) -> None:
    """The loop begins anew; that it was switched off by hand still holds."""
    for name, body in context.overlay.in_scope(scope):
        if name[2] == "" and isinstance(body, dict):
            release_held(context, loop, name[1], body, time_ms)
        if name[2] != "off":
            context.overlay.put(*name, None)


def _remove(context: Context, scope: str, time_ms: int) -> bool:
    """A loop or knob that the new set does not have: its state sleeps for a day. Whether it was awake."""
    overlay = context.overlay
    meta = overlay.get(scope, (), "meta") or {"shape": "", "since": time_ms}
    if "removed" in meta:
        return False
    gone_ms = time_ms + KEPT_MS
    for name, body in overlay.in_scope(scope):
        if not isinstance(body, dict) or name[2] == "meta":
            continue
        asleep = {what: value for what, value in body.items() if what != "T"}
        if scope.startswith("loop:") and asleep.get("k"):
            release_held(context, scope.partition(":")[2], name[1], body, time_ms)
            asleep = {what: value for what, value in asleep.items() if what not in STRETCH}
        overlay.put(*name, asleep or None)
    overlay.put(scope, (), "meta", {**meta, "removed": time_ms, "T": [[gone_ms, FORGET, 0]]})
    return scope.startswith("loop:")


# ---- knobs ---------------------------------------------------------------------------------------


def _fit_knob(context: Context, plan: KnobPlan, time_ms: int) -> bool:
    """Values that a changed range or set of words no longer allows move to the nearest allowed one."""
    overlay, scope = context.overlay, f"knob:{plan.name}"
    meta = {"per": list(plan.per), "plan": _declared(plan)}
    before = overlay.get(scope, (), "meta")
    if before == meta:
        return False
    overlay.put(scope, (), "meta", meta)
    moved = False
    for (_, key, part), body in overlay.in_scope(scope):
        if part == "" and isinstance(body, dict):
            moved |= _fit_cell(context, plan, key, body, time_ms)
    return moved


def _fit_cell(context: Context, plan: KnobPlan, key: Key, body: knobs.Cell, time_ms: int) -> bool:
    if len(key) != len(plan.per) or (plan.keys is not None and key not in plan.keys):
        context.overlay.put(f"knob:{plan.name}", key, "", None)
        return True
    old = body["v"]
    cell = knobs.reclamped(plan, body, time_ms)
    mark = f"handover/{context.position}"
    context.change_knob(plan, key, cell, "operator", time_ms, Origin(mark, mark, 0, ()))
    return bool(knobs.value_of(plan, cell) != old)


def _declared(plan: KnobPlan) -> list[Any]:
    """What of a declaration its cells depend on."""
    steps = [[step.direction, step.amount, step.ms] for step in plan.steps]
    return [plan.default, list(plan.words), plan.low, plan.high, steps, plan.deadband, plan.decay_ms]
