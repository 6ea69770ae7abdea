"""What the language knows without any file: its functions, its words, and how to guess a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: Durations end at ten years of 365 days (L47).
LONGEST_MS = 10 * 365 * 24 * 3600 * 1000
#: Names may stand for names, and values be made of values, only so deep and so large (L47).
MOST_STEPS = 100
MOST_PARTS = 1000
#: Windows hold at most this many samples (L48).
MOST_SAMPLES = 10_000

#: Words that start or join something; as a name that nothing declares, one is where an operand is missing.
CLAUSE_WORDS = (
    "on", "per", "with", "when", "for", "until", "cooldown", "unless", "limit", "gather", "set", "emit",
    "do", "if", "after", "cleared", "failed", "retry", "timeout", "while", "every", "over", "since",
    "and", "or", "not", "in", "is", "matches", "then", "within", "as",
)  # fmt: skip

TYPE_NAMES = ("str", "int", "float", "bool", "duration", "list", "map")
ANNOTATIONS = {
    "shadow": "@shadow",
    "off": '@off("reason")',
    "owner": '@owner("team")',
    "allow": '@allow("RE401", "reason")',
}
#: What may stand behind `expect nothing because` (L1).
REASONS = (
    "filter", "condition", "unknown", "hold", "active", "gather", "cooldown", "limit", "deadband", "shadow",
    "off", "key",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Function:
    """A function of values: how many arguments it takes, and how a call looks."""

    name: str
    least: int
    most: int | None
    example: str

    def takes(self, count: int) -> bool:
        """Whether it can be called with so many arguments."""
        return self.least <= count and (self.most is None or count <= self.most)


@dataclass(frozen=True, slots=True)
class AggregateFunction:
    """A function over a window: what its samples may be, and how a call looks.

    `samples`: "number" (or duration), "any", or "none or any" where it may count events.
    """

    name: str
    samples: str
    example: str


FUNCTIONS = {
    function.name: function
    for function in (
        Function("min", 2, None, "min(a, b)"),
        Function("max", 2, None, "max(a, b)"),
        Function("abs", 1, 1, "abs(a)"),
        Function("floor", 1, 1, "floor(a)"),
        Function("ceil", 1, 1, "ceil(a)"),
        Function("round", 1, 2, "round(a, 2)"),
        Function("clamp", 3, 3, "clamp(a, 0, 1)"),
        Function("mod", 2, 2, "mod(a, b)"),
        Function("pow", 2, 2, "pow(a, b)"),
        Function("during", 1, 2, 'during("* 9-16 * * 1-5", "Europe/Berlin")'),
    )
}

AGGREGATES = {
    aggregate.name: aggregate
    for aggregate in (
        AggregateFunction("count", "none or any", "count(over 1h)"),
        AggregateFunction("sum", "number", "sum(a over 1h)"),
        AggregateFunction("avg", "number", "avg(a over 1h)"),
        AggregateFunction("min", "number", "min(a over 1h)"),
        AggregateFunction("max", "number", "max(a over 1h)"),
        AggregateFunction("first", "any", "first(a over 1h)"),
        AggregateFunction("last", "any", "last(EVENT.field over 1h)"),
        AggregateFunction("stddev", "number", "stddev(a over 1h)"),
        AggregateFunction("slope", "number", "slope(a over 1h)"),
        AggregateFunction("distinct", "any", "distinct(a over 1h)"),
        AggregateFunction("quantile", "number", "quantile(a, 95% over 1h)"),
        AggregateFunction("ewma", "number", "ewma(a over 1h)"),
    )
}

#: `prev(e)` and `streak(cond)`: memory without a window of their own.
MEMORIES = {"prev": "prev(a)", "streak": "streak(a > 0)"}

#: What other languages call our functions.
FUNCTIONS_ELSEWHERE = {
    "average": "avg", "mean": "avg", "len": "count", "size": "count", "maximum": "max", "minimum": "min",
    "ceiling": "ceil", "median": "quantile", "percentile": "quantile", "std": "stddev", "delta": "prev",
    "previous": "prev", "total": "sum", "limit": "clamp",
}  # fmt: skip

FUNCTION_NAMES = tuple(sorted({*FUNCTIONS, *AGGREGATES, *MEMORIES}))


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `name`, or None when none is near enough to be meant.

    A name that lacks a part of exactly one (`config` of `config_key`) means that one. Else it counts
    insertions, deletions, substitutions and swapped neighbours, without regard to case; of equally near
    ones it takes the first in the alphabet.
    """
    wanted = name.casefold()
    longer = [known for known in sorted(set(candidates)) if _holds(known.casefold(), wanted)]
    if len(longer) == 1:
        return longer[0]
    allowed = len(wanted) // 3 if len(wanted) > 2 else len(wanted) - 1
    best: tuple[int, str] | None = None
    for candidate in sorted(set(candidates)):
        if candidate == name:
            continue
        limit = allowed if best is None else best[0] - 1
        distance = _distance(wanted, candidate.casefold(), limit)
        if distance <= limit:
            best = (distance, candidate)
    return best[1] if best else None


def did_you_mean(name: str, candidates: Iterable[str], otherwise: str = "") -> str:
    """The help line of an unknown name: the nearest one, else all if they are few, else `otherwise`."""
    known = sorted(set(candidates))
    near = nearest(name, known)
    if near is not None:
        return f"did you mean `{near}`?"
    if otherwise:
        return otherwise
    return f"known here: {listed(known)}" if known else ""


def listed(words: Iterable[str], quote: str = "`", most: int = 8) -> str:
    """Words as one line: `a`, `b` and `c`; past `most` of them with how many more there are."""
    shown = [f"{quote}{word}{quote}" for word in words]
    if len(shown) > most:
        return f"{', '.join(shown[:most])} and {len(shown) - most} more"
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def duration_text(ms: int) -> str:
    """Milliseconds as one would write them: `1h30m`."""
    text = ""
    for size, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")):
        count, ms = divmod(ms, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _holds(candidate: str, wanted: str) -> bool:
    """Whether one of the two is the other with a part more: `config_key` and `config`."""
    short, long = sorted((candidate, wanted), key=len)
    return len(short) > 2 and (long.startswith(short + "_") or long.endswith("_" + short))


def _distance(left: str, right: str, limit: int) -> int:
    """The edit distance with swaps, or some number above `limit`."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, previous, row = row, before, [i] + [0] * len(right)
        for j, b in enumerate(right, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and b == left[i - 2]:
                row[j] = min(row[j], previous[j - 2] + 1)
        if min(row) > limit:
            return limit + 1
    return row[-1]
