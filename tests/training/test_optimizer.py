"""Which weights change, how fast and when, and their average."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from streamer.training.optimizer import Average, make_optimizer, rate_at, set_mode, set_rate
from streamer.training.settings import FreezeSettings, OptimizerSettings, ScheduleSettings
from tests.training.clips import TinyNet, recipe


@pytest.fixture
def net() -> TinyNet:
    torch.manual_seed(0)
    return TinyNet(recipe().net)


def learning(net: nn.Module) -> set[str]:
    return {name for name, weight in net.named_parameters() if weight.requires_grad}


BACKBONE = {
    f"backbone.{it}" for it in ("stem.weight", "norm.weight", "norm.bias", "deep.weight", "norm2.weight", "norm2.bias")
}
HEAD = {"head.1.weight", "head.1.bias"}


def test_the_rate_rises_and_falls_as_half_a_cosine() -> None:
    schedule = ScheduleSettings(epochs=11, warmup_epochs=1, final_factor=0.1)
    rates = [rate_at(step, 10, schedule, 1.0) for step in range(110)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert rates[10] == 1.0
    assert rates[60] == pytest.approx(0.55)
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)
    assert all(after < before for before, after in pairwise(rates[10:]))


def test_without_a_warm_up_it_begins_at_the_top() -> None:
    assert rate_at(0, 10, ScheduleSettings(epochs=2, warmup_epochs=0), 0.3) == 0.3


@pytest.mark.parametrize(("kind", "decay"), [("sgd", "weight_decay"), ("adamw", "weight_decay")])
def test_the_backbone_is_slower_and_only_matrices_decay(net: TinyNet, kind: str, decay: str) -> None:
    settings = OptimizerSettings.model_validate({"kind": kind, "backbone_factor": 0.2, "weight_decay": 0.01})
    optimizer = make_optimizer(net, settings)
    set_rate(optimizer, 1.0)
    names = {id(weight): name for name, weight in net.named_parameters()}
    found = {names[id(w)]: (g["lr"], g[decay]) for g in optimizer.param_groups for w in g["params"]}
    assert found.keys() == dict(net.named_parameters()).keys()
    assert found["backbone.deep.weight"] == (0.2, 0.01)
    assert found["backbone.norm.weight"] == (0.2, 0.0)
    assert found["head.1.weight"] == (1.0, 0.01)
    assert found["head.1.bias"] == (1.0, 0.0)


def test_the_backbone_rests_then_its_first_half_then_nothing(net: TinyNet) -> None:
    freeze = FreezeSettings(backbone_epochs=1, stem_epochs=2)
    everything = learning(net)
    set_mode(net, freeze, "none", 0)
    assert learning(net) == everything - BACKBONE
    assert not net.backbone.norm.training
    assert net.head.training
    set_mode(net, freeze, "none", 1)
    assert everything - learning(net) == {"backbone.stem.weight", "backbone.norm.weight", "backbone.norm.bias"}
    assert (net.backbone.norm.training, net.backbone.norm2.training) == (False, True)
    set_mode(net, freeze, "none", 2)
    assert learning(net) == everything
    assert net.backbone.norm.training


def test_normalization_can_keep_its_statistics_throughout(net: TinyNet) -> None:
    set_mode(net, FreezeSettings(norms=True), "none", 5)
    assert not net.backbone.norm.training
    assert net.backbone.norm.weight.requires_grad


def test_only_normalization_and_what_follows_the_backbone_learns(net: TinyNet) -> None:
    set_mode(net, FreezeSettings(), "norm", 0)
    assert learning(net) & BACKBONE == {
        f"backbone.{it}" for it in ("norm.weight", "norm.bias", "norm2.weight", "norm2.bias")
    }
    assert learning(net) > HEAD
    assert net.backbone.norm.training


def test_only_the_head_learns(net: TinyNet) -> None:
    set_mode(net, FreezeSettings(), "head", 0)
    assert learning(net) == HEAD
    assert not net.backbone.norm.training


def test_what_rests_does_not_change(net: TinyNet) -> None:
    set_mode(net, FreezeSettings(backbone_epochs=1), "none", 0)
    optimizer = make_optimizer(net, OptimizerSettings(weight_decay=0.1))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net(torch.rand(2, 4, 3, 32, 32))[0].sum().backward()
    optimizer.step()
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert not any(name.startswith("backbone.") for name in changed)


def test_the_average_follows_the_weights_and_copies_counts() -> None:
    net = nn.BatchNorm1d(1)
    average = Average(net, decay=0.5)
    with torch.no_grad():
        net.weight.fill_(3.0)
        net.num_batches_tracked.fill_(7)
    average.update(net)  # the first step's decay is 2 / 11
    assert float(average.weights["weight"]) == pytest.approx(1 + 2 * (1 - 2 / 11))
    assert int(average.weights["num_batches_tracked"]) == 7
    for _ in range(60):
        average.update(net)
    assert float(average.weights["weight"]) == pytest.approx(3.0, abs=1e-6)


def test_the_average_goes_on_from_where_it_was() -> None:
    net = nn.Linear(2, 2)
    one, other = Average(net, 0.9), Average(net, 0.9)
    one.update(nn.Linear(2, 2))
    other.load_state_dict(one.state_dict())
    step = nn.Linear(2, 2)
    one.update(step)
    other.update(step)
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)
