"""LoRA: at first nothing changes, then only it learns, and melted in the net says the same without it."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch

from streamer.errors import InputError
from streamer.training import adapters
from streamer.training.optimizer import make_optimizer, set_mode
from streamer.training.settings import AdapterSettings, FreezeSettings, OptimizerSettings
from tests.training.clips import TinyNet, recipe

pytest.importorskip("peft")
LORA = AdapterSettings(kind="lora", rank=2, alpha=4)


@pytest.fixture
def net() -> Any:
    torch.manual_seed(0)
    return TinyNet(recipe().net).eval()


def test_lora_learns_beside_frozen_weights_and_melts_into_them(net: Any) -> None:
    clips = torch.rand(2, 5, 3, 32, 32)
    names = set(net.state_dict())
    before = net(clips)[0].detach()
    adapters.add(net, LORA)
    net.eval()
    assert torch.allclose(net(clips)[0], before, atol=1e-6)
    set_mode(net, FreezeSettings(), "lora", 0)
    learning = {name for name, weight in net.named_parameters() if weight.requires_grad}
    assert all("lora_" in name for name in learning if name.startswith("backbone."))
    assert any("lora_" in name for name in learning)
    assert "head.1.weight" in learning
    optimizer = make_optimizer(net, OptimizerSettings(learning_rate=0.1))
    for _ in range(3):
        optimizer.zero_grad()
        net(clips)[0].square().sum().backward()
        optimizer.step()
    net.eval()
    after = net(clips)[0].detach()
    assert not torch.allclose(after, before, atol=1e-3)
    adapters.melt(net)
    assert set(net.state_dict()) == names
    assert torch.allclose(net(clips)[0], after, atol=1e-5)


def test_depthwise_convolutions_are_left_alone() -> None:
    net: Any = TinyNet(recipe().net)
    net.backbone.deep = torch.nn.Conv2d(6, 6, 3, groups=6)
    adapters.add(net, LORA)
    assert isinstance(net.backbone.deep, torch.nn.Conv2d)
    assert not isinstance(net.backbone.stem, torch.nn.Conv2d)


def test_a_backbone_without_anything_to_adapt_is_told(net: Any) -> None:
    net.backbone = torch.nn.Identity()
    with pytest.raises(InputError, match="neither convolutions nor linear layers"):
        adapters.add(net, LORA)


def test_without_peft_it_is_told(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(InputError, match=r"needs peft, which is not installed; run: pip install 'streamer\[train\]'"):
        adapters.add(net, LORA)
