"""Which of a camera's pictures a streaming model is fed, and when its memory of the camera begins anew. No network.

A streaming model was trained at some frames a second and knows no other: its state moves on by one step of that time
grid. So pictures that come sooner are not fed (the last scores hold), and when they come later the picture before is
fed once more for each missing step, up to three. What lies on the two sides of a long gap, of a new connection or of a
scene cut has nothing to do with each other: the memory begins anew, and scores do not count until it is filled again.

Used by `behaviour`, one `Feed` a camera; the same live, in replay and in evaluation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamer.models.opencv import opencv
from streamer.types import Floats

GAP_S = 2.0
"""A hole in the frames beyond this ends the memory: what happened before it is another scene."""
MOST_HELD = 3
"""So many missing steps of the grid are filled with the picture before; more would show the model a still life."""
LATE_S = 1.0
"""A picture that is older than the last one by up to this is another pipeline's, a little late; beyond it time itself
has gone back."""
SKETCH = 16
"""Pictures are compared by so many by so many cells."""
CUT_LEVELS, CUT_SHARE = 24.0, 0.55
"""A cut: this share of the cells changed by more than this many levels (of 255) from one step to the next. Measured on
128 clips of real cameras at 5 steps a second: the wildest step of any changes 0.44 of the cells (median of the clips'
wildest steps: 0.04); of two pictures of different scenes, 96 in 100 differ in more than 0.55."""

Pixels = NDArray[np.uint8]


@dataclass(slots=True)
class Feed:
    """What one model remembers of one camera beside its state."""

    period_s: float
    """Of the model's time grid."""
    row: int
    """Where its state lies."""
    session: int = 0
    """0: nothing was seen yet."""
    at: float = 0.0
    """The last step of the grid, capture time in seconds."""
    seen_at: float = 0.0
    """Capture time of the last picture, fed or not."""
    steps: int = 0
    """How many the state has seen since it began."""
    picture: Pixels | None = None
    """The last one that was fed, as the network sees it."""
    values: Floats | None = None
    """The scores that hold."""
    used: int = 0
    """Turn of its last use; see `behaviour`."""
    _sketch: NDArray[np.float32] | None = field(default=None, repr=False)

    def due(self, session: int, time: float) -> tuple[int, str]:
        """Move to a picture's time.

        Returns:
            How many steps are due (0: the last scores hold), and why the memory begins anew with it: `start`,
            `session`, `gap`, `time`, or empty.
        """
        reason = self._breaks(session, time)
        if reason:
            self.session, self.at, self.seen_at, self.steps = session, time, time, 0
            self.picture = self.values = self._sketch = None
            return 1, reason
        self.seen_at = max(self.seen_at, time)
        steps = math.floor((time - self.at) / self.period_s + 0.5)
        if steps < 1:
            return 0, ""
        self.at += steps * self.period_s
        return steps, ""

    def take(self, picture: Pixels, steps: int) -> tuple[list[Pixels], bool]:
        """What the network is fed for a picture that is due.

        Args:
            picture: uint8 (h, w, 3), as the network sees it; kept until the next one, so nobody may write to it.
            steps: from `due`.

        Returns:
            One picture a step, the new one last; and whether it shows another scene than the one before, in which case
            it stands alone and the memory begins anew.
        """
        sketch = _sketch(picture)
        cut = self._sketch is not None and is_cut(self._sketch, sketch)
        held = [] if cut or self.picture is None else [self.picture] * min(steps - 1, MOST_HELD)
        self.picture, self._sketch = picture, sketch
        if cut:
            self.steps, self.values = 0, None
        return [*held, picture], cut

    def _breaks(self, session: int, time: float) -> str:
        if not self.session:
            return "start"
        if session != self.session:
            return "session"
        if time - self.seen_at > GAP_S:
            return "gap"
        return "time" if self.seen_at - time > LATE_S else ""


def is_cut(before: NDArray[np.float32], after: NDArray[np.float32]) -> bool:
    """Whether two sketches show different scenes.

    Args:
        before: float32 (SKETCH, SKETCH), mean brightness of cells, 0..255.
        after: the same, of the next step.
    """
    return float(np.mean(np.abs(after - before) > CUT_LEVELS)) > CUT_SHARE


def _sketch(picture: Pixels) -> NDArray[np.float32]:
    small = opencv().resize(picture, (SKETCH, SKETCH), interpolation=opencv().INTER_AREA)
    sketch: NDArray[np.float32] = small.mean(axis=2, dtype=np.float32)
    return sketch
