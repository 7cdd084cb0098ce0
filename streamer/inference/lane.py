"""What waits for one model, and when its next batch may leave. The arithmetic of `batcher`, without its traffic.

Pure values and a given `now`; used by `batcher` on the engine's loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from streamer.types import Answer, Frame

WINDOW_MIN_S, WINDOW_MAX_S = 0.002, 0.1
HORIZON_S = 2.0
"""A camera that has asked within this time is expected to ask again."""
MAX_CAMERAS = 4096
_SAMPLES, _ENOUGH = 64, 16  # arrivals over which a camera's period is measured, and the fewest that say something
_EMA = 0.2

Key = tuple[str, int, int]
"""camera, session, index: names a frame."""


@dataclass(slots=True, eq=False)
class Request:
    """A frame waiting for a model, and all who wait for its answer."""

    frame: Frame
    enqueued_at: float
    waiters: list[asyncio.Future[Answer]] = field(default_factory=list)
    """One a caller, so that a caller who leaves takes nothing from the others (a shield round a common one would cost
    two more turns of the loop a frame)."""
    settled: bool = False
    batch: int | None = None
    """The batch it left with; None while it waits."""

    @property
    def key(self) -> Key:
        """Which frame it is."""
        return self.frame.camera, self.frame.session, self.frame.index


@dataclass(slots=True)
class Pace:
    """How often one camera asks, and when it was served."""

    arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=_SAMPLES))
    served: int = 0
    """Turn of its last service; the lowest comes first."""

    def period_s(self) -> float | None:
        """Mean distance of its requests; counting over the span does not mind jitter."""
        if len(self.arrivals) < _ENOUGH:
            return None
        return (self.arrivals[-1] - self.arrivals[0]) / (len(self.arrivals) - 1)


@dataclass(slots=True)
class Lane:
    """All that waits for one model."""

    model: str
    unknown: Answer
    """The answer of nobody; it has the model's labels."""
    batch: int = 1
    """Frames in one batch beyond which nothing is gained."""
    pending: dict[Key, Request] = field(default_factory=dict)
    """Waiting and out, oldest first."""
    waiting: dict[Key, Request] = field(default_factory=dict)
    """Not sent yet, oldest first."""
    paces: dict[str, Pace] = field(default_factory=dict)
    answered: dict[str, tuple[Key, Answer]] = field(default_factory=dict)
    """The last answer of each camera."""
    turns: int = 0
    exec_s: float = 0.0
    """Usual execution time of a batch."""

    def enqueue(self, frame: Frame, now: float) -> Request:
        """Let a frame wait."""
        request = Request(frame, now)
        self.pending[request.key] = self.waiting[request.key] = request
        if len(self.paces) >= MAX_CAMERAS and frame.camera not in self.paces:
            self._forget_idle(now)
        self.paces.setdefault(frame.camera, Pace()).arrivals.append(now)
        return request

    def choose(self, limit: int) -> tuple[Request, ...]:
        """Up to `limit` requests, the oldest of each camera, the camera that was served longest ago first."""
        order = sorted(self.waiting.values(), key=lambda request: self.paces[request.frame.camera].served)
        chosen: dict[str, Request] = {}
        for request in order:
            if len(chosen) < limit:
                chosen.setdefault(request.frame.camera, request)
        for request in chosen.values():
            del self.waiting[request.key]
            # a turn of its own for each, so that ties within a batch favor nobody
            self.turns += 1
            self.paces[request.frame.camera].served = self.turns
        return tuple(chosen.values())

    def closes_at(self, now: float, limit: int) -> float:
        """When the next batch may leave: now if nothing is gained by waiting, else at the end of the window."""
        if len(self.waiting) >= limit:
            return now
        asked = {request.frame.camera for request in self.pending.values()}
        live = [camera for camera, pace in self.paces.items() if now - pace.arrivals[-1] <= HORIZON_S]
        if all(camera in asked for camera in live):
            return now
        periods = [period for camera in live if (period := self.paces[camera].period_s()) is not None]
        window_s = min(periods, default=WINDOW_MAX_S) - self.exec_s
        return self.oldest().enqueued_at + min(max(window_s, WINDOW_MIN_S), WINDOW_MAX_S)

    def oldest(self) -> Request:
        """Who waits longest; somebody must."""
        return next(iter(self.waiting.values()))

    def learn(self, exec_s: float) -> None:
        """Note how long a batch took."""
        self.exec_s = exec_s if self.exec_s == 0 else self.exec_s + _EMA * (exec_s - self.exec_s)

    def _forget_idle(self, now: float) -> None:
        asking = {request.frame.camera for request in self.pending.values()}
        for camera, pace in list(self.paces.items()):
            if camera not in asking and now - pace.arrivals[-1] > 10 * HORIZON_S:
                del self.paces[camera]
                self.answered.pop(camera, None)
