"""Promises over random texts and random histories: what decides is the log and the text alone (L24, L50)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rules_engine.daemon import control, facts
from rules_engine.daemon.evaluator import Evaluator
from rules_engine.engine.control import apply_control
from rules_engine.engine.decision import CellId, Decision, Firing
from rules_engine.engine.handover import handover
from rules_engine.engine.plan import Plan
from rules_engine.engine.state import State
from rules_engine.engine.step import decide
from rules_engine.event import Row
from rules_engine.pipeline import RuleSet, check_texts
from rules_engine.store.memory import MemoryStore
from rules_engine.store.port import Dead, NewEvent
from rules_engine.tools.replay import replay, rows_of

START_MS = 1_767_571_200_000
LOW, HIGH = 0.5, 6.0
DECLARATIONS = f"""
type side = "a" | "b"
event A {{ k: str?, n: int?, x: float?, b: bool?, w: "low" | "high"? }} from "a test" dedup off
event B {{ k: str?, n: int?, x: float?, b: bool?, w: "low" | "high"? }} from "a test" dedup off
event C {{ k: str?, n: int?, x: float?, b: bool?, w: "low" | "high"? }} from "a test" dedup off
event OUT {{ k: str?, v: float?, s: str?, l: list? }}
action H.act(k: str?, v: float?)
action Dial.turn(k: str, v: float)
knob rate per k in {LOW}..{HIGH} = 1 step 2 per 5s deadband 0.01 decay 20s drives Dial.turn
knob dial in {LOW}..{HIGH} = 2 decay 3s
knob mode in "paused" | "normal" = "normal"
"""

# ---- random texts ----------------------------------------------------------------------------------

OWN = [
    "x", "n", "x ?? 0", "prev(x)", "x - prev(x)", "count(over 7s)", "avg(x over 5s)", "max(x over last 3)",
    "sum(x since fired)", "streak(x > 1)", "streak(count(over 4s) > 1)", "x * 2 - n", "x / n", "dial",
    "match { x > 1: 1, unknown: 0, else: 2 }", 'match w { "low": 1, "high": n }',
    "min(x, 2)", "first(n over 9s)",
]  # fmt: skip
OTHER = ["count(%s over 6s)", "last(%s.x over 6s)", "count(since %s)", "sum(%s.x since fired)"]
SECONDS = st.sampled_from(["1s", "2s", "3500ms", "7s"])


@st.composite
def numbers(draw: st.DrawFn, keyed: bool) -> str:
    fed = [text % draw(st.sampled_from("ABC")) for text in OTHER]
    return draw(
        st.sampled_from([*OWN, *fed, *(["rate"] if keyed else ["rate[k]"]), 'rate["a"]', "avg(rate[*])"])
    )


@st.composite
def conditions(draw: st.DrawFn, keyed: bool) -> str:
    def one() -> str:
        left = draw(numbers(keyed))
        plain = f"{left} {draw(st.sampled_from(['>', '<', '>=', '==', '!=']))} {draw(st.integers(-1, 4))}"
        return draw(st.sampled_from([plain, plain, plain, "b", "not b", 'w == "low"', f"({left}) is known"]))

    return draw(st.sampled_from(["{0}", "{0}", "{0} and {1}", "{0} or {1}"])).format(one(), one())


@st.composite
def effects(draw: st.DrawFn, keyed: bool, emitted: list[str], active: bool) -> str:
    value, own = draw(numbers(keyed)), "rate" if keyed else 'rate["a"]'
    hold = draw(st.sampled_from(["", "", " for 2s", " for 7s", *([" while active"] * 3 if active else [])]))
    op = draw(st.sampled_from(["=", "+=", "-=", "*="]))
    made = [
        f"set {own} {op} {value}{hold}",
        f"set rate[*] {op} {value}{hold}",
        f"set dial {op} {value}{hold}",
        f'set mode = "paused"{hold}',
        f"do H.act(k, {value}) retry 2 every 1s",
        *(f"emit {event} {{ k, x: {value}, n }}" for event in emitted[:-1]),
        'emit OUT { k, s: "{x} {n}", l: [' + value + ", dial, mode] }",
    ]
    text = draw(st.sampled_from(made))
    return f"{text} if {draw(conditions(keyed))}" if draw(st.integers(0, 3)) == 0 else text


@st.composite
def loops(draw: st.DrawFn, name: str) -> str:
    trigger, emitted = draw(
        st.sampled_from(
            [
                ("A", ["B", "C", "OUT"]),
                ("A[x > 0]", ["B", "C", "OUT"]),
                ("B", ["C", "OUT"]),
                ("A or B", ["C", "OUT"]),
                ("A[b] as p or B as q", ["C", "OUT"]),
                ("C", ["OUT"]),
                ("A then no B within 4s", ["C", "OUT"]),
                ("A[b] then no A within 2s", ["B", "C", "OUT"]),
                ("3 A within 6s", ["B", "C", "OUT"]),
                ("2 B[x > 0] within 3s", ["C", "OUT"]),
                ("no A within 4s", ["B", "C", "OUT"]),
            ]
        )
    )
    per = draw(st.sampled_from(["", "per k", "per k", "per k, n"]))
    keyed = "k" in per
    lines = [f'loop {name} "r" on {trigger} {per}']
    if draw(st.booleans()):
        lines = ["@shadow", *lines] if draw(st.integers(0, 4)) == 0 else lines
    silent = trigger.startswith("no ")
    latched = draw(st.booleans()) and not silent
    gathers = not latched and not silent and draw(st.integers(0, 3)) == 0
    if latched or draw(st.booleans()):
        hold = f" for {draw(SECONDS)}" if draw(st.booleans()) and not (silent or gathers) else ""
        lines.append(f"when {draw(conditions(keyed))}{hold}")
    if latched:
        hold = f" for {draw(SECONDS)}" if draw(st.integers(0, 2)) == 0 else ""
        lines.append(f"until {draw(conditions(keyed))}{hold}")
    if gathers:
        lines.append(draw(st.sampled_from(["gather 3s", "gather quiet 1s", "gather 4s quiet 2s max 3"])))
    if draw(st.integers(0, 2)) == 0:
        unless = f" unless {draw(conditions(keyed))}" if draw(st.booleans()) else ""
        lines.append(f"cooldown {draw(SECONDS)}{unless}")
    if draw(st.integers(0, 3)) == 0:
        lines.append(f"limit 2 per {draw(SECONDS)}{draw(st.sampled_from(['', ' overall']))}")
    latched = latched or silent
    lines += draw(st.lists(effects(keyed, emitted, latched), min_size=1, max_size=3))
    if gathers:
        lines.append('emit OUT { k, v: sum(x), s: "{count()}" }')
    if latched and draw(st.booleans()):
        lines.append(f"cleared {{ {draw(effects(keyed, emitted, False))} }}")
    if any(line.startswith("do ") for line in lines):
        lines.append(f"failed {{ {draw(effects(keyed, emitted, latched))} }}")
    return "\n  ".join(lines)


#: Loops whose fields have to be told apart by their events.
OF_SEVERAL = [
    'loop {0} "r" on A as a1 then B as b1 within 4s per k emit OUT {{ k, v: b1.x - a1.x }}',
    'loop {0} "r" on A as a1 then no C then B[x > 0] as b1 within 6s emit OUT {{ k: a1.k, v: b1.x }}',
    'loop {0} "r" on A then B then A as a3 within 9s cooldown 1s set dial += a3.x for 2s',
    'loop {0} "r" on change of dial emit OUT {{ v: new - old, s: cause }} set rate["a"] = new',
    'loop {0} "r" on every 3s when count(A over 6s) > 1 emit OUT {{ v: last(A.x over 9s) }}',
    'loop {0} "r" on every 2s per side when dial > 1 for 2s until dial < 1 set rate[side] += 1 for 3s',
    'loop {0} "r" on cron "* * * * *" cooldown 90s set dial = 1 for 2s emit OUT {{ s: "minute" }}',
    'loop {0} "r" on change of rate per k when new > 2 for 2s emit OUT {{ k, v: new }}',
]


@st.composite
def rule_sets(draw: st.DrawFn) -> RuleSet:
    names = [f"loop_{n}" for n in range(draw(st.integers(1, 4)))]
    texts = [
        draw(st.sampled_from(OF_SEVERAL)).format(name) if draw(st.integers(0, 3)) == 0 else draw(loops(name))
        for name in names
    ]
    rules = check_texts({"random.loop": DECLARATIONS + "\n".join(texts)})
    assume(rules.plan is not None)  # a constant condition, or one that contradicts itself, is refused
    return rules


@dataclasses.dataclass(frozen=True)
class Happening:
    """Something between two moments: an event, the failing of an action, or a request of an operator."""

    gap_ms: int
    what: str
    payload: dict[str, Any]


HISTORIES = st.lists(
    st.builds(
        Happening,
        st.sampled_from([1_000, 0, 1, 500, 2_000, 3_500, 7_000]),
        st.sampled_from(["A", "B", "A", "C", "fail", "A", "set", "A", "B", "off"]),
        st.fixed_dictionaries(
            {
                "k": st.sampled_from(["a", "b", "a", "a", "b", "", None]),
                "n": st.sampled_from([2, 1, 1, 0, 2.0, "no", None]),
                "x": st.sampled_from([2, 3.5, -1, 0, 1, 3, None, 1e300]),
                "b": st.sampled_from([True, False, None]),
                "w": st.sampled_from(["low", "high", "other"]),
            }
        ),
    ),
    min_size=12,
    max_size=30,
)


# ---- a daemon over a store, on a clock that stands still -------------------------------------------


class Daemon:
    def __init__(self, rules: RuleSet) -> None:
        self.now_ms = START_MS
        self.store = MemoryStore(lambda: self.now_ms)
        self.store.open()
        self.rules = rules
        self.evaluator = self.start(256)

    def start(self, batch_rows: int) -> Evaluator:
        lease = self.store.acquire("rules", f"daemon at {self.now_ms}", 1)
        if lease is None:
            self.now_ms += 10
            lease = self.store.acquire("rules", "the next daemon", 1)
        assert lease is not None
        made = Evaluator(self.store, lease, batch_rows=batch_rows)
        made.load(lambda _: self.rules)
        made.begin(self.rules)
        return made

    def happen(self, number: int, happening: Happening) -> None:
        self.now_ms += happening.gap_ms
        if happening.what == "fail":
            for claim in self.store.claim(None, "worker", 1, 60_000, self.now_ms):
                self.store.finish(claim, Dead("no"), self.now_ms)
        elif happening.what == "set":
            self.store.ask(control.set_knob("rate", ("a",), 3.0, 1_500 if number % 2 else None))
        elif happening.what == "off":
            asked = [control.on("loop_0"), control.off("loop_0", "try"), control.off("loop_0", "", 2_500)]
            self.store.ask(asked[number % 3])
        else:
            body = json.dumps(happening.payload).encode()
            self.store.append([NewEvent(f"event-{number}", happening.what, body)])

    def settle(self) -> None:
        for _ in range(1_000):
            if not self.evaluator.turn():
                return
        pytest.fail("it never comes to rest")


def plain(firing: Firing) -> dict[str, Any]:
    """As it reads from a store: JSON."""
    return json.loads(json.dumps(dataclasses.asdict(firing), default=list))


QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(
    rules=rule_sets(),
    history=HISTORIES,
    sizes=st.lists(st.integers(1, 5), min_size=1),
    restart=st.integers(0, 30),
)
def test_l50_a_daemon_decides_what_a_replay_of_its_log_decides(rules, history, sizes, restart):
    daemon = Daemon(rules)
    waiting = 0
    for number, happening in enumerate(history):
        daemon.happen(number, happening)
        waiting += 1
        if waiting >= sizes[number % len(sizes)]:
            waiting = 0
            daemon.settle()
        if number == restart:
            daemon.evaluator = daemon.start(sizes[0])
    daemon.settle()
    daemon.now_ms += 60_000
    daemon.settle()
    store = daemon.store
    assert daemon.evaluator.failures == 0
    assert all(answer is None for answer in (store.fact(facts.ANSWERS) or {}).values())
    lived = [plain(kept.firing) for kept in store.firings()]
    again = replay(rules.plan, rows_of(store), controls=store.controls(0, 1_000), as_it_was=True)
    assert lived == [plain(firing) for firing in again]


@QUICK
@given(rules=rule_sets(), history=HISTORIES)
def test_l21_where_the_daemon_was_never_down_a_replay_ticks_as_it_did(rules, history):
    daemon = Daemon(rules)
    for number, happening in enumerate(history):
        end_ms = daemon.now_ms + happening.gap_ms
        while (due_ms := daemon.evaluator._state.next_due_ms) is not None and due_ms <= end_ms:
            daemon.now_ms = max(due_ms, daemon.now_ms)
            daemon.settle()
        daemon.now_ms = end_ms
        daemon.happen(number, dataclasses.replace(happening, gap_ms=0))
        daemon.settle()
    store = daemon.store
    lived = [plain(kept.firing) for kept in store.firings()]
    again = replay(rules.plan, rows_of(store), controls=store.controls(0, 1_000))
    assert lived == [plain(firing) for firing in again]


class Watched:
    """A plan over rows, one by one; `between` may put another state in the place of the one there is."""

    def __init__(self, plan: Plan, between: Callable[[State], State] = lambda state: state) -> None:
        self.plan, self.between = plan, between
        self.state = State()
        self.decisions: list[Decision] = []

    def take(self, decision: Decision) -> None:
        assert decision.failures == []
        self.state.apply(decision)
        self.decisions.append(decision)
        self.state = self.between(self.state)

    def over(self, rows: list[Row]) -> list[Decision]:
        self.take(handover(None, self.plan, self.state, 0, rows[0].time_ms)[0])
        for row in rows:
            self.take(decide(self.plan, self.state, row))
        return self.decisions


def through_json(state: State) -> State:
    kept = json.loads(
        json.dumps([[c.scope, list(c.key), c.part, body] for c, body in state.cells()], allow_nan=False)
    )
    fresh = State()
    fresh.load((CellId(scope, tuple(key), part), body) for scope, key, part, body in kept)
    return fresh


def log_of(rules: RuleSet, history: list[Happening]) -> list[Row]:
    """A log with ticks and outcomes, as a daemon would leave it."""
    daemon = Daemon(rules)
    for number, happening in enumerate(history):
        if happening.what not in ("set", "off"):
            daemon.happen(number, happening)
            daemon.settle()
    return list(rows_of(daemon.store))


@QUICK
@given(rules=rule_sets(), history=HISTORIES)
def test_l50_state_may_pass_through_json_and_l24_no_knob_leaves_its_range(rules, history):
    rows = log_of(rules, history)
    decisions = Watched(rules.plan).over(rows)
    assert Watched(rules.plan, through_json).over(rows) == decisions
    for change in [change for decision in decisions for change in decision.changes]:
        assert change.new in ("paused", "normal") if change.knob == "mode" else LOW <= change.new <= HIGH
        assert change.new != change.old
    owed = [action.idempotency_key for decision in decisions for action in decision.actions]
    ids = [row.id for decision in decisions for row in decision.emitted]
    assert len(set(owed)) == len(owed)
    assert len(set(ids)) == len(ids)
    firings = [firing for decision in decisions for firing in decision.firings]
    assert [f.time_ms for f in firings] == sorted(f.time_ms for f in firings)
    for firing in firings:
        json.dumps([firing.effects, firing.because], allow_nan=False)


# ---- what a daemon does besides rows ---------------------------------------------------------------

NARROW = """
action Dial.turn(v: float)
event A { x: float } from "a test"
knob dial in 0..%d = 0 drives Dial.turn
loop one "r" on A set dial = x
"""


def test_two_swaps_at_one_place_owe_two_actions():
    """Each narrows the range and moves the knob; what the second owes is not what the first did."""
    wide, narrow, narrowest = (check_texts({"a.loop": NARROW % most}) for most in (9, 5, 3))
    daemon = Daemon(wide)
    daemon.happen(0, Happening(0, "A", {"x": 8}))
    daemon.settle()
    for rules in (narrow, narrowest):
        daemon.evaluator.swap(rules)
        daemon.evaluator.turn()
    owed = daemon.store.owed(10)
    assert [action.arguments for action in owed] == [{"v": 8.0}, {"v": 5.0}, {"v": 3.0}]
    assert len({action.idempotency_key for action in owed}) == 3


def test_a_limit_of_firings_holds_after_a_restart():
    daemon = Daemon(check_texts({"a.loop": NARROW % 9}))
    for start in range(2):
        daemon.now_ms += 120_000
        rules = check_texts({"a.loop": NARROW % 9})  # another plan, as in another process
        lease = daemon.store.acquire("rules", f"daemon {start}", 1)
        evaluator = daemon.evaluator = Evaluator(daemon.store, lease, max_firings_per_minute=2)
        evaluator.load(lambda _, rules=rules: rules)
        evaluator.begin(rules)
        daemon.store.ask(control.on("one"))
        daemon.settle()
        for number in range(6):
            daemon.happen(start * 10 + number, Happening(0, "A", {"x": number}))
            daemon.settle()
        assert len(daemon.store.firings()) == 3 * (start + 1)


def test_a_request_at_a_place_is_numbered_apart():
    plan = check_texts({"a.loop": NARROW % 9}).plan
    state = State()
    owed = []
    for n, value in enumerate((3, 4, 5)):
        decision = apply_control(
            plan, state, "knob", {"knob": "dial", "key": [], "value": value}, 7, START_MS, n
        )
        state.apply(decision)
        owed += decision.actions
    assert len({action.idempotency_key for action in owed}) == 3
