"""When something that comes and goes counts as begun, and as over: hysteresis in seconds of known time.

What is measured (a count, a speed, an occupancy) swings about its threshold. A latch goes on after the condition held
for `on_s` without a break, and off after the opposite held for `off_s`; between the two thresholds it stays as it is.
Frames without an answer are not shown to it: their time does not count.
"""

from __future__ import annotations

from typing import Literal

_HAIR_S = 1e-6
"""Capture times are floats: 0.2 s five times over is a hair less than 1 s."""


class Latch:
    """One condition that begins and ends.

    Args:
        on_s: how long it must hold to begin, known seconds.
        off_s: how long it must fail to end, known seconds.
    """

    __slots__ = ("_failing", "_holding", "_off_s", "_on_s", "on", "started", "until")

    def __init__(self, on_s: float, off_s: float):
        self._on_s, self._off_s = on_s, off_s
        self._holding: float | None = None
        """Known time since which it has held."""
        self._failing: float | None = None
        self.on = False
        self.started = 0.0
        """Capture time when it began to hold, for the present or last spell."""
        self.until = 0.0
        """Capture time when it last did not fail."""

    def update(self, time: float, known: float, holds: bool, fails: bool | None = None) -> Literal["begin", "end", ""]:
        """Move to a frame.

        Args:
            time: capture time, seconds.
            known: known time, seconds.
            holds: whether the value is at the threshold that begins.
            fails: whether it is below the one that ends; the opposite of `holds` if left out.

        Returns:
            What this frame changes.
        """
        fails = not holds if fails is None else fails
        if self.on:
            return self._end(time, known, fails)
        if not holds:
            self._holding = None
            return ""
        if self._holding is None:
            self._holding, self.started = known, time
        if known - self._holding < self._on_s - _HAIR_S:
            return ""
        self.on, self.until, self._failing = True, time, None
        return "begin"

    def held_s(self, known: float) -> float:
        """For how many known seconds it has held or been on; 0 if it does not."""
        return 0.0 if self._holding is None else known - self._holding

    def _end(self, time: float, known: float, fails: bool) -> Literal["end", ""]:
        if not fails:
            self.until, self._failing = time, None
            return ""
        if self._failing is None:
            self._failing = known
        if known - self._failing < self._off_s - _HAIR_S:
            return ""
        self.on, self._holding = False, None
        return "end"
