"""Privacy masks: what is hidden is black at every size, in every format, and nothing else is touched."""

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.ingest.snapshot import write_snapshot
from streamer.places import make_zone
from streamer.sources.file import FileSource
from streamer.sources.patch import share_hidden
from streamer.sources.privacy import Privacy
from streamer.sources.scaler import Scaler

LEFT = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
TRIANGLE = [(0.1, 0.1), (0.6, 0.2), (0.3, 0.8)]


def picture(width=64, height=48, form="yuv420p", value=200):
    pixels = np.full((height, width, 3), value, np.uint8)
    return av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=form)


@pytest.mark.parametrize("form", ["yuv420p", "yuvj420p", "yuv422p", "nv12", "yuv420p10le", "gray", "rgb24", "bgr24"])
@pytest.mark.parametrize("size", [(64, 48), (65, 49), (1280, 720)])
def test_hidden_is_black_and_the_rest_is_what_it_was(form, size):
    frame = picture(*size, form)
    before = [bytes(plane) for plane in frame.planes]
    shown = Scaler(416, 416).rgb(Privacy([LEFT]).hide(frame))
    middle = shown.shape[1] // 2
    assert shown[:, : middle - 2].max() <= 3
    assert np.abs(shown[:, middle + 3 :].astype(int) - 200).max() <= 6
    assert [bytes(plane) for plane in frame.planes] == before  # the decoder needs its own


def test_no_trace_of_what_is_hidden_is_left_by_scaling():
    noise = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    frames = []
    for seed in (1, 2):
        pixels = noise.copy()
        inside = ~Privacy([TRIANGLE]).visible(1280, 720)
        pixels[inside] = np.random.default_rng(seed).integers(0, 255, (int(inside.sum()), 3))
        frames.append(pixels)
    # the color of 2x2 pixels is one: whole blocks are compared where none is on the border
    seen = [
        Scaler(416, 416).rgb(
            Privacy([TRIANGLE]).hide(av.VideoFrame.from_ndarray(p, format="rgb24").reformat(format="yuv444p"))
        )
        for p in frames
    ]
    assert np.abs(seen[0].astype(int) - seen[1]).max() <= 2


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=7),
    st.integers(8, 90),
    st.integers(8, 90),
)
def test_every_pixel_whose_center_lies_in_the_polygon_is_hidden(polygon, width, height):
    hidden = ~Privacy([polygon]).visible(width, height)
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    area = abs(sum(polygon[i][0] * polygon[i - 1][1] - polygon[i - 1][0] * polygon[i][1] for i in range(len(polygon))))
    if area < 1e-3:
        return
    try:
        zone = make_zone("z", polygon)
    except ValueError:
        return  # crossing polygons never get here
    assert hidden.ravel()[zone.contains(points)].all()


def test_it_is_laid_on_the_upright_picture():
    class Turned:
        rotation = 90

        def __init__(self, frame):
            self.frame = frame

        def __getattr__(self, name):
            return getattr(self.frame, name)

    top = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.25), (0.0, 0.25)]
    hidden = Privacy([top]).hide(Turned(picture()))
    assert (hidden.width, hidden.height) == (48, 64)
    shown = Scaler(64, 64).rgb(hidden)
    assert shown.shape == (64, 48, 3)
    assert shown[:14].max() <= 3
    assert shown[20:].min() > 190


@pytest.mark.parametrize("wrong", [[], [[]], [[(0, 0), (1, 1)]], [[(0, 0), (1, 1), (float("nan"), 0)]], [[1, 2, 3]]])
def test_what_is_no_mask_is_an_error_never_nothing(wrong):
    with pytest.raises(ValueError, match=r"mask|inhomogeneous"):
        Privacy(wrong)


def test_shares():
    assert share_hidden([]) == 0
    assert share_hidden([LEFT]) == pytest.approx(0.5, abs=0.01)
    right = [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)]
    assert share_hidden([LEFT, right]) == 1.0


def test_pixels_are_kept_for_a_few_sizes_only():
    privacy = Privacy([LEFT])
    for width in range(16, 60):
        privacy.visible(width, 16)
    assert len(privacy._patches) <= 4


def test_the_snapshot_and_the_replayed_picture_are_black_there_too(tmp_path):
    video = tmp_path / "a.mp4"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(picture()))
        container.mux(stream.encode(None))
    frames = [pixels for _, _, pixels in FileSource(video, 5, 416, 416, [LEFT])]
    assert len(frames) == 5
    assert max(int(pixels[:, :29].max()) for pixels in frames) <= 6
    assert min(int(pixels[:, 36:].min()) for pixels in frames) > 180
    path = tmp_path / "a.jpg"
    write_snapshot(Privacy([LEFT]).hide(picture()), [], path)
    with av.open(str(path)) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert shown[:, :28].max() <= 20
    assert shown[:, 40:].min() > 170
