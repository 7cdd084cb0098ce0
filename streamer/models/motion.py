"""`motion`: the detector that needs no weights. What differs from a camera's learnt background is reported as a box.

Runs in the worker process and in `LocalModels` like any model, with one `Background` per (camera, session). All rates
are in seconds of capture time, so 2 and 10 frames a second learn alike. The background is selective: what is in front
of it does not wash into it, so a person who stands still stays seen for over a minute; only then is it taken for
furniture. A change of most of the picture (lights, a moved camera) is no motion but a new background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.models.card import Card, Input
from streamer.models.detector import Pixels
from streamer.models.opencv import opencv
from streamer.types import Detections, Floats

LABELS = ("motion",)
_MAX_CAMERAS = 512  # backgrounds kept, 0.8 MB each; cameras that were renamed or removed fall out
CARD = Card(
    task="detection",
    family="motion",
    labels=LABELS,
    input=Input(width=416, height=416),
    confidence=0.5,
    license="Apache-2.0",
    source="built in",
)


@dataclass(frozen=True, slots=True)
class Tuning:
    """Thresholds; the defaults were chosen on synthetic scenes with sensor noise and on still CCTV."""

    width: int = 208
    """Working width in pixels: averaging down halves sensor noise and quarters the work."""
    learn_s: float = 2.0
    """Time at the start, and after a change of the whole picture, in which nothing is reported."""
    adapt_s: float = 12.0
    """Time constant with which what is background follows slow changes of light."""
    hold_s: float = 75.0
    """What stands in front of the background for so long without a break becomes part of it."""
    relearn_gap_s: float = 60.0
    """After so long without a frame nothing that was learnt is trusted."""
    contrast: float = 16.0
    """Least difference of brightness (0-255) that counts, however still the sensor is."""
    sigmas: float = 4.5
    """Difference in standard deviations of the pixel's own noise that counts."""
    min_area: float = 0.001
    """Smallest blob, as a fraction of the picture."""
    global_share: float = 0.5
    """A change of more of the picture than this is a change of light or view."""


class Motion:
    """Backgrounds of many cameras; not for use by several threads at once."""

    labels = LABELS

    def __init__(self, confidence: float | None = None, tuning: Tuning = Tuning()):
        self._confidence = CARD.confidence if confidence is None else confidence
        self._tuning = tuning
        self._backgrounds: dict[str, tuple[int, Background]] = {}

    def detect(self, camera: str, session: int, time_s: float, pixels: Pixels) -> Detections:
        """What moves, or stands where nothing stood, in the next frame of a camera's session.

        Args:
            camera: whose frame it is.
            session: a new number starts a new background, and forgets that of the old session.
            time_s: capture time; a frame that is not newer than the last one is judged, but not learnt.
            pixels: uint8 (H, W, 3) RGB.
        """
        known = self._backgrounds.pop(camera, None)
        if known is None or known[0] != session:
            known = (session, Background(self._tuning))
        self._backgrounds[camera] = known  # the one used last stands last
        if len(self._backgrounds) > _MAX_CAMERAS:
            del self._backgrounds[next(iter(self._backgrounds))]
        found = known[1].see(time_s, pixels)
        return found if self._confidence <= 0 else found.pick(found.confidence >= self._confidence)

    def forget(self, camera: str) -> None:
        """Drop what is known of a camera."""
        self._backgrounds.pop(camera, None)


class Background:
    """The learnt background of one camera's session."""

    def __init__(self, tuning: Tuning):
        self._tuning = tuning
        self._samples: list[Floats] = []
        self._learn_from: float | None = None
        self._last_s = 0.0
        self._global_since: float | None = None
        self._size = (0, 0)
        # (3, h, w) mean brightness and colors; the others (h, w): standard deviation of brightness, seconds in front,
        # recent flips, in front now, and by how much brightness differed in the last comparison
        self._mean: Floats = np.zeros((3, 0, 0), np.float32)
        self._sigma = self._age = self._flips = self._difference = np.zeros((0, 0), np.float32)
        self._front: NDArray[np.bool_] = np.zeros((0, 0), bool)

    def see(self, time_s: float, pixels: Pixels) -> Detections:
        """Judge a frame and learn from it; see Motion.detect."""
        picture = _shrink(pixels, self._tuning.width)
        elapsed_s = time_s - self._last_s
        if picture.shape[1:] != self._size or self._learn_from is None or elapsed_s > self._tuning.relearn_gap_s:
            self._restart(time_s, picture)
        if self._samples:
            self._learn(time_s, picture)
            return Detections.empty(LABELS)
        front, strength = self._compare(picture)
        if float(front.mean()) > self._tuning.global_share:
            self._changed_everywhere(time_s, picture)
            return Detections.empty(LABELS)
        self._global_since = None
        if elapsed_s > 0:
            self._update(min(elapsed_s, 5.0), picture, front)
            self._last_s = time_s
        return _blobs(front, strength, self._tuning.min_area)

    def _restart(self, time_s: float, picture: Floats) -> None:
        self._samples = [picture]
        self._size = (picture.shape[1], picture.shape[2])
        self._learn_from = self._last_s = time_s
        self._global_since = None

    def _learn(self, time_s: float, picture: Floats) -> None:
        """Collect pictures for `learn_s`; their median is the background (whoever walks through is not in it)."""
        if time_s > self._last_s:
            self._samples.append(picture)
            self._last_s = time_s
        if len(self._samples) > 24:  # a high frame rate must not cost memory
            self._samples = self._samples[::2]
        assert self._learn_from is not None
        if time_s - self._learn_from < self._tuning.learn_s or len(self._samples) < 3:
            return
        stack = np.stack(self._samples)
        self._mean = np.median(stack, axis=0).astype(np.float32)
        spread = np.median(np.abs(stack[:, 0] - self._mean[0]), axis=0) * 1.4826
        # few samples say little about one pixel, but neighbors are alike
        self._sigma = np.clip(_blur(spread.astype(np.float32), 9), 1.0, 12.0)
        self._age = np.zeros(self._size, np.float32)
        self._flips = np.zeros(self._size, np.float32)
        self._front = np.zeros(self._size, bool)
        self._samples = []

    def _compare(self, picture: Floats) -> tuple[NDArray[np.bool_], Floats]:
        """Which pixels are not background, and by how many thresholds they differ."""
        tuning = self._tuning
        now, before = picture[0] + 8, self._mean[0] + 8
        # automatic exposure changes all pixels by one factor; the median is deaf to objects
        gain = float(np.clip(np.median(now[::4, ::4] / before[::4, ::4]), 0.6, 1.6))
        before = before * gain
        usual = self._mean[1:] * gain
        color = np.abs(picture[1:] - usual).max(axis=0)
        threshold = np.maximum(tuning.sigmas * self._sigma, tuning.contrast)
        threshold *= 1 + np.maximum(self._flips - 4, 0) * 0.5  # leaves, flags, screens
        # a shadow darkens a little, and brightness and color by the same factor
        ratio = now / np.maximum(before, 1)
        tint = np.abs(picture[1:] - usual * ratio).max(axis=0)
        shadow = (ratio > 0.6) & (ratio < 1.0) & (tint < 0.6 * threshold)
        self._difference = np.abs(now - before)
        strength = np.maximum(self._difference, color * 1.2)
        strength[shadow] = 0
        strength /= threshold
        return _clean(strength > 1), strength

    def _changed_everywhere(self, time_s: float, picture: Floats) -> None:
        """Lights or view: after one second of it, start anew (a flash of lightning passes before)."""
        if self._global_since is None or time_s < self._global_since:
            self._global_since = time_s
        elif time_s - self._global_since >= 1.0:
            self._restart(time_s, picture)
        self._last_s = max(self._last_s, time_s)

    def _update(self, elapsed_s: float, picture: Floats, front: NDArray[np.bool_]) -> None:
        tuning = self._tuning
        near = _dilate(front, 5)  # the soft edge of what stands in front belongs to it
        self._age = np.where(near, self._age + elapsed_s, 0).astype(np.float32)
        rate = np.where(near, 0.0, 1 - np.exp(-elapsed_s / tuning.adapt_s)).astype(np.float32)
        rate[self._age > tuning.hold_s] = 1 - np.exp(-elapsed_s / 3.0)
        self._mean += (picture - self._mean) * rate
        noise = self._difference * 1.2533  # mean absolute deviation of a normal distribution
        slow = (rate > 0) & ~near
        self._sigma[slow] += (np.clip(noise, 0.5, 16)[slow] - self._sigma[slow]) * rate[slow] * 0.5
        self._flips *= np.exp(-elapsed_s / 30.0)
        self._flips += front != self._front
        self._front = front


def _blobs(front: NDArray[np.bool_], strength: Floats, min_area: float) -> Detections:
    """One box for each connected region, the strongest first."""
    cv2 = opencv()
    joined = _dilate(front, 7).astype(np.uint8)  # an arm, a body and a leg are one
    height, width = front.shape
    count, marks = cv2.connectedComponents(joined, connectivity=8)
    boxes, confidences = [], []
    least = max(4.0, min_area * height * width)
    for mark in range(1, min(count, 257)):
        mask = (marks == mark) & front
        area = int(mask.sum())
        if area < least:
            continue
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        boxes.append([columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height])
        confidences.append(1 - 0.5 * np.exp(-(max(float(strength[mask].mean()), 1.0) - 1) / 1.5))
    if not boxes:
        return Detections.empty(LABELS)
    order = np.argsort(-np.array(confidences), kind="stable")
    return Detections(
        np.array(boxes, np.float32)[order],
        np.array(confidences, np.float32)[order],
        np.zeros(len(boxes), np.int64),
        LABELS,
    )


def _shrink(pixels: Pixels, width: int) -> Floats:
    """float32 (3, h, w): brightness, red and blue less brightness, at working size."""
    cv2 = opencv()
    if pixels.shape[1] > width:
        height = max(1, round(pixels.shape[0] * width / pixels.shape[1]))
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    red, green, blue = np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue  # Rec. 601
    return np.stack([luma, red - luma, blue - luma])


def _blur(values: Floats, size: int) -> Floats:
    cv2 = opencv()
    blurred: Floats = cv2.blur(values, (size, size))
    return blurred


def _clean(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Drop single pixels (noise), then close small holes."""
    cv2 = opencv()
    median: Any = cv2.medianBlur(mask.astype(np.uint8), 3)
    closed = cv2.morphologyEx(median, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    result: NDArray[np.bool_] = closed.astype(bool)
    return result


def _dilate(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    cv2 = opencv()
    result: NDArray[np.bool_] = cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8)).astype(bool)
    return result
