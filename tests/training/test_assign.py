"""Anchors answer for the boxes that they see best, and what is not known costs nothing."""

import pytest
import torch

from streamer.training.assign import Anchors, assign, detection_loss, staying_loss
from streamer.training.labelled import ABSENT, IGNORED

CANVAS = (64, 96)
CPU = torch.device("cpu")
COUNT = 8 * 12 + 4 * 6 + 2 * 3


@pytest.fixture
def anchors():
    return Anchors.of(CANVAS, CPU)


def silent(n=1, labels=2):
    """Nobody sees anything; every anchor's box is its own cell."""
    out = torch.zeros(n, 5 + labels, COUNT)
    out[:, :2] = 0.5
    out[:, 4:] = -8.0
    return out


def truth(*rows, n=4):
    boxes, classes = torch.zeros(1, n, 4), torch.full((1, n), ABSENT)
    for i, (box, label) in enumerate(rows):
        boxes[0, i], classes[0, i] = torch.tensor(box), label
    return boxes, classes


def test_decoding_is_that_of_serving(anchors):
    out = silent()
    boxes = anchors.decode(out)[0]
    assert boxes.shape == (COUNT, 4)
    assert boxes[0].tolist() == [0, 0, 8, 8]
    assert boxes[13].tolist() == [8, 8, 16, 16]
    assert boxes[-1].tolist() == [64, 32, 96, 64]


def test_the_anchor_that_fits_is_responsible(anchors):
    out = silent()
    boxes, classes = truth(((32.0, 32.0, 64.0, 64.0), 1))
    found = assign(out, anchors.decode(out), boxes, classes, anchors)
    best = COUNT - 2  # of stride 32: its cell is the box
    assert found.of[0, best] == 0
    assert float(found.overlap[0, best]) == pytest.approx(1.0, abs=1e-4)
    assert 1 <= int((found.of >= 0).sum()) <= 10
    assert int(found.inside.sum()) > int((found.of >= 0).sum())


def test_two_boxes_share_no_anchor_and_rows_without_boxes_get_none(anchors):
    out = silent()
    boxes, classes = truth(((0.0, 0.0, 32.0, 32.0), 0), ((32.0, 0.0, 64.0, 32.0), 1))
    found = assign(out, anchors.decode(out), boxes, classes, anchors)
    assert set(found.of.unique().tolist()) == {-1, 0, 1}


def test_saying_the_truth_costs_next_to_nothing(anchors):
    boxes, classes = truth(((32.0, 32.0, 64.0, 64.0), 1))
    wrong, _ = detection_loss(silent(), boxes, classes, anchors)
    right = silent()
    right[0, 2:4] = -6.0  # all others see something tiny
    best = COUNT - 2
    right[0, 4, best] = right[0, 6, best] = 12.0
    right[0, 2:4, best] = 0.0
    said, _ = detection_loss(right, boxes, classes, anchors)
    assert float(said) < 0.1 < 8 < float(wrong)


def test_what_is_not_known_costs_nothing(anchors):
    out = silent()
    out[0, 4:, 0] = 9.0  # a sure answer in the first cell
    boxes, classes = truth(((64.0, 32.0, 96.0, 64.0), 1))
    blamed, _ = detection_loss(out, boxes, classes, anchors)
    boxes, classes = truth(((64.0, 32.0, 96.0, 64.0), 1), ((0.0, 0.0, 16.0, 16.0), IGNORED))
    excused, found = detection_loss(out, boxes, classes, anchors)
    assert bool(found.ignored[0, 0])
    count = int((found.of >= 0).sum())
    assert float(blamed - excused) * count == pytest.approx(9.0, abs=0.1)


def test_the_loss_teaches(anchors):
    boxes, classes = truth(((20.0, 10.0, 50.0, 60.0), 0), ((60.0, 30.0, 90.0, 60.0), 1))
    out = silent().requires_grad_(True)
    optimizer = torch.optim.Adam([out], lr=0.3)
    costs = []
    for _ in range(60):
        loss, found = detection_loss(out, boxes, classes, anchors)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        costs.append(float(loss.detach()))
    sure = (out[0, 4].sigmoid() * out[0, 5:].sigmoid().amax(0)).argmax().item()
    assert costs[-1] < 0.25 * costs[0]
    assert torch.allclose(anchors.decode(out)[0, sure], boxes[0, int(found.of[0, sure])], atol=4)
    assert bool(torch.isfinite(out).all())


def test_staying_is_free_where_nothing_changes_and_where_a_box_is(anchors):
    boxes, classes = truth(((32.0, 32.0, 64.0, 64.0), 1))
    before = silent()
    _, found = detection_loss(before, boxes, classes, anchors)
    assert float(staying_loss(before, before, found)) == pytest.approx(0.0, abs=1e-6)
    inside, outside = before.clone(), before.clone()
    at = int(torch.nonzero(found.inside[0])[0])
    inside[0, 4:, at] = 4.0
    outside[0, 4:, 0] = 4.0
    assert float(staying_loss(inside, before, found)) == pytest.approx(0.0, abs=1e-6)
    assert float(staying_loss(outside, before, found)) > 0.1


def test_a_picture_without_anything_is_an_example_too(anchors):
    boxes, classes = truth()
    out = silent().requires_grad_(True)
    loss, found = detection_loss(out, boxes, classes, anchors)
    loss.backward()
    assert not bool((found.of >= 0).any())
    assert float(loss.detach()) < 0.1
    assert bool((out.grad[:, 4] > 0).all())
