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
from streamer.simulator.live import LiveMount
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
        wanted = {_likeness(camera): camera for camera in spec.cameras if not camera.live}
        made = await asyncio.gather(*(loop.run_in_executor(pool, make_reel_of, c) for c in wanted.values()))
    reels = dict(zip(wanted, made, strict=True))
    log = SendLog(spec.send_log, len(spec.names)) if spec.send_log else None
    mounts: list[Mount] = []
    for camera in spec.cameras:
        for number, name in enumerate(camera.names):
            rank = len(mounts)
            write: Callable[[int, float], None] | None = partial(log.write, rank) if log else None
            if camera.live:
                mounts.append(_live(camera, name, (number, rank), write))
                continue
            reel = reels[_likeness(camera)]
            mounts.append(Mount(_settings(camera, name, (number, rank), _start(camera, number, reel)), reel, write))
    return mounts


def _live(
    camera: CameraSpec, name: str, place: tuple[int, int], write: Callable[[int, float], None] | None
) -> LiveMount:
    """A camera with an encoder of its own; each has a renderer, too, for it draws in a thread."""
    renderer, coding = _scene(camera)
    start = place[0] * _KEYS_APART * coding.gop
    if camera.start_seconds is not None:
        start = round(camera.start_seconds * coding.fps)
    settings = _settings(camera, name, place, start % renderer.frames)
    return LiveMount(settings, (renderer, coding, camera.burn_index), write)


def _scene(camera: CameraSpec) -> tuple[Renderer, Coding]:
    """What a camera shows, and how it encodes that."""
    scene = make_scene(camera.scene or "", camera.loop_seconds, camera.seed)
    coding = Coding(camera.codec, *camera.size, camera.scene_fps, camera.scene_gop, camera.scene_bitrate)
    return Renderer(scene, camera.size, camera.scene_fps), coding


def make_reel_of(camera: CameraSpec) -> Reel:
    """What a camera shows, encoded."""
    if camera.file is not None:
        return file_reel(camera.file, camera.fps)
    renderer, coding = _scene(camera)
    return encode_reel(renderer.pictures(camera.burn_index), coding)


def _likeness(camera: CameraSpec) -> tuple[object, ...]:
    """Cameras of which this is equal show the same bytes."""
    if camera.file is not None:
        return camera.file, camera.fps
    what = camera.scene, camera.seed, camera.loop_seconds, camera.burn_index
    return *what, camera.size, camera.scene_fps, camera.codec, camera.scene_gop, camera.scene_bitrate


def _start(camera: CameraSpec, number: int, reel: Reel) -> int:
    """Index of the frame that the camera of this number within its count begins with."""
    if camera.start_seconds is not None:
        return round(camera.start_seconds * reel.fps) % len(reel)
    key = (number * _KEYS_APART) % len(reel.keys)
    interval = (*reel.keys, len(reel))[key + 1] - reel.keys[key]
    return (reel.keys[key] + int(number * _GOLDEN % 1.0 * interval)) % len(reel)


def _settings(camera: CameraSpec, name: str, place: tuple[int, int], start: int) -> CameraSettings:
    """`place` is (number within its count, rank among all cameras); `start` the index of its first frame."""
    rank = place[1]
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
