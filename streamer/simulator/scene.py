"""A scene: who moves where and when before a simulated camera, and the places that rules look at.

Everything is stated once, in meters on the ground and seconds of the loop, and seen through a `Lens`; pictures
(`render`) and ground truth (`truth`) are both computed from it. All coordinates of the image are fractions of the
frame, x to the right, y down. Called by `library`, `render`, `truth`. Pure; no third party.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Literal

Point = tuple[float, float]
_FALL_SECONDS, _RISE_SECONDS = 0.7, 1.6
_PEOPLE_FALL_SIDEWAYS = math.pi / 2


@dataclass(frozen=True, slots=True)
class Lens:
    """A level pinhole camera above flat ground, its picture cut so that the horizon lies where one likes."""

    horizon: float = 0.15
    """Fraction of the frame's height, from the top."""
    height_m: float = 4.0
    """Of the camera above the ground."""
    focal: float = 1.1
    """In frame heights."""
    aspect: float = 16 / 9
    """Width by height of the frame that the scene was laid out for; other sizes are stretched."""

    def ground(self, point: Point) -> Point:
        """(right, away) in meters of a point of the ground in the image; it must lie below the horizon."""
        away = self.focal * self.height_m / (point[1] - self.horizon)
        return (point[0] - 0.5) * self.aspect * away / self.focal, away

    def image(self, right: float, away: float) -> Point:
        """Where a point of the ground is seen."""
        return 0.5 + right * self.focal / (away * self.aspect), self.horizon + self.focal * self.height_m / away

    def scale(self, y: float) -> float:
        """Frame heights a meter, for something upright that stands on the ground at height y of the image."""
        return (y - self.horizon) / self.height_m


@dataclass(frozen=True, slots=True)
class Leg:
    """One part of an actor's way: to a point at a speed, or `seconds` on the spot, standing or lying."""

    to: Point | None = None
    speed_mps: float = 0.0
    seconds: float = 0.0
    lying: bool = False


def go(x: float, y: float, speed_mps: float = 1.4) -> Leg:
    """Move in a straight line to a point of the image; 1.4 m/s is a usual walk, 4 m/s a run."""
    return Leg(to=(x, y), speed_mps=speed_mps)


def stay(seconds: float) -> Leg:
    """Stand still."""
    return Leg(seconds=seconds)


def lie(seconds: float) -> Leg:
    """Fall, lie for so long, and get up again."""
    return Leg(seconds=seconds, lying=True)


@dataclass(frozen=True, slots=True)
class Pose:
    """An actor at one instant."""

    at: Point
    """Between the feet or under the middle of the vehicle, in the image; may lie outside of the frame."""
    speed_mps: float
    heading: Point
    """Unit vector of its motion in the image; where it last moved to, when it stands."""
    walked_m: float
    """Way since it came, for the step of the legs."""
    tilt: float
    """Of the body, radians: 0 upright, pi/2 lying."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a vehicle and its way through the scene."""

    name: str
    label: str
    """person, vehicle, or object: a thing that somebody puts down, or that is carried off at its end."""
    begin_s: float
    start: Point
    legs: tuple[Leg, ...]
    lens: Lens
    height_m: float = 1.75
    length_m: float = 4.3
    """Of a vehicle."""
    color: tuple[int, int, int] = (60, 70, 90)
    """RGB of coat or paint."""
    owner: str = ""
    """Of an object: the name of who puts it down; empty for one that was always there."""
    _marks: tuple[_Mark, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_marks", tuple(_marks(self)))

    @property
    def end_s(self) -> float:
        """When its way ends and it is gone."""
        return self._marks[-1].time

    def pose(self, time: float) -> Pose | None:
        """Where and how it is at a time of the loop, in seconds; None before it comes and after it left."""
        if not self.begin_s <= time < self.end_s:
            return None
        last = bisect_right(self._marks, time, key=lambda mark: mark.time) - 1
        a, b = self._marks[last], self._marks[last + 1]
        share = (time - a.time) / (b.time - a.time)
        right, away = a.right + share * (b.right - a.right), a.away + share * (b.away - a.away)
        way = math.dist((a.right, a.away), (b.right, b.away))
        ease = share * share * (3 - 2 * share)
        tilt = a.tilt + ease * (b.tilt - a.tilt)
        here = self.lens.image(right, away)
        return Pose(here, way / (b.time - a.time), self._heading(last), a.walked + share * way, tilt)

    def _heading(self, last: int) -> Point:
        for a, b in zip(reversed(self._marks[: last + 1]), reversed(self._marks[1 : last + 2]), strict=True):
            start, end = self.lens.image(a.right, a.away), self.lens.image(b.right, b.away)
            way = math.dist(start, end)
            if way > 1e-9:
                return (end[0] - start[0]) / way, (end[1] - start[1]) / way
        return 1.0, 0.0


@dataclass(frozen=True, slots=True)
class _Mark:
    time: float
    right: float
    away: float
    tilt: float
    walked: float


@dataclass(frozen=True, slots=True)
class Zone:
    """An area of the ground."""

    name: str
    polygon: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line to be crossed; forward is from the arrow's left to its right, as seen."""

    name: str
    start: Point
    end: Point


@dataclass(frozen=True, slots=True)
class Lane:
    """An area in which traffic moves in one direction (a vector in the image)."""

    name: str
    polygon: tuple[Point, ...]
    direction: Point


@dataclass(frozen=True, slots=True)
class Light:
    """The brightness between two times of the loop, reached and left within `ramp_s`."""

    begin_s: float
    end_s: float
    gain: float
    ramp_s: float = 0.5
    infrared: bool = False
    """The camera's own lamp: no color, bright in the middle and dark at the edges."""


@dataclass(frozen=True, slots=True)
class Spoil:
    """What is done to the camera between two times of the loop."""

    kind: Literal["covered", "defocused", "moved"]
    begin_s: float
    end_s: float
    amount: float = 0.1
    """Defocused: radius of the blur in frame heights; moved: by how much of the frame, to the right."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A place with what happens in it, over and over."""

    name: str
    seconds: float
    """Of the loop."""
    lens: Lens
    actors: tuple[Actor, ...] = ()
    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()
    lanes: tuple[Lane, ...] = ()
    lights: tuple[Light, ...] = ()
    noise: float = 2.5
    """Standard deviation of the sensor's noise, in levels of luma."""
    shadow: float = 0.35
    """How dark shadows are, 0 to 1."""
    rain: int = 0
    """Drops that are seen falling in each picture."""
    spoils: tuple[Spoil, ...] = ()
    seed: int = 0

    def gain(self, time: float) -> float:
        """The brightness at a time of the loop; 1 is usual."""
        gain = 1.0
        for light in self.lights:
            edge = min(time - light.begin_s, light.end_s - time) / light.ramp_s
            gain += (light.gain - 1.0) * min(1.0, max(0.0, edge))
        return gain

    def infrared(self, time: float) -> bool:
        """Whether the camera sees by its own lamp at a time of the loop."""
        return any(light.infrared and light.begin_s <= time < light.end_s for light in self.lights)

    def spoil(self, time: float) -> Spoil | None:
        """What is done to the camera at a time of the loop."""
        return next((spoil for spoil in self.spoils if spoil.begin_s <= time < spoil.end_s), None)


def _marks(actor: Actor) -> list[_Mark]:
    """The instants between which an actor moves evenly; one is added for each change of speed or posture."""
    right, away = actor.lens.ground(actor.start)
    marks = [_Mark(actor.begin_s, right, away, 0.0, 0.0)]
    for leg in actor.legs:
        last = marks[-1]
        if leg.to is not None:
            right, away = actor.lens.ground(leg.to)
            way = math.dist((right, away), (last.right, last.away))
            marks.append(_Mark(last.time + way / leg.speed_mps, right, away, 0.0, last.walked + way))
        elif leg.lying:
            down = last.time + _FALL_SECONDS
            for time, tilt in ((down, 1.0), (down + leg.seconds, 1.0), (down + leg.seconds + _RISE_SECONDS, 0.0)):
                marks.append(_Mark(time, last.right, last.away, tilt * _PEOPLE_FALL_SIDEWAYS, last.walked))
        else:
            marks.append(_Mark(last.time + leg.seconds, last.right, last.away, 0.0, last.walked))
    return marks
