"""How fast each camera is analysed: rate and latency over the last minute, for the status page and the demo.

Prometheus has the histograms; this is for people who look at one page. Bounded by construction; engine's loop only.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from streamer.clock import Clock

_WINDOW_S = 60.0
_MOST = 1024  # a minute at 17 analysed frames a second; faster cameras get a shorter window


@dataclass(frozen=True, slots=True)
class Pace:
    """One camera over the last minute."""

    last_captured_at: float
    """CLOCK_MONOTONIC capture time of the last analysed frame."""
    fps: float
    """Analysed frames a second."""
    p50_s: float
    """Median of capture to end of analysis, seconds."""
    p95_s: float
    """The same, 95th percentile."""


class Paces:
    """The pace of every camera."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._notes: dict[str, deque[tuple[float, float]]] = {}

    def note(self, camera: str, captured_at: float) -> float:
        """A frame was analysed just now; its latency in seconds."""
        now = self._clock.monotonic()
        self._notes.setdefault(camera, deque(maxlen=_MOST)).append((captured_at, now))
        return now - captured_at

    def forget(self, camera: str) -> None:
        """The camera left the configuration."""
        self._notes.pop(camera, None)

    def __contains__(self, camera: str) -> bool:
        return camera in self._notes

    def of(self, camera: str) -> Pace | None:
        """The pace of a camera; None before its first analysed frame."""
        notes = self._notes.get(camera)
        if not notes:
            return None
        now = self._clock.monotonic()
        last = notes[-1][0]
        while len(notes) > 1 and now - notes[0][1] > _WINDOW_S:
            notes.popleft()
        latencies = sorted(done - captured for captured, done in notes)
        span_s = max(now - notes[0][1], 1e-3)
        fps = (len(notes) - 1) / span_s if now - notes[-1][1] < _WINDOW_S else 0.0
        return Pace(
            last, fps, latencies[len(latencies) // 2], latencies[min(len(latencies) * 95 // 100, len(latencies) - 1)]
        )
