"""The arithmetic of waiting."""

import numpy as np
import pytest

from streamer.inference.lane import WINDOW_MAX_S, WINDOW_MIN_S, Lane, Pace
from streamer.types import Detections, Frame

PIXELS = np.zeros((2, 2, 3), np.uint8)

NOBODY = Detections.unknown(("a",))


def frame(camera, index):
    return Frame(camera, 1, index, 0.0, 0.0, PIXELS)


def paced(*times):
    pace = Pace()
    pace.arrivals.extend(times)
    return pace


def test_a_period_needs_enough_arrivals_and_does_not_mind_jitter():
    assert paced(*(i * 0.2 for i in range(15))).period_s() is None
    assert paced(*(i * 0.2 for i in range(16))).period_s() == pytest.approx(0.2)
    rng = np.random.default_rng(0)
    jittered = sorted(i * 0.2 + float(rng.uniform(-0.09, 0.09)) for i in range(64))
    assert paced(*jittered).period_s() == pytest.approx(0.2, rel=0.02)


def test_only_recent_arrivals_count():
    pace = paced(*(float(i) for i in range(50)), *(50 + i * 0.1 for i in range(64)))
    assert pace.period_s() == pytest.approx(0.1)


def test_execution_time_is_smoothed():
    lane = Lane("d", NOBODY)
    lane.learn(0.1)
    assert lane.exec_s == 0.1
    lane.learn(0.2)
    assert lane.exec_s == pytest.approx(0.12)


async def test_closing_time():
    lane = Lane("d", NOBODY, batch=4)
    lane.paces["b"] = paced(*(i * 0.08 for i in range(-20, 0)))
    request = lane.enqueue(frame("a", 0), 0.0)
    assert lane.closes_at(0.0, limit=1) == 0.0  # full
    assert lane.closes_at(0.0, limit=4) == pytest.approx(0.08)  # b is expected within its period
    lane.exec_s = 0.05
    assert lane.closes_at(0.0, limit=4) == pytest.approx(0.03)
    lane.exec_s = 1.0
    assert lane.closes_at(0.0, limit=4) == WINDOW_MIN_S
    lane.exec_s = 0.0
    lane.paces["b"] = paced(0.0)
    assert lane.closes_at(0.0, limit=4) == WINDOW_MAX_S
    assert lane.closes_at(3.0, limit=4) == 3.0  # b is silent for too long
    lane.enqueue(frame("b", 0), 0.05)
    assert lane.closes_at(0.05, limit=4) == 0.05  # all are here
    assert lane.oldest() is request


async def test_one_frame_a_camera_in_a_batch():
    lane = Lane("d", NOBODY, batch=4)
    for index in range(2):
        for camera in ("a", "b"):
            lane.enqueue(frame(camera, index), 0.0)
    first, second = lane.choose(4), lane.choose(4)
    assert [r.key[::2] for r in first] == [("a", 0), ("b", 0)]
    assert [r.key[::2] for r in second] == [("a", 1), ("b", 1)]
    assert lane.waiting == {}
    assert len(lane.pending) == 4
    assert not lane.unknown.known
