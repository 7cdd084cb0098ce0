"""Zones, lines, lanes, masks and ground plane of a camera: what was drawn on its picture, and the geometry on them.

Everything is in fractions of the frame (x right, y down), so a drawing survives a change of resolution. The settings
classes are the YAML form; `Places` is what rules get. Points are tested with numpy, many at once; no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator, model_validator

from streamer.ground import Ground, check_corners

Point = tuple[Annotated[float, Field(ge=0.0, le=1.0)], Annotated[float, Field(ge=0.0, le=1.0)]]
"""x, y as fractions of the frame."""

Length = Annotated[float, Field(gt=0, le=10_000)]
"""Meters."""

_STRICT = ConfigDict(extra="forbid", frozen=True)
_LAST = float(np.nextafter(1.0, 0.0))


class LineSettings(BaseModel):
    """A directed line; forward is from the arrow's left to its right, as seen."""

    model_config = _STRICT
    from_: Point = Field(alias="from", description="Start of the arrow, x and y as fractions of the frame.")
    to: Point = Field(description="Head of the arrow, x and y as fractions of the frame.")

    @model_validator(mode="after")
    def _has_length(self) -> LineSettings:
        if self.from_ == self.to:
            raise ValueError(f"a line needs two different points, got {list(self.from_)} twice")
        return self


class LaneSettings(BaseModel):
    """A lane of traffic and the direction in which it is driven."""

    model_config = _STRICT
    polygon: list[Point] = Field(description="At least 3 points, x and y as fractions of the frame.")
    direction: tuple[FiniteFloat, FiniteFloat] = Field(
        description="Where traffic goes, x right and y down; the length is ignored."
    )

    _polygon = field_validator("polygon")(lambda value: check_polygon(value))

    @field_validator("direction")
    @classmethod
    def _not_zero(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value == (0.0, 0.0):
            raise ValueError("a direction needs a length, got [0, 0]")
        return value


class MaskSettings(BaseModel):
    """A region that is not looked at, or not shown."""

    model_config = _STRICT
    polygon: list[Point] = Field(description="At least 3 points, x and y as fractions of the frame.")
    ignore: list[Literal["motion", "detections"]] = Field(
        default_factory=list, description="What is not looked at here: motion, detections, or both."
    )
    privacy: bool = Field(False, description="Blacked out before anything sees or stores the picture.")

    _polygon = field_validator("polygon")(lambda value: check_polygon(value))

    @model_validator(mode="after")
    def _does_something(self) -> MaskSettings:
        if not self.ignore and not self.privacy:
            raise ValueError("a mask must do something: give `ignore: [motion, detections]` or `privacy: true`")
        return self


class GroundSettings(BaseModel):
    """The ground plane: a rectangle of known size on flat ground, as it is seen."""

    model_config = _STRICT
    points: list[Point] = Field(
        description="Its 4 corners, one after the other round it, x and y as fractions of the frame."
    )
    size_m: tuple[Length, Length] = Field(
        description="Its width (first to second corner) and depth (second to third), meters."
    )

    @field_validator("points")
    @classmethod
    def _rectangle(cls, value: list[Point]) -> list[Point]:
        check_corners(value)
        return value


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """A polygon on the picture."""

    name: str
    polygon: NDArray[np.float64]
    """float64 (n, 2), fractions of the frame, n >= 3."""
    _edges: tuple[NDArray[np.float64], ...] = field(init=False, repr=False)
    """Of each edge: x and y of its start, y of its end, and how far it runs and rises; tests of points are frequent."""

    def __post_init__(self) -> None:
        x1, y1 = self.polygon[:, 0], self.polygon[:, 1]
        x2, y2 = np.roll(x1, -1), np.roll(y1, -1)
        rise = np.where(y2 == y1, 1.0, y2 - y1)  # level edges span nothing; 1.0 only avoids the division by zero
        object.__setattr__(self, "_edges", (x1, y1, y2, x2 - x1, rise))

    def contains(self, points: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of the points lie inside (even-odd rule).

        Args:
            points: float (m, 2), x and y as fractions of the frame.

        Returns:
            bool (m,).
        """
        # feet that the picture's lower or right edge cuts off stand in a zone that reaches to that edge
        inside_frame = np.minimum(np.maximum(points, 0.0), _LAST)  # np.clip costs three times as much
        x, y = inside_frame[:, 0:1], inside_frame[:, 1:2]
        x1, y1, y2, run, rise = self._edges
        spans = (y1 > y) != (y2 > y)
        left = x < run * (y - y1) / rise + x1
        inside: NDArray[np.bool_] = (np.count_nonzero(spans & left, axis=1) % 2).astype(bool)
        return inside


@dataclass(frozen=True, slots=True)
class Line:
    """A directed line on the picture."""

    name: str
    start: Point
    end: Point

    def side(self, point: tuple[float, float]) -> float:
        """Positive right of the arrow as seen, negative left of it, 0 on it; twice the area of the triangle."""
        (x1, y1), (x2, y2) = self.start, self.end
        return (x2 - x1) * (point[1] - y1) - (y2 - y1) * (point[0] - x1)


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """A polygon with a direction of travel."""

    zone: Zone
    direction: tuple[float, float]
    """Unit vector, x right, y down."""


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A region with what is not done there."""

    zone: Zone
    ignore: frozenset[str]
    privacy: bool


@dataclass(frozen=True, slots=True)
class Places:
    """All that is drawn on one camera's picture, by name."""

    zones: dict[str, Zone] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    lanes: dict[str, Lane] = field(default_factory=dict)
    masks: dict[str, Mask] = field(default_factory=dict)
    ground: Ground | None = None
    """Where points of the picture are in meters; None: nobody measured it."""
    signals: tuple[str, ...] = ()
    """Names of the traffic signals that frames of this camera can tell of."""

    def hidden(self) -> tuple[tuple[tuple[float, float], ...], ...]:
        """The polygons of the privacy masks, for whoever reads the pictures."""
        masks = [mask.zone.polygon.tolist() for mask in self.masks.values() if mask.privacy]
        return tuple(tuple((x, y) for x, y in polygon) for polygon in masks)

    def ignored(self, what: str) -> list[Zone]:
        """The masks that leave ``motion`` or ``detections`` out."""
        return [mask.zone for mask in self.masks.values() if what in mask.ignore]

    @staticmethod
    def build(
        zones: dict[str, list[Point]] | None = None,
        lines: dict[str, LineSettings] | None = None,
        lanes: dict[str, LaneSettings] | None = None,
        masks: dict[str, MaskSettings] | None = None,
        ground: GroundSettings | None = None,
    ) -> Places:
        """The drawings of one camera from their YAML form."""
        return Places(
            {name: make_zone(name, polygon) for name, polygon in (zones or {}).items()},
            {name: Line(name, line.from_, line.to) for name, line in (lines or {}).items()},
            {name: Lane(make_zone(name, lane.polygon), _unit(lane.direction)) for name, lane in (lanes or {}).items()},
            {
                name: Mask(make_zone(name, mask.polygon), frozenset(mask.ignore), mask.privacy)
                for name, mask in (masks or {}).items()
            },
            None if ground is None else Ground(ground.points, ground.size_m),
        )


def make_zone(name: str, polygon: list[Point]) -> Zone:
    """A zone from its corner points, checked."""
    return Zone(name, np.array(check_polygon(polygon), np.float64))


def foot_points(boxes: NDArray[Any]) -> NDArray[Any]:
    """Where things stand: the bottom centre of each box, as peers do (Frigate, DL Streamer).

    Args:
        boxes: float (n, 4), x1, y1, x2, y2.

    Returns:
        float (n, 2).
    """
    feet = boxes[:, 2:].copy()
    feet[:, 0] = (boxes[:, 0] + boxes[:, 2]) / 2
    return feet


def check_polygon(points: list[Point]) -> list[Point]:
    """The points, if they make a simple polygon.

    Raises:
        ValueError: fewer than three points, no area, or edges that cross.
    """
    if len(points) < 3:
        raise ValueError(f"a polygon needs at least 3 points, got {len(points)}")
    n = len(points)
    for i in range(n):
        for j in range(i + 2, n):
            if (i, j) != (0, n - 1) and _cross(points[i], points[i + 1], points[j], points[(j + 1) % n]):
                raise ValueError(f"the polygon crosses itself: edge {i + 1} and edge {j + 1}")
    area = sum(points[i][0] * points[i - 1][1] - points[i - 1][0] * points[i][1] for i in range(n)) / 2
    if abs(area) < 1e-6:
        raise ValueError("the polygon has no area")
    return points


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether segments ab and cd cross properly (touching is allowed: corners may be shared)."""

    def turn(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0


def _unit(vector: tuple[float, float]) -> tuple[float, float]:
    length = float(np.hypot(*vector))
    return vector[0] / length, vector[1] / length
