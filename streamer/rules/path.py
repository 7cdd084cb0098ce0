"""Where each thing has been of late: the shared memory of rules about motion, lines and counts.

A `Thing` outlives its track: when the tracker loses somebody and finds them again under a new number, near the spot or
near where they were heading, the new track takes the thing over, so that an identity switch or a short miss neither
restarts a clock nor counts anybody twice. Only sightings count: a track that merely coasts moves nobody. A frame
without an answer (`tracks.known` False) changes nothing. All memory is bounded: so many seconds of path, so many things
as the detector saw within `keep_s`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from streamer.rules.rule import KnownTime
from streamer.types import Frame, Tracks

Box = tuple[float, float, float, float]

_WALK_HEIGHTS_S = 0.8
"""How far a person walks in a second, in own heights: 1.4 m/s over 1.7 m (Bohannon 1997, comfortable gait speed)."""
_NEAR_HEIGHTS, _FARTHEST_HEIGHTS = 0.5, 2.0
"""How far from where one was lost, or was heading, one may be found again: at once, and at the very most."""
_ALIKE = 2.0
"""Heights of boxes of one thing before and after a short miss differ by less than this factor."""
_HEADING_S = 0.3
"""Over so much of its path a thing's heading is taken."""
_CUT = 0.8
"""A box of less than this share of the usual height is cut off by something."""
_GROW_S, _SHRINK_S = 0.4, 2.0
"""Time constants of the usual height: a box is soon as high as it can be, and long not lower."""
_WATCHED_STEP_S = 1.0
"""So much of the time between two frames counts as watched: who leaves in a gap is not seen leaving."""
_MOST_A_SECOND = 60
"""Sightings that are kept of one second; `analyze_fps` ends there."""


class Sighting(NamedTuple):
    """Where something was in one frame."""

    time: float
    """Capture time, seconds."""
    known: float
    """Known time (see KnownTime), seconds."""
    box: Box
    """x1, y1, x2, y2 as fractions of the frame."""

    @property
    def foot(self) -> tuple[float, float]:
        """Where it stands: the bottom center of the box, fractions of the frame."""
        return (self.box[0] + self.box[2]) / 2, self.box[3]

    @property
    def height(self) -> float:
        """Of the box, as a fraction of the frame's height."""
        return self.box[3] - self.box[1]


@dataclass(slots=True, eq=False)
class Thing:
    """Somebody or something, under whatever numbers the tracker gave it."""

    number: int
    """Tells it from all others of these paths, from 1."""
    track_id: int
    """What the tracker calls it now."""
    label: str
    born_at: float
    """Capture time when it was first seen."""
    path: deque[Sighting]
    """Oldest first, never empty; at least as long as asked for, once it is old enough."""
    confidence: float = 0.0
    """The mean of all sightings."""
    sightings: int = 0
    away_s: float = 0.0
    """Watched seconds since it was last seen."""
    foot: tuple[float, float] = (0.0, 0.0)
    """Where it stands, fractions of the frame: the bottom center of the box, or, while something hides the legs, where
    they would be."""
    tall: float = 0.0
    """The usual height of its box, as a fraction of the frame's height."""

    @property
    def last(self) -> Sighting:
        """The latest sighting."""
        return self.path[-1]

    def back(self, seconds: float) -> Sighting | None:
        """The latest sighting that is at least that much older than the last one; None if it is not so old."""
        limit = self.last.time - seconds + 1e-6  # capture times are floats: 0.2 s five times over is not 1 s
        for one in reversed(self.path):
            if one.time <= limit:
                return one
        return None

    def since(self, start: Sighting) -> list[Sighting]:
        """The sightings from that one on."""
        return [one for one in self.path if one.time >= start.time]

    def height(self, start: Sighting) -> float:
        """The median height of its boxes since a sighting: a box that changes for a moment does not change it."""
        return median(one.height for one in self.since(start))

    def heading_to(self, time: float) -> tuple[float, float]:
        """Where its foot would be at a time if it went on as it last did, fractions of the frame."""
        last, before = self.last, self.back(_HEADING_S) or self.path[0]
        x, y = last.foot
        if before.time >= last.time:
            return x, y
        ahead = (time - last.time) / (last.time - before.time)
        return x + (x - before.foot[0]) * ahead, y + (y - before.foot[1]) * ahead


class Paths:
    """All things that one rule follows on one camera.

    Args:
        labels: what counts, names of the detector's classes; None: everything.
        span_s: seconds of path that are kept of each thing.
        keep_s: watched seconds after which a thing that nobody sees is gone.
    """

    def __init__(self, labels: Collection[str] | None = None, span_s: float = 1.0, keep_s: float = 2.0):
        self._labels = None if labels is None else frozenset(labels)
        self._span_s = span_s
        self._keep_s = keep_s
        self._clock = KnownTime()
        self._things: dict[int, Thing] = {}
        """By the tracker's number."""
        self._count = 0
        self._known_before: float | None = None
        self._aspect = 1.0
        self.known = 0.0
        """Known time of the last frame, seconds."""

    def update(self, frame: Frame, tracks: Tracks) -> tuple[list[Thing], list[Thing]]:
        """Move to the next frame; nothing but the clock moves when its tracks are unknown.

        Returns:
            The things that are seen in it, in the tracks' order, and those that have been away for too long.
        """
        self.known = self._clock.advance(frame.time, tracks.known)
        if not tracks.known:
            return [], []
        watched_s = 0.0 if self._known_before is None else min(self.known - self._known_before, _WATCHED_STEP_S)
        self._known_before = self.known
        if not len(tracks) and not self._things:
            return [], []  # most cameras see nobody most of the time
        self._aspect = frame.size[0] / frame.size[1]
        present = self._see(frame.time, tracks.seen(), watched_s)
        over = [key for key, thing in self._things.items() if thing.away_s > self._keep_s]
        return present, [self._things.pop(key) for key in over]

    def __iter__(self) -> Iterator[Thing]:
        """All that have not been away for too long."""
        return iter(self._things.values())

    def __len__(self) -> int:
        return len(self._things)

    def _see(self, time: float, tracks: Tracks, watched_s: float) -> list[Thing]:
        for thing in self._things.values():
            thing.away_s += watched_s
        present = []
        ids, boxes, confidences = tracks.track_ids.tolist(), tracks.boxes.tolist(), tracks.confidence.tolist()
        for i, track_id in enumerate(ids):
            label = tracks.label(i)
            if self._labels is not None and label not in self._labels:
                continue
            x1, y1, x2, y2 = boxes[i]
            now = Sighting(time, self.known, (x1, y1, x2, y2))
            known = self._things.get(track_id)
            thing = known or self._new(track_id, label, now, time - float(tracks.ages_s[i]), ids)
            self._add(thing, now)
            thing.label, thing.away_s = label, 0.0
            thing.sightings += 1
            thing.confidence += (confidences[i] - thing.confidence) / thing.sightings
            present.append(thing)
        return present

    def _new(self, track_id: int, label: str, now: Sighting, born_at: float, ids: list[int]) -> Thing:
        """The thing that a new track is: one that was lost near here, or another."""
        thing = self._heir(now, born_at, ids)
        if thing is None:
            self._count += 1
            most = round(self._span_s * _MOST_A_SECOND) + 2
            thing = Thing(self._count, track_id, label, born_at, deque(maxlen=most))
        else:
            del self._things[thing.track_id]
        thing.track_id = track_id
        self._things[track_id] = thing
        return thing

    def _heir(self, now: Sighting, born_at: float, ids: list[int]) -> Thing | None:
        """The lost thing whose place a new track has taken."""
        best: Thing | None = None
        nearest = 1.0
        for thing in self._things.values():
            # who was followed while the other was still seen is somebody else
            if thing.track_id in ids or born_at <= thing.last.time + 1e-3:
                continue
            small, large = sorted((now.height, thing.last.height))
            if large >= _ALIKE * small:
                continue
            reach = min(_NEAR_HEIGHTS + _WALK_HEIGHTS_S * (now.time - thing.last.time), _FARTHEST_HEIGHTS)
            spots = thing.foot, thing.heading_to(now.time)
            distance = min(self._apart(spot, now.foot) for spot in spots) / max(large, 1e-6) / reach
            if distance < nearest:
                best, nearest = thing, distance
        return best

    def _apart(self, a: tuple[float, float], b: tuple[float, float]) -> float:
        """The distance of two points in heights of the frame."""
        return math.hypot((a[0] - b[0]) * self._aspect, a[1] - b[1])

    def _add(self, thing: Thing, now: Sighting) -> None:
        path = thing.path
        if path and now.time <= path[-1].time:
            return  # the tracker was shown the same frame again
        _stand(thing, now, path[-1].time if path else now.time)
        path.append(now)
        while len(path) > 2 and path[1].time <= now.time - self._span_s:
            path.popleft()


def _stand(thing: Thing, now: Sighting, before: float) -> None:
    """Where a thing stands in its next sighting: a box that ends at the hips does not lift the feet.

    Of a box that is much lower than usual either the bottom edge is wrong (the legs are hidden) or the top edge (the
    head is): the one that leaves the feet nearer to where they were.
    """
    x, y = now.foot
    tau_s = _GROW_S if now.height > thing.tall else _SHRINK_S
    thing.tall += (now.height - thing.tall) * (1.0 - math.exp((before - now.time) / tau_s))
    if thing.sightings == 0:
        thing.tall = now.height
    elif now.height < _CUT * thing.tall:
        hidden = now.box[1] + thing.tall
        y = hidden if abs(hidden - thing.foot[1]) < abs(y - thing.foot[1]) else y
    thing.foot = x, y
