"""What every detector family offers: frames to a network's input, and its output to detections. numpy, no runtime.

Called by whoever runs the network: the worker process and `LocalModels`. A family that keeps state or brings its own
network (motion, torchvision) implements the same two steps around its own run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ModelError
from streamer.models.boxes import Letterbox
from streamer.models.card import Card
from streamer.types import Detections

Pixels = NDArray[np.uint8]
"""uint8 (H, W, 3) RGB."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a site file changes of a model's card."""

    confidence: float | None = None
    iou: float | None = None


class Family(Protocol):
    """The two steps round a network."""

    labels: tuple[str, ...]

    def canvas(self, size: tuple[int, int]) -> Letterbox:
        """How a frame of (width, height) lies in the network's input; frames of equal canvas may share a batch."""

    def prepare(self, frames: Sequence[Pixels], boxes: Sequence[Letterbox], out: NDArray[Any] | None) -> NDArray[Any]:
        """The network's input for frames of one canvas; `out` may hold a reusable array of the right shape."""

    def decode(self, outputs: Sequence[NDArray[Any]], boxes: Sequence[Letterbox]) -> list[Detections]:
        """One Detections a frame from the network's outputs."""


def family_of(card: Card, overrides: Overrides) -> Family:
    """The family's two steps for a card whose network an ONNX runtime runs.

    Raises:
        ModelError: the family has no such steps here.
    """
    if card.family == "yolox":
        from streamer.models.yolox import YoloX

        return YoloX(card, overrides)
    raise ModelError(f"family {card.family!r} ({card.task}) cannot be run by an ONNX runtime here")
