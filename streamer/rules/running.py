"""Running: somebody moves faster than one walks, for long enough that it is no stumble of the detector.

The unit is the height of the body, so that it is the same near and far; meters a second where the camera has a ground
plane. How speed is measured so that no change of a box passes for it: see `speed`.

People walk at 0.8 heights a second (1.4 m/s) and change to running at about 1.2 (2.1 m/s; Hreljac 1993): the default of
1.8 (3.1 m/s) leaves brisk walkers alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from streamer.events import Event
from streamer.ground import Ground
from streamer.places import Places, Zone
from streamer.rules.latch import Latch
from streamer.rules.path import Paths, Thing
from streamer.rules.rule import Judge, Rule
from streamer.rules.speed import Speed, span_s, speed
from streamer.types import NO_SCORES, Frame, Scores, Tracks

_END_SHARE = 0.8
"""A run goes on until it is slower than this share of the threshold."""


class Running(Rule):
    """Somebody runs."""

    kind: ClassVar[str] = "running"

    zones: list[str] = Field(default_factory=list, description="Where running counts; the whole picture if left out.")
    min_heights_per_second: float = Field(
        1.8, gt=0, description="Speed that counts without a ground plane, in heights of the body per second."
    )
    min_mps: float = Field(
        3.0, gt=0, description="Speed that counts where the camera has a ground plane, meters per second."
    )
    min_seconds: float = Field(0.7, gt=0, description="How long somebody must be that fast, seconds.")
    end_seconds: float = Field(1.0, ge=0, description="Slower, or unseen, for this long ends it, seconds.")
    labels: list[str] = Field(
        ["person", "motion"],
        description="What counts; names of the detector's classes. What is only `motion` must be taller than wide.",
    )
    min_confidence: float = Field(0.35, ge=0, le=1, description="Mean confidence of the sightings that is asked for.")

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        return _Runs(self, self.drawn(self.zones, places.zones, "zone"), places.ground)

    def places_needed(self) -> dict[str, list[str]]:
        """See Rule."""
        return {"zones": self.zones}


@dataclass(slots=True)
class _Run:
    """One thing's running."""

    latch: Latch
    started: float = 0.0
    fastest: float = 0.0
    zone: str | None = None


class _Runs(Judge):
    """Measures everybody's speed."""

    def __init__(self, rule: Running, zones: list[Zone], ground: Ground | None):
        self._rule, self._zones, self._ground = rule, zones, ground
        self._least = rule.min_mps if ground else rule.min_heights_per_second
        self._paths = Paths(rule.labels, span_s(rule.min_seconds), max(rule.end_seconds, 1.0))
        self._runs: dict[int, _Run] = {}

    def judge(self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES) -> Iterator[Event]:
        """See Judge."""
        present, gone = self._paths.update(frame, tracks)
        aspect = frame.size[0] / frame.size[1]
        for thing in present:
            yield from self._judge(frame.time, thing, aspect)
        for thing in gone:
            run = self._runs.pop(thing.number, None)
            if run is not None and run.latch.on:
                yield self._event("end", frame.time, thing, run, 0.0)

    def _judge(self, time: float, thing: Thing, aspect: float) -> Iterator[Event]:
        slow = _END_SHARE * self._least
        pace = speed(thing, self._rule.min_seconds, aspect, self._ground, slow)
        if pace is None:
            return  # too young, or not seen for a while: nothing can be said
        run = self._runs.get(thing.number)
        fast = pace.value >= self._least and self._counts(thing, pace, aspect)
        if run is None:
            if not fast:
                return
            run = self._runs[thing.number] = _Run(Latch(0.0, self._rule.end_seconds))
        zone = self._zone(thing)
        ready = fast and zone is not None and self._rule.holds_at(time)
        change = run.latch.update(time, self._paths.known, ready, pace.value < slow)
        if change == "begin":
            run.started, run.zone, run.fastest = pace.since, zone, 0.0
        run.fastest = max(run.fastest, pace.value)
        if change:
            yield self._event(change, time, thing, run, pace.value)
        if not run.latch.on:
            del self._runs[thing.number]

    def _zone(self, thing: Thing) -> str | None:
        """The zone that it runs in; empty for the whole picture, None outside of all."""
        if not self._zones:
            return ""
        foot = np.array([thing.foot])
        return next((zone.name for zone in self._zones if zone.contains(foot)[0]), None)

    def _counts(self, thing: Thing, pace: Speed, aspect: float) -> bool:
        x1, _, x2, _ = thing.last.box
        upright = thing.label != "motion" or (x2 - x1) * aspect < pace.height  # a car is no runner
        return upright and thing.confidence >= self._rule.min_confidence

    def _event(self, state: str, time: float, thing: Thing, run: _Run, value: float) -> Event:
        unit = "speed_mps" if self._ground else "speed_heights_s"
        detail: dict[str, Any] = {
            unit: round(value, 2),
            f"min_{unit.removeprefix('speed_')}": self._least,
            "min_seconds": self._rule.min_seconds,
        }
        if state == "end":
            detail |= {f"fastest_{unit.removeprefix('speed_')}": round(run.fastest, 2)}
        return self._rule.event(
            "begin" if state == "begin" else "end",
            time,
            key=(thing.number,),
            started=run.started,
            ended=run.latch.until if state == "end" else None,
            zone=run.zone or None,
            track_id=thing.track_id,
            label=thing.label,
            confidence=min(thing.confidence, 1.0),
            box=thing.last.box,
            detail=detail,
        )
