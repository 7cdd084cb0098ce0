"""The sketch says what the rules do: which side is forward, where a lane leads, how many meters there are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streamer.ground import Ground
from streamer.places import GroundSettings, LaneSettings, Line, LineSettings, MaskSettings, Places, make_zone
from streamer.preview.canvas import GREEN, Canvas
from streamer.preview.sketch import forward, inner_point, seen, sketch, sketch_detections, summary
from tests.acting import seen as detections

share = st.floats(0.0, 1.0)
GROUND = GroundSettings(points=[(0.3, 0.4), (0.7, 0.4), (0.9, 0.9), (0.1, 0.9)], size_m=(8, 12))


@given(start=st.tuples(share, share), end=st.tuples(share, share), aspect=st.sampled_from([0.6, 1.0, 16 / 9]))
def test_forward_is_the_side_that_rules_call_positive(start, end, aspect) -> None:
    assume(np.hypot(end[0] - start[0], end[1] - start[1]) > 0.01)
    line = Line("entry", start, end)
    x, y = forward(line, aspect)
    middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    assert line.side((middle[0] + 0.1 * x / aspect, middle[1] + 0.1 * y)) > 0
    assert np.hypot(x, y) == pytest.approx(1.0)
    along = (end[0] - start[0]) * aspect, end[1] - start[1]
    assert x * along[0] + y * along[1] == pytest.approx(0.0, abs=1e-9)  # square to the line, as seen


def test_forward_of_an_arrow_to_the_right_is_down() -> None:
    assert forward(Line("entry", (0.0, 0.5), (1.0, 0.5)), 1.5) == pytest.approx((0.0, 1.0))


@given(across=st.floats(0.0, 1.0), along=st.floats(0.0, 1.0))
def test_the_grid_of_the_ground_lies_where_its_meters_are(across: float, along: float) -> None:
    ground = Ground(GROUND.points, GROUND.size_m)
    found = ground.meters(np.array([seen(ground.points, across, along)]))[0]
    assert found == pytest.approx([8 * across, 12 * along], abs=1e-6)


def test_a_rectangle_seen_from_straight_above_is_no_special_case() -> None:
    assert seen([(0, 0), (1, 0), (1, 1), (0, 1)], 0.25, 0.75) == pytest.approx((0.25, 0.75))


@pytest.mark.parametrize(
    "polygon",
    [
        [(0.0, 0.0), (1.0, 0.0), (1.0, 0.1), (0.1, 0.1), (0.1, 1.0), (0.0, 1.0)],  # an L: its middle is outside
        [(0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6)],
        [(0.0, 0.0), (1.0, 0.001), (1.0, 0.004), (0.0, 0.003)],
    ],
)
def test_a_name_stands_inside_its_zone(polygon) -> None:
    assert make_zone("z", polygon).contains(np.array([inner_point(polygon)]))[0]


def picture_of(places: Places) -> np.ndarray:
    """A gray 640x480 picture with a sketch on it."""
    canvas = Canvas(np.full((480, 640, 3), 128, np.uint8))
    sketch(canvas, places)
    return canvas.pixels


def drawn(places: Places) -> np.ndarray:
    """Which pixels of it the sketch changes."""
    return (picture_of(places) != 128).any(axis=2)


SQUARE = [(0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)]


def test_every_sort_of_place_is_drawn_and_differently() -> None:
    line = LineSettings.model_validate({"from": (0.3, 0.5), "to": (0.7, 0.5)})
    pictures = [
        picture_of(Places.build(zones={"a": SQUARE})),
        picture_of(Places.build(lines={"a": line})),
        picture_of(Places.build(lanes={"a": LaneSettings(polygon=SQUARE, direction=(0, 1))})),
        picture_of(Places.build(masks={"a": MaskSettings(polygon=SQUARE, ignore=["motion"])})),
        picture_of(Places.build(ground=GROUND)),
    ]
    assert all((picture != 128).any(axis=2).sum() > 500 for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert not drawn(Places()).any()


def test_a_line_is_drawn_with_an_arrow_to_its_forward_side_only() -> None:
    line = LineSettings.model_validate({"from": (0.1, 0.5), "to": (0.9, 0.5)})
    picture = drawn(Places.build(lines={"a": line}))
    assert picture[290, 300:340].any()  # down is forward
    assert not picture[190, 300:340].any()


@pytest.mark.parametrize("way", [-1, 1])
def test_the_arrow_of_a_lane_goes_where_traffic_goes(way: int) -> None:
    picture = picture_of(Places.build(lanes={"a": LaneSettings(polygon=SQUARE, direction=(way, 0))}))
    ink = (picture[200:280, 205:435] == GREEN).all(axis=2)  # the border left out
    left, right = ink[:, :115].sum(), ink[:, 115:].sum()
    assert (right > 3 * left) if way > 0 else (left > 3 * right)


def test_what_is_private_is_not_shown() -> None:
    canvas = Canvas(np.random.default_rng(1).integers(30, 220, (480, 640, 3), np.uint8))
    before = canvas.pixels.copy()
    sketch(canvas, Places.build(masks={"window": MaskSettings(polygon=SQUARE, privacy=True)}))
    inside = canvas.pixels[150:190, 200:440]
    assert not (inside == before[150:190, 200:440]).all(axis=2).any()
    assert not inside.any()


def test_detections_are_drawn_with_their_feet() -> None:
    canvas = Canvas(np.full((480, 640, 3), 128, np.uint8))
    sketch_detections(canvas, detections((0.4, 0.3, 0.6, 0.8)))
    changed = (canvas.pixels != 128).any(axis=2)
    assert changed[384, 320]
    assert not changed[250, 320]


def test_the_summary_names_everything() -> None:
    places = Places.build(zones={"yard": SQUARE, "lawn": SQUARE}, ground=GROUND)
    assert summary(places) == "2 zones (yard, lawn), ground plane of 8 x 12 m"
    assert summary(Places()) == "nothing is drawn on this camera"
