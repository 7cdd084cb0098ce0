"""The motion of a track: what the tracker library computes with 8 x 8 matrices, in plain numbers and far cheaper.

In the library's corner model (x1, y1, x2, y2 and their speeds) no coordinate has to do with another, and all have the
same noise. So the covariance is one 2 x 2 matrix four times over, and predict and update are a few products. For four
numbers a numpy call costs ten times what it computes, and twenty tracks are too few for arrays of tracks to pay off.

Source: Kalman filter of constant velocity with discrete white noise of the acceleration, and the noise of ByteTrack, as
in the `trackers` library (Joseph form there, the equal short form here); tests hold the two together to 1e-9. Called by
`bytetrack`. Pure.
"""

from __future__ import annotations

from typing import NamedTuple

_SEEN_NOISE = 0.1
"""Variance of a coordinate that a detector gives, square pixels of a frame of 1000."""
_DRIFT = 0.01
"""Variance that place and speed gain in one nominal step."""
_NOMINAL_S = 0.004
"""Steps that are off the nominal one by no more are taken for it: clocks and captures jitter."""


class Step(NamedTuple):
    """Time that passes, the same for all tracks, and what it adds to their variances."""

    length: float
    """In nominal steps."""
    place: float
    both: float
    """Added to the covariance of place and speed."""
    speed: float

    @staticmethod
    def of(elapsed_s: float, rate: float) -> Step:
        """The step for some seconds, at so many nominal steps a second."""
        length = elapsed_s * rate
        if abs(length - 1.0) <= _NOMINAL_S * rate:
            return Step(length, _DRIFT, 0.0, _DRIFT)
        square = length * length
        return Step(length, _DRIFT * (square * square) / 4.0, _DRIFT * (square * length) / 2.0, _DRIFT * square)


class Motion:
    """Where a box is, and how it moves; at first it stands still.

    Args:
        box: x1, y1, x2, y2 in pixels.
    """

    __slots__ = ("_covariance", "_speed", "_speed_variance", "_variance", "box")

    def __init__(self, box: list[float]):
        self.box = box
        """x1, y1, x2, y2 as expected now, pixels."""
        self._speed = [0.0, 0.0, 0.0, 0.0]
        self._variance, self._covariance, self._speed_variance = 1.0, 0.0, 1.0

    def predict(self, step: Step) -> None:
        """Move on."""
        length, place, both, speed = step
        x1, y1, x2, y2 = self.box
        dx1, dy1, dx2, dy2 = self._speed
        self.box = [x1 + length * dx1, y1 + length * dy1, x2 + length * dx2, y2 + length * dy2]
        self._variance += length * (2.0 * self._covariance + length * self._speed_variance) + place
        self._covariance += length * self._speed_variance + both
        self._speed_variance += speed

    def see(self, box: list[float]) -> None:
        """Take a box that was seen."""
        variance, covariance = self._variance, self._covariance
        seen = variance + _SEEN_NOISE
        gain, push = variance / seen, covariance / seen
        x1, y1, x2, y2 = self.box
        dx1, dy1, dx2, dy2 = self._speed
        off_x1, off_y1, off_x2, off_y2 = box[0] - x1, box[1] - y1, box[2] - x2, box[3] - y2
        self.box = [x1 + gain * off_x1, y1 + gain * off_y1, x2 + gain * off_x2, y2 + gain * off_y2]
        self._speed = [dx1 + push * off_x1, dy1 + push * off_y1, dx2 + push * off_x2, dy2 + push * off_y2]
        self._speed_variance -= push * covariance
        self._variance = variance * (1.0 - gain)
        self._covariance = covariance * (1.0 - gain)
