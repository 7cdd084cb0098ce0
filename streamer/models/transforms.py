"""A camera's frame to a behaviour model's input: the one transform, of training and of serving alike.

`fit` brings a picture to the model's size, as bytes (training keeps these); `normalise` makes numbers of them, a batch
at once. Scaling down averages areas, so that the result hardly depends on which size the picture had before: training
reads files at full size, serving gets frames that the reader has already made smaller.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.models.boxes import Letterbox
from streamer.models.card import Input
from streamer.models.opencv import opencv

Pixels = NDArray[np.uint8]


def fit(pixels: Pixels, input: Input) -> Pixels:
    """A picture at the model's size.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        input: the card's input; `fit` says how, `pad` fills what a letterbox leaves.

    Returns:
        uint8 (height, width, 3) RGB; the very same array where nothing had to be done.
    """
    box = Letterbox.fit((pixels.shape[1], pixels.shape[0]), (input.width, input.height))
    if input.fit == "stretch" or (box.width, box.height) == (input.width, input.height):
        return _resize(pixels, input.width, input.height)
    out = np.full((input.height, input.width, 3), input.pad, np.uint8)
    out[: box.height, : box.width] = _resize(pixels, box.width, box.height)
    return out


def normalise(pixels: Pixels, input: Input, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Pictures of the model's size as its numbers: (value x scale - mean) / std, planes, in the card's color order.

    Args:
        pixels: uint8 (N, height, width, 3) RGB, as `fit` gives them.
        input: the card's input.
        out: float32 (N, 3, height, width) to write into, if any.

    Returns:
        float32 (N, 3, height, width).
    """
    order = (0, 1, 2) if input.color == "RGB" else (2, 1, 0)
    shape = (pixels.shape[0], 3, *pixels.shape[1:3])
    if out is None:
        out = np.empty(shape, np.float32)
    for plane, channel in enumerate(order):
        gain = np.float32(input.scale / input.std[plane])
        offset = np.float32(-input.mean[plane] / input.std[plane])
        np.multiply(pixels[..., channel], gain, out=out[:, plane])
        out[:, plane] += offset
    return out


def _resize(pixels: Pixels, width: int, height: int) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return pixels
    cv2: Any = opencv()
    smaller = width < pixels.shape[1] or height < pixels.shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    resized: Pixels = cv2.resize(pixels, (width, height), interpolation=how)
    return resized
