"""Wrong way: a vehicle drives against its lane.

It must go more than 120 degrees off the lane's direction for a second and for two of its own lengths before it is
accused: short windows accuse whoever the tracker mixes up (PP-Vehicle looks at 8 sampled frames and 1 % of the frame,
and does). The lane is drawn, or learned from the vehicles themselves in a warm-up (see flow.py); the event says which.
Standing, and the rolling back of less than two lengths, is nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import Field

from streamer.events import Event, Severity
from streamer.places import Places
from streamer.readings import Reading
from streamer.rules.flow import Cell, Flow
from streamer.rules.road import LaneRule, Stretch, angle
from streamer.rules.rule import Judge
from streamer.rules.sight import Sight, Vector, shift
from streamer.rules.vehicles import Vehicle, Vehicles
from streamer.types import NO_SCORES, Frame, Scores, Tracks

_STEP = 0.25
"""Shorter moves, in own sizes, say nothing about the direction: the jitter of boxes."""
_AGAINST = 0.25
"""Vote of who drives against what was learned: two wrong-way drivers must not make a road two-way, works may."""
LEARNED = "learned"
"""The place of a reading where no lane is drawn."""
_STEP_S = 1.0
"""So much of the time between two sightings counts as driving, at most."""


class WrongWay(LaneRule):
    """A vehicle drives against the direction of its lane."""

    kind: ClassVar[str] = "wrong_way"

    severity: Severity = Field("critical", description="info, warning or critical.")
    min_seconds: float = Field(1.0, ge=0, description="Driving against the lane that counts, seconds.")
    min_lengths: float = Field(2.0, ge=0.5, description="Way against the lane that counts, in vehicle lengths.")
    min_degrees: float = Field(120.0, ge=90, le=175, description="Angle to the lane's direction that is against it.")
    leave_seconds: float = Field(3.0, gt=0, description="Unseen, away or driving properly for this long ends it.")
    learn_seconds: float | None = Field(
        None,
        ge=10,
        description="Learn directions from traffic where no lane is drawn, and accuse nobody before this time is over; "
        "an hour is usual. Not if left out.",
    )
    learn_vehicles: int = Field(
        10, ge=3, le=100, description="Vehicles that must have passed a spot before it has a learned direction."
    )

    def _needs_place(self) -> bool:
        return self.learn_seconds is None

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        return _Watch(self, self.stretches(places))


@dataclass(slots=True)
class _Run:
    """What one vehicle does with regard to its lane."""

    anchor: Sight
    """Where it was when its direction was last looked at."""
    number: int
    """Tells this run from others of the same vehicle."""
    origin: Sight | None = None
    """Where it began to drive against the lane."""
    place: str = ""
    wrong_s: float = 0.0
    """Known seconds of driving against it."""
    wrong_at: float = 0.0
    """Capture time when it last did."""
    lengths: float = 0.0
    """Its way against it, in lengths of its own."""
    right_s: float = 0.0
    """Watched seconds since it last drove against it."""
    degrees: float = 0.0
    detail: dict[str, object] = field(default_factory=dict)
    announced: bool = False
    voted: Cell | None = None
    """The last cell that it voted in."""


class _Watch(Judge):
    """Looks at every vehicle's direction, and learns where it may."""

    def __init__(self, rule: WrongWay, lanes: list[Stretch]):
        self._rule = rule
        self._lanes = lanes
        self._vehicles = Vehicles(rule.labels, rule.leave_seconds)
        self._flow = None if rule.learn_seconds is None else Flow(rule.learn_vehicles)
        self._began: float | None = None
        """Known time of the first frame: learning begins there."""
        self._runs: dict[int, _Run] = {}
        self._count = 0

    def judge(
        self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES
    ) -> Iterator[Event | Reading]:
        """See Judge."""
        vehicles = self._vehicles
        if not vehicles.update(frame, tracks):
            return
        if self._began is None:
            self._began = vehicles.known
        where = self._where()
        for vehicle in vehicles.seen:
            run = self._runs.get(vehicle.number)
            if run is None:
                self._start(vehicle)
                continue
            self._look(vehicle, run, where.get(vehicle.number))
            if run.announced and run.right_s > self._rule.leave_seconds + 1e-6:
                yield self._event("end", frame.time, vehicle, run)
                self._start(vehicle)
            elif not run.announced and self._wrong(vehicle, run) and self._rule.holds_at(frame.time):
                run.announced = True
                yield self._event("begin", frame.time, vehicle, run)
                yield Reading("wrong_way", run.place, 1.0, "count", vehicle.label)
        for vehicle in vehicles.gone:
            run = self._runs.pop(vehicle.number, None)
            if run is not None and run.announced:
                yield self._event("end", frame.time, vehicle, run)

    def _start(self, vehicle: Vehicle) -> None:
        self._count += 1
        self._runs[vehicle.number] = _Run(vehicle.now, self._count)

    def _where(self) -> dict[int, Stretch]:
        """The lane of each vehicle that is seen now; the first that is named where lanes overlap."""
        seen = self._vehicles.seen
        return {v.number: lane for lane in reversed(self._lanes) for v in lane.holds(seen)}

    def _look(self, vehicle: Vehicle, run: _Run, lane: Stretch | None) -> None:
        """Judge the vehicle's last move, once it is long enough to have a direction."""
        run.right_s += self._vehicles.step_s
        now, anchor = vehicle.now, run.anchor
        move = shift(anchor, now, self._vehicles.aspect)
        if math.hypot(*move) < _STEP * now.size:
            return
        due = self._due(now, lane)
        against = due is not None and angle(move, due[0]) > self._rule.min_degrees
        self._learn(vehicle, run, move, against)
        run.anchor = now
        if due is None:
            return  # between lanes, or where nothing is known: says nothing for or against
        direction, run.detail = due[0], run.detail if run.announced else due[2]
        if not against:
            if not run.announced:
                run.origin, run.wrong_s, run.lengths = None, 0.0, 0.0
            return
        if run.origin is None:
            # who stood for long before has not driven against anything meanwhile
            run.origin = anchor if now.known - anchor.known <= _STEP_S else vehicle.since(_STEP_S)
        run.wrong_s += min(now.known - anchor.known, _STEP_S)
        run.lengths += -(move[0] * direction[0] + move[1] * direction[1]) / self._length(anchor, now, move)
        run.place, run.degrees, run.wrong_at, run.right_s = due[1], angle(move, direction), now.time, 0.0

    def _length(self, before: Sight, now: Sight, move: Vector) -> float:
        """The vehicle's extent along its way, in heights; of one that the frame cuts off, at least its width."""
        x, y = abs(move[0]) / math.hypot(*move), abs(move[1]) / math.hypot(*move)
        found = []
        for sight in (before, now):
            x1, y1, x2, y2 = sight.box
            wide, tall = (x2 - x1) * self._vehicles.aspect, y2 - y1
            found.append(max(wide, tall) if sight.cut else x * wide + y * tall)
        return max(sum(found) / 2, 1e-6)

    def _due(self, now: Sight, lane: Stretch | None) -> tuple[Vector, str, dict[str, object]] | None:
        """The direction that holds where a vehicle is, the name of the place, and what an event says about it."""
        if lane is not None:
            along = lane.along(self._vehicles.aspect)
            assert along is not None  # lanes have a direction
            return along, lane.name, {"learned": False}
        if self._flow is None or self._began is None or self._rule.learn_seconds is None:
            return None
        watched_s = self._vehicles.known - self._began
        if watched_s < self._rule.learn_seconds:
            return None
        found = self._flow.direction(Flow.cell(now.foot))
        if found is None:
            return None
        direction, share = found
        return direction, LEARNED, {"learned": True, "agreement": round(share, 3), "learned_s": round(watched_s)}

    def _learn(self, vehicle: Vehicle, run: _Run, move: Vector, against: bool) -> None:
        """Let the vehicle vote for its direction, once in each cell on its way."""
        if self._flow is None or vehicle.confidence < self._rule.min_confidence:
            return
        for cell in Flow.cells(run.anchor.foot, vehicle.now.foot):
            if cell != run.voted:
                self._flow.vote(cell, move, _AGAINST if against else 1.0)
                run.voted = cell

    def _wrong(self, vehicle: Vehicle, run: _Run) -> bool:
        rule = self._rule
        return (
            run.origin is not None
            and run.right_s == 0.0
            and run.wrong_s >= rule.min_seconds - 1e-6
            and run.lengths >= rule.min_lengths
            and vehicle.confidence >= rule.min_confidence
        )

    def _event(self, state: str, time: float, vehicle: Vehicle, run: _Run) -> Event:
        rule, origin = self._rule, run.origin
        assert origin is not None  # who was accused drove against a lane somewhere
        return rule.event(
            "begin" if state == "begin" else "end",
            time,
            key=(run.number,),
            started=origin.time,
            ended=run.wrong_at if state == "end" else None,
            zone=None if run.place == LEARNED else run.place,
            track_id=vehicle.track_id,
            label=vehicle.label,
            confidence=min(vehicle.confidence, 1.0),
            box=vehicle.now.box,
            detail={
                **run.detail,
                "degrees": round(run.degrees, 1),
                "min_degrees": rule.min_degrees,
                "wrong_s": round(run.wrong_s, 2),
                "min_seconds": rule.min_seconds,
                "lengths": round(run.lengths, 2),
                "min_lengths": rule.min_lengths,
            },
        )
