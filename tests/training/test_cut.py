"""Stretches are cut bit for bit where a keyframe allows, else encoded anew; the pictures are the right ones."""

from __future__ import annotations

import hashlib
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.errors import SourceError
from streamer.training.cut import cut
from streamer.training.look import look_at
from tests.training.scenes import pictures, silent_film_turned_round, write


def levels(path: Path) -> list[int]:
    """Mean brightness of each picture."""
    with av.open(str(path)) as container:
        return [round(float(frame.to_ndarray(format="gray").mean())) for frame in container.decode(video=0)]


def stairs(path: Path, **settings: object) -> Path:
    """40 pictures at 10 a second, each five levels brighter than the last."""
    return write(path, [np.full((96, 160, 3), 20 + 5 * i, np.uint8) for i in range(40)], **settings)


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [hashlib.sha256(bytes(packet)).digest() for packet in container.demux(video=0) if packet.size]


def near(found: list[int], first: int, last: int) -> bool:
    wanted = [20 + 5 * i for i in range(first, last)]
    return len(found) == len(wanted) and all(abs(a - b) <= 2 for a, b in zip(found, wanted, strict=True))


def test_from_a_keyframe_the_packets_are_copied(tmp_path: Path) -> None:
    source = stairs(tmp_path / "a.mp4", keyframes=10, sound=True)
    assert cut(source, tmp_path / "b.mp4", 1.0, 3.0) == "copied"
    found = levels(tmp_path / "b.mp4")
    assert near(found[:20], 10, 30)
    assert len(found) <= 23  # pictures that are shown later may have to come along
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert not container.streams.audio
    assert packets(tmp_path / "b.mp4") == packets(source)[10 : 10 + len(found)]


def test_elsewhere_it_is_encoded_anew(tmp_path: Path) -> None:
    source = stairs(tmp_path / "a.mp4", keyframes=40)
    assert cut(source, tmp_path / "b.mp4", 1.5, 2.5) == "encoded"
    assert near(levels(tmp_path / "b.mp4"), 15, 25)
    found = look_at(tmp_path / "b.mp4")
    assert found.duration_s == pytest.approx(1.0, abs=0.02)
    assert found.fps == pytest.approx(10, abs=0.2)


def test_a_keyframe_shortly_before_will_do(tmp_path: Path) -> None:
    source = stairs(tmp_path / "a.mp4", keyframes=10)
    assert cut(source, tmp_path / "b.mp4", 1.2, 2.0) == "copied"
    assert cut(source, tmp_path / "c.mp4", 1.3, 2.0) == "encoded"


@pytest.mark.parametrize(
    ("name", "codec"), [("a.avi", "mpeg4"), ("a.avi", "mjpeg"), ("a.mkv", "libx264"), ("a.ts", "libx264")]
)
def test_other_containers_and_codecs(tmp_path: Path, name: str, codec: str) -> None:
    source = write(tmp_path / name, pictures(1, 1, seconds=4), codec=codec)
    cut(source, tmp_path / "b.mp4", 1.0, 3.0)
    assert look_at(tmp_path / "b.mp4").duration_s == pytest.approx(2.0, abs=0.31)


@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
@pytest.mark.parametrize("keyframes", [10, 400])
def test_far_into_a_long_film(tmp_path: Path, name: str, keyframes: int) -> None:
    shown = [np.full((96, 160, 3), 20 + i // 2, np.uint8) for i in range(400)]
    source = write(tmp_path / name, shown, keyframes=keyframes)
    cut(source, tmp_path / "b.mp4", 30.0, 31.0)
    found = levels(tmp_path / "b.mp4")
    assert 10 <= len(found) <= 13
    assert found[0] == pytest.approx(170, abs=2)
    assert found[9] == pytest.approx(174, abs=2)


def test_to_the_end_and_the_whole(tmp_path: Path) -> None:
    source = stairs(tmp_path / "a.mp4", keyframes=10)
    cut(source, tmp_path / "b.mp4", 3.0)
    assert near(levels(tmp_path / "b.mp4"), 30, 40)
    cut(source, tmp_path / "c.mp4")
    assert near(levels(tmp_path / "c.mp4"), 0, 40)


def test_odd_sizes_and_slow_films(tmp_path: Path) -> None:
    shown = [np.full((97, 161, 3), 100, np.uint8)] * 6
    source = tmp_path / "a.gif"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("gif", rate=2)
        stream.width, stream.height, stream.pix_fmt = 161, 97, "rgb8"
        for picture in shown:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="rgb8")))
        container.mux(stream.encode(None))
    assert cut(source, tmp_path / "b.mp4", 0.0, 1.9) == "encoded"
    found = look_at(tmp_path / "b.mp4")
    assert (found.width, found.height, found.pictures) == (160, 96, 4)


def test_what_cannot_be_cut_leaves_nothing(tmp_path: Path) -> None:
    source = stairs(tmp_path / "a.mp4", keyframes=40)
    (tmp_path / "text.mp4").write_text("no film")
    silent = silent_film_turned_round(tmp_path / "silent.mp4")
    out = tmp_path / "out"
    out.mkdir()
    for file, start_s, told in (
        (source, 9.0, "no picture between 9 s"),
        (tmp_path / "text.mp4", 0.0, "the file cannot be opened or read"),
        (tmp_path / "gone.mp4", 0.0, "gone.mp4"),
        (silent, 0.0, "no video track"),
    ):
        with pytest.raises(SourceError, match=told):
            cut(file, out / "b.mp4", start_s)
    assert list(out.iterdir()) == []


def test_the_real_falls(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "falls" / "fall_s1_15.mp4"
    assert cut(source, tmp_path / "a.mp4", 1.8, 6.0) == "encoded"
    assert look_at(tmp_path / "a.mp4").duration_s == pytest.approx(4.2, abs=0.1)
