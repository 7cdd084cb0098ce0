"""The matching against the library's own, on scenes of things that come, go, meet and are missed."""

from __future__ import annotations

import numpy as np
import pytest
import supervision
from trackers import ByteTrackTracker
from trackers.utils.iou import BIoU

from streamer.bytetrack import ByteTrack, Thresholds
from streamer.overlap import WideIoU

LIMITS = Thresholds(high=0.3, start=0.35, min_iou=0.2, lost_s=2.0)


def _both() -> tuple[ByteTrack, ByteTrackTracker]:
    theirs = ByteTrackTracker(
        lost_track_buffer=60,
        frame_rate=5.0,
        track_activation_threshold=LIMITS.start,
        minimum_consecutive_frames=1,
        minimum_iou_threshold=LIMITS.min_iou,
        high_conf_det_threshold=LIMITS.high,
        iou=BIoU(0.3),
    )
    return ByteTrack(LIMITS, WideIoU(0.3)), theirs


def _numbers(theirs: ByteTrackTracker, boxes: np.ndarray, confidence: np.ndarray, time: float) -> list[int]:
    """The library's answer in the order of the boxes."""
    given = supervision.Detections(boxes, confidence=confidence, class_id=np.arange(len(boxes)))
    found = theirs.update(given, timestamp=time)
    numbers = [-1] * len(boxes)
    if found.class_id is not None and found.tracker_id is not None:
        for i, number in zip(found.class_id.tolist(), found.tracker_id.tolist(), strict=True):
            numbers[i] = number
    return numbers


@pytest.mark.parametrize("seed", range(8))
def test_every_box_gets_the_number_that_the_library_gives_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ours, theirs = _both()
    count = int(rng.integers(1, 15))
    place, speed = rng.uniform(50, 900, (count, 2)), rng.uniform(-60, 60, (count, 2))
    size = rng.uniform(20, 120, (count, 2))
    time, compared = 0.0, 0
    for _ in range(120):
        elapsed = float(rng.choice([0.1, 0.2, 0.2, 0.21, 0.5, 2.5], p=[0.2, 0.3, 0.3, 0.1, 0.08, 0.02]))
        time += elapsed
        place += speed * elapsed
        speed = np.where((place < 0) | (place > 950), -speed, speed)
        seen = rng.random(count) < 0.85
        boxes = np.concatenate([place, place + size], axis=1)[seen] + rng.normal(0, 1.5, (int(seen.sum()), 4))
        confidence = rng.uniform(0.05, 0.95, len(boxes)).astype(np.float32)
        if not len(boxes) and not len(ours):
            continue
        assert ours.update(boxes, confidence, time) == _numbers(theirs, boxes, confidence, time)
        compared += len(boxes)
    assert compared > 80


def test_a_thing_has_a_number_from_its_second_sighting_on() -> None:
    ours, _ = _both()
    box, sure = np.array([[100.0, 100.0, 150.0, 200.0]]), np.array([0.8], np.float32)
    assert [ours.update(box, sure, t) for t in (0.0, 0.2, 0.4)] == [[-1], [0], [0]]


def test_what_is_seen_once_is_forgiven_one_miss_and_no_more() -> None:
    box, sure = np.array([[100.0, 100.0, 150.0, 200.0]]), np.array([0.8], np.float32)
    nothing, none = np.zeros((0, 4)), np.zeros(0, np.float32)
    once, twice = _both()[0], _both()[0]
    once.update(box, sure, 0.0)
    once.update(nothing, none, 0.2)
    assert once.update(box, sure, 0.4) == [0]
    twice.update(box, sure, 0.0)
    twice.update(nothing, none, 0.2)
    twice.update(nothing, none, 0.4)
    assert len(twice) == 0


def test_an_unsure_box_continues_a_track_and_begins_none() -> None:
    ours, _ = _both()
    box, sure, unsure = np.array([[100.0, 100.0, 150.0, 200.0]]), np.array([0.8], np.float32), np.array([0.1], "f4")
    assert ours.update(box, unsure, 0.0) == [-1]
    assert len(ours) == 0
    ours.update(box, sure, 0.2)
    ours.update(box, sure, 0.4)
    assert ours.update(box, unsure, 0.6) == [0]


def test_a_track_is_lost_by_time_not_by_frames() -> None:
    box, sure = np.array([[100.0, 100.0, 150.0, 200.0]]), np.array([0.8], np.float32)
    nothing, none = np.zeros((0, 4)), np.zeros(0, np.float32)
    ours, _ = _both()
    ours.update(box, sure, 0.0)
    ours.update(box, sure, 0.2)
    for i in range(19):
        ours.update(nothing, none, 0.2 + 0.1 * (i + 1))
    assert len(ours) == 1
    ours.update(nothing, none, 2.3)
    assert len(ours) == 0
