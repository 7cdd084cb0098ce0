"""ByteTrack: which box of a frame continues which track.

The `trackers` library does the same at about twice the cost, most of it calls from one small object to the next; tests
hold the two together number by number. Called by `tracker`, which gives it time, kinds and everything else. No I/O.

Source: Zhang et al., ByteTrack, ECCV 2022: confident boxes choose among all tracks, the others continue what is left,
and only confident ones begin a track. As in the library, a track gets its number at its second sighting, and one
without a number is given up when it is missed twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.kalman import Motion, Step

_RATE = 5.0
"""Nominal steps a second, for the noise of motion."""


class Overlap(Protocol):
    """How much boxes overlap."""

    def compute(self, boxes_1: NDArray[Any], boxes_2: NDArray[Any]) -> NDArray[Any]:
        """(n, m) of boxes (n, 4) and (m, 4)."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When boxes and tracks belong together."""

    high: float
    """Confidence of boxes that choose first."""
    start: float
    """Confidence that begins a track."""
    min_iou: float
    """Overlap that makes box and track one thing."""
    lost_s: float
    """How long a track may go without a box, seconds."""


class _Track(Motion):
    __slots__ = ("away_s", "missed", "number")

    def __init__(self, box: list[float]):
        super().__init__(box)
        self.number = -1
        """From 0; -1 until the second sighting."""
        self.missed = 0
        """Frames since it was last seen."""
        self.away_s = 0.0


class ByteTrack:
    """The tracks of one camera."""

    def __init__(self, thresholds: Thresholds, overlap: Overlap):
        from scipy.optimize import linear_sum_assignment  # a fifth of a second that nobody else needs

        self._assign = linear_sum_assignment
        self._thresholds = thresholds
        self._overlap = overlap
        self._tracks: list[_Track] = []
        self._count = 0
        self._last_at: float | None = None

    def __len__(self) -> int:
        return len(self._tracks)

    @property
    def fresh(self) -> int:
        """How many tracks were seen but once and have no number yet."""
        return sum(track.number < 0 for track in self._tracks)

    def update(self, boxes: NDArray[np.float64], confidence: NDArray[np.float32], time: float) -> list[int]:
        """Move to the next frame.

        Args:
            boxes: float64 (n, 4), corners in thousandths of the frame.
            confidence: float32 (n,).
            time: seconds, later than the last time.

        Returns:
            For each box the number of the track that it continues, from 0; -1: none that has a number yet.
        """
        limits, tracks = self._thresholds, self._pass(time)
        rows, numbers = boxes.tolist(), [-1] * len(boxes)
        high = confidence >= limits.high
        strong, weak = np.flatnonzero(high), np.flatnonzero(~high)
        expected = np.array([track.box for track in tracks]).reshape(-1, 4)
        left, free = set(range(len(tracks))), strong.tolist()
        for i, j in self._pairs(expected, boxes, strong):
            numbers[j] = self._see(tracks[i], rows[j])
            left.remove(i)
            free.remove(j)
        rest = sorted(left)
        for i, j in self._pairs(expected[rest], boxes, weak):
            numbers[j] = self._see(tracks[rest[i]], rows[j])
        # who has no number by now was seen once: one miss is forgiven
        self._tracks = [it for it in tracks if it.away_s <= limits.lost_s and (it.number >= 0 or it.missed <= 1)]
        self._tracks += [_Track(rows[j]) for j in free if float(confidence[j]) >= limits.start]
        return numbers

    def _pass(self, time: float) -> list[_Track]:
        """Let time pass for all tracks; those that were not away for too long."""
        elapsed = 0.0 if self._last_at is None else time - self._last_at
        self._last_at = time
        if elapsed > 0:
            step = Step.of(elapsed, _RATE)
            for track in self._tracks:
                track.predict(step)
                track.missed += 1
                track.away_s += elapsed
        return [track for track in self._tracks if track.away_s <= self._thresholds.lost_s]

    def _pairs(
        self, expected: NDArray[np.float64], boxes: NDArray[np.float64], some: NDArray[np.intp]
    ) -> Iterator[tuple[int, int]]:
        """The best pairs of tracks and some of the boxes that overlap enough: row of `expected`, row of `boxes`."""
        overlap = self._overlap.compute(expected, boxes[some])
        if not overlap.size:
            return
        rows, columns = self._assign(overlap, maximize=True)
        shares: Sequence[float] = overlap[rows, columns].tolist()
        for i, j, share in zip(rows.tolist(), some[columns].tolist(), shares, strict=True):
            if share >= self._thresholds.min_iou:
                yield i, j

    def _see(self, track: _Track, box: list[float]) -> int:
        track.see(box)
        track.missed, track.away_s = 0, 0.0
        if track.number < 0:
            track.number, self._count = self._count, self._count + 1
        return track.number
