"""A model ready to run: family and runtime joined. Used by the worker process and by `LocalModels` alike.

This is the one place where frames become answers, so live and replay cannot differ.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ModelError
from streamer.inference.picture import Loaded, Picture
from streamer.inference.runtimes import Plan, open_runtime
from streamer.inference.settings import ModelSpec
from streamer.models.boxes import Letterbox
from streamer.models.card import Card
from streamer.models.detector import Pixels, family_of
from streamer.models.registry import MOTION
from streamer.types import Detections


def load(spec: ModelSpec, card: Card, plan: Plan) -> Loaded:
    """Load a model.

    Raises:
        ModelError: missing library, damaged file.
    """
    if spec.file == MOTION:
        return LoadedMotion(spec, plan)
    if card.task == "behaviour":
        from streamer.inference.behaviour import LoadedBehaviour

        return LoadedBehaviour(spec, card, plan)
    if card.family == "torchvision":
        from streamer.inference.runtimes.torch import LoadedTorchvision

        return LoadedTorchvision(spec, card, plan)
    if plan.runtime == "torch":
        from streamer.inference.runtimes.torch import LoadedTorch

        return LoadedTorch(spec, card, plan)
    return LoadedNetwork(spec, card, plan)


class LoadedNetwork:
    """An ONNX network of a family whose two steps are numpy."""

    def __init__(self, spec: ModelSpec, card: Card, plan: Plan):
        if spec.file == MOTION:
            raise ModelError("model motion has no network")
        self.plan = plan
        self._card = card
        self._family = family_of(card, spec.overrides)
        self._runtime = open_runtime(spec.file, plan)
        self._local = threading.local()

    def run(self, pictures: Sequence[Picture]) -> list[Detections]:
        """See Loaded; pictures of other shapes, and models that know no batch, run one after the other."""
        boxes = [self._family.canvas((p.pixels.shape[1], p.pixels.shape[0])) for p in pictures]
        groups: dict[Any, list[int]] = {}
        for i, box in enumerate(boxes):
            groups.setdefault(box.canvas if self._card.dynamic_batch else i, []).append(i)
        found: dict[int, Detections] = {}
        for members in groups.values():
            own = [boxes[i] for i in members]
            batch = self._prepare([pictures[i].pixels for i in members], own)
            outputs = self._runtime.run(batch)
            found.update(zip(members, self._family.decode(outputs, own), strict=True))
        return [found[i] for i in range(len(pictures))]

    def warm_up(self) -> None:
        """See Loaded; frames of 16:9 and 4:3, which nearly all cameras send."""
        width, height = self._card.input.width, self._card.input.height
        for tall in (width * 9 // 16, width * 3 // 4):
            blank = np.zeros((max(1, min(tall, height)), width, 3), np.uint8)
            self.run([Picture("", 0, 0.0, blank)] * min(self.plan.batch, 8))

    def close(self) -> None:
        """See Loaded."""
        self._runtime.close()

    def _prepare(self, frames: Sequence[Pixels], boxes: Sequence[Letterbox]) -> NDArray[Any]:
        """The input, in this thread's array of that size, which is reused from batch to batch."""
        arrays: dict[tuple[int, ...], NDArray[Any]] = self._local.__dict__.setdefault("buffers", {})
        shape = (len(frames), *boxes[0].canvas)
        if shape not in arrays and len(arrays) >= 8:
            arrays.clear()
        arrays[shape] = self._family.prepare(frames, boxes, arrays.get(shape))
        return arrays[shape]


class LoadedMotion:
    """Background subtraction; cameras are independent, one camera's frames are not."""

    def __init__(self, spec: ModelSpec, plan: Plan):
        from streamer.models.motion import Motion

        self.plan = plan
        self._motion = Motion(spec.overrides.confidence)
        self._locks: dict[str, threading.Lock] = {}

    def run(self, pictures: Sequence[Picture]) -> list[Detections]:
        """See Loaded."""
        found = []
        for picture in pictures:
            with self._locks.setdefault(picture.camera, threading.Lock()):
                found.append(self._motion.detect(picture.camera, picture.session, picture.time, picture.pixels))
        return found

    def warm_up(self) -> None:
        """See Loaded."""
        self.run([Picture("", i, 0.0, np.zeros((9, 16, 3), np.uint8)) for i in range(1)])
        self._motion.forget("")

    def close(self) -> None:
        """See Loaded."""
