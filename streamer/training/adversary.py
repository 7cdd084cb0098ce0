"""Pictures made to deceive a net: what it is trained against, and tested with.

FGSM (Goodfellow and others 2015) takes one step along the sign of the gradient, PGD (Madry and others 2018) several
from a random start, each projected back into the ball of `epsilon` levels round the true pixels. Called by `trainer`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from streamer.training.settings import AdversarySettings

_REACH = 2.5  # steps of PGD together go so many times epsilon, as its authors have it


def attack(
    pixels: torch.Tensor,
    loss_of: Callable[[torch.Tensor], torch.Tensor],
    settings: AdversarySettings,
    generator: torch.Generator,
) -> torch.Tensor:
    """Change clips so that the loss rises; never more than `epsilon` a pixel.

    Args:
        pixels: float (B, T, 3, height, width), 0..255.
        loss_of: the loss of such clips, a scalar.
        settings: which attack, and how strong.
        generator: of PGD's random start; on the pixels' device.

    Returns:
        As `pixels`, without gradient.
    """
    if settings.kind == "none":
        return pixels
    true, epsilon = pixels.detach(), settings.epsilon
    if settings.kind == "fgsm":
        return _step(true, true, loss_of, epsilon, epsilon)
    noise = torch.rand(true.shape, generator=generator, device=true.device) * 2 - 1
    found = (true + epsilon * noise).clamp(0, 255)
    for _ in range(settings.steps):
        found = _step(found, true, loss_of, _REACH * epsilon / settings.steps, epsilon)
    return found


def _step(
    at: torch.Tensor,
    true: torch.Tensor,
    loss_of: Callable[[torch.Tensor], torch.Tensor],
    length: float,
    epsilon: float,
) -> torch.Tensor:
    at = at.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(loss_of(at), at)
    moved = at.detach() + length * slope.sign()
    return torch.maximum(torch.minimum(moved, true + epsilon), true - epsilon).clamp(0, 255)
