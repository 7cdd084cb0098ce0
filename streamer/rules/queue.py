"""Queue: vehicles wait one behind the other before a stop line.

A vehicle is queued once it is slower than 8 km/h (5 mi/h, the bound of the Highway Capacity Manual 2010 for a vehicle
in a queue), or half its size a second where meters are not known, and until it is twice as fast. The queue is the
chain of queued vehicles against the lane's direction, up to the first gap that is too long; its length in meters is
from the stop line to the bottom center of the last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from pydantic import Field

from streamer.errors import InputError
from streamer.events import Event
from streamer.ground import Ground
from streamer.places import Places
from streamer.readings import Reading
from streamer.rules.gate import within
from streamer.rules.latch import Latch
from streamer.rules.road import LaneRule, Stretch
from streamer.rules.rule import Judge
from streamer.rules.sight import Vector
from streamer.rules.speeding import KMH, ground_speed
from streamer.rules.vehicles import Vehicle, Vehicles
from streamer.types import NO_SCORES, Frame, Scores, Tracks

_SLOW_MPS, _SLOW_SIZES_S = 8 / KMH, 0.5
_WINDOW_S = 1.0
_FORGET_S = 4.0
"""A queued vehicle that another hides is still there."""


class Queue(LaneRule):
    """Vehicles wait before a stop line."""

    kind: ClassVar[str] = "queue"

    lanes: list[str] = Field(min_length=1, description="Lanes to watch; each camera that runs this rule draws them.")
    line: str | None = Field(None, description="The stop line; default: where the lane ends in its direction.")
    min_vehicles: int = Field(3, ge=1, description="So many waiting vehicles are a queue.")
    min_seconds: float = Field(5.0, ge=0, description="So many for this long begins it, seconds.")
    leave_seconds: float = Field(10.0, ge=0, description="Half as many or fewer for this long ends it, seconds.")
    max_gap_lengths: float = Field(4.0, gt=0, description="A longer gap, in vehicle sizes, ends the chain.")

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        lanes = []
        for stretch in self.stretches(places):
            stop = None
            if self.line is not None:
                line = self.drawn([self.line], places.lines, "line")[0]
                stop = within(stretch.zone, line.start, line.end)
                if stop is None:
                    raise InputError(f"queue: line {line.name!r} does not cross lane {stretch.name!r}: draw it across")
            lanes.append(_Lane(self, stretch, stop))
        return _Waiting(self, lanes, places.ground)

    def _needs_place(self) -> bool:
        return False  # the lanes are a must of their own

    def places_needed(self) -> dict[str, list[str]]:
        """See Rule."""
        return {"lanes": self.lanes, "lines": [] if self.line is None else [self.line]}


class _Lane:
    """One lane with its stop line."""

    def __init__(self, rule: Queue, stretch: Stretch, stop: tuple[Vector, Vector] | None):
        self.stretch = stretch
        corners = stretch.zone.polygon
        if stop is None:  # the far end: the mean of the corners that lie farthest along, within a tenth of the lane
            assert stretch.direction is not None  # lanes have a direction
            reach = corners @ np.array(stretch.direction)
            far = corners[reach >= reach.max() - 0.1 * (reach.max() - reach.min())].mean(axis=0)
            self.stop: Vector = (float(far[0]), float(far[1]))
        else:
            self.stop = ((stop[0][0] + stop[1][0]) / 2, (stop[0][1] + stop[1][1]) / 2)
        self.queued: set[int] = set()
        self.latch = Latch(rule.min_seconds, rule.leave_seconds)
        self.count = 0
        self.length = 0
        self.longest = 0
        self.meters: float | None = None
        self.told: tuple[int, float | None] = (-1, None)


@dataclass(slots=True)
class _Waiting(Judge):
    """Follows the queue of every lane."""

    rule: Queue
    lanes: list[_Lane]
    ground: Ground | None
    vehicles: Vehicles = field(init=False)

    def __post_init__(self) -> None:
        self.vehicles = Vehicles(self.rule.labels, _FORGET_S, self.ground)

    def judge(
        self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES
    ) -> Iterator[Event | Reading]:
        """See Judge."""
        if not self.vehicles.update(frame, tracks):
            return
        there = [v for v in self.vehicles if v.confidence >= self.rule.min_confidence]
        for lane in self.lanes:
            chain = self._chain(lane, lane.stretch.holds(there))
            lane.length = len(chain)
            lane.meters = self._meters(lane, chain)
            yield from self._decide(frame.time, lane)
            if (lane.length, lane.meters) != lane.told:
                lane.told = lane.length, lane.meters
                yield Reading("queue", lane.stretch.name, float(lane.length))
                if lane.meters is not None:
                    yield Reading("queue_m", lane.stretch.name, lane.meters)

    def _chain(self, lane: _Lane, here: list[Vehicle]) -> list[Vehicle]:
        """The queued vehicles before the stop line, from the first to the last."""
        aspect = self.vehicles.aspect
        along = lane.stretch.along(aspect)
        assert along is not None  # lanes have a direction
        at = lane.stop[0] * aspect, lane.stop[1]
        lane.queued = {v.number for v in here if self._waits(v, v.number in lane.queued)}
        ranked = []
        for vehicle in here:
            before = (at[0] - vehicle.now.x) * along[0] + (at[1] - vehicle.now.y) * along[1]
            if vehicle.number in lane.queued and before > -0.5 * vehicle.now.size:
                ranked.append((before, vehicle))
        ranked.sort(key=lambda pair: pair[0])
        chain: list[Vehicle] = []
        last = None
        for before, vehicle in ranked:
            if last is not None and before - last > self.rule.max_gap_lengths * vehicle.now.size:
                break
            chain.append(vehicle)
            last = before
        return chain

    def _waits(self, vehicle: Vehicle, waited: bool) -> bool:
        """Whether it is slow enough; who waited already must be twice as fast to drive."""
        most = 2.0 if waited else 1.0
        if self.ground is not None:
            speed = ground_speed(vehicle, _WINDOW_S)
            if speed is not None:
                return speed < most * _SLOW_MPS
        if vehicle.now.known - vehicle.trail[0].known < 0.5 * _WINDOW_S:
            return waited
        pace = vehicle.velocity(self.vehicles.aspect, _WINDOW_S)
        return waited if pace is None else math.hypot(*pace) < most * _SLOW_SIZES_S * vehicle.now.size

    def _meters(self, lane: _Lane, chain: list[Vehicle]) -> float | None:
        """From the stop line to the last vehicle; None without a ground plane."""
        if self.ground is None:
            return None
        if not chain:
            return 0.0
        ends = self.ground.meters(np.array([lane.stop, chain[-1].now.foot]))
        length = float(np.hypot(*(ends[1] - ends[0])))
        return round(length, 1) if math.isfinite(length) else None

    def _decide(self, time: float, lane: _Lane) -> Iterator[Event]:
        rule = self.rule
        holds = lane.length >= rule.min_vehicles and rule.holds_at(time)
        what = lane.latch.update(time, self.vehicles.known, holds, lane.length <= rule.min_vehicles // 2)
        lane.longest = max(lane.longest, lane.length)
        if what == "begin":
            lane.count += 1
            lane.longest = lane.length
            yield self._event("begin", time, lane)
        elif what == "end":
            yield self._event("end", time, lane)

    def _event(self, state: str, time: float, lane: _Lane) -> Event:
        rule = self.rule
        meters = {} if lane.meters is None else {"meters": lane.meters}
        return rule.event(
            "begin" if state == "begin" else "end",
            time,
            key=(lane.stretch.name, lane.count),
            started=lane.latch.started,
            ended=lane.latch.until if state == "end" else None,
            zone=lane.stretch.name,
            line=rule.line,
            detail={
                "vehicles": lane.length,
                "longest": lane.longest,
                "min_vehicles": rule.min_vehicles,
                "min_seconds": rule.min_seconds,
                "max_gap_lengths": rule.max_gap_lengths,
                **meters,
            },
        )
