"""Vehicles outlive their tracks: misses, new numbers, exchanged numbers, gaps; and how far a box has moved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.rules.sight import Sight, shift
from streamer.rules.vehicles import Vehicles
from streamer.types import Frame, Tracks
from tests.driving import LENS
from tests.rules.test_speeding import GROUND

Box = tuple[float, float, float, float]


def frame(time: float) -> Frame:
    return Frame("c", 1, 0, time, time, np.zeros((300, 400, 3), np.uint8))


def tracks(*rows: tuple[int, Box], age_s: float = 5.0, known: bool = True, label: str = "car") -> Tracks:
    n = len(rows)
    return Tracks(
        np.array([box for _, box in rows], np.float32).reshape(-1, 4),
        np.full(n, 0.8, np.float32),
        np.zeros(n, np.int64),
        np.array([track_id for track_id, _ in rows], np.int64),
        np.full(n, age_s, np.float32),
        (label,),
        known,
    )


def at(x: float, y: float = 0.5) -> Box:
    return x, y - 0.1, x + 0.1, y


def sight(box: Box) -> Sight:
    return Sight(0.0, 0.0, box, (box[0] + box[2]) / 2, box[3], 0.1)


def numbers(vehicles: Vehicles) -> list[int]:
    return [vehicle.number for vehicle in vehicles.seen]


def test_a_new_track_where_a_lost_one_was_heading_takes_it_over() -> None:
    vehicles = Vehicles(["car"], 2.0)
    for i in range(6):
        vehicles.update(frame(i / 5), tracks((1, at(0.1 + 0.05 * i))))
    for i in (6, 7):
        vehicles.update(frame(i / 5), tracks())
    vehicles.update(frame(8 / 5), tracks((9, at(0.5)), age_s=0.2))
    assert numbers(vehicles) == [1]
    assert vehicles.seen[0].track_id == 9
    assert vehicles.seen[0].velocity(4 / 3) == pytest.approx((0.05 * 5 * 4 / 3, 0.0), abs=1e-3)


@pytest.mark.parametrize(
    ("box", "age_s", "why"),
    [
        (at(0.9), 0.2, "too far from where it was heading"),
        ((0.45, 0.1, 0.85, 0.5), 0.2, "four times as large"),
        (at(0.5), 3.0, "followed on the way here, while the other was still seen"),
    ],
)
def test_another_is_another(box: Box, age_s: float, why: str) -> None:
    vehicles = Vehicles(["car"], 2.0)
    for i in range(6):
        vehicles.update(frame(i / 5), tracks((1, at(0.1 + 0.05 * i))))
    vehicles.update(frame(6 / 5), tracks())
    vehicles.update(frame(8 / 5), tracks((9, box), age_s=age_s))
    assert numbers(vehicles) == [2], why


@given(st.floats(0.02, 0.06), st.integers(4, 20))
def test_two_that_meet_and_exchange_their_numbers_stay_who_they_are(step: float, swap_at: int) -> None:
    vehicles = Vehicles(["car"], 2.0)
    for i in range(24):
        right, left = at(0.1 + step * i), at(0.1 + step * 24 - step * i, 0.56)
        rows = ((1, right), (2, left)) if i < swap_at else ((2, right), (1, left))
        vehicles.update(frame(i / 10), tracks(*rows))
    by_number = {vehicle.number: vehicle.now.x for vehicle in vehicles.seen}
    assert by_number[1] == pytest.approx((0.15 + step * 23) * 4 / 3, abs=1e-3) or 2 * step * (24 - 2 * swap_at) < 0.1
    assert len(vehicles) == 2


def test_unknown_frames_and_gaps_forget_nobody_and_watching_does() -> None:
    vehicles = Vehicles(["car"], 2.0)
    vehicles.update(frame(0.0), tracks((1, at(0.5))))
    vehicles.update(frame(0.2), tracks((1, at(0.5))))
    assert not vehicles.update(frame(30.0), tracks(known=False))
    assert vehicles.known == pytest.approx(0.2)
    vehicles.update(frame(33.0), tracks())
    assert vehicles.step_s == 1.0  # of a gap only a second counts as watched
    assert len(vehicles) == 1
    vehicles.update(frame(34.1), tracks())
    vehicles.update(frame(34.4), tracks())
    assert [vehicle.number for vehicle in vehicles.gone] == [1]
    assert len(vehicles) == 0


def test_other_labels_and_coasting_tracks_are_not_seen() -> None:
    vehicles = Vehicles(["car"], 2.0)
    vehicles.update(frame(0.0), tracks((1, at(0.5)), label="person"))
    assert numbers(vehicles) == []
    vehicles.update(frame(0.2), _unseen(tracks((1, at(0.5)))))
    assert numbers(vehicles) == []


def test_the_same_frame_twice_adds_nothing() -> None:
    vehicles = Vehicles(["car"], 2.0)
    for time in (0.0, 0.2, 0.2, 0.2):
        vehicles.update(frame(time), tracks((1, at(0.5))))
    assert len(vehicles.seen[0].trail) == 2


def test_memory_is_bounded_over_a_long_stay() -> None:
    vehicles = Vehicles(["car"], 2.0)
    for i in range(3000):
        vehicles.update(frame(i / 10), tracks((1, at(0.5)), (i + 10, at(0.1 + 0.0002 * (i % 7), 0.9)), age_s=0.1))
    assert len(vehicles) <= 3
    assert all(len(vehicle.trail) <= 48 for vehicle in vehicles)


def test_a_box_that_comes_in_at_the_edge_moves_with_its_whole_side() -> None:
    # from below: the lower edge stands at the frame's edge, the upper one moves up
    assert shift(sight((0.4, 0.9, 0.5, 1.0)), sight((0.4, 0.7, 0.5, 1.0)), 2.0) == pytest.approx((0.0, -0.2))
    # from the left: the right end moves
    assert shift(sight((0.0, 0.4, 0.1, 0.5)), sight((0.0, 0.4, 0.3, 0.5)), 2.0) == pytest.approx((0.4, 0.0))
    # out at the right
    assert shift(sight((0.7, 0.4, 1.0, 0.5)), sight((0.9, 0.4, 1.0, 0.5)), 2.0) == pytest.approx((0.4, 0.0))
    # whole: the middle and the lower edge
    assert shift(sight((0.1, 0.3, 0.2, 0.4)), sight((0.2, 0.4, 0.4, 0.6)), 1.0) == pytest.approx((0.15, 0.2))


def test_meters_are_known_where_the_lower_edge_is_seen() -> None:
    vehicles = Vehicles(["car"], 2.0, GROUND)
    vehicles.update(
        frame(0.0), tracks((1, (0.4, 0.6, 0.6, 0.75)), (2, (0.1, 0.8, 0.3, 1.0)), (3, (0.7, 0.0, 0.8, 0.04)))
    )
    whole, cut, above = (vehicle.now.ends for vehicle in vehicles.seen)
    assert whole is not None
    right, away = LENS.ground((0.5, 0.75))
    assert whole[1] == pytest.approx((right + 4.0, 12.0 - away), abs=1e-5)
    assert cut is None
    assert above is None


def _unseen(given: Tracks) -> Tracks:
    n = len(given)
    return Tracks(
        given.boxes,
        given.confidence,
        given.label_ids,
        given.track_ids,
        given.ages_s,
        given.labels,
        True,
        np.full(n, 0.4, np.float32),
    )
