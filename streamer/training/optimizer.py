"""How weights are changed: which of them how fast, which of them not at all yet, and an average of them.

Learning rates and freezing are pure functions of step and epoch, so that a resumed training has them without any state.
Called by `trainer`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from streamer.training.settings import FreezeSettings, OptimizerSettings, ScheduleSettings


def make_optimizer(net: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """SGD or AdamW over all weights; the backbone's are slower, and biases and normalization do not decay."""
    inside = {id(weight) for weight in backbone_of(net).parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for weight in net.parameters():
        groups.setdefault((id(weight) in inside, weight.ndim > 1), []).append(weight)
    listed = [
        {
            "params": weights,
            "factor": settings.backbone_factor if slow else 1.0,
            "weight_decay": settings.weight_decay if decays else 0.0,
        }
        for (slow, decays), weights in groups.items()
    ]
    if settings.kind == "sgd":
        momentum = settings.momentum
        return torch.optim.SGD(listed, lr=settings.learning_rate, momentum=momentum, nesterov=momentum > 0)
    return torch.optim.AdamW(listed, lr=settings.learning_rate)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Let each group learn at its share of a rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


def rate_at(step: int, steps_an_epoch: int, schedule: ScheduleSettings, highest: float) -> float:
    """The learning rate of a step (from 0): a linear rise, then half a cosine down to its final share."""
    total = schedule.epochs * steps_an_epoch
    rising = min(round(schedule.warmup_epochs * steps_an_epoch), total)
    if step < rising:
        return highest * (step + 1) / rising
    done = (step - rising) / max(1, total - rising)
    low = schedule.final_factor
    return highest * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def backbone_of(net: nn.Module) -> nn.Module:
    """The part of a net that may come trained."""
    found: nn.Module = net.backbone
    return found


def set_mode(net: nn.Module, freeze: FreezeSettings, adapter: str, epoch: int) -> None:
    """Put a net into training, and what must not learn in this epoch to rest.

    Batch normalization of what rests keeps its statistics, too. LoRA's base weights rest always: `peft` marks them.
    """
    net.train()
    backbone = backbone_of(net)
    resting = set(_resting(backbone, freeze, epoch))
    for name, weight in backbone.named_parameters():
        if adapter == "lora":
            learns = "lora_" in name
        elif adapter == "norm":
            learns = name in set(_norm_weights(backbone))
        else:
            learns = adapter == "none"
        weight.requires_grad_(learns and name not in resting)
    if adapter in ("norm", "head") and hasattr(net, "temporal") and isinstance(net.temporal, nn.Module):
        net.temporal.requires_grad_(adapter == "norm")
    whole = adapter in ("head", "lora") or freeze.norms or epoch < freeze.backbone_epochs
    for name, module in backbone.named_modules():
        if isinstance(module, _BatchNorm):
            first = next((f"{name}.{own}" if name else own for own, _ in module.named_parameters(recurse=False)), "")
            if whole or first in resting:
                module.eval()


def measured(net: nn.Module) -> list[_BatchNorm]:
    """Those normalizations whose statistics follow the clips: what `set_mode` left in training."""
    return [module for module in net.modules() if isinstance(module, _BatchNorm) and module.training]


def _resting(backbone: nn.Module, freeze: FreezeSettings, epoch: int) -> Iterator[str]:
    names = [name for name, _ in backbone.named_parameters()]
    if epoch < freeze.backbone_epochs:
        yield from names
    elif epoch < freeze.stem_epochs:
        yield from names[: len(names) // 2]


def _norm_weights(backbone: nn.Module) -> Iterator[str]:
    for name, module in backbone.named_modules():
        if isinstance(module, _BatchNorm):
            yield from (f"{name}.{own}" if name else own for own, _ in module.named_parameters(recurse=False))


class Average:
    """An exponential moving average of all that a net has learned; statistics of normalization included.

    Args:
        net: whose weights it begins with.
        decay: a step.
    """

    def __init__(self, net: nn.Module, decay: float):
        self._decay = decay
        self._steps = 0
        self.weights = {name: value.detach().clone() for name, value in net.state_dict().items()}

    def update(self, net: nn.Module) -> None:
        """Take a step's weights in; the first steps count more, or the start would weigh for long."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        with torch.no_grad():
            for name, value in net.state_dict().items():
                if value.is_floating_point():
                    self.weights[name].lerp_(value, 1 - decay)
                else:
                    self.weights[name].copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """All of it, for a checkpoint."""
        return {"steps": self._steps, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._steps = int(state["steps"])
        for name, value in state["weights"].items():
            self.weights[name].copy_(value)
