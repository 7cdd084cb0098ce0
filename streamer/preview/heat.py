"""A decision and where it is from, as a picture: heat over the frame, and the frames that led to it below.

Drawn from what `training.explain` found; called by `streamer explain`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.models.opencv import opencv
from streamer.preview.canvas import ORANGE, PURPLE, WHITE, YELLOW, Canvas
from streamer.training.explain import Explained

_STRIP = 5  # frames below, from the oldest to the last
_STRONGEST = 0.65  # of the color over the hottest place
_FAINT = 0.15  # heat below this is not drawn: everything is a little warm

Pixels = NDArray[np.uint8]


def picture(found: Explained, name: str) -> Canvas:
    """Draw it.

    Args:
        found: the decision.
        name: of the model, for the caption.
    """
    # the decision rests on the whole window: its last frame shows the evidence of all, the strip that of each
    main = Canvas(warmed(found.pictures[-1], found.heat.max(axis=0)))
    share = "" if found.threshold is None else f" (threshold {found.threshold:.2f})"
    main.text(f"{found.label} {found.score:.2f}{share}", (0.02, 0.06), YELLOW, 1.4, centered=False)
    cold = "" if found.warm else "; not warmed up, does not count"
    main.text(f"{name} at {found.times[-1]:.1f} s, {found.method}{cold}", (0.02, 0.95), WHITE, centered=False)
    picked = np.unique(np.linspace(0, len(found.times) - 1, _STRIP).round().astype(int))
    width = main.width // len(picked)
    parts = []
    for i in picked:
        small = Canvas(warmed(found.pictures[i], found.heat[i]))
        small.text(f"{found.times[i] - found.times[-1]:+.1f} s", (0.03, 0.12), WHITE, 4.0, centered=False)
        parts.append(_shrunk(small.pixels, width))
    strip = np.concatenate(parts, axis=1)
    spare = np.zeros((len(strip), main.width - strip.shape[1], 3), np.uint8)
    return Canvas(np.concatenate([main.pixels, np.concatenate([strip, spare], axis=1)]))


def warmed(pixels: Pixels, heat: NDArray[np.float32]) -> Pixels:
    """A picture with heat over it: the hotter, the brighter and the less of the picture is seen.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        heat: (H, W), 0..1.
    """
    steps = np.array([_FAINT, 0.6, 1.0])
    colors = np.array([PURPLE, ORANGE, YELLOW], np.float32)
    color = np.stack([np.interp(heat, steps, colors[:, i]) for i in range(3)], axis=-1)
    strength = (np.clip((heat - _FAINT) / (1 - _FAINT), 0, 1) * _STRONGEST)[..., None]
    mixed: Pixels = (pixels * (1 - strength) + color * strength).round().astype(np.uint8)
    return mixed


def _shrunk(pixels: Pixels, width: int) -> Pixels:
    cv2 = opencv()
    height = max(1, round(pixels.shape[0] * width / pixels.shape[1]))
    small: Pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return small
