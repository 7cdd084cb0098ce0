"""Composed pictures: boxes lie on what they were drawn round, whatever was done to the picture."""

import numpy as np
import pytest
import torch

from streamer.training.labelled import ABSENT, IGNORED, Labels
from streamer.training.scenery import Scenery

CPU = torch.device("cpu")
COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


def marked():
    """A picture with three colored blocks, each a class, and its labels."""
    image = np.full((240, 360, 3), 60, np.uint8)
    boxes = np.array([[0.1, 0.1, 0.3, 0.5], [0.5, 0.2, 0.9, 0.4], [0.4, 0.6, 0.6, 0.95]])
    for (x1, y1, x2, y2), color in zip((boxes * [360, 240, 360, 240]).round().astype(int), COLORS, strict=True):
        image[y1:y2, x1:x2] = color
    return image, Labels(boxes, np.array([0, 1, 2]))


def inside_share(image, box, kind):
    """Which share of a box has the color of its class; BGR."""
    x1, y1, x2, y2 = (round(float(v)) for v in box)
    cut = image[:, y1:y2, x1:x2]
    rest = [i for i in range(3) if i != 2 - kind]
    return float(((cut[2 - kind] > 150) & (cut[rest].amax(0) < 110)).float().mean())


@pytest.mark.parametrize("turned", [0.0, 1.0])
@pytest.mark.parametrize("canvas", [(96, 160), (160, 160)])
def test_boxes_lie_on_what_they_were_drawn_round(canvas, turned):
    image, labels = marked()
    scenery = Scenery([image, image], [labels, labels], CPU, seed=1)
    batch = scenery.compose(24, canvas, torch.ones(2), turned)
    assert batch.images.shape == (24, 3, *canvas)
    checked = 0
    for picture, boxes, classes in zip(batch.images, batch.boxes, batch.classes, strict=True):
        for box, kind in zip(boxes, classes.tolist(), strict=True):
            if kind >= 0 and min(box[2] - box[0], box[3] - box[1]) > 10:
                assert inside_share(picture, box, kind) > 0.6
                checked += 1
    assert checked > 30


def test_what_is_not_known_stays_unknown_and_rows_without_boxes_come_last():
    image, labels = marked()
    unknown = Labels(labels.boxes, np.array([IGNORED, 1, IGNORED]))
    batch = Scenery([image], [unknown], CPU, seed=2).compose(16, (96, 160), torch.ones(1), 0.0)
    assert set(batch.classes.unique().tolist()) <= {ABSENT, IGNORED, 1}
    for classes in batch.classes.tolist():
        assert ABSENT not in classes[: sum(value != ABSENT for value in classes)]


def test_a_rest_at_the_edge_is_no_example():
    image, labels = marked()
    batch = Scenery([image], [labels], CPU, seed=3).compose(64, (96, 96), torch.ones(1), 0.0)
    known = batch.boxes[batch.classes >= 0]
    side = known[:, 2:] - known[:, :2]
    assert float(side.amax(1).min()) >= 9
    assert float(side.amin(1).min()) >= 3
    assert bool((batch.classes == IGNORED).any())
    assert bool((known >= 0).all())
    assert bool((known <= 96).all())


def test_weights_say_what_is_drawn():
    image, labels = marked()
    other = Labels(np.zeros((0, 4)), np.zeros(0, int))
    batch = Scenery([image, image], [labels, other], CPU, seed=4).compose(8, (96, 96), torch.tensor([0.0, 1.0]), 0.0)
    assert bool((batch.classes == ABSENT).all())


def test_the_same_seed_composes_the_same():
    image, labels = marked()
    one, other = (Scenery([image], [labels], CPU, seed=5).compose(4, (64, 96), torch.ones(1), 0.5) for _ in range(2))
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.boxes, other.boxes)
