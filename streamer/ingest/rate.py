"""Whether a stream runs away: far more frames a second than it announces, for seconds (a looping proxy, a mad encoder).

One object a camera, kept over its sessions: a camera that simply announces a wrong rate is reconnected twice and then
believed, for a camera that is never watched is worse than one that is watched too fast.
"""

from __future__ import annotations

_FACTOR = 2.2
"""Twice and a tenth: many cameras announce half of their rate (fields for frames)."""
_UNKNOWN_FPS = 60.0
_WINDOW_SECONDS = 1.0
_BELIEVED_AFTER = 2


class RateCheck:
    """Measures one camera's frames a second of arrival."""

    def __init__(self, runaway_s: float):
        self.fps = 0.0
        """Measured over the last whole second."""
        self._runaway_s = runaway_s
        self._strikes = 0
        self._nominal = _UNKNOWN_FPS
        self._window_at: float | None = None
        self._frames = 0
        self._fast_since: float | None = None
        self._fast = False

    @property
    def believed(self) -> bool:
        """Whether the rate was too high so often that it is taken as it is."""
        return self._strikes > _BELIEVED_AFTER

    @property
    def runs_away(self) -> bool:
        """Whether the rate is too high now, and taken as it is."""
        return self.believed and self._fast

    def restart(self, announced_fps: float | None) -> None:
        """A session begins."""
        self._nominal = announced_fps or _UNKNOWN_FPS
        self._window_at = self._fast_since = None
        self._frames = 0

    def count(self, at: float) -> bool:
        """Note a decoded frame; True once when the stream has run away (`believed` says what to do)."""
        if self._window_at is None:
            self._window_at = at
        self._frames += 1
        span = at - self._window_at
        if span < _WINDOW_SECONDS:
            return False
        self.fps = self._frames / span
        self._fast = self.fps > self._nominal * _FACTOR
        if not self._fast:
            self._fast_since = None
        elif self._fast_since is None:
            self._fast_since = self._window_at
        self._window_at, self._frames = at, 0
        if self._fast_since is None or at - self._fast_since < self._runaway_s:
            return False
        self._strikes += 1
        self._fast_since = None
        return True

    @property
    def nominal(self) -> float:
        """Frames a second that the stream announces, or an upper bound for one that does not say."""
        return self._nominal
