"""Counting: how many vehicles pass a line or go along a lane, by class, direction and movement.

A vehicle counts where the way of its bottom center passes between the ends of a gate (a drawn line, or a line across a
lane) and then gets clear of it. Getting clear is asked for in shares of its own size, so the jitter of a box that
stands on the line counts nothing; the way runs on through misses and switches of the track's number, so neither loses
nor doubles a count. Counts are readings; events only if asked for, one update an interval.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import Field, model_validator

from streamer.errors import InputError
from streamer.events import Event, Severity
from streamer.places import Places
from streamer.readings import Reading
from streamer.rules.gate import Gate, middle_gate, within
from streamer.rules.road import LaneRule
from streamer.rules.rule import Judge
from streamer.rules.sight import Sight, shift
from streamer.rules.tally import Tally
from streamer.rules.vehicles import Vehicle, Vehicles
from streamer.types import NO_SCORES, Frame, Scores, Tracks

_FORGET_S = 2.0
"""Unseen for so long (watched seconds) a vehicle is gone: the tracker's own patience."""
_CLEAR = 0.25
"""How far beyond the gate a vehicle must get, in own sizes: four times the jitter of a bad detector's box."""
_TRAVEL = 0.5
"""How far it must have moved in all, in own sizes: a parked car whose box halves behind a passing one does not."""
_WINDOWS_MIN = (1, 5, 15)
"""Sliding windows of the gauges, minutes: those of traffic engineering."""
_MOST = 20_000
"""Crossings that are remembered for the windows: 22 a second for 15 minutes."""


class Counting(LaneRule):
    """Vehicles are counted at lines and in lanes."""

    kind: ClassVar[str] = "counting"

    severity: Severity = Field("info", description="info, warning or critical.")
    lines: list[str] = Field([], description="Lines at which vehicles are counted, forward and backward.")
    lanes_at: str | None = Field(
        None, description="A line: lanes are counted where it crosses them; default: in the middle of each lane."
    )
    movements: dict[str, list[str]] = Field(
        {}, description="Name of a movement and the lines or lanes that a vehicle passes in it, in order."
    )
    report_seconds: float | None = Field(
        None,
        ge=1,
        le=86400,
        description="Also tell the counts as an event once in this time, e.g. 900; not if left out.",
    )

    @model_validator(mode="after")
    def _sound(self) -> Counting:
        if not (self.lines or self.lanes):
            raise ValueError("counting needs a place: name at least one under lines or lanes")
        both = sorted({*self.lines} & {*self.lanes})
        if both:
            raise ValueError(f"{both[0]!r} names a line and a lane: their counts could not be told apart")
        for name, way in self.movements.items():
            unknown = [place for place in way if place not in (*self.lines, *self.lanes)]
            if unknown:
                raise ValueError(f"movement {name!r}: {unknown[0]!r} is not one of the lines and lanes counted here")
            if len(way) < 2 or len({*way}) < len(way):
                raise ValueError(f"movement {name!r} needs at least two different places, got {way}")
        return self

    def _needs_place(self) -> bool:
        return False  # lines do as well

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        return _Counter(self, self._gates(places))

    def places_needed(self) -> dict[str, list[str]]:
        """See Rule."""
        extra = [] if self.lanes_at is None or self.lanes_at in self.lines else [self.lanes_at]
        return {"lines": [*self.lines, *extra], "lanes": self.lanes}

    def _gates(self, places: Places) -> list[Gate]:
        gates = [Gate(line.name, line.start, line.end) for line in self.drawn(self.lines, places.lines, "line")]
        ruler = None if self.lanes_at is None else self.drawn([self.lanes_at], places.lines, "line")[0]
        for lane in self.drawn(self.lanes, places.lanes, "lane"):
            name = lane.zone.name
            if ruler is None:
                gates.append(Gate(name, *middle_gate(lane)))
                continue
            if within(lane.zone, ruler.start, ruler.end) is None:
                raise InputError(f"counting: line {self.lanes_at!r} does not cross lane {name!r}: draw it across")
            (ax, ay), (bx, by), (dx, dy) = ruler.start, ruler.end, lane.direction
            forward = (bx - ax) * dy - (by - ay) * dx > 0
            ends = (ruler.start, ruler.end) if forward else (ruler.end, ruler.start)
            gates.append(Gate(name, *ends, lane.zone))
        return gates


@dataclass(slots=True)
class _Side:
    """Where a vehicle is with regard to one gate."""

    right: bool
    """The side that it was last clear on."""
    crossed: bool = False
    """Whether its way has passed between the gate's ends since then."""


@dataclass(slots=True)
class _Passer:
    sides: list[_Side | None]
    passed: dict[str, float] = field(default_factory=dict)
    """Gates that it was counted at, and when."""


class _Counter(Judge):
    """Watches who passes the gates, and keeps the books."""

    def __init__(self, rule: Counting, gates: list[Gate]):
        self._rule = rule
        self._gates = gates
        self._vehicles = Vehicles(rule.labels, _FORGET_S)
        self._passers: dict[int, _Passer] = {}
        self._recent: deque[tuple[float, str, str]] = deque(maxlen=_MOST)
        self._levels: dict[tuple[int, str, str], int] = {}
        self._levels_at: float | None = None
        self._book = Tally(rule, rule.report_seconds, rule.lines, [*(gate.name for gate in gates), *rule.movements])

    def judge(
        self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES
    ) -> Iterator[Event | Reading]:
        """See Judge."""
        if not self._vehicles.update(frame, tracks):
            return
        yield from self._book.advance(frame.time, self._vehicles.step_s)
        for vehicle in self._vehicles.gone:
            self._passers.pop(vehicle.number, None)
        for vehicle in self._vehicles.seen:
            passer = self._passers.get(vehicle.number)
            if passer is None:
                passer = self._passers[vehicle.number] = _Passer([None] * len(self._gates))
            for i, gate in enumerate(self._gates):
                direction = self._passes(vehicle, gate, passer, i)
                if direction and self._rule.holds_at(frame.time):
                    yield from self._count(frame.time, vehicle, gate.name, direction)
                    yield from self._move(vehicle, gate.name, passer, frame.time)
        yield from self._windows(frame.time)

    def _passes(self, vehicle: Vehicle, gate: Gate, passer: _Passer, i: int) -> str:
        """The direction in which a vehicle has just passed a gate and got clear of it; empty if it has not."""
        aspect, now = self._vehicles.aspect, vehicle.now
        off, _ = gate.measure(now.x, now.y, aspect)
        side = passer.sides[i]
        if side is None or len(vehicle.trail) < 2:
            passer.sides[i] = _Side(off >= 0)
            return ""
        crossed = self._crossed(vehicle.trail[-2], now, gate)
        if crossed is not None:
            side.crossed = crossed
        if (off >= 0) == side.right:
            return ""
        clear = abs(off) >= _CLEAR * now.size
        if not clear or math.hypot(*shift(vehicle.trail[0], now, aspect)) < _TRAVEL * now.size:
            return ""
        side.right = off >= 0
        real = side.crossed and vehicle.confidence >= self._rule.min_confidence
        side.crossed = False
        return ("forward" if side.right else "backward") if real else ""

    def _crossed(self, before: Sight, now: Sight, gate: Gate) -> bool | None:
        """Whether the step from one sighting to the next passed the gate or beside its ends; None: neither."""
        (a, along_a), (b, along_b) = (gate.measure(s.x, s.y, self._vehicles.aspect) for s in (before, now))
        if (a >= 0) == (b >= 0):
            return None
        share = a / (a - b)
        return gate.holds(along_a + share * (along_b - along_a))

    def _count(self, time: float, vehicle: Vehicle, place: str, direction: str) -> Iterator[Reading]:
        self._recent.append((time, place, direction))
        self._book.add(place, vehicle.label, direction)
        yield Reading("counting", place, 1.0, "count", vehicle.label, direction)

    def _move(self, vehicle: Vehicle, gate: str, passer: _Passer, time: float) -> Iterator[Reading]:
        """What movements the vehicle completes by passing this gate."""
        passer.passed[gate] = time
        for name, way in self._rule.movements.items():
            if way[-1] != gate:
                continue
            at = [passer.passed.get(place) for place in way]
            known = [t for t in at if t is not None]
            if len(known) == len(way) and known == sorted(known):
                self._book.add(name, vehicle.label, "")
                yield Reading("movement", name, 1.0, "count", vehicle.label)
                for place in way:  # round again is a movement again
                    del passer.passed[place]

    def _windows(self, time: float) -> Iterator[Reading]:
        """The gauges of the last minutes, once a second, where they have changed."""
        if self._levels_at is not None and 0 <= time - self._levels_at < 1.0:
            return
        self._levels_at = time
        while self._recent and self._recent[0][0] <= time - 60 * _WINDOWS_MIN[-1]:
            self._recent.popleft()
        levels = {key: 0 for key in self._levels}
        for at, place, direction in self._recent:
            for minutes in _WINDOWS_MIN:
                if at > time - 60 * minutes:
                    key = minutes, place, direction
                    levels[key] = levels.get(key, 0) + 1
        for key, value in levels.items():
            if self._levels.get(key) != value:
                yield Reading(f"vehicles_{key[0]}min", key[1], float(value), direction=key[2])
        self._levels = levels
