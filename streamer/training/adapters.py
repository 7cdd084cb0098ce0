"""LoRA: a low-rank update beside the frozen weights of a backbone, put in for training and melted in for serving.

By `peft`, which is imported only here and only when a recipe asks. Depthwise convolutions are left alone: a low-rank
update of one channel is no smaller than the channel. Called by `trainer`.
"""

from __future__ import annotations

import importlib
from typing import Any

from torch import nn

from streamer.errors import InputError
from streamer.training.optimizer import backbone_of
from streamer.training.settings import AdapterSettings


def add(net: nn.Module, settings: AdapterSettings) -> None:
    """Put LoRA into the convolutions and linear layers of a net's backbone, in place; it then computes as before.

    Raises:
        InputError: `peft` is not installed, or there is nothing to adapt.
    """
    peft = _peft()
    backbone = backbone_of(net)
    targets = [name for name, module in backbone.named_modules() if _adaptable(module)]
    if not targets:
        raise InputError("train: adapter lora: the backbone has neither convolutions nor linear layers to adapt")
    config = peft.LoraConfig(r=settings.rank, lora_alpha=settings.alpha, lora_dropout=0.0, target_modules=targets)
    peft.inject_adapter_in_model(config, backbone)


def melt(net: nn.Module) -> None:
    """Add the updates to the weights and take LoRA out again: the net is as it was built, with other weights."""
    layer = importlib.import_module("peft.tuners.lora").LoraLayer
    backbone = backbone_of(net)
    for name, module in list(backbone.named_modules()):
        if isinstance(module, layer):
            found: Any = module
            found.merge(safe_merge=True)
            parent = backbone.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], found.get_base_layer())


def _adaptable(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)


def _peft() -> Any:
    try:
        return importlib.import_module("peft")
    except ImportError as error:
        raise InputError(
            "train: adapter lora needs peft, which is not installed; run: pip install 'streamer[train]'"
        ) from error
