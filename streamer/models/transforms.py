"""THE transform from a frame to what a behaviour network is fed; training caches the first half, serving calls both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.models.boxes import Letterbox
from streamer.models.card import Input
from streamer.models.opencv import opencv

Pixels = NDArray[np.uint8]


def fit(pixels: Pixels, input: Input) -> Pixels:
    """A frame at the network's size.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        input: size and manner.

    Returns:
        uint8 (h, w, 3) RGB.
    """
    cv2 = opencv()
    if input.fit == "stretch":
        return _resized(cv2, pixels, input.width, input.height)
    box = Letterbox.fit((pixels.shape[1], pixels.shape[0]), (input.width, input.height))
    out = np.full((input.height, input.width, 3), input.pad, np.uint8)
    out[: box.height, : box.width] = _resized(cv2, pixels, box.width, box.height)
    return out


def normalise(pixels: NDArray[np.uint8], input: Input) -> NDArray[np.float32]:
    """uint8 (N, h, w, 3) RGB to the network's float32 (N, 3, h, w)."""
    ordered = pixels if input.color == "RGB" else pixels[..., ::-1]
    mean, std = np.array(input.mean, np.float32), np.array(input.std, np.float32)
    planes = (ordered.astype(np.float32) * np.float32(input.scale) - mean) / std
    return np.ascontiguousarray(planes.transpose(0, 3, 1, 2))


def _resized(cv2: object, pixels: Pixels, width: int, height: int) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return pixels
    resized: Pixels = opencv().resize(pixels, (width, height), interpolation=opencv().INTER_AREA)
    return resized
