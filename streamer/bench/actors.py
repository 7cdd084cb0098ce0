"""People and vehicles that move about without end, as a detector sees them: jitter, misses, comings and goings.

Half of them walk across the picture, half drive down its lanes; who leaves comes back as somebody else on the other
side. Seeded: the same every time. Pure numpy.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from streamer.types import Detections, Frame, Phase, Signal

LABELS = ("person", "car")
SIGNAL = "lights"
"""Name of the traffic signal that every frame carries."""
_JITTER = 0.015
"""Standard deviation of a box's edges, in its sizes: what YOLOX-nano shows on standing people."""
_MISSED = 0.08
"""Share of boxes that the detector misses."""
_PIXELS = 8
"""Pictures that take turns: for rules that look at pixels."""


class Actors:
    """So many things in the picture at any time.

    Args:
        count: how many.
        seed: of their ways and of the detector's errors.
    """

    def __init__(self, count: int, seed: int = 1):
        self._random = np.random.default_rng(seed)
        self._count = count
        self._walks = np.arange(count) % 2 == 0
        self._phase = self._random.uniform(0.0, 1.0, count)
        self._way = self._random.uniform(0.0, 1.0, count)
        self._pace = np.where(
            self._walks, self._random.uniform(0.03, 0.06, count), self._random.uniform(0.08, 0.2, count)
        )
        self._pixels = self._random.integers(90, 110, (_PIXELS, 234, 416, 3), np.uint8)

    def see(self, time: float) -> Detections:
        """What a detector finds at a capture time."""
        along = self._phase + self._pace * time
        turn, along = np.floor(along), np.mod(along, 1.0)
        back = (np.arange(self._count) + turn) % 4 >= 2
        along = np.where(back, 1.0 - along, along)
        depth = np.where(self._walks, 0.35 + 0.6 * self._way, 0.15 + 0.8 * along)
        x = np.where(self._walks, along, np.where(back, 0.5 - 0.25 * depth, 0.5 + 0.25 * depth))
        height = np.where(self._walks, 0.25, 0.12) * (0.3 + 0.7 * depth)
        half = np.where(self._walks, 0.17, 0.6) * height
        boxes = np.stack([x - half, depth - height, x + half, depth], axis=1)
        boxes += self._random.normal(0.0, _JITTER, boxes.shape) * height[:, None]
        confidence = self._random.uniform(0.4, 0.9, self._count)
        seen = self._random.uniform(size=self._count) >= _MISSED
        return Detections(
            boxes.astype(np.float32), confidence.astype(np.float32), np.where(self._walks, 0, 1), LABELS
        ).pick(seen)

    def frame(self, time: float, index: int) -> Frame:
        """The frame that goes with it; its signal has been red for a minute, and is vouched for."""
        pixels = self._pixels[index % _PIXELS]
        red = {SIGNAL: Signal("red", time - 60.0, source="feed", phases=(Phase("red", time - 60.0, time),))}
        return Frame("bench", 1, index, time, time, pixels, time, signals=red)


def busy(actors: Actors, seconds: float, fps: float, start: float = 0.0) -> Iterator[tuple[Frame, Detections]]:
    """Frames of a stretch of time with what is seen in them."""
    for i in range(round(seconds * fps)):
        time = start + i / fps
        yield actors.frame(time, i), actors.see(time)
