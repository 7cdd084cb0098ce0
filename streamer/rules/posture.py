"""How high somebody's head is: standing, on the way down, low; from boxes, and from what stirs where boxes are lost.

Detectors lose people who fall: half of the frames, and most of those in which somebody lies. What stirs (see `stir`)
goes down with them: its upper end is where the head was a moment ago. So a head is followed by boxes where there are
any, and by stirring where there are none, in shares of the height at which the same person was just seen. Known time;
pure; one object a person, held by `fall`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import quantiles
from typing import NamedTuple

from streamer.rules.path import Thing
from streamer.rules.stir import Box, Mask, Picture, Stir, Stirring

UP = 0.8
"""Who has the head so high, in shares of the usual height, has not begun to fall."""
RISEN = 0.62
"""Higher than anybody who lies or sits on the ground (sitting height is 0.52 of stature; Fryar et al., NHANES)."""
SMALLEST = 0.2
"""Who is lower, as a fraction of the frame, has too few cells for the picture to tell."""
_STIRS = 0.02
"""Least area that stirs and is a part of somebody, in squared heights; a body fills about 0.2."""
_BLIND_S = 1.05
"""After so long without a sample nobody knows how fast a head came down."""
_UNSEEN_S = 2.0
"""So long stirring alone is followed."""
_LEAST_S = 0.1
"""Free fall from standing takes 0.17 s for that part of the way: what is faster is a box that jumped."""
_SPAN_S = 2.5
_GROWS = 0.3
"""By so much of itself a height may grow in a second: two people in one box are not one tall one."""
_SAME_PLACE, _SITS = 0.25, 0.6
"""Who stood within so many heights of here and is lower than this share now sits on the ground: nobody falls then."""
_SLIM, _SLIM_MOTION = 0.8, 0.6
_EDGE, _TOP, _HANGS = 0.006, 0.01, 0.8
_FLAT = 0.6
"""A box of somebody who lies is at most so high, in own heights."""


class Stand(NamedTuple):
    """How somebody was last seen upright."""

    height: float
    """The usual height, as a fraction of the frame's height."""
    box: Box
    confidence: float
    label: str

    @property
    def foot(self) -> float:
        """Of the box, from the top, a fraction of the frame."""
        return self.box[3]


class Sample(NamedTuple):
    """Where a head was."""

    known: float
    up: float
    """Above the feet, in shares of the usual height."""
    sure: float
    """The same without what only stirs above a box: that may be somebody else."""
    x: float
    """The middle of the body, a fraction of the frame's width."""
    source: str
    """`box`: of their own track; `other`: of a track that began where they are; `stir`: nobody detected them."""
    place: Box
    """Where the body is."""
    stirs: bool = False
    """Whether anything moves there."""


@dataclass(slots=True, eq=False)
class Body:
    """One person's posture."""

    number: int
    """Of the thing (see `path`)."""
    track_id: int
    stand: Stand
    tallest: tuple[float, float]
    """The greatest height that was seen near here, and the feet then."""
    born: Sample
    """Where it was first upright."""
    last: Sample
    seen_at: float
    """Known time when a box was last seen."""
    up_at: float | None = None
    """Known time when the head was last up; None: nobody knows."""
    low_at: float | None = None
    """Since when it is low, after a fall."""
    low_time: float = 0.0
    """The same in capture time."""
    drop_s: float = 0.0
    before: Picture | None = None
    """The picture before the fall."""
    lying: Picture | None = None
    bed: Box = (0.0, 0.0, 0.0, 0.0)
    """The last picture in which they lay still, and where."""
    boxes: int = 0
    looks: int = 0
    """Frames since it is low, and in how many of them a box was there."""
    highs: int = 0
    high_since: float | None = None
    """How often the head was up since it was last low, and since when."""
    high_box: bool = False
    """Whether a box, not only what stirs, says so."""
    stirred_at: float = 0.0
    empty_since: float | None = None
    told: bool = False
    fallen: bool = False

    def measure(
        self, thing: Thing | None, stir: Stir, hidden: Callable[[], Mask], known: float, aspect: float
    ) -> Sample | None:
        """Where the head is now; None: nothing says.

        Args:
            thing: who is seen where this body is: itself, or a new track.
            stir: what stirs; not asked while a box shows somebody upright.
            hidden: gives the cells that belong to others.
            known: known time, seconds.
            aspect: of the frame.
        """
        stand = self.stand
        if thing is None:
            found = self._stirring(stir, hidden, known, aspect)
            if found is None:
                return None
            up = (stand.foot - found.top) / stand.height
            place = found.left, found.top, found.right, found.bottom
            return Sample(known, up, up, found.x, "stir", place, True)
        x1, y1, x2, y2 = box = thing.last.box
        own = thing.number == self.number
        sure = up = max(stand.foot - y1, y2 - y1 if own else 0.0) / stand.height
        found = None if sure >= UP and self.low_at is None else self._stirring(stir, hidden, known, aspect)
        if found is not None:  # a box of the legs only does not lower the head
            up = max(sure, (stand.foot - found.top) / stand.height)
        return Sample(known, up, sure, (x1 + x2) / 2, "box" if own else "other", box, found is not None)

    def _stirring(self, stir: Stir, hidden: Callable[[], Mask], known: float, aspect: float) -> Stirring | None:
        """What stirs where this body is, if it is enough to be a part of it."""
        stand, x = self.stand, self.last.x
        if stir.mask is None or stand.height < SMALLEST:
            return None
        near = (0.55 + 0.4 * min(known - self.last.known, 1.0)) * stand.height / aspect
        reach = (x - near, stand.foot - 1.1 * stand.height, x + near, stand.foot + 0.4 * stand.height)
        found = stir.within(reach, hidden())
        return found if found is not None and found.mass >= _STIRS * stand.height**2 else None

    def rise(self, thing: Thing, known: float, aspect: float) -> bool:
        """Learn how somebody looks who is upright; whether they are."""
        now, (tall, foot) = thing.last, self.tallest
        if abs(now.foot[1] - foot) > _SAME_PLACE * tall or now.height > tall:
            self.tallest = now.height, now.foot[1]
        usual = self.stand.height
        if not upright(thing, aspect) or now.height < max(UP * usual, _SITS * self.tallest[0]):
            return False
        heights = [one.height for one in thing.path if one.known > known - _SPAN_S]
        height = quantiles(heights, n=4, method="inclusive")[2] if len(heights) > 1 else heights[0]
        height = min(height, usual * (1 + _GROWS * (known - self.last.known)))
        self.stand = Stand(height, now.box, min(thing.confidence, 1.0), thing.label)
        return True

    def move(self, now: Sample, low: float, most_s: float, stir: Stir) -> bool:
        """Go on to a sample; whether somebody has just come down, from up to low within `most_s`."""
        before, self.last = self.last, now
        step_s = now.known - before.known
        if step_s > _BLIND_S or now.known - self.seen_at > _UNSEEN_S:
            self.up_at = None
        if now.sure >= UP:
            self.up_at = now.known
        elif before.sure >= UP and self.up_at is not None:
            # between two samples the head goes down evenly, as far as anybody knows
            self.up_at = before.known + step_s * (before.sure - UP) / max(before.sure - now.sure, 1e-6)
            self.before = stir.at(self.up_at - 0.2)
        if not now.up <= low < before.up or self.up_at is None:
            return False
        at = before.known + step_s * (before.up - low) / max(before.up - now.up, 1e-6)
        self.drop_s = at - self.up_at
        if not _LEAST_S <= self.drop_s <= most_s:
            return False
        self.low_at, self.boxes, self.looks = at, 0, 0
        self.lying, self.empty_since, self.stirred_at = None, None, now.known
        self.low()
        return True

    def settle(self, now: Picture | None) -> None:
        """Note how the place looks while somebody lies still in it."""
        if self.lying is None or self.lying.known < self.stirred_at:
            self.lying, self.bed = now, self.last.place

    def low(self) -> None:
        """Forget that the head was up."""
        self.highs, self.high_since, self.high_box = 0, None, False

    def high(self, known: float, box: bool) -> None:
        """Note that the head is up."""
        self.highs += 1
        self.high_since = known if self.high_since is None else self.high_since
        self.high_box |= box

    def high_s(self, known: float) -> float:
        """For how long the head has been up, seconds; 0 after a single look: boxes jump."""
        return 0.0 if self.high_since is None or self.highs < 2 else known - self.high_since

    def stands_in(self, other: Body) -> bool:
        """Whether another body, upright, appeared here after this one fell: it may have got up."""
        assert self.low_at is not None
        height = self.stand.height
        near = abs(other.born.x - self.last.x) < 0.6 * height
        level = abs(other.born.place[3] - self.stand.foot) < 0.4 * height
        return other.born.known > self.low_at and near and level and other.stand.height > RISEN * height

    def lies_in(self, thing: Thing, aspect: float) -> bool:
        """Whether a box of another track may be this body, lying."""
        x1, y1, x2, y2 = thing.last.box
        height, foot = self.stand.height, self.stand.foot
        near = abs((x1 + x2) / 2 - self.last.x) * aspect < 0.6 * height
        low = foot - 0.5 * height < (y1 + y2) / 2 < foot + 0.4 * height
        return thing.label != "motion" and y2 - y1 <= _FLAT * height and near and low


def upright(thing: Thing, aspect: float) -> bool:
    """Whether a box shows somebody upright, whole enough to tell by its upper edge how high the head is."""
    x1, y1, x2, y2 = thing.last.box
    if x1 < _EDGE or x2 > 1 - _EDGE or (y1 < _TOP and y2 < _HANGS):
        return False  # cut off at the side; an arm that hangs into the picture
    slim = (x2 - x1) * aspect / max(y2 - y1, 1e-6)
    if thing.label == "motion":
        return slim < _SLIM_MOTION and y1 >= _EDGE and y2 <= 1 - _EDGE and thing.sightings >= 3
    return slim < _SLIM


def part(thing: Thing, others: Iterable[Thing]) -> bool:
    """Whether a box lies mostly within a larger one: a torso, a bag."""
    x1, y1, x2, y2 = thing.last.box
    for other in others:
        a1, b1, a2, b2 = other.last.box
        if other is thing or other.away_s > 0.5 or b2 - b1 <= y2 - y1:
            continue
        wide, high = min(x2, a2) - max(x1, a1), min(y2, b2) - max(y1, b1)
        if wide > 0 and high > 0 and wide * high > 0.6 * (x2 - x1) * (y2 - y1):
            return True
    return False
