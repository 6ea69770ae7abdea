"""What it costs that processes share one log: `python benchmarks/processes.py [seconds]`.

From push in one process to the handler in another, beside a bare unix datagram in the same run; then four
writers and three readers on one file: who gets how much, and who waits how long. Ratios compare across
machines, figures do not.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles

from rules_engine.events.cross_process_events import CrossProcessEventQueue
from rules_engine.events.event_router import Event, UnifiedEventRouter

WRITERS, READERS = 4, 3
TYPE = "HOST_ONLINE"


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def now_ms() -> float:
    """The same clock in all processes of a machine."""
    return time.monotonic_ns() / 1e6


def percentiles(late_ms: list[float]) -> str:
    steps = quantiles(late_ms, n=100)
    return f"p50 {steps[49]:7.3f} ms  p99 {steps[98]:7.3f} ms  ({len(late_ms)})"


def listen(path: Path, said: Connection, count: int) -> None:
    """Handlers in a process of their own: how late each event is."""
    router, late = UnifiedEventRouter(path), []

    def on_event(event: Event) -> None:
        late.append(now_ms() - event.payload["at"])
        if len(late) == count:
            said.send(late)

    router.subscribe(TYPE, on_event)
    said.send("ready")
    said.recv()
    router.close()


def listen_to_datagrams(address: str, said: Connection, count: int) -> None:
    """The floor: a thread that blocks on a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(address)
        said.send("ready")
        late = []
        for _ in range(count):
            sent_ms = float(ear.recv(64))
            late.append(now_ms() - sent_ms)
        said.send(late)
    said.recv()


def wake_ups(folder: Path, count: int) -> None:
    """One event at a time, with pauses: both sides are asleep when it comes."""
    path, address = folder / "wake.db", str(folder / "floor.sock")
    queue = CrossProcessEventQueue(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:

        def push() -> None:
            queue.publish(TYPE, {"at": now_ms()}, dedup=False)

        def send() -> None:
            mouth.sendto(str(now_ms()).encode(), address)

        for name, target, where, step in (
            ("push -> handler", listen, path, push),
            ("unix datagram", listen_to_datagrams, address, send),
        ):
            here, there = multiprocessing.Pipe()
            process = multiprocessing.Process(target=target, args=(where, there, count))
            process.start()
            here.recv()
            own = []
            for _ in range(count):
                time.sleep(0.01)
                begin = now_ms()
                step()
                own.append(now_ms() - begin)
            say(f"{name:16} {percentiles(here.recv())}; the sender's own part p50 {median(own):.3f} ms")
            here.send("end")
            process.join()
    queue.close()


def write(path: Path, said: Connection, seconds: float) -> None:
    """Push as fast as it goes; tell how many, and the longest wait for one."""
    queue = CrossProcessEventQueue(path)
    said.send("ready")
    said.recv()
    waits, end = [], now_ms() + seconds * 1000
    while (begin := now_ms()) < end:
        queue.publish(TYPE, {"pid": os.getpid(), "n": len(waits)}, dedup=False)
        waits.append(now_ms() - begin)
    said.send(waits)
    said.recv()
    queue.close()


def read(path: Path, said: Connection) -> None:
    """Follow the log to its end; tell the positions."""
    router, seen = UnifiedEventRouter(path), []
    router.subscribe(TYPE, lambda event: seen.append(event.seq), since=0)
    said.send("ready")
    head = said.recv()
    while len(seen) < head:
        time.sleep(0.01)
    said.send(seen)
    router.close()


def shares(folder: Path, seconds: float) -> None:
    """Four writers against each other, while three readers follow."""
    path = folder / "shares.db"
    writers, readers, processes = [], [], []
    for group, target, options in ((writers, write, (seconds,)), (readers, read, ())):
        for _ in range(WRITERS if group is writers else READERS):
            here, there = multiprocessing.Pipe()
            group.append(here)
            processes.append(multiprocessing.Process(target=target, args=(path, there, *options)))
            processes[-1].start()
    for pipe in (*writers, *readers):
        pipe.recv()
    for pipe in writers:
        pipe.send("go")
    waits = [pipe.recv() for pipe in writers]
    ended, total = now_ms(), sum(map(len, waits))
    for pipe in readers:
        pipe.send(total)
    seen = [pipe.recv() for pipe in readers]
    behind_ms = now_ms() - ended
    for pipe in writers:
        pipe.send("end")
    for process in processes:
        process.join()
    each = sorted(map(len, waits))
    share, worst_ms = each[0] / each[-1], max(map(max, waits))
    say(f"{WRITERS} writers        {total / seconds:,.0f} events/s; least of most {share:.2f}")
    say(f"                 worst wait {worst_ms:.0f} ms")
    exact = all(one == list(range(1, total + 1)) for one in seen)
    how = "each event once, in order" if exact else "NOT each event once, in order"
    say(f"{READERS} readers        {how}; {behind_ms:.0f} ms behind at the end")


def main(seconds: float) -> None:
    """Print every figure."""
    multiprocessing.set_start_method("spawn")
    os.environ["RULES_ENGINE_PAYLOAD_CHECK"] = "off"
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR")) as name:
        wake_ups(Path(name), int(100 * seconds))
        shares(Path(name), seconds)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
