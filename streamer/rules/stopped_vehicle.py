"""Stopped vehicle: one stands in a lane or zone where traffic should move.

It stands while the middle of its last sightings stays within a share of its own size, so the jitter of its box does
not make it move, and a switch of the track's number does not restart the clock. Where several stand in one place and
nobody gets past them, all wait (a red light, a jam): that is for `queue` and `congestion`, and nothing is said here
until somebody passes, or one has stood alone for as long again. One vehicle alone at a red light cannot be told from
a broken-down one: leave the approach to a signal out of the lanes, or ask for longer than its red.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import ClassVar

from pydantic import Field

from streamer.events import Event
from streamer.places import Places
from streamer.readings import Reading
from streamer.rules.road import RoadRule, Stretch
from streamer.rules.rule import Judge
from streamer.rules.sight import Sight, Vector
from streamer.rules.vehicles import Vehicle, Vehicles
from streamer.types import NO_SCORES, Frame, Scores, Tracks

_DRIFT = 0.3
"""Who is farther from where it stood, in own sizes, has moved; a detector's boxes jitter by a tenth of that."""
_STANDS_S = 2.0
"""Who has stood for less may only be slow: a slow vehicle takes that long for its drift."""
_MIDDLE = 5
"""Of so many last sightings the median counts: one bad box moves nobody."""
_PASS = 1.0
"""A vehicle that moved so far, in own sizes, from behind a standing one to before it, has passed it."""


class StoppedVehicle(RoadRule):
    """A vehicle stands where traffic should move."""

    kind: ClassVar[str] = "stopped_vehicle"

    min_seconds: float = Field(10.0, gt=0, description="Standing that counts, seconds.")
    leave_seconds: float = Field(4.0, gt=0, description="Unseen, away or moving for this long ends it, seconds.")
    wait_together: int = Field(
        2, ge=2, description="So many that stand in one place while none gets past them wait: nothing is said."
    )

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        return _Standing(self, self.stretches(places))


@dataclass(slots=True)
class _Halt:
    """Where one vehicle stands."""

    x: float
    y: float
    since: Sight
    """When it came to stand there."""
    number: int
    """Tells this halt from others of the same vehicle."""
    known: float
    """Known time of the last frame in which the vehicle was seen."""
    place: str = ""
    """Where it was last seen inside; empty: nowhere."""
    stood_s: float = 0.0
    """Known seconds of standing in that place."""
    moved_s: float = math.inf
    """Watched seconds since it last stood in the place; endless while it has not stood at all."""
    stood_at: float = 0.0
    """Capture time when it last did."""
    waited_known: float = -math.inf
    """Known time when it last stood with others: the last of a queue to leave stands alone for a moment."""
    passed: bool = False
    """Whether another got past it."""
    behind: set[int] = field(default_factory=set)
    """Numbers of those that came up behind it."""
    announced: bool = False

    def stands(self) -> bool:
        return self.moved_s == 0.0


class _Standing(Judge):
    """Keeps the clock of every vehicle that does not move."""

    def __init__(self, rule: StoppedVehicle, stretches: list[Stretch]):
        self._rule = rule
        self._stretches = stretches
        self._vehicles = Vehicles(rule.labels, rule.leave_seconds)
        self._halts: dict[int, _Halt] = {}
        self._count = 0
        self._told: dict[str, int] = {}

    def judge(
        self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES
    ) -> Iterator[Event | Reading]:
        """See Judge."""
        vehicles, rule = self._vehicles, self._rule
        if not vehicles.update(frame, tracks):
            return
        where = {v.number: s.name for s in reversed(self._stretches) for v in s.holds(vehicles.seen)}
        for vehicle in vehicles.seen:
            yield from self._stand(frame.time, vehicle, where.get(vehicle.number, ""))
        for vehicle in vehicles.gone:
            halt = self._halts.pop(vehicle.number, None)
            if halt is not None and halt.announced:
                yield self._event("end", frame.time, vehicle, halt, {})
        standing = self._by_place()
        for place, halts in standing.items():
            self._watch_passing(place, halts, where)
            for vehicle, halt in halts:
                if len(halts) >= rule.wait_together:
                    halt.waited_known = vehicles.known
                if not halt.announced and self._abandoned(vehicle, halt) and rule.holds_at(frame.time):
                    halt.announced = True
                    why: dict[str, object] = {"standing_here": len(halts), "passed_by_others": halt.passed}
                    yield self._event("begin", frame.time, vehicle, halt, why)
                    yield Reading("stopped_vehicle", place, 1.0, "count", vehicle.label)
        yield from self._levels({place: len(halts) for place, halts in standing.items()})

    def _abandoned(self, vehicle: Vehicle, halt: _Halt) -> bool:
        """Whether it has stood for long enough, and not because it waits with others or did until lately."""
        enough, known = self._rule.min_seconds - 1e-6, self._vehicles.known
        alone = halt.passed or known - halt.waited_known >= enough
        seen = vehicle.now.known == known  # who is out of sight may just have left
        return seen and alone and halt.stood_s >= enough and vehicle.confidence >= self._rule.min_confidence

    def _stand(self, time: float, vehicle: Vehicle, place: str) -> Iterator[Event]:
        """Move one vehicle's clock."""
        halt = self._halts.get(vehicle.number)
        if halt is None:
            self._halts[vehicle.number] = self._halt(vehicle, place)
            return
        near = self._near(vehicle, halt)
        if near and place and place == (halt.place or place):
            halt.place = place
            halt.stood_s += self._vehicles.known - halt.known
            halt.known, halt.moved_s, halt.stood_at = self._vehicles.known, 0.0, time
            return
        halt.known = self._vehicles.known
        halt.moved_s = self._vehicles.step_s + (0.0 if math.isinf(halt.moved_s) else halt.moved_s)
        over = halt.moved_s > self._rule.leave_seconds + 1e-6
        if halt.announced and over:
            yield self._event("end", time, vehicle, halt, {})
        # who stands with the foot on the border is in and out of the place by turns
        if over or not (near or halt.announced):
            self._halts[vehicle.number] = self._halt(vehicle, place)

    def _near(self, vehicle: Vehicle, halt: _Halt) -> bool:
        """Whether it is where it stood: in this frame, or at least in the middle of the last ones."""
        reach = _DRIFT * vehicle.now.size
        if math.hypot(vehicle.now.x - halt.x, vehicle.now.y - halt.y) < reach:
            return True
        x, y = _middle(vehicle)
        return math.hypot(x - halt.x, y - halt.y) < reach

    def _halt(self, vehicle: Vehicle, place: str) -> _Halt:
        self._count += 1
        x, y = _middle(vehicle)
        return _Halt(x, y, vehicle.now, self._count, vehicle.now.known, place)

    def _by_place(self) -> dict[str, list[tuple[Vehicle, _Halt]]]:
        """Who stands where now; who stands and was missed by the detector for a moment stands still."""
        found: dict[str, list[tuple[Vehicle, _Halt]]] = {stretch.name: [] for stretch in self._stretches}
        for vehicle in self._vehicles:
            halt = self._halts.get(vehicle.number)
            if halt is not None and halt.place and halt.stands() and halt.stood_s >= _STANDS_S:
                found[halt.place].append((vehicle, halt))
        return found

    def _watch_passing(self, place: str, halts: list[tuple[Vehicle, _Halt]], where: dict[int, str]) -> None:
        """Note who gets from behind a standing vehicle to before it: then the standing ones do not wait."""
        if len(halts) < self._rule.wait_together:
            return
        still = {vehicle.number for vehicle, _ in halts}
        for mover in self._vehicles.seen:
            pace = mover.velocity(self._vehicles.aspect)
            if mover.number in still or where.get(mover.number) != place or pace is None:
                continue
            if math.hypot(*pace) < _DRIFT * mover.now.size:
                continue
            for vehicle, halt in halts:
                ahead = _ahead(mover, vehicle, pace)
                if ahead < 0:
                    halt.behind.add(mover.number)
                elif ahead > _PASS * vehicle.now.size and mover.number in halt.behind:
                    for _, other in halts:
                        other.passed = True
        for _, halt in halts:
            halt.behind &= {vehicle.number for vehicle in self._vehicles}

    def _levels(self, counts: dict[str, int]) -> Iterator[Reading]:
        for place, count in counts.items():
            if self._told.get(place) != count:
                self._told[place] = count
                yield Reading("standing", place, float(count))

    def _event(self, state: str, time: float, vehicle: Vehicle, halt: _Halt, why: dict[str, object]) -> Event:
        rule = self._rule
        return rule.event(
            "begin" if state == "begin" else "end",
            time,
            key=(halt.number,),
            started=halt.since.time,
            ended=halt.stood_at if state == "end" else None,
            zone=halt.place,
            track_id=vehicle.track_id,
            label=vehicle.label,
            confidence=min(vehicle.confidence, 1.0),
            box=vehicle.now.box,
            detail={
                "stood_s": round(halt.stood_s, 2),
                "min_seconds": rule.min_seconds,
                "max_drift_sizes": _DRIFT,
                "wait_together": rule.wait_together,
                **why,
            },
        )


def _middle(vehicle: Vehicle) -> Vector:
    """The median of its last bottom centers, in heights."""
    last = [vehicle.trail[i] for i in range(-min(_MIDDLE, len(vehicle.trail)), 0)]
    return median(sight.x for sight in last), median(sight.y for sight in last)


def _ahead(mover: Vehicle, other: Vehicle, pace: Vector) -> float:
    """How far the mover is before the other one, in heights, along its own way."""
    dx, dy = mover.now.x - other.now.x, mover.now.y - other.now.y
    return (dx * pace[0] + dy * pace[1]) / max(math.hypot(*pace), 1e-9)
