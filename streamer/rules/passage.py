"""Vehicles at a stop line: which is which, when each one's front crossed, and how far beyond it got.

A crossing is settled once the front is clearly over, so that a box that trembles while its vehicle stands on the line
does not cross again and again. A vehicle keeps its history when the tracker gives it a new number, if it is found where
it was heading. Only sightings count. Pure; capture time only.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from streamer.rules.ruler import Box, Moment, Vector
from streamer.types import Tracks

_BACK_LENGTHS = 0.25
"""A front that falls so far behind the line again has backed up; less is a trembling box."""
_HEIR_AGE_S = 1.0
"""A track that is older when it is told of first comes from elsewhere."""
_FORGET_S = 2.0
"""Watched seconds unseen after which a vehicle is gone."""
_REACH_SIZES = 0.6
"""How far from where it was heading, in sizes of its box, a lost vehicle may be found again; more with every second."""
_ALIKE = 2.2
"""Boxes of one vehicle before and after a short loss differ by less than this factor."""
_PACE_S = 0.3
"""The velocity is taken over so many seconds, where there are that many frames: boxes tremble."""
_JUMP_SIZES, _JUMP_SIZES_S = 0.4, 1.0
"""A step that ends farther from where it was heading, at once and more with every second, makes it another vehicle,
whatever its number says: brakes and a trembling box move it by less."""
_STANDS_LENGTHS_S = 0.1
"""Slower than so many of its lengths a second, a vehicle stands."""
_FAN = (-60.0, -30.0, 0.0, 30.0, 60.0)
"""Directions, in degrees to its last one, in which a vehicle that is lost from sight may have gone on."""
_MOST = 256
"""Vehicles that are followed at one line; a camera sees some dozens."""


@dataclass(slots=True, eq=False)
class Passage:
    """One vehicle at one line."""

    number: int
    track_id: int
    label: str
    first_at: float
    """Capture time of its first sighting, seconds."""
    last: Moment
    velocity: Vector = (0.0, 0.0)
    """Frame heights a second, over the last third of a second or the last two frames."""
    recent: deque[Moment] = field(default_factory=deque)
    """The sightings that the velocity is taken from."""
    before: Moment | None = None
    """The last sighting before its front crossed; None: it was over the line when it was first seen."""
    at: Moment | None = None
    """The first sighting with its front over the line."""
    beyond: Moment | None = None
    """The first sighting at least so many lengths beyond."""
    confidence: float = 0.0
    sightings: int = 0
    away_s: float = 0.0
    """Watched seconds since it was seen last."""
    former_id: int = 0
    """Its track id before the last change of it; 0: it had none."""
    moving_s: float = 0.0
    """Seconds since it crossed in which it moved."""

    @property
    def gone(self) -> bool:
        """Whether it has not been seen for so long that it will not come back."""
        return self.away_s > _FORGET_S

    @property
    def crossed_at(self) -> float:
        """When the front crossed, between the frames before and after; capture time in seconds."""
        assert self.before is not None
        assert self.at is not None
        way = self.at.front - self.before.front
        share = 0.5 if way <= 0 else -self.before.front / way
        return self.before.time + share * (self.at.time - self.before.time)

    @property
    def crossed_along(self) -> float:
        """Where along the line the front crossed: 0 at the arrow's start, 1 at its head."""
        assert self.before is not None
        assert self.at is not None
        way = self.at.front - self.before.front
        share = 0.5 if way <= 0 else -self.before.front / way
        return self.before.along + share * (self.at.along - self.before.along)

    @property
    def speed(self) -> float:
        """Frame heights a second."""
        return math.hypot(*self.velocity)

    def ahead(self, sizes: float, lost: bool) -> list[Vector]:
        """Points of its further way, in frame heights: straight on or, of one that is lost, whatever it may have done.

        Args:
            sizes: how far, in sizes of its box.
            lost: whether it may have turned since.
        """
        if self.speed < 1e-9:
            return [self.last.center]
        reach = sizes * max(self.last.length, _size(self.last.box), 1e-6)
        heading = math.atan2(self.velocity[1], self.velocity[0])
        angles = [heading + math.radians(degrees) for degrees in (_FAN if lost else (0.0,))]
        x, y = self.last.center
        steps = [reach * i / 8 for i in range(9)]
        return [(x + way * math.cos(angle), y + way * math.sin(angle)) for angle in angles for way in steps]


class Passages:
    """All vehicles at one line.

    Args:
        min_lengths: vehicle lengths beyond the line that make a `beyond`.
    """

    def __init__(self, min_lengths: float):
        self._min_lengths = min_lengths
        self._by_track: dict[int, Passage] = {}
        self._former: dict[int, Passage] = {}
        """Vehicles by numbers that they had before."""
        self._count = 0

    def update(self, moments: dict[int, Moment], tracks: Tracks, watched_s: float) -> Iterator[Passage]:
        """Move to the next known frame.

        Args:
            moments: of each vehicle that is seen in it, by row of `tracks`.
            tracks: all that are seen in it.
            watched_s: seconds since the last frame in which leaving would have been noticed.

        Returns:
            The vehicles that are beyond the line for the first time.
        """
        for passage in self._by_track.values():
            passage.away_s += watched_s
        ids = set(tracks.track_ids.tolist())
        for row, moment in moments.items():
            passage = self._whose(row, moment, tracks, ids)
            mean = passage.confidence
            passage.sightings += 1
            passage.confidence = mean + (float(tracks.confidence[row]) - mean) / passage.sightings
            passage.label, passage.away_s = tracks.label(row), 0.0
            if self._step(passage, moment):
                yield passage
        self._forget()

    def _whose(self, row: int, moment: Moment, tracks: Tracks, ids: set[int]) -> Passage:
        track_id = int(tracks.track_ids[row])
        former = self._former.pop(track_id, None)
        if former is not None and self._by_track.get(former.track_id) is former:
            # the one that was taken for gone is back: whoever took its place is somebody else, of whom nothing is known
            del self._by_track[former.track_id]
            former.track_id, former.before, former.at = track_id, None, None
            self._by_track[track_id] = former
        passage = self._by_track.get(track_id)
        born_at = moment.time - float(tracks.ages_s[row])
        if passage is None:
            passage = self._heir(moment, born_at, ids)
            if passage is not None:
                del self._by_track[passage.track_id]
                self._former.pop(passage.former_id, None)  # one is enough: whoever comes back does so at once
                self._former[passage.track_id] = passage
                passage.former_id, passage.track_id = passage.track_id, track_id
        elif _jumps(passage, moment):
            passage, born_at = None, moment.time
        if passage is None:
            self._count += 1
            passage = Passage(self._count, track_id, tracks.label(row), born_at, moment)
        self._by_track[track_id] = passage
        return passage

    def _heir(self, moment: Moment, born_at: float, ids: set[int]) -> Passage | None:
        """The lost vehicle that a new track continues: it was heading here."""
        if moment.time - born_at > _HEIR_AGE_S:
            return None
        best, nearest = None, 1.0
        for passage in self._by_track.values():
            if passage.track_id in ids or born_at <= passage.last.time + 1e-3:
                continue
            small, large = sorted((_size(passage.last.box), _size(moment.box)))
            reach = _REACH_SIZES * (1 + moment.time - passage.last.time) * small
            distance = _off(passage, moment) / max(reach, 1e-6)
            if distance < nearest and large < _ALIKE * small:
                best, nearest = passage, distance
        return best

    def _step(self, passage: Passage, moment: Moment) -> bool:
        """Take a sighting; whether it is the first beyond the line."""
        last, passage.last = passage.last, moment
        recent = passage.recent
        recent.append(moment)
        while len(recent) > 2 and recent[1].time <= moment.time - _PACE_S:
            recent.popleft()
        took = moment.time - recent[0].time
        if took > 1e-6:
            passage.velocity = (
                (moment.center[0] - recent[0].center[0]) / took,
                (moment.center[1] - recent[0].center[1]) / took,
            )
        if passage.at is not None and passage.speed >= _STANDS_LENGTHS_S * moment.length:
            passage.moving_s += moment.time - last.time
        if passage.beyond is not None:
            return False
        if moment.front < 0 and passage.at is None:
            passage.before = moment
        elif moment.front < -_BACK_LENGTHS * moment.length:
            passage.before, passage.at, passage.moving_s = moment, None, 0.0
        elif passage.at is None and passage.before is not None and moment.front >= 0:
            passage.at = moment
        if passage.at is not None and moment.front >= self._min_lengths * moment.length:
            passage.beyond = moment
            return True
        return False

    def _forget(self) -> None:
        gone = [track_id for track_id, passage in self._by_track.items() if passage.gone]
        excess = len(self._by_track) - len(gone) - _MOST
        if excess > 0:
            longest = sorted(self._by_track, key=lambda track_id: -self._by_track[track_id].away_s)
            gone = [*dict.fromkeys([*gone, *longest])][: len(gone) + excess]
        for track_id in gone:
            del self._by_track[track_id]
        if gone:
            here = set(map(id, self._by_track.values()))
            self._former = {old: passage for old, passage in self._former.items() if id(passage) in here}


def _off(passage: Passage, moment: Moment) -> float:
    """How far a sighting is from where a vehicle was heading, in frame heights."""
    took = moment.time - passage.last.time
    x = passage.last.center[0] + passage.velocity[0] * took
    y = passage.last.center[1] + passage.velocity[1] * took
    return math.hypot(moment.center[0] - x, moment.center[1] - y)


def _jumps(passage: Passage, moment: Moment) -> bool:
    """Whether the tracker's number has gone over to something else."""
    small, large = sorted((_size(passage.last.box), _size(moment.box)))
    if large > _ALIKE * max(small, 1e-6) and moment.time - passage.last.time < 1.0:
        return True
    if passage.sightings < 2:  # its speed is not known yet
        return False
    size = max(moment.length, passage.last.length, large, 1e-6)
    return _off(passage, moment) > size * (_JUMP_SIZES + _JUMP_SIZES_S * (moment.time - passage.last.time))


def _size(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])
