"""The shape of people and vehicles in meters: what is drawn is also what the ground truth measures.

A figure is a handful of thick strokes and filled shapes, in meters to the right of and above the point on the ground
where the actor stands. Called by `render` (which draws them) and `truth` (which takes their extent as the box).
Pure; no third party.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from streamer.simulator.scene import Actor, Lens, Point, Pose

Color = tuple[int, int, int]
Box = tuple[float, float, float, float]
_STEP_M = 0.75
_SKIN: Color = (205, 160, 130)
_TROUSERS: Color = (45, 45, 60)
_GLASS: Color = (40, 55, 65)
_TIRE: Color = (25, 25, 25)


@dataclass(frozen=True, slots=True)
class Shape:
    """A stroke through its points, round at the ends; or, without thickness, the filled polygon of its points."""

    points: tuple[Point, ...]
    """(right, up) in meters."""
    thickness: float
    color: Color


def figure(actor: Actor, pose: Pose) -> tuple[Shape, ...]:
    """The shapes of an actor in a pose, in drawing order."""
    if actor.label == "vehicle":
        return _vehicle(actor, pose)
    if actor.label == "object":
        return _thing(actor)
    return _person(actor, pose)


def extent(shapes: tuple[Shape, ...]) -> Box:
    """(left, bottom, right, top) in meters."""
    xs = [x + side * s.thickness / 2 for s in shapes for x, _ in s.points for side in (-1, 1)]
    ys = [y + side * s.thickness / 2 for s in shapes for _, y in s.points for side in (-1, 1)]
    return min(xs), min(ys), max(xs), max(ys)


def box(actor: Actor, pose: Pose, lens: Lens) -> Box:
    """(x1, y1, x2, y2) of an actor in fractions of the frame; not clipped to it."""
    left, bottom, right, top = extent(figure(actor, pose))
    up = lens.scale(pose.at[1])
    across = up / lens.aspect
    x, y = pose.at
    return x + left * across, y - top * up, x + right * across, y - bottom * up


def _person(actor: Actor, pose: Pose) -> tuple[Shape, ...]:
    tall = actor.height_m
    swing = math.sin(pose.walked_m / _STEP_M * math.pi) if pose.speed_mps > 0 else 0.0
    stride = (0.13 + 0.05 * min(pose.speed_mps, 4.0) / 1.4) * tall * swing * max(0.35, abs(pose.heading[0]))
    face = 1.0 if pose.heading[0] >= 0 else -1.0
    hip, neck, leg = 0.5 * tall, 0.82 * tall, 0.085 * tall
    shapes = []
    for side in (1, -1):
        lift = 0.05 * tall * max(0.0, side * swing)
        foot = (side * stride, leg / 2 + lift)
        knee = (side * stride * 0.45 + face * 0.03 * tall, hip * 0.52 + lift * 0.5)
        shapes.append(Shape(((0.0, hip), knee, foot), leg, _TROUSERS))
        hand = (-side * stride * 0.8 + side * 0.07 * tall, 0.47 * tall)
        shapes.append(Shape(((side * 0.06 * tall, neck * 0.97), hand), 0.055 * tall, actor.color))
    shapes.append(Shape(((0.0, hip), (0.0, neck - 0.07 * tall)), 0.2 * tall, actor.color))
    shapes.append(Shape(((face * 0.01 * tall, 0.91 * tall), (face * 0.01 * tall, 0.94 * tall)), 0.12 * tall, _SKIN))
    return tuple(_lean(shape, pose.tilt * face) for shape in shapes) if pose.tilt else tuple(shapes)


def _lean(shape: Shape, angle: float) -> Shape:
    """Turn about the feet, and lie on the ground rather than in it."""
    sine, cosine = math.sin(angle), math.cos(angle)
    lift = 0.18 * abs(sine)
    points = tuple((x * cosine + y * sine, y * cosine - x * sine + lift) for x, y in shape.points)
    return Shape(points, shape.thickness, shape.color)


def _thing(actor: Actor) -> tuple[Shape, ...]:
    """A suitcase: `height_m` high and three quarters of that wide, with a handle and a strap."""
    tall, half = actor.height_m, actor.height_m * 0.375
    body = ((-half, 0.0), (half, 0.0), (half, 0.85 * tall), (-half, 0.85 * tall))
    handle = ((-half * 0.4, 0.85 * tall), (-half * 0.4, tall), (half * 0.4, tall), (half * 0.4, 0.85 * tall))
    strap = ((-half, 0.45 * tall), (half, 0.45 * tall))
    return (Shape(handle, 0.04, _TIRE), Shape(body, 0.0, actor.color), Shape(strap, 0.05, _TIRE))


def _vehicle(actor: Actor, pose: Pose) -> tuple[Shape, ...]:
    """A car from its side; from ahead or behind, when it moves towards or away from the camera."""
    sideways = abs(pose.heading[0])
    tall = actor.height_m
    half = (sideways * actor.length_m + (1 - sideways) * 1.85) / 2
    wheel, face = 0.32, 1.0 if pose.heading[0] >= 0 else -1.0
    roof = 0.55 + 0.25 * (1 - sideways)
    lean = face * 0.12 * half * sideways
    body = ((-half, 0.3), (half, 0.3), (half, 0.6 * tall), (-half, 0.6 * tall))
    cabin = (
        (-half * roof - lean, 0.58 * tall),
        (half * roof - lean, 0.58 * tall),
        (half * roof * 0.75 - lean, tall),
        (-half * roof * 0.75 - lean, tall),
    )
    glass = tuple((x * 0.85 - lean * 0.15, 0.6 * tall + (y - 0.58 * tall) * 0.8) for x, y in cabin)
    wheels = [Shape(((x, wheel), (x, wheel)), 2 * wheel, _TIRE) for x in (-half * 0.62, half * 0.62)]
    return (Shape(cabin, 0.0, actor.color), Shape(glass, 0.0, _GLASS), Shape(body, 0.0, actor.color), *wheels)
