"""What is measured, in a process of its own: the daemon as `streamer run` builds it, on the cameras of a load.

`python -m streamer.bench.subject`: reads one JSON line from stdin (never argv: addresses may hold passwords), writes a
site file, assembles the daemon and runs it. It prints a JSON line when every camera is analysed and one for each
`counts` command; at the end of stdin or on SIGTERM it stops in order and leaves its rows as an .npy file.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from streamer import log
from streamer.bench.load import ZONE
from streamer.bench.watch import RECORDER
from streamer.config import load_site
from streamer.daemon import Daemon, assemble
from streamer.errors import InputError, StreamerError


def site_file(folder: Path, order: dict[str, Any]) -> Path:
    """Write the site: every camera watched by the bench's pipeline, alerts into a file.

    Args:
        folder: an empty one of its own; the file in it holds the cameras' addresses and is for the owner only.
        order: ``urls``, ``analyze_fps``, ``model``, and the section ``inference``.
    """
    camera = {"analyze_fps": order["analyze_fps"], "zones": {"yard": [list(p) for p in ZONE]}, "pipelines": ["bench"]}
    model = {"detector": order["model"]}
    models = {}
    if Path(order["model"]).is_file():
        model = {"detector": "measured"}
        models = {"models": {"measured": {"file": str(Path(order["model"]).absolute())}}}
    site = {
        "cameras": {f"cam{i}": {"source": _escaped(url), **camera} for i, url in enumerate(order["urls"])},
        "pipelines": {"bench": {"use": "streamer.bench.watch:Watch", **model, "intrusion": {"zones": ["yard"]}}},
        **models,
        "sinks": {"log": {"type": "jsonl", "path": str(folder / "alerts.jsonl")}},
        "alerts": {"sinks": ["log"]},
        "inference": order["inference"],
        "storage": {"dir": str(folder / "data")},
        "web": {"listen": "127.0.0.1:0"},
    }
    path = folder / "site.yaml"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(site, sort_keys=False))
    return path


def counts(daemon: Daemon) -> dict[str, float]:
    """The daemon's counters summed over cameras: ``frames/stage/outcome``, ``batches``, ``batched``, ``overloaded``."""
    found: dict[str, float] = {"unknown": RECORDER.unknown}
    for metric in daemon.metrics.registry.collect():
        for sample in metric.samples:
            name = {
                "streamer_frames_total": "frames/{stage}/{outcome}",
                "streamer_batch_size_count": "batches",
                "streamer_batch_size_sum": "batched",
                "streamer_overloaded": "overloaded",
            }.get(sample.name)
            if name is not None:
                name = name.format(**sample.labels)
                found[name] = found.get(name, 0.0) + sample.value
    return found


def serve(order: dict[str, Any]) -> None:
    """Run one order from begin to end. Raises StreamerError."""
    folder = Path(order["folder"])
    daemon = assemble(load_site(site_file(folder, order)))

    def say_ready() -> None:
        if len(RECORDER.seen) == len(order["urls"]):
            _say({"ready": True, "roles": daemon.reporter.pids(), "plans": daemon.models.plans})

    RECORDER.on_camera = say_ready

    async def obey() -> None:
        loop = asyncio.get_running_loop()

        def command(line: str) -> None:
            _say({"counts": counts(daemon)}) if line == "counts" else daemon.stop()

        threading.Thread(
            target=_read, args=(lambda line: loop.call_soon_threadsafe(command, line),), daemon=True
        ).start()
        await daemon.run()

    asyncio.run(obey())
    np.save(order["rows"], RECORDER.rows())
    _say({"done": True, "counts": counts(daemon)})


def _escaped(url: str) -> str:
    """An address as it stands in a site file, where ${...} would be a variable."""
    return url.replace("$", "$$")


def _first_line() -> bytes:
    """Read byte by byte: what follows belongs to the thread."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


def _read(command: Callable[[str], None]) -> None:
    """Hand every line of stdin on, "" at its end."""
    buffer = b""
    while chunk := os.read(0, 4096):
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            command(line.decode())
    command("")


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def main() -> int:
    """Entry point of the process."""
    log.setup(style="human", level="warning")
    try:
        serve(json.loads(_first_line()))
    except StreamerError as error:
        _say({"error": str(error), "input": isinstance(error, InputError)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
