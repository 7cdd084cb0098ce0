"""Zones by which a vehicle may leave on red, a right turn as a rule: who leaves by them, and until when one may.

Somebody in the middle of a turn looks like somebody who goes straight on; so a vehicle is open for as long as it may
still turn off, and one that is lost from sight near such a zone is taken to have turned. Pure; capture time only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from streamer.places import Zone
from streamer.rules.passage import Passage
from streamer.rules.ruler import Vector

_AHEAD_SIZES = 2.0
"""A way is drawn on by so many sizes of the vehicle's box, to see whether it leads into a zone."""
LONGEST_WAIT_S = 15.0
"""Who neither left nor went on for so long is not judged."""

Turn = Literal["straight", "turned", "open", "undecided"]


class Exits:
    """The exempt zones of one camera.

    Args:
        zones: as drawn.
        turn_s: after moving for so long beyond the line, a vehicle that has not turned off goes straight on.
    """

    def __init__(self, zones: Sequence[Zone], turn_s: float):
        self._zones = zones
        self._turn_s = turn_s

    def taken(self, passage: Passage, aspect: float) -> bool:
        """Whether a vehicle is in one of the zones now.

        Args:
            passage: the vehicle.
            aspect: width of the frame over its height.
        """
        x1, _, x2, y2 = passage.last.box
        foot = ((x1 + x2) / 2 * aspect, y2)
        return self._inside([foot, passage.last.center], aspect)

    def turn(self, passage: Passage, time: float, aspect: float) -> Turn:
        """Whether a vehicle that was not seen in a zone went straight on."""
        assert passage.at is not None
        if not self._zones:
            return "straight"
        if passage.gone:
            return "turned" if self._inside(passage.ahead(_AHEAD_SIZES, lost=True), aspect) else "straight"
        if time - passage.at.time > LONGEST_WAIT_S:
            return "undecided"
        # who waits in the middle of a turn, for people who cross the exit, is still turning
        early = passage.moving_s < self._turn_s
        leads = self._inside(passage.ahead(_AHEAD_SIZES, lost=False), aspect)
        return "open" if early or leads else "straight"

    def _inside(self, points: list[Vector], aspect: float) -> bool:
        fractions = np.array(points) / (aspect, 1.0)
        return any(bool(zone.contains(fractions).any()) for zone in self._zones)
