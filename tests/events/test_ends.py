"""A5 and A15 at the ends that people meet: pools, start methods, daemon threads, kills. Real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rules_engine import store as stores

pytestmark = pytest.mark.system

Script = Callable[..., subprocess.CompletedProcess[str]]
DATABASE = ".rules-engine/events.db"


def payloads(folder: Path) -> list[dict[str, Any]]:
    store = stores.open(folder / DATABASE, create=False)
    try:
        return [row.payload for row in store.read(0, 10_000).rows]
    finally:
        store.close()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("kind", ["Pool", "Process", "ProcessPoolExecutor"])
def test_a05_workers_lose_and_double_nothing(method: str, kind: str, script: Script, tmp_path: Path) -> None:
    """The parent hears each of their events once; what they publish in a loop and leave is flushed."""
    (tmp_path / "program.py").write_text(f"""
import asyncio, multiprocessing
from concurrent.futures import ProcessPoolExecutor
from rules_engine.events.event_router import get_router, publish

async def in_a_loop(n):
    for i in range(10):
        publish("HOST_ONLINE", {{"n": n, "i": i, "loop": True}})

def work(n):
    for i in range(10):
        publish("HOST_ONLINE", {{"n": n, "i": i}})
    asyncio.run(in_a_loop(n))
    return n

if __name__ == "__main__":
    heard = []
    get_router().subscribe("HOST_ONLINE", lambda event: heard.append(tuple(event.payload.values())))
    publish("HOST_ONLINE", {{"n": -1}})
    context = multiprocessing.get_context("{method}")
    if "{kind}" == "Pool":
        with context.Pool(2) as pool:
            pool.map(work, range(4), chunksize=1)
            pool.close(); pool.join()
    elif "{kind}" == "Process":
        children = [context.Process(target=work, args=(n,)) for n in range(4)]
        for each in children: each.start()
        for each in children: each.join()
    else:
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            list(pool.map(work, range(4)))
    publish("HOST_ONLINE", {{"n": -2}})
    get_router().flush()
    print(len(heard), len(set(heard)))
""")
    done = script("import runpy; runpy.run_path('program.py', run_name='__main__')")
    assert done.stdout.split() == ["82", "82"]
    found = Counter(payload["n"] for payload in payloads(tmp_path))
    assert found == {-1: 1, 0: 20, 1: 20, 2: 20, 3: 20, -2: 1}


def test_a05_a_pool_that_is_terminated_keeps_what_was_durable(script: Script, tmp_path: Path) -> None:
    script("""
        import multiprocessing, os, signal
        from rules_engine.events.event_router import publish
        def work(n):
            assert publish("HOST_ONLINE", {"n": n}).stored
            return n
        with multiprocessing.get_context("fork").Pool(2) as pool:   # terminates its workers when it is left
            pool.map(work, range(50))
        publish("HOST_ONLINE", {"n": 50})
    """)
    assert sorted(payload["n"] for payload in payloads(tmp_path)) == list(range(51))


def test_a05_a_child_that_skips_all_ends_keeps_what_was_durable(script: Script, tmp_path: Path) -> None:
    done = script("""
        import os, signal
        from rules_engine.events.event_router import get_router, publish
        heard = []
        get_router().subscribe("HOST_ONLINE", lambda event: heard.append(event.payload["n"]))
        killed = lambda: os.kill(os.getpid(), signal.SIGKILL)
        for n, end in enumerate((lambda: os._exit(0), killed, os.abort)):
            if not (pid := os.fork()):
                publish("HOST_ONLINE", {"n": n})
                end()
            os.waitpid(pid, 0)
        publish("HOST_ONLINE", {"n": 3})
        get_router().flush()
        print(heard)
    """)
    assert done.stdout.strip() == "[0, 1, 2, 3]"


def test_a05_daemon_threads_that_publish_to_the_end(script: Script, tmp_path: Path) -> None:
    """They are stopped anywhere; whatever they were told is stored must be, and nothing may hang or print."""
    done = script("""
        import threading, time
        from rules_engine.events.event_router import get_router, publish
        told = open("told", "w")
        get_router().subscribe("HOST_ONLINE", lambda event: None)
        def busy(me):
            n = 0
            while True:
                n += 1
                if publish("HOST_ONLINE", {"me": me, "n": n}).stored:
                    told.write(f"{me} {n}\\n"); told.flush()
        for me in range(4):
            threading.Thread(target=busy, args=(me,), daemon=True).start()
        time.sleep(0.3)
    """)
    assert done.stderr == "" or "Traceback" not in done.stderr
    found = {(payload["me"], payload["n"]) for payload in payloads(tmp_path)}
    lines = [line for line in (tmp_path / "told").read_text().splitlines(keepends=True) if line[-1] == "\n"]
    told = {tuple(map(int, line.split())) for line in lines}
    assert told
    assert told <= found


def test_a03_several_loops_in_threads_and_one_after_another(script: Script, tmp_path: Path) -> None:
    done = script("""
        import asyncio, threading
        from rules_engine.events.event_router import get_router, publish
        heard, lock = [], threading.Lock()

        async def main(me):
            home = asyncio.get_running_loop()
            async def at_home(event):
                assert asyncio.get_running_loop() is home
                with lock: heard.append((me, event.seq))
            listener = get_router().subscribe("HOST_ONLINE", at_home)
            for n in range(20):
                await publish("HOST_ONLINE", {"me": me, "n": n})
            await asyncio.sleep(0.2)
            await listener.aclose()

        threads = [threading.Thread(target=asyncio.run, args=(main(me),)) for me in range(3)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert len(heard) == len(set(heard)), "a double"
        for me in range(3):
            mine = [seq for who, seq in heard if who == me]
            assert mine == sorted(mine) and len(mine) >= 20
        heard.clear()
        asyncio.run(main(3))                       # a loop that comes after others have ended
        print([seq for _, seq in heard])
    """)
    assert done.stdout.strip() == str(list(range(61, 81)))
    assert len(payloads(tmp_path)) == 80


def test_a05_a_killed_parent_does_not_take_its_children_along(tmp_path: Path) -> None:
    program = """
    import multiprocessing, os, signal, sys, time
    from rules_engine.events.event_router import publish
    def work(ready):
        publish("HOST_ONLINE", {"n": 1})
        ready.set()
        while os.getppid() == parent: time.sleep(0.01)
        assert publish("HOST_ONLINE", {"n": 2}).stored
        print("child done", flush=True)
    parent = os.getpid()
    publish("HOST_ONLINE", {"n": 0})
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    context.Process(target=work, args=(ready,)).start()
    ready.wait()
    os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == "child done\n"  # the pipe stays open until the child has ended
    assert [payload["n"] for payload in payloads(tmp_path)] == [0, 1, 2]
