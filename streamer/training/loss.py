"""What a training makes small: cross entropy of each head over the frames that count.

A clip counts once, however many of its frames do. Class weights are those of the effective number of samples (Cui and
others 2019, beta 0.999); at a few hundred clips that is nearly 1 / n. Called by `trainer`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from streamer.training.settings import LossSettings

_BETA = 0.999


class Loss:
    """The sum over heads of a batch's weighted cross entropy.

    Args:
        heads: of the net, in the order of the output; anything with `labels` and `activation`.
        settings: smoothing and balance.
        counts: clips by label, of the training set.
        device: where logits come from.
    """

    def __init__(self, heads: Sequence[Any], settings: LossSettings, counts: Mapping[str, int], device: Any = "cpu"):
        self._smoothing = settings.label_smoothing
        self._heads = []
        start, total = 0, sum(counts.values())
        for head in heads:
            stop = start + len(head.labels)
            of = [counts.get(label, 0) for label in head.labels]
            weights = torch.ones(len(of))
            if settings.balance == "weight":
                if head.activation == "softmax":
                    weights = class_weights(of)
                else:  # of the positives of a label, against all others
                    weights = torch.tensor([max(total - n, 1) / max(n, 1) for n in of]).clamp(0.1, 10.0)
            self._heads.append((slice(start, stop), head.activation, weights.to(device)))
            start = stop

    def __call__(
        self, logits: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """The loss of a part of a batch, a scalar.

        Args:
            logits: (B, T, L).
            target: (B, L), 0..1.
            mask: (B, L), 0 where a head learns nothing from a clip.
            weights: (B, T), how much each frame counts.
        """
        total = logits.new_zeros((), dtype=torch.float32)
        for where, activation, classes in self._heads:
            z, t, m = logits[..., where].float(), target[:, None, where], mask[:, where].amax(1)
            n = t.shape[-1]
            if activation == "softmax":
                smooth = t * (1 - self._smoothing) + self._smoothing / n
                each = -(classes * smooth * functional.log_softmax(z, -1)).sum(-1)
            else:
                smooth = t * (1 - self._smoothing) + self._smoothing / 2
                every = functional.binary_cross_entropy_with_logits(
                    z, smooth.expand_as(z), pos_weight=classes, reduction="none"
                )
                each = every.mean(-1)
            total = total + (each * weights * m[:, None]).sum()
        return total


def class_weights(counts: Sequence[int]) -> torch.Tensor:
    """Weights (n,) by the effective number of clips; over all clips their mean is 1; a class without clips has 0."""
    raw = [(1 - _BETA) / (1 - _BETA**count) if count else 0.0 for count in counts]
    total = sum(weight * count for weight, count in zip(raw, counts, strict=True))
    return torch.tensor([weight * sum(counts) / total if total else 1.0 for weight in raw])


def frame_weights(lengths: torch.Tensor, frames: int, warm_frames: int, counted: float) -> torch.Tensor:
    """How much each frame of a batch counts, float32 (B, T); each clip's sum to 1 / B.

    The last share of a clip's warm frames counts, as in `figures.clip_score`; of a clip too short to be warm, its last.

    Args:
        lengths: (B,), real frames of each clip.
        frames: T.
        warm_frames: of the net.
        counted: 0..1.
    """
    rows = []
    for length in lengths.tolist():
        warm = length - warm_frames + 1
        taken = max(1, math.ceil(warm * counted - 1e-9)) if warm > 0 else 1
        row = torch.zeros(frames)
        row[length - taken : length] = 1.0 / (taken * len(lengths))
        rows.append(row)
    return torch.stack(rows).to(lengths.device)


def mix(
    pixels: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, share: float, order: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mixup: each clip with another, and so their targets; a head learns only where both clips teach it.

    Args:
        pixels: float (B, ...).
        target: (B, L).
        mask: (B, L).
        share: of the clip itself, 0..1.
        order: (B,), which clip each is mixed with.
    """
    return (
        pixels * share + pixels[order] * (1 - share),
        target * share + target[order] * (1 - share),
        mask * mask[order],
    )
