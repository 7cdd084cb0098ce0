"""Geometry on drawings: the point-in-polygon test against an independent one, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from streamer.places import (
    Lane,
    LaneSettings,
    Line,
    LineSettings,
    MaskSettings,
    Places,
    Point,
    check_polygon,
    foot_points,
    make_zone,
)

SQUARE: list[Point] = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)]
fractions = st.floats(0.0, 1.0, allow_nan=False)


@st.composite
def stars(draw: st.DrawFn) -> list[Point]:
    """A simple polygon, concave as often as not: corners at rising angles round a center."""
    n = draw(st.integers(3, 12))
    radii = draw(st.lists(st.floats(0.05, 0.45), min_size=n, max_size=n))
    turn = draw(st.floats(0, 1))
    angles = [2 * math.pi * (i + turn) / n for i in range(n)]
    return [(0.5 + r * math.cos(a), 0.5 + r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]


def winding(polygon: list[Point], x: float, y: float) -> bool:
    """Independent of the even-odd rule: the angles under which the edges are seen add up to a full turn inside."""
    total = 0.0
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        ax, ay, bx, by = x1 - x, y1 - y, x2 - x, y2 - y
        total += math.atan2(ax * by - ay * bx, ax * bx + ay * by)
    return abs(total) > math.pi


def distance_to_edges(polygon: list[Point], x: float, y: float) -> float:
    nearest = math.inf
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        length = (x2 - x1) ** 2 + (y2 - y1) ** 2
        along = 0.0 if length == 0 else min(1.0, max(0.0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length))
        nearest = min(nearest, math.hypot(x - x1 - along * (x2 - x1), y - y1 - along * (y2 - y1)))
    return nearest


@given(stars(), st.lists(st.tuples(fractions, fractions), min_size=1, max_size=30))
def test_contains_agrees_with_the_winding_number(polygon: list[Point], points: list[Point]) -> None:
    zone = make_zone("z", polygon)
    inside = zone.contains(np.array(points))
    for (x, y), found in zip(points, inside, strict=True):
        if distance_to_edges(polygon, x, y) > 1e-9:
            assert found == winding(polygon, x, y)


@given(stars(), st.integers(0, 11), st.tuples(fractions, fractions))
def test_contains_does_not_depend_on_where_or_how_the_polygon_is_drawn(
    polygon: list[Point], shift: int, point: Point
) -> None:
    at = np.array([point])
    if distance_to_edges(polygon, *point) < 1e-9:
        return
    expected = make_zone("z", polygon).contains(at)[0]
    k = shift % len(polygon)
    assert make_zone("z", polygon[k:] + polygon[:k]).contains(at)[0] == expected
    assert make_zone("z", polygon[::-1]).contains(at)[0] == expected


def test_contains_takes_no_points() -> None:
    assert make_zone("z", SQUARE).contains(np.zeros((0, 2))).shape == (0,)


def test_feet_cut_off_by_the_edge_of_the_picture_stand_in_a_zone_that_reaches_it() -> None:
    zone = make_zone("z", [(0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0)])
    points = np.array([[0.5, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.7], [0.5, 1.02], [0.5, 0.4]])
    assert zone.contains(points).tolist() == [True, True, True, True, True, False]


def test_neighbours_share_their_border_without_gap_or_overlap() -> None:
    left = make_zone("l", [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)])
    right = make_zone("r", [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)])
    points = np.array([[0.5, y] for y in np.linspace(0, 1, 21)])
    assert np.all(left.contains(points) ^ right.contains(points))


@pytest.mark.parametrize(
    ("polygon", "words"),
    [
        ([(0.1, 0.1), (0.2, 0.2)], "at least 3 points, got 2"),
        ([(0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)], "crosses itself: edge 1 and edge 3"),
        ([(0.1, 0.1), (0.5, 0.5), (0.9, 0.9)], "no area"),
        ([(0.1, 0.1), (0.1, 0.1), (0.1, 0.1)], "no area"),
        ([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, -0.5), (0.0, 1.0)], "crosses itself"),
    ],
)
def test_check_polygon_refuses(polygon: list[Point], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_polygon(polygon)


@given(stars())
def test_check_polygon_accepts_simple_ones(polygon: list[Point]) -> None:
    assert check_polygon(polygon) == polygon


@given(st.permutations(range(6)))
def test_check_polygon_finds_every_crossing_of_a_hexagon(order: list[int]) -> None:
    corners = [(0.5 + 0.4 * math.cos(math.pi * k / 3), 0.5 + 0.4 * math.sin(math.pi * k / 3)) for k in range(6)]
    steps = {(b - a) % 6 for a, b in zip(order, order[1:] + order[:1], strict=True)}
    drawn = [corners[k] for k in order]
    if steps in ({1}, {5}):
        assert check_polygon(drawn) == drawn
    else:  # corners of a convex polygon in any other order: some edges cross
        with pytest.raises(ValueError, match="crosses itself"):
            check_polygon(drawn)


def test_foot_points_are_bottom_centers() -> None:
    boxes = np.array([[0.1, 0.2, 0.3, 0.6], [0.0, 0.0, 1.0, 1.0]])
    np.testing.assert_allclose(foot_points(boxes), [[0.2, 0.6], [0.5, 1.0]])
    assert foot_points(np.zeros((0, 4))).shape == (0, 2)


def test_side_of_a_line_is_positive_on_the_arrows_right_as_seen() -> None:
    east = Line("l", (0.0, 0.5), (1.0, 0.5))
    assert east.side((0.5, 0.6)) > 0  # below is right of an arrow that points right
    assert east.side((0.5, 0.4)) < 0
    assert east.side((0.2, 0.5)) == 0


def test_line_settings_read_yaml_and_need_length() -> None:
    line = LineSettings.model_validate({"from": [0.0, 0.6], "to": [1.0, 0.6]})
    assert (line.from_, line.to) == ((0.0, 0.6), (1.0, 0.6))
    with pytest.raises(ValidationError, match="two different points"):
        LineSettings.model_validate({"from": [0.5, 0.5], "to": [0.5, 0.5]})


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf, "left"])
def test_points_must_be_fractions(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Point).validate_python([0.5, value])


@pytest.mark.parametrize("direction", [[0, 0], [math.nan, 1], [math.inf, 0]])
def test_lanes_need_a_direction(direction: list[float]) -> None:
    with pytest.raises(ValidationError):
        LaneSettings.model_validate({"polygon": SQUARE, "direction": direction})


@pytest.mark.parametrize("settings", [LaneSettings, MaskSettings])
def test_crossing_polygons_are_refused_in_settings_and_unknown_keys_too(settings: type) -> None:
    more = {"direction": [0, -1]} if settings is LaneSettings else {}
    crossing = [[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]
    with pytest.raises(ValidationError, match="crosses itself"):
        settings.model_validate({"polygon": crossing, **more})
    with pytest.raises(ValidationError, match="extra"):
        settings.model_validate({"polygon": SQUARE, "colour": "red", **more})


def test_build_makes_all_places() -> None:
    places = Places.build(
        {"yard": SQUARE},
        {"entry": LineSettings.model_validate({"from": [0.0, 0.6], "to": [1.0, 0.6]})},
        {"north": LaneSettings(polygon=SQUARE, direction=(0.0, -3.0))},
        {"window": MaskSettings(polygon=SQUARE, ignore=["motion"], privacy=True)},
    )
    assert places.zones["yard"].name == "yard"
    assert places.zones["yard"].polygon.shape == (4, 2)
    assert places.lines["entry"] == Line("entry", (0.0, 0.6), (1.0, 0.6))
    lane = places.lanes["north"]
    assert isinstance(lane, Lane)
    assert lane.direction == (0.0, -1.0)
    assert places.masks["window"].ignore == {"motion"}
    assert places.masks["window"].privacy
    assert Places.build() == Places()


@given(st.tuples(st.floats(-5, 5), st.floats(-5, 5)).filter(lambda v: math.hypot(*v) > 1e-3))
def test_directions_become_unit_vectors(direction: tuple[float, float]) -> None:
    lane = Places.build(lanes={"l": LaneSettings(polygon=SQUARE, direction=direction)}).lanes["l"]
    assert math.hypot(*lane.direction) == pytest.approx(1.0)
    assert lane.direction[0] * direction[1] == pytest.approx(lane.direction[1] * direction[0], abs=1e-9)
