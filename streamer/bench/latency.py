"""Which frame a result belongs to, and how old it was: burnt-in numbers matched with the simulator's send log.

The log wraps, so `Sent` copies it while the run goes on. Pure but for reading the log. Called by `trial` and `peer`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.simulator.sendlog import SentTimes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Results of one camera with the frames that they are of."""

    numbers: Ints
    """int64 (n,): the frame's number since the camera's start; -1 where none fits."""
    sent_at: Floats
    """float64 (n,): when it was sent, CLOCK_MONOTONIC seconds; nan where none fits."""


class Sent:
    """When every frame of every camera was sent, over a run of any length."""

    def __init__(self, log: SentTimes, cameras: int):
        self._log = log
        self._times: list[list[Floats]] = [[] for _ in range(cameras)]
        self._known = [0] * cameras

    def update(self) -> None:
        """Copy what was sent since the last call; call it at least every few minutes (8192 frames)."""
        for camera, parts in enumerate(self._times):
            new = self._log.history(camera, self._known[camera])
            self._known[camera] += len(new)
            parts.append(new)

    def times(self, camera: int) -> Floats:
        """float64 (frames,): instants by number; 0.0 for a frame that was not sent."""
        return np.concatenate(self._times[camera]) if self._times[camera] else np.zeros(0)

    def offered(self, camera: int, window: tuple[float, float]) -> int:
        """Frames sent from the window's begin to before its end."""
        times = self.times(camera)
        return int(np.count_nonzero((times >= window[0]) & (times < window[1])))


def match(times: Floats, loop: tuple[int, int], indices: Ints, at: Floats) -> Matches:
    """The newest frame that shows each index and was sent before the result was there.

    Args:
        times: when each frame was sent, as from `Sent.times`.
        loop: index of the first frame, and frames in the loop (at most 1024, so that indices do not repeat in it).
        indices: what the results read from their frames, -1 where nothing could be read.
        at: when the results were there.
    """
    start, length = loop
    if not len(times) or not len(indices):
        return Matches(np.full(len(indices), -1, np.int64), np.full(len(indices), np.nan))
    # a frame that was not sent has the instant of the one before, so that the instants stay sorted
    newest = np.searchsorted(np.maximum.accumulate(times), at, side="right") - 1
    numbers = newest - (start + newest - indices) % length
    good = (indices >= 0) & (numbers >= 0)
    sent_at = np.where(good, times[np.where(good, numbers, 0)], 0.0)
    good &= sent_at > 0
    return Matches(np.where(good, numbers, -1), np.where(good, sent_at, np.nan))
