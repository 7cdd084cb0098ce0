"""Signal heads as cameras see them: by day and by night, wet, noisy, small, over-exposed; drawn with numpy."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.signals.settings import LampSettings

HUES = {"red": (1.0, 0.12, 0.08), "amber": (1.0, 0.62, 0.05), "green": (0.05, 0.95, 0.62)}
"""Linear RGB of LED lamps."""
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Weather:
    """What a picture of a head is like."""

    housing: float = 0.02
    """Linear brightness of the housing."""
    sky: float = 0.5
    """Of what is behind it."""
    lens: float = 0.06
    """What an unlit lens throws back."""
    lamp: float = 1.0
    """A lit lamp's brightness; above 1 it saturates."""
    glow: float = 0.0
    """How much of it spreads, over a lamp's size and more."""
    blur: float = 0.6
    """Of lens and codec, pixels."""
    noise: float = 2.0
    """Standard deviation, levels."""
    haze: float = 0.0
    """White added by rain or fog."""


DAY = Weather()
DUSK = Weather(housing=0.01, sky=0.08, lens=0.02, lamp=1.5, glow=0.05, noise=4.0)
NIGHT = Weather(housing=0.002, sky=0.005, lens=0.002, lamp=4.0, glow=0.12, noise=7.0)
RAIN = Weather(sky=0.3, haze=0.15, blur=1.2, lamp=0.8, glow=0.05, noise=6.0)
SUN_ON_THE_LENSES = Weather(housing=0.2, sky=0.6, lens=0.5, lamp=1.0, noise=3.0)


def settings(size: tuple[int, int], at: tuple[int, int], head: tuple[int, int]) -> LampSettings:
    """The drawing of a head of `head` pixels at a corner `at` of a picture of `size`, all (x, y)."""
    (w, h), (x, y), (hw, hh) = size, at, head
    corners = [(x / w, y / h), ((x + hw) / w, y / h), ((x + hw) / w, (y + hh) / h), (x / w, (y + hh) / h)]
    return LampSettings(head=corners)


def draw(
    size: tuple[int, int],
    at: tuple[int, int],
    head: tuple[int, int],
    lit: Collection[str],
    weather: Weather = DAY,
    rng: np.random.Generator | None = None,
    lamps: tuple[str, ...] = ("red", "amber", "green"),
) -> Picture:
    """A picture, uint8 (H, W, 3), with one upright head in it.

    Args:
        size: (width, height) of the picture.
        at: (x, y) of the head's upper left corner, pixels.
        head: (width, height) of the head, pixels.
        lit: names of the lamps that are lit.
        weather: how it looks.
        rng: of the noise; None: a fixed one.
        lamps: from the top.
    """
    width, height = size
    light = np.full((height, width, 3), weather.sky)
    x0, y0 = at
    light[y0 : y0 + head[1], x0 : x0 + head[0]] = weather.housing
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    cell = head[1] / len(lamps)
    radius = 0.42 * min(cell, head[0])
    for i, name in enumerate(lamps):
        distance = np.hypot(x - x0 - head[0] / 2, y - y0 - (i + 0.5) * cell)
        hue = np.array(HUES[name])
        light[distance < radius] = weather.lens * (0.3 + 0.7 * hue)
        if name in lit:
            disc = (distance < radius)[..., None] * weather.lamp * (0.15 + 0.85 * hue)
            halo = weather.glow * weather.lamp * np.exp(-((distance / (2.2 * radius)) ** 2))[..., None] * hue
            light = light + disc + halo
    light = _blurred(light, weather.blur) * (1 - weather.haze) + weather.haze
    levels = 255 * np.clip(light, 0, 1) ** (1 / 2.2)
    rng = rng or np.random.default_rng(0)
    return np.clip(levels + rng.normal(0, weather.noise, levels.shape), 0, 255).astype(np.uint8)


def _blurred(light: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    reach = max(1, round(3 * sigma))
    kernel = np.exp(-((np.arange(-reach, reach + 1) / sigma) ** 2) / 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        padded = np.pad(light, [(reach, reach) if a == axis else (0, 0) for a in range(3)], mode="edge")
        light = sum(
            weight * np.take(padded, range(i, i + light.shape[axis]), axis=axis) for i, weight in enumerate(kernel)
        )
    return light
