"""The places of a camera on its picture: which side of a line is forward, where a lane leads, what a mask hides.

Kinds of places differ in form, not only in color: zones are tinted, lanes have arrows along them, lines have one across
them, masks are hatched, what is private is black, and the ground plane is a grid in meters. Called by the command.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from streamer.ground import Ground
from streamer.places import Lane, Line, Mask, Places, Zone
from streamer.preview.canvas import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    WHITE,
    YELLOW,
    Canvas,
    Color,
    Point,
)
from streamer.types import Detections

_ZONES: tuple[Color, ...] = (SKY, GREEN, BLUE, PURPLE)
_LANES: tuple[Color, ...] = (GREEN, PURPLE, SKY, BLUE)
_LINES: tuple[Color, ...] = (ORANGE, YELLOW, VERMILION)
_ARROW = 0.14
"""Length of arrows that show a direction, in heights of the picture."""


def sketch(canvas: Canvas, places: Places) -> None:
    """Draw all places."""
    for mask in places.masks.values():
        _mask(canvas, mask)
    if places.ground is not None:
        _ground(canvas, places.ground)
    for i, zone in enumerate(places.zones.values()):
        _zone(canvas, zone, _ZONES[i % len(_ZONES)])
    for i, lane in enumerate(places.lanes.values()):
        _lane(canvas, lane, _LANES[i % len(_LANES)])
    for i, line in enumerate(places.lines.values()):
        _line(canvas, line, _LINES[i % len(_LINES)])


def sketch_detections(canvas: Canvas, found: Detections) -> None:
    """Draw what a detector found, with its foot point: that is where a thing is in a zone or not."""
    for i in np.argsort(found.confidence):
        x1, y1, x2, y2 = (float(v) for v in found.boxes[i])
        canvas.box((x1, y1, x2, y2), WHITE)
        canvas.line(((x1 + x2) / 2 - 0.004, y2), ((x1 + x2) / 2 + 0.004, y2), VERMILION, 4.0)
        words = f"{found.label(int(i))} {found.confidence[i]:.2f}"
        canvas.text(words, (x1, y1 - 0.02), WHITE, 0.7, centered=False)


def summary(places: Places) -> str:
    """What was drawn, in words."""
    parts = [
        f"{len(names)} {word}{'s' if len(names) > 1 else ''} ({', '.join(names)})"
        for word, names in (
            ("zone", places.zones),
            ("line", places.lines),
            ("lane", places.lanes),
            ("mask", places.masks),
        )
        if names
    ]
    if places.ground is not None:
        parts.append("ground plane of {:g} x {:g} m".format(*places.ground.size_m))
    return ", ".join(parts) or "nothing is drawn on this camera"


def _zone(canvas: Canvas, zone: Zone, color: Color) -> None:
    corners = _points(zone)
    canvas.fill(corners, color, 0.25)
    canvas.outline(corners, color)
    canvas.text(zone.name, inner_point(corners), color)


def _lane(canvas: Canvas, lane: Lane, color: Color) -> None:
    corners = _points(lane.zone)
    canvas.fill(corners, color, 0.12)
    canvas.outline(corners, color)
    middle = inner_point(corners)
    aspect = canvas.width / canvas.height
    ahead = _step(canvas, (lane.direction[0] * aspect, lane.direction[1]), _ARROW)  # it counts in fractions
    canvas.arrow(middle, (middle[0] + ahead[0], middle[1] + ahead[1]), color, 3.0)
    # the name stands beside the arrow's tail, not on it
    canvas.text(lane.zone.name, (middle[0] - 0.35 * ahead[0], middle[1] - 0.35 * ahead[1]), color)


def _line(canvas: Canvas, line: Line, color: Color) -> None:
    (x1, y1), (x2, y2) = line.start, line.end
    canvas.arrow(line.start, line.end, color, 3.0)
    middle = (x1 + x2) / 2, (y1 + y2) / 2
    across = forward(line, canvas.width / canvas.height)
    ahead, back = _step(canvas, across, _ARROW), _step(canvas, across, -0.05)
    canvas.arrow(middle, (middle[0] + ahead[0], middle[1] + ahead[1]), color, 2.0)
    beyond = _step(canvas, across, _ARROW + 0.03 + 0.06 * abs(across[0]))  # the word is wider than high
    canvas.text("forward", (middle[0] + beyond[0], middle[1] + beyond[1]), WHITE, 0.8)
    canvas.text(line.name, (middle[0] + back[0], middle[1] + back[1]), color)


def forward(line: Line, aspect: float) -> Point:
    """Unit vector, as seen, of the way that is forward across a line: from the arrow's left to its right.

    Args:
        line: which line.
        aspect: width of the picture over its height.
    """
    dx, dy = (line.end[0] - line.start[0]) * aspect, line.end[1] - line.start[1]
    length = math.hypot(dx, dy)
    return -dy / length, dx / length


def _mask(canvas: Canvas, mask: Mask) -> None:
    corners = _points(mask.zone)
    if mask.privacy:
        canvas.fill(corners, BLACK, 1.0)
    if mask.ignore:
        canvas.hatch(corners, YELLOW)
    canvas.outline(corners, YELLOW, 1.0)
    what = ["private"] if mask.privacy else []
    what += [f"no {name}" for name in sorted(mask.ignore)]
    canvas.text(f"{mask.zone.name}: {', '.join(what) or 'no effect'}", inner_point(corners), YELLOW, 0.8)


def _ground(canvas: Canvas, ground: Ground) -> None:
    """The rectangle with a grid of its meters: what is drawn wrongly is seen at once."""
    corners, (width, depth) = ground.points, ground.size_m
    for share in _grid(width):
        canvas.line(seen(corners, share, 0.0), seen(corners, share, 1.0), VERMILION, 0.5)
    for share in _grid(depth):
        canvas.line(seen(corners, 0.0, share), seen(corners, 1.0, share), VERMILION, 0.5)
    canvas.outline(corners, VERMILION, 1.5)
    for words, at in ((f"{width:g} m", seen(corners, 0.5, 0.0)), (f"{depth:g} m", seen(corners, 1.0, 0.5))):
        canvas.text(words, at, VERMILION, 0.8)
    canvas.text("ground 1", corners[0], VERMILION, 0.8)


def _grid(length_m: float) -> list[float]:
    """Shares of a side at which the grid is drawn: every 1, 2, 5, 10, ... meters, so that there are at most ten."""
    step = next(
        digit * 10.0**power for power in range(-4, 5) for digit in (1, 2, 5) if length_m <= 10 * digit * 10.0**power
    )
    return [i * step / length_m for i in range(1, math.ceil(length_m / step - 1e-9))]


def seen(corners: Sequence[Point], across: float, along: float) -> Point:
    """Where a point of a rectangle is in the picture that shows its corners; shares of its width and depth.

    Source: Heckbert, Fundamentals of Texture Mapping, 1989, section 2.2.3 (square to quadrilateral).
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    dx1, dx2, sx = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, sy = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    whole = dx1 * dy2 - dx2 * dy1
    g, h = (sx * dy2 - dx2 * sy) / whole, (dx1 * sy - sx * dy1) / whole
    scale = g * across + h * along + 1.0
    x = (x1 - x0 + g * x1) * across + (x3 - x0 + h * x3) * along + x0
    y = (y1 - y0 + g * y1) * across + (y3 - y0 + h * y3) * along + y0
    return x / scale, y / scale


def inner_point(corners: Sequence[Point]) -> Point:
    """A point well inside a polygon, for its name: of a grid over it, the one farthest from every edge."""
    polygon = np.array(corners, np.float64)
    zone = Zone("", polygon)
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    grid = np.stack(np.meshgrid(*np.linspace(low, high, 21)[1:-1].T), axis=-1).reshape(-1, 2)
    inside = grid[zone.contains(grid)]
    if not len(inside):
        return float(polygon[:, 0].mean()), float(polygon[:, 1].mean())
    start, edge = polygon, np.roll(polygon, -1, axis=0) - polygon
    off = inside[:, None] - start[None]
    share = np.clip((off * edge).sum(-1) / np.maximum((edge * edge).sum(-1), 1e-12), 0.0, 1.0)
    distance = np.hypot(*np.moveaxis(off - share[..., None] * edge, -1, 0)).min(axis=1)
    x, y = inside[int(distance.argmax())]
    return float(x), float(y)


def _points(zone: Zone) -> list[Point]:
    return [(float(x), float(y)) for x, y in zone.polygon]


def _step(canvas: Canvas, direction: Point, heights: float) -> Point:
    """So many heights of the picture that way (as seen), in fractions of it."""
    length = math.hypot(direction[0], direction[1]) or 1.0
    return direction[0] / length * heights * canvas.height / canvas.width, direction[1] / length * heights
