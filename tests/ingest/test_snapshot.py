import av
import numpy as np
import pytest

from streamer.ingest.snapshot import draw_box, jpeg, write_snapshot
from tests.ingest.scripted import frame


def read(data, tmp_path):
    path = tmp_path / "check.jpg"
    path.write_bytes(data)
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


@pytest.mark.parametrize("size", [(64, 48), (65, 49), (1280, 720)])
def test_jpeg_shows_the_picture(tmp_path, size):
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2] = (200, 40, 40)
    shown = read(jpeg(pixels), tmp_path)
    assert abs(shown.shape[0] - size[1]) <= 1
    assert np.abs(shown[10, 10].astype(int) - (200, 40, 40)).max() < 16
    assert shown[10, -10].max() < 16


@pytest.mark.parametrize(
    "box", [(0.1, 0.1, 0.5, 0.5), (-3, -1, 9, 4), (0.5, 0.5, 0.5, 0.5), (0.9, 0.9, 0.1, 0.1), (0, 0, 1, 1)]
)
def test_any_box_stays_inside(box):
    pixels = np.zeros((40, 60, 3), np.uint8)
    draw_box(pixels, box)
    assert pixels.shape == (40, 60, 3)


def test_box_edges():
    pixels = np.zeros((100, 200, 3), np.uint8)
    draw_box(pixels, (0.25, 0.2, 0.75, 0.8))
    assert pixels[20, 100].max() > 200
    assert pixels[79, 100].max() > 200
    assert pixels[50, 50].max() > 200
    assert pixels[50, 149].max() > 200
    assert pixels[50, 100].max() == 0
    assert pixels[15, 100].max() == 0


def test_the_file_appears_whole(tmp_path):
    path = tmp_path / "a.jpg"
    write_snapshot(frame(1), [(0.1, 0.1, 0.9, 0.9)], path)
    assert read(path.read_bytes(), tmp_path).shape == (48, 64, 3)
    assert [p.name for p in tmp_path.iterdir() if "tmp" in p.name] == []


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        write_snapshot(frame(1), [], tmp_path / "no" / "a.jpg")
