"""The log's half of the contract: append, dedup, read, wait, named readers, the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from rules_engine.event import Kind, Row
from rules_engine.store.port import Duplicate, Gap, Limits, Stored, StoreError, StoreFull

World = Any


def test_an_empty_store_reads_as_empty(world: World) -> None:
    store = world.store
    assert store.read(0, 10).rows == ()
    assert store.seek(world.wall_ms) == 0
    assert (store.info().first, store.info().head) == (0, 0)
    assert store.readers() == []
    assert store.holder("rules") is None
    assert world.cells() == {}
    assert (store.asked(), store.controls(0, 10), store.letters(10), store.owed(10)) == ([], [], [], [])
    assert store.claim(None, "w", 10, 1_000, world.wall_ms) == []
    assert (store.firings(), store.firing_counts(), store.verdict("loop", ())) == ([], {}, None)
    assert (store.rules("hash"), store.fact("name")) == (None, None)
    assert store.now_ms() == world.wall_ms
    assert store.prune(Limits(), 100) == 0


def test_open_and_close_are_idempotent(world: World) -> None:
    world.append("a")
    world.store.open()
    world.store.open()
    assert world.types() == ["T"]
    world.store.close()
    world.store.close()
    world.store.open()
    assert world.types() == ["T"]


def test_append_answers_each_event_in_order(world: World) -> None:
    answers = world.store.append([world.event("a"), world.event("b"), world.event("a")])
    assert answers == [
        Stored("a", 1, world.wall_ms),
        Stored("b", 2, world.wall_ms),
        Duplicate("a", "a", 1),
    ]
    assert world.store.append([]) == []


def test_a_row_comes_back_as_it_was_appended(world: World) -> None:
    body = '{"text": "äé😀\\u0000\\"", "n": [1, 2.5, null, true], "deep": {"x": -1e-9}}'.encode()
    sent = world.event("id", "TYPE", body, source="me", cause="c", chain="r", depth=4, dedup=b"\x00\xff")
    world.store.append([sent])
    world.store.append([world.event("two", body=body), world.event("three", body=body, source="ü")])
    payload = {"text": 'äé😀\0"', "n": [1, 2.5, None, True], "deep": {"x": -1e-9}}
    rows = world.store.read(0, 10).rows
    assert rows[0] == Row(1, world.wall_ms, Kind.EVENT, "id", "TYPE", payload, "me", "c", "r", 4)
    assert rows[1:] == (
        Row(2, world.wall_ms, Kind.EVENT, "two", "T", payload),
        Row(3, world.wall_ms, Kind.EVENT, "three", "T", payload, "ü"),
    )


def test_numbers_that_do_not_fit_in_64_bits_come_back(world: World) -> None:
    world.append("a", body=b'{"n": 12345678901234567890123}')
    assert world.store.read(0, 1).rows[0].payload["n"] == pytest.approx(12345678901234567890123)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"body": b"{"}, "not JSON"),
        ({"body": b"\xff"}, "not JSON"),
        ({"body": b"[" * 100_000}, "not JSON"),
        ({"body": b"[1]"}, "must be a JSON object"),
        ({"source": "a\0b"}, "source .* without NUL"),
        ({"type": "\ud800"}, "type .* text"),
        ({"type": ""}, "needs an id and a type"),
        ({"chain": 7}, "chain .* text"),
    ],
)
def test_what_could_not_be_read_back_is_refused_with_the_whole_batch(
    world: World, fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(StoreError, match=complaint):
        world.store.append([world.event("good"), world.event("bad", **fields)])
    assert world.types() == []


def test_an_equal_digest_within_the_window_is_a_duplicate_and_at_its_end_it_is_new(world: World) -> None:
    def again(id: str) -> Stored | Duplicate:
        return world.store.append([world.event(id, dedup=b"d", dedup_window_ms=1_000)])[0]

    assert isinstance(again("first"), Stored)
    world.advance(999)
    assert again("second") == Duplicate("second", "first", 1)
    world.advance(1)  # duplicates prolong nothing: it counts from the first
    assert again("third") == Stored("third", 2, world.wall_ms)
    world.advance(999)
    assert again("fourth") == Duplicate("fourth", "third", 2)


def test_the_window_is_the_appending_events_own(world: World) -> None:
    world.append("a", dedup=b"d", dedup_window_ms=60_000)
    world.advance(500)
    assert world.append("b", dedup=b"d", dedup_window_ms=500) == [2]
    assert world.append("c", dedup=b"d", dedup_window_ms=0) == [3]
    assert world.append("d") == [4]


def test_a_long_window_reaches_back_over_rows_a_short_one_had_let_go(world: World) -> None:
    hour = 3_600_000
    world.append("a", dedup=b"d", dedup_window_ms=1_000)
    world.advance(hour)
    world.append("other", dedup=b"o", dedup_window_ms=1_000)
    answer = world.store.append([world.event("b", dedup=b"d", dedup_window_ms=hour + 1)])[0]
    assert answer == Duplicate("b", "a", 1)
    answer = world.store.append([world.event("b", dedup=b"d", dedup_window_ms=hour)])[0]
    assert isinstance(answer, Stored)


def test_equal_digests_in_one_batch(world: World) -> None:
    same = {"dedup": b"d", "dedup_window_ms": 1}
    assert world.append("a", "b", **same) == [1, 1]
    assert world.append("c", "d", dedup=b"e", dedup_window_ms=0) == [2, 3]


def test_an_equal_id_is_a_duplicate_whatever_its_content_for_ten_minutes(world: World) -> None:
    world.append("a", body=b'{"x": 1}', dedup=b"1")
    world.advance(599_999)
    retry = world.event("a", body=b'{"x": 2}', dedup=b"2")
    assert world.store.append([retry]) == [Duplicate("a", "a", 1)]
    world.advance(1)
    assert isinstance(world.store.append([retry])[0], Stored)


def test_the_ids_of_emitted_rows_count_too(world: World) -> None:
    world.commit(emitted=[world.emitted("e")])
    assert world.store.append([world.event("e")]) == [Duplicate("e", "e", 1)]


def test_read_pages_through_the_log(world: World) -> None:
    world.append("a", "b", "c")
    page = world.store.read(0, 2)
    assert ([row.id for row in page.rows], page.next, page.gap) == (["a", "b"], 2, None)
    page = world.store.read(page.next, 2)
    assert ([row.id for row in page.rows], page.next) == (["c"], 3)
    page = world.store.read(page.next, 2)
    assert (page.rows, page.next) == ((), 3)


def test_a_position_beyond_the_end_is_an_error_and_the_end_is_not(world: World) -> None:
    world.append("a")
    assert world.store.read(1, 10).rows == ()
    with pytest.raises(StoreError, match="position 2 is beyond the end of the log, which is 1"):
        world.store.read(2, 10)


def test_each_reader_gets_its_own_payload(world: World) -> None:
    world.append("a", body=b'{"list": [1]}')
    world.store.read(0, 1).rows[0].payload["list"].append(2)
    assert world.store.read(0, 1).rows[0].payload == {"list": [1]}


def test_pruned_rows_are_reported_as_a_gap(world: World) -> None:
    world.append(*"abcde")
    assert world.store.prune(Limits(log_rows=2), 100) == 3
    page = world.store.read(0, 10)
    assert (page.gap, [row.seq for row in page.rows]) == (Gap(1, 3), [4, 5])
    assert world.store.read(2, 10).gap == Gap(3, 3)
    assert world.store.read(3, 10).gap is None
    assert world.store.info().first == 4


def test_seek_finds_the_last_row_before_a_time(world: World) -> None:
    start = world.wall_ms
    for name in "abcdefg":
        world.append(name, name + "2")
        world.advance(10)
    assert world.store.seek(start) == 0
    assert world.store.seek(start + 1) == 2
    assert world.store.seek(start + 30) == 6
    assert world.store.seek(start + 31) == 8
    assert world.store.seek(start + 1_000) == 14
    world.store.prune(Limits(log_rows=4), 100)
    assert world.store.seek(start + 1) == 0
    assert world.store.seek(start + 61) == 14


def test_wait_returns_at_once_when_there_is_a_row_already(world: World) -> None:
    world.append("a")
    begin = time.monotonic()
    world.store.wait(0, 10_000)
    assert time.monotonic() - begin < 5


def test_wait_gives_up_after_its_timeout(world: World) -> None:
    world.append("a")
    begin = time.monotonic()
    world.store.wait(1, 30)
    assert time.monotonic() - begin >= 0.03


def _owe(world: World) -> None:
    world.owe(world.action("a"))


def _ask(world: World) -> None:
    from rules_engine.store.port import Control

    world.store.ask(Control("on", {}))


@pytest.mark.parametrize(
    "happen",
    [
        lambda w: w.append("b"),
        lambda w: w.commit(emitted=[w.emitted("e")]),
        _owe,
        _ask,
        lambda w: w.store.close(),
    ],
    ids=["append", "emit", "owe", "ask", "close"],
)
def test_wait_is_woken(world: World, happen: Callable[[World], object]) -> None:
    world.append("a")
    world.store.reader("helper")  # so that what happens is one commit
    begin = time.monotonic()
    waiting = threading.Thread(target=world.store.wait, args=(1, 20_000))
    waiting.start()
    time.sleep(0.02)
    happen(world)
    waiting.join()
    assert time.monotonic() - begin < 10


# ---- readers ----


def test_a_new_reader_begins_at_the_head_or_where_it_is_told(world: World) -> None:
    world.append("a", "b")
    assert world.store.reader("late") == 2
    assert world.store.reader("early", start=0) == 0
    assert world.store.reader("early", start=1) == 0
    assert world.store.reader("loose", pinned=False) == 2
    assert [(r.name, r.position, r.pinned) for r in world.store.readers()] == [
        ("early", 0, True),
        ("late", 2, True),
        ("loose", 2, False),
    ]


def test_the_last_call_decides_whether_a_reader_is_pinned(world: World) -> None:
    world.append("a")
    world.store.reader("r", start=0)
    assert world.store.reader("r", pinned=False) == 0
    assert [r.pinned for r in world.store.readers()] == [False]


def test_ack_is_compare_and_set(world: World) -> None:
    world.append("a", "b")
    world.store.reader("r", start=0)
    assert not world.store.ack("r", 1, 2)
    assert world.store.ack("r", 0, 2)
    assert not world.store.ack("r", 0, 1)
    assert world.store.reader("r") == 2
    assert not world.store.ack("nobody", 0, 1)


def test_a_forgotten_reader_is_gone(world: World) -> None:
    world.append("a")
    world.store.reader("r", start=0)
    assert world.store.forget_reader("r")
    assert not world.store.forget_reader("r")
    assert world.store.readers() == []


# ---- the log clock ----


def test_time_never_goes_back_and_never_stands_still(world: World) -> None:
    world.append("a")
    world.wall_ms -= 10_000_000
    world.append("b")
    world.advance(1_000)
    world.append("c")
    times = [row.time_ms for row in world.store.read(0, 10).rows]
    assert times == sorted(times)
    assert world.store.now_ms() >= times[-1]


def test_publishers_are_refused_only_while_a_pinned_reader_keeps_a_full_log(world: World) -> None:
    world.append("a", "b", "c")
    world.store.reader("slow", start=0)
    world.store.prune(Limits(log_rows=4), 100)
    world.append("d")  # the fourth is within the limit
    with pytest.raises(StoreFull, match=r"limit of 4 rows and (a pinned reader|reader 'slow')"):
        world.append("e")
    assert any(limit.startswith("log:") for limit in world.store.info().limits)
    world.store.commit(world.lease("engine"), 0, world.change(0, emitted=[world.emitted("x")]))
    world.store.forget_reader("engine")
    assert world.types()[-1] == "COOLED"  # what the engine emits is never refused
    assert world.store.prune(Limits(log_rows=4), 100) == 0
    world.store.ack("slow", 0, 1)
    world.append("e")
    assert world.store.prune(Limits(log_rows=4), 100) == 1
    assert world.store.forget_reader("slow")
    world.append("f")
    assert world.store.prune(Limits(log_rows=4), 100) == 2
    assert world.store.info().limits == ()


def test_types_are_counted_among_the_newest_rows_without_ticks(world: World) -> None:
    assert world.store.type_counts(10) == {}
    world.append("a", "b", type="HOT")
    world.append("c", type="COLD")
    lease = world.lease()
    assert world.store.tick(lease, world.advance(1_000)) == 4
    assert world.store.type_counts(4) == {"COLD": 1, "HOT": 2}
    assert world.store.type_counts(3) == {"COLD": 1, "HOT": 1}
    assert world.store.type_counts(2) == {"COLD": 1}
    assert world.store.type_counts(1) == {}
