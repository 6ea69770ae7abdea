"""The pipeline's process: plays, publishes to the event queue, and serves the actions of the rules.

Started by the demo's session as `python -m rules_engine.demo.process SETTINGS`, with the settings as
one JSON text. Ends after its rounds, or on SIGTERM after the round at hand; then it writes
`result.json` into its folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from rules_engine.demo.controls import DEFAULTS, ReadKnob, Value
from rules_engine.demo.handlers import handlers_for
from rules_engine.demo.pipeline import Pipeline
from rules_engine.demo.settings import RunSettings
from rules_engine.event import Event
from rules_engine.events.event_router import get_router, publish
from rules_engine.store.port import StoreError

_SOURCE = "demo/pipeline"

#: The package's public names, as any program outside gets them: they are put together above this folder.
_api: Any = import_module("rules_engine")


def _tell(event: str, payload: dict[str, Any]) -> None:
    # Each of these is a measurement of its own, also when it finds what the last one found.
    publish(event, payload, source=_SOURCE, dedup=False)


def _knob_reader(db: Path) -> ReadKnob:
    """Reads knobs as the rules have set them; a knob that no rule declares keeps its default."""
    knobs = _api.Knobs(db)

    def read(knob: str, config_key: str) -> Value:
        try:
            value = knobs.get(knob, config_key)
            return value if isinstance(value, str) else float(value)
        except KeyError:
            return DEFAULTS[knob]

    return read


def _play(pipeline: Pipeline, stop: asyncio.Event) -> None:
    """All rounds, each in its time."""
    began = time.monotonic()
    while pipeline.round < pipeline.settings.rounds and not stop.is_set():
        pipeline.run_round()
        time.sleep(max(0.0, began + pipeline.round * pipeline.settings.round_seconds - time.monotonic()))


async def _serve(pipeline: Pipeline, db: Path) -> None:
    await _api.serve(handlers_for(pipeline), db=db)


async def _run(settings: RunSettings, db: Path, *, rules: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    pipeline = Pipeline(settings, _tell, _knob_reader(db) if rules else None)

    def check_quality(event: Event) -> None:
        """Asked for by the loops: done with the next audit, not in here, so that no cascade can start."""
        pipeline.checks_wanted.add(str(event["payload"].get("config_key")))

    get_router().subscribe("QUALITY_CHECK_REQUESTED", check_quality)
    serving = asyncio.create_task(_serve(pipeline, db)) if rules else None
    playing = asyncio.create_task(asyncio.to_thread(_play, pipeline, stop))
    await asyncio.wait({playing, *([serving] if serving else [])}, return_when=asyncio.FIRST_COMPLETED)
    if serving:
        if serving.done():
            stop.set()
            serving.result()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    await playing
    path = settings.folder / "result.json"
    path.write_text(json.dumps(pipeline.result(), indent=2), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """The process: one argument, the settings as JSON with `db` and `rules` beside the run's own."""
    given = json.loads(arguments[0])
    db, rules = Path(given.pop("db")), given.pop("rules")
    given["folder"] = Path(given["folder"])
    given["configs"] = tuple(given["configs"])
    try:
        asyncio.run(_run(RunSettings(**given), db, rules=rules))
    except (StoreError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
