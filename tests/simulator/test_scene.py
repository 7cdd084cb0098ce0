"""Geometry of the lens, and actors that are where their legs say."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.simulator.scene import Actor, Lens, Light, Scene, go, lie, stay

LENS = Lens(horizon=0.1, height_m=4.0)
fractions = st.floats(-0.2, 1.2)


@given(x=fractions, y=st.floats(0.15, 1.2))
def test_ground_and_image_are_inverse(x: float, y: float) -> None:
    assert LENS.image(*LENS.ground((x, y))) == pytest.approx((x, y))


def test_perspective() -> None:
    """What stands twice as far below the horizon is twice as large, and half as far away."""
    assert LENS.scale(0.9) == pytest.approx(2 * LENS.scale(0.5))
    assert LENS.ground((0.5, 0.9))[1] == pytest.approx(LENS.ground((0.5, 0.5))[1] / 2)


def test_speed_on_the_ground_is_what_was_asked() -> None:
    actor = Actor("a", "person", 2.0, (0.1, 0.9), (go(0.8, 0.5, 1.4), go(0.2, 0.4, 4.0)), LENS)
    for time, speed in ((2.5, 1.4), (actor.end_s - 0.5, 4.0)):
        a, b = actor.pose(time), actor.pose(time + 0.1)
        assert a is not None
        assert b is not None
        assert math.dist(LENS.ground(a.at), LENS.ground(b.at)) == pytest.approx(speed * 0.1, rel=1e-6)
        assert a.speed_mps == pytest.approx(speed)
    assert actor.pose(1.99) is None
    assert actor.pose(actor.end_s) is None


def test_legs_join_without_a_jump() -> None:
    actor = Actor("a", "person", 0.0, (0.1, 0.9), (go(0.5, 0.8), stay(2), lie(3), go(0.9, 0.9)), LENS)
    poses = [actor.pose(k * 0.01) for k in range(int(actor.end_s * 100))]
    for a, b in itertools.pairwise(poses):
        assert a is not None
        assert b is not None
        assert math.dist(a.at, b.at) < 0.01
        assert abs(a.tilt - b.tilt) < 0.05
        assert b.walked_m >= a.walked_m


def test_falling_lying_and_rising() -> None:
    actor = Actor("a", "person", 0.0, (0.5, 0.9), (stay(1), lie(4), stay(1)), LENS)
    tilts = [pose.tilt for t in (0.5, 1.3, 2.0, 5.0, 5.7 + 1.0, 7.5) if (pose := actor.pose(t))]
    assert tilts[0] == tilts[5] == 0
    assert 0 < tilts[1] < math.pi / 2
    assert tilts[2] == tilts[3] == pytest.approx(math.pi / 2)
    assert 0 < tilts[4] < math.pi / 2


def test_heading_is_kept_while_standing() -> None:
    actor = Actor("a", "person", 0.0, (0.8, 0.9), (go(0.4, 0.9), stay(2)), LENS)
    pose = actor.pose(actor.end_s - 1)
    assert pose is not None
    assert pose.heading == pytest.approx((-1, 0))
    assert pose.speed_mps == 0
    waiting = Actor("b", "person", 0.0, (0.8, 0.9), (stay(2),), LENS).pose(1)
    assert waiting is not None
    assert waiting.heading == (1.0, 0.0)


def test_light_ramps_and_returns() -> None:
    scene = Scene("s", 10.0, LENS, lights=(Light(2.0, 6.0, 0.5, ramp_s=1.0),))
    assert [scene.gain(t) for t in (0, 2, 2.5, 3, 4, 5.5, 6, 9)] == [1, 1, 0.75, 0.5, 0.5, 0.75, 1, 1]
