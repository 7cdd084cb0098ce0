"""Figures keep their proportions; the box is exactly what is drawn (see test_render for the pixels)."""

from __future__ import annotations

import math

import pytest

from streamer.simulator.figure import box, extent, figure
from streamer.simulator.scene import Actor, Lens, Pose, go, lie, stay

LENS = Lens(horizon=0.1, height_m=4.0)


def _pose(actor: Actor, time: float) -> Pose:
    pose = actor.pose(time)
    assert pose is not None
    return pose


@pytest.mark.parametrize("tall", [1.5, 1.75, 1.95])
def test_person_is_as_tall_as_said_and_stands_on_the_ground(tall: float) -> None:
    actor = Actor("a", "person", 0.0, (0.1, 0.8), (go(0.9, 0.8),), LENS, height_m=tall)
    for k in range(40):
        left, bottom, right, top = extent(figure(actor, _pose(actor, k * 0.1)))
        assert top - bottom == pytest.approx(tall, rel=0.03)
        assert abs(bottom) < 0.03 * tall
        assert 0.15 * tall < right - left < 0.6 * tall
        assert abs(left + right) < 0.1 * tall, "the box stays about the feet"


def test_legs_move_while_walking_only() -> None:
    actor = Actor("a", "person", 0.0, (0.1, 0.8), (go(0.5, 0.8), stay(2)), LENS)
    walking = {figure(actor, _pose(actor, t / 10)) for t in range(10)}
    standing = {figure(actor, _pose(actor, actor.end_s - 1 + t / 10)) for t in range(9)}
    assert len(walking) == 10
    assert len(standing) == 1


def test_lying_person_is_long_and_low() -> None:
    actor = Actor("a", "person", 0.0, (0.5, 0.8), (stay(1), lie(4)), LENS)
    left, bottom, right, top = extent(figure(actor, _pose(actor, 3.0)))
    assert right - left > 2.5 * (top - bottom)
    assert bottom > -0.05


def test_box_in_the_image() -> None:
    actor = Actor("a", "person", 0.0, (0.5, 0.8), (stay(1),), LENS, height_m=1.8)
    x1, y1, x2, y2 = box(actor, _pose(actor, 0.5), LENS)
    assert (x1 + x2) / 2 == pytest.approx(0.5, abs=0.01)
    assert y2 == pytest.approx(0.8, abs=0.01)
    assert y2 - y1 == pytest.approx(1.8 * LENS.scale(0.8), rel=0.03)


def test_car_is_wider_from_its_side() -> None:
    across = Actor("a", "vehicle", 0.0, (0.1, 0.8), (go(0.9, 0.8, 8.0),), LENS, height_m=1.5, length_m=4.3)
    away = Actor("b", "vehicle", 0.0, (0.5, 0.9), (go(0.5, 0.3, 8.0),), LENS, height_m=1.5, length_m=4.3)
    side, back = (extent(figure(car, _pose(car, 0.2))) for car in (across, away))
    assert side[2] - side[0] == pytest.approx(4.3, rel=0.05)
    assert back[2] - back[0] == pytest.approx(1.85, rel=0.1)
    assert side[3] == pytest.approx(1.5)
    assert math.isclose(side[1], 0.0, abs_tol=1e-9)
