"""torchvision's classification backbones as a chain of blocks, without their classifier; one frame to a feature map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from streamer.models.nets.blocks import Basic, Block, Inverted, Shuffle
from streamer.models.nets.settings import IMAGENET_MEAN, IMAGENET_STD, NetSettings


class Encoder(nn.Module):  # type: ignore[misc]  # torch is followed by no type checker here
    """The chain; `blocks` go from the picture to the features, so freezing the first n freezes the lowest.

    Args:
        settings: the net's.
        network: torchvision's network of that backbone, whose parts are taken over.
    """

    def __init__(self, settings: NetSettings, network: Any):
        super().__init__()
        blocks = _BLOCKS[settings.backbone.split("_v")[0]](network, settings.last_conv)
        self.blocks = nn.ModuleList(blocks)
        self.origins = _origins(blocks, network)
        """torchvision's names of the tensors, and their names here."""
        self._place_shifts(settings)
        self.memory: list[tuple[int, ...]] = []
        """(channels, h, w) of what each shifting block keeps, in order."""
        if settings.motion == "difference":
            _widen(self.blocks[0].inner)
        self._measure(settings)

    def forward(self, frames: Tensor, past: list[Tensor], steps: int) -> tuple[Tensor, list[Tensor]]:
        """Feature maps (batch x steps, channels, h, w), and what the shifting blocks keep."""
        kept: list[Tensor] = []
        for block in self.blocks:
            frames, last = block(frames, past[len(kept)] if block.shift else None, steps)
            if last is not None:
                kept.append(last)
        return frames, kept

    def _place_shifts(self, settings: NetSettings) -> None:
        if settings.temporal != "tsm":
            return
        places = [block for block in self.blocks if block.shiftable]
        count = min(settings.shifts or len(places), len(places))
        for i in range(count):
            block = places[int((i + 0.5) * len(places) / count)]
            block.shift = max(1, int(block.shiftable * settings.shift_share))

    def _measure(self, settings: NetSettings) -> None:
        """Run a blank frame through: every block learns its size, and so does the state."""
        training = self.training
        self.eval()
        channels = 3 + (settings.motion == "difference")
        with torch.no_grad():
            x = torch.zeros(1, channels, settings.height, settings.width)
            for block in self.blocks:
                if block.shift:
                    past = torch.zeros(1, block.shift, *x.shape[2:])
                    self.memory.append(tuple(past.shape[1:]))
                else:
                    past = None
                x, _ = block(x, past, 1)
                block.size = (int(x.shape[2]), int(x.shape[3]))
        self.channels = int(x.shape[1])
        self.shape = (self.channels, int(x.shape[2]), int(x.shape[3]))
        """Of the feature map."""
        self.train(training)


def _resnet(network: Any, last_conv: bool) -> list[Block]:
    stem = Block(nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool))
    layers = (network.layer1, network.layer2, network.layer3, network.layer4)
    return [stem, *(Basic(block) for layer in layers for block in layer)]


def _mobilenet(network: Any, last_conv: bool) -> list[Block]:
    first, *middle, last = network.features
    return [Block(first), *(Inverted(block) for block in middle), *([Block(last)] if last_conv else [])]


def _shufflenet(network: Any, last_conv: bool) -> list[Block]:
    stem = Block(nn.Sequential(network.conv1, network.maxpool))
    units = [Shuffle(unit) for stage in (network.stage2, network.stage3, network.stage4) for unit in stage]
    return [stem, *units, *([Block(network.conv5)] if last_conv else [])]


class Pixels(nn.Module):  # type: ignore[misc]  # torch is followed by no type checker here
    """The nets' normalised RGB back to 0..255, which YOLOX was trained on; exact at the border, unlike folding.

    The order stays RGB, though YOLOX was trained on BGR: for change over time its features measured better so
    (docs/models/fight.md has both).
    """

    def __init__(self) -> None:
        super().__init__()
        for name, values in (("gain", IMAGENET_STD), ("offset", IMAGENET_MEAN)):
            self.register_buffer(name, 255 * torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w), and the same shape."""
        return x * self.gain + self.offset


def _yolox(network: Any, last_conv: bool) -> list[Block]:
    """Up to stride 16: the stage that sees people as wholes, and the last one before the pyramid."""
    stages = (network.stage2, network.stage3, network.stage4)
    return [Block(nn.Sequential(Pixels(), network.stem)), *(Block(stage) for stage in stages)]


def _origins(blocks: list[Block], network: Any) -> dict[str, str]:
    theirs = {module: name for name, module in network.named_modules()}
    names: dict[str, str] = {}
    for i, block in enumerate(blocks):
        for part, module in block.inner.named_modules():
            if module not in theirs:
                continue  # a chain of parts that are apart in torchvision's network
            for own in (*dict(module.named_parameters(recurse=False)), *dict(module.named_buffers(recurse=False))):
                names[f"{theirs[module]}.{own}"] = ".".join(filter(None, (f"blocks.{i}.inner", part, own)))
    return names


_BLOCKS = {"resnet18": _resnet, "mobilenet": _mobilenet, "shufflenet": _shufflenet, "yolox_nano": _yolox}


def _widen(stem: Any) -> None:
    """Let the first convolution take a fourth channel, with the mean of its filters over the colors.

    What stands still adds nothing then, and what moves adds its edges, so trained weights keep their worth.
    """
    parent = stem
    while not isinstance(parent[0], nn.Conv2d):
        parent = parent[0]
    old = parent[0]
    new = nn.Conv2d(4, old.out_channels, old.kernel_size, old.stride, old.padding, bias=old.bias is not None)
    with torch.no_grad():
        new.weight.copy_(torch.cat([old.weight, old.weight.mean(1, keepdim=True)], 1))
        if old.bias is not None:
            new.bias.copy_(old.bias)
    parent[0] = new
