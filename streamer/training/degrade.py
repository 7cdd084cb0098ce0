"""What cameras do to pictures, on the training device: little light, noise, blur, block coding, no color.

Each picture of a batch gets its own mixture. Block coding is what JPEG and H.264 key frames do: 8x8 cosines, of which
the fine ones are rounded away.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_BLOCK = 8


class Degrade:
    """Spoils batches of pictures; random, from its own generator."""

    def __init__(self, device: torch.device, seed: int):
        self._random = torch.Generator(device).manual_seed(seed)
        self._sizes = torch.Generator().manual_seed(seed)
        self._device = device
        n = torch.arange(_BLOCK, device=device).float()
        self._cosines = torch.cos(math.pi / _BLOCK * (n[None] + 0.5) * n[:, None]) * 0.5
        self._cosines[0] *= 0.5**0.5
        self._steps = 1 + 0.35 * (n[:, None] + n[None])

    def __call__(self, images: Tensor) -> Tensor:
        """float32 (n, 3, h, w) BGR 0-255, sides multiples of 8; whole numbers again."""
        dark = self._uniform(len(images)) < 0.25
        x = self._color(images / 255)
        x = self._light(x, dark)
        x = self._noise(self._blur(x), dark)
        return self.code(x * 255).clamp(0, 255).round()

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, device=self._device, generator=self._random)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, device=self._device, generator=self._random)

    def _color(self, x: Tensor) -> Tensor:
        n = len(x)
        weights = torch.tensor([0.114, 0.587, 0.299], device=self._device).view(1, 3, 1, 1)
        gray = (x * weights).sum(1, keepdim=True)
        saturation = torch.where(self._uniform(n) < 0.15, 0.0, 0.5 + self._uniform(n))
        x = gray + (x - gray) * _each(saturation)
        x = x * (1 + 0.16 * (self._uniform(n, 3, 1, 1) - 0.5))
        mean = x.mean((1, 2, 3), keepdim=True)
        contrast, brightness = 0.65 + 0.6 * self._uniform(n), 0.75 + 0.5 * self._uniform(n)
        return ((x - mean) * _each(contrast) + mean * _each(brightness)).clamp(0, 1)

    def _light(self, x: Tensor, dark: Tensor) -> Tensor:
        n = len(x)
        gain = torch.where(dark, 0.12 + 0.5 * self._uniform(n), 1.0)
        gamma = torch.where(dark, 0.9 + 0.9 * self._uniform(n), 0.75 + 0.5 * self._uniform(n))
        return x.clamp(min=1e-4) ** _each(gamma) * _each(gain)

    def _blur(self, x: Tensor) -> Tensor:
        """One strength a batch: the sizes of a tensor are the same for all."""
        size = x.shape[2:]
        strength = torch.rand(2, generator=self._sizes)  # on the host: asking the device would make it wait
        if strength[0] < 0.5:
            return x
        factor = 1 + 1.5 * float(strength[1])
        small = functional.interpolate(x, scale_factor=1 / factor, mode="area")
        soft = functional.interpolate(small, size=size, mode="bilinear", align_corners=False)
        return torch.where(_each(self._uniform(len(x)) < 0.3), soft, x)

    def _noise(self, x: Tensor, dark: Tensor) -> Tensor:
        """Noise of the sensor, fine and coarse, stronger in the dark; half of the dark cameras turn up their gain."""
        n, _, height, width = x.shape
        strength = torch.where(self._uniform(n) < 0.5, 0.0, 0.05 * self._uniform(n)) * torch.where(dark, 1.0, 0.6)
        coarse = functional.interpolate(
            self._normal(n, 3, height // 2, width // 2), size=(height, width), mode="bilinear", align_corners=False
        )
        x = (x + _each(strength) * (self._normal(*x.shape) + coarse) * (0.5 + x.sqrt())).clamp(0, 1)
        lift = (0.5 / x.mean((1, 2, 3)).clamp(min=0.1)).clamp(1, 3)
        return (x * _each(torch.where(dark & (self._uniform(n) < 0.5), lift, 1.0))).clamp(0, 1)

    def code(self, x: Tensor) -> Tensor:
        """Block coding alone, of pictures 0-255; more than half are left as they are."""
        n, channels, height, width = x.shape
        coarse = torch.where(self._uniform(n) < 0.45, 8 + 45 * self._uniform(n) ** 2, 0.0)
        blocks = x.view(n, channels, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
        waves = torch.einsum("ij,bcyjxk,lk->bcyixl", self._cosines, blocks, self._cosines)
        steps = self._steps.view(1, 1, 1, _BLOCK, 1, _BLOCK) * coarse.clamp(min=1).view(-1, 1, 1, 1, 1, 1)
        kept = (waves / steps).round() * steps
        coded = torch.einsum("ji,bcyjxk,kl->bcyixl", self._cosines, kept, self._cosines)
        return torch.where(_each(coarse > 0), coded.reshape(x.shape), x)


def _each(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)
