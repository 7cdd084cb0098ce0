"""Abandoned object: somebody brings a thing, goes away, and the thing stays. No detector has to know what it is.

A thing is a region that stands still before the background (see `ground`). It counts when somebody was at it as it
appeared, when it is smaller than they are, and when something was put there, not taken away. From when its owner is far
or gone, seconds are counted; who loses their number on the way keeps the thing. While somebody stands before it, or may
still be there without being detected, nothing is decided.

Source of the defaults: PETS 2006 (the luggage is unattended when its owner is 3 m away, which is 1.75 heights of 1.7 m;
an alarm after 30 s of that).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from streamer.errors import InputError
from streamer.events import Event
from streamer.places import Places
from streamer.rules.distance import Box, box_of
from streamer.rules.ground import Ground, Region
from streamer.rules.owners import People, Thing
from streamer.rules.rule import Judge, KnownTime, Rule
from streamer.types import NO_SCORES, Frame, Scores, Tracks

_PERIOD_S = 0.5
_STEP_S = 2.0
"""Longest time that counts between two looks."""
_SETTLE_S = 2.0
_SAME_SIZE = 0.2
"""A region that grows or shrinks by less is the same thing."""
_UNDER = 0.5
"""It must have stood free for this share of the time that somebody stood before it: else it may be themselves."""
_SMALLER = 0.8
"""A thing is at most so high as its owner; what is higher is the owner."""
_GONE = 0.3
"""Share of a thing's cells below which it was taken away."""
_MOST_THINGS = 64


class AbandonedObject(Rule):
    """Somebody leaves a thing behind."""

    kind: ClassVar[str] = "abandoned_object"

    zones: list[str] = Field(default_factory=list, description="Zones to watch; the whole picture if left out.")
    min_seconds: float = Field(30.0, gt=0, description="Without its owner for so long, a thing is abandoned, seconds.")
    owner_heights: float = Field(
        1.75, gt=0, description="Farther from it than so many own heights, the owner has left it."
    )
    owners: list[str] = Field(["person", "motion"], description="Labels of who may bring things.")
    min_area: float = Field(0.0006, gt=0, lt=1, description="Smallest thing, as a share of the picture.")
    max_area: float = Field(0.1, gt=0, le=1, description="Largest thing, as a share of the picture.")

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        missing = [name for name in self.zones if name not in places.zones]
        if missing:
            has = ", ".join(places.zones) or "none"
            raise InputError(f"{self.kind}: zone {missing[0]!r} is not drawn on this camera; it has: {has}")
        return _Watching(self, places)

    def places_needed(self) -> dict[str, list[str]]:
        """See Rule."""
        return {"zones": self.zones}


class _Watching(Judge):
    """The things that stand on one camera's ground."""

    def __init__(self, rule: AbandonedObject, places: Places):
        self._rule = rule
        self._zones = [places.zones[name] for name in rule.zones]
        self._out = [mask.zone for mask in places.masks.values()]
        self._ground = Ground(_SETTLE_S)
        self._known = KnownTime()
        self._looked_at: float | None = None
        self._things: list[Thing] = []
        self._count = 0
        self._people = People(_PERIOD_S)

    def judge(self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES) -> Iterator[Event]:
        """See Judge."""
        known = self._known.advance(frame.time, tracks.known)
        if not tracks.known or (self._looked_at is not None and known - self._looked_at < _PERIOD_S - 1e-3):
            return
        step_s = 0.0 if self._looked_at is None else min(known - self._looked_at, _STEP_S)
        self._looked_at = known
        people = self._owners(tracks)
        self._people.see(frame.time, people)
        regions = self._ground.look(frame.pixels, step_s, [box for _, box in people])
        if regions is None:
            self._things = [thing for thing in self._things if thing.announced]
            for thing in self._things:
                thing.absorbed = True
            return
        aspect = frame.size[0] / frame.size[1]
        self._meet(regions, frame.time, step_s, aspect)
        for thing in list(self._things):
            yield from self._step(thing, frame.time, step_s, aspect)

    def _owners(self, tracks: Tracks) -> list[tuple[int, Box]]:
        rows = [i for i in range(len(tracks)) if tracks.label(i) in self._rule.owners]
        return [(int(tracks.track_ids[i]), box_of(tracks.boxes[i])) for i in rows]

    def _meet(self, regions: list[Region], time: float, step_s: float, aspect: float) -> None:
        """Give each region its thing."""
        rule, total = self._rule, self._ground.front.size
        for region in regions:
            if not rule.min_area <= len(region.cells) / total <= rule.max_area:
                continue
            known = [thing for thing in self._things if _overlap(thing.region, region) >= 0.3]
            known.sort(key=lambda thing: (not thing.announced, thing.number))
            for thing in known[1:]:  # they have grown together
                if not thing.announced:
                    self._things.remove(thing)
            if known:
                self._grow(known[0], region, step_s)
                continue
            counts, zone = self._where(region.box)
            if counts and len(self._things) < _MOST_THINGS:
                self._count += 1
                born_at = time - region.age_s
                bringers = self._people.bringers(region, born_at, aspect)
                self._things.append(Thing(region, self._count, born_at, zone, bringers, size=len(region.cells)))

    def _grow(self, thing: Thing, region: Region, step_s: float) -> None:
        smaller = len(region.cells) < (1 - _SAME_SIZE) * thing.size
        if thing.announced or (thing.brought and smaller):
            return  # somebody passes in front of it
        thing.region = region
        if abs(len(region.cells) - thing.size) > _SAME_SIZE * thing.size:
            thing.size, thing.steady_s, thing.brought = len(region.cells), 0.0, None
        else:
            thing.steady_s += step_s

    def _where(self, box: Box) -> tuple[bool, str | None]:
        """Whether a thing that stands there counts, and in which zone it is, if zones are asked for."""
        foot = np.array([[(box[0] + box[2]) / 2, box[3]]])
        zone = next((zone.name for zone in self._zones if zone.contains(foot)[0]), None)
        masked = any(zone.contains(foot)[0] for zone in self._out)
        return not masked and (zone is not None or not self._zones), zone

    def _step(self, thing: Thing, time: float, step_s: float, aspect: float) -> Iterator[Event]:
        if self._taken_away(thing, step_s):
            self._things.remove(thing)
            if thing.announced:
                yield self._event("end", thing, time)
            return
        self._people.follow(thing, aspect)
        if thing.brought is None:
            self._decide(thing)
        heights = self._rule.owner_heights
        if not thing.announced and self._people.attend(thing, self._ground, heights, aspect):
            thing.alone_s, thing.alone_since = 0.0, None
            return
        thing.alone_since = time if thing.alone_since is None else thing.alone_since
        thing.alone_s = thing.alone_s + step_s if thing.alone_since < time else 0.0
        long_enough = thing.alone_s >= self._rule.min_seconds - 1e-6
        if long_enough and thing.brought and not thing.announced and self._rule.holds_at(time):
            thing.announced = True
            yield self._event("begin", thing, time)

    def _taken_away(self, thing: Thing, step_s: float) -> bool:
        if thing.absorbed:
            changed = float(self._ground.front.ravel()[thing.region.cells].mean()) > 1 - _GONE
            thing.gone_s = thing.gone_s + step_s if changed else 0.0
            return thing.gone_s >= _SETTLE_S
        return self._ground.here(thing.region.cells) < _GONE

    def _decide(self, thing: Thing) -> None:
        """Find out whether it is a thing that somebody brought."""
        region = thing.region
        if thing.steady_s < _SETTLE_S or region.age_s - region.under_s < _UNDER * region.under_s:
            return
        tall = region.box[3] - region.box[1]
        smaller = any(tall <= _SMALLER * (box[3] - box[1]) for _, box in thing.owners.values())
        thing.brought = smaller and self._ground.added(region)
        if not self._ground.added(region):
            self._ground.absorb(region.cells)

    def _event(self, state: str, thing: Thing, time: float) -> Event:
        detail: dict[str, Any] = {
            "alone_s": round(thing.alone_s, 2),
            "min_seconds": self._rule.min_seconds,
            "owner_heights": self._rule.owner_heights,
            "owners": sorted(thing.owners),
            "stood_there_s": round(time - thing.born_at, 2),
        }
        return self._rule.event(
            "begin" if state == "begin" else "end",
            time,
            key=(thing.number,),
            started=thing.alone_since,
            ended=time if state == "end" else None,
            zone=thing.zone,
            track_id=min(thing.owners, default=None),
            label="object",
            confidence=1.0 if thing.absorbed else max(self._ground.here(thing.region.cells), 0.0),
            box=thing.region.box,
            detail=detail,
        )


def _overlap(a: Region, b: Region) -> float:
    """Shared cells as a share of the smaller region."""
    return len(np.intersect1d(a.cells, b.cells, assume_unique=True)) / min(len(a.cells), len(b.cells))
