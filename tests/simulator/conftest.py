"""Small reels and in-process servers for the simulator's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest

from streamer.simulator.encode import Coding, encode_reel
from streamer.simulator.faults import Fault, parse_fault
from streamer.simulator.mount import CameraSettings, Mount
from streamer.simulator.reel import Reel
from streamer.simulator.rtsp import RtspServer
from streamer.simulator.variant import stand_in

FPS, GOP, FRAMES = 50.0, 5, 20


def pictures(size: tuple[int, int] = (160, 96), frames: int = FRAMES) -> list[np.ndarray]:
    """Noise over a slow brightening: no two alike, and large enough for several packets a keyframe."""
    rng = np.random.default_rng(1)
    return [
        (rng.integers(0, 90, (size[1] * 3 // 2, size[0])) + 60 + 4 * (number % 16)).astype(np.uint8)
        for number in range(frames)
    ]


@pytest.fixture(scope="session")
def reels() -> dict[str, Reel]:
    """One short reel for each codec."""
    return {codec: encode_reel(pictures(), Coding(codec, 160, 96, FPS, GOP, 3_000_000)) for codec in ("h264", "h265")}


@pytest.fixture
def reel(reels: dict[str, Reel]) -> Reel:
    """A short reel."""
    return reels["h264"]


Serve = Callable[..., Awaitable[RtspServer]]


@pytest.fixture
async def serve(reel: Reel) -> AsyncIterator[Serve]:
    """Start a server of cameras (default: one named cam); it ends with the test."""
    servers = []

    async def start(*cameras: CameraSettings | Mount, **settings: float) -> RtspServer:
        given = cameras or (CameraSettings("cam"),)
        mounts = [camera if isinstance(camera, Mount) else Mount(camera, reel) for camera in given]
        server = RtspServer(mounts, stand_in=stand_in, **settings)
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.close()


@pytest.fixture
def fault() -> Callable[..., Fault]:
    """A fault by name and measures."""
    return lambda kind, **measures: parse_fault({"kind": kind, **measures})


@pytest.fixture
async def mounts() -> AsyncIterator[Callable[..., Mount]]:
    """Make a mount; its clock stops with the test."""
    made: list[Mount] = []

    def make(reel: Reel, log: Callable[[int, float], None] | None = None, **settings: object) -> Mount:
        made.append(Mount(CameraSettings("cam", **settings), reel, log))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for mount in made:
        mount.stop()
