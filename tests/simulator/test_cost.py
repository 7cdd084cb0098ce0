"""The simulator shares a machine with what it tests, so it has to be cheap; run with -s to see the figure."""

from __future__ import annotations

import selectors
import socket
import time
from urllib.parse import urlsplit

import pytest

from streamer.simulator import Simulator

CAMERAS, SECONDS, LIMIT_MS = 16, 4.0, 12.0
"""Relaying ready packets stays below the limit on any machine, encoding does not; the figure is printed."""


def _watch(url: str) -> socket.socket:
    """A client that plays within the connection and costs next to nothing."""
    parts = urlsplit(url)
    sock = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10)
    transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
    sock.sendall(f"SETUP {url}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\n{transport}\r\n\r\n".encode())
    session = sock.recv(4096).decode().split("Session: ")[1].split(";")[0]
    sock.sendall(f"PLAY {url} RTSP/1.0\r\nCSeq: 2\r\nSession: {session}\r\n\r\n".encode())
    return sock


def measure(cameras: int, seconds: float) -> tuple[float, float]:
    """(CPU milliseconds a camera-second of the simulator, Mbit/s a camera) at 720p15 2 Mbit/s over TCP."""
    spec = {"name": "c", "scene": "square", "loop_seconds": 14, "size": "1280x720", "count": cameras}
    with Simulator([spec]) as simulator, selectors.DefaultSelector() as selector:
        socks = [_watch(url) for url in simulator.urls.values()]
        for sock in socks:
            selector.register(sock, selectors.EVENT_READ)
        total, first, begun = 0, simulator.stats()["cpu_s"], time.monotonic()
        while time.monotonic() < begun + seconds:
            for key, _ in selector.select(0.2):
                total += len(key.fileobj.recv(1 << 20))  # type: ignore[union-attr]
        spent, took = simulator.stats()["cpu_s"] - first, time.monotonic() - begun
        for sock in socks:
            sock.close()
    return spent / took / cameras * 1000, total * 8 / took / cameras / 1e6


@pytest.mark.slow
@pytest.mark.e2e
def test_cpu_a_camera_second() -> None:
    cost, rate = measure(CAMERAS, SECONDS)
    print(f"\nsimulator: {CAMERAS} cameras 1280x720 15 fps {rate:.2f} Mbit/s: {cost:.2f} ms CPU a camera-second")
    assert rate > 1.5
    assert cost < LIMIT_MS
