"""Vehicles: what traffic rules remember of each, through misses of the detector and switches of its number.

A rule that counts, times or accuses needs the same thing under the same number. A tracker gives that mostly: it loses
a vehicle behind a lamp post and finds it again under a new number, and exchanges the numbers of two that pass each
other. Both are mended here: a new track that appears where a lost one was heading takes it over, and two tracks that
fit each other's way much better than their own change places. Distances are in heights of the picture (x times the
aspect), and are compared with the size of the thing itself, so near and far vehicles are judged alike. Only sightings
count: a track that merely coasts says nothing new.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

import numpy as np

from streamer.ground import Ground
from streamer.rules.rule import KnownTime
from streamer.rules.sight import Sight, Vector, ground_ends, shift
from streamer.types import Frame, Tracks

_TRAIL = 48
"""Sightings that are kept: 3 s at 15 analyzed frames a second, and no less time at fewer."""
_PACE_S = 1.0
"""The speed that predicts where a vehicle is next is taken over this time: a single step is as noisy as two boxes."""
_HEIR_AGE_S = 1.1
"""A track that is older comes from elsewhere; the tracker tells of a new one at its second sighting."""
_FITS = 0.4
"""Distance from where it should be, in own sizes, that nobody wonders about."""
_SWAP_GAIN = 0.5
"""Two tracks change places if that halves (or better) how far both are from where they should be."""
_WATCHED_STEP_S = 1.0
"""So much of the time between two frames counts as watched: a vehicle may leave in a gap, but nobody saw it."""


@dataclass(slots=True, eq=False)
class Vehicle:
    """A thing on the road, and its last ways."""

    number: int
    """From 1; stays when the track's number changes."""
    track_id: int
    label: str
    """The tracker's word for it now."""
    confidence: float
    """Mean of all sightings."""
    sightings: int = 0
    away_s: float = 0.0
    """Watched seconds since it was last seen."""
    trail: deque[Sight] = field(default_factory=lambda: deque(maxlen=_TRAIL))
    """The last sightings, oldest first; never empty once it is handed out."""

    @property
    def now(self) -> Sight:
        """The last sighting."""
        return self.trail[-1]

    def since(self, window_s: float) -> Sight:
        """The oldest sighting that is at most so many known seconds older than the last one."""
        until = self.trail[-1].known - window_s - 1e-6
        found = self.trail[-1]
        for sight in reversed(self.trail):
            if sight.known < until:
                break
            found = sight
        return found

    def velocity(self, aspect: float, window_s: float = _PACE_S) -> Vector | None:
        """Heights of the picture a second over the last `window_s`; None while it was seen only once in it."""
        first, last = self.since(window_s), self.trail[-1]
        if first is last and len(self.trail) > 1:
            first = self.trail[-2]  # two frames a second or fewer: what there is
        took = last.time - first.time
        if took <= 0:
            return None
        dx, dy = shift(first, last, aspect)
        return dx / took, dy / took


class Vehicles:
    """All vehicles of one rule on one camera.

    Args:
        labels: names of the detector's classes that are vehicles.
        forget_s: watched seconds unseen after which a vehicle is gone.
        ground: the camera's, for rules that need meters.
    """

    def __init__(self, labels: list[str], forget_s: float, ground: Ground | None = None):
        self._ground = ground
        self._labels = frozenset(labels)
        self._forget_s = forget_s
        self._clock = KnownTime()
        self._last_known: float | None = None
        self._by_track: dict[int, Vehicle] = {}
        self._count = 0
        self.known = 0.0
        """Known time of the last frame, seconds."""
        self.step_s = 0.0
        """Watched seconds between the last two known frames; gaps without frames count as one second at most."""
        self.aspect = 1.0
        """Width of the frame over its height."""
        self.seen: list[Vehicle] = []
        """Those in the last frame."""
        self.gone: list[Vehicle] = []
        """Those that were given up with the last frame."""

    def __iter__(self) -> Iterator[Vehicle]:
        return iter(self._by_track.values())

    def __len__(self) -> int:
        return len(self._by_track)

    def update(self, frame: Frame, tracks: Tracks) -> bool:
        """Move to the next frame.

        Returns:
            Whether anything is known of it; if not, nothing has changed and nothing may be concluded.
        """
        self.known = self._clock.advance(frame.time, tracks.known)
        if not tracks.known:
            return False
        self.step_s = 0.0 if self._last_known is None else min(self.known - self._last_known, _WATCHED_STEP_S)
        self._last_known = self.known
        self.aspect = frame.size[0] / frame.size[1]
        self.seen, self.gone = [], []
        if not len(tracks) and not self._by_track:
            return True  # most roads are empty most of the time
        rows = self._rows(frame.time, tracks.seen())
        self._link(rows)
        self._give_up()
        return True

    def _rows(self, time: float, tracks: Tracks) -> dict[int, _Row]:
        boxes = tracks.boxes.astype(np.float64)
        wide, tall = (boxes[:, 2] - boxes[:, 0]) * self.aspect, boxes[:, 3] - boxes[:, 1]
        xs = ((boxes[:, 0] + boxes[:, 2]) / 2 * self.aspect).tolist()
        sizes = np.sqrt(np.maximum(wide * tall, 1e-8)).tolist()
        listed, ages = boxes.tolist(), tracks.ages_s.tolist()
        ends = [None] * len(boxes) if self._ground is None else ground_ends(self._ground, boxes)
        rows = {}
        for i, track_id in enumerate(tracks.track_ids.tolist()):
            label = tracks.label(i)
            if label in self._labels:
                x1, y1, x2, y2 = listed[i]
                sight = Sight(time, self.known, (x1, y1, x2, y2), xs[i], y2, sizes[i], ends[i])
                rows[track_id] = _Row(track_id, sight, label, float(tracks.confidence[i]), ages[i])
        return rows

    def _link(self, rows: dict[int, _Row]) -> None:
        """Give each row its vehicle: that of its track, of a lost one, of one it was exchanged with, or a new one."""
        astray = []
        for track_id, row in rows.items():
            vehicle = self._by_track.get(track_id)
            if vehicle is None:
                continue
            fits = _FITS * row.sight.size
            # near where it was, or where it was heading: what all do nearly always
            if _beside(vehicle.now, row.sight) > fits and self._off(vehicle, row.sight) > fits:
                astray.append(vehicle)
        for a, b in combinations(astray, 2):
            self._exchange(a, b, rows)
        fresh = [row for track_id, row in rows.items() if track_id not in self._by_track]
        if fresh:
            self._inherit(fresh, [v for track_id, v in self._by_track.items() if track_id not in rows])
        for track_id, row in rows.items():
            vehicle = self._by_track.get(track_id)
            if vehicle is None:
                self._count += 1
                vehicle = self._by_track[track_id] = Vehicle(self._count, track_id, row.label, row.confidence)
            vehicle.sightings += 1
            vehicle.confidence += (row.confidence - vehicle.confidence) / vehicle.sightings
            vehicle.label, vehicle.away_s = row.label, -self.step_s
            if not vehicle.trail or row.sight.time > vehicle.now.time:
                vehicle.trail.append(row.sight)  # else the tracker was shown the same frame again
            self.seen.append(vehicle)

    def _exchange(self, a: Vehicle, b: Vehicle, rows: dict[int, _Row]) -> None:
        here, there = rows[a.track_id].sight, rows[b.track_id].sight
        own = self._off(a, here) + self._off(b, there)
        if self._off(a, there) + self._off(b, here) < _SWAP_GAIN * own:
            a.track_id, b.track_id = b.track_id, a.track_id
            self._by_track[a.track_id], self._by_track[b.track_id] = a, b

    def _inherit(self, fresh: list[_Row], lost: list[Vehicle]) -> None:
        """Let new tracks take over lost vehicles, the best fit first."""
        pairs = []
        for row in fresh:
            born_at = row.sight.time - row.age_s
            for vehicle in lost:
                # who was followed while the other was still seen is somebody else
                if row.age_s > _HEIR_AGE_S or born_at <= vehicle.now.time + 1e-3:
                    continue
                ratio = row.sight.size / vehicle.now.size
                fit = self._off(vehicle, row.sight) / self._reach(vehicle, row.sight)
                if fit < 1.0 and 0.4 < ratio < 2.5:
                    pairs.append((fit, row.track_id, vehicle))
        for _, track_id, vehicle in sorted(pairs, key=lambda pair: pair[:2]):
            if track_id not in self._by_track and vehicle.track_id in self._by_track and vehicle in lost:
                lost.remove(vehicle)
                del self._by_track[vehicle.track_id]
                vehicle.track_id = track_id
                self._by_track[track_id] = vehicle

    def _off(self, vehicle: Vehicle, sight: Sight) -> float:
        """How far a sighting is from where the vehicle should be by now if it went on as before, in heights."""
        last, pace = vehicle.now, vehicle.velocity(self.aspect) or (0.0, 0.0)
        took = sight.time - last.time
        return math.hypot(sight.x - last.x - pace[0] * took, sight.y - last.y - pace[1] * took)

    def _reach(self, vehicle: Vehicle, sight: Sight) -> float:
        """How far off it may be, in heights: the jitter of boxes, and what braking or turning can change meanwhile."""
        took = min(sight.time - vehicle.now.time, self._forget_s)
        pace = vehicle.velocity(self.aspect) or (0.0, 0.0)
        size = max(sight.size, vehicle.now.size)
        return size * (0.6 + 0.2 * took) + 0.5 * math.hypot(*pace) * took

    def _give_up(self) -> None:
        for vehicle in self._by_track.values():
            vehicle.away_s += self.step_s
        # a gap without frames counts as little: nobody watched them leave
        over = [track_id for track_id, v in self._by_track.items() if v.away_s > self._forget_s + 1e-6]
        self.gone = [self._by_track.pop(track_id) for track_id in over]


class _Row(NamedTuple):
    track_id: int
    sight: Sight
    label: str
    confidence: float
    age_s: float


def _beside(a: Sight, b: Sight) -> float:
    return math.hypot(b.x - a.x, b.y - a.y)
