"""`streamer demo`: three simulated RTSP cameras, the daemon on them, and alerts on the terminal as they come.

Everything on it is the real thing: the cameras are an RTSP server in another process with H.264 video and Digest
authentication, the site is a YAML file that is written where you can read it, and the daemon is the one of
`streamer run`. Nothing is downloaded; the detector is the shipped `person-vehicle`.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from streamer import log
from streamer.config import load_site
from streamer.console import line
from streamer.daemon import Daemon, assemble
from streamer.errors import InputError
from streamer.events import Event
from streamer.firstlook import free_port
from streamer.simulator.process import Simulator

_PORT = 8080
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
  intruders: {{use: surveillance, detector: person-vehicle, intrusion: {{zones: [yard], min_seconds: 1.0}}}}
  loiterers: {{use: surveillance, detector: person-vehicle, loitering: {{zones: [hall], min_seconds: 15}}}}
  # somebody falls there: what moves keeps hold of people whom the detector loses lying down
  walkers:
    use: surveillance
    detector: {{fuse: [person-vehicle, motion]}}
    intrusion: {{zones: [pavement], min_seconds: 1.5, severity: info}}
sinks:
  log: {{type: jsonl, path: alerts.jsonl}}
alerts: {{cooldown_seconds: 5, sinks: [log]}}
storage: {{dir: ./data}}
web: {{listen: "127.0.0.1:{port}"}}
"""


def run(folder: Path, seconds: float | None = None, port: int = _PORT, color: bool | None = None) -> None:
    """Run the demo until Ctrl-C, or for some seconds.

    Args:
        folder: where site file, alerts and storage go; made if missing.
        seconds: None for no limit.
        port: of the page; 0 for any free one, which is also taken when another program has the usual one.
        color: whether to print ANSI colors; None: if the terminal is one.

    Raises:
        InputError: the folder cannot be used, or holds a site file of somebody else.
        StreamerError: the simulator or the daemon cannot start, e.g. because the port is in use.
    """
    begun = time.monotonic()
    path = _own_file(folder)
    password = secrets.token_urlsafe(9)
    log.secrets.add(password)
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ if color is None else color
    incidents: Counter[str] = Counter()
    print("starting three simulated cameras (RTSP, H.264, 640x360, 15 fps) ...", flush=True)
    cameras = [
        {"name": name, "scene": name, "user": "demo", "password": password, "auth": "digest"}
        for name in ("yard", "lobby", "street")
    ]

    def told(event: Event) -> None:
        incidents[event.kind] += event.state == "begin"
        print(line(event, color), flush=True)

    def ready(daemon: Daemon) -> None:
        print(f"site file  {path}\nalerts     {folder / 'alerts.jsonl'}", flush=True)
        print(f"page       {daemon.web.url}\nmetrics    {daemon.web.url}metrics", flush=True)
        print("The first intruder comes within seconds. Ctrl-C ends the demo.\n", flush=True)

    with Simulator(cameras) as simulator:
        path.touch(mode=0o600)
        path.chmod(0o600)  # it holds the cameras' password
        path.write_text(_SITE.format(**simulator.urls, port=free_port(port) if port == _PORT else port))
        asyncio.run(_for(assemble(load_site(path), told=told), seconds, ready, begun))
    found = ", ".join(f"{count} {kind}" for kind, count in sorted(incidents.items()) if count)
    print(f"\nincidents: {found or 'none'}")


def _own_file(folder: Path) -> Path:
    """The demo's site file, which must not be anybody else's."""
    path = folder / "site.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.read_text(encoding="utf-8").startswith(_SITE.partition("\n")[0]):
            raise InputError(f"demo: {path} is not the demo's and is left alone; give another --folder")
    except OSError as error:
        raise InputError(f"demo: folder {folder}: {error.strerror}; give another --folder") from error
    return path


async def _for(daemon: Daemon, seconds: float | None, ready: Callable[[Daemon], None], begun: float) -> None:
    running = asyncio.create_task(daemon.run(ready))
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
