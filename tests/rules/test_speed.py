"""Speed: what moves, what only changes its box, and when nothing can be said."""

from __future__ import annotations

from collections import deque

import pytest

from streamer.rules.path import Box, Sighting, Thing
from streamer.rules.speed import span_s, speed
from tests.acting import person

X = 0.3 * 3 / 4
"""One body height, as a fraction of the width of a 4:3 frame."""


def thing(*boxes: Box, step_s: float = 0.2) -> Thing:
    path = deque(Sighting(i * step_s, i * step_s, box) for i, box in enumerate(boxes))
    return Thing(1, 1, "person", 0.0, path, tall=0.3)


def walking(heights_s: float, step_s: float = 0.2, n: int = 10) -> Thing:
    return thing(*(person(0.1 + heights_s * X * step_s * i, 0.8) for i in range(n)), step_s=step_s)


@pytest.mark.parametrize("step_s", [1 / 15, 0.2, 0.5])
@pytest.mark.parametrize("heights_s", [0.5, 1.7, 3.0])
def test_it_is_in_body_heights_whatever_the_rate(heights_s: float, step_s: float) -> None:
    n = 4 if step_s == 0.5 else 14
    found = speed(walking(heights_s, step_s, n), 0.7, 4 / 3)
    assert found is not None
    assert found.value == pytest.approx(heights_s, rel=1e-3)
    assert found.height == pytest.approx(0.3)
    last_s = (n - 1) * step_s
    assert 0.7 - 1e-6 <= last_s - found.since <= 0.7 + step_s


def test_too_young_is_not_said() -> None:
    assert speed(walking(2.0, n=3), 0.7, 4 / 3) is None
    assert speed(walking(2.0, step_s=0.9, n=2), 0.7, 4 / 3) is None  # two frames have no halves
    assert speed(thing(person(0.5, 0.8)), 0.7, 4 / 3) is None


def test_a_hole_is_not_said() -> None:
    assert speed(walking(2.0, step_s=1.2, n=5), 0.7, 4 / 3) is None


def test_the_slowest_part_counts() -> None:
    stops = thing(*(person(0.1 + 2.0 * X * min(0.2 * i, 0.6), 0.8) for i in range(7)))
    found = speed(stops, 1.2, 4 / 3)
    assert found is not None
    assert found.value == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    "boxes",
    [
        [(0.4, 0.3, 0.5, 0.6 + 0.03 * i) for i in range(6)],  # the legs come out
        [(0.4, 0.3 + 0.03 * i, 0.5, 0.9) for i in range(6)],  # the head goes in
        [(0.4, 0.3, 0.5 + 0.05 * i, 0.9) for i in range(6)],  # an arm, or a shadow
        [(0.4 - 0.03 * i, 0.3 - 0.03 * i, 0.5 + 0.03 * i, 0.6 + 0.03 * i) for i in range(6)],  # comes nearer
    ],
)
def test_a_box_that_changes_does_not_move(boxes: list[Box]) -> None:
    found = speed(thing(*boxes), 0.7, 4 / 3)
    assert found is not None
    assert found.value == 0.0


def test_an_edge_that_the_picture_cuts_off_says_nothing() -> None:
    entering = thing(*((0.0, 0.3, 0.02 + 0.1 * i, 0.6) for i in range(6)))
    found = speed(entering, 0.7, 4 / 3)
    assert found is not None
    assert found.value == pytest.approx(0.5 * (4 / 3) / 0.3, rel=1e-3)  # as the free edge: 0.1 in 0.2 s


def test_what_is_slow_need_not_be_exact() -> None:
    found = speed(walking(0.5), 0.7, 4 / 3, slow=1.4)
    assert found is not None
    assert 0.5 <= found.value < 1.4
    exact = speed(walking(2.0), 0.7, 4 / 3, slow=1.4)
    assert exact is not None
    assert exact.value == pytest.approx(2.0, rel=1e-3)


def test_the_path_that_is_asked_for_is_long_enough_at_one_frame_a_second() -> None:
    assert span_s(0.7) >= 2.0
    assert span_s(5.0) >= 6.0
