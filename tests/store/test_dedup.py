"""The bounds of the dedup window, beyond what the contract shows."""

from __future__ import annotations

from rules_engine.store.dedup import ID_WINDOW_MS, DedupWindow, Seen
from rules_engine.store.port import Duplicate, NewEvent, Stored


def event(name: str, dedup: bytes | None = None) -> NewEvent:
    return NewEvent(name, "T", b"{}", dedup=dedup, dedup_window_ms=1_000)


def test_it_holds_no_more_rows_than_its_bound_and_counts_what_left_early() -> None:
    window = DedupWindow(max_rows=2)
    window.feed([Seen(n, 10, f"e{n}", f"{n:02x}") for n in range(1, 4)], 10)
    assert window.truncated == 1
    answers, fresh = window.judge([event("e1"), event("e2"), event("x", b"\x03")], 4, 10)
    assert answers == [Stored("e1", 4, 10), Duplicate("e2", "e2", 2), Duplicate("x", "e3", 3)]
    assert [row.seq for row, _ in fresh] == [4]


def test_rows_that_leave_for_their_age_are_not_counted() -> None:
    window = DedupWindow(max_rows=2)
    window.feed([Seen(1, 10, "a", None), Seen(2, 10, "b", None)], 10)
    window.feed([Seen(3, 10 + ID_WINDOW_MS, "c", None)], 10 + ID_WINDOW_MS)
    assert window.truncated == 0
    assert window.position == 3


def test_a_row_that_leaves_does_not_take_its_successor_along() -> None:
    window = DedupWindow(max_rows=2)
    window.feed([Seen(1, 10, "a", "aa"), Seen(2, 20, "a", "aa"), Seen(3, 30, "c", "cc")], 30)
    answers, _ = window.judge([event("a"), event("z", b"\xaa")], 4, 30)
    assert answers == [Duplicate("a", "a", 2), Duplicate("z", "a", 2)]


def test_judging_remembers_nothing() -> None:
    window = DedupWindow()
    for _ in range(2):
        answers, _ = window.judge([event("a", b"1")], 1, 10)
        assert answers == [Stored("a", 1, 10)]
