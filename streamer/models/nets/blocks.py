"""The blocks of an encoder, each with or without a memory of the previous frame: torchvision's, with a temporal shift.

A block takes frames (batch x steps, channels, h, w), those of one camera in order, and the first channels of the frame
before them; it gives frames, and the first channels of the last one. That is all of the temporal shift module in its
one-directional form (Lin, Gan, Han 2019): inside the residual branch an eighth of the channels are those of one frame
ago. One step or many, the same lines run, which is why training and serving agree.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Block(nn.Module):  # type: ignore[misc]  # torch is followed by no type checker here
    """A part of torchvision's network that remembers nothing; base of those that may."""

    def __init__(self, inner: Any):
        super().__init__()
        self.inner = inner
        self.shiftable = self._channels()
        """Channels of the residual branch, 0 if there is none. Read once: adapters may replace the layers later."""
        self.shift = 0
        """Channels that come from the previous frame."""
        self.size: tuple[int, int] = (0, 0)
        """(h, w) of what it gives, known once the encoder was built."""

    def _channels(self) -> int:
        return 0

    def forward(self, x: Tensor, past: Tensor | None, steps: int) -> tuple[Tensor, Tensor | None]:
        """See the module; `past` is (batch, shift, h, w), None where the block does not shift."""
        return self.inner(x), None

    def _shifted(self, x: Tensor, past: Tensor | None, steps: int) -> tuple[Tensor, Tensor | None]:
        if self.shift == 0 or past is None:
            return x, None
        first = x[:, : self.shift]
        if steps == 1:
            late, last = past, first
        else:
            frames = first.unflatten(0, (-1, steps))
            late = torch.cat([past.unsqueeze(1), frames[:, :-1]], 1).flatten(0, 1)
            last = frames[:, -1]
        return torch.cat([late, x[:, self.shift :]], 1), last


class Basic(Block):
    """ResNet's block of two 3x3 convolutions."""

    def _channels(self) -> int:
        return int(self.inner.conv1.in_channels)

    def forward(self, x: Tensor, past: Tensor | None, steps: int) -> tuple[Tensor, Tensor | None]:
        """See Block."""
        block = self.inner
        straight = x if block.downsample is None else block.downsample(x)
        source, last = self._shifted(x, past, steps)
        out = block.relu(block.bn1(block.conv1(source)))
        return block.relu(block.bn2(block.conv2(out)) + straight), last


class Inverted(Block):
    """MobileNet's inverted residual, of version 2 or 3; without its shortcut it remembers nothing."""

    def _channels(self) -> int:
        return int(self._branch[0][0].in_channels) if self.inner.use_res_connect else 0

    def forward(self, x: Tensor, past: Tensor | None, steps: int) -> tuple[Tensor, Tensor | None]:
        """See Block."""
        if not self.inner.use_res_connect:
            return self.inner(x), None
        source, last = self._shifted(x, past, steps)
        return x + self._branch(source), last

    @property
    def _branch(self) -> Any:
        return self.inner.conv if hasattr(self.inner, "conv") else self.inner.block


class Shuffle(Block):
    """ShuffleNetV2's unit; half of the channels pass, half are convolved, and both are dealt out anew."""

    def __init__(self, inner: Any):
        super().__init__(inner)
        self.half = int(inner.branch2[-2].num_features)

    def _channels(self) -> int:
        return int(self.inner.branch2[0].in_channels) if self.inner.stride == 1 else 0

    def forward(self, x: Tensor, past: Tensor | None, steps: int) -> tuple[Tensor, Tensor | None]:
        """See Block."""
        half, last = self.half, None
        if self.inner.stride == 1:
            source, last = self._shifted(x[:, half:], past, steps)
            left = x[:, :half]
        else:
            source, left = x, self.inner.branch1(x)
        both = torch.cat([left, self.inner.branch2(source)], 1)
        # sizes as plain numbers: read from the tensor they would become a dozen nodes of an exported graph
        height, width = self.size if self.size[0] else both.shape[2:]
        dealt = both.reshape(-1, 2, half, height, width).transpose(1, 2)
        return dealt.reshape(-1, 2 * half, height, width), last
