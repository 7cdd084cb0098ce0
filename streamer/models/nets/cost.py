"""What a net costs: multiply-adds a step, as torch counts them, trained numbers, memory a camera."""

from __future__ import annotations

from typing import Any


def gmacs(net: Any) -> float:
    """10^9 multiply-adds of one step of one camera: convolutions and matrix products, as torch's counter sees them."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    settings = net.settings
    training, at = net.training, next(net.parameters())
    net.eval()
    frame = torch.zeros(1, 3, settings.height, settings.width, device=at.device, dtype=at.dtype)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net.step(frame, net.initial_state(1))
    net.train(training)
    return float(round(counter.get_total_flops() / 2e9, 6))


def parameters(net: Any) -> int:
    """Trained numbers."""
    return sum(weight.numel() for weight in net.parameters())
