"""Crowd: so many people at once in a zone, or in the whole picture, for so long.

Whom the detector misses for a moment still counts, so that it is people who are counted and not luck; the crowd is over
when they were clearly fewer for a while. How many there are is also a level: `streamer_level{kind="crowd"}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from streamer.events import Event
from streamer.places import Places, Zone
from streamer.readings import Reading
from streamer.rules.latch import Latch
from streamer.rules.path import Box, Paths, Thing
from streamer.rules.rule import Judge, Rule
from streamer.types import NO_SCORES, Frame, Scores, Tracks

PICTURE = "picture"
"""The place of readings that are about the whole picture."""
_MISS_S = 1.0
"""Who was not seen for longer does not count."""


class Crowd(Rule):
    """Many people gather."""

    kind: ClassVar[str] = "crowd"

    zones: list[str] = Field(
        default_factory=list, description="Zones to count in, each by itself; the whole picture if left out."
    )
    min_count: int = Field(5, ge=1, description="So many at once are a crowd.")
    slack: int = Field(1, ge=0, description="It is over when there are fewer than `min_count` less this.")
    min_seconds: float = Field(5.0, ge=0, description="How long there must be so many, seconds.")
    end_seconds: float = Field(3.0, ge=0, description="How long there must be fewer for it to end, seconds.")
    labels: list[str] = Field(["person", "motion"], description="Who counts; names of the detector's classes.")
    min_confidence: float = Field(0.35, ge=0, le=1, description="Mean confidence of the sightings that is asked for.")

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        return _Counts(self, self.drawn(self.zones, places.zones, "zone"))

    def places_needed(self) -> dict[str, list[str]]:
        """See Rule."""
        return {"zones": self.zones}


@dataclass(slots=True)
class _Place:
    """One zone, or the whole picture, and whether it is full."""

    zone: Zone | None
    latch: Latch
    told: int | None = None
    """The count of the last reading."""
    most: int = 0
    """At once, since the crowd began."""
    box: Box | None = None

    @property
    def name(self) -> str:
        return self.zone.name if self.zone else PICTURE


class _Counts(Judge):
    """Counts who is there."""

    def __init__(self, rule: Crowd, zones: list[Zone]):
        self._rule = rule
        self._paths = Paths(rule.labels, keep_s=2.0)
        areas: list[Zone | None] = [*zones] or [None]
        self._places = [_Place(area, Latch(rule.min_seconds, rule.end_seconds)) for area in areas]
        self._enough = max(rule.min_count - rule.slack, 1)

    def judge(
        self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES
    ) -> Iterator[Event | Reading]:
        """See Judge."""
        self._paths.update(frame, tracks)
        if not tracks.known:
            return
        there = [one for one in self._paths if one.away_s <= _MISS_S and one.confidence >= self._rule.min_confidence]
        feet = np.array([one.foot for one in there]).reshape(-1, 2)
        for place in self._places:
            inside = there if place.zone is None else [there[i] for i in np.flatnonzero(place.zone.contains(feet))]
            yield from self._judge(frame.time, place, inside)

    def _judge(self, time: float, place: _Place, people: list[Thing]) -> Iterator[Event | Reading]:
        count = len(people)
        if count != place.told:
            place.told = count
            yield Reading(self._rule.kind, place.name, count)
        holds = count >= self._rule.min_count and (place.latch.on or self._rule.holds_at(time))
        change = place.latch.update(time, self._paths.known, holds, count < self._enough)
        if change == "begin":
            place.most = 0
        if count >= place.most and people:
            place.most, place.box = count, _around(people)
        if change:
            yield self._event(change, time, place, people)

    def _event(self, state: str, time: float, place: _Place, people: list[Thing]) -> Event:
        rule = self._rule
        detail = {"count": len(people), "min_count": rule.min_count, "min_seconds": rule.min_seconds}
        if state == "end":
            detail |= {"most": place.most, "enough": self._enough, "end_seconds": rule.end_seconds}
        return rule.event(
            "begin" if state == "begin" else "end",
            time,
            key=(place.name if place.zone else "",),
            started=place.latch.started,
            ended=place.latch.until if state == "end" else None,
            zone=place.zone.name if place.zone else None,
            confidence=min(float(np.mean([one.confidence for one in people])), 1.0) if people else 1.0,
            box=place.box,
            detail=detail,
        )


def _around(people: list[Thing]) -> Box:
    """The box that holds all of them."""
    boxes = np.array([one.last.box for one in people])
    x1, y1 = boxes[:, :2].min(axis=0).tolist()
    x2, y2 = boxes[:, 2:].max(axis=0).tolist()
    return x1, y1, x2, y2
