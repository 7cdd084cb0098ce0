import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.sources.scaler import Scaler, fit


def yuv(pixels):
    return av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")


@given(st.integers(2, 8192), st.integers(2, 8192), st.integers(16, 1024), st.integers(16, 1024))
def test_fit_keeps_aspect_and_never_enlarges(width, height, box_width, box_height):
    w, h = fit(width, height, box_width, box_height)
    assert 2 <= w <= max(2, min(width, box_width))
    assert 2 <= h <= max(2, min(height, box_height))
    scale = min(box_width / width, box_height / height, 1.0)
    assert abs(w - width * scale) <= 2
    assert abs(h - height * scale) <= 2


def test_colors_and_size():
    pixels = np.zeros((720, 1280, 3), np.uint8)
    pixels[:, :640] = (200, 30, 30)
    pixels[:, 640:] = (30, 30, 200)
    small = Scaler(416, 416).rgb(yuv(pixels))
    assert small.shape == (234, 416, 3)
    assert np.abs(small[100, 100].astype(int) - (200, 30, 30)).max() < 12
    assert np.abs(small[100, 300].astype(int) - (30, 30, 200)).max() < 12


def test_area_averaging_is_near_to_the_exact_one():
    pixels = np.random.default_rng(0).integers(0, 256, (96, 160), dtype=np.uint8).repeat(3, axis=1).reshape(96, 160, 3)
    exact = pixels.reshape(24, 4, 40, 4, 3).mean(axis=(1, 3))
    small = Scaler(40, 24).rgb(yuv(pixels)).astype(float)
    assert np.sqrt(np.mean((small - exact) ** 2)) < 4


def test_a_small_picture_stays_as_it_is():
    assert Scaler(416, 416).rgb(yuv(np.zeros((48, 64, 3), np.uint8))).shape == (48, 64, 3)


class Rotated:
    """A frame with a display matrix; PyAV can only read such from a file."""

    def __init__(self, frame, rotation):
        self.rotation = rotation
        self._frame = frame

    def __getattr__(self, name):
        return getattr(self._frame, name)


@pytest.mark.parametrize(
    ("rotation", "shape"), [(0, (24, 40, 3)), (90, (40, 24, 3)), (-90, (40, 24, 3)), (180, (24, 40, 3))]
)
def test_rotation(monkeypatch, rotation, shape):
    frame = yuv(np.zeros((48, 80, 3), np.uint8))
    from streamer.sources import scaler

    monkeypatch.setattr(scaler, "to_rgb", lambda reformatter, frame, w, h: np.zeros((h, w, 3), np.uint8))
    box = (40, 24) if rotation % 180 == 0 else (24, 40)
    assert Scaler(*box).rgb(Rotated(frame, rotation)).shape == shape
