"""What the simulated cameras show: a video or a scene, encoded once like a camera does, frame numbers burnt in.

H.264 (x264 veryfast), a keyframe every two seconds, no B-frames, 2 Mbit/s at 1280x720 and 15 fps. The file is kept in
the machine's temporary folder under a name that tells all that it depends on, so that runs, capacity searches and the
floor use the very same bytes. Called by `command`, once a bench; PyAV and OpenCV are imported on use.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.bench.load import Load
from streamer.errors import InputError
from streamer.simulator import framecode
from streamer.simulator.encode import Coding, encode
from streamer.simulator.library import make_scene
from streamer.simulator.spec import CameraSpec

LOOP_SECONDS = 60.0
_VERSION = 1  # of this file's way of encoding


def prepare(load: Load, folder: Path | None = None) -> Path:
    """The stream that every camera of a load sends, as an Annex B file; made on first use.

    Args:
        load: size, rate, and video or scene.
        folder: where it is kept; None: ``streamer-bench`` in the temporary folder.

    Raises:
        InputError: the video cannot be read, or the size cannot be encoded.
    """
    folder = folder or Path(tempfile.gettempdir()) / f"streamer-bench-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{_key(load)}.h264"
    if path.is_file():
        return path
    spec = CameraSpec(name="cam", scene=load.scene, size=load.size, fps=load.fps)
    coding = Coding("h264", *load.size, load.fps, spec.scene_gop, spec.scene_bitrate)
    frames = loop_frames(load.fps, spec.scene_gop)
    pictures = _scene(load, frames) if load.video is None else _video(load.video, load.size, frames)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        for coded in encode(pictures, coding):
            file.write(coded.annexb)
    part.replace(path)
    return path


def loop_frames(fps: float, gop: int) -> int:
    """Frames in the loop: a minute, but no more than there are burnt-in numbers; whole keyframe intervals."""
    most = min(round(LOOP_SECONDS * fps), framecode.COUNT)
    return max(1, most // gop) * gop


def _key(load: Load) -> str:
    what = f"{_VERSION}|{load.size}|{load.fps}"
    if load.video is None:
        return f"{load.scene}-{hashlib.sha256(what.encode()).hexdigest()[:12]}"
    status = load.video.stat()
    what += f"|{load.video.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    return f"{load.video.stem}-{hashlib.sha256(what.encode()).hexdigest()[:12]}"


def _scene(load: Load, frames: int) -> Iterator[NDArray[np.uint8]]:
    from streamer.simulator.render import Renderer

    scene = make_scene(load.scene, frames / load.fps)
    yield from Renderer(scene, load.size, load.fps).pictures(burn_index=True)


def _video(path: Path, size: tuple[int, int], frames: int) -> Iterator[NDArray[np.uint8]]:
    """The video's frames one by one (its own rate does not matter), again from its start when it is too short."""
    made = 0
    while made < frames:
        before = made
        for picture in _decoded(path, size):
            burn_i420(picture, made)
            yield picture
            made += 1
            if made == frames:
                return
        if made == before:
            raise InputError(f"bench: video {str(path)!r} holds no picture")


def _decoded(path: Path, size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    import av
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                scaled = reformatter.reformat(frame, width=size[0], height=size[1], format="yuv420p")
                yield scaled.to_ndarray().astype(np.uint8, copy=False)
    except (av.FFmpegError, IndexError) as error:
        raise InputError(f"bench: video {str(path)!r} cannot be read: {error}") from error


def burn_i420(picture: NDArray[np.uint8], number: int) -> None:
    """Draw a frame's number into an I420 picture, uint8 (H * 3 / 2, W), in gray whatever color was there."""
    width, height = picture.shape[1], picture.shape[0] * 2 // 3
    framecode.burn(picture[:height], number)
    side, across = round(width * framecode.BLOCK), round(width * framecode.BLOCK * framecode.BLOCKS)
    planes = picture[height:].reshape(2, height // 2, width // 2)
    planes[:, : -(-side // 2), : -(-across // 2)] = 128
