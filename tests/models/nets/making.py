"""Small streaming nets whose normalization has seen something, so that their answers differ from frame to frame."""

from __future__ import annotations

import torch

from streamer.models.nets.build import build
from streamer.models.nets.settings import NetSettings
from streamer.models.step import Head

FIGHT = Head(name="fight", labels=("calm", "fight"))
FALL = Head(name="fall", labels=("falling", "lying"), activation="sigmoid")
WIDTH, HEIGHT = 64, 48


def settings(**changes):
    return NetSettings(**{"heads": (FIGHT,), "width": WIDTH, "height": HEIGHT, "hidden": 16, **changes})


def made(seed=0, double=True, momentum=1.0, **changes):
    """A net in evaluation mode that is not indifferent to its input; in float64, where equal is equal to 1e-9.

    At a momentum of 1 this one look at the data is all that its normalization knows; at less it is a meeker net.
    """
    torch.manual_seed(seed)
    net = build(settings(**changes))
    net = net.double() if double else net
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = momentum
    with torch.no_grad():
        net.train()(clips(2, 6, seed).to(net.answers[0].weight.dtype))
        for answer in net.answers:
            answer.weight.mul_(10)
    return net.eval()


def clips(batch=2, steps=9, seed=1):
    """float64 (batch, steps, 3, HEIGHT, WIDTH), each camera with another mean."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(batch, steps, 3, HEIGHT, WIDTH, generator=generator)
    return (noise + torch.randn(batch, steps, 1, 1, 1, generator=generator)).double()


def stacked(net, frames, state=None):
    """`step` once a frame: logits (batch, steps, labels) and the last state."""
    state = net.initial_state(len(frames)) if state is None else state
    rows = []
    for i in range(frames.shape[1]):
        logits, state = net.step(frames[:, i], state)
        rows.append(logits)
    return torch.stack(rows, 1), state
