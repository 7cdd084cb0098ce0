"""The picture that was asked for, from a recording and from a live camera."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from streamer.errors import InputError, SourceError
from streamer.preview.picture import Wanted, from_camera, from_file
from streamer.simulator.encode import Coding, encode_reel
from streamer.simulator.mount import CameraSettings, Mount
from streamer.simulator.rtsp import RtspServer
from streamer.simulator.variant import stand_in
from streamer.sources.address import parse
from tests.films import film


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("films") / "clip.mp4")


def number(pixels: np.ndarray) -> int:
    """Which picture of the film it is."""
    return round((float(pixels.mean()) - 40) / 4)


@pytest.mark.parametrize(("at_s", "expected"), [(0.0, 0), (1.0, 10), (1.04, 11), (3.9, 39)])
def test_it_is_the_first_picture_from_that_time_on_in_full_size(clip: Path, at_s: float, expected: int) -> None:
    look = from_file(clip, Wanted(at_s, box=(64, 64)))
    assert look.pixels.shape == (96, 160, 3)
    assert number(look.pixels) == pytest.approx(expected, abs=1)
    assert look.at_s == pytest.approx(expected / 10)
    assert [pixels.shape for _, pixels in look.sampled] == [(38, 64, 3)]


def test_pictures_before_it_come_on_the_grid_of_the_camera_and_end_with_it(clip: Path) -> None:
    look = from_file(clip, Wanted(2.0, fps=5.0, before_s=1.0, box=(64, 64)))
    assert [round(at, 3) for at, _ in look.sampled] == [1.0, 1.2, 1.4, 1.6, 1.8, 2.0]
    assert number(look.sampled[-1][1]) == number(look.pixels)


def test_a_time_beyond_the_end_is_an_error_with_the_end(clip: Path) -> None:
    with pytest.raises(InputError, match=r"preview: --at 9: .*clip.mp4 ends at 3.9 s"):
        from_file(clip, Wanted(9.0))


def test_a_file_that_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_text("no video")
    with pytest.raises(SourceError):
        from_file(tmp_path / "no.mp4", Wanted())


def test_a_camera_that_plays_a_file_shows_that_file(clip: Path) -> None:
    assert number(from_camera(parse(str(clip)), "tcp", Wanted(1.0)).pixels) == pytest.approx(10, abs=1)


async def test_a_live_camera_shows_a_whole_picture() -> None:
    rng = np.random.default_rng(1)
    pictures = [(rng.integers(0, 90, (144, 160)) + 60).astype(np.uint8) for _ in range(20)]
    reel = encode_reel(pictures, Coding("h264", 160, 96, 50.0, 5, 3_000_000))
    server = RtspServer([Mount(CameraSettings("cam"), reel)], stand_in=stand_in)
    await server.start()
    try:
        address = parse(f"rtsp://127.0.0.1:{server.port}/cam")
        look = await asyncio.to_thread(from_camera, address, "tcp", Wanted(0.3, fps=10.0, before_s=0.3, box=(64, 64)))
    finally:
        await server.close()
    assert look.pixels.shape == (96, 160, 3)
    assert 60 < look.pixels.mean() < 140
    assert look.at_s == pytest.approx(0.3, abs=0.05)
    assert len(look.sampled) == 4


def test_a_camera_that_is_not_there_is_named_by_its_cause(free_port: int) -> None:
    with pytest.raises(SourceError) as caught:
        from_camera(parse(f"rtsp://127.0.0.1:{free_port}/cam"), "tcp", Wanted())
    assert caught.value.cause == "refused"
