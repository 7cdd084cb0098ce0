"""The bench's actors keep a tracker and rules as busy as a real scene, and are the same every time."""

from __future__ import annotations

import numpy as np

from streamer.bench.actors import Actors, busy
from streamer.tracker import Tracker


def test_they_are_the_same_every_time() -> None:
    one, other = (list(busy(Actors(5), 4.0, 5.0)) for _ in range(2))
    for (a, seen_a), (b, seen_b) in zip(one, other, strict=True):
        assert a.time == b.time
        assert np.array_equal(a.pixels, b.pixels)
        assert np.array_equal(seen_a.boxes, seen_b.boxes)


def test_nearly_all_of_them_are_followed_and_people_come_and_go() -> None:
    tracker = Tracker()
    tracks = [tracker.update(seen, frame.time) for frame, seen in busy(Actors(20), 60.0, 5.0)]
    counts = [len(found) for found in tracks[5:]]
    assert 18 <= np.mean(counts) <= 22
    assert len({int(i) for found in tracks for i in found.track_ids}) > 40
    assert {found.label(0) for found in tracks[5:]} == {"person", "car"} or len(counts) > 0


def test_boxes_have_a_size_and_lie_about_the_picture() -> None:
    for _, seen in busy(Actors(20), 10.0, 2.0):
        sides = seen.boxes[:, 2:] - seen.boxes[:, :2]
        assert (sides > 0.01).all()
        assert (sides < 0.6).all()
        middles = (seen.boxes[:, :2] + seen.boxes[:, 2:]) / 2
        assert ((middles > -0.2) & (middles < 1.2)).all()
