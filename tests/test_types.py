"""The values between camera and rule: shapes are checked once, and `unknown` is not `empty`."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.types import Detections, Frame, Scores, SlotRef, Tracks

LABELS = ("person", "car")


def detections(n: int = 3) -> Detections:
    boxes = np.linspace(0, 1, n * 4, dtype=np.float32).reshape(n, 4)
    return Detections(boxes, np.linspace(0.2, 0.9, n, dtype=np.float32), np.arange(n, dtype=np.int64) % 2, LABELS)


def tracks(n: int = 3) -> Tracks:
    seen = detections(n)
    ids = np.arange(1, n + 1, dtype=np.int64)
    return Tracks(seen.boxes, seen.confidence, seen.label_ids, ids, ids.astype(np.float32), LABELS)


def test_a_frame_knows_its_size_as_width_and_height() -> None:
    frame = Frame("gate", 1, 0, 10.0, 5.0, np.zeros((234, 416, 3), np.uint8))
    assert frame.size == (416, 234)
    assert (frame.pts, frame.gap_s, frame.slot) == (0.0, 0.0, None)


@pytest.mark.parametrize(
    "value",
    [
        SlotRef(1, 2, 3),
        Frame("gate", 1, 0, 10.0, 5.0, np.zeros((2, 2, 3), np.uint8)),
        detections(),
        tracks(),
        Scores(np.zeros(1, np.float32), ("fight",)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_are_frozen_and_slotted(value: Any) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(value, next(iter(value.__slots__)), None)
    assert not hasattr(value, "__dict__")


@pytest.mark.parametrize(
    ("boxes", "confidence", "ids"),
    [((3, 5), (3,), (3,)), ((3, 4), (2,), (3,)), ((3, 4), (3,), (4,)), ((3, 4), (3, 1), (3,)), ((12,), (12,), (12,))],
)
def test_arrays_that_do_not_fit_are_refused_with_their_shapes(
    boxes: tuple[int, ...], confidence: tuple[int, ...], ids: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"shapes must be \(n, 4\), \(n,\), \(n,\)") as caught:
        Detections(np.zeros(boxes, np.float32), np.zeros(confidence, np.float32), np.zeros(ids, np.int64), LABELS)
    assert str(boxes) in str(caught.value)


@given(st.lists(st.booleans(), min_size=0, max_size=12))
def test_picking_by_mask_and_by_index_agree(keep: list[bool]) -> None:
    mask = np.array(keep, bool)
    index = np.flatnonzero(mask)
    for whole in (detections(len(keep)), tracks(len(keep))):
        by_mask, by_index = whole.pick(mask), whole.pick(index)
        assert len(by_mask) == len(by_index) == sum(keep)
        assert np.array_equal(by_mask.boxes, by_index.boxes)
        assert [by_mask.label(i) for i in range(len(by_mask))] == [whole.label(int(i)) for i in index]
        assert (by_mask.labels, by_mask.known) == (LABELS, True)


def test_picking_keeps_ids_ages_and_that_nothing_is_known() -> None:
    whole = tracks()
    unknown = Tracks(whole.boxes, whole.confidence, whole.label_ids, whole.track_ids, whole.ages_s, LABELS, known=False)
    picked = unknown.pick(np.array([2, 0]))
    assert picked.track_ids.tolist() == [3, 1]
    assert picked.ages_s.tolist() == [3.0, 1.0]
    assert not picked.known


def test_nothing_seen_is_not_nothing_known() -> None:
    assert len(Detections.empty(LABELS)) == len(Detections.unknown(LABELS)) == len(Tracks.empty(LABELS)) == 0
    assert Detections.empty(LABELS).known
    assert not Detections.unknown(LABELS).known
    assert Detections.unknown(LABELS).labels == LABELS
    assert Tracks.empty().known
    assert not Tracks.empty(known=False).known
    assert Detections.empty().boxes.shape == (0, 4)
    assert Detections.empty().boxes.dtype == np.float32
    assert Tracks.empty().track_ids.dtype == np.int64


def test_scores_are_read_by_label() -> None:
    scores = Scores(np.array([0.25, 0.75], np.float32), ("calm", "fight"))
    assert scores["fight"] == 0.75
    assert isinstance(scores["fight"], float)
    assert (scores.known, scores.warm) == (True, True)
    with pytest.raises(ValueError, match="not in tuple"):
        scores["fall"]
