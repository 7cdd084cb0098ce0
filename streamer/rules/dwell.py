"""Who is in which zone since when: the shared memory of intrusion and loitering.

A stay begins when the foot point of a track enters a zone and ends when it was outside, or unseen, for `leave_s`. Stays
outlive their track: when a tracker loses somebody and finds them again under a new number near the same spot, the new
track takes over the stay, so an identity switch neither restarts the clock nor raises a second alarm. Only sightings
count: a track that merely coasts neither begins nor prolongs a stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamer.places import Zone, foot_points
from streamer.types import Tracks

Box = tuple[float, float, float, float]

_WALK_HEIGHTS_S = 0.8
"""How far a person walks in a second, in own heights: 1.4 m/s over 1.7 m (Bohannon 1997, comfortable gait speed)."""
_TOP, _LOW = 0.01, 0.8
"""Who is so near that the top edge cuts off the head has the feet low in the picture, as fractions of its height."""
_HEIR_AGE_S = 1.0
"""A track that is older comes from elsewhere."""
_FARTHEST_HEIGHTS = 2.0
"""Beyond this it is anybody's guess who came back."""


@dataclass(slots=True)
class Stay:
    """One thing in one zone."""

    zone: str
    track_id: int
    label: str
    entered_at: float
    """Capture time of entering, seconds."""
    inside_at: float
    """Capture time when last seen inside."""
    inside_known: float
    """The same in known time."""
    seen_at: float
    """Capture time when last seen anywhere."""
    seen_box: Box
    """Where that was."""
    confidence: float
    """The mean of all sightings inside."""
    box: Box
    """Where it was last seen inside."""
    number: int
    """Tells this stay from others of the same track (who leaves and comes back)."""
    dwell_s: float = 0.0
    """Known seconds inside: between sightings inside without one outside in between."""
    whole: bool = False
    """Whether it was ever seen other than hanging from the picture's top edge."""
    sightings: int = 0
    """How often it was seen inside."""
    away_s: float = 0.0
    """Watched seconds since it was last seen inside."""
    outside: bool = False
    """Whether it was last seen outside."""
    announced: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """When a frame was taken, on the clocks that stays are judged by."""

    time: float
    """Capture time, seconds."""
    known: float
    """Known time (see KnownTime), seconds."""
    before: float
    """Capture time of the last known frame, seconds; that of this one if there was none."""
    watched_s: float
    """Of the seconds since the last frame, those in which leaving would have been noticed: not those of a gap."""
    aspect: float = 1.0
    """Width of the frame over its height: distances are compared in heights."""


class Stays:
    """All stays of one rule on one camera.

    Args:
        zones: those that the rule watches.
        leave_s: seconds outside or unseen that end a stay.
        heir_distance: how far, in box heights, a new track's foot point may be from a lost one's to be the same thing
            at once; more by walking speed for every second between them.
    """

    def __init__(self, zones: list[Zone], leave_s: float, heir_distance: float = 0.5):
        self._zones = zones
        self._leave_s = leave_s
        self._heir_distance = heir_distance
        self._stays: dict[tuple[str, int], Stay] = {}
        self._count = 0

    def update(self, now: Moment, tracks: Tracks) -> tuple[list[Stay], list[Stay]]:
        """Move to the next frame (with known tracks).

        Returns:
            The stays of things that are seen inside now, and those that ended.
        """
        if not len(tracks) and not self._stays:
            return [], []  # most cameras see nobody most of the time
        tracks = tracks.seen()
        rows = {track_id: i for i, track_id in enumerate(tracks.track_ids.tolist())}
        feet = foot_points(tracks.boxes)
        for stay in self._stays.values():
            stay.away_s += now.watched_s
        present = []
        for zone in self._zones:
            for i in np.flatnonzero(zone.contains(feet)):
                stay = self._stay(zone.name, int(i), tracks, rows, now)
                if not stay.outside:
                    stay.dwell_s += now.known - stay.inside_known
                stay.inside_at, stay.inside_known, stay.away_s = now.time, now.known, 0.0
                stay.sightings += 1
                stay.confidence += (float(tracks.confidence[i]) - stay.confidence) / stay.sightings
                stay.box = _box(tracks, int(i))
                stay.whole |= not hangs(stay.box)
                present.append(stay)
        for stay in self._stays.values():
            if stay.track_id in rows:
                stay.seen_at, stay.seen_box = now.time, _box(tracks, rows[stay.track_id])
                stay.outside = stay.inside_at < now.time
        over = [key for key, stay in self._stays.items() if stay.away_s > self._leave_s]
        return present, [self._stays.pop(key) for key in over]

    def _stay(self, zone: str, i: int, tracks: Tracks, rows: dict[int, int], now: Moment) -> Stay:
        track_id = int(tracks.track_ids[i])
        stay = self._stays.get((zone, track_id)) or self._inherit(zone, i, tracks, rows, now)
        if stay is None:
            self._count += 1
            box = _box(tracks, i)
            # a new track is told of at its second sighting: its first was here too, or about a step away
            born_at = now.time - float(tracks.ages_s[i])
            entered_at = now.before if born_at > now.before - 1e-3 else now.time
            stay = Stay(
                *(zone, track_id, tracks.label(i), entered_at, now.time, now.known, now.time, box),
                *(float(tracks.confidence[i]), box, self._count, now.time - entered_at),
            )
        self._stays[zone, track_id] = stay
        return stay

    def _inherit(self, zone: str, i: int, tracks: Tracks, rows: dict[int, int], now: Moment) -> Stay | None:
        """The stay of a lost track whose place this new track has taken."""
        box, born_at = _box(tracks, i), now.time - float(tracks.ages_s[i])
        best, nearest = None, 1.0
        if now.time - born_at > _HEIR_AGE_S:
            return None  # was followed on the way here
        for key, stay in self._stays.items():
            lost = stay.track_id not in rows and not stay.outside
            # who was followed while the other was still seen is somebody else
            if stay.zone == zone and lost and born_at > stay.seen_at + 1e-3:
                reach = self._heir_distance + _WALK_HEIGHTS_S * (now.time - stay.seen_at)
                distance = apart(stay.seen_box, box, now.aspect) / min(reach, _FARTHEST_HEIGHTS)
                if distance < nearest:
                    best, nearest = key, distance
        if best is None:
            return None
        stay = self._stays.pop(best)
        stay.track_id = int(tracks.track_ids[i])
        return stay


def hangs(box: Box) -> bool:
    """Whether the picture's top edge cuts a box off that ends well above the bottom: an arm, or legs without a head."""
    return box[1] < _TOP and box[3] < _LOW


def _box(tracks: Tracks, i: int) -> Box:
    x1, y1, x2, y2 = tracks.boxes[i].tolist()
    return x1, y1, x2, y2


def apart(a: Box, b: Box, aspect: float) -> float:
    """Between foot points, in heights of the taller box."""
    height = max(a[3] - a[1], b[3] - b[1], 1e-6)
    return float(np.hypot(aspect * (a[0] + a[2] - b[0] - b[2]) / 2, a[3] - b[3])) / height
