"""From a specification to cameras that are ready to run: draw and encode each distinct scene once, load each file once.

Called by `__main__`. The heavy part runs in two threads (libx264 and OpenCV release the interpreter's lock).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from streamer.simulator.auth import Guard
from streamer.simulator.encode import Coding, encode_reel
from streamer.simulator.library import make_scene
from streamer.simulator.mount import CameraSettings, Mount
from streamer.simulator.reel import Reel, file_reel
from streamer.simulator.render import Renderer
from streamer.simulator.sendlog import SendLog
from streamer.simulator.spec import CameraSpec, SimulatorSpec

_THREADS = 2
_GOLDEN, _SILVER = 0.6180339887, 0.4142135624
"""Steps that spread any number of cameras evenly over a keyframe interval, and over a frame period."""
_KEYS_APART = 11
"""Keyframe intervals between the starts of neighboring cameras, so that they show different things."""


async def build(spec: SimulatorSpec) -> list[Mount]:
    """The cameras of a specification, in its order. Raises InputError for what cannot be drawn, encoded or read."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(_THREADS) as pool:
        wanted = {_likeness(camera): camera for camera in spec.cameras}
        made = await asyncio.gather(*(loop.run_in_executor(pool, make_reel_of, c) for c in wanted.values()))
    reels = dict(zip(wanted, made, strict=True))
    log = SendLog(spec.send_log, len(spec.names)) if spec.send_log else None
    mounts: list[Mount] = []
    for camera in spec.cameras:
        reel = reels[_likeness(camera)]
        for number, name in enumerate(camera.names):
            rank = len(mounts)
            write: Callable[[int, float], None] | None = partial(log.write, rank) if log else None
            mounts.append(Mount(_settings(camera, name, (number, rank), reel), reel, write))
    return mounts


def make_reel_of(camera: CameraSpec) -> Reel:
    """What a camera shows, encoded."""
    if camera.file is not None:
        return file_reel(camera.file, camera.fps)
    scene = make_scene(camera.scene or "", camera.loop_seconds, camera.seed)
    width, height = camera.size
    coding = Coding(camera.codec, width, height, camera.scene_fps, camera.scene_gop, camera.scene_bitrate)
    return encode_reel(Renderer(scene, camera.size, camera.scene_fps).pictures(camera.burn_index), coding)


def _likeness(camera: CameraSpec) -> tuple[object, ...]:
    """Cameras of which this is equal show the same bytes."""
    if camera.file is not None:
        return camera.file, camera.fps
    what = camera.scene, camera.seed, camera.loop_seconds, camera.burn_index
    return *what, camera.size, camera.scene_fps, camera.codec, camera.scene_gop, camera.scene_bitrate


def _settings(camera: CameraSpec, name: str, place: tuple[int, int], reel: Reel) -> CameraSettings:
    """`place` is (number within its count, rank among all cameras)."""
    number, rank = place
    if camera.start_seconds is not None:
        start = round(camera.start_seconds * reel.fps) % len(reel)
    else:
        key = (number * _KEYS_APART) % len(reel.keys)
        interval = (*reel.keys, len(reel))[key + 1] - reel.keys[key]
        start = (reel.keys[key] + int(number * _GOLDEN % 1.0 * interval)) % len(reel)
    return CameraSettings(
        name=name,
        guard=Guard(camera.user, camera.password, camera.auth),
        audio=camera.audio,
        transport=camera.transport,
        clock=camera.clock,
        start=start,
        phase=rank * _SILVER % 1.0,
        on_play=camera.on_play,
        own_port=camera.port,
        seed=camera.seed,
    )
