"""The ground plane against a pinhole camera that is computed independently, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamer.ground import Ground, check_corners
from streamer.links import check_places
from streamer.pipeline import Pipeline
from streamer.places import GroundSettings, Places
from streamer.rules.rule import Rule

TRAPEZE = [(0.3, 0.5), (0.7, 0.5), (0.9, 0.9), (0.1, 0.9)]


class Pinhole:
    """A camera above flat ground, looking down and turned; image() is plain trigonometry, no homography."""

    def __init__(self, height_m: float, down: float, roll: float, focal: float):
        self.height_m, self.down, self.roll, self.focal = height_m, down, roll, focal

    def image(self, right: float, away: float) -> tuple[float, float]:
        depth = away * math.cos(self.down) + self.height_m * math.sin(self.down)
        below = self.height_m * math.cos(self.down) - away * math.sin(self.down)
        u, v = right / depth, below / depth
        c, s = math.cos(self.roll), math.sin(self.roll)
        return 0.5 + self.focal * (c * u - s * v), 0.5 + self.focal * (s * u + c * v)


cameras = st.builds(
    Pinhole,
    st.floats(2.5, 15),
    st.floats(0.15, 1.4),
    st.floats(-0.2, 0.2),
    st.floats(0.5, 1.5),
)


@given(cameras, st.floats(0.0, 2 * math.pi), st.floats(1.0, 6.0), st.floats(1.0, 6.0), st.data())
def test_meters_agree_with_a_pinhole_camera(
    camera: Pinhole, turn: float, width: float, depth: float, data: st.DataObject
) -> None:
    middle = camera.height_m / math.tan(camera.down)  # where the picture's center looks
    c, s = math.cos(turn), math.sin(turn)

    def real(u: float, v: float) -> tuple[float, float]:
        """Right and away of a point given in the rectangle's own meters."""
        x, y = u - width / 2, v - depth / 2
        return c * x - s * y, middle + 8 + s * x + c * y

    corners = [camera.image(*real(u, v)) for u, v in ((0, 0), (width, 0), (width, depth), (0, depth))]
    try:
        ground = Ground(corners, (width, depth))
    except ValueError:
        return  # seen so flat that its corners lie on one line: refused, and that is tested below
    u, v = data.draw(st.floats(-3, width + 3)), data.draw(st.floats(-3, depth + 3))
    ((found_u, found_v),) = ground.meters(np.array([camera.image(*real(u, v))]))
    assert (found_u, found_v) == (pytest.approx(u, abs=1e-6), pytest.approx(v, abs=1e-6))


def test_the_corners_are_where_they_were_said_to_be() -> None:
    ground = Ground(TRAPEZE, (5.0, 12.0))
    np.testing.assert_allclose(ground.meters(np.array(TRAPEZE)), [[0, 0], [5, 0], [5, 12], [0, 12]], atol=1e-9)
    assert ground.meters(np.zeros((0, 2))).shape == (0, 2)
    assert ground.meters(np.array(TRAPEZE, np.float32)).dtype == np.float64


def test_beyond_the_horizon_there_is_no_ground() -> None:
    camera = Pinhole(4.0, 0.3, 0.0, 1.0)
    corners = [camera.image(x, y) for x, y in ((-2, 14), (2, 14), (2, 10), (-2, 10))]
    ground = Ground(corners, (4.0, 4.0))
    horizon = 0.5 - math.tan(0.3)
    found = ground.meters(np.array([[0.5, horizon + 0.05], [0.5, horizon], [0.5, horizon - 0.1]]))
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1:]).all()


def test_a_picture_whose_corner_is_on_the_horizon_is_no_special_case() -> None:
    camera = Pinhole(4.0, math.atan(0.5), 0.0, 1.0)  # the horizon is the upper edge
    corners = [camera.image(x, y) for x, y in ((-2, 14), (2, 14), (2, 10), (-2, 10))]
    found = Ground(corners, (4.0, 4.0)).meters(np.array([camera.image(0.0, 12.0)]))
    np.testing.assert_allclose(found, [[2.0, 2.0]], atol=1e-9)


@given(st.integers(0, 3), st.booleans())
def test_it_does_not_matter_at_which_corner_one_begins_or_which_way_round(first: int, back: bool) -> None:
    order = [(first + (-i if back else i)) % 4 for i in range(4)]
    size = (5.0, 12.0) if (first % 2 == 0) != back else (12.0, 5.0)
    if back:
        size = (12.0, 5.0) if first % 2 == 0 else (5.0, 12.0)
    points = np.array([[0.4, 0.6], [0.6, 0.8]])
    apart = np.linalg.norm(np.diff(Ground(TRAPEZE, (5.0, 12.0)).meters(points), axis=0))
    other = np.linalg.norm(np.diff(Ground([TRAPEZE[i] for i in order], size).meters(points), axis=0))
    assert other == pytest.approx(apart)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (TRAPEZE[:3], "needs 4 points.*got 3"),
        ([TRAPEZE[0], TRAPEZE[2], TRAPEZE[1], TRAPEZE[3]], "crosses itself"),
        ([(0.1, 0.1), (0.5, 0.5), (0.9, 0.9), (0.1, 0.9)], "points 1, 2, 3 of the ground plane lie on one line"),
        ([(0.1, 0.5), (0.9, 0.5), (0.9, 0.502), (0.1, 0.9)], "points 2, 3, .* lie on one line|points 1, 2, 3"),
        ([(0.2, 0.2), (0.2, 0.2), (0.8, 0.8), (0.2, 0.8)], "lie on one line"),
        ([(0.1, 0.1), (0.9, 0.1), (0.5, 0.3), (0.5, 0.9)], "point 3 of the ground plane lies within the triangle"),
    ],
)
def test_what_is_no_rectangle_seen_in_perspective_is_refused(points: list[tuple[float, float]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_corners(points)
    with pytest.raises(ValidationError, match=words):
        GroundSettings.model_validate({"points": points, "size_m": [5, 12]})


@pytest.mark.parametrize("size", [[0, 5], [5, -1], [5], [5, math.nan], [5, math.inf], [5, 1e9]])
def test_sizes_are_two_lengths(size: list[float]) -> None:
    with pytest.raises(ValidationError):
        GroundSettings.model_validate({"points": TRAPEZE, "size_m": size})


@pytest.mark.parametrize("size", [(0.0, 5.0), (5.0, -1.0), (5.0, math.inf)])
def test_a_ground_without_extent_is_refused(size: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="two lengths above 0"):
        Ground(TRAPEZE, size)


@given(st.permutations(range(4)))
def test_of_all_orders_only_those_round_are_right(order: list[int]) -> None:
    steps = {(b - a) % 4 for a, b in zip(order, order[1:] + order[:1], strict=True)}
    drawn = [TRAPEZE[i] for i in order]
    if steps in ({1}, {3}):
        check_corners(drawn)
    else:
        with pytest.raises(ValueError, match="crosses itself"):
            check_corners(drawn)


def test_places_have_a_ground_only_where_it_was_measured() -> None:
    settings = GroundSettings.model_validate({"points": TRAPEZE, "size_m": [5, 12]})
    assert Places.build(ground=settings).ground == Ground(TRAPEZE, (5.0, 12.0))
    assert Places.build().ground is None
    assert hash(Ground(TRAPEZE, (5.0, 12.0))) == hash(Ground(TRAPEZE, (5.0, 12.0)))
    assert "size_m=(5.0, 12.0)" in repr(Ground(TRAPEZE, (5.0, 12.0)))


class Speeding(Rule):
    kind = "speeding"

    def ground_needed(self) -> bool:
        return True


class Road(Pipeline):
    speeding: Speeding | None = None


def test_check_names_the_camera_whose_ground_a_rule_needs() -> None:
    told: list[tuple[object, str]] = []
    road = Road(speeding=Speeding())
    check_places(lambda keys, message: told.append((keys, message)), "gate", Places(), "road", road)
    assert told == [
        (
            ("pipelines", "road", "speeding"),
            "needs meters, but camera 'gate' has no ground plane: give cameras.gate.ground",
        )
    ]
    settings = GroundSettings.model_validate({"points": TRAPEZE, "size_m": [5, 12]})
    told.clear()
    check_places(
        lambda keys, message: told.append((keys, message)), "gate", Places.build(ground=settings), "road", road
    )
    assert told == []


@given(x=st.floats(0.0, 1.0), y=st.floats(0.0, 1.0))
def test_one_spot_is_where_the_same_point_among_many_is(x: float, y: float) -> None:
    ground = Ground([(0.3, 0.4), (0.7, 0.4), (0.9, 0.9), (0.1, 0.9)], (8.0, 12.0))
    spot, many = ground.spot(x, y), ground.meters(np.array([[x, y]]))[0]
    if spot is None:
        assert np.isnan(many).all()
    else:
        assert spot == pytest.approx(many, rel=1e-9, abs=1e-9)
