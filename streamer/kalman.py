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
            # plain numbers: for four of them a numpy call costs ten times what it computes
            self._at: list[float] = [float(v) for v in bbox]
            self._speed = [0.0, 0.0, 0.0, 0.0]
            self._variance, self._covariance, self._speed_variance = 1.0, 0.0, 1.0
            self._seen_noise: float | None = None
            self._box: Floats | None = None
            """The place as an array, until it moves."""

        def predict(self, frame_step: float = 1.0, frame_rate: float | None = None) -> None:
            """Move on by `frame_step` frames of the library's nominal rate."""
            noise = self._noise(frame_step, frame_rate)
            x1, y1, x2, y2 = self._at
            dx1, dy1, dx2, dy2 = self._speed
            self._at = [x1 + frame_step * dx1, y1 + frame_step * dy1, x2 + frame_step * dx2, y2 + frame_step * dy2]
            self._variance += frame_step * (2.0 * self._covariance + frame_step * self._speed_variance) + noise[0]
            self._covariance += frame_step * self._speed_variance + noise[1]
            self._speed_variance += noise[2]
            self._box = None

        def update(self, bbox: Floats | None) -> None:
            """Take a box that was seen; None changes nothing."""
            if bbox is None:
                return
            if self._seen_noise is None:
                self._seen_noise = float(self.kf.measurement_noise[0, 0])
            seen = self._variance + self._seen_noise
            gain, speed_gain = self._variance / seen, self._covariance / seen
            (x1, y1, x2, y2), (dx1, dy1, dx2, dy2) = self._at, self._speed
            to_x1, to_y1, to_x2, to_y2 = bbox.tolist()
            off_x1, off_y1, off_x2, off_y2 = to_x1 - x1, to_y1 - y1, to_x2 - x2, to_y2 - y2
            self._at = [x1 + gain * off_x1, y1 + gain * off_y1, x2 + gain * off_x2, y2 + gain * off_y2]
            self._speed = [
                dx1 + speed_gain * off_x1,
                dy1 + speed_gain * off_y1,
                dx2 + speed_gain * off_x2,
                dy2 + speed_gain * off_y2,
            ]
            self._speed_variance -= speed_gain * self._covariance
            self._variance *= 1.0 - gain
            self._covariance *= 1.0 - gain
            self._box = None

        def _noise(self, step: float, rate: float | None) -> tuple[float, float, float]:
            """Process noise of one coordinate: of place, of place with speed, of speed; the same for all tracks."""
            if CornerFilter._step != (step, rate):
                built = self.motion.process_noise.build_Q(step, rate)
                CornerFilter._step = (step, rate)
                CornerFilter._of_step = float(built[0, 0]), float(built[0, 4]), float(built[4, 4])
            return CornerFilter._of_step

        def state_to_bbox(self) -> Floats:
            """Where the box is now, float64 (4,); not to be written to."""
            if self._box is None:
                self._box = np.array(self._at)
            return self._box

    return CornerFilter
