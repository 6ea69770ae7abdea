"""What rules cannot reach (L49), and how arguments find their parameters (L42)."""

from __future__ import annotations

import subprocess
import sys

#: Decides over rows while every audit event of the interpreter that reaches out of it is written down.
PROBE = """
import sys
from rules_engine.engine.handover import handover
from rules_engine.engine.state import State
from rules_engine.engine.step import decide
from rules_engine.event import Kind, Row
from rules_engine.pipeline import check_texts

TEXT = '''
event A { k: str, x: float, s: str } from "t"
event OUT { k: str, s: str, z: bool? }
action H.act(s: str)
knob rate per k in 0..10 = 1 decay 1h
loop one "r" on A per k when s matches "*" and avg(x over 1h) >= 0
  set rate = x for 1m
  do H.act("{s}")
  emit OUT { k, s: "{s} {{not code}}", z: during("* 9-16 * * 1-5", "Europe/Berlin") }
loop two "r" on every 1m emit OUT { k: "tick", s: "" }
loop three "r" on cron "0 3 * * *" in "Europe/Berlin" emit OUT { k: "tick", s: "" }
'''
rules = check_texts({"t.loop": TEXT})
assert rules.plan is not None, [f.message for f in rules.diagnostics]
state = State()
state.apply(handover(None, rules.plan, state, 0, 1_767_571_200_000)[0])
reached, watching = [], True

def hook(event, arguments):
    what = event.split(".")[0]
    if watching and what in ("open", "socket", "subprocess", "os", "exec", "compile", "import"):
        reached.append(event)

sys.addaudithook(hook)
fired = 0
texts = ["x", "__import__('os').system('id')", "{x.__class__}", "../../etc/passwd", "$(id)"]
for seq, text in enumerate(texts, 1):
    payload = {"k": text, "x": 1.0, "s": text}
    row = Row(seq, 1_767_571_200_000 + seq * 60_000, Kind.EVENT, f"e{seq}", "A", payload)
    decision = decide(rules.plan, state, row)
    assert not decision.failures
    assert [a.arguments for a in decision.actions if a.action == "H.act"] == [{"s": text}]
    state.apply(decision)
    fired += len(decision.firings)
watching = False
print(fired > 5, sorted(set(reached)))
"""


def test_l49_deciding_opens_reads_and_runs_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False)
    assert done.stdout == "True []\n", done.stdout + done.stderr


def test_l49_text_of_a_payload_is_never_read_as_rules(run):
    found = run('loop one "r" on A emit OUT { s: "{s}" }', (0, "A", {"s": "{x} {1 + 1} {{"}))
    assert found.emitted == [{"s": "{x} {1 + 1} {{"}]


def test_l42_arguments_bind_by_position_then_by_name(run, findings):
    declared = "action P.q(a: str, b: float, c: float?) "
    first = run(declared + 'loop one "r" on A do P.q("x", 1, 2)', (0, "A", {}))
    mixed = run(declared + 'loop one "r" on A do P.q("x", c: 2, b: 1)', (0, "A", {}))
    assert first.done == mixed.done == [("P.q", {"a": "x", "b": 1.0, "c": 2.0})]
    assert "RE201" not in findings(declared + 'loop one "r" on A do P.q("x", b: 1)')


def test_l42_none_twice_none_too_many_none_by_position_behind_a_name(findings):
    declared = "action P.q(a: str, b: float, c: float?) "
    assert "RE117" in findings(declared + 'loop one "r" on A do P.q("x", 1, a: "y")')
    assert "RE206" in findings(declared + 'loop one "r" on A do P.q("x", 1, 2, 3)')
    assert "RE205" in findings(declared + 'loop one "r" on A do P.q("x")')
    assert findings(declared + 'loop one "r" on A do P.q(a: "x", 1)') != findings(
        declared + 'loop one "r" on A do P.q(a: "x", b: 1)'
    )
