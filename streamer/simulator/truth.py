"""What really happens in a scene: boxes of every frame, and incidents found by rule from the geometry.

Nothing is typed in by hand: an intrusion is where the bottom center of an actor's box is inside a zone for long
enough, and so on for every kind, sampled every 40 ms, whatever the frame rate. Called by `process`, tests, bench and
evaluation. Pure; no third party.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streamer.simulator.figure import Box, box
from streamer.simulator.scene import Actor, Lane, Line, Point, Pose, Scene

STEP_S = 0.04
_VISIBLE = 0.1
"""A box of which less than this share is in the frame is not listed."""
_STILL_MPS = 0.2
_MERGE_S = 0.5
"""Shorter breaks of a condition do not end an incident: the box sways with the legs."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """From when on something counts; the defaults are those of the shipped rules."""

    intrusion_seconds: float = 1.0
    loitering_seconds: float = 15.0
    running_heights_per_second: float = 1.8
    running_seconds: float = 0.7
    fall_seconds: float = 1.0
    fallen_seconds: float = 5.0
    stopped_seconds: float = 5.0
    crowd_count: int = 5
    crowd_seconds: float = 5.0
    tailgating_seconds: float = 2.0
    wrong_way_seconds: float = 1.0
    abandoned_seconds: float = 30.0
    abandoned_heights: float = 1.75
    """How far the owner must be, in own heights: 3 m of somebody of 1.7 m."""
    tampered_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happened; times in seconds from the start of the loop."""

    kind: str
    place: str
    """Name of the zone, line or lane; empty when the kind has none."""
    start: float
    """When the condition begins to hold."""
    due: float
    """From when on it counts: `start` and the time that its rule asks for."""
    end: float
    actor: str
    """Empty for what several do together."""
    direction: str = ""
    """Of a line crossing: forward or backward."""


@dataclass(frozen=True, slots=True)
class FrameBox:
    """An actor in one frame."""

    actor: str
    label: str
    box: Box
    """(x1, y1, x2, y2) in fractions of the frame, clipped to it."""
    visible: float
    """Share of the whole box that lies within the frame."""
    lying: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """The ground truth of a scene."""

    scene: Scene
    criteria: Criteria = Criteria()

    @property
    def seconds(self) -> float:
        """Of the loop."""
        return self.scene.seconds

    def boxes(self, time: float) -> tuple[FrameBox, ...]:
        """Every actor in the frame at a time of the loop, from far to near."""
        found = []
        for actor, pose in present(self.scene, time):
            x1, y1, x2, y2 = whole = box(actor, pose, self.scene.lens)
            clipped = (max(0.0, x1), max(0.0, y1), min(1.0, x2), min(1.0, y2))
            visible = _area(clipped) / _area(whole)
            if visible >= _VISIBLE:
                found.append(FrameBox(actor.name, actor.label, clipped, visible, pose.tilt > math.pi / 4))
        return tuple(found)

    def incidents(self) -> tuple[Incident, ...]:
        """All of them, by start."""
        found: list[Incident] = []
        for actor in self.scene.actors:
            samples = tuple(_samples(actor, self.scene))
            if actor.label == "object":
                found += self._object(actor, samples)
                continue
            found += self._person(actor, samples) if actor.label == "person" else self._vehicle(actor, samples)
            for line in self.scene.lines:
                found += _crossings(actor.name, line, samples)
        found += self._crowds()
        found += _followers(found, self.criteria.tailgating_seconds)
        for spoil in self.scene.spoils:
            found += _incidents(
                "camera_tampered", "", spoil.kind, [(spoil.begin_s, spoil.end_s)], self.criteria.tampered_seconds
            )
        return tuple(sorted(found, key=lambda i: (i.start, i.kind, i.place, i.actor)))

    def _person(self, actor: Actor, samples: Sequence[_Sample]) -> Iterator[Incident]:
        rules = self.criteria
        for zone in self.scene.zones:
            inside = _spans([s.time for s in samples if inside_polygon(s.foot, zone.polygon)])
            yield from _incidents("intrusion", zone.name, actor.name, inside, rules.intrusion_seconds)
            yield from _incidents("loitering", zone.name, actor.name, inside, rules.loitering_seconds)
        fast = rules.running_heights_per_second * actor.height_m
        running = _spans([s.time for s in samples if s.pose.speed_mps >= fast])
        yield from _incidents("running", "", actor.name, running, rules.running_seconds)
        lying = _spans([s.time for s in samples if s.pose.tilt > math.pi / 4])
        yield from _incidents("fall", "", actor.name, lying, rules.fall_seconds)
        yield from _incidents("fallen", "", actor.name, lying, rules.fallen_seconds)

    def _vehicle(self, actor: Actor, samples: Sequence[_Sample]) -> Iterator[Incident]:
        still = _spans([s.time for s in samples if s.pose.speed_mps < _STILL_MPS])
        yield from _incidents("stopped_vehicle", "", actor.name, still, self.criteria.stopped_seconds)
        for lane in self.scene.lanes:
            wrong = _spans([s.time for s in samples if _against(s, lane)])
            yield from _incidents("wrong_way", lane.name, actor.name, wrong, self.criteria.wrong_way_seconds)

    def _object(self, thing: Actor, samples: Sequence[_Sample]) -> Iterator[Incident]:
        """From when its owner is far or gone, until it is carried off or the loop ends."""
        owner = next((actor for actor in self.scene.actors if actor.name == thing.owner), None)
        if owner is None:
            return
        far = self.criteria.abandoned_heights
        near = {round(s.time / STEP_S): s.foot for s in _samples(owner, self.scene)}
        alone = []
        for sample in samples:
            foot = near.get(round(sample.time / STEP_S))
            if foot is None or _heights(foot, sample.foot, owner, self.scene) > far:
                alone.append(sample.time)
        yield from _incidents("abandoned_object", "", thing.name, _spans(alone), self.criteria.abandoned_seconds)

    def _crowds(self) -> Iterator[Incident]:
        people = [a for a in self.scene.actors if a.label == "person"]
        tracks = [{round(s.time / STEP_S): s.foot for s in _samples(a, self.scene)} for a in people]
        for zone in self.scene.zones:
            full = []
            for step in range(round(self.seconds / STEP_S)):
                feet = [track[step] for track in tracks if step in track]
                if sum(inside_polygon(foot, zone.polygon) for foot in feet) >= self.criteria.crowd_count:
                    full.append(step * STEP_S)
            yield from _incidents("crowd", zone.name, "", _spans(full), self.criteria.crowd_seconds)


def present(scene: Scene, time: float) -> list[tuple[Actor, Pose]]:
    """Who is on the scene at a time of the loop, from far to near."""
    there = [(actor, pose) for actor in scene.actors if (pose := actor.pose(time)) is not None]
    return sorted(there, key=lambda pair: (pair[1].at[1], pair[0].name))


def inside_polygon(point: Point, polygon: Sequence[Point]) -> bool:
    """Even-odd rule: whether a ray to the right crosses an odd number of edges."""
    x, y = point
    inside = False
    for (ax, ay), (bx, by) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
            inside = not inside
    return inside


@dataclass(frozen=True, slots=True)
class _Sample:
    time: float
    pose: Pose
    foot: Point
    """Bottom center of the box."""


def _samples(actor: Actor, scene: Scene) -> Iterator[_Sample]:
    for step in range(math.ceil(actor.begin_s / STEP_S), math.ceil(min(actor.end_s, scene.seconds) / STEP_S)):
        pose = actor.pose(step * STEP_S)
        if pose is not None:
            x1, _, x2, y2 = box(actor, pose, scene.lens)
            yield _Sample(step * STEP_S, pose, ((x1 + x2) / 2, y2))


def _heights(a: Point, b: Point, actor: Actor, scene: Scene) -> float:
    """Distance of two points of the image, in heights of an actor who stands at the first."""
    apart = math.hypot((a[0] - b[0]) * scene.lens.aspect, a[1] - b[1])
    return apart / max(scene.lens.scale(a[1]) * actor.height_m, 1e-6)


def _against(sample: _Sample, lane: Lane) -> bool:
    """Whether it moves within the lane, but not its way: more than 120 degrees off."""
    along = sample.pose.heading[0] * lane.direction[0] + sample.pose.heading[1] * lane.direction[1]
    return (
        inside_polygon(sample.foot, lane.polygon)
        and sample.pose.speed_mps >= _STILL_MPS
        and along < -0.5 * math.hypot(*lane.direction)
    )


def _spans(times: Sequence[float]) -> list[tuple[float, float]]:
    """The spans of time that samples cover."""
    spans: list[tuple[float, float]] = []
    for time in times:
        if spans and time - spans[-1][1] <= _MERGE_S:
            spans[-1] = (spans[-1][0], time + STEP_S)
        else:
            spans.append((time, time + STEP_S))
    return spans


def _incidents(
    kind: str, place: str, actor: str, spans: Sequence[tuple[float, float]], least_s: float
) -> Iterator[Incident]:
    for start, end in spans:
        if end - start >= least_s:
            yield Incident(kind, place, round(start, 3), round(start + least_s, 3), round(end, 3), actor)


def _crossings(actor: str, line: Line, samples: Sequence[_Sample]) -> Iterator[Incident]:
    """Where the way from one sample to the next crosses the line between its ends."""
    for a, b in itertools.pairwise(samples):
        before, after = _side(a.foot, line.start, line.end), _side(b.foot, line.start, line.end)
        if (before > 0) == (after > 0):
            continue
        if (_side(line.start, a.foot, b.foot) > 0) == (_side(line.end, a.foot, b.foot) > 0):
            continue
        time = round(a.time + STEP_S * before / (before - after), 3)
        yield Incident("line_crossing", line.name, time, time, time, actor, "forward" if after > 0 else "backward")


def _followers(found: Sequence[Incident], within_s: float) -> Iterator[Incident]:
    """Who crosses a line soon after somebody else who went the same way."""
    crossings = sorted((one for one in found if one.kind == "line_crossing"), key=lambda one: one.start)
    for i, one in enumerate(crossings):
        ahead = [
            other.start
            for other in crossings[:i]
            if (other.place, other.direction) == (one.place, one.direction) and one.start - other.start <= within_s
        ]
        if ahead:
            yield Incident("tailgating", one.place, max(ahead), one.start, one.start, one.actor, one.direction)


def _side(point: Point, start: Point, end: Point) -> float:
    """Positive on the right of the arrow from start to end, as seen (y points down)."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


def _area(area: Box) -> float:
    return max(0.0, area[2] - area[0]) * max(0.0, area[3] - area[1])
