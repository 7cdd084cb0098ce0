"""When a picture was captured, on this machine's clock, from when it says it was and when it came.

Arrival jitters with network and encoder; the camera's timestamps do not, but count from anywhere and drift. The least
delayed picture so far tells the offset between the two; it may creep by 500 ppm, which no crystal exceeds, so that a
drifting camera is followed and a burst of late pictures is not believed (after Moonfire NVR). Pure arithmetic; one
object a session.
"""

from __future__ import annotations

from dataclasses import dataclass

SLEW = 500e-6
"""Seconds the offset may creep towards later in a second."""
BACK_SECONDS = 1.0
FORWARD_SECONDS = 5.0
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a picture belongs in time."""

    captured_at: float
    """CLOCK_MONOTONIC."""
    lag_s: float
    """How much later than the least delayed picture it was here."""
    jumped: bool = False
    """The source's timestamps jumped: what came before does not connect."""
    odd: bool = False
    """Its time fits neither what came before nor, so far, what comes after: of no use."""


class Timeline:
    """Follows one source's clock."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._last: tuple[float, float] | None = None
        self._idle_lag_since: float | None = None
        self._least_late = 0.0
        self._odd: tuple[float, float] | None = None

    def place(self, pts_s: float, arrived_at: float, waited: bool) -> Moment:
        """Place a picture.

        Args:
            pts_s: its presentation time in seconds, as the source counts.
            arrived_at: CLOCK_MONOTONIC when it was here.
            waited: whether we had to wait for it; then a lag is not ours.
        """
        jumped = self._last is not None and self._jumps(pts_s, arrived_at, *self._last)
        if jumped and (self._odd is None or self._jumps(pts_s, arrived_at, *self._odd)):
            # one picture with a wrong time is no jump yet (servers that loop a file send such): the next one decides
            self._odd = (pts_s, arrived_at)
            return Moment(arrived_at, 0.0, odd=True)
        self._odd = None
        delay = arrived_at - pts_s
        if self._last is None or jumped or delay < self._offset:
            self._offset = delay
            self._idle_lag_since = None
        else:
            self._offset += min(delay - self._offset, SLEW * max(0.0, arrived_at - self._last[1]))
        self._last = (pts_s, arrived_at)
        lag_s = delay - self._offset
        self._forgive(lag_s, arrived_at, waited)
        return Moment(min(arrived_at, pts_s + self._offset), lag_s, jumped)

    @staticmethod
    def _jumps(pts_s: float, arrived_at: float, last_pts_s: float, last_arrived_at: float) -> bool:
        step = pts_s - last_pts_s
        return step < -BACK_SECONDS or step > max(0.0, arrived_at - last_arrived_at) + FORWARD_SECONDS

    def _forgive(self, lag_s: float, arrived_at: float, waited: bool) -> None:
        """Begin anew after seconds of lag that cannot be ours: that source's clock is slow, or its path got longer."""
        if lag_s < BACK_SECONDS or not waited:
            self._idle_lag_since = None
        elif self._idle_lag_since is None:
            self._idle_lag_since, self._least_late = arrived_at, lag_s
        else:
            self._least_late = min(self._least_late, lag_s)
            if arrived_at - self._idle_lag_since > _PATIENCE_SECONDS:
                self._offset += self._least_late
                self._idle_lag_since = None
