"""What keeps a loop from firing too often: cooldown, limit, and the breaker (L8, L9, R39)."""

from __future__ import annotations

from typing import Any

from rules_engine.engine.context import Context
from rules_engine.engine.decision import Reason
from rules_engine.engine.frame import Frame
from rules_engine.engine.plan import Key
from rules_engine.engine.runtime import LoopRuntime
from rules_engine.engine.timers import FORGET
from rules_engine.engine.values import moment, text_of

MINUTE_MS = 60_000


class DampedLoop:
    """A loop at a key with its cell, of which this knows `c`, `L` and `b` (see latches)."""

    def __init__(self, context: Context, loop: LoopRuntime, key: Key, now_ms: int) -> None:
        context.mark()
        self.context = context
        self.loop = loop
        self.key = key
        self.now_ms = now_ms
        self._old: dict[str, Any] | None = context.overlay.get(loop.scope, key)
        self.cell: dict[str, Any] = dict(self._old) if self._old else {}
        #: A new key where there is no room for one.
        self.refused = self._old is None and loop.remembers and context.is_full(loop.scope)

    def damped(self, frame: Frame) -> tuple[Reason | None, str]:
        """What holds a firing back now, and how long; None if nothing does."""
        plan, cell = self.loop.plan, self.cell
        if "c" in cell and self.now_ms - cell["c"] < plan.cooldown_ms:
            through = plan.unless is not None and plan.unless(frame) is True
            if not through:
                return "cooldown", f"until {moment(cell['c'] + plan.cooldown_ms)}"
        if plan.limit is not None:
            recent = self._recent_firings()
            if len(recent) >= plan.limit:
                return "limit", f"{len(recent)} firings since {moment(recent[0])}"
        return None, ""

    def _recent_firings(self) -> list[int]:
        edge_ms = self.now_ms - self.loop.plan.limit_ms
        return [time_ms for time_ms in self._limit_body().get("L", ()) if time_ms > edge_ms]

    def _limit_body(self) -> dict[str, Any]:
        if self.loop.plan.limit_overall:
            return self.context.overlay.get(self.loop.scope, (), "limit") or {}
        return self.cell

    def count_firing(self) -> None:
        """For `limit`, and for the breaker (R39)."""
        plan, cell = self.loop.plan, self.cell
        if plan.limit is not None:
            recent = [*self._recent_firings(), self.now_ms]
            if plan.limit_overall:
                body = {"L": recent, "T": [[self.now_ms + plan.limit_ms, FORGET, 0]]}
                self.context.overlay.put(self.loop.scope, (), "limit", body)
            else:
                cell["L"] = recent
        allowed = self.context.runtime.firings_per_minute
        if self.loop.pause_ms * allowed >= MINUTE_MS:
            return
        since_ms, count = cell.get("b", (self.now_ms, 0))
        if self.now_ms - since_ms >= MINUTE_MS:
            since_ms, count = self.now_ms, 0
        cell["b"] = [since_ms, count + 1]
        if count + 1 > allowed:
            reason = f"fired more than {allowed} times within a minute for key {text_of(list(self.key))}"
            self.context.switch_off(self.loop, self.key, self.now_ms, reason)
