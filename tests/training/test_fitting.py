"""The loop: it learns, keeps what it must not change, repeats, and says when it went wrong."""

import numpy as np
import pytest
import torch

from streamer.errors import InputError
from streamer.models.nets.yolox import Yolox, YoloxSettings
from streamer.training.assign import Anchors, detection_loss
from streamer.training.fitting import FitSettings, fit
from streamer.training.labelled import Labels
from streamer.training.scenery import Scenery

CPU = torch.device("cpu")
QUICK = {"side": 64, "batch_size": 4, "warm_up": 2, "ema": 0.5, "turned": 0.0, "anchor": 0.0, "stay": 0.0}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def net(seed=0):
    torch.manual_seed(seed)
    return Yolox(YoloxSettings(1, width=0.125))


def normed():
    """From nothing, a network needs its normalisation."""
    torch.manual_seed(0)
    return Yolox(YoloxSettings(1, width=0.125, norm=True))


def scenery():
    image = np.full((64, 64, 3), 40, np.uint8)
    image[16:48, 16:48] = 230
    return Scenery([image], [Labels(np.array([[0.25, 0.25, 0.75, 0.75]]), np.array([0]))], CPU, 0)


def train(settings, told=lambda line: None, keep=lambda state: None, seed=0):
    learner = net(seed)
    return learner, fit(learner, scenery(), torch.ones(1), FitSettings(**{**QUICK, **settings}), told, keep)


def test_it_learns():
    learner = normed()
    fit(learner, scenery(), torch.ones(1), FitSettings(**QUICK, steps=12, learning_rate=2e-2), lambda line: None)
    assert not learner.training
    assert _cost(learner) < 0.95 * _cost(normed())


def test_it_repeats():
    (one, loss), (other, same) = (train({"steps": 2}) for _ in range(2))
    assert loss == same
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_the_backbone_can_be_left_alone():
    before, (after, _) = net(), train({"steps": 3, "learning_rate": 1e-2, "backbone": False})
    kept = dict(zip(map(id, after.backbone_parameters()), before.backbone_parameters(), strict=True))
    changed = 0
    for value, was in zip(after.parameters(), before.parameters(), strict=True):
        if id(value) in kept:
            assert torch.equal(value, was)
        else:
            changed += not torch.equal(value, was)
    assert changed > 50


def test_a_strong_pull_keeps_the_weights():
    far = _distance(train({"steps": 3, "learning_rate": 1e-2})[0])
    near = _distance(train({"steps": 3, "learning_rate": 1e-2, "anchor": 50.0})[0])
    assert near < 0.8 * far


def test_half_of_the_way_can_be_kept():
    start, (whole, _), (half, _) = net(), train({"steps": 3}), train({"steps": 3, "share": 0.5})
    for a, b, c in zip(start.parameters(), whole.parameters(), half.parameters(), strict=True):
        assert torch.allclose((a + b) / 2, c, atol=1e-6)


def test_a_clock_ends_it():
    said = []
    _, losses = train({"seconds": 1.0, "steps": 1}, said.append)
    assert losses
    assert int(said[-1].split()[0]) >= 1


def test_a_loss_that_is_no_number_is_an_error():
    learner = net()
    with torch.no_grad():
        learner.heads[0].box.weight.fill_(torch.nan)
    with pytest.raises(InputError, match=r"the loss is nan by step 1; lower learning_rate"):
        fit(learner, scenery(), torch.ones(1), FitSettings(**QUICK, steps=1), lambda line: None)


def _distance(learner):
    pairs = zip(learner.parameters(), net().parameters(), strict=True)
    return sum(float((a - b).detach().pow(2).sum()) for a, b in pairs) ** 0.5


def _cost(learner):
    """The loss on pictures that are always the same."""
    batch = scenery().compose(8, (64, 64), torch.ones(1), 0.0)
    learner.train()  # so few steps are too few for the averages of the normalisation
    with torch.no_grad():
        loss, _ = detection_loss(learner(batch.images), batch.boxes, batch.classes, Anchors.of((64, 64), CPU))
    return float(loss)
