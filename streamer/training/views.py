"""A detector that looks several times: the teacher of a smaller or harder pressed one.

The same network sees a picture larger than it is used to, smaller, mirrored, lit up if it is dark, and lying on either
side; boxes of one thing from several views become one, surer the more views agree. A network at 416 pixels misses
what it finds at 832, and people who lie on the floor stand upright in a turned picture. Slow, and only for training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.models.boxes import suppress
from streamer.models.nets.yolox import STRIDES, Yolox
from streamer.models.opencv import opencv

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float64]

_LOW = 0.08
"""Confidence below which a view says nothing."""
_DARK = 70.0
"""Mean of the pixels below which a picture is lit up for all views but one."""
_SAME = 0.5
"""Overlap from which boxes of two views are of one thing."""
_TURNED = 0.9
"""What a box of a turned picture counts, beside an upright one."""
_KINDS = {"person": 0, "bicycle": 1, "motorcycle": 1}
"""Labels that are taken for one another are merged; all others are vehicles."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a teacher finds in one picture."""

    boxes: Boxes
    """(n, 4) x1, y1, x2, y2 in pixels."""
    scores: Boxes
    """(n, labels): the confidence, dealt out to the labels."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Which views are worth their time, by the kind of footage."""

    sides: tuple[int, ...] = (640, 576, 448)
    """Longer side of each view in pixels; every second one is mirrored."""
    turned: int = 0
    """Longer side of the two views that lie on their sides; 0: none."""


class Teacher:
    """One network, many looks.

    Args:
        net: a detector whose classes are `labels`.
        labels: names, in the order of the classes.
        device: where it runs.
    """

    def __init__(self, net: Yolox, labels: Sequence[str], device: torch.device):
        self._net = net.to(device).eval()
        self._device = device
        self._kind = np.array([_KINDS.get(label, 2) for label in labels])

    def look(self, image: Pixels, looks: Looks) -> Seen:
        """Find things in an RGB picture (h, w, 3)."""
        height, width = image.shape[:2]
        boxes, scores, views = [], [], []
        for view, (picture, back, weight, side) in enumerate(_views(image, looks)):
            box, score = self._detect(picture, side)
            keep = suppress(box.astype(np.float32), score.max(axis=1).astype(np.float32), score.argmax(axis=1), 0.6)
            boxes.append(back(box[keep]))
            scores.append(score[keep] * weight)
            views.append(np.full(len(keep), view))
        seen = self._merge(np.concatenate(boxes), np.concatenate(scores), np.concatenate(views))
        return Seen(np.clip(seen.boxes, 0, [width, height, width, height]), seen.scores)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _detect(self, image: Pixels, side: int) -> tuple[Boxes, Boxes]:
        cv2 = opencv()
        ratio = side / max(image.shape[:2])
        width, height = round(image.shape[1] * ratio), round(image.shape[0] * ratio)
        sized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC)
        canvas = np.full((-(-height // STRIDES[-1]) * STRIDES[-1], -(-width // STRIDES[-1]) * STRIDES[-1], 3), 114)
        canvas[:height, :width] = sized
        planes = torch.from_numpy(canvas[..., ::-1].transpose(2, 0, 1).astype(np.float32))
        out = self._net(planes[None].to(self._device))[0].T.cpu()
        logits = out[:, 4:].sigmoid().numpy().astype(np.float64)
        scores = logits[:, :1] * logits[:, 1:]
        cells, strides = _grid(canvas.shape[0], canvas.shape[1])
        good = scores.max(axis=1) > _LOW
        raw, cells, strides = out[good, :4].numpy().astype(np.float64), cells[good], strides[good]
        center = (raw[:, :2] + cells) * strides
        half = np.exp(np.minimum(raw[:, 2:], 10.0)) * strides / 2
        return np.concatenate([center - half, center + half], axis=1) / ratio, scores[good]

    def _merge(self, boxes: Boxes, scores: Boxes, views: NDArray[np.int64]) -> Seen:
        """One box a thing, the surest first; weighted by the square of the confidence."""
        sure = scores.max(axis=1) if len(scores) else np.zeros(0)
        kinds = self._kind[scores.argmax(axis=1)] if len(scores) else np.zeros(0)
        left = np.ones(len(boxes), bool)
        merged, dealt = [], []
        for i in np.argsort(-sure, kind="stable"):
            if not left[i]:
                continue
            alike = left & (kinds == kinds[i]) & (overlap(boxes[i : i + 1], boxes)[0] > _SAME)
            alike[i] = True
            left &= ~alike
            weight = sure[alike] ** 2
            share = (scores[alike] * weight[:, None]).sum(axis=0)
            merged.append((boxes[alike] * weight[:, None]).sum(axis=0) / weight.sum())
            dealt.append(share / share.sum() * _agreed(sure[alike], views[alike]))
        if not merged:
            return Seen(np.zeros((0, 4)), np.zeros((0, len(self._kind))))
        seen = Seen(np.array(merged), np.array(dealt))
        keep = suppress(
            seen.boxes.astype(np.float32), seen.scores.max(axis=1).astype(np.float32), np.zeros(len(merged), int), 0.75
        )
        return Seen(seen.boxes[keep], seen.scores[keep])


def overlap(a: Boxes, b: Boxes) -> Boxes:
    """Intersection over union of every box (n, 4) with every other (m, 4): (n, m)."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    sizes = (a[:, 2:] - a[:, :2]).prod(axis=1)[:, None] + (b[:, 2:] - b[:, :2]).prod(axis=1)[None]
    shared: Boxes = both / np.maximum(sizes - both, 1e-9)
    return shared


def _agreed(sure: Boxes, views: NDArray[np.int64]) -> float:
    """Confidence of a thing: one very sure view, or two that agree; a lone one counts little more than half."""
    best = sorted((float(sure[views == view].max()) for view in np.unique(views)), reverse=True)
    second = best[1] if len(best) > 1 else 0.0
    return max(0.55 * best[0] + 0.45 * second, 0.9 * best[0] if len(best) > 1 else 0.0)


def _views(image: Pixels, looks: Looks) -> Iterator[tuple[Pixels, Callable[[Boxes], Boxes], float, int]]:
    """Each view's picture, the way back for its boxes, what it counts, and its longer side."""
    height, width = image.shape[:2]
    lit = image if image.mean() >= _DARK else (255 * (image / 255.0) ** 0.55).astype(np.uint8)
    for number, side in enumerate(looks.sides):
        picture = image if number == 0 else lit
        if number % 2:
            yield (
                np.ascontiguousarray(picture[:, ::-1]),
                lambda b: np.c_[width - b[:, 2], b[:, 1], width - b[:, 0], b[:, 3]],
                1.0,
                side,
            )
        else:
            yield picture, lambda b: b, 1.0, side
    if looks.turned:
        left, right = np.ascontiguousarray(np.rot90(lit)), np.ascontiguousarray(np.rot90(lit, -1))
        yield left, lambda b: np.c_[width - b[:, 3], b[:, 0], width - b[:, 1], b[:, 2]], _TURNED, looks.turned
        yield right, lambda b: np.c_[b[:, 1], height - b[:, 2], b[:, 3], height - b[:, 0]], _TURNED, looks.turned


def _grid(height: int, width: int) -> tuple[Boxes, Boxes]:
    cells, strides = [], []
    for stride in STRIDES:
        y, x = np.mgrid[0 : height // stride, 0 : width // stride]
        cells.append(np.stack([x, y], axis=-1).reshape(-1, 2))
        strides.append(np.full((x.size, 1), stride))
    return np.concatenate(cells).astype(np.float64), np.concatenate(strides).astype(np.float64)
