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
from streamer.models.nets.yolox import Yolox
from streamer.training.assign import Anchors, detection_loss, staying_loss
from streamer.training.degrade import Degrade
from streamer.training.scenery import Scenery

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
    device, seed = scenery.device, settings.seed
    degrade, before = Degrade(device, seed), _frozen(net, device)
    net.to(device).train().requires_grad_(True)
    learned = list(net.parameters())
    origin, average = ([value.detach().clone() for value in learned] for _ in range(2))
    optimizer = torch.optim.AdamW(learned, lr=settings.learning_rate, weight_decay=0.0, foreach=True)
    anchors = {canvas: Anchors.of(canvas, device) for canvas in {_canvas(i, settings.side) for i in range(4)}}
    losses: list[float] = []
    total, count, step, began = torch.zeros((), device=device), 0, 0, time.monotonic()
    told_at = began
    while (part := _part(step, time.monotonic() - began, settings)) < 1:
        rate = settings.learning_rate * min(1.0, (step + 1) / settings.warm_up) * _fall(part)
        optimizer.param_groups[0]["lr"] = rate
        canvas = _canvas(step, settings.side)
        with torch.no_grad():
            batch = scenery.compose(settings.batch_size, canvas, weights, settings.turned)
            spoiled, said = degrade(batch.images), before(batch.images)
        out = net(spoiled)
        loss, found = detection_loss(out, batch.boxes, batch.classes, anchors[canvas])
        loss = loss + settings.stay * staying_loss(out, said, found)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, _CLIP, foreach=True)
        optimizer.step()
        step, count, total = step + 1, count + 1, total + loss.detach()
        with torch.no_grad():
            torch._foreach_lerp_(learned, origin, rate * settings.anchor)
            torch._foreach_lerp_(average, learned, 1 - min(settings.ema, (1 + step) / (10 + step)))
        if time.monotonic() - told_at > _TELL_S:
            losses.append(_mean(total, count, step))
            told(f"step {step}, {part:.0%}, loss {losses[-1]:.3f}, {time.monotonic() - began:.0f} s")
            keep(_state(net, average))
            total, count, told_at = torch.zeros((), device=device), 0, time.monotonic()
    if count:
        losses.append(_mean(total, count, step))
    net.load_state_dict(_state(net, average))
    net.eval()
    told(f"{step} steps in {time.monotonic() - began:.0f} s, loss {losses[-1]:.3f}")
    return losses


def _frozen(net: Yolox, device: torch.device) -> Yolox:
    copy = Yolox(net.settings)
    copy.load_state_dict(net.state_dict())
    copy.to(device).eval().requires_grad_(False)
    return copy


def _state(net: Yolox, values: list[Tensor]) -> dict[str, Tensor]:
    names = [name for name, _ in net.named_parameters()]
    return {**net.state_dict(), **{name: value.clone() for name, value in zip(names, values, strict=True)}}


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
