"""The motion filter of tracks, without matrices: what the tracker library computes with 8 x 8 ones, far cheaper.

In the library's corner model (x1, y1, x2, y2 and their speeds) no coordinate has to do with another, and all have the
same noise. So its covariance is one 2 x 2 matrix four times over, and predict and update are a few products of four
numbers. The library's own arithmetic was 40 % of what tracking costs; tests hold the two together to 1e-9.

Source: Kalman filter of constant velocity as in `trackers.utils.kalman_filter` (Joseph form there, the equal short form
here). Plugged into the library through its `state_estimator_class`; called by `tracker`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@lru_cache(maxsize=1)
def corner_filter() -> type[Any]:
    """The class of filters, one instance a track; imports the tracker library, which takes half a second."""
    from trackers.utils.state_representations import XYXYStateEstimator

    class CornerFilter(XYXYStateEstimator):  # type: ignore[misc]  # the library is not typed
        """Four coordinates with one variance, covariance and speed variance between them."""

        _step: tuple[float, float | None] | None = None
        _of_step = (0.0, 0.0, 0.0)
        """Process noise of the last step: all tracks of a frame make the same one."""

        def __init__(self, bbox: Floats) -> None:
            """Begin at a box, standing still."""
            super().__init__(bbox)  # the library configures its noise on the filter that this one replaces
            self._at = np.array(bbox, np.float64)
            self._speed = np.zeros(4)
            self._variance, self._covariance, self._speed_variance = 1.0, 0.0, 1.0

        def predict(self, frame_step: float = 1.0, frame_rate: float | None = None) -> None:
            """Move on by `frame_step` frames of the library's nominal rate."""
            noise = self._noise(frame_step, frame_rate)
            self._at = self._at + frame_step * self._speed
            self._variance += frame_step * (2.0 * self._covariance + frame_step * self._speed_variance) + noise[0]
            self._covariance += frame_step * self._speed_variance + noise[1]
            self._speed_variance += noise[2]

        def update(self, bbox: Floats | None) -> None:
            """Take a box that was seen; None changes nothing."""
            if bbox is None:
                return
            seen = self._variance + float(self.kf.measurement_noise[0, 0])
            gain, speed_gain = self._variance / seen, self._covariance / seen
            surprise = bbox - self._at
            self._at = self._at + gain * surprise
            self._speed = self._speed + speed_gain * surprise
            self._speed_variance -= speed_gain * self._covariance
            self._variance *= 1.0 - gain
            self._covariance *= 1.0 - gain

        def _noise(self, step: float, rate: float | None) -> tuple[float, float, float]:
            """Process noise of one coordinate: of place, of place with speed, of speed; the same for all tracks."""
            if CornerFilter._step != (step, rate):
                built = self.motion.process_noise.build_Q(step, rate)
                CornerFilter._step = (step, rate)
                CornerFilter._of_step = float(built[0, 0]), float(built[0, 4]), float(built[4, 4])
            return CornerFilter._of_step

        def state_to_bbox(self) -> Floats:
            """Where the box is now, float64 (4,)."""
            return self._at

    return CornerFilter
