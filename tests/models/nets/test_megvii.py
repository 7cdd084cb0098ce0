"""ShuffleNetV2 by Megvii's names: another deal of the channels, the same answer."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

import streamer.models.nets.megvii
from streamer.errors import ModelError
from streamer.models.nets.build import build
from streamer.models.nets.megvii import is_megvii, to_torchvision
from streamer.models.nets.settings import IMAGENET_MEAN, IMAGENET_STD
from tests.models.nets.making import settings

REPEATS = {"stage2": 4, "stage3": 8, "stage4": 4}


def norm(x, weights, name):
    parts = [weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
    return functional.batch_norm(x, *parts)


def reference(x, weights):
    """Megvii's network as it is published: BGR in 0..1 to the last stage's channels."""

    def conv(x, name, stride=1, groups=1):
        kernel = weights[f"{name}.weight"]
        return functional.conv2d(x, kernel, stride=stride, padding=kernel.shape[2] // 2, groups=groups)

    def main(x, unit, stride):
        x = norm(conv(x, f"{unit}.0"), weights, f"{unit}.1").relu()
        x = norm(conv(x, f"{unit}.3", stride, x.shape[1]), weights, f"{unit}.4")
        return norm(conv(x, f"{unit}.5"), weights, f"{unit}.6").relu()

    x = norm(conv(x, "first_conv.0", 2), weights, "first_conv.1").relu()
    x = functional.max_pool2d(x, 3, 2, 1)
    for stage, repeats in REPEATS.items():
        for i in range(repeats):
            unit = f"{stage}.{i}.branch_"
            if i == 0:
                side = norm(conv(x, f"{unit}proj.0", 2, x.shape[1]), weights, f"{unit}proj.1")
                side = norm(conv(side, f"{unit}proj.2"), weights, f"{unit}proj.3").relu()
                x = torch.cat([side, main(x, f"{unit}main", 2)], 1)
            else:
                x = torch.cat([x[:, ::2], main(x[:, 1::2], f"{unit}main", 1)], 1)
    return x


def megvii(seed=0, width=24):
    """Random weights of its layers."""
    generator = torch.Generator().manual_seed(seed)
    found = {}

    def layer(name, *shape):
        found[f"{name}.weight"] = torch.randn(*shape, generator=generator) * (2 / shape[1] / shape[2] / shape[3]) ** 0.5

    def normal(name, n):
        for part in ("running_mean", "bias"):
            found[f"{name}.{part}"] = torch.randn(n, generator=generator) * 0.1
        for part in ("running_var", "weight"):
            found[f"{name}.{part}"] = torch.rand(n, generator=generator) + 0.5

    layer("first_conv.0", width, 3, 3, 3)
    normal("first_conv.1", width)
    before = width
    for (stage, repeats), half in zip(REPEATS.items(), (width, 2 * width, 4 * width), strict=True):
        for i in range(repeats):
            unit, n = f"{stage}.{i}.branch_", half if i else before
            layer(f"{unit}main.0", half, n, 1, 1)
            layer(f"{unit}main.3", half, 1, 3, 3)
            layer(f"{unit}main.5", half, half, 1, 1)
            for k in (1, 4, 6):
                normal(f"{unit}main.{k}", half)
            if i == 0:
                layer(f"{unit}proj.0", n, 1, 3, 3)
                normal(f"{unit}proj.1", n)
                layer(f"{unit}proj.2", half, n, 1, 1)
                normal(f"{unit}proj.3", half)
        before = 2 * half
    return found


@pytest.fixture
def black(monkeypatch):
    """Mean color black, as Megvii's padding: then both are equal up to the border."""
    monkeypatch.setattr(streamer.models.nets.megvii, "IMAGENET_MEAN", (0.0, 0.0, 0.0))


def both(weights, size=64):
    """Its own answer and ours for one picture, (channels, places); channels may come in another order."""
    colors = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(3))
    net = build(settings(width=size, height=size, last_conv=False, temporal="gru")).eval()
    tensors = to_torchvision(weights)
    net.backbone.load_state_dict(
        {ours: tensors[theirs] for theirs, ours in net.backbone.origins.items() if theirs in tensors}, strict=False
    )
    with torch.no_grad():
        ours, _ = net.backbone(colors / torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), [], 1)
        theirs = reference(colors.flip(1), weights)
    return [x[0].flatten(1).sort(0).values for x in (ours, theirs)]


@pytest.mark.usefixtures("black")
def test_the_same_answer():
    ours, theirs = both(megvii())
    assert theirs.std() > 0.05
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-4)


def test_the_mean_color_is_taken_off():
    """Of the first convolution, where no border is near."""
    weights = megvii()
    colors = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    tensors = to_torchvision(weights)

    def first(x, weights, name):
        x = functional.conv2d(x, weights[f"{name}.0.weight"], stride=2, padding=1)
        return norm(x, weights, f"{name}.1")[:, :, 1:-1, 1:-1]

    ours = first((colors - mean) / std, tensors, "conv1")
    torch.testing.assert_close(ours, first(colors.flip(1), weights, "first_conv"), atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("black")
def test_the_order_matters():
    """What the test above sees when a single filter's channels are dealt out wrongly."""
    weights = megvii()
    good, _ = both(weights)
    weights["stage3.3.branch_main.0.weight"] = weights["stage3.3.branch_main.0.weight"].flip(1)
    bad, _ = both(weights)
    assert (good - bad).abs().max() > 0.01


def test_an_incomplete_file():
    weights = megvii()
    assert is_megvii(weights)
    del weights["stage3.5.branch_main.6.running_var"]
    with pytest.raises(ModelError, match=r"lacks 'stage3.5.branch2.6.running_var'"):
        to_torchvision(weights)


@pytest.mark.usefixtures("black")
def test_the_real_file(shared_data):
    file = shared_data / "weights" / "shufflenetv2_x05_backbone.safetensors"
    net = build(settings(), file)
    assert net.loaded is not None
    assert net.loaded.matched == 275
    assert {name.split(".")[2] for name in net.loaded.missing} == {"17"}  # the last 1x1 convolution and its norm
    assert len(net.loaded.missing) == 5
    assert net.loaded.unexpected == ()
    bare = build(settings(last_conv=False), file)
    assert bare.loaded is not None
    assert bare.loaded.missing == ()
    assert isinstance(net.backbone.blocks[0].inner[0][0], nn.Conv2d)
    ours, theirs = both(load_file(str(file)))
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-4)
