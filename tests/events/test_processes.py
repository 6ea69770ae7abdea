"""A5, A7, A12 and A15 where processes meet: ends, forks, crossing. Real processes over a real database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rules_engine import store as stores
from rules_engine.events import leftovers
from rules_engine.events.event_router import UnifiedEventRouter
from rules_engine.store.port import NewEvent, StoreBusy

pytestmark = pytest.mark.system

Script = Callable[..., subprocess.CompletedProcess[str]]
DATABASE = ".rules-engine/events.db"


def rows(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    store = stores.open(folder / DATABASE, create=False)
    try:
        return [(row.type, row.payload) for row in store.read(0, 10_000).rows]
    finally:
        store.close()


# ---- A15: importing ------------------------------------------------------------------------------


def test_a15_importing_opens_nothing_and_needs_no_parser(script: Script, tmp_path: Path) -> None:
    done = script("""
        import sys, threading
        import rules_engine.events.event_router, rules_engine.events.data_events
        import rules_engine.events.stage_events, rules_engine.events.cross_process_events
        import rules_engine.events.event_normalization, rules_engine.events.event_emitters
        loaded = [name for name in sys.modules if name.split(".")[0] in ("lark", "sqlite3", "typer", "rich")
                  or name.startswith(("rules_engine.language", "rules_engine.checks"))]
        print(loaded, threading.active_count())
        from rules_engine.events.event_router import get_router
        assert get_router() is get_router() is not None
        print(threading.active_count())
    """)
    assert done.stdout.split("\n")[:2] == ["[] 1", "1"]
    assert list(tmp_path.iterdir()) == []


def test_a15_the_database_is_made_at_the_first_append(script: Script, tmp_path: Path) -> None:
    script("""
        from rules_engine.events.event_router import publish
        publish("MODEL_PROMOTED", {"n": 1})
    """)
    assert rows(tmp_path) == [("MODEL_PROMOTED", {"n": 1})]
    assert (tmp_path / DATABASE).stat().st_mode & 0o777 == 0o600


def test_a15_reset_flushes_and_forgets(script: Script, tmp_path: Path) -> None:
    script("""
        import asyncio, threading
        from rules_engine.events.event_router import get_router, publish, reset_router
        async def main():
            get_router().subscribe("MODEL_PROMOTED", print)
            for n in range(100):
                publish("MODEL_PROMOTED", {"n": n})
            await asyncio.to_thread(reset_router)
            assert not get_router().has_subscribers("MODEL_PROMOTED")
        asyncio.run(main())
    """)
    assert [payload["n"] for _, payload in rows(tmp_path)] == list(range(100))


# ---- A5: the end -----------------------------------------------------------------------------------


def test_a05_what_is_not_awaited_is_flushed_at_exit(script: Script, tmp_path: Path) -> None:
    script("""
        import asyncio
        from rules_engine.events.data_events import emit_model_promoted
        from rules_engine.events.event_router import publish
        async def main():
            for n in range(2_000):
                publish("HOST_ONLINE", {"n": n})
            emit_model_promoted(model_path="m")
        asyncio.run(main())
    """)
    found = rows(tmp_path)
    assert [payload["n"] for _, payload in found[:-1]] == list(range(2_000))
    assert found[-1] == ("MODEL_PROMOTED", {"model_path": "m"})


def test_a05_a_handler_started_by_the_last_line_completes(script: Script) -> None:
    done = script("""
        import asyncio, sys, time
        from rules_engine.events.event_router import get_router, publish

        async def at_home(event):
            await asyncio.sleep(0.05)
            sys.stdout.write(f"home-{event.seq} ")
            await publish("HOST_ONLINE", {})      # and what it publishes is handled as well

        async def second(event):
            await asyncio.sleep(0.01)
            sys.stdout.write(f"second-{event.seq} ")

        def in_thread(event):
            time.sleep(0.05)
            sys.stdout.write(f"thread-{event.seq} ")

        async def main():
            get_router().subscribe("MODEL_PROMOTED", at_home)
            get_router().subscribe("MODEL_PROMOTED", in_thread)
            get_router().subscribe("HOST_ONLINE", second)
            publish("MODEL_PROMOTED", {})

        asyncio.run(main())
    """)
    assert sorted(done.stdout.split()) == ["home-1", "second-2", "thread-1"]


def test_a05_a_handler_in_flight_at_the_last_line_completes(script: Script) -> None:
    done = script("""
        import asyncio
        from rules_engine.events.event_router import get_router, publish

        async def main():
            started, home = asyncio.Event(), asyncio.get_running_loop()
            async def in_flight(event):
                started.set()
                try:
                    await asyncio.sleep(0.05)
                    print("completed at home:", asyncio.get_running_loop() is home)
                except asyncio.CancelledError:
                    print("cancelled")
                    raise
            get_router().subscribe("MODEL_PROMOTED", in_flight)
            publish("MODEL_PROMOTED", {})
            await started.wait()

        asyncio.run(main())
    """)
    assert done.stdout == "completed at home: True\n"


def test_a05_a_handler_without_a_home_completes_before_the_process_ends(script: Script) -> None:
    done = script("""
        import asyncio
        from rules_engine.events import publication
        from rules_engine.events.event_router import get_router, publish
        publication.HANDLERS_WAIT_S = 0.01
        async def slow(event):
            await asyncio.sleep(0.2)
            print("done")
        get_router().subscribe("MODEL_PROMOTED", slow)
        publish("MODEL_PROMOTED", {})
        print("published")
    """)
    assert done.stdout.split() == ["published", "done"]


def test_a05_a_handler_that_hangs_does_not_hang_the_end(script: Script) -> None:
    done = script("""
        import asyncio, time
        from rules_engine.events import loop_tasks, router
        from rules_engine.events.event_router import get_router, publish
        loop_tasks.CLOSING_LIMIT_S = router.EXIT_FLUSH_S = 0.1
        router.UnifiedEventRouter.leave.__defaults__ = (0.1,)
        async def hangs(event):
            await asyncio.Event().wait()
        async def main():
            get_router().subscribe("MODEL_PROMOTED", hangs)
            get_router().subscribe("MODEL_PROMOTED", lambda event: time.sleep(60))
            publish("MODEL_PROMOTED", {})
        asyncio.run(main())
        print("end")
    """)
    assert done.stdout.split() == ["end"]


def test_a05_an_uncaught_error_loses_nothing(script: Script, tmp_path: Path) -> None:
    done = script(
        """
        import asyncio
        from rules_engine.events.event_router import publish
        async def main():
            publish("MODEL_PROMOTED", {"n": 1})
            raise SystemExit(3)
        asyncio.run(main())
        """,
        ok=False,
    )
    assert done.returncode == 3
    assert rows(tmp_path) == [("MODEL_PROMOTED", {"n": 1})]


def test_a05_publishing_in_atexit_is_durable(script: Script, tmp_path: Path) -> None:
    script("""
        import atexit
        from rules_engine.events.event_router import publish, get_router
        def last():
            assert publish("MODEL_PROMOTED", {"n": 2}).stored
        atexit.register(last)
        publish("MODEL_PROMOTED", {"n": 1})
    """)
    assert [payload["n"] for _, payload in rows(tmp_path)] == [1, 2]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a05_children_of_multiprocessing_flush_at_their_end(
    method: str, script: Script, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(f"""
import asyncio, multiprocessing
from rules_engine.events.event_router import get_router, publish

async def work(n):
    for i in range(50):
        publish("HOST_ONLINE", {{"child": n, "i": i}})

def child(n):
    asyncio.run(work(n))

if __name__ == "__main__":
    heard = []
    get_router().subscribe("HOST_ONLINE", lambda event: heard.append(event.payload["child"]))
    publish("MODEL_PROMOTED", {{}})
    context = multiprocessing.get_context("{method}")
    children = [context.Process(target=child, args=(n,)) for n in range(2)]
    for each in children: each.start()
    for each in children: each.join()
    publish("HOST_ONLINE", {{"child": "parent"}})
    get_router().flush()
    print(len(heard), [each.exitcode for each in children])
""")
    done = script("import runpy; runpy.run_path('program.py', run_name='__main__')")
    assert done.stdout.strip() == "101 [0, 0]"
    assert len(rows(tmp_path)) == 102


def test_a15_a_forked_child_starts_clean(script: Script, tmp_path: Path) -> None:
    done = script("""
        import os, threading
        from rules_engine.events.event_router import get_router, publish
        router = get_router()
        heard = []
        router.subscribe("MODEL_PROMOTED", lambda event: heard.append(event.payload["n"]))
        stop = threading.Event()
        def busy():
            n = 0
            while not stop.is_set():
                publish("HOST_ONLINE", {"n": (n := n + 1)}, dedup=False)
        thread = threading.Thread(target=busy)
        thread.start()
        for n in range(5):
            if not (pid := os.fork()):
                assert get_router() is router
                assert not router.has_subscribers("MODEL_PROMOTED")
                assert router.publish("MODEL_PROMOTED", {"n": n}).stored
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        stop.set(); thread.join()
        publish("MODEL_PROMOTED", {"n": 5})
        router.flush()
        print(heard)
    """)
    assert done.stdout.strip() == "[0, 1, 2, 3, 4, 5]"


# ---- A5: what a process leaves behind ------------------------------------------------------------


def test_a05_what_cannot_be_stored_is_left_to_the_next_opener(script: Script, tmp_path: Path) -> None:
    script(
        """
        import asyncio
        from rules_engine.events import router
        from rules_engine.events.event_router import get_router, publish
        from rules_engine.store.port import StoreBusy
        router.UnifiedEventRouter.leave.__defaults__ = (0.1,)
        publish("HOST_ONLINE", {"n": 0})
        store = get_router().store()
        def busy(events): raise StoreBusy("process 1 holds the lock")
        store.append = busy
        async def main():
            for n in range(3):
                publish("MODEL_PROMOTED", {"n": n}, source="me")
        asyncio.run(main())
        """,
    )
    (left,) = (tmp_path / ".rules-engine").glob("undelivered-*.jsonl")
    assert [json.loads(line)["payload"] for line in left.read_text().splitlines()] == [
        {"n": n} for n in range(3)
    ]
    assert left.stat().st_mode & 0o777 == 0o600
    script("""
        from rules_engine.events.event_router import publish
        publish("HOST_ONLINE", {"n": 1})
        publish("MODEL_PROMOTED", {"n": 2})   # a repeat within the window, also of what was left behind
    """)
    assert not left.exists()
    assert rows(tmp_path) == [
        ("HOST_ONLINE", {"n": 0}), ("MODEL_PROMOTED", {"n": 0}), ("MODEL_PROMOTED", {"n": 1}),
        ("MODEL_PROMOTED", {"n": 2}), ("HOST_ONLINE", {"n": 1}),
    ]  # fmt: skip


def event(number: int) -> NewEvent:
    return NewEvent(
        id=f"id{number}", type="MODEL_PROMOTED", body=b'{"n":%d}' % number, source="me", dedup=b"x" * 32
    )


def test_a05_taking_up_twice_is_harmless_and_bad_lines_are_kept(tmp_path: Path) -> None:
    path = leftovers.leave_behind([event(1), event(2)], tmp_path)
    assert leftovers.leave_behind([event(3)], tmp_path) == path
    with path.open("ab") as file:
        file.write(b'{"id": "half a li\n[1]\n{"dedup": null}\n')
    before = path.read_bytes()
    taken: list[NewEvent] = []
    assert leftovers.take_up(tmp_path, taken.extend) == (3, 3)
    assert taken == [event(1), event(2), event(3)]
    assert [each.suffix for each in tmp_path.iterdir()] == [".bad"]
    path.write_bytes(before)

    def away(events: list[NewEvent]) -> None:
        raise StoreBusy("process 1 holds the lock")

    with pytest.raises(StoreBusy):
        leftovers.take_up(tmp_path, away)
    assert path.read_bytes() == before  # nothing is lost


# ---- A7 and A12: crossing --------------------------------------------------------------------------


def test_a07_pushed_in_one_process_polled_in_another(script: Script, tmp_path: Path) -> None:
    pushed = script("""
        from rules_engine.events.cross_process_events import push_event
        print(push_event(event_type="TRAINING_COMPLETED", payload={"n": 0}, source_process="w1"))
        print(push_event("model_promoted", {"n": 1}, "w1"))
    """)
    assert pushed.stdout.split() == ["1", "2"]
    polled = script("""
        from rules_engine.events.cross_process_events import CrossProcessEventQueue, poll_events
        queue = CrossProcessEventQueue()
        for event in queue.poll(since_id=1):
            print(event.event_id, event.event_type, event.payload, event.source)
        print([event.event_id for event in poll_events(since_id=0)])
    """)
    assert polled.stdout.splitlines() == ["2 MODEL_PROMOTED {'n': 1} w1", "[1, 2]"]


def test_a12_each_event_reaches_each_process_once(tmp_path: Path) -> None:
    """Three processes publish and listen at once; every one hears every event once, in the same order."""
    program = """
import asyncio, json, sys
from rules_engine.events.event_router import get_router, publish
me, count, total = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

async def main():
    heard, done = [], asyncio.Event()
    async def on_event(event):
        heard.append((event.seq, event.source, event.payload["n"]))
        if len(heard) == total: done.set()
    get_router().subscribe("HOST_ONLINE", on_event)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for n in range(count):
        await publish("HOST_ONLINE", {"n": n, "me": me}, source=me)
        await publish("HOST_ONLINE", {"n": n, "shared": True}, source=me)  # one of the three is stored
    await asyncio.wait_for(done.wait(), 20)
    await asyncio.sleep(0.1)
    print(json.dumps(heard))

asyncio.run(main())
"""
    count, names = 30, "abc"
    total = count * (len(names) + 1)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, name, str(count), str(total)],
            cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=dict(os.environ),
        )
        for name in names
    ]  # fmt: skip
    outputs = []
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.stderr and process.stderr.read()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            out, errors = process.communicate(timeout=40)
            assert process.returncode == 0, errors
            outputs.append(json.loads(out))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    first = outputs[0]
    assert outputs[1] == first
    assert outputs[2] == first
    assert [seq for seq, _, _ in first] == list(range(1, total + 1))
    for name in names:  # each publisher's own order is kept
        own = [n for _, source, n in first if source == name]
        assert own == sorted(own)


def test_a12_events_of_another_router_arrive_by_the_tail(tmp_path: Path) -> None:
    import threading

    heard: list[tuple[str, int]] = []
    arrived = threading.Event()
    here, there = (UnifiedEventRouter(tmp_path / "events.db") for _ in range(2))
    try:

        def on_event(event: Any) -> None:
            heard.append((event.source, event.seq))
            if len(heard) == 4:
                arrived.set()

        here.subscribe("MODEL_PROMOTED", on_event)
        there.publish("MODEL_PROMOTED", {"n": 1}, "there")
        here.publish("MODEL_PROMOTED", {"n": 2}, "here")
        there.publish("MODEL_PROMOTED", {"n": 3}, "there")
        there.publish("HOST_ONLINE", {}, "there")
        there.publish("MODEL_PROMOTED", {"n": 4}, "there")
        assert arrived.wait(5)
        assert heard == [("there", 1), ("here", 2), ("there", 3), ("there", 5)]
    finally:
        here.close()
        there.close()


def test_a16_the_environment_sets_what_its_table_says(script: Script, tmp_path: Path) -> None:
    done = script("""
        import os, logging
        os.environ.update(RINGRIFT_EVENT_LOG_LEVEL="ERROR", RINGRIFT_EVENT_DEDUP_WINDOW_SECS="0",
                          COORDINATOR_CROSS_PROCESS_POLL_INTERVAL="0.25")
        from rules_engine.events.event_router import get_router, publish
        print([publish("MODEL_PROMOTED", {}).stored for _ in range(2)])
        log = logging.getLogger("rules_engine.events")
        print(log.level == logging.ERROR, get_router().feed._poll_interval_s)
    """)
    assert done.stdout.splitlines() == ["[True, True]", "True 0.25"]
    wrong = script(
        """
        import os
        os.environ["RINGRIFT_EVENT_DEDUP_WINDOW_SECS"] = "soon"
        from rules_engine.config import SettingsError
        from rules_engine.events.event_router import get_router
        try: get_router()
        except SettingsError as error: print(error)
        """,
    )
    assert "RINGRIFT_EVENT_DEDUP_WINDOW_SECS" in wrong.stdout
