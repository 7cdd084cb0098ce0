"""Which anchors answer for which box, and what the answer costs: the loss of a YOLOX, for whole batches at once.

SimOTA (Ge et al. 2021): an anchor near the middle of a box may answer for it; those that do so best already are made
responsible, the more of them the better they fit. What is not known (ignored boxes) costs nothing. A second term keeps
a fine-tuned network at what it said before wherever the labels say nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from streamer.models.nets.yolox import STRIDES
from streamer.training.labelled import IGNORED

_CANDIDATES = 10
"""The best overlaps that decide how many anchors a box gets, and the most that it can get."""
_NEAR = 1.5
"""Cells from a box's middle within which anchors are candidates."""
_BOX = 5.0
"""Weight of the boxes' loss."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """The anchor points of a canvas."""

    cells: Tensor
    """(a, 2) column and row in their grid."""
    strides: Tensor
    """(a, 1) pixels."""

    @staticmethod
    def of(canvas: tuple[int, int], device: torch.device) -> Anchors:
        """Those of an input of (height, width)."""
        cells, strides = [], []
        for stride in STRIDES:
            y, x = torch.meshgrid(
                torch.arange(canvas[0] // stride, device=device),
                torch.arange(canvas[1] // stride, device=device),
                indexing="ij",
            )
            cells.append(torch.stack([x, y], dim=-1).reshape(-1, 2).float())
            strides.append(torch.full((x.numel(), 1), float(stride), device=device))
        return Anchors(torch.cat(cells), torch.cat(strides))

    def decode(self, out: Tensor) -> Tensor:
        """Raw output (n, 5 + labels, a) to boxes (n, a, 4), pixels."""
        center = (out[:, :2].transpose(1, 2) + self.cells) * self.strides
        half = out[:, 2:4].transpose(1, 2).clamp(max=8).exp() * self.strides / 2
        return torch.cat([center - half, center + half], dim=-1)


@dataclass(frozen=True, slots=True)
class Assigned:
    """What each anchor answers for."""

    of: Tensor
    """int64 (n, a): index of a box, or -1."""
    overlap: Tensor
    """(n, a) with that box."""
    ignored: Tensor
    """bool (n, a): lies in a box of which nothing is known."""
    inside: Tensor
    """bool (n, a): lies in a true box."""


@torch.no_grad()  # type: ignore[untyped-decorator]
def assign(out: Tensor, predicted: Tensor, boxes: Tensor, classes: Tensor, anchors: Anchors) -> Assigned:
    """Deal anchors out to boxes.

    Args:
        out: raw output, (n, 5 + labels, a).
        predicted: its boxes, (n, a, 4).
        boxes: true boxes, (n, m, 4).
        classes: their classes, (n, m); see `scenery`.
        anchors: of the canvas.
    """
    true = classes >= 0
    x, y = ((anchors.cells + 0.5) * anchors.strides).unbind(1)
    inside = (x > boxes[..., :1]) & (x < boxes[..., 2:3]) & (y > boxes[..., 1:2]) & (y < boxes[..., 3:])
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    reach = _NEAR * anchors.strides[:, 0]
    near = ((x - middle[..., :1]).abs() < reach) & ((y - middle[..., 1:]).abs() < reach)
    may = true[..., None] & near
    shared = _overlap(boxes, predicted) * may
    cost = _cost(out, classes, shared) + 1e5 * ~inside + 1e9 * ~may
    wanted = shared.topk(_CANDIDATES, dim=-1).values.sum(-1).int().clamp(min=1)
    cheapest, at = cost.topk(_CANDIDATES, dim=-1, largest=False)
    take = (torch.arange(_CANDIDATES, device=out.device) < wanted[..., None]) & (cheapest < 1e8) & true[..., None]
    matched = torch.zeros_like(may).scatter_(-1, at, take)
    best = torch.where(matched, cost, torch.inf).min(1).indices  # an anchor serves one box: the one it is cheapest for
    of = torch.where(matched.any(1), best, -1)
    return Assigned(
        of,
        torch.gather(shared, 1, of.clamp(min=0)[:, None])[:, 0],
        (inside & (classes == IGNORED)[..., None]).any(1) & (of < 0),
        (inside & true[..., None]).any(1),
    )


def detection_loss(out: Tensor, boxes: Tensor, classes: Tensor, anchors: Anchors) -> tuple[Tensor, Assigned]:
    """Objectness, class and box loss, a positive anchor; and who answered for what."""
    predicted = anchors.decode(out)
    found = assign(out, predicted, boxes, classes, anchors)
    positive = found.of >= 0
    n = positive.sum().clamp(min=1)
    objectness = functional.binary_cross_entropy_with_logits(out[:, 4], positive.float(), reduction="none")
    # over all anchors and then masked: to pick the positive ones would make the host wait for the device
    which = found.of.clamp(min=0)
    truth = torch.gather(boxes, 1, which[..., None].expand(-1, -1, 4))
    labels = out.shape[1] - 5
    wanted = functional.one_hot(torch.gather(classes, 1, which).clamp(0, labels - 1), labels).transpose(1, 2)
    named = functional.binary_cross_entropy_with_logits(
        out[:, 5:], wanted * found.overlap[:, None], reduction="none"
    ).sum(1)
    truth = torch.where(positive[..., None], truth, predicted.detach())
    placed = 1 - _paired(truth, predicted) ** 2
    costs = objectness * ~found.ignored + (named + _BOX * placed) * positive
    return costs.sum() / n, found


def staying_loss(out: Tensor, before: Tensor, found: Assigned) -> Tensor:
    """How far the scores are from those of the network before, where no true box lies; relative entropy.

    Args:
        out: raw output of the network that learns, on the spoiled picture.
        before: raw output of the network as it was, on the clean one.
        found: from `detection_loss`.
    """
    said = (out[:, 4:5].sigmoid() * out[:, 5:].sigmoid()).clamp(1e-5, 1 - 1e-5)
    meant = (before[:, 4:5].sigmoid() * before[:, 5:].sigmoid()).clamp(1e-5, 1 - 1e-5)
    distance = functional.binary_cross_entropy(said, meant, reduction="none")
    distance = distance - functional.binary_cross_entropy(meant, meant, reduction="none")
    free = (found.of < 0) & ~found.inside
    return (distance.sum(1) * free).sum() / (found.of >= 0).sum().clamp(min=1)


def _cost(out: Tensor, classes: Tensor, shared: Tensor) -> Tensor:
    """What it would cost each anchor to answer for each box: its class, and three times its place; (n, m, a)."""
    labels = out.shape[1] - 5
    sure = (out[:, 4:5].sigmoid() * out[:, 5:].sigmoid()).sqrt().clamp(1e-4, 1 - 1e-4)
    right = torch.gather(sure, 1, classes.clamp(0, labels - 1)[..., None].expand(-1, -1, sure.shape[2]))
    nothing = -(1 - sure).log().sum(1, keepdim=True)
    return nothing + (1 - right).log() - right.log() - 3 * (shared + 1e-8).log()


def _overlap(a: Tensor, b: Tensor) -> Tensor:
    """(n, m, 4) and (n, a, 4) to (n, m, a)."""
    low = torch.maximum(a[:, :, None, :2], b[:, None, :, :2])
    high = torch.minimum(a[:, :, None, 2:], b[:, None, :, 2:])
    both = (high - low).clamp(min=0).prod(-1)
    sizes = (a[..., 2:] - a[..., :2]).prod(-1)[:, :, None] + (b[..., 2:] - b[..., :2]).prod(-1)[:, None]
    return both / (sizes - both + 1e-6)


def _paired(a: Tensor, b: Tensor) -> Tensor:
    """(..., 4) and (..., 4) to (...)."""
    both = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    sizes = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1)
    return both / (sizes - both + 1e-6)
