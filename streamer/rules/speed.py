"""How fast a thing really moves, whatever its box does: for rules about speed.

Measured over the last `least_s` seconds of its path and over each half of them; the least of the three counts: a box
that jumps once (two people change numbers, somebody steps out from behind a car) is fast in one half only, and one that
jumps to and fro gets nowhere on the whole. With a ground plane it is meters a second of the foot point. Without one the
unit is the thing's own height (the median of its boxes), and of two opposite edges of the box the one that moved less
is believed: a box that grows, shrinks or loses its legs does not move.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from streamer.ground import Ground
from streamer.rules.path import Box, Sighting, Thing

HOLE_S = 1.1
"""Between sightings that lie further apart than this nobody knows how it moved."""
_LEAST_TALL = 0.7
"""The median height of the boxes is hardly ever a smaller share of the usual height."""
_EDGE = 0.005
"""An edge of a box this near to the picture's is where the picture ends, not where the thing does."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast something was of late."""

    value: float
    """Meters a second where there is a ground plane, else heights of its own a second."""
    since: float
    """Capture time from which on it was measured, seconds."""
    height: float
    """The median of its boxes, as a fraction of the frame's height."""


def span_s(least_s: float) -> float:
    """Seconds of path that `speed` needs."""
    return max(least_s, HOLE_S) + HOLE_S


def speed(thing: Thing, least_s: float, aspect: float, ground: Ground | None = None, slow: float = 0.0) -> Speed | None:
    """How fast a thing moved over the last `least_s` seconds.

    Args:
        thing: with at least `span_s(least_s)` of path, once it is old enough.
        least_s: how long it is watched for, seconds; longer where frames are rare, so that there are two halves.
        aspect: width of the frame over its height.
        ground: the camera's ground plane.
        slow: below this the speed need not be exact: most people walk, and that is soon seen.

    Returns:
        None if it was not seen for long enough, or with a hole.
    """
    last, start = thing.last, thing.back(least_s)
    if start is not None and start is thing.path[-2]:
        start = thing.back(last.time - start.time + 1e-3)  # rare frames: one more, so that there are two halves
    if start is None:
        return None
    if ground is None and thing.tall > 0.0:
        most = _shift(start.box, last.box, aspect) / (_LEAST_TALL * thing.tall) / (last.time - start.time)
        if most < slow:
            return Speed(most, start.time, thing.tall)
    path = thing.since(start)
    if any(b.time - a.time > HOLE_S for a, b in itertools.pairwise(path)):
        return None
    half = (start.time + last.time) / 2
    middle = min(path[1:-1], key=lambda one: abs(one.time - half))
    height = thing.height(start)
    parts = ((start, middle), (middle, last), (start, last))
    return Speed(min(_way(a, b, aspect, height, ground) / (b.time - a.time) for a, b in parts), start.time, height)


def _way(a: Sighting, b: Sighting, aspect: float, height: float, ground: Ground | None) -> float:
    """How far it came, in meters or own heights; 0 beyond the horizon."""
    if ground is None:
        return _shift(a.box, b.box, aspect) / max(height, 1e-6)
    start, end = ground.spot(*a.foot), ground.spot(*b.foot)
    return 0.0 if start is None or end is None else math.hypot(end[0] - start[0], end[1] - start[1])


def _shift(a: Box, b: Box, aspect: float) -> float:
    """How far a box moved, in heights of the frame."""
    return math.hypot(aspect * _slide(a[0], a[2], b[0], b[2]), _slide(a[1], a[3], b[1], b[3]))


def _slide(low: float, high: float, new_low: float, new_high: float) -> float:
    """How far two opposite edges moved together: as far as the one that moved less, 0 if they moved apart."""
    cut_low, cut_high = min(low, new_low) <= _EDGE, max(high, new_high) >= 1 - _EDGE
    one, other = new_low - low, new_high - high
    if cut_low and cut_high:
        return 0.0
    if cut_low or cut_high:
        return other if cut_low else one
    return 0.0 if one * other <= 0 else min(one, other, key=abs)
