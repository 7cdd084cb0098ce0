"""Which pictures are analysed: those on a grid of presentation times, never more than `analyze_fps`.

Counting frames would need the camera's rate, which cameras announce wrongly and change at night; the arrival time
jitters with the network. So a picture is due when its own time reaches a new cell of the grid. The same code samples
live streams and recordings, so that both analyse the same pictures.
"""

from __future__ import annotations

import math

TOLERANCE = 0.1
"""Share of a period by which a picture may be early: cameras' timestamps jitter round the grid."""


class Sampler:
    """Picks pictures of one session.

    Args:
        fps: pictures a second to pick.
        burst: if set, no more than that many pictures are picked at once by arrival time, so that timestamps which run
            faster than time cannot flood the analysis; None for recordings, which arrive as fast as they are read.
    """

    def __init__(self, fps: float, burst: float | None = None):
        if not fps > 0:
            raise ValueError(f"Sampler: fps must be above 0, got {fps}")
        self.fps = fps
        self._burst = burst
        self._anchor: float | None = None
        self._cell = 0
        self._credit = burst or 0.0
        self._credit_at: float | None = None

    def take(self, pts_s: float, arrived_at: float = 0.0) -> bool:
        """Whether this picture is to be analysed; call it for each picture, in order of time.

        Args:
            pts_s: presentation time in seconds; a step back beyond one period anchors the grid anew.
            arrived_at: CLOCK_MONOTONIC seconds; only used with `burst`.
        """
        if self._anchor is None:
            self._anchor, cell = pts_s, 0
        else:
            cell = math.floor((pts_s - self._anchor) * self.fps + TOLERANCE)
            if cell < self._cell - 1:
                self._anchor, cell = pts_s, 0
            elif cell <= self._cell:
                return False
        self._cell = cell
        return self._burst is None or self._pay(self._burst, arrived_at)

    def restart(self) -> None:
        """Begin a new grid with the next picture."""
        self._anchor, self._cell = None, 0

    def _pay(self, burst: float, arrived_at: float) -> bool:
        if self._credit_at is not None:
            # a tenth more than the rate: a camera's clock may be a little fast, and jitter must not cost pictures
            self._credit = min(burst, self._credit + (arrived_at - self._credit_at) * self.fps * 1.1)
        self._credit_at = arrived_at
        if self._credit < 1.0:
            return False
        self._credit -= 1.0
        return True
