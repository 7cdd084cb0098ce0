"""`streamer bench --batches`: what a batch of each size costs on this device, and whether it says what the CPU says.

No camera and no daemon: the model as the worker loads it, fed with frames from memory, from pixels to detections. The
reference is ONNX Runtime on the CPU in float32, on the same frames. Where there is a GPU this is the measurement of it;
where there is none, `--device cuda` is refused by whoever loads the model.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamer.errors import InputError, SourceError
from streamer.inference import plans
from streamer.inference.loaded import load
from streamer.inference.picture import Loaded, Picture
from streamer.inference.runtimes import Plan
from streamer.inference.settings import InferenceSettings, ModelSpec
from streamer.models.registry import MOTION, card_of, resolve
from streamer.types import Answer, Detections

SIZES = (1, 2, 4, 8, 16, 32)
_PICTURES = 64
_LEAST_S = 0.6
"""A size is measured for at least so long, after one round that is not counted."""
_STRONG = 0.3
"""Detections above it are compared: below, an order that hangs on the last bits decides which box is kept."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One batch size."""

    size: int
    batch_ms: float
    """Wall time of a batch, median."""
    frames_per_s: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"size": self.size, "batch_ms": round(self.batch_ms, 3), "frames_per_s": round(self.frames_per_s, 1)}


@dataclass(frozen=True, slots=True)
class Agreement:
    """The device beside the CPU."""

    frames: int
    detections: int
    """Strong ones that the CPU found."""
    missing: int
    """Of those, without one of the device's of the same label that overlaps by half."""
    box_error: float
    """Largest difference of a corner among pairs, as a fraction of the frame."""
    confidence_error: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "frames": self.frames,
            "detections": self.detections,
            "missing": self.missing,
            "box_error": round(self.box_error, 5),
            "confidence_error": round(self.confidence_error, 5),
        }


@dataclass(frozen=True, slots=True)
class Found:
    """All that was measured."""

    plan: Plan
    costs: Sequence[Cost]
    agreement: Agreement

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        costs = [cost.to_json() for cost in self.costs]
        return {"plan": self.plan.to_json(), "batches": costs, "agreement": self.agreement.to_json()}

    def to_text(self) -> str:
        """A table."""
        plan, same = self.plan, self.agreement
        lines = [f"{plan.runtime} {plan.precision} on {plan.device}: {plan.reason}", "batch   ms a batch   frames/s"]
        lines += [f"{cost.size:>5}{cost.batch_ms:>13.2f}{cost.frames_per_s:>11.0f}" for cost in self.costs]
        lines.append(
            f"beside float32 on the CPU, {same.frames} frames: {same.missing} of {same.detections} detections missing, "
            f"corners within {same.box_error:.4f} of the frame, confidence within {same.confidence_error:.4f}"
        )
        return "\n".join(lines)


def measure(model: str, device: str, precision: str, video: Path | None) -> Found:
    """Measure a detector.

    Args:
        model: name or file.
        device: as `inference.device`.
        precision: as `inference.precision`.
        video: frames to show; None: noise, which costs the same and shows nothing.

    Raises:
        InputError: the built-in motion detector, which has no batches; a video that cannot be read.
        ModelError: no such model, or the device is not there.
    """
    file = resolve(model, Path())
    if file == MOTION:
        raise InputError("bench: --batches needs a network; name one with --model (motion is not computed in batches)")
    card = card_of(file, "detection")
    spec = ModelSpec("bench", file)
    settings = InferenceSettings.model_validate(
        {"device": device, "precision": precision, "max_batch_size": max(SIZES)}
    )
    plan = plans.choose(spec, card, settings)
    pictures = _pictures(video, card.input.width)
    loaded = load(spec, card, plan)
    try:
        loaded.warm_up()
        sizes = [size for size in SIZES if size == 1 or card.dynamic_batch]
        costs = [_cost(loaded, pictures, size) for size in sizes]
        ours = [found for at in range(0, len(pictures), 8) for found in loaded.run(pictures[at : at + 8])]
    finally:
        loaded.close()
    reference = load(spec, card, Plan("onnxruntime", threads=plans.cpu_count()))
    theirs = [found for picture in pictures for found in reference.run([picture])]
    reference.close()
    return Found(plan, costs, compare(_detections(ours), _detections(theirs)))


def _detections(answers: Sequence[Answer]) -> list[Detections]:
    """A detector's answers are no scores."""
    return [answer for answer in answers if isinstance(answer, Detections)]


def compare(ours: Sequence[Detections], theirs: Sequence[Detections]) -> Agreement:
    """Pair every strong detection of `theirs` with the nearest of `ours` that has its label."""
    missing, total, boxes, confidences = 0, 0, [0.0], [0.0]
    for one, other in zip(ours, theirs, strict=True):
        for i in np.flatnonzero(other.confidence >= _STRONG):
            total += 1
            alike = np.flatnonzero(one.label_ids == other.label_ids[i])
            apart = np.abs(one.boxes[alike] - other.boxes[i]).max(axis=1, initial=0.0)
            size = float((other.boxes[i, 2:] - other.boxes[i, :2]).min())
            if not len(alike) or apart.min() > size / 2:
                missing += 1
                continue
            nearest = int(apart.argmin())
            boxes.append(float(apart[nearest]))
            confidences.append(abs(float(one.confidence[alike[nearest]] - other.confidence[i])))
    return Agreement(len(ours), total, missing, max(boxes), max(confidences))


def _cost(loaded: Loaded, pictures: Sequence[Picture], size: int) -> Cost:
    batches = [[pictures[(at + i) % len(pictures)] for i in range(size)] for at in range(0, len(pictures), size)]
    loaded.run(batches[0])
    times: list[float] = []
    while not times or sum(times) < _LEAST_S:
        begun = time.perf_counter()
        loaded.run(batches[len(times) % len(batches)])
        times.append(time.perf_counter() - begun)
    middle = float(np.median(times))
    return Cost(size, middle * 1000, size / middle)


def _pictures(video: Path | None, width: int) -> list[Picture]:
    """Frames at the size at which readers hand them over."""
    if video is None:
        random = np.random.default_rng(0)
        noise = random.integers(0, 256, (_PICTURES, width * 9 // 16, width, 3), np.uint8)
        return [Picture("bench", 1, float(i), pixels) for i, pixels in enumerate(noise)]
    from streamer.sources.file import FileSource  # libav: not where noise will do

    try:
        shown = list(itertools.islice(FileSource(video, 5.0, width, width), _PICTURES))
    except SourceError as error:
        raise InputError(f"bench: --video {video}: {error}") from error
    return [Picture("bench", 1, at, pixels) for _, at, pixels in shown]
