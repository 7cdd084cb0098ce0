"""Detector and motion as one: what moves and the detector does not know is reported with the label `motion`.

Steep views, night and things of a few pixels are lost by detectors, while background subtraction still sees that
something moves. A box of motion that no detection explains is told once it has gone unexplained for a while *and* has
really gone somewhere: shadows, lamps, rain, screens and leaves flicker where they are. What the detector knew a moment
ago is not told again as motion: the tracker carries it over short misses. Seconds of known capture time; pure; one
object a camera, held by the handle of the detector.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.ignored import MOTION
from streamer.models.labels import COCO80
from streamer.overlap import area, shared
from streamer.types import Detections

_MOST_BLOBS = 64
_MOVERS = frozenset(
    (
        *("person", "bicycle", "car", "motorcycle", "bus", "train", "truck", "boat"),
        *("bird", "cat", "dog", "horse", "sheep", "cow"),
    )
)
"""Of the classes of COCO those that explain motion: a suitcase, a cell phone or an airplane that drives along a road is
a car from above that the detector does not know. Classes of other data sets all explain."""


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """When unexplained motion counts; chosen on the test footage (see docs/fusion.md)."""

    begin_s: float = 0.6
    """So long it must go unexplained."""
    known_s: float = 1.5
    """So long nothing is said of what a detection explained."""
    lost_s: float = 1.0
    """So long a box may be missing and still be the same thing."""
    explained: float = 0.25
    """Share of a box of motion that detections must cover to explain it."""
    sure: float = 0.35
    """Confidence from which a detection explains anything: that which starts a track."""
    moved: float = 0.25
    """How far it must have gone, in diagonals of its own box; ..."""
    moved_least: float = 0.03
    """... but at least so far, in frame heights; ..."""
    straight: float = 0.4
    """... and that must be this share of its whole way."""
    sightings: int = 3
    """How often it must have been seen, however few frames there are in a second."""
    present: float = 0.7
    """In which share of the frames since it came: what comes and goes (drops, insects at the lens) is no thing."""


@dataclass(slots=True)
class _Blob:
    """A moving region that is followed from frame to frame."""

    box: NDArray[Any]
    start: NDArray[Any]
    """Where its center was first, in frame heights."""
    center: NDArray[Any]
    seen_at: float
    """Known seconds."""
    plain_since: float
    """Since when no detection explains it."""
    known_at: float = -np.inf
    """When a detection last did."""
    velocity: Any = 0.0
    way: float = 0.0
    sightings: int = 1
    frames: int = 1
    """How often it could have been seen."""
    told: bool = False


class Fusion:
    """Joins the two answers of one camera, frame by frame."""

    def __init__(self, settings: FusionSettings | None = None):
        self._settings = settings or FusionSettings()
        self._blobs: list[_Blob] = []
        self._session = -1
        self._last_at: float | None = None
        self._frozen_s = 0.0

    def join(self, found: Detections, moving: Detections, session: int, time: float, aspect: float) -> Detections:
        """The detections, and the motion that they do not explain.

        Args:
            found: the detector's answer.
            moving: the motion detector's answer to the same frame.
            session: of the frame; another one begins anew.
            time: capture time, seconds.
            aspect: width of the frame over its height.

        Returns:
            Boxes of both, labels of the detector and `motion`; unknown if either answer is: what one of them might
            have seen is not known then.
        """
        labels = found.labels if MOTION in found.labels else (*found.labels, MOTION)
        if session != self._session or (self._last_at is not None and time <= self._last_at):
            self._blobs, self._session, self._last_at, self._frozen_s = [], session, None, 0.0
        known = found.known and moving.known
        if not known and self._last_at is not None:
            self._frozen_s += time - self._last_at
        self._last_at = time
        if not known:
            return Detections.unknown(labels)
        now = time - self._frozen_s
        extra = self._untold(found, moving, now, aspect)
        if not len(extra):
            return Detections(found.boxes, found.confidence, found.label_ids, labels)
        return Detections(
            np.concatenate([found.boxes, moving.boxes[extra]]),
            np.concatenate([found.confidence, moving.confidence[extra]]),
            np.concatenate([found.label_ids, np.full(len(extra), labels.index(MOTION), np.int64)]),
            labels,
        )

    def _untold(self, found: Detections, moving: Detections, now: float, aspect: float) -> NDArray[np.int64]:
        """Which boxes of motion are things of their own."""
        settings = self._settings
        for blob in self._blobs:
            blob.frames += 1
        self._blobs = [blob for blob in self._blobs if now - blob.seen_at <= settings.lost_s + 1e-6]
        if not len(moving):
            return np.zeros(0, np.int64)
        explained = self._explained(found, moving)
        told = []
        for i, blob in self._match(moving.boxes, now, aspect):
            if explained[i]:
                blob.known_at, blob.plain_since = now, now
            elif self._counts(blob, now, aspect):
                blob.told = True
                told.append(i)
        return np.array(sorted(told), np.int64)

    def _explained(self, found: Detections, moving: Detections) -> NDArray[np.bool_]:
        sure = found.boxes[(found.confidence >= self._settings.sure) & _explains(found.labels)[found.label_ids]]
        covered = shared(moving.boxes, sure).sum(axis=1)
        explained: NDArray[np.bool_] = covered >= self._settings.explained * area(moving.boxes)
        return explained

    def _counts(self, blob: _Blob, now: float, aspect: float) -> bool:
        settings = self._settings
        if now - blob.known_at < settings.known_s - 1e-6:
            return False
        if blob.told:
            return True
        gone = float(np.hypot(*(blob.center - blob.start)))
        return (
            blob.sightings >= max(settings.sightings, settings.present * blob.frames)
            and now - blob.plain_since >= settings.begin_s - 1e-6
            and gone >= max(settings.moved * _diagonal(blob.box, aspect), settings.moved_least)
            and gone >= settings.straight * blob.way
        )

    def _match(self, boxes: NDArray[Any], now: float, aspect: float) -> Iterable[tuple[int, _Blob]]:
        """Each box with its blob: the one that is nearest to where it should be by now, else a new one."""
        scale = np.array([aspect, 1.0])
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2 * scale
        pairs: list[tuple[float, int, int]] = []
        for k, blob in enumerate(self._blobs):
            ahead = blob.center + blob.velocity * (now - blob.seen_at)
            for i, box in enumerate(boxes):
                reach = (_diagonal(box, aspect) + _diagonal(blob.box, aspect)) * 0.75
                # a blob may as well have stopped
                away = min(float(np.hypot(*(centers[i] - at))) for at in (ahead, blob.center)) / reach
                if away < 1.0:
                    pairs.append((away, i, k))
        taken_boxes: dict[int, _Blob] = {}
        taken: set[int] = set()
        for _, i, k in sorted(pairs):
            if i not in taken_boxes and k not in taken:
                taken.add(k)
                taken_boxes[i] = self._moved(self._blobs[k], boxes[i], centers[i], now)
        for i, box in enumerate(boxes):
            if i not in taken_boxes and len(self._blobs) < _MOST_BLOBS:
                taken_boxes[i] = _Blob(box, centers[i], centers[i], now, now)
                self._blobs.append(taken_boxes[i])
        return taken_boxes.items()

    def _moved(self, blob: _Blob, box: NDArray[Any], center: NDArray[Any], now: float) -> _Blob:
        step = center - blob.center
        blob.velocity = 0.5 * blob.velocity + 0.5 * step / max(now - blob.seen_at, 1e-3)
        blob.way += float(np.hypot(*step))
        blob.box, blob.center, blob.seen_at = box, center, now
        blob.sightings += 1
        return blob


@lru_cache(maxsize=64)
def _explains(labels: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which labels explain motion, bool (labels,)."""
    return np.array([label in _MOVERS or label not in COCO80 for label in labels], np.bool_)


def _diagonal(box: NDArray[Any], aspect: float) -> float:
    return float(np.hypot((box[2] - box[0]) * aspect, box[3] - box[1]))
