"""Who crosses a drawn line, and which way: the shared memory of line crossing and tailgating.

The foot point counts. Somebody has crossed once it lies on the other side by more than a margin in own heights, and if
its way led through the line between its two ends; when is interpolated between the two sightings on either side, so
that the time does not depend on the frame rate. Whoever stands on the line and sways stays on the side that they came
from. Things outlive their tracks (see `path`), so an identity switch on the line neither loses nor doubles anybody.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import hypot
from typing import Literal

from streamer.places import Line
from streamer.rules.path import Paths, Thing
from streamer.types import Frame, Tracks

Direction = Literal["forward", "backward"]

_END = 0.02
"""So much longer a line is at either end, as a share of its length: lines are drawn by hand."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Something crossed a line."""

    line: str
    direction: Direction
    """Forward is from the arrow's left to its right, as seen."""
    thing: Thing
    at: float
    """Capture time, interpolated, seconds."""
    step_s: float
    """Capture time between the sightings before and after: how sure `at` is, seconds."""


@dataclass(slots=True)
class _Side:
    """Where one thing is with regard to one line."""

    side: int
    """1 right of the arrow, -1 left of it: the side that it surely was on last."""
    now: int
    """The same of its last sighting, however near."""
    time: float
    """Capture time of its last sighting, seconds."""
    foot: tuple[float, float]
    at: float = 0.0
    """Capture time when it last came over, interpolated."""
    step_s: float = 0.0
    between: bool = False
    """Whether that was between the ends of the line."""


class Crossings:
    """All crossings of some lines on one camera.

    Args:
        lines: those that are watched.
        labels: what counts, names of the detector's classes; None: everything.
        margin: how far on the other side one must be, in own heights.
        keep_s: for how many watched seconds somebody whom nobody sees is remembered.
    """

    def __init__(self, lines: list[Line], labels: Collection[str] | None, margin: float, keep_s: float = 2.0):
        self._lines = lines
        self._margin = margin
        self._paths = Paths(labels, keep_s=keep_s)
        self._sides: dict[int, list[_Side | None]] = {}
        """By thing, one a line."""

    def update(self, frame: Frame, tracks: Tracks) -> list[Crossing]:
        """Move to the next frame; who is now known to have crossed."""
        present, gone = self._paths.update(frame, tracks)
        aspect = frame.size[0] / frame.size[1]
        found = []
        for thing in present:
            sides = self._sides.setdefault(thing.number, [None] * len(self._lines))
            for i, line in enumerate(self._lines):
                offset = _offset(line, thing.foot, aspect)
                side = sides[i]
                if side is None:
                    sides[i] = _Side(*(_sign(offset),) * 2, thing.last.time, thing.foot)
                elif self._step(side, line, thing, offset):
                    direction: Direction = "forward" if side.side > 0 else "backward"
                    found.append(Crossing(line.name, direction, thing, side.at, side.step_s))
        for thing in gone:
            self._sides.pop(thing.number, None)
        return found

    def _step(self, side: _Side, line: Line, thing: Thing, offset: float) -> bool:
        """Move one thing to its next sighting; whether it has now crossed."""
        now, time, foot = _sign(offset) or side.now, thing.last.time, thing.foot
        if now != side.now:
            share = _share(line, side.foot, foot)
            side.step_s = time - side.time
            side.at = side.time + share * side.step_s
            side.between = _between(line, side.foot, foot, share)
        side.now, side.time, side.foot = now, time, foot
        if now == side.side or abs(offset) < self._margin * thing.tall:
            return False
        came_from, side.side = side.side, now
        return side.between and came_from != 0


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _offset(line: Line, foot: tuple[float, float], aspect: float) -> float:
    """Distance from the line drawn on without end, in heights of the frame; positive right of the arrow."""
    (x1, y1), (x2, y2) = line.start, line.end
    return line.side(foot) * aspect / hypot((x2 - x1) * aspect, y2 - y1)


def _share(line: Line, a: tuple[float, float], b: tuple[float, float]) -> float:
    """How far along from a to b the line is met; a is on one side and b on the other."""
    before, after = line.side(a), line.side(b)
    return 0.5 if before == after else min(max(before / (before - after), 0.0), 1.0)


def _between(line: Line, a: tuple[float, float], b: tuple[float, float], share: float) -> bool:
    """Whether it is met between the line's ends."""
    (x1, y1), (x2, y2) = line.start, line.end
    x, y = a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])
    along = ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2)
    return -_END <= along <= 1 + _END
