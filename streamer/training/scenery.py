"""Labelled pictures on the training device, and new pictures made of them: zoomed, mirrored, turned, four in one.

All of it runs as tensors in batches, so that sixteen processes of augmentation are not needed to keep one accelerator
busy. Turned by a quarter, somebody who stands lies; in a mosaic of four, somebody near is far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from streamer.training.labelled import ABSENT, IGNORED, Labels

_PAD = 114
_SPACE = (480, 768)
"""Rows and columns that one picture has on the device."""
_SHRUNK = (0.62, 0.31, 0.0)
"""Scale above which each size of the pyramid is sampled."""
_ZOOM_ONE, _ZOOM_FOUR = (0.55, 2.2), (0.8, 3.0)
"""Least and most zoom of a picture alone and of one of four, relative to all of it being seen."""
_ROWS = 56
"""Boxes a picture, at most."""
_MOST = 96
"""Boxes a composed picture, at most."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Composed pictures and their truth."""

    images: Tensor
    """float32 (n, 3, h, w) BGR, 0-255."""
    boxes: Tensor
    """(n, m, 4) x1, y1, x2, y2 in pixels."""
    classes: Tensor
    """int64 (n, m): a class, ABSENT or IGNORED."""


class Scenery:
    """Pictures as a pyramid of three sizes, so that shrinking does not alias.

    Args:
        pictures: RGB (h, w, 3), at most 480x768.
        labels: theirs.
        device: where they live.
        seed: of everything random.
    """

    def __init__(
        self, pictures: Sequence[NDArray[np.uint8]], labels: Sequence[Labels], device: torch.device, seed: int
    ):
        full = torch.full((len(pictures), 3, *_SPACE), _PAD, dtype=torch.uint8)
        self.sizes = torch.zeros(len(pictures), 2)
        self.boxes = torch.zeros(len(pictures), _ROWS, 4)
        self.classes = torch.full((len(pictures), _ROWS), ABSENT)
        for i, (picture, known) in enumerate(zip(pictures, labels, strict=True)):
            height, width = picture.shape[:2]
            full[i, :, :height, :width] = torch.from_numpy(picture[..., ::-1].transpose(2, 0, 1).copy())
            self.sizes[i] = torch.tensor([width, height])
            # what is known first: where there is too much, what is ignored is what is left out
            order = np.argsort(known.classes < 0, kind="stable")[:_ROWS]
            rows = len(order)
            self.boxes[i, :rows] = torch.from_numpy(known.boxes[order]) * torch.tensor([width, height] * 2)
            self.classes[i, :rows] = torch.from_numpy(known.classes[order])
        self._levels = [full.to(device)]
        for _ in range(2):
            chunks = (functional.avg_pool2d(chunk.float(), 2).round().byte() for chunk in self._levels[-1].split(64))
            self._levels.append(torch.cat(list(chunks)))
        self.sizes, self.boxes, self.classes = (t.to(device) for t in (self.sizes, self.boxes, self.classes))
        self.random = torch.Generator(device).manual_seed(seed)
        self.device = device

    def compose(self, n: int, canvas: tuple[int, int], weights: Tensor, turned: float) -> Batch:
        """New pictures: half of them one picture each, half of them four.

        Args:
            n: how many.
            canvas: height and width in pixels.
            weights: (pictures,) how often each is to be drawn, relative to the others.
            turned: share of pictures that are turned by a quarter.
        """
        height, width = canvas
        four = n // 2
        one = n - four
        x, y = (0.3 + 0.4 * self._uniform(four)) * width, (0.3 + 0.4 * self._uniform(four)) * height
        zero, right, bottom = torch.zeros_like(x), torch.full_like(x, width), torch.full_like(y, height)
        quarters = ((zero, zero, x, y), (x, zero, right, y), (zero, y, x, bottom), (x, y, right, bottom))
        whole = torch.tensor([0.0, 0.0, width, height], device=self.device).expand(one, 4)
        regions = torch.cat([whole, *(torch.stack(edges, dim=1) for edges in quarters)])
        which = torch.multinomial(weights, len(regions), replacement=True, generator=self.random)
        single = torch.arange(len(regions), device=self.device) < one
        low = torch.where(single, _ZOOM_ONE[0], _ZOOM_FOUR[0])
        high = torch.where(single, _ZOOM_ONE[1], _ZOOM_FOUR[1])
        images, boxes, classes = self._place(which, regions, canvas, (turned, low, high))
        within = _within(regions[one:], canvas, self.device)[:, None]
        parts = torch.where(within, images[one:], 0.0).view(4, four, 3, height, width)
        spare = 3 * _ROWS
        joined = boxes[one:].view(4, four, _ROWS, 4).transpose(0, 1).reshape(four, -1, 4)
        kinds = classes[one:].view(4, four, _ROWS).transpose(0, 1).reshape(four, -1)
        boxes = torch.cat([functional.pad(boxes[:one], (0, 0, 0, spare)), joined])
        classes = torch.cat([functional.pad(classes[:one], (0, spare), value=ABSENT), kinds])
        order = torch.argsort((classes < 0).int() + (classes == ABSENT).int(), dim=1, stable=True)[:, :_MOST]
        picked = torch.gather(boxes, 1, order[..., None].expand(-1, -1, 4))
        return Batch(torch.cat([images[:one], parts.sum(0)]), picked, torch.gather(classes, 1, order))

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, device=self.device, generator=self.random)

    def _place(
        self, which: Tensor, region: Tensor, canvas: tuple[int, int], chances: tuple[float, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures into regions (n, 4) of canvases. `chances`: share that is turned, least and most zoom (n,)."""
        n, (turned, low, high) = len(which), chances
        size = self.sizes[which]
        turn = torch.where(self._uniform(n) < turned, 1 + 2 * (self._uniform(n) < 0.5), 0)
        wide, tall = torch.where((turn > 0)[:, None], size.flip(1), size).unbind(1)
        fit = torch.minimum((region[:, 2] - region[:, 0]) / wide, (region[:, 3] - region[:, 1]) / tall)
        zoom = low * (high / low) ** self._uniform(n)
        scale = (fit * torch.where(self._uniform(n) < 0.25, 1.0, zoom)).clamp(max=2.5)
        stretch = torch.exp((self._uniform(n) - 0.5) * 0.3)
        sx, sy = scale * stretch, scale / stretch
        left = region[:, 0] + (region[:, 2] - region[:, 0] - sx * wide) * self._uniform(n)
        top = region[:, 1] + (region[:, 3] - region[:, 1] - sy * tall) * self._uniform(n)
        placing = _Placing(turn, self._uniform(n) < 0.5, wide, tall, sx, sy, left, top)
        return (
            self._sample(which, region, canvas, placing, scale),
            *_kept(placing.boxes(self.boxes[which], size), self.classes[which], region),
        )

    def _sample(
        self, which: Tensor, region: Tensor, canvas: tuple[int, int], placing: _Placing, scale: Tensor
    ) -> Tensor:
        x, y, inside = placing.source(canvas, self.sizes[which])
        out = torch.full((len(which), 3, *canvas), float(_PAD), device=self.device)
        for number, pictures in enumerate(self._levels):
            rows, columns = pictures.shape[2] * 2**number, pictures.shape[3] * 2**number
            grid = torch.stack([x / columns * 2 - 1, y / rows * 2 - 1], dim=-1)
            fits = (scale <= _SHRUNK[number - 1] if number else scale > 0) & (scale > _SHRUNK[number])
            if self.device.type == "cpu":
                out[fits] = _sampled(pictures[which[fits]], grid[fits])
            else:  # every size of each picture, although one is used: to pick first would make the host wait
                out = torch.where(fits.view(-1, 1, 1, 1), _sampled(pictures[which], grid), out)
        shown = inside & _within(region, canvas, self.device)
        return torch.where(shown[:, None], out, float(_PAD))


def _sampled(pictures: Tensor, grid: Tensor) -> Tensor:
    return functional.grid_sample(pictures.float(), grid, padding_mode="border", align_corners=False)


@dataclass(frozen=True, slots=True)
class _Placing:
    """How pictures lie in canvases; every field (n,)."""

    turn: Tensor
    """Quarters, counter-clockwise: 0, 1 or 3."""
    mirror: Tensor
    wide: Tensor
    """Pixels of the turned picture."""
    tall: Tensor
    sx: Tensor
    """Canvas pixels for one of the picture's."""
    sy: Tensor
    left: Tensor
    top: Tensor

    def source(self, canvas: tuple[int, int], size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For each canvas pixel (n, h, w): x and y in the picture as it was, and whether it lies in the picture."""
        turn, mirror, wide, tall, sx, sy, left, top = (
            value.view(-1, 1, 1)
            for value in (self.turn, self.mirror, self.wide, self.tall, self.sx, self.sy, self.left, self.top)
        )
        width, height = (value.view(-1, 1, 1) for value in size.unbind(1))
        rows = torch.arange(canvas[0], device=size.device) + 0.5
        columns = torch.arange(canvas[1], device=size.device) + 0.5
        x = ((columns[None, None] - left) / sx).expand(-1, canvas[0], -1)
        y = ((rows[None, :, None] - top) / sy).expand(-1, -1, canvas[1])
        inside = (x >= 0) & (x < wide) & (y >= 0) & (y < tall)
        x = torch.where(mirror, wide - x, x)
        back_x = torch.where(turn == 0, x, torch.where(turn == 1, y, width - y))
        back_y = torch.where(turn == 0, y, torch.where(turn == 1, height - x, x))
        return back_x, back_y, inside

    def boxes(self, boxes: Tensor, size: Tensor) -> Tensor:
        """Boxes (n, m, 4) of the picture as it was, in canvas pixels: the inverse of `source`."""
        x1, y1, x2, y2 = boxes.unbind(-1)
        width, height = size[:, :1], size[:, 1:]
        turn, mirror, wide = self.turn[:, None], self.mirror[:, None], self.wide[:, None]
        a1 = torch.where(turn == 0, x1, torch.where(turn == 1, height - y2, y1))
        a2 = torch.where(turn == 0, x2, torch.where(turn == 1, height - y1, y2))
        b1 = torch.where(turn == 0, y1, torch.where(turn == 1, x1, width - x2))
        b2 = torch.where(turn == 0, y2, torch.where(turn == 1, x2, width - x1))
        a1, a2 = torch.where(mirror, wide - a2, a1), torch.where(mirror, wide - a1, a2)
        sx, sy, left, top = (value[:, None] for value in (self.sx, self.sy, self.left, self.top))
        return torch.stack([a1 * sx + left, b1 * sy + top, a2 * sx + left, b2 * sy + top], dim=-1)


def _kept(boxes: Tensor, classes: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes cut to their region; little rests are ignored, those outside are gone."""
    low, high = region[:, None, :2], region[:, None, 2:]
    cut = torch.cat([boxes[..., :2].clamp(low, high), boxes[..., 2:].clamp(low, high)], dim=-1)
    side = cut[..., 2:] - cut[..., :2]
    seen = side.prod(-1) / (boxes[..., 2:] - boxes[..., :2]).prod(-1).clamp(min=1e-6)
    little = (seen < 0.35) | (side.amax(-1) < 9) | (side.amin(-1) < 3)
    classes = torch.where((classes >= 0) & little, IGNORED, classes)
    return cut, torch.where((seen <= 0.02) | (side.amin(-1) < 1), ABSENT, classes)


def _within(region: Tensor, canvas: tuple[int, int], device: torch.device) -> Tensor:
    """Whether each canvas pixel lies in the region, bool (n, h, w)."""
    y = (torch.arange(canvas[0], device=device) + 0.5)[None, :, None]
    x = (torch.arange(canvas[1], device=device) + 0.5)[None, None]
    left, top, right, bottom = (edge.view(-1, 1, 1) for edge in region.unbind(1))
    return (x >= left) & (x < right) & (y >= top) & (y < bottom)
