"""`streamer demo`: three simulated RTSP cameras, the daemon on them, and alerts on the terminal as they come.

Everything on it is the real thing: the cameras are an RTSP server in another process with H.264 video and Digest
authentication, the site is a YAML file that is written where you can read it, and the daemon is the one of
`streamer run`. Nothing is downloaded; the detector is the built-in motion detector.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from pathlib import Path

from streamer import log
from streamer.config import load_site
from streamer.console import line
from streamer.daemon import Daemon, assemble
from streamer.events import Event
from streamer.simulator.process import Simulator

_SITE = """\
# The site of `streamer demo`: three simulated cameras. Run it again with `streamer run` while the demo's cameras live.
cameras:
  yard:
    source: {yard}
    zones: {{yard: [[0.2, 0.52], [0.8, 0.52], [0.92, 0.97], [0.08, 0.97]]}}
    pipelines: [intruders]
  lobby:
    source: {lobby}
    zones: {{hall: [[0.3, 0.45], [0.75, 0.45], [0.85, 0.96], [0.2, 0.96]]}}
    pipelines: [loiterers]
  street:
    source: {street}
    zones: {{pavement: [[0, 0.82], [1, 0.82], [1, 1], [0, 1]]}}
    pipelines: [walkers]
pipelines:
  intruders: {{use: surveillance, detector: motion, intrusion: {{zones: [yard], min_seconds: 1.0}}}}
  loiterers: {{use: surveillance, detector: motion, loitering: {{zones: [hall], min_seconds: 15}}}}
  walkers: {{use: surveillance, detector: motion, intrusion: {{zones: [pavement], min_seconds: 1.5, severity: info}}}}
sinks:
  log: {{type: jsonl, path: alerts.jsonl}}
alerts: {{cooldown_seconds: 5, sinks: [log]}}
storage: {{dir: ./data}}
web: {{listen: "127.0.0.1:{port}"}}
"""


def run(folder: Path, seconds: float | None = None, port: int = 8080, color: bool | None = None) -> None:
    """Run the demo until Ctrl-C, or for some seconds.

    Args:
        folder: where site file, alerts and storage go; made if missing.
        seconds: None for no limit.
        port: of the page; 0 for any free one.
        color: whether to print ANSI colors; None: if the terminal is one.

    Raises:
        StreamerError: the simulator or the daemon cannot start, e.g. because the port is in use.
    """
    begun = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    password = secrets.token_urlsafe(9)
    log.secrets.add(password)
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ if color is None else color
    print("starting three simulated cameras (RTSP, H.264, 640x360, 15 fps) ...", flush=True)
    cameras = [
        {"name": name, "scene": name, "user": "demo", "password": password, "auth": "digest"}
        for name in ("yard", "lobby", "street")
    ]
    with Simulator(cameras) as simulator:
        path = folder / "site.yaml"
        path.touch(mode=0o600)
        path.write_text(_SITE.format(**simulator.urls, port=port))
        daemon = assemble(load_site(path), told=lambda event: print(line(event, color), flush=True))

        def ready(daemon: Daemon) -> None:
            print(f"site file  {path}\nalerts     {folder / 'alerts.jsonl'}", flush=True)
            print(f"page       {daemon.web.url}\nmetrics    {daemon.web.url}metrics", flush=True)
            print("The first intruder comes within seconds. Ctrl-C ends the demo.\n", flush=True)

        asyncio.run(_for(daemon, seconds, ready, begun))
    print(f"\n{_summary(daemon)}")


async def _for(daemon: Daemon, seconds: float | None, ready: object, begun: float) -> None:
    running = asyncio.create_task(daemon.run(ready))  # type: ignore[arg-type]
    first = asyncio.create_task(_say_first_frame(daemon, begun))
    if seconds is not None:
        asyncio.get_running_loop().call_later(seconds, daemon.stop)
    try:
        await running
    finally:
        first.cancel()


async def _say_first_frame(daemon: Daemon, begun: float) -> None:
    while not any(name in daemon.engine.paces for name in daemon.engine.plans):
        await daemon.clock.sleep(0.05)
    print(f"first frame analyzed {time.monotonic() - begun:.1f} s after the start", flush=True)


def _summary(daemon: Daemon) -> str:
    begins: dict[str, int] = {}
    for event in daemon.reporter.events:
        if event.state == "begin":
            begins[event.kind] = begins.get(event.kind, 0) + 1
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(begins.items())) or "none"
    return f"incidents: {told}"


def print_event(event: Event) -> None:
    """Print an event the way the demo does; for `streamer run` on a terminal."""
    print(line(event, sys.stdout.isatty() and "NO_COLOR" not in os.environ), flush=True)
