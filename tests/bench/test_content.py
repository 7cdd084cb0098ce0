"""What the simulated cameras show: every frame can be told by the number in its picture."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from streamer.bench.content import burn_i420, loop_frames, prepare
from streamer.bench.load import Load
from streamer.errors import InputError
from streamer.simulator import framecode
from streamer.sources.scaler import Scaler


def _numbers(path: Path) -> list[int]:
    scaler = Scaler(160, 160)
    with av.open(str(path)) as container:
        return [framecode.read(scaler.rgb(frame)) for frame in container.decode(video=0)]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Ten pictures of vivid colors."""
    path = tmp_path / "short.mp4"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for _ in range(10):
            picture = np.full((90, 160, 3), rng.integers(0, 255, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_a_video_is_looped_to_whole_keyframe_intervals_and_numbered(video: Path, tmp_path: Path) -> None:
    load = Load(size=(320, 180), fps=1.0, analyze_fps=1.0, video=video)
    path = prepare(load, tmp_path / "kept")
    frames = loop_frames(1.0, 2)
    assert frames == 60
    assert _numbers(path) == list(range(frames))
    with av.open(str(path)) as container:
        keys = [i for i, packet in enumerate(p for p in container.demux(video=0) if p.size) if packet.is_keyframe]
    assert keys == list(range(0, frames, 2))


def test_it_is_made_once(video: Path, tmp_path: Path) -> None:
    load = Load(size=(320, 180), fps=1.0, analyze_fps=1.0, video=video)
    first = prepare(load, tmp_path / "kept")
    made = first.stat().st_mtime_ns
    assert prepare(load, tmp_path / "kept") == first
    assert first.stat().st_mtime_ns == made
    other = prepare(Load(size=(160, 90), fps=1.0, analyze_fps=1.0, video=video), tmp_path / "kept")
    assert other != first


def test_a_scene_is_numbered_too(tmp_path: Path) -> None:
    path = prepare(Load(size=(320, 180), fps=1.0, analyze_fps=1.0), tmp_path)
    assert _numbers(path) == list(range(60))


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a video")
    with pytest.raises(InputError, match=r"notes\.txt.*cannot be read"):
        prepare(Load(video=text), tmp_path / "kept")
    assert not list((tmp_path / "kept").glob("*.h264"))


@pytest.mark.parametrize(("fps", "gop", "frames"), [(15, 30, 900), (30, 60, 1020), (5, 10, 300), (240, 480, 960)])
def test_a_loop_has_no_number_twice(fps: float, gop: int, frames: int) -> None:
    assert loop_frames(fps, gop) == frames <= framecode.COUNT


def test_the_number_is_gray_whatever_was_there() -> None:
    picture = np.full((270, 320), 200, np.uint8)
    burn_i420(picture, 5)
    assert framecode.read(picture[:180]) == 5
    chroma = picture[180:].reshape(2, 90, 160)
    assert (chroma[:, :5, :80] == 128).all()
    assert (chroma[:, 5:] == 200).all()
    assert (chroma[:, :, 80:] == 200).all()
