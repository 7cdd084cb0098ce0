"""The loop that trains a detector: compose, spoil, loss, step; plain PyTorch.

The network is held to what it was in two ways: a loss on its scores wherever labels say nothing, and a pull of every
weight back to its start, both small. What is kept is the average of the weights over the last steps. Nothing in a step
makes the host wait for the device, so that a shared or fast accelerator stays busy.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from streamer.errors import InputError
from streamer.models.nets.yolox import Yolox, joined
from streamer.training.assign import Anchors, detection_loss, staying_loss
from streamer.training.degrade import Degrade
from streamer.training.scenery import Batch, Scenery

_SHAPES = (0.62, 0.77, 0.62, 1.0)
"""Heights of the inputs that batches take turns with, in widths: 16:9 twice, 4:3, square."""
_CLIP = 20.0
"""Norm that gradients are cut to."""
_TELL_S = 10.0
"""Seconds between two words of how it goes; also, how often a number that is none is looked for."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How a network is trained; see `detectionrecipe.Recipe` for each."""

    side: int = 416
    steps: int = 4000
    seconds: float | None = None
    batch_size: int = 48
    learning_rate: float = 3e-4
    warm_up: int = 200
    stay: float = 1.0
    anchor: float = 1.0
    turned: float = 0.12
    ema: float = 0.999
    backbone: bool = True
    share: float = 1.0
    seed: int = 0


def fit(
    net: Yolox,
    scenery: Scenery,
    weights: Tensor,
    settings: FitSettings,
    told: Callable[[str], None],
    keep: Callable[[dict[str, Tensor]], None] = lambda state: None,
) -> list[float]:
    """Train the network in place; it then holds the averaged weights.

    Args:
        net: where training starts.
        scenery: the examples.
        weights: (pictures,) how often each is shown.
        settings: how.
        told: is told how it goes.
        keep: gets the averaged weights each time that something is told.

    Returns:
        The mean loss of each time between two tellings.

    Raises:
        InputError: the loss is no number.
    """
    device = scenery.device
    learner, degrade = _Learner(net, device, settings), Degrade(device, settings.seed)
    anchors = {canvas: Anchors.of(canvas, device) for canvas in {_canvas(i, settings.side) for i in range(4)}}
    losses: list[float] = []
    total, count, step, began = torch.zeros((), device=device), 0, 0, time.monotonic()
    told_at = began
    while (part := _part(step, time.monotonic() - began, settings)) < 1:
        canvas = _canvas(step, settings.side)
        with torch.no_grad():
            batch = scenery.compose(settings.batch_size, canvas, weights, settings.turned)
        loss = learner.loss(batch, degrade(batch.images), anchors[canvas])
        learner.learn(loss, settings.learning_rate * min(1.0, (step + 1) / settings.warm_up) * _fall(part))
        step, count, total = step + 1, count + 1, total + loss.detach()
        if time.monotonic() - told_at > _TELL_S:
            losses.append(_mean(total, count, step))
            told(f"step {step}, {part:.0%}, loss {losses[-1]:.3f}, {time.monotonic() - began:.0f} s")
            keep(learner.state())
            total, count, told_at = torch.zeros((), device=device), 0, time.monotonic()
    if count:
        losses.append(_mean(total, count, step))
    net.load_state_dict(learner.state(settings.share))
    net.eval()
    told(f"{step} steps in {time.monotonic() - began:.0f} s, loss {losses[-1]:.3f}")
    return losses


class _Learner:
    """The network that learns, as it was before, and the average of what it has been."""

    def __init__(self, net: Yolox, device: torch.device, settings: FitSettings):
        self._settings = settings
        self._before = Yolox(net.settings)
        self._before.load_state_dict(net.state_dict())
        self._before.to(device).eval().requires_grad_(False)
        self._net = net.to(device).train().requires_grad_(True)
        if not settings.backbone:
            for parameter in net.backbone_parameters():
                parameter.requires_grad_(False)
        named = {name: value for name, value in net.named_parameters() if value.requires_grad}
        self._names, self._learned = list(named), list(named.values())
        self._origin = [value.detach().clone() for value in self._learned]
        self._average = [value.detach().clone() for value in self._learned]
        self._optimizer = torch.optim.AdamW(self._learned, lr=settings.learning_rate, weight_decay=0.0, foreach=True)
        self._steps = 0

    def loss(self, batch: Batch, spoiled: Tensor, anchors: Anchors) -> Tensor:
        """Of one batch."""
        with torch.no_grad():
            if self._settings.backbone:
                said = self._before(batch.images)
            else:  # the features are the same ones, so what was before is asked about the spoiled picture
                features = self._net.backbone(spoiled)
                said = joined(self._before.heads_of(features))
        out = self._net(spoiled) if self._settings.backbone else joined(self._net.heads_of(features))
        loss, found = detection_loss(out, batch.boxes, batch.classes, anchors)
        return loss + self._settings.stay * staying_loss(out, said, found)

    def learn(self, loss: Tensor, rate: float) -> None:
        """One step, the pull to the start, and the average."""
        self._optimizer.param_groups[0]["lr"] = rate
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._learned, _CLIP, foreach=True)
        self._optimizer.step()
        self._steps += 1
        with torch.no_grad():
            torch._foreach_lerp_(self._learned, self._origin, rate * self._settings.anchor)
            fresh = 1 - min(self._settings.ema, (1 + self._steps) / (10 + self._steps))
            torch._foreach_lerp_(self._average, self._learned, fresh)

    def state(self, share: float = 1.0) -> dict[str, Tensor]:
        """The network's values, averaged; at a share below 1, so much of the way from the start to them."""
        values = (begin.lerp(now, share) for begin, now in zip(self._origin, self._average, strict=True))
        averaged = dict(zip(self._names, values, strict=True))
        return {**self._net.state_dict(), **averaged}


def _mean(total: Tensor, count: int, step: int) -> float:
    mean = float(total) / count
    if not math.isfinite(mean):
        raise InputError(f"train: the loss is {mean} by step {step}; lower learning_rate")
    return round(mean, 4)


def _part(step: int, seconds: float, settings: FitSettings) -> float:
    """How much of the training is done, 0 to 1."""
    return step / settings.steps if settings.seconds is None else seconds / settings.seconds


def _fall(part: float) -> float:
    """A cosine from one to a fiftieth."""
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(part, 1.0)))


def _canvas(step: int, side: int) -> tuple[int, int]:
    return max(32, round(_SHAPES[step % len(_SHAPES)] * side / 32) * 32), side
