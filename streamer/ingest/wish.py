"""What a picture of evidence is to show; ordered by the engine, taken by the reader that has the camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 as fractions of the picture."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One picture of one camera."""

    session: int
    """The frame's session."""
    index: int
    """The frame's index; the nearest one that the reader still has is taken."""
    boxes: Sequence[Box] = ()
    """Drawn into it."""
    captured_at: float | None = None
    """When it was captured, CLOCK_MONOTONIC; None: only a frame that is still there will do."""
    moments: Sequence[tuple[float, Box]] = field(default=())
    """If given, and what the camera sent is kept: the pictures of these instants (CLOCK_MONOTONIC), each with its box,
    side by side in the place of that frame."""
    pts: float | None = None
    """The frame's time as its source counts, seconds: in the stream that it is from, it says which picture it was."""
