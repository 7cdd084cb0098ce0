"""YOLOX: pixels to its letterboxed input, and its raw output to boxes.

Output rows are (x, y, w, h, objectness, class scores...), one an anchor point, over the grids of strides 8, 16 and 32
one after the other: centre = (xy + grid) * stride, size = exp(wh) * stride (YOLOX, Ge et al. 2021, and its
`demo_postprocess`). Objectness and class scores are probabilities already. One object per process and model; `prepare`
and `decode` may run in several threads at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ModelError
from streamer.models.boxes import Letterbox, suppress
from streamer.models.card import Card
from streamer.models.detector import Overrides, Pixels
from streamer.models.opencv import opencv
from streamer.types import Detections, Floats

STRIDES = (8, 16, 32)
_LARGEST = np.float32(10)  # exp of it times 8 is wider than any input: garbage must not overflow


class YoloX:
    """The two steps round a YOLOX network."""

    def __init__(self, card: Card, overrides: Overrides):
        if card.input.width % STRIDES[-1] or card.input.height % STRIDES[-1]:
            raise ModelError(
                f"family yolox: the input's sides must be multiples of {STRIDES[-1]}, got "
                f"{card.input.width}x{card.input.height}"
            )
        self.labels = card.labels
        self._input = card.input
        self._columns = card.output == "columns"
        self._order = (0, 1, 2) if card.input.color == "RGB" else (2, 1, 0)
        self._confidence = card.confidence if overrides.confidence is None else overrides.confidence
        self._iou = card.iou if overrides.iou is None else overrides.iou
        self._gain, self._offset = _affine(card)

    def canvas(self, size: tuple[int, int]) -> Letterbox:
        """See Family."""
        return Letterbox.fit(size, (self._input.width, self._input.height), self._input.stride)

    def prepare(self, frames: Sequence[Pixels], boxes: Sequence[Letterbox], out: NDArray[Any] | None) -> NDArray[Any]:
        """What the card's layout says: float32 (n, 3, h, w) or uint8 (n, 1, h, 3 w) of the canvas; see Family."""
        sized = [
            image if image.shape[:2] == (box.height, box.width) else _resize(image, box)
            for image, box in zip(frames, boxes, strict=True)
        ]
        if self._input.layout == "pixels":
            return self._paste(sized, boxes, out)
        shape = (len(frames), 3, *boxes[0].canvas)
        if out is None or out.shape != shape:
            out = np.empty(shape, np.float32)
        for image, box, planes in zip(sized, boxes, out, strict=True):
            for plane, channel in zip(planes, self._order, strict=True):
                plane[: box.height, : box.width] = image[:, :, channel]
                plane[box.height :] = self._input.pad
                plane[: box.height, box.width :] = self._input.pad
        if self._gain is not None:
            out *= self._gain
            out += self._offset
        return out

    def _paste(self, frames: Sequence[Pixels], boxes: Sequence[Letterbox], out: NDArray[Any] | None) -> NDArray[Any]:
        height, width = boxes[0].canvas
        shape = (len(frames), 1, height, 3 * width)
        if out is None or out.shape != shape:
            out = np.empty(shape, np.uint8)
        for image, box, canvas in zip(frames, boxes, out.reshape(-1, height, width, 3), strict=True):
            canvas[: box.height, : box.width] = image
            canvas[box.height :] = self._input.pad
            canvas[: box.height, box.width :] = self._input.pad
        return out

    def decode(self, outputs: Sequence[NDArray[Any]], boxes: Sequence[Letterbox]) -> list[Detections]:
        """See Family; a second output, if any, holds the anchor of each row (a device sends promising ones only).

        Raises:
            ModelError: the output is not that of a YOLOX with these labels at this canvas.
        """
        grid, stride = _grid(boxes[0].canvas)
        places = outputs[1] if len(outputs) > 1 else None
        # picked rows are rows anyway
        batch = outputs[0].transpose(0, 2, 1) if self._columns and places is None else outputs[0]
        anchors = len(grid) if places is None else places.shape[1]
        if batch.shape != (len(boxes), anchors, 5 + len(self.labels)):
            raise ModelError(
                f"family yolox: the output should be {(len(boxes), anchors, 5 + len(self.labels))}, got {batch.shape}"
            )
        found = []
        for i, box in enumerate(boxes):
            # most anchors see nothing: only those with enough objectness are looked at at all
            at = np.flatnonzero(batch[i, :, 4] > self._confidence)
            anchor = at if places is None else places[i, at]
            found.append(self._decode_rows(batch[i, at], grid[anchor], stride[anchor], box))
        return found

    def _decode_rows(self, rows: Floats, grid: Floats, stride: Floats, box: Letterbox) -> Detections:
        if len(rows) == 0:
            return Detections.empty(self.labels)
        classes = rows[:, 5:].argmax(axis=1)
        scores = rows[:, 4] * rows[np.arange(len(rows)), classes + 5]
        good = scores > self._confidence
        rows, grid, stride, classes, scores = rows[good], grid[good], stride[good], classes[good], scores[good]
        center = (rows[:, :2] + grid) * stride
        half = np.exp(np.minimum(rows[:, 2:4], _LARGEST)) * (stride * np.float32(0.5))
        corners = np.concatenate([center - half, center + half], axis=1)
        keep = suppress(corners, scores, classes, self._iou)
        return Detections(
            box.to_fractions(corners[keep]),
            scores[keep].astype(np.float32, copy=False),
            classes[keep].astype(np.int64, copy=False),
            self.labels,
        )


@lru_cache(maxsize=64)
def _grid(canvas: tuple[int, int]) -> tuple[Floats, Floats]:
    """Cell indices (n, 2) and strides (n, 1) of all anchor points of an input of (height, width)."""
    cells, strides = [], []
    for stride in STRIDES:
        y, x = np.mgrid[0 : canvas[0] // stride, 0 : canvas[1] // stride]
        cells.append(np.stack([x, y], axis=-1).reshape(-1, 2))
        strides.append(np.full((x.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _affine(card: Card) -> tuple[Floats | None, Floats | None]:
    """scale, mean and std as one multiplication and addition a channel; None where they change nothing."""
    spec = card.input
    gain = np.array([spec.scale / std for std in spec.std], np.float32).reshape(3, 1, 1)
    offset = np.array([-m / s for m, s in zip(spec.mean, spec.std, strict=True)], np.float32).reshape(3, 1, 1)
    return (None, None) if np.all(gain == 1) and np.all(offset == 0) else (gain, offset)


def _resize(image: Pixels, box: Letterbox) -> Pixels:
    cv2 = opencv()  # only sites whose frames do not fit pay for it
    resized: Pixels = cv2.resize(image, (box.width, box.height), interpolation=cv2.INTER_LINEAR)
    return resized
