"""The rates of lint over the corpus: `python -m tests.corpus`, with `-v` every miss and false alarm.

After a check was mended, `--mend` takes away the marks that have become untrue.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator

from .mending import mend
from .reading import RuleTexts, Verdict, corpus, verdict

Judged = list[tuple[RuleTexts, Verdict]]


def report(verbose: bool) -> Iterator[str]:
    """What lint misses and wrongly reports, line by line."""
    judged = [(rules, verdict(rules.name)) for rules in corpus().values()]
    if verbose:
        yield from _each_mistake(judged)
    yield from _by_family(judged)
    yield ""
    yield from _by_set(judged)


def _each_mistake(judged: Judged) -> Iterator[str]:
    for rules, seen in judged:
        yield from (f"miss   {rules.name} {miss.path}:{miss.line} {miss.code}" for miss in seen.missed)
        yield from (f"alarm  {rules.name} {alarm}" for alarm in seen.false_alarms)


def _by_family(judged: Judged) -> Iterator[str]:
    expected = Counter(each.code[:3] for rules, _ in judged for each in rules.expected)
    missed = Counter(each.code[:3] for _, seen in judged for each in seen.missed)
    yield f"{'codes':<8}{'expected':>10}{'missed':>8}{'rate':>8}"
    rows = [(f"{family}xx", expected[family], missed[family]) for family in sorted(expected)]
    for name, total, lost in [*rows, ("all", expected.total(), missed.total())]:
        yield f"{name:<8}{total:>10}{lost:>8}{lost / total:>8.1%}"


def _by_set(judged: Judged) -> Iterator[str]:
    faulty = [seen for rules, seen in judged if rules.faulty]
    yield f"{len(faulty)} faulty sets: {_share(faulty, lambda seen: seen.missed)} with a miss,"
    yield f"    {_share(faulty, lambda seen: seen.false_alarms)} with an error or warning beside the fault"
    clean = [(rules.name, seen) for rules, seen in judged if not rules.faulty]
    tricky = [seen for name, seen in clean if name.startswith("clean/tricky_")]
    plain = [seen for name, seen in clean if not name.startswith("clean/tricky_")]
    for kind, sets in (("plain", plain), ("tricky", tricky)):
        alarmed = _share(sets, lambda seen: seen.false_alarms)
        yield f"{len(sets)} clean sets, {kind}: {alarmed} with a false alarm,"
        yield f"    {_share(sets, lambda seen: seen.notes)} with information"


def _share(seen: list[Verdict], of: Callable[[Verdict], object]) -> str:
    count = sum(bool(of(each)) for each in seen)
    return f"{count} ({count / len(seen):.1%})"


if __name__ == "__main__":
    if "--mend" in sys.argv:
        sys.stdout.writelines(f"mended {name}\n" for name in mend())
    else:
        sys.stdout.writelines(f"{line}\n" for line in report(verbose="-v" in sys.argv))
