"""Congestion: a lane is full and slow.

Two smoothed numbers decide: how much of the lane's picture vehicles cover, and their mean speed as a share of the
free-flow speed (the space mean: of all that are there at one instant). Levels of service A to F are those of urban
streets in the Highway Capacity Manual 2010 (travel speed above 85, 67, 50, 40 and 30 percent of the base free-flow
speed); it begins at E with a full lane and ends above D or with an empty one. Free flow is given in km/h
(with a ground plane), or learned: the 85th percentile of those who drove while the lane was not full, as traffic
engineers set speed limits.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamer.errors import InputError
from streamer.events import Event
from streamer.ground import Ground
from streamer.places import Places, Zone
from streamer.readings import Reading
from streamer.rules.latch import Latch
from streamer.rules.road import RoadRule, Stretch
from streamer.rules.rule import Judge
from streamer.rules.speeding import KMH, ground_speed
from streamer.rules.vehicles import Vehicle, Vehicles
from streamer.types import NO_SCORES, Frame, Scores, Tracks

BANDS = (0.85, 0.67, 0.50, 0.40, 0.30)
"""Lower bounds of A to E as shares of free-flow speed (HCM 2010, urban streets); below is F."""
_NAMES = "ABCDEF"
_SETTLE = 0.02
"""A level changes only when the share is so far beyond its bound."""
_WINDOW_S = 1.5
"""Speeds are measured over this time."""
_FORGET_S = 3.0
_LEARN_AT_LEAST, _LEARN_MOST = 10, 200
"""Vehicles that free flow is learned from."""
_ASSUMED_SIZES_S, _LEAST_SIZES_S = 1.5, 0.8
"""Free flow before it is learned, and at the least: one car length a second is 16 km/h."""
_ASSUMED_MPS = 50 / KMH
"""The same where meters are known: the usual limit in towns."""
_GRID = 16
"""The lane's picture is sampled by so many points across its bounding box."""


class Congestion(RoadRule):
    """A lane or zone is full of slow vehicles."""

    kind: ClassVar[str] = "congestion"

    min_occupancy: float = Field(0.25, gt=0, le=1, description="Share of the lane's picture under vehicles: full.")
    end_occupancy: float = Field(0.12, ge=0, le=1, description="Below this share it is over, whatever the speed.")
    slow: float = Field(0.4, gt=0, le=1, description="Mean speed as a share of free flow: at or below is congested.")
    end_slow: float = Field(0.5, gt=0, le=1, description="Above this share it is over.")
    min_seconds: float = Field(20.0, ge=0, description="Full and slow for this long is congestion, seconds.")
    leave_seconds: float = Field(20.0, ge=0, description="Clear for this long ends it, seconds.")
    smooth_seconds: float = Field(10.0, gt=0, description="Time constant of both numbers, seconds.")
    free_flow_kmh: float | None = Field(
        None,
        gt=0,
        le=300,
        description="Speed of free traffic, km/h; needs the camera's ground plane. Default: learned.",
    )

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        if self.ground_needed() and places.ground is None:
            raise InputError(f"{self.kind}: free_flow_kmh needs the camera's ground plane; leave it out to learn it")
        return _Meter(self, self.stretches(places), places.ground)

    def ground_needed(self) -> bool:
        """See Rule."""
        return self.free_flow_kmh is not None


class _State:
    """What is measured of one stretch."""

    def __init__(self, stretch: Stretch, rule: Congestion):
        self.stretch = stretch
        self.points = _inside(stretch.zone)
        self.occupancy = 0.0
        self.ratio = 1.0
        self.level = 0
        self.free: deque[float] = deque(maxlen=_LEARN_MOST)
        self.free_85: float | None = None
        """Their 85th percentile; None after a change."""
        self.drives: dict[int, float] = {}
        """The best speed of each vehicle that is on its way through, while the lane was not full."""
        self.latch = Latch(rule.min_seconds, rule.leave_seconds)
        self.count = 0
        """Of incidents."""
        self.fed = False


class _Meter(Judge):
    """Measures occupancy and speed of every stretch."""

    def __init__(self, rule: Congestion, stretches: list[Stretch], ground: Ground | None):
        self._rule = rule
        self._ground = ground
        self._states = [_State(stretch, rule) for stretch in stretches]
        self._vehicles = Vehicles(rule.labels, _FORGET_S, ground)
        self._last_known: float | None = None
        self._told_at = -math.inf

    def judge(
        self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES
    ) -> Iterator[Event | Reading]:
        """See Judge."""
        if not self._vehicles.update(frame, tracks):
            return
        known = self._vehicles.known
        step_s = 0.0 if self._last_known is None else known - self._last_known
        self._last_known = known
        there = [v for v in self._vehicles if v.confidence >= self._rule.min_confidence]
        tell = not 0 <= frame.time - self._told_at < 1.0
        for state in self._states:
            here = state.stretch.holds(there)
            self._measure(state, here, step_s)
            yield from self._decide(frame.time, state)
            if tell:
                yield from self._readings(state, len(here))
        if tell:
            self._told_at = frame.time

    def _measure(self, state: _State, here: list[Vehicle], step_s: float) -> None:
        """Smooth what is measured now into what is known."""
        weight = 1 - math.exp(-step_s / self._rule.smooth_seconds)
        state.occupancy += weight * (_covered(state.points, here) - state.occupancy)
        speeds = {v.number: speed for v in here if (speed := self._speed(v)) is not None}
        if speeds:
            ratio = min(fmean(speeds.values()) / self._free_flow(state)[0], 1.0)
            if not state.fed:  # what is seen first is no change
                state.fed, weight = True, 1.0
            state.ratio += weight * (ratio - state.ratio)
        elif not here:
            state.ratio += weight * (1.0 - state.ratio)  # nobody is slow on an empty road
        for number, speed in speeds.items():
            if state.occupancy < self._rule.min_occupancy:
                state.drives[number] = max(state.drives.get(number, 0.0), speed)
        for vehicle in self._vehicles.gone:
            best = state.drives.pop(vehicle.number, None)
            if best is not None:
                state.free.append(best)
                state.free_85 = None

    def _speed(self, vehicle: Vehicle) -> float | None:
        """Meters, or own sizes, a second."""
        if self._ground is not None:
            return ground_speed(vehicle, _WINDOW_S)
        if vehicle.now.known - vehicle.trail[0].known < 0.5 * _WINDOW_S:
            return None
        pace = vehicle.velocity(self._vehicles.aspect, _WINDOW_S)
        return None if pace is None else math.hypot(*pace) / vehicle.now.size

    def _free_flow(self, state: _State) -> tuple[float, str]:
        """The free speed of a stretch, and where it is from."""
        if self._rule.free_flow_kmh is not None:
            return self._rule.free_flow_kmh / KMH, "given"
        assumed = _ASSUMED_SIZES_S if self._ground is None else _ASSUMED_MPS
        if len(state.free) < _LEARN_AT_LEAST:
            return assumed, "assumed"
        least = _LEAST_SIZES_S if self._ground is None else _ASSUMED_MPS / 2
        if state.free_85 is None:
            state.free_85 = float(np.percentile(list(state.free), 85))
        return max(state.free_85, least), f"learned from {len(state.free)} vehicles"

    def _decide(self, time: float, state: _State) -> Iterator[Event]:
        rule, latch = self._rule, state.latch
        level = _level(state.ratio, state.level)
        changed, state.level = level != state.level, level
        full = state.occupancy >= rule.min_occupancy
        clear = state.ratio > rule.end_slow or state.occupancy < rule.end_occupancy
        holds = full and state.ratio <= rule.slow and rule.holds_at(time)
        what = latch.update(time, self._vehicles.known, holds, clear)
        if what == "begin":
            state.count += 1
            yield self._event("begin", time, state)
        elif what == "end":
            yield self._event("end", time, state)
        elif latch.on and changed:
            yield self._event("update", time, state)

    def _readings(self, state: _State, vehicles: int) -> Iterator[Reading]:
        place = state.stretch.name
        yield Reading("lane_occupancy", place, round(state.occupancy, 3))
        yield Reading("speed_ratio", place, round(state.ratio, 3))
        yield Reading("level_of_service", place, float(state.level + 1))
        yield Reading("vehicles_now", place, float(vehicles))
        yield Reading("congestion", place, float(state.latch.on))

    def _event(self, state_word: str, time: float, state: _State) -> Event:
        rule = self._rule
        free, source = self._free_flow(state)
        unit = "sizes_s" if self._ground is None else "mps"
        return rule.event(
            "begin" if state_word == "begin" else "update" if state_word == "update" else "end",
            time,
            key=(state.stretch.name, state.count),
            started=state.latch.started,
            ended=state.latch.until if state_word == "end" else None,
            zone=state.stretch.name,
            detail={
                "level_of_service": _NAMES[state.level],
                "speed_ratio": round(state.ratio, 3),
                "slow": rule.slow,
                "occupancy": round(state.occupancy, 3),
                "min_occupancy": rule.min_occupancy,
                f"free_flow_{unit}": round(free, 2),
                "free_flow": source,
                "min_seconds": rule.min_seconds,
            },
        )


def _level(ratio: float, before: int) -> int:
    """0 (A) to 5 (F); stays as it was near a bound."""
    level = sum(ratio <= bound for bound in BANDS)
    if level > before and ratio > BANDS[level - 1] - _SETTLE:
        level -= 1
    elif level < before and ratio < BANDS[level] + _SETTLE:
        level += 1
    return level


def _inside(zone: Zone) -> NDArray[np.float64]:
    """Points spread evenly over a zone, float64 (n, 2), fractions of the frame."""
    low, high = zone.polygon.min(axis=0), zone.polygon.max(axis=0)
    steps = (np.arange(_GRID) + 0.5) / _GRID
    points = np.stack(np.meshgrid(*(low[i] + steps * (high[i] - low[i]) for i in (0, 1))), axis=-1).reshape(-1, 2)
    found: NDArray[np.float64] = points[zone.contains(points)]
    return found if len(found) else zone.polygon.mean(axis=0, keepdims=True)


def _covered(points: NDArray[np.float64], vehicles: list[Vehicle]) -> float:
    """The share of points that lie within a vehicle's box."""
    if not vehicles:
        return 0.0
    boxes = np.array([vehicle.now.box for vehicle in vehicles])
    x, y = points[:, :1], points[:, 1:]
    under = (x >= boxes[:, 0]) & (x <= boxes[:, 2]) & (y >= boxes[:, 1]) & (y <= boxes[:, 3])
    return float(under.any(axis=1).mean())
