"""Occupancy: how many are in a zone now, how many came and went, and whether there are too many.

Somebody is in once they were seen inside for `min_seconds`, and out once they were seen outside for as long, or not at
all for `leave_seconds`. How many are in is a level, `streamer_level{kind="occupancy"}`; who came and went are counts,
`streamer_counts_total{kind="occupancy"}` with the direction `in` or `out`. An event tells of more than `max_count`, if
that is set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from pydantic import Field

from streamer.events import Event
from streamer.places import Places, Zone
from streamer.readings import Reading
from streamer.rules.latch import Latch
from streamer.rules.path import Paths, Thing
from streamer.rules.rule import Judge, Rule
from streamer.types import NO_SCORES, Frame, Scores, Tracks


class Occupancy(Rule):
    """Counts who is in a zone, and tells when there are too many."""

    kind: ClassVar[str] = "occupancy"

    zones: list[str] = Field(min_length=1, description="Zones to count in; each camera that runs this rule draws them.")
    max_count: int | None = Field(None, ge=0, description="More than this is an event; only counted if left out.")
    over_seconds: float = Field(2.0, ge=0, description="How long there must be more, or again no more, seconds.")
    min_seconds: float = Field(0.5, ge=0, description="Seen inside, or outside, for this long changes it, seconds.")
    leave_seconds: float = Field(4.0, gt=0, description="Who is unseen for this long has left, seconds.")
    labels: list[str] = Field(["person", "motion"], description="Who counts; names of the detector's classes.")
    min_confidence: float = Field(0.35, ge=0, le=1, description="Mean confidence of the sightings that is asked for.")

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        return _Rooms(self, self.drawn(self.zones, places.zones, "zone"))

    def places_needed(self) -> dict[str, list[str]]:
        """See Rule."""
        return {"zones": self.zones}


@dataclass(slots=True)
class _Room:
    """One zone and who is in it."""

    zone: Zone
    latch: Latch
    guests: dict[int, Latch] = field(default_factory=dict)
    """By thing; on: it is in."""
    told: int | None = None
    most: int = 0


class _Rooms(Judge):
    """Keeps the books of all zones."""

    def __init__(self, rule: Occupancy, zones: list[Zone]):
        self._rule = rule
        self._paths = Paths(rule.labels, keep_s=rule.leave_seconds)
        self._rooms = [_Room(zone, Latch(rule.over_seconds, rule.over_seconds)) for zone in zones]

    def judge(
        self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES
    ) -> Iterator[Event | Reading]:
        """See Judge."""
        present, gone = self._paths.update(frame, tracks)
        if not tracks.known:
            return
        there = [one for one in present if one.confidence >= self._rule.min_confidence]
        feet = np.array([one.foot for one in there]).reshape(-1, 2)
        for room in self._rooms:
            for thing, inside in zip(there, room.zone.contains(feet).tolist(), strict=True):
                yield from self._move(frame.time, room, thing, inside)
            for thing in gone:
                guest = room.guests.pop(thing.number, None)
                if guest is not None and guest.on:
                    yield self._count(room, thing, "out")
            yield from self._judge(frame.time, room)

    def _move(self, time: float, room: _Room, thing: Thing, inside: bool) -> Iterator[Reading]:
        guest = room.guests.get(thing.number)
        if guest is None:
            if not inside:
                return
            guest = room.guests[thing.number] = Latch(self._rule.min_seconds, self._rule.min_seconds)
        change = guest.update(time, self._paths.known, inside)
        if change:
            yield self._count(room, thing, "in" if change == "begin" else "out")
        if not inside and not guest.on:
            del room.guests[thing.number]

    def _count(self, room: _Room, thing: Thing, direction: str) -> Reading:
        return Reading(self._rule.kind, room.zone.name, 1, "count", thing.label, direction)

    def _judge(self, time: float, room: _Room) -> Iterator[Event | Reading]:
        rule = self._rule
        count = sum(guest.on for guest in room.guests.values())
        if count != room.told:
            room.told = count
            yield Reading(rule.kind, room.zone.name, count)
        if rule.max_count is None:
            return
        over = count > rule.max_count
        change = room.latch.update(time, self._paths.known, over and (room.latch.on or rule.holds_at(time)), not over)
        room.most = count if change == "begin" else max(room.most, count)
        if change:
            detail = {"count": count, "max_count": rule.max_count, "over_seconds": rule.over_seconds}
            yield rule.event(
                change,
                time,
                key=(room.zone.name,),
                started=room.latch.started,
                ended=room.latch.until if change == "end" else None,
                zone=room.zone.name,
                detail=detail if change == "begin" else {**detail, "most": room.most},
            )
