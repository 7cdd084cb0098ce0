"""YOLOX: input and output, against the plain formulas."""

import numpy as np
import pytest

from streamer.errors import ModelError
from streamer.models.boxes import Letterbox
from streamer.models.card import Card, Input
from streamer.models.detector import Overrides, family_of
from streamer.models.yolox import STRIDES, YoloX


def card(width=416, height=416, **spec):
    spec = {"color": "BGR", "stride": 32, **spec}
    return Card(
        task="detection", family="yolox", labels=("a", "b", "c"), input=Input(width=width, height=height, **spec)
    )


def noise(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_a_frame_that_fits_is_pasted_untouched():
    model = YoloX(card(), Overrides())
    frame = noise(416, 234)
    box = model.canvas((416, 234))
    batch = model.prepare([frame], [box], None)
    assert batch.shape == (1, 3, 256, 416)
    assert batch.dtype == np.float32
    assert np.array_equal(batch[0, :, :234].transpose(1, 2, 0), frame[:, :, ::-1].astype(np.float32))
    assert (batch[0, :, 234:] == 114).all()


@pytest.mark.parametrize(("width", "height", "canvas"), [(416, 234, (256, 416)), (100, 416, (416, 128))])
def test_pixels_go_in_as_they_lie(width, height, canvas):
    model = YoloX(card(layout="pixels", color="RGB"), Overrides())
    frame = noise(width, height)
    box = model.canvas((width, height))
    used = np.full((1, 1, canvas[0], 3 * canvas[1]), 7, np.uint8)
    batch = model.prepare([frame], [box], used)
    assert batch is used
    pixels = batch.reshape(*canvas, 3)
    assert np.array_equal(pixels[:height, :width], frame)
    assert (pixels[height:] == 114).all()
    assert (pixels[:, width:] == 114).all()
    wrong = model.prepare([frame] * 2, [box] * 2, used)
    assert wrong is not used
    assert np.array_equal(wrong[1], batch[0])


def test_columns_are_rows_turned():
    spec = card(stride=0, width=64, height=64)
    rows = np.random.default_rng(0).random((2, 84, 8)).astype(np.float32)
    box = [Letterbox(64, 64, 64, 64)] * 2
    turned = YoloX(spec.model_copy(update={"output": "columns"}), Overrides())
    columns = np.ascontiguousarray(rows.transpose(0, 2, 1))
    for one, other in zip(YoloX(spec, Overrides()).decode([rows], box), turned.decode([columns], box), strict=True):
        assert len(one) > 0
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.label_ids, other.label_ids)


def test_a_tall_frame_is_padded_at_its_right():
    model = YoloX(card(stride=0), Overrides())
    frame = noise(100, 416)
    batch = model.prepare([frame], [model.canvas((100, 416))], None)
    assert batch.shape == (1, 3, 416, 416)
    assert np.array_equal(batch[0, 2, :, :100], frame[:, :, 0])
    assert (batch[0, :, :, 100:] == 114).all()


def test_a_reused_buffer_keeps_nothing_of_the_last_frame():
    model = YoloX(card(), Overrides())
    out = np.full((1, 3, 256, 416), 7, np.float32)
    frame = noise(416, 240)
    assert model.prepare([noise(416, 234)], [model.canvas((416, 234))], out) is out
    batch = model.prepare([frame], [model.canvas((416, 240))], out)
    assert batch is out
    assert np.array_equal(batch, model.prepare([frame], [model.canvas((416, 240))], None))
    wrong = np.empty((2, 3, 256, 416), np.float32)
    assert model.prepare([frame], [model.canvas((416, 240))], wrong) is not wrong


def test_another_size_is_scaled():
    model = YoloX(card(), Overrides())
    flat = np.full((720, 1280, 3), (10, 20, 30), np.uint8)
    batch = model.prepare([flat], [model.canvas((1280, 720))], None)
    assert batch.shape == (1, 3, 256, 416)
    assert batch[0, :, 100, 200].tolist() == [30, 20, 10]


def test_normalization_is_that_of_the_card():
    model = YoloX(card(color="RGB", scale=1 / 255, mean=(0.5, 0.4, 0.3), std=(0.2, 0.5, 1.0)), Overrides())
    frame = noise(416, 256)
    batch = model.prepare([frame], [model.canvas((416, 256))], None)
    expected = (frame.astype(np.float64) / 255 - (0.5, 0.4, 0.3)) / (0.2, 0.5, 1.0)
    assert np.allclose(batch[0].transpose(1, 2, 0), expected, atol=1e-5)


def anchors(canvas):
    """(column, row, stride) of each anchor, in the output's order."""
    return [(x, y, s) for s in STRIDES for y in range(canvas[0] // s) for x in range(canvas[1] // s)]


def test_boxes_follow_the_formula():
    model = YoloX(card(), Overrides(confidence=0.3))
    box = Letterbox(400, 250, 416, 256)
    places = anchors(box.canvas)
    rows = np.zeros((1, len(places), 8), np.float32)
    wanted = {5: (0.25, 0.75, 1.0, 0.5, 0.9), 1700: (0.5, -0.5, 0.0, 1.5, 0.8), len(places) - 1: (0, 0, 0, 0, 0.7)}
    for at, (dx, dy, w, h, score) in wanted.items():
        rows[0, at] = (dx, dy, w, h, score, 0.1, 1.0, 0.2)
    rows[0, 50] = (0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5)  # objectness over the threshold, the product below
    (found,) = model.decode([rows], [box])
    assert found.confidence.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert found.label_ids.tolist() == [1, 1, 1]
    for got, (at, (dx, dy, w, h, _)) in zip(found.boxes, wanted.items(), strict=True):
        x, y, stride = places[at]
        center = ((x + dx) * stride, (y + dy) * stride)
        half = (np.exp(w) * stride / 2, np.exp(h) * stride / 2)
        expected = [
            (center[0] - half[0]) / 400,
            (center[1] - half[1]) / 250,
            (center[0] + half[0]) / 400,
            (center[1] + half[1]) / 250,
        ]
        assert np.allclose(got, np.clip(expected, 0, 1), atol=1e-5)
    assert found.boxes.dtype == found.confidence.dtype == np.float32
    assert found.label_ids.dtype == np.int64


def test_promising_rows_with_their_places_say_the_same():
    model = YoloX(card(), Overrides())
    box = model.canvas((416, 234))
    rng = np.random.default_rng(1)
    rows = rng.random((2, len(anchors(box.canvas)), 8)).astype(np.float32)
    rows[..., 4] *= rng.random(rows.shape[:2]) < 0.03
    best = np.sort(np.argsort(-rows[..., 4], axis=1)[:, :200], axis=1)
    picked = np.take_along_axis(rows, best[..., None], axis=1)
    for full, few in zip(model.decode([rows], [box] * 2), model.decode([picked, best], [box] * 2), strict=True):
        assert len(full) > 5
        assert np.array_equal(full.boxes, few.boxes)
        assert np.array_equal(full.confidence, few.confidence)


def test_nothing_seen_and_garbage_seen():
    model = YoloX(card(), Overrides())
    box = model.canvas((416, 234))
    rows = np.zeros((1, len(anchors(box.canvas)), 8), np.float32)
    assert len(model.decode([rows], [box])[0]) == 0
    rows[:] = np.nan
    assert len(model.decode([rows], [box])[0]) == 0
    rows[:] = (0, 0, 1e30, 1e30, 1, 1, 1, 1)
    assert len(model.decode([rows], [box])[0]) >= 1  # and no overflow warning


def test_overrides_of_a_site():
    box = Letterbox(416, 256, 416, 256)
    rows = np.zeros((1, len(anchors((256, 416))), 8), np.float32)
    rows[0, 10] = (0, 0, 1, 1, 0.6, 1, 0, 0)
    rows[0, 11] = (-0.9, 0, 1, 1, 0.5, 1, 0, 0)  # nearly the same box, one cell on
    assert len(YoloX(card(), Overrides()).decode([rows], [box])[0]) == 1
    assert len(YoloX(card(), Overrides(iou=0.99)).decode([rows], [box])[0]) == 2
    assert len(YoloX(card(), Overrides(iou=0.99, confidence=0.55)).decode([rows], [box])[0]) == 1


def test_a_wrong_output_is_refused():
    model = YoloX(card(), Overrides())
    box = model.canvas((416, 234))
    with pytest.raises(ModelError, match="should be"):
        model.decode([np.zeros((1, 3549, 8), np.float32)], [box])


def test_sides_must_suit_the_grid():
    with pytest.raises(ModelError, match="multiples of 32"):
        YoloX(card(width=400), Overrides())


def test_only_families_with_numpy_steps():
    with pytest.raises(ModelError, match="motion"):
        family_of(Card(task="detection", family="motion", labels=("m",), input=Input(width=1, height=1)), Overrides())
