"""YOLOX in PyTorch: the network that detectors are trained as (Ge et al. 2021, arXiv 2107.08430).

A CSP backbone, a feature pyramid that goes up and down again, and for each of three grids (strides 8, 16, 32) a head
with one branch for classes and one for box and objectness. `width` and `depth` scale it: 0.25 and 0.33 with depthwise
convolutions is YOLOX-Nano. Batch normalisation is optional, because released ONNX files have it folded into the
weights, and `models.nets.yoloxfile` reads those. Pixels go in as they are, 0 to 255; serving's arithmetic on the output
is `models.yolox`. Only training imports this.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

STRIDES = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class YoloxSettings:
    """What a network is made like; the same weights fit only the same settings."""

    labels: int
    """Number of classes."""
    width: float = 0.25
    """Channels, as a fraction of YOLOX-L's."""
    depth: float = 0.33
    """Blocks a stage, as a fraction of YOLOX-L's."""
    depthwise: bool = True
    """3x3 convolutions as a depthwise and a pointwise one."""
    norm: bool = False
    """Batch normalisation after each convolution: for training from nothing."""


class Yolox(nn.Module):  # type: ignore[misc]  # torch is Any here
    """The whole network."""

    def __init__(self, settings: YoloxSettings):
        super().__init__()
        self.settings = settings
        block = _Blocks(settings)
        c = [int(channels * settings.width) for channels in (64, 128, 256, 512, 1024)]
        n = max(round(3 * settings.depth), 1)
        self.stem = _Focus(block, c[0])
        self.stage2 = nn.Sequential(block.spread(c[0], c[1], 2), block.stage(c[1], c[1], n))
        self.stage3 = nn.Sequential(block.spread(c[1], c[2], 2), block.stage(c[2], c[2], 3 * n))
        self.stage4 = nn.Sequential(block.spread(c[2], c[3], 2), block.stage(c[3], c[3], 3 * n))
        self.stage5 = nn.Sequential(
            block.spread(c[3], c[4], 2), _Pyramid(block, c[4]), block.stage(c[4], c[4], n, shortcut=False)
        )
        self.reduce5 = block.point(c[4], c[3])
        self.up4 = block.stage(2 * c[3], c[3], n, shortcut=False)
        self.reduce4 = block.point(c[3], c[2])
        self.up3 = block.stage(2 * c[2], c[2], n, shortcut=False)
        self.shrink3 = block.spread(c[2], c[2], 2)
        self.down4 = block.stage(2 * c[2], c[3], n, shortcut=False)
        self.shrink4 = block.spread(c[3], c[3], 2)
        self.down5 = block.stage(2 * c[3], c[4], n, shortcut=False)
        self.heads = nn.ModuleList(_Head(block, channels, c[2], settings.labels) for channels in c[2:])

    def forward(self, images: Tensor) -> Tensor:
        """float32 (n, 3, h, w), BGR 0-255, sides multiples of 32, to logits (n, 5 + labels, anchors).

        Rows: x, y, w, h (raw, see `models.yolox`), objectness logit, class logits.
        """
        return joined(self.levels(images))

    def levels(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The same, a grid at a time: boxes (n, 4, ...) and logits (n, 1 + labels, h / stride, w / stride)."""
        return self.heads_of(self.backbone(images))

    def backbone(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The features of the three grids, before the pyramid."""
        p3 = self.stage3(self.stage2(self.stem(images)))
        p4 = self.stage4(p3)
        return p3, p4, self.stage5(p4)

    def heads_of(self, features: tuple[Tensor, Tensor, Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Pyramid and heads on the features of `backbone`; see `levels`."""
        p3, p4, p5 = features
        top = self.reduce5(p5)
        middle = self.reduce4(self.up4(torch.cat([_double(top), p4], dim=1)))
        low = self.up3(torch.cat([_double(middle), p3], dim=1))
        mid = self.down4(torch.cat([self.shrink3(low), middle], dim=1))
        high = self.down5(torch.cat([self.shrink4(mid), top], dim=1))
        return [head(level) for head, level in zip(self.heads, (low, mid, high), strict=True)]

    def backbone_parameters(self) -> list[nn.Parameter]:
        """The weights that `backbone` uses."""
        parts = (self.stem, self.stage2, self.stage3, self.stage4, self.stage5)
        return [parameter for part in parts for parameter in part.parameters()]


def joined(levels: list[tuple[Tensor, Tensor]]) -> Tensor:
    """All grids as one: logits (n, 5 + labels, anchors)."""
    return torch.cat([torch.cat(level, dim=1).flatten(2) for level in levels], dim=2)


class Served(nn.Module):  # type: ignore[misc]  # torch is Any here
    """A network with the ends that a model file has: probabilities, and rows or columns.

    float32 (n, 3, h, w) BGR 0-255 to (n, anchors, 5 + labels), as YOLOX exports it without `decode_in_inference`.
    """

    def __init__(self, net: Yolox):
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        levels = [torch.cat([box, logits.sigmoid()], dim=1) for box, logits in self.net.levels(images)]
        # sizes as plain numbers: in the graph they are constants then, which import makes dynamic where they may vary
        flat = [level.reshape(int(level.shape[0]), int(level.shape[1]), -1) for level in levels]
        return torch.cat(flat, dim=2).permute(0, 2, 1)


class _Blocks:
    """Makes the pieces that all parts are built of."""

    def __init__(self, settings: YoloxSettings):
        self.settings = settings

    def conv(self, into: int, out: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
        """Convolution, normalisation if any, SiLU."""
        norm = self.settings.norm
        parts: list[nn.Module] = [nn.Conv2d(into, out, size, stride, (size - 1) // 2, groups=groups, bias=not norm)]
        if norm:
            parts.append(nn.BatchNorm2d(out, eps=1e-3, momentum=0.03))
        return nn.Sequential(*parts, nn.SiLU())

    def point(self, into: int, out: int) -> nn.Sequential:
        """1x1."""
        return self.conv(into, out, 1)

    def spread(self, into: int, out: int, stride: int = 1) -> nn.Sequential:
        """3x3, depthwise if the settings say so."""
        if not self.settings.depthwise:
            return self.conv(into, out, 3, stride)
        return nn.Sequential(self.conv(into, into, 3, stride, groups=into), self.conv(into, out, 1))

    def stage(self, into: int, out: int, blocks: int, shortcut: bool = True) -> _Stage:
        """Cross-stage partial: half of the channels go through the blocks, half past them."""
        return _Stage(self, into, out, blocks, shortcut)


class _Focus(nn.Module):  # type: ignore[misc]  # torch is Any here
    """Deals the pixels out to four quarter-size images, then convolves."""

    def __init__(self, block: _Blocks, out: int):
        super().__init__()
        self.conv = block.conv(12, out, 3)

    def forward(self, x: Tensor) -> Tensor:
        quarters = (x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2])
        out: Tensor = self.conv(torch.cat(quarters, dim=1))
        return out


class _Residual(nn.Module):  # type: ignore[misc]  # torch is Any here
    def __init__(self, block: _Blocks, channels: int, shortcut: bool):
        super().__init__()
        self.point = block.point(channels, channels)
        self.spread = block.spread(channels, channels)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.spread(self.point(x))
        return y + x if self.shortcut else y


class _Stage(nn.Module):  # type: ignore[misc]  # torch is Any here
    def __init__(self, block: _Blocks, into: int, out: int, blocks: int, shortcut: bool):
        super().__init__()
        hidden = out // 2
        self.main = block.point(into, hidden)
        self.past = block.point(into, hidden)
        self.blocks = nn.Sequential(*(_Residual(block, hidden, shortcut) for _ in range(blocks)))
        self.join = block.point(2 * hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        main, past = self.main(x), self.past(x)  # computed in the order of their definition; `yoloxfile` relies on it
        out: Tensor = self.join(torch.cat([self.blocks(main), past], dim=1))
        return out


class _Pyramid(nn.Module):  # type: ignore[misc]  # torch is Any here
    """Spatial pyramid pooling: the same picture seen through windows of 5, 9 and 13 cells."""

    def __init__(self, block: _Blocks, channels: int):
        super().__init__()
        self.enter = block.point(channels, channels // 2)
        self.pools = nn.ModuleList(nn.MaxPool2d(size, 1, size // 2) for size in (5, 9, 13))
        self.leave = block.point(channels // 2 * 4, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        out: Tensor = self.leave(torch.cat([x, *(pool(x) for pool in self.pools)], dim=1))
        return out


class _Head(nn.Module):  # type: ignore[misc]  # torch is Any here
    def __init__(self, block: _Blocks, into: int, hidden: int, labels: int):
        super().__init__()
        self.stem = block.point(into, hidden)
        self.class_branch = nn.Sequential(block.spread(hidden, hidden), block.spread(hidden, hidden))
        self.classes = nn.Conv2d(hidden, labels, 1)
        self.box_branch = nn.Sequential(block.spread(hidden, hidden), block.spread(hidden, hidden))
        self.box = nn.Conv2d(hidden, 4, 1)
        self.objectness = nn.Conv2d(hidden, 1, 1)
        for layer in (self.classes, self.objectness):
            nn.init.constant_(layer.bias, -4.6)  # a chance of 0.01: training would start in noise

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        classes = self.classes(self.class_branch(x))
        x = self.box_branch(x)
        return self.box(x), torch.cat([self.objectness(x), classes], dim=1)


def _double(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
