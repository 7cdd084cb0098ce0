"""Following things from frame to frame: ByteTrack, wrapped so that all is in seconds.

Called by pipelines, one tracker per `watch`. `bytetrack` does association and motion; this wrapper gives it real time
stamps (so that any and changing frame rates behave alike), keeps ages and last positions, freezes on `unknown`
answers instead of ageing tracks, carries a thing through short misses of the detector, lets a box continue only a
track of its own kind, and starts none from a box that is but a part of another. No I/O; engine process.

Source: Zhang et al., ByteTrack, ECCV 2022 (two-stage association by confidence); parameters below are ours, tuned for
2-10 analysed frames a second of fixed cameras.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from streamer.bytetrack import ByteTrack, Thresholds
from streamer.overlap import WideIoU, area, shared
from streamer.types import Detections, Floats, Tracks

_SCALE = 1000.0
"""The noise of motion is in pixels: a square of 1000 stands for the frame."""
_WIDER = 0.3
"""At 2 frames a second somebody who walks leaves their own narrow box behind (Yang et al., C-BIoU, WACV 2023)."""
_APART = 10.0
"""Offset between kinds, in frames: boxes of two kinds never overlap."""
_REACH_S = 2.5
"""How far a lone thing may move in a second, in the longer sides of its box as fractions, and still be found again: who
runs at 7 m/s, seen in a picture of 16:9."""
_FARTHEST = 1.25
"""Beyond so many longer sides it is anybody's guess who came."""
_SURE = 0.5
"""Only a box that is so confident is found again so far away: at lower ones detectors see things that are not there."""
_KINDS = {"truck": "car", "bus": "car", "train": "car"}
"""Labels that detectors confuse from frame to frame and that are one thing to a tracker."""


class TrackerSettings(BaseModel):
    """How things are followed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    lost_seconds: float = Field(2.0, ge=0, description="How long a thing may go unseen and keep its number, seconds.")
    coast_seconds: float = Field(0.5, ge=0, description="How long an unseen thing is still reported, seconds.")
    start_confidence: float = Field(0.35, ge=0, le=1, description="Confidence that starts a track.")
    high_confidence: float = Field(0.3, ge=0, le=1, description="Confidence matched first; lower boxes only continue.")
    part_overlap: float = Field(
        0.6, gt=0, le=1, description="Share of the smaller box that makes the weaker of two boxes a part of the other."
    )
    min_iou: float = Field(
        0.2, ge=0, le=1, description="Overlap of prediction and box, each widened by 30 %, that makes them one thing."
    )

    def thresholds(self) -> Thresholds:
        """What the matching asks for."""
        return Thresholds(self.high_confidence, self.start_confidence, self.min_iou, self.lost_seconds)


@dataclass(slots=True)
class _Seen:
    first_at: float
    """Capture time of the first sighting."""
    last_known: float
    """Known time, which unknown answers stop."""
    box: list[float]
    confidence: float
    votes: dict[int, float] = field(default_factory=dict)
    """Summed confidence by label: a van that is a truck for one frame stays a car."""


class Tracker:
    """Gives each thing a number that stays with it."""

    def __init__(self, settings: TrackerSettings | None = None):
        self._settings = settings or TrackerSettings()
        self._overlap = WideIoU(_WIDER, self._settings.min_iou)
        self._matching = ByteTrack(self._settings.thresholds(), self._overlap)
        self._seen: dict[int, _Seen] = {}
        self._last = Tracks.empty()
        self._last_at: float | None = None
        self._before_at: float | None = None
        """Capture time of the last known frame before this one."""
        self._frozen_s = 0.0

    def update(self, detections: Detections, time: float) -> Tracks:
        """The tracks after this frame.

        Args:
            detections: of this frame; `unknown` ones freeze all tracks.
            time: capture time in seconds. A frame that is not later than the last one says nothing new and is left
                out: motion needs time.

        Returns:
            The things seen now, or unseen for at most `coast_seconds`; frozen copies of the last ones when unknown.
        """
        if self._last_at is not None and time <= self._last_at:
            return self._last if detections.known else replace(self._last, known=False)
        if not detections.known:
            if self._last_at is not None:
                # what nobody watched must not age a track: its clock and that of its motion stop meanwhile
                self._frozen_s += time - self._last_at
                self._last_at = time
            return replace(self._last, known=False)
        self._last_at = time
        known = time - self._frozen_s
        self._associate(detections, known, time)
        self._before_at = time
        self._forget(known)
        self._last = self._tracks(known, time, detections.labels)
        return self._last

    def _associate(self, detections: Detections, known: float, time: float) -> None:
        if not len(detections) and not len(self._matching):
            return  # most cameras see nobody most of the time
        boxes = detections.boxes + _kinds(detections.labels)[detections.label_ids, None] * _APART
        # half a person, or two in one box: may be who was followed before, but is nobody new
        weak = _parts(boxes, detections.confidence, self._settings.part_overlap)
        below = np.float32(self._settings.high_confidence - 0.01)
        confidence = np.where(weak, np.minimum(detections.confidence, below), detections.confidence)
        step_s = 0.0 if self._before_at is None else time - self._before_at
        # for boxes that are no flash of the detector only: in the first comparison, of the more confident boxes
        self._overlap.reach = min(_REACH_S * step_s, _FARTHEST)
        self._overlap.fresh = self._matching.fresh  # new ones come last
        self._overlap.sure = confidence[confidence >= self._settings.high_confidence] >= _SURE
        numbers = self._matching.update(boxes * _SCALE, confidence, known)
        # plain lists: reading an array number by number costs more than all the rest of this loop
        rows, confidences, label_ids = (
            detections.boxes.tolist(),
            detections.confidence.tolist(),
            detections.label_ids.tolist(),
        )
        for i, track_id in enumerate(numbers):
            if track_id < 0:
                continue
            seen = self._seen.get(track_id)
            if seen is None:
                # a thing is told of at its second sighting
                first_at = time if self._before_at is None else self._before_at
                seen = self._seen[track_id] = _Seen(first_at, known, rows[i], 0.0)
            seen.last_known, seen.box = known, rows[i]
            seen.confidence = confidences[i]
            label_id = label_ids[i]
            seen.votes[label_id] = seen.votes.get(label_id, 0.0) + seen.confidence

    def _forget(self, known: float) -> None:
        lost_s = self._settings.lost_seconds
        for track_id in [i for i, seen in self._seen.items() if known - seen.last_known > lost_s]:
            del self._seen[track_id]

    def _tracks(self, known: float, time: float, labels: tuple[str, ...]) -> Tracks:
        coast_s = self._settings.coast_seconds
        rows = sorted((i, seen) for i, seen in self._seen.items() if known - seen.last_known <= coast_s)
        if not rows:
            return Tracks.empty(labels)
        return Tracks(
            boxes=np.array([seen.box for _, seen in rows], np.float32).reshape(-1, 4),
            confidence=np.array([seen.confidence for _, seen in rows], np.float32),
            label_ids=np.array([_winner(seen.votes) for _, seen in rows], np.int64),
            track_ids=np.array([i + 1 for i, _ in rows], np.int64),
            ages_s=np.array([time - seen.first_at for _, seen in rows], np.float32),
            labels=labels,
            unseen_s=np.array([known - seen.last_known for _, seen in rows], np.float32),
        )


@lru_cache(maxsize=64)
def _kinds(labels: tuple[str, ...]) -> NDArray[np.float64]:
    """What kind of thing each label is, float64 (labels,): its own number, or that of what it is easily taken for."""
    numbers = [labels.index(_KINDS[name]) if _KINDS.get(name) in labels else i for i, name in enumerate(labels)]
    return np.array(numbers, np.float64)


def _parts(boxes: NDArray[Any], confidence: Floats, overlap: float) -> NDArray[np.bool_]:
    """Which boxes, bool (n,), share more than `overlap` of the smaller one with a more confident box.

    Suppression by IoU keeps the box of a torso or of a backpack beside that of the whole person.
    """
    if len(boxes) < 2:
        return np.zeros(len(boxes), np.bool_)
    size = area(boxes)
    inside: Any = shared(boxes, boxes) > overlap * np.minimum(size[:, None], size[None])
    parts: NDArray[np.bool_] = (inside & (confidence[None] > confidence[:, None])).any(axis=1)
    return parts


def _winner(votes: dict[int, float]) -> int:
    """The label with the most confidence behind it; the lower number where two have the same."""
    if len(votes) == 1:
        return next(iter(votes))
    return min(votes, key=lambda label: (-votes[label], label))
