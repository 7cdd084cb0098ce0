"""How unevenly things move: the second difference over time of a feature map, averaged at each place, strongest place.

Appearance says little of a fight and much of the scene it was filmed in, so a head on features learns the scene. Their
change over time is free of it; steady motion (walking, cars, a swaying camera) falls out of the second difference,
where blows and struggle stay. The average before the maximum asks that it go on in one place. Measured against first
differences and features themselves in docs/models/fight.md.

A frame that is the same as the one before is the same frame shown again, by a camera slower than the time grid: it is
waited through, and what the next one changed is divided by how long that took, so a net trained at 10 frames a second
means the same at 5.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_WAITS = 3.0
"""So many equal frames are one frame shown again (serving holds one no longer); with more the picture stands still."""
_SAME = 0.02
"""Features of new frames differ more than this somewhere: on real footage the least was 0.04, by sensor noise."""
_SLOWER = -0.7
"""Twice the time between frames makes second differences of features 1.62 times as large: 2 ** 0.7, median of the
fight clips at 5 against 10 frames a second."""
_FLOOR = 1e-6
"""Under the square root, whose slope at 0 has no end."""


class Change(nn.Module):  # type: ignore[misc]  # torch is followed by no type checker here
    """Maps to one value a channel and step: sqrt(max over places of the moving average of |f(t) - 2 f(t-1) + f(t-2)|).

    The square root makes the values of still and of busy scenes comparable for a linear layer.

    Args:
        span: of the exponential moving average in frames of the grid (decay 1 - 2 / (span + 1)); it is freed of the
            zeros that it began with.
        shape: (channels, h, w) of the maps.
    """

    def __init__(self, span: int, shape: tuple[int, int, int]):
        super().__init__()
        self.decay = 1 - 2 / (span + 1)
        self.shapes = {"last": (2, *shape), "average": shape, "clock": (3,)}
        """Of what is kept: the last two maps, newest last; the average; frames seen (to 2), frames that the newest
        has been shown again, and frames that the average covers."""
        self._longest = 8.0 * span  # by then the beginning weighs e^-16, which is nothing in float32

    def forward(self, maps: Tensor, past: tuple[Tensor, ...], steps: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Values (batch, steps, channels), and what to keep.

        Args:
            maps: (batch, steps, channels, h, w).
            past: of `shapes`, each with the batch before it; zeros at first.
            steps: as in maps.
        """
        last, average, clock = past
        before, newest = last[:, 0], last[:, 1]
        seen, again, covered = (clock[:, i].view(-1, 1, 1, 1) for i in range(3))
        values = []
        for i in range(steps):
            now = maps[:, i]
            new = ((now - newest).abs().amax((1, 2, 3), keepdim=True) > _SAME).to(now.dtype)
            new = torch.maximum(new, (again > _WAITS - 1).to(now.dtype))
            new = torch.maximum(new, (seen < 1).to(now.dtype))  # the first frame may be black
            known = new * (seen > 1).to(now.dtype)
            gap = again + 1
            change = (now - 2 * newest + before).abs() * torch.pow(gap, _SLOWER)
            keeps = torch.pow(torch.full_like(gap, self.decay), gap * known)  # 1 where nothing is known
            average = keeps * average + (1 - keeps) * change
            covered = (covered + gap * known).clamp(max=self._longest)
            before, newest = before + new * (newest - before), newest + new * (now - newest)
            seen, again = (seen + new).clamp(max=2), gap * (1 - new)
            freed = 1 - torch.pow(torch.full_like(gap, self.decay), covered.clamp(min=1))
            values.append((average.amax((2, 3)) / freed.flatten(1) + _FLOOR).sqrt())
        clock = torch.cat([seen.flatten(1), again.flatten(1), covered.flatten(1)], 1)
        return torch.stack(values, 1), (torch.stack([before, newest], 1), average, clock)


class Standard(nn.BatchNorm1d):  # type: ignore[misc]  # torch is followed by no type checker here
    """Values less their mean, by their deviation; written out when it serves, as export must else know the width."""

    def forward(self, values: Tensor) -> Tensor:
        """(n, channels), and the same."""
        if self.training or self.running_mean is None or self.running_var is None:
            out: Tensor = super().forward(values)
            return out
        return (values - self.running_mean) * torch.rsqrt(self.running_var + self.eps)
