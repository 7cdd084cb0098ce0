"""Who is in which zone since when: the shared memory of intrusion and loitering.

A stay begins when the foot point of a track enters a zone and ends when it was outside, or unseen, for `leave_s`. Stays
outlive their track: when a tracker loses somebody and finds them again under a new number at the same spot, the new
track takes over the stay, so an identity switch neither restarts the clock nor raises a second alarm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamer.places import Zone, foot_points
from streamer.types import Tracks

Box = tuple[float, float, float, float]


@dataclass(slots=True)
class Stay:
    """One thing in one zone."""

    zone: str
    track_id: int
    label: str
    entered_at: float
    """Capture time of entering, seconds."""
    entered_known: float
    """The same in known time: dwell is counted in it."""
    inside_at: float
    """Capture time when last seen inside."""
    inside_known: float
    """The same in known time."""
    confidence: float
    """The best so far."""
    box: Box
    number: int
    """Tells this stay from others of the same track (who leaves and comes back)."""
    announced: bool = False

    def dwell_s(self) -> float:
        """Known seconds from entering until last seen inside."""
        return self.inside_known - self.entered_known


class Stays:
    """All stays of one rule on one camera.

    Args:
        zones: those that the rule watches.
        leave_s: seconds outside or unseen that end a stay.
        heir_distance: how far, in box heights, a new track's foot point may be from a lost one's to be the same thing.
    """

    def __init__(self, zones: list[Zone], leave_s: float, heir_distance: float = 0.5):
        self._zones = zones
        self._leave_s = leave_s
        self._heir_distance = heir_distance
        self._stays: dict[tuple[str, int], Stay] = {}
        self._count = 0

    def update(self, time: float, known_time: float, tracks: Tracks) -> tuple[list[Stay], list[Stay]]:
        """Move to the next frame (with known tracks).

        Returns:
            The stays of things that are inside now, and those that ended.
        """
        present = []
        feet = foot_points(tracks.boxes)
        alive = {int(track_id) for track_id in tracks.track_ids}
        for zone in self._zones:
            for i in np.flatnonzero(zone.contains(feet)):
                stay = self._stay(zone.name, int(i), tracks, alive, (time, known_time))
                stay.inside_at, stay.inside_known = time, known_time
                stay.confidence = max(stay.confidence, float(tracks.confidence[i]))
                stay.box = _box(tracks, int(i))
                present.append(stay)
        over = [key for key, stay in self._stays.items() if known_time - stay.inside_known > self._leave_s]
        return present, [self._stays.pop(key) for key in over]

    def _stay(self, zone: str, i: int, tracks: Tracks, alive: set[int], now: tuple[float, float]) -> Stay:
        track_id = int(tracks.track_ids[i])
        stay = self._stays.get((zone, track_id)) or self._inherit(zone, i, tracks, alive)
        if stay is None:
            self._count += 1
            time, known = now
            box, confidence = _box(tracks, i), float(tracks.confidence[i])
            stay = Stay(zone, track_id, tracks.label(i), time, known, time, known, confidence, box, self._count)
        self._stays[zone, track_id] = stay
        return stay

    def _inherit(self, zone: str, i: int, tracks: Tracks, alive: set[int]) -> Stay | None:
        """The stay of a lost track whose place this new track has taken."""
        box = _box(tracks, i)
        best, nearest = None, self._heir_distance
        for (other_zone, other_id), stay in self._stays.items():
            if other_zone == zone and other_id not in alive:
                distance = _distance(stay.box, box)
                if distance < nearest:
                    best, nearest = (other_zone, other_id), distance
        if best is None:
            return None
        stay = self._stays.pop(best)
        stay.track_id = int(tracks.track_ids[i])
        return stay


def _box(tracks: Tracks, i: int) -> Box:
    x1, y1, x2, y2 = (float(v) for v in tracks.boxes[i])
    return x1, y1, x2, y2


def _distance(a: Box, b: Box) -> float:
    """Between foot points, in heights of the taller box."""
    height = max(a[3] - a[1], b[3] - b[1], 1e-6)
    return float(np.hypot((a[0] + a[2] - b[0] - b[2]) / 2, a[3] - b[3])) / height
