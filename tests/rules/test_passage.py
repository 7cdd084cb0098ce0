"""Vehicles at a line: fronts and lengths against exact geometry, identities, and memory under load."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from streamer.places import Line
from streamer.rules.passage import Passage, Passages
from streamer.rules.ruler import Moment, Ruler
from streamer.types import Tracks
from tests.rules.junction import LABELS, LENS, LINE_M, Vehicle, along, line


def ruler(aspect: float = 16 / 9, share: float = 0.45) -> Ruler:
    drawn = line()
    return Ruler(Line("stop", drawn.from_, drawn.to), share, aspect)


def row(track_id: int, box: tuple[float, float, float, float], age_s: float = 5.0) -> Tracks:
    return Tracks(
        np.array([box], np.float32),
        np.array([0.8], np.float32),
        np.array([1]),
        np.array([track_id]),
        np.array([age_s], np.float32),
        LABELS,
        unseen_s=np.zeros(1, np.float32),
    )


def moment(time: float, front: float, x: float = 0.5, length: float = 0.1, index: int = 0) -> Moment:
    y = 0.5 - front
    return Moment(time, index, (x - 0.05, y - 0.1, x + 0.05, y), (x, y), front, length, 0.5)


def walk(passages: Passages, *steps: tuple[float, int, float]) -> list[Passage]:
    """Steps of (time, track id, front); what got beyond."""
    found, last = [], None
    for time, track_id, front in steps:
        seen = row(track_id, (0.4, 0.4, 0.5, 0.5), age_s=0.1 if last != track_id else 5.0)
        found += passages.update({0: moment(time, front)}, seen, 0.0 if last is None else 0.2)
        last = track_id
    return found


@pytest.mark.parametrize("front_m", [-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0])
def test_a_front_near_the_line_is_known_to_a_meter(front_m: float) -> None:
    car = along([(0, front_m), (1, front_m + 0.1)])
    box = car.box(0.0)
    assert box is not None
    _, fronts, lengths, where = ruler().measure(np.array([box], np.float32))
    # meters by the lens: where on the ground would that image height be?
    y = LENS.image(0, LINE_M)[1] - fronts[0]
    meters = LENS.ground((0.5, y))[1] - LINE_M
    assert meters == pytest.approx(front_m, abs=0.9)
    rear = LENS.ground((0.5, y + lengths[0]))[1] - LINE_M
    assert meters - rear == pytest.approx(4.4, abs=1.6)
    assert where[0] == pytest.approx(0.5, abs=0.02)


def test_sideways_the_box_is_the_vehicle() -> None:
    across = Ruler(Line("stop", (0.5, 1.0), (0.5, 0.0)), 0.45, 2.0)  # forward is to the right
    centers, fronts, lengths, where = across.measure(np.array([[0.2, 0.5, 0.4, 0.6]], np.float32))
    assert fronts[0] == pytest.approx(-0.1 * 2.0)
    assert lengths[0] == pytest.approx(0.2 * 2.0)
    assert centers[0] == pytest.approx([0.6, 0.6 - 0.0225])
    assert where[0] == pytest.approx(0.4225, abs=1e-3)


def test_a_passage_has_its_three_moments() -> None:
    (passage,) = walk(Passages(1.0), (0.0, 1, -0.15), (0.2, 1, -0.05), (0.4, 1, 0.05), (0.6, 1, 0.15), (0.8, 1, 0.25))
    assert passage.before is not None
    assert passage.at is not None
    assert passage.beyond is not None
    assert (passage.before.time, passage.at.time, passage.beyond.time) == (0.2, 0.4, 0.6)
    assert passage.crossed_at == pytest.approx(0.3)


def test_a_trembling_box_on_the_line_does_not_cross_twice() -> None:
    steps = [(0.2 * i, 1, 0.01 * (-1) ** i) for i in range(40)]
    (passage,) = walk(
        Passages(1.0), (-0.4, 1, -0.05), (-0.2, 1, -0.03), *steps, (8.0, 1, 0.03), (8.2, 1, 0.08), (8.4, 1, 0.13)
    )
    assert passage.before is not None
    assert passage.before.time == -0.2, "the first crossing is the one that counts"


def test_who_was_over_the_line_from_the_first_has_no_passage() -> None:
    assert walk(Passages(1.0), (0.0, 1, 0.01), (0.2, 1, 0.1), (0.4, 1, 0.2)) == []


def test_a_new_number_where_it_was_heading_is_the_same_vehicle() -> None:
    (passage,) = walk(Passages(1.0), (0.0, 1, -0.2), (0.2, 1, -0.1), (0.4, 2, 0.0), (0.6, 2, 0.1))
    assert (passage.number, passage.track_id) == (1, 2)


def test_one_that_appears_elsewhere_or_is_of_another_size_is_not() -> None:
    assert walk(Passages(1.0), (0.0, 1, -0.4), (0.2, 1, -0.39), (0.4, 2, 0.05), (0.6, 2, 0.2)) == []
    passages = Passages(1.0)
    walk(passages, (0.0, 1, -0.2), (0.2, 1, -0.1))
    large = replace(moment(0.4, 0.0), box=(0.1, 0.1, 0.9, 0.5), length=0.4)
    assert list(passages.update({0: large}, row(2, large.box, 0.1), 0.2)) == []
    assert len(passages._by_track) == 2


def test_one_that_comes_back_under_its_old_number_takes_nothing_with_it() -> None:
    steps = ((0.0, 1, -0.2), (0.2, 1, -0.1), (0.4, 2, 0.0), (0.6, 1, 0.02), (0.8, 1, 0.15))
    assert walk(Passages(1.0), *steps) == []


def test_memory_is_bounded_over_a_week_of_vehicles() -> None:
    passages = Passages(1.0)
    for i in range(20_000):
        t = i * 0.5
        list(passages.update({0: moment(t, -0.2 + 0.1 * (i % 5))}, row(i + 1, (0.4, 0.4, 0.5, 0.5), 0.1), 0.5))
    assert len(passages._by_track) <= 6
    assert len(passages._former) <= 6


def test_memory_is_bounded_at_once() -> None:
    passages = Passages(1.0)
    n = 1000
    boxes = np.tile(np.array([[0.4, 0.4, 0.5, 0.5]], np.float32), (n, 1))
    crowd = Tracks(
        boxes, np.ones(n, np.float32), np.ones(n, np.int64), np.arange(1, n + 1), np.zeros(n, np.float32), LABELS
    )
    moments = {i: moment(0.0, -0.2, x=i / n) for i in range(n)}
    list(passages.update(moments, crowd, 0.2))
    assert len(passages._by_track) <= 256


def test_the_way_ahead_is_straight_or_a_fan() -> None:
    (passage,) = walk(Passages(1.0), (0.0, 1, -0.2), (0.2, 1, -0.1), (0.4, 1, 0.0), (0.6, 1, 0.1))
    straight = passage.ahead(2.0, lost=False)
    assert all(x == pytest.approx(0.5) for x, _ in straight)
    assert math.dist(straight[0], straight[-1]) == pytest.approx(0.2)
    assert (
        min(x for x, _ in passage.ahead(2.0, lost=True)) < 0.4 < 0.6 < max(x for x, _ in passage.ahead(2.0, lost=True))
    )


def test_vehicles_of_the_junction_are_where_they_should_be() -> None:
    turned = Vehicle(lambda t: (5.0 * t, LINE_M))
    assert turned.heading(1.0) == pytest.approx(math.pi / 2)
    assert along([(0, -5), (1, 5)]).front(0.5) == pytest.approx(0.0)
