"""What cameras do to pictures, done to clips: the same parameters over all frames of a clip, another draw for each.

`draw` decides on the CPU, from the clip's own random numbers; `apply` does it where the batch lies. The order is that
of a real camera: the mount shakes, the lens blurs, rain falls before it, light is low, the sensor is noisy, the encoder
loses detail, the network loses frames. Called by `dataset` and `trainer`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from streamer.training.settings import AugmentSettings

_NOISE = 12.0  # levels of 255 (rms): a small sensor at high gain
_BLUR = 0.015  # of the width
_SHAKE = 0.02  # of a side
_HOLD = 0.3  # share of frames that a bad network loses


@dataclass(slots=True)
class Draw:
    """What is to befall one clip of T frames."""

    matrix: NDArray[np.float32]
    """(T, 2, 3), where each picture is taken from, as `affine_grid` has it; identity: nothing."""
    gain: float
    offset: float
    """Levels of 255."""
    gamma: float
    gray: float
    """0..1, how much color is lost."""
    noise: float
    """Levels of 255, rms."""
    blur: float
    """Sigma as a share of the width."""
    rain: float
    """Drops a picture, as a share of its width in pixels; 0: it is dry."""
    quality: int
    """x264's CRF of the encoding; 0: none."""
    shown: NDArray[np.int64]
    """(T,), which frame is shown at each time: itself, or one before it."""
    seed: int

    @property
    def moves(self) -> bool:
        """Whether pictures are taken from elsewhere."""
        return not np.array_equal(self.matrix, np.broadcast_to(np.eye(2, 3, dtype=np.float32), self.matrix.shape))


def draw(settings: AugmentSettings, frames: int, rng: np.random.Generator) -> Draw:
    """Decide what befalls a clip; takes the same count of random numbers whatever happens, for each kind its own."""
    mirror, place, tone, night, noisy, lens, wet, mount, network, codec, last = rng.spawn(11)
    matrix = np.tile(np.eye(2, 3, dtype=np.float32), (frames, 1, 1))
    side = place.uniform(settings.crop, 1.0)
    matrix[:, 0, 0] = matrix[:, 1, 1] = side
    matrix[:, :, 2] = place.uniform(-1, 1, 2) * (1 - side)
    if mirror.random() < settings.flip:
        matrix[:, 0, 0] *= -1
    if mount.random() < settings.shake:
        walk = mount.normal(0, 1, (frames, 2))  # a mast swings about its place: each picture pulls back to it
        for i in range(1, frames):
            walk[i] += 0.7 * walk[i - 1]
        matrix[:, :, 2] += (2 * _SHAKE * mount.uniform(0.2, 1) * walk / 2).astype(np.float32)
    gain, offset = 1 + tone.uniform(-1, 1) * settings.brightness, 128 * tone.uniform(-1, 1) * settings.brightness
    noise = noisy.uniform(2, _NOISE) if noisy.random() < settings.noise else 0.0
    gamma, gray = 1.0, 0.0
    if night.random() < settings.low_light:
        gain, offset, gamma = gain * night.uniform(0.15, 0.6), 0.0, night.uniform(1.0, 1.6)
        gray, noise = float(night.random() < 0.5) or night.uniform(0, 0.7), max(noise, night.uniform(2, _NOISE))
    shown = np.arange(frames)
    if network.random() < settings.drops:
        lost = network.random(frames) < network.uniform(0.05, _HOLD)
        lost[0] = False
        shown = np.maximum.accumulate(np.where(lost, 0, shown))
    return Draw(
        matrix=matrix,
        gain=gain,
        offset=offset,
        gamma=gamma,
        gray=gray,
        noise=noise,
        blur=lens.uniform(0.2, 1) * _BLUR if lens.random() < settings.blur else 0.0,
        rain=wet.uniform(0.1, 0.6) if wet.random() < settings.rain else 0.0,
        quality=int(codec.integers(28, 43)) if codec.random() < settings.reencode else 0,
        shown=shown,
        seed=int(last.integers(2**62)),
    )


def apply(pixels: torch.Tensor, draws: list[Draw]) -> torch.Tensor:
    """Do to a batch of clips what was drawn for each.

    Args:
        pixels: uint8 (B, T, height, width, 3) RGB.
        draws: B, each for at least T frames.

    Returns:
        float32 (B, T, 3, height, width), 0..255.
    """
    with torch.no_grad():
        clips = pixels.permute(0, 1, 4, 2, 3).float()
        return torch.stack([_one(clip, it) for clip, it in zip(clips, draws, strict=True)])


def _one(clip: torch.Tensor, it: Draw) -> torch.Tensor:
    frames, width = clip.shape[0], clip.shape[-1]
    generator = torch.Generator(clip.device)
    generator.manual_seed(it.seed)
    if it.moves:
        matrix = torch.from_numpy(np.ascontiguousarray(it.matrix[:frames])).to(clip.device)
        grid = functional.affine_grid(matrix, list(clip.shape), align_corners=False)
        clip = functional.grid_sample(clip, grid, padding_mode="reflection", align_corners=False)
    if it.blur * width > 0.3:
        clip = _blurred(clip, it.blur * width)
    if it.rain:
        clip = _rained(clip, it.rain, np.random.default_rng(it.seed))
    if it.gamma != 1.0:
        clip = 255 * (clip / 255).clamp(0, 1) ** it.gamma
    if (it.gain, it.offset) != (1.0, 0.0):
        middle = clip.mean() if it.offset else 0.0
        clip = (clip - middle) * it.gain + middle + it.offset
    if it.gray:
        luma = (clip * clip.new_tensor((0.299, 0.587, 0.114)).view(3, 1, 1)).sum(1, keepdim=True)
        clip = clip + it.gray * (luma - clip)
    if it.noise:
        clip = clip + it.noise * torch.randn(clip.shape, generator=generator, device=clip.device)
    clip = clip.clamp(0, 255)
    if it.quality:
        clip = _reencoded(clip, it.quality)
    shown = it.shown[:frames]
    return clip[torch.from_numpy(shown).to(clip.device)] if (shown != np.arange(frames)).any() else clip


def _blurred(clip: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur of each picture; sigma in pixels."""
    reach = min(max(1, math.ceil(3 * sigma)), min(clip.shape[-2:]) - 1)
    at = torch.arange(-reach, reach + 1, device=clip.device, dtype=clip.dtype)
    weights = torch.exp(-0.5 * (at / sigma) ** 2)
    weights = weights / weights.sum()
    flat = functional.pad(clip.flatten(0, 1)[:, None], (reach,) * 4, mode="reflect")
    flat = functional.conv2d(functional.conv2d(flat, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))
    return flat.view_as(clip)


def _rained(clip: torch.Tensor, amount: float, rng: np.random.Generator) -> torch.Tensor:
    """Bright slanted streaks, others in each picture; rain that near the lens is out of focus and lightens only."""
    frames, _, height, width = clip.shape
    layer = np.zeros((frames, 1, height, width), np.float32)
    slant = rng.uniform(-0.4, 0.4)
    for picture in layer:
        for _ in range(max(1, round(amount * width))):
            x, y = rng.uniform(0, width), rng.uniform(0, height)
            steps = np.arange(max(2, round(rng.uniform(0.05, 0.15) * height)))
            rows, columns = (y + steps).astype(int) % height, (x + slant * steps).astype(int) % width
            picture[0, rows, columns] = np.maximum(picture[0, rows, columns], rng.uniform(20, 70))
    return clip + torch.from_numpy(layer).to(clip.device)


def _reencoded(clip: torch.Tensor, quality: int) -> torch.Tensor:
    from streamer.training.reencode import reencode

    pixels: Any = clip.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    again = torch.from_numpy(reencode(pixels, quality)).to(clip.device)
    return again.permute(0, 3, 1, 2).float()
