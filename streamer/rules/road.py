"""Stretches of road: the lanes and zones that a traffic rule watches, and the settings that all of them share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from streamer.places import Lane, Places, Zone
from streamer.rules.rule import Rule
from streamer.rules.vehicles import Vector, Vehicle

VEHICLES = ("car", "truck", "bus", "train", "motorcycle", "motion")
"""What counts as a vehicle unless told otherwise. Small detectors take a truck for a train; `motion` is what the
built-in detector and fusion call a thing that moves and has no name."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """A lane or a zone with vehicles in it."""

    name: str
    zone: Zone
    direction: Vector | None
    """Of travel, x right and y down, in fractions of the frame; None: a zone, in which there is none."""

    def along(self, aspect: float) -> Vector | None:
        """The direction of travel as a unit vector in heights of the picture."""
        if self.direction is None:
            return None
        x, y = self.direction[0] * aspect, self.direction[1]
        length = math.hypot(x, y)
        return x / length, y / length

    def holds(self, vehicles: list[Vehicle]) -> list[Vehicle]:
        """Those whose bottom center is in it."""
        if not vehicles:
            return []
        inside = self.zone.contains(feet(vehicles))
        return [vehicle for vehicle, here in zip(vehicles, inside.tolist(), strict=True) if here]


class RoadRule(Rule):
    """A behavior of vehicles in lanes or zones."""

    lanes: list[str] = Field([], description="Lanes to watch; each camera that runs this rule draws them.")
    zones: list[str] = Field([], description="Zones to watch, for what needs no direction of travel.")
    labels: list[str] = Field(list(VEHICLES), description="What counts; names of the detector's classes.")
    min_confidence: float = Field(0.35, ge=0, le=1, description="Mean confidence of its sightings that is asked for.")

    @model_validator(mode="after")
    def _somewhere(self) -> RoadRule:
        if self._needs_place() and not (self.lanes or self.zones):
            raise ValueError(f"{self.kind} needs a place: name at least one under lanes or zones")
        return self

    def _needs_place(self) -> bool:
        return True

    def places_needed(self) -> dict[str, list[str]]:
        """See Rule."""
        return {"lanes": self.lanes, "zones": self.zones}

    def stretches(self, places: Places) -> list[Stretch]:
        """The lanes and zones of this rule on a camera.

        Raises:
            InputError: one is not drawn.
        """
        lanes = self.drawn(self.lanes, places.lanes, "lane")
        zones = self.drawn(self.zones, places.zones, "zone")
        return [
            *(Stretch(lane.zone.name, lane.zone, lane.direction) for lane in lanes),
            *(Stretch(zone.name, zone, None) for zone in zones),
        ]


def feet(vehicles: list[Vehicle]) -> NDArray[np.float64]:
    """Where they stand: float64 (n, 2), bottom centers in fractions of the frame."""
    return np.array([vehicle.now.foot for vehicle in vehicles], np.float64).reshape(-1, 2)


def angle(a: Vector, b: Vector) -> float:
    """Between two vectors, degrees 0..180; 0 if one has no length."""
    lengths = math.hypot(*a) * math.hypot(*b)
    if lengths == 0:
        return 0.0
    return math.degrees(math.acos(max(-1.0, min(1.0, (a[0] * b[0] + a[1] * b[1]) / lengths))))


def middle_gate(lane: Lane) -> tuple[Vector, Vector]:
    """A line across the middle of a lane, at right angles to its direction (as fractions of the frame go).

    Returns:
        Its ends, so that who crosses it in the lane's direction comes from its left to its right.
    """
    (dx, dy), polygon = lane.direction, lane.zone.polygon
    x, y = polygon.mean(axis=0)
    # the arrow points to where the traffic's left hand lies as seen, so its own right is where they go
    across = (dy, -dx)
    reach = 2.0
    ends = (x - reach * across[0], y - reach * across[1]), (x + reach * across[0], y + reach * across[1])
    return within(lane.zone, *ends) or ends


def within(zone: Zone, start: Vector, end: Vector) -> tuple[Vector, Vector] | None:
    """The part of a line between where it first enters a zone and where it last leaves it; None if it misses it."""
    steps = np.linspace(0.0, 1.0, 2001)
    points = np.array(start) + steps[:, None] * (np.array(end) - np.array(start))
    inside = zone.contains(points) & (points >= 0).all(axis=1) & (points <= 1).all(axis=1)
    hit = np.flatnonzero(inside)
    if not len(hit):
        return None
    a, b = points[hit[0]], points[hit[-1]]
    return (float(a[0]), float(a[1])), (float(b[0]), float(b[1]))
