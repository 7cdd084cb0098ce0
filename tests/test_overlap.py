"""Overlap of boxes against the library's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from trackers.utils.iou import BIoU

from streamer.overlap import WideIoU, area, shared

corner = st.floats(-500, 1500, width=32)
side = st.floats(0, 800, width=32)
boxes = st.lists(st.tuples(corner, corner, side, side), min_size=0, max_size=5).map(
    lambda rows: np.array([(x, y, x + w, y + h) for x, y, w, h in rows], np.float64).reshape(-1, 4)
)


@given(a=boxes, b=boxes, ratio=st.sampled_from([0.0, 0.1, 0.3, 1.0]))
def test_it_is_that_of_the_library(a: np.ndarray, b: np.ndarray, ratio: float) -> None:
    ours, theirs = WideIoU(ratio).compute(a, b), BIoU(ratio).compute(a, b)
    assert ours.shape == (len(a), len(b))
    # both ways of summing lose what is far smaller than the numbers summed, so slivers may differ
    solid = np.minimum(area(a)[:, None], area(b)[None]) > 1.0
    assert ours[solid] == pytest.approx(theirs[solid], abs=1e-5)
    assert np.isfinite(ours).all()


def test_known_areas() -> None:
    a = np.array([(0, 0, 4, 2), (10, 10, 11, 12)], np.float32)
    b = np.array([(2, 1, 6, 5)], np.float32)
    assert shared(a, b).tolist() == [[2.0], [0.0]]
    assert area(a).tolist() == [8.0, 2.0]


def test_boxes_that_are_apart_overlap_once_they_are_widened() -> None:
    a, b = np.array([(0.0, 0.0, 10.0, 10.0)]), np.array([(12.0, 0.0, 22.0, 10.0)])
    assert WideIoU(0.0).compute(a, b)[0, 0] == 0.0
    assert WideIoU(0.3).compute(a, b)[0, 0] == pytest.approx(4 * 16 / (2 * 256 - 64))


def test_nothing_infinite_is_assigned() -> None:
    iou = WideIoU(0.3).compute(np.array([(0.0, 0.0, 1.0, np.nan)]), np.array([(0.0, 0.0, 1.0, 1.0)]))
    with pytest.raises(ValueError, match="invalid"):
        linear_sum_assignment(iou, maximize=True)


def box(x: float, height: float = 30.0) -> tuple[float, float, float, float]:
    return x, 0.0, x + 10.0, height


def test_lone_boxes_within_reach_are_joined_and_the_nearer_the_more() -> None:
    measure = WideIoU(0.3, least=0.2)
    measure.reach, measure.fresh = 1.0, 2
    a, b = np.array([box(0.0), box(500.0)]), np.array([box(25.0), box(515.0)])
    iou = measure.compute(a, b)
    assert iou[0, 0] == pytest.approx(0.2 * (2 - 25 / 30))
    assert iou[1, 1] == pytest.approx(0.2 * (2 - 15 / 30))
    assert iou[0, 1] == iou[1, 0] == 0.0
    assert measure.compute(a, b).max() < 0.2  # the reach is for one comparison


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        ([box(0.0)], [box(31.0)], "beyond reach"),
        ([box(0.0)], [box(20.0, height=50.0)], "of another size"),
        ([box(0.0), box(22.0)], [box(20.0)], "the one seen is another's"),
        ([box(0.0)], [box(0.0), box(20.0)], "the other was seen where it was"),
    ],
)
def test_others_are_not_joined(a: list[tuple[float, ...]], b: list[tuple[float, ...]], why: str) -> None:
    measure, plain = WideIoU(0.3, least=0.2), WideIoU(0.3)
    measure.reach, measure.fresh = 1.0, len(a)
    assert measure.compute(np.array(a), np.array(b)).tolist() == plain.compute(np.array(a), np.array(b)).tolist(), why


def test_who_passes_somebody_is_still_found() -> None:
    measure = WideIoU(0.3, least=0.2)
    measure.reach, measure.fresh = 2.0, 0
    runner, other = box(0.0), box(8.0)
    iou = measure.compute(np.array([runner, other]), np.array([box(8.5), box(25.0)]))
    rows, columns = linear_sum_assignment(iou, maximize=True)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (1, 0)]
    assert iou[0, 1] >= 0.2


def test_what_is_known_to_stand_reaches_half_as_far_and_what_is_not_sure_is_not_joined() -> None:
    measure = WideIoU(0.3, least=0.2)
    a, b = np.array([box(0.0), box(500.0)]), np.array([box(25.0), box(525.0)])
    measure.reach, measure.fresh = 1.0, 1
    assert (measure.compute(a, b) >= 0.2).tolist() == [[False, False], [False, True]]
    measure.reach, measure.fresh, measure.sure = 1.0, 2, np.array([True, False])
    assert (measure.compute(a, b) >= 0.2).tolist() == [[True, False], [False, False]]
