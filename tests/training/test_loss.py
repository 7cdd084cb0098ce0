"""The loss: right for numbers worked out by hand, each clip counts once, and only warm frames at the end do."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from streamer.models.card import Head
from streamer.training.figures import clip_score
from streamer.training.loss import Loss, class_weights, frame_weights, mix
from streamer.training.settings import LossSettings

SOFT = Head(name="a", labels=("x", "y"), activation="softmax")
SIGMOID = Head(name="b", labels=("z",), activation="sigmoid")
PLAIN = LossSettings(label_smoothing=0.0, balance="none", mixup=0.0)


def ones(batch: int, frames: int) -> torch.Tensor:
    return torch.full((batch, frames), 1 / (batch * frames))


def test_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[[0.0, math.log(3.0)]]])
    for target, expected in (([1.0, 0.0], math.log(4)), ([0.0, 1.0], math.log(4 / 3))):
        loss = Loss([SOFT], PLAIN, {})(logits, torch.tensor([target]), torch.ones(1, 2), ones(1, 1))
        assert float(loss) == pytest.approx(expected)


def test_smoothing_spreads_the_target() -> None:
    smooth = LossSettings(label_smoothing=0.2, balance="none")
    logits = torch.tensor([[[0.0, math.log(3.0)]]])
    loss = Loss([SOFT], smooth, {})(logits, torch.tensor([[1.0, 0.0]]), torch.ones(1, 2), ones(1, 1))
    assert float(loss) == pytest.approx(0.9 * math.log(4) + 0.1 * math.log(4 / 3))


def test_a_masked_head_learns_nothing() -> None:
    logits = torch.zeros(2, 1, 3, requires_grad=True)
    target, mask = torch.tensor([[1.0, 0, 0], [0, 0, 1]]), torch.tensor([[1.0, 1, 0], [0, 0, 1]])
    loss = Loss([SOFT, SIGMOID], PLAIN, {})(logits, target, mask, ones(2, 1))
    loss.backward()
    assert float(loss.detach()) == pytest.approx((math.log(2) + math.log(2)) / 2)
    assert logits.grad is not None
    assert logits.grad[0, 0, 2] == 0
    assert logits.grad[1, 0, :2].tolist() == [0, 0]
    assert logits.grad[1, 0, 2] < 0


def test_rare_labels_weigh_more_and_the_mean_over_clips_stays_one() -> None:
    weights = class_weights([100, 10])
    assert float(weights[1] / weights[0]) == pytest.approx((1 - 0.999**100) / (1 - 0.999**10))
    assert float(weights @ torch.tensor([100.0, 10.0])) == pytest.approx(110)
    assert class_weights([5, 0]).tolist() == [1.0, 0.0]


def test_positives_of_a_sigmoid_head_weigh_by_their_rarity() -> None:
    loss = Loss([SIGMOID], LossSettings(label_smoothing=0, balance="weight"), {"z": 20, "nothing": 80})
    for target, factor in ((1.0, 4.0), (0.0, 1.0)):
        found = loss(torch.zeros(1, 1, 1), torch.tensor([[target]]), torch.ones(1, 1), ones(1, 1))
        assert float(found) == pytest.approx(factor * math.log(2))


@pytest.mark.parametrize(("length", "warm"), [(10, 1), (10, 4), (7, 7), (3, 8), (5, 1), (64, 16)])
def test_the_frames_that_count_are_those_of_a_clips_score(length: int, warm: int) -> None:
    scores = np.random.default_rng(0).random(length)
    weights = frame_weights(torch.tensor([length]), length + 2, warm, 0.6)[0]
    assert float(weights.sum()) == pytest.approx(1)
    assert weights[length:].tolist() == [0, 0]
    assert float(weights[:length].double().numpy() @ scores) == pytest.approx(
        clip_score(scores, np.arange(length) >= warm - 1), rel=1e-5
    )


def test_every_clip_of_a_batch_counts_alike() -> None:
    weights = frame_weights(torch.tensor([10, 3, 6]), 10, 2, 0.6)
    assert weights.sum(1).tolist() == pytest.approx([1 / 3] * 3)


def test_mixed_clips_have_mixed_targets_and_heads_learn_where_both_teach() -> None:
    pixels = torch.tensor([0.0, 100.0]).view(2, 1)
    target, mask = torch.tensor([[1.0, 0, 0], [0, 0, 1]]), torch.tensor([[1.0, 1, 0], [0, 0, 1]])
    mixed, soft, both = mix(pixels, target, mask, 0.75, torch.tensor([1, 0]))
    assert mixed.flatten().tolist() == [25, 75]
    assert soft.tolist() == [[0.75, 0, 0.25], [0.25, 0, 0.75]]
    assert both.sum() == 0
