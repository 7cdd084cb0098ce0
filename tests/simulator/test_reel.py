"""Reels from encoders and files: complete, in order, each keyframe able to start a decoder."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.errors import InputError
from streamer.simulator.encode import Coding, encode
from streamer.simulator.reel import Coded, Reel, file_reel, make_reel
from streamer.simulator.rtp import nal_type
from streamer.simulator.variant import decode
from tests.simulator.conftest import FPS, FRAMES, GOP, pictures

SETS = {"h264": (7, 8), "h265": (32, 33, 34)}
ENCODERS = {"h264": "libx264", "h265": "libx265"}


def write_file(path: Path, codec: str, b_frames: int = 0, fps: int = 10, frames: int = 30) -> Path:
    """A file as editors make it: parameter sets out of band (in MP4), maybe B-frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(ENCODERS[codec], rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.gop_size, stream.max_b_frames = 10, b_frames
        if codec == "h265":
            stream.options = {"x265-params": f"log-level=error:pools=none:bframes={b_frames}:keyint=10:scenecut=0"}
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((144, 160), 30 + number * 5, np.uint8), format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_every_keyframe_carries_its_parameter_sets(codec: str, reels: dict[str, Reel]) -> None:
    reel = reels[codec]
    assert (len(reel), reel.keys, reel.seconds) == (FRAMES, (0, 5, 10, 15), FRAMES / FPS)
    for number, unit in enumerate(reel.units):
        kinds = [nal_type(nal, codec) for nal in unit.nals]
        assert unit.key == (number % GOP == 0)
        assert (tuple(kinds[: len(SETS[codec])]) == SETS[codec]) == unit.key
        assert unit.shift == 0


@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_file_is_served_as_it_is(codec: str, suffix: str, b_frames: int, tmp_path: Path) -> None:
    path = write_file(tmp_path / f"film.{suffix}", codec, b_frames)
    reel = file_reel(path)
    assert (reel.codec, reel.width, reel.height, reel.fps, len(reel)) == (codec, 160, 96, 10.0, 30)
    assert reel.units[0].key
    seen = [float(picture[:96].mean()) for picture in decode(reel, 0, len(reel))]
    assert seen == pytest.approx([30 + number * 5 for number in range(30)], abs=3)


def test_presentation_order_of_b_frames(tmp_path: Path) -> None:
    reel = file_reel(write_file(tmp_path / "film.mp4", "h264", b_frames=2))
    turns = [number + unit.shift for number, unit in enumerate(reel.units)]
    assert min(unit.shift for unit in reel.units) < 0
    assert max(unit.shift for unit in reel.units) == 0, "no picture is presented after it was due"
    assert len(set(turns)) == len(turns), "every picture has its own instant"
    assert max(turns) - min(turns) == len(turns) - 1


def test_annexb_file(tmp_path: Path) -> None:
    path = tmp_path / "film.h264"
    path.write_bytes(b"".join(c.annexb for c in encode(pictures(), Coding("h264", 160, 96, 25.0, 5, 500_000))))
    reel = file_reel(path, fps=8.0)
    assert (len(reel), reel.fps, reel.keys) == (FRAMES, 8.0, (0, 5, 10, 15))


def test_given_rate(tmp_path: Path) -> None:
    assert file_reel(write_file(tmp_path / "film.mp4", "h264"), fps=24.0).seconds == 30 / 24


def test_begins_with_a_keyframe() -> None:
    coded = list(encode(pictures(), Coding("h264", 160, 96, 25.0, 5, 500_000)))
    reel = make_reel("h264", (160, 96), 25.0, coded[3:])
    assert reel.units[0].key
    assert len(reel) == FRAMES - 5


def test_delimiters_are_dropped() -> None:
    coded = [
        Coded(b"\x00\x00\x00\x01\x09\xf0" + c.annexb + b"\x00\x00\x01\x0a", c.key)
        for c in encode(pictures(), Coding("h264", 160, 96, 25.0, 5, 500_000))
    ]
    reel = make_reel("h264", (160, 96), 25.0, coded)
    assert {nal_type(nal, "h264") for unit in reel.units for nal in unit.nals} <= {1, 5, 6, 7, 8}


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no keyframe"):
        make_reel("h264", (160, 96), 25.0, [Coded(b"\x00\x00\x01\x41abc", False)])
    with pytest.raises(InputError, match="parameter set of NAL type 7"):
        make_reel("h264", (160, 96), 25.0, [Coded(b"\x00\x00\x01\x65abc", True)])
    with pytest.raises(InputError, match="no video"):
        file_reel(tmp_path / "missing.mp4")
    text = tmp_path / "text.mp4"
    text.write_text("not a film")
    with pytest.raises(InputError, match="no video"):
        file_reel(text)


def test_other_codec_is_named(tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(160, 96, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match="mpeg4"):
        file_reel(path)


def test_real_footage(shared_data: Path) -> None:
    reel = file_reel(shared_data / "cctv" / "shop_1080p_hevc.mp4")
    assert (reel.codec, reel.width, reel.height, round(reel.fps)) == ("h265", 1920, 1080, 30)
