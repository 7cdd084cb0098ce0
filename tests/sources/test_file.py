import itertools
import logging

import numpy as np
import pytest

from streamer.errors import SourceError
from streamer.sources.file import FileSource
from tests.sources.test_recording import write


def test_samples_on_the_grid_and_repeats_itself(tmp_path):
    source = FileSource(write(tmp_path / "a.mp4", n=30, fps=15), 5, 80, 80)
    first = [(i, pts, pixels.copy()) for i, pts, pixels in source]
    second = list(source)
    assert [i for i, _, _ in first] == list(range(10))
    assert [pts for _, pts, _ in first] == pytest.approx([i / 5 for i in range(10)], abs=1e-6)
    assert first[0][2].shape == (48, 80, 3)
    assert first[0][2].flags.c_contiguous
    for a, b in zip(first, second, strict=True):
        assert a[:2] == b[:2]
        assert np.array_equal(a[2], b[2])


def test_estimates_for_a_progress_bar(tmp_path):
    source = FileSource(write(tmp_path / "a.mp4", n=30, fps=15), 5, 80, 80)
    assert (source.duration_s, source.fps, source.frame_count) == (pytest.approx(2.0), 15, 10)
    assert source.source_size == (160, 96)
    assert source.codec == "h264"


def test_a_slower_file_gives_all_it_has(tmp_path):
    source = FileSource(write(tmp_path / "a.mp4", n=12, fps=2), 5, 160, 160)
    assert len(list(source)) == 12
    assert source.frame_count == 12


def test_what_was_wrong_is_said_and_logged(tmp_path, caplog):
    path = write(tmp_path / "a.mp4", n=40)
    data = bytearray(path.read_bytes())
    start = data.find(b"mdat") + 5000
    data[start : start + 2000] = b"\xff" * 2000
    path.write_bytes(bytes(data))
    source = FileSource(path, 10, 80, 80)
    with caplog.at_level(logging.WARNING):
        n = len(list(source))
    assert 0 < n <= 40
    if source.fault:
        assert "analysed the" in caplog.text


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(SourceError):
        FileSource(tmp_path / "none.mp4", 5, 80, 80)


@pytest.mark.parametrize(
    ("name", "pictures", "size"),
    [
        ("cctv/bottles.mp4", 200, (640, 360)),
        ("cctv/three_people_hevc.mp4", 81, (1280, 720)),
        ("traffic/marked_road.avi", 63, (640, 360)),
        ("faces/classroom.gif", 15, (480, 270)),
    ],
)
def test_real_footage(shared_data, name, pictures, size):
    source = FileSource(shared_data / name, 5, 416, 416)
    times = [pts for _, pts, _ in source]
    assert (len(times), source.source_size) == (pictures, size)
    assert times[0] == 0.0
    assert all(b > a for a, b in itertools.pairwise(times))
