"""Stretches of road: the lanes and zones that a traffic rule watches, and the settings that all of them share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from streamer.places import Places, Zone
from streamer.rules.rule import Rule
from streamer.rules.sight import Vector
from streamer.rules.vehicles import Vehicle

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


class LaneRule(Rule):
    """A behavior of vehicles in lanes."""

    lanes: list[str] = Field([], description="Lanes to watch; each camera that runs this rule draws them.")
    labels: list[str] = Field(list(VEHICLES), description="What counts; names of the detector's classes.")
    min_confidence: float = Field(0.35, ge=0, le=1, description="Mean confidence of its sightings that is asked for.")

    @model_validator(mode="after")
    def _somewhere(self) -> LaneRule:
        if self._needs_place() and not any(self.places_needed().values()):
            raise ValueError(f"{self.kind} needs a place: name at least one under {' or '.join(self.places_needed())}")
        return self

    def _needs_place(self) -> bool:
        return True

    def places_needed(self) -> dict[str, list[str]]:
        """See Rule."""
        return {"lanes": self.lanes}

    def stretches(self, places: Places) -> list[Stretch]:
        """What this rule watches on a camera.

        Raises:
            InputError: a place is not drawn.
        """
        lanes = self.drawn(self.lanes, places.lanes, "lane")
        return [Stretch(lane.zone.name, lane.zone, lane.direction) for lane in lanes]


class RoadRule(LaneRule):
    """A behavior of vehicles in lanes, or in zones: one that needs no direction of travel."""

    zones: list[str] = Field([], description="Zones to watch besides lanes.")

    def places_needed(self) -> dict[str, list[str]]:
        """See Rule."""
        return {"lanes": self.lanes, "zones": self.zones}

    def stretches(self, places: Places) -> list[Stretch]:
        """See LaneRule."""
        zones = self.drawn(self.zones, places.zones, "zone")
        return [*super().stretches(places), *(Stretch(zone.name, zone, None) for zone in zones)]


def feet(vehicles: list[Vehicle]) -> NDArray[np.float64]:
    """Where they stand: float64 (n, 2), bottom centers in fractions of the frame."""
    return np.array([vehicle.now.foot for vehicle in vehicles], np.float64).reshape(-1, 2)


def angle(a: Vector, b: Vector) -> float:
    """Between two vectors, degrees 0..180; 0 if one has no length."""
    lengths = math.hypot(*a) * math.hypot(*b)
    if lengths == 0:
        return 0.0
    return math.degrees(math.acos(max(-1.0, min(1.0, (a[0] * b[0] + a[1] * b[1]) / lengths))))
