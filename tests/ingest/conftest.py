"""Readers with everything that they tell, and an RTSP server of GStreamer where Debian's packages are installed."""

import asyncio
import contextlib
import os
import select
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from streamer.clock import SystemClock
from streamer.ingest.readers import Readers
from streamer.ingest.settings import IngestSettings
from streamer.metrics import Metrics

QUICK = {
    "processes": 1,
    "open_seconds": 3,
    "stall_seconds": 2,
    "frozen_seconds": 3,
    "black_seconds": 2,
    "runaway_seconds": 2,
    "healthy_seconds": 1,
    "backoff_seconds": (0.2, 0.4),
}


class Watcher:
    """Readers whose frames are released at once, and what they said."""

    def __init__(self, **settings):
        self.metrics = Metrics()
        self.frames = defaultdict(list)
        self.told = defaultdict(list)
        self.kept = None
        self.changed = asyncio.Event()
        self.readers = Readers(
            IngestSettings(**{**QUICK, **settings}), self.metrics, SystemClock(), self._on_frame, self._on_health
        )

    def _on_frame(self, frame):
        self.frames[frame.camera].append((frame.session, frame.index, frame.pixels.shape, frame.captured_at, frame.pts))
        if self.kept is not None:
            self.kept.append(frame)
        else:
            self.readers.release(frame)
        self.changed.set()

    def _on_health(self, health):
        self.told[health.camera].append(health)
        self.changed.set()

    async def until(self, condition, seconds=20):
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await self.changed.wait()

    def causes(self, camera):
        return [health.cause for health in self.told[camera]]

    def states(self, camera):
        return [(health.state, health.cause) for health in self.told[camera]]


@pytest.fixture
async def watching():
    """Start readers: `watching(**settings)` gives a Watcher whose readers run until the test ends."""
    tasks = []

    def start(**settings):
        watcher = Watcher(**settings)
        tasks.append(asyncio.create_task(watcher.readers.run()))
        return watcher

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def gst(free_ports):
    """Serve a moving ball with GStreamer: `gst(codec)` gives the address; skips without Debian's packages."""
    running = []

    def serve(codec):
        if subprocess.run(
            ["/usr/bin/python3", "-c", "import gi; gi.require_version('GstRtspServer', '1.0')"],
            capture_output=True,
            check=False,
            timeout=60,
        ).returncode:
            pytest.skip("needs Debian's python3-gi, gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-plugins-*")
        port = free_ports(1)[0]
        script = Path(__file__).with_name("gst_server.py")
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
        server = subprocess.Popen(
            ["/usr/bin/python3", str(script), str(port), codec], stdout=subprocess.PIPE, env=environment
        )
        running.append(server)
        if not select.select([server.stdout], [], [], 30)[0] or b"ready" not in server.stdout.readline():
            pytest.skip("GStreamer's RTSP server does not start here")
        return f"rtsp://127.0.0.1:{port}/cam"

    yield serve
    for server in running:
        server.kill()
        server.wait()
        server.stdout.close()
