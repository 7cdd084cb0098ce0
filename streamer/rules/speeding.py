"""Speeding: a vehicle is faster than the limit, measured in meters on the ground plane.

Its speed is the median of the slopes between its positions of the last second that lie half a window apart (after
Theil 1950 and Sen 1968), so a bad box or two are no offense, and at any frame rate the same time counts. Of a vehicle
that the frame's left or right edge cuts off the other end is followed; one that the lower edge cuts off is not
measured: where it stands is not seen. The limit must be exceeded by the tolerance for `min_seconds`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean, median
from typing import ClassVar

from pydantic import Field

from streamer.errors import InputError
from streamer.events import Event
from streamer.ground import Ground
from streamer.places import Places
from streamer.readings import Reading
from streamer.rules.road import RoadRule, Stretch
from streamer.rules.rule import Judge
from streamer.rules.sight import EDGE, Sight
from streamer.rules.vehicles import Vehicle, Vehicles
from streamer.types import NO_SCORES, Frame, Scores, Tracks

KMH = 3.6
"""Kilometers an hour in a meter a second."""
_PAIRS = 12
"""Of more sightings than this, every second (third, ...) is used: the median of a few slopes is as good."""
_MIN_SPAN = 0.6
"""Of the window, so much must lie between the first and the last sighting that are used."""


class Speeding(RoadRule):
    """A vehicle is faster than allowed; needs the camera's ground plane."""

    kind: ClassVar[str] = "speeding"

    limit_kmh: float = Field(gt=0, le=400, description="Speed limit, km/h.")
    tolerance_kmh: float = Field(
        5.0, ge=0, description="What is taken off a measured speed before it is compared, km/h: errors of the drawing."
    )
    min_seconds: float = Field(0.5, ge=0, description="Speeding that counts, seconds.")
    window_seconds: float = Field(1.0, gt=0, le=3, description="A speed is measured over this time, seconds.")
    leave_seconds: float = Field(2.0, gt=0, description="Unseen, away or slower for this long ends it, seconds.")

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        if places.ground is None:
            raise InputError(f"{self.kind}: the camera has no ground plane; give 4 points and their size under ground")
        return _Radar(self, self.stretches(places), places.ground)

    def ground_needed(self) -> bool:
        """See Rule."""
        return True


@dataclass(slots=True)
class _Drive:
    """How fast one vehicle goes."""

    number: int
    place: str
    started: float
    """Capture time since which it is too fast."""
    last_known: float
    """Known time of the last measurement."""
    fast_s: float = 0.0
    slow_s: float = 0.0
    """Watched seconds since it was last measured too fast."""
    top_mps: float = 0.0
    fast_at: float = 0.0
    announced: bool = False


class _Radar(Judge):
    """Measures the speed of everything in its lanes."""

    def __init__(self, rule: Speeding, stretches: list[Stretch], ground: Ground):
        self._rule = rule
        self._stretches = stretches
        self._vehicles = Vehicles(rule.labels, rule.leave_seconds, ground)
        self._drives: dict[int, _Drive] = {}
        self._count = 0
        self._told_at = -math.inf

    def judge(
        self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES
    ) -> Iterator[Event | Reading]:
        """See Judge."""
        if not self._vehicles.update(frame, tracks):
            return
        by_place: dict[str, list[float]] = {}
        seen: set[int] = set()
        for stretch in self._stretches:
            for vehicle in stretch.holds(self._vehicles.seen):
                speed = ground_speed(vehicle, self._rule.window_seconds)
                if speed is None or vehicle.number in seen or vehicle.confidence < self._rule.min_confidence:
                    continue
                seen.add(vehicle.number)
                by_place.setdefault(stretch.name, []).append(speed)
                yield from self._measure(frame.time, vehicle, stretch.name, speed)
        yield from self._slower(frame.time, seen)
        if by_place and not 0 <= frame.time - self._told_at < 1.0:
            self._told_at = frame.time
            for place, speeds in by_place.items():
                yield Reading("speed_mps", place, round(fmean(speeds), 3))

    def _measure(self, time: float, vehicle: Vehicle, place: str, speed: float) -> Iterator[Event | Reading]:
        rule, known = self._rule, self._vehicles.known
        drive = self._drives.get(vehicle.number)
        if speed * KMH - rule.tolerance_kmh <= rule.limit_kmh:
            if drive is not None and not drive.announced:
                del self._drives[vehicle.number]
            return
        if drive is None:
            self._count += 1
            drive = self._drives[vehicle.number] = _Drive(self._count, place, time, known)
        drive.fast_s += known - drive.last_known if drive.slow_s == 0 else 0.0
        drive.last_known, drive.slow_s, drive.fast_at = known, 0.0, time
        drive.top_mps = max(drive.top_mps, speed)
        if not drive.announced and drive.fast_s >= rule.min_seconds - 1e-6 and rule.holds_at(time):
            drive.announced, drive.place = True, place
            yield self._event("begin", time, vehicle, drive, speed)
            yield Reading("speeding", place, 1.0, "count", vehicle.label)

    def _slower(self, time: float, seen: set[int]) -> Iterator[Event]:
        """End what is over: slower, away, or gone."""
        gone = {vehicle.number: vehicle for vehicle in self._vehicles.gone}
        there = {vehicle.number: vehicle for vehicle in self._vehicles}
        for number, drive in list(self._drives.items()):
            if drive.fast_at < time:
                drive.slow_s += self._vehicles.step_s
            vehicle = gone.get(number) or there.get(number)
            if vehicle is None or number in gone or drive.slow_s > self._rule.leave_seconds + 1e-6:
                del self._drives[number]
                if drive.announced and vehicle is not None:
                    yield self._event("end", time, vehicle, drive, drive.top_mps)

    def _event(self, state: str, time: float, vehicle: Vehicle, drive: _Drive, speed: float) -> Event:
        rule = self._rule
        return rule.event(
            "begin" if state == "begin" else "end",
            time,
            key=(drive.number,),
            started=drive.started,
            ended=drive.fast_at if state == "end" else None,
            zone=drive.place,
            track_id=vehicle.track_id,
            label=vehicle.label,
            confidence=min(vehicle.confidence, 1.0),
            box=vehicle.now.box,
            detail={
                "speed_kmh": round(speed * KMH, 1),
                "top_kmh": round(drive.top_mps * KMH, 1),
                "limit_kmh": rule.limit_kmh,
                "tolerance_kmh": rule.tolerance_kmh,
                "fast_s": round(drive.fast_s, 2),
                "min_seconds": rule.min_seconds,
                "window_seconds": rule.window_seconds,
            },
        )


def ground_speed(vehicle: Vehicle, window_s: float) -> float | None:
    """Meters a second over the last sightings; None where they do not say.

    Args:
        vehicle: of `Vehicles` with a ground plane.
        window_s: how far back, known seconds; at a low frame rate two sightings count however far apart they are.
    """
    trail, now = vehicle.trail, vehicle.now
    used: list[Sight] = []
    for sight in reversed(trail):
        if sight.ends is None or (len(used) > 1 and sight.known < now.known - window_s - 1e-6):
            break
        used.append(sight)
    if len(used) < 2 or now.time - used[-1].time < _MIN_SPAN * window_s:
        return None
    spot = _whole(used)
    if spot is None:
        return None
    half, stride = len(used) // 2, 1 + len(used) // _PAIRS
    across, away = [], []
    for later, earlier in zip(used[::stride], used[half::stride], strict=False):
        assert later.ends is not None  # those without ended the search
        assert earlier.ends is not None
        (x1, y1), (x2, y2), took = earlier.ends[spot], later.ends[spot], later.time - earlier.time
        across.append((x2 - x1) / took)
        away.append((y2 - y1) / took)
    return math.hypot(median(across), median(away))


def _whole(used: list[Sight]) -> int | None:
    """Which spot of the lower edge is whole in the first and last: its middle (1), its left (0) or right end (2)."""
    first, last = used[-1].box, used[0].box
    left, right = min(first[0], last[0]) > EDGE, max(first[2], last[2]) < 1 - EDGE
    return 1 if left and right else 0 if left else 2 if right else None
