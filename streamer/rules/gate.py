"""Gates: where vehicles are counted, and how far a point is from one; a drawn line, or a line across a lane."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from streamer.places import Lane, Zone
from streamer.rules.sight import Vector


@dataclass(frozen=True, slots=True)
class Gate:
    """Where a place is counted; forward is from the arrow's left to its right."""

    name: str
    start: Vector
    end: Vector
    zone: Zone | None = None
    """Only the part of the line in it: two lanes that share a border share no crossing."""

    def holds(self, along: float) -> bool:
        """Whether a crossing at this share of the line passes the gate."""
        if not 0 <= along <= 1:
            return False
        (ax, ay), (bx, by) = self.start, self.end
        return self.zone is None or bool(
            self.zone.contains(np.array([[ax + along * (bx - ax), ay + along * (by - ay)]]))[0]
        )

    def measure(self, x: float, y: float, aspect: float) -> tuple[float, float]:
        """Of a point in heights: how far right of the endless line, in heights, and where along the gate (0..1)."""
        ax, ay = self.start[0] * aspect, self.start[1]
        bx, by = self.end[0] * aspect - ax, self.end[1] - ay
        square = bx * bx + by * by
        px, py = x - ax, y - ay
        return (bx * py - by * px) / math.sqrt(square), (bx * px + by * py) / square


def middle_gate(lane: Lane) -> tuple[Vector, Vector]:
    """A line across the middle of a lane, at right angles to its direction (as fractions of the frame go).

    Returns:
        Its ends, so that who crosses it in the lane's direction comes from its left to its right.
    """
    (dx, dy), polygon = lane.direction, lane.zone.polygon
    x, y = polygon.mean(axis=0)
    # the arrow points to where the traffic's left hand lies as seen, so its own right is where they go
    across = (dy, -dx)
    reach = 2.0
    ends = (x - reach * across[0], y - reach * across[1]), (x + reach * across[0], y + reach * across[1])
    return within(lane.zone, *ends) or ends


def within(zone: Zone, start: Vector, end: Vector) -> tuple[Vector, Vector] | None:
    """The part of a line between where it first enters a zone and where it last leaves it; None if it misses it."""
    steps = np.linspace(0.0, 1.0, 2001)
    points = np.array(start) + steps[:, None] * (np.array(end) - np.array(start))
    inside = zone.contains(points) & (points >= 0).all(axis=1) & (points <= 1).all(axis=1)
    hit = np.flatnonzero(inside)
    if not len(hit):
        return None
    a, b = points[hit[0]], points[hit[-1]]
    return (float(a[0]), float(a[1])), (float(b[0]), float(b[1]))
