"""Which word somebody meant who mistyped one."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that is a slip or two away (a letter more, less, other, or two swapped)."""
    lowered = word.lower()
    best: tuple[int, str] | None = None
    for candidate in sorted(candidates):
        allowed = 1 if min(len(word), len(candidate)) <= 4 else 2 if len(candidate) <= 11 else 3
        if abs(len(word) - len(candidate)) > allowed:
            continue
        steps = distance(lowered, candidate.lower())
        if steps <= allowed and (best is None or steps < best[0]):
            best = (steps, candidate)
    return best[1] if best else None


def distance(left: str, right: str) -> int:
    """How many letters to add, drop, change or swap with their neighbour."""
    before: list[int] = []
    above = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b)))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                row[j] = min(row[j], before[j - 2] + 1)
        before, above = above, row
    return above[-1]
