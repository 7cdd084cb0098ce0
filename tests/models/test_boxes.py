"""Letterbox geometry and suppression, against a plain reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.models.boxes import MAX_CANDIDATES, Letterbox, suppress


@pytest.mark.parametrize(
    ("frame", "stride", "expected"),
    [
        ((416, 234), 0, (416, 234, 416, 416)),
        ((416, 234), 32, (416, 234, 416, 256)),
        ((416, 312), 32, (416, 312, 416, 320)),
        ((234, 416), 32, (234, 416, 256, 416)),
        ((416, 416), 32, (416, 416, 416, 416)),
        ((1280, 720), 32, (416, 234, 416, 256)),
        ((208, 117), 32, (416, 234, 416, 256)),
        ((1000, 1), 32, (416, 1, 416, 32)),
        ((1, 1000), 32, (1, 416, 32, 416)),
    ],
)
def test_fit(frame, stride, expected):
    box = Letterbox.fit(frame, (416, 416), stride)
    assert (box.width, box.height, box.canvas_width, box.canvas_height) == expected
    assert box.canvas == (expected[3], expected[2])


@given(width=st.integers(1, 5000), height=st.integers(1, 5000), stride=st.sampled_from([0, 32]))
def test_a_frame_always_fits_and_keeps_its_aspect(width, height, stride):
    box = Letterbox.fit((width, height), (416, 320), stride)
    assert 1 <= box.width <= box.canvas_width <= 416
    assert 1 <= box.height <= box.canvas_height <= 320
    assert box.width == 416 or box.height == 320
    assert abs(box.width * height - box.height * width) <= max(width, height)
    if stride:
        assert box.canvas_width % 32 == box.canvas_height % 32 == 0


def test_fractions_are_of_the_frame_and_within_it():
    box = Letterbox(400, 200, 416, 416)
    boxes = np.array([[0, 0, 400, 200], [100, 50, 200, 100], [-10, -10, 500, 416]], np.float32)
    assert np.allclose(box.to_fractions(boxes), [[0, 0, 1, 1], [0.25, 0.25, 0.5, 0.5], [0, 0, 1, 1]])
    assert box.to_fractions(boxes).dtype == np.float32


def reference(boxes, scores, classes, iou):
    """The textbook: take the strongest, drop what overlaps it, repeat."""
    left = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    keep = []
    while left:
        best = left.pop(0)
        keep.append(best)
        left = [i for i in left if classes[i] != classes[best] or overlap(boxes[i], boxes[best]) <= iou]
    return keep


def overlap(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union if union > 0 else 0.0


# 1801 is a prime above any union of these boxes: none is exactly at a threshold, where float32 may round either way
@given(seed=st.integers(0, 10**6), n=st.integers(0, 40), iou=st.sampled_from([541 / 1801, 811 / 1801, 1171 / 1801]))
def test_suppression_is_that_of_the_textbook(seed, n, iou):
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 40, (n, 2))
    boxes = np.concatenate([corner, corner + rng.integers(0, 30, (n, 2))], axis=1).astype(np.float32)
    scores = rng.integers(1, 10, n).astype(np.float32) / 10
    classes = rng.integers(0, 3, n)
    kept = suppress(boxes, scores, classes, iou)
    assert kept.tolist() == reference(boxes.tolist(), scores.tolist(), classes.tolist(), iou)


def test_a_crowd_is_bounded():
    n = 2000
    corner = np.arange(n, dtype=np.float32)[:, None] * 10
    boxes = np.concatenate([corner, corner, corner + 5, corner + 5], axis=1)
    scores = np.linspace(0, 1, n, dtype=np.float32)
    kept = suppress(boxes, scores, np.zeros(n, np.int64), 0.5)
    assert len(kept) == MAX_CANDIDATES
    assert kept[0] == n - 1
